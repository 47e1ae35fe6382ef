//! `test`: the gate. Each phase writes a log of its own; the first one that fails ends the run.

use std::{env, fmt, time::Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tokio::process::Command;

use crate::{
    changed::{self, Plan},
    compile,
    local::{daemons::Daemons, logs, mode::Mode, time_scale::TimeScale, up},
    nextest, processes, python, report,
    site::Site,
};

#[derive(Args)]
pub(crate) struct TestArgs {
    /// Run one phase only.
    #[arg(long, value_enum)]
    only: Option<Phase>,
    /// Test only what the changes since the branch `main` can break: the crates that changed with those that use them, the
    /// template when it changed, and the stack when something changed that it deploys or stands on.
    #[arg(long, conflicts_with = "only")]
    changed: bool,
    /// How much faster than the machine's the clock of the stack is: what waits for a minute waits for 60 s divided by this.
    /// Lower it when a slow machine does not get its work done between two ticks; at 1 nothing is divided.
    #[arg(long, default_value_t = TIME_SCALE, value_parser = clap::value_parser!(u32).range(1..=20))]
    time_scale: u32,
    /// How many stacks the integration tests share: what one test claims of a stack, another one finds on the next. Three for the
    /// whole gate, one when tests are named.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=4))]
    stacks: Option<u16>,
    /// Leave the stacks of the integration tests up afterwards, to look at.
    #[arg(long)]
    keep: bool,
    /// Parts of the names of integration tests to run, such as `e2e::mail` or `our_records_equal_lever`, and options of
    /// `cargo nextest run`.
    #[arg(last = true)]
    filter: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Phase {
    /// Every file is formatted.
    Fmt,
    /// No warning of the compiler or of clippy.
    Clippy,
    /// The lint of the template by `sam validate --lint`.
    Sam,
    /// The lint of the template by `cfn-lint`.
    Cfn,
    /// All that is tested or deployed, compiled at once: the crates that wait for others leave no core idle then.
    Compile,
    /// Tests that need nothing but the workspace.
    Unit,
    /// Rules of the repository and end-to-end tests, against a stack on port 4666.
    Integration,
}

impl Phase {
    fn is_wanted(self, args: &TestArgs, plan: &Plan) -> bool {
        let may_break = match self {
            Self::Unit => plan.unit_tests().is_some(),
            Self::Sam | Self::Cfn => plan.template,
            // A phase that runs alone compiles what it needs.
            Self::Compile => plan.compiles_everything(),
            Self::Fmt | Self::Clippy | Self::Integration => true,
        };
        may_break && args.only.is_none_or(|only| only == self)
    }

    const fn runs_tests(self) -> bool {
        matches!(self, Self::Unit | Self::Integration)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Compile => "compile",
            Self::Unit => "unit",
            Self::Sam => "sam",
            Self::Cfn => "cfn",
            Self::Integration => "integration",
        })
    }
}

/// The stacks of the tests have ports of their own, so that a stack in use is not in the way.
const PORT: u16 = 4666;
const STATE: &str = ".local/test";
/// How far the ports of two stacks of the tests are apart.
const PORTS_APART: u16 = 10;
/// Stacks of the gate: with more, two cores spend their time on starting them.
const STACKS: u16 = 3;
/// The gate runs in real time until a faster clock has been green often enough on two busy cores: a minute must be long enough for
/// what is done within it.
pub(crate) const TIME_SCALE: u32 = 1;

pub(crate) async fn test(args: &TestArgs) -> Result<()> {
    let site = Site::new(STATE, PORT)?;
    let _lock = site.lock()?;
    let began = Instant::now();
    report::heading(format!("Tests; logs: {}", site.display(&site.state.join("logs"))));
    let plan = if args.changed { changed::plan(&site).await? } else { Plan::all() };
    if args.changed {
        report::note(plan.describe());
    }
    let phases: Vec<Phase> =
        Phase::value_variants().iter().copied().filter(|phase| phase.is_wanted(args, &plan)).collect();
    let in_turn = async |first: Phase, last: Phase| -> Result<()> {
        for phase in phases.iter().filter(|phase| (first..=last).contains(phase)) {
            run(*phase, &site, args, &plan).await?;
        }
        Ok(())
    };
    in_turn(Phase::Fmt, Phase::Fmt).await?;
    // The linters of the template read files for ten seconds, in which the compiler does not need both cores.
    tokio::try_join!(in_turn(Phase::Clippy, Phase::Clippy), in_turn(Phase::Sam, Phase::Cfn))?;
    in_turn(Phase::Compile, Phase::Integration).await?;
    report::heading(format!("All tests passed in {}.", report::duration(began.elapsed())));
    let passed: u64 = phases.iter().map(|phase| passed_in(&site, *phase)).sum();
    println!("{passed} passed, 0 failed");
    Ok(())
}

/// How many tests a phase ran, as its log says.
fn passed_in(site: &Site, phase: Phase) -> u64 {
    let log = std::fs::read_to_string(site.log(&phase.to_string())).unwrap_or_default();
    if phase.runs_tests() { nextest::passed(&log) } else { 0 }
}

async fn run(phase: Phase, site: &Site, args: &TestArgs, plan: &Plan) -> Result<()> {
    let began = Instant::now();
    report::begun(phase);
    match phase {
        Phase::Fmt => cargo(site, phase, &["fmt", "--all", "--check"]).await?,
        Phase::Clippy => {
            let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"];
            cargo(site, phase, &arguments).await?;
        }
        Phase::Compile => cargo(site, phase, &["build", "--workspace", "--all-targets", "--locked"]).await?,
        Phase::Unit => {
            let mut command = nextest::command(site, "unit").await?;
            command.args(["--lib", "--bins"]);
            if let Some(filter) = plan.unit_tests().filter(|_| args.changed) {
                command.args(["--filterset", &filter]);
            }
            nextest::run(site, "phase unit", command, &site.log(&phase.to_string())).await?;
        }
        Phase::Sam => tool(site, phase, "sam", &["validate", "--lint", "--config-env", "default"]).await?,
        Phase::Cfn => tool(site, phase, "cfn-lint", &["template.yaml"]).await?,
        Phase::Integration if !plan.stack => {
            let mut command = nextest::command(site, "unit").await?;
            command.args(["--test", "it", "--filterset", "not test(/^(e2e|worlds)::/)"]).args(&args.filter);
            with_fixtures(site, &mut command);
            nextest::run(site, "phase integration", command, &site.log("integration")).await?;
        }
        Phase::Integration => {
            let run = Integration {
                log: "integration",
                long: false,
                arguments: &args.filter,
                keep: args.keep,
                time_scale: args.time_scale,
                stacks: args.stacks.unwrap_or(if args.filter.is_empty() { STACKS } else { 1 }),
            };
            integration(site, &run).await?;
        }
    }
    report::tick(began, phase);
    Ok(())
}

async fn cargo(site: &Site, phase: Phase, arguments: &[&str]) -> Result<()> {
    let mut command = compile::cargo(site);
    compile::quiet(&mut command);
    command.args(arguments);
    logged(site, phase, command).await
}

async fn tool(site: &Site, phase: Phase, name: &str, arguments: &[&str]) -> Result<()> {
    python::ensure(site).await?;
    let mut command = Command::new(site.tool(name));
    command.args(arguments).current_dir(&site.root).env_clear().envs(site.environment());
    std::fs::create_dir_all(site.state.join("tmp"))?;
    logged(site, phase, command).await
}

async fn logged(site: &Site, phase: Phase, command: Command) -> Result<()> {
    processes::log(&format!("phase {phase}"), command, &site.log(&phase.to_string())).await
}

/// A run of the integration tests.
pub(crate) struct Integration<'a> {
    /// The name of its log.
    pub(crate) log: &'static str,
    /// Whether tests that have a longer form run in it.
    pub(crate) long: bool,
    /// Names of tests and options of nextest.
    pub(crate) arguments: &'a [String],
    /// Whether the stacks stay afterwards.
    pub(crate) keep: bool,
    /// Seconds of the stacks' clock in a second of the machine.
    pub(crate) time_scale: u32,
    /// How many stacks the tests share.
    pub(crate) stacks: u16,
}

/// Runs integration tests against stacks of their own; the first one is that of the site.
pub(crate) async fn integration(site: &Site, run: &Integration<'_>) -> Result<()> {
    let others: Vec<Site> = (1..run.stacks).map(|number| beside(site, number)).collect::<Result<_>>()?;
    let sites: Vec<&Site> = [site].into_iter().chain(&others).collect();
    // What a killed run left is not what is tested.
    for site in &sites {
        up::clear(site)?;
    }
    let first = Daemons::new(site);
    let daemons: Vec<Daemons<'_>> = others.iter().map(Daemons::new).collect();
    let mode = Mode { time: TimeScale::from_now(run.time_scale)?, ..Mode::default() };
    up::up_beside(&first, &daemons, &mode).await?;
    let mut command = nextest::command(site, if run.long { "prove" } else { "gate" }).await?;
    let stacks = env::join_paths(sites.iter().map(|site| site.stack_json())).context("failed to name the stacks")?;
    command.args(["--test", "it"]).args(run.arguments).env("STACK_JSON", stacks);
    if run.long {
        command.env("PROVE_LONG", "1");
    }
    with_fixtures(site, &mut command);
    let outcome = nextest::run(site, &format!("phase {}", run.log), command, &site.log(run.log)).await;
    for daemons in daemons.into_iter().chain([first]) {
        let site = daemons.site();
        logs::collect(site).await;
        if run.keep {
            daemons.keep();
            let (port, state) = (site.gateway, site.display(&site.state));
            report::note(format!("the stack stays; stop it with: cargo xtask down --port {port} --state {state}"));
        } else {
            drop(daemons);
            up::clear(site)?;
        }
    }
    if let Err(error) = outcome {
        let logs: Vec<String> = sites.iter().map(|site| site.display(&site.state.join("logs/functions"))).collect();
        bail!("{error}\n    logs of the functions: {}", logs.join(", "));
    }
    Ok(())
}

/// The site of another stack of the same tests.
fn beside(site: &Site, number: u16) -> Result<Site> {
    let state = format!("{}-{}", site.display(&site.state), number + 1);
    Site::new(&state, site.gateway + number * PORTS_APART)
}

/// Names the recorded answers of third parties, where this machine has them beside the repository.
fn with_fixtures(site: &Site, command: &mut Command) {
    let folder = site.root.parent().map(|beside| beside.join("shared/fixtures"));
    if let Some(folder) = folder.filter(|folder| folder.is_dir()) {
        command.env("FIXTURES", folder);
    }
}
