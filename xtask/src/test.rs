//! `test`: the gate. Each phase writes a log of its own; the first one that fails ends the run.

use std::{fmt, path::PathBuf, time::Instant};

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use tokio::process::Command;

use crate::{
    compile,
    daemons::Daemons,
    logs, processes, python, report,
    site::Site,
    up::{self, Mode},
};

#[derive(Args)]
pub(crate) struct TestArgs {
    /// Run one phase only.
    #[arg(long, value_enum)]
    only: Option<Phase>,
    /// Leave the stack of the integration tests up afterwards, to look at.
    #[arg(long)]
    keep: bool,
    /// Names of integration tests to run, as `cargo test` takes them.
    #[arg(last = true)]
    filter: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// Every file is formatted.
    Fmt,
    /// No warning of the compiler or of clippy.
    Clippy,
    /// Tests that need nothing but the workspace.
    Unit,
    /// The lint of the template by `sam validate --lint`.
    Sam,
    /// The lint of the template by `cfn-lint`.
    Cfn,
    /// Rules of the repository and end-to-end tests, against a stack on port 4666.
    Integration,
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Unit => "unit",
            Self::Sam => "sam",
            Self::Cfn => "cfn",
            Self::Integration => "integration",
        })
    }
}

/// The stack of the tests has ports of its own, so that a stack in use is not in the way.
const PORT: u16 = 4666;
const STATE: &str = ".local/test";

pub(crate) async fn test(args: &TestArgs) -> Result<()> {
    let site = Site::new(STATE, PORT)?;
    let _lock = site.lock()?;
    let began = Instant::now();
    report::heading(format!("Tests; logs: {}", site.shown(&site.state.join("logs"))));
    for phase in Phase::value_variants() {
        if args.only.is_none_or(|only| only == *phase) {
            run(*phase, &site, args).await?;
        }
    }
    report::heading(format!("All tests passed in {}.", report::duration(began.elapsed())));
    let phases = Phase::value_variants().iter().filter(|phase| args.only.is_none_or(|only| only == **phase));
    let passed: u64 = phases.map(|phase| passed_in(&site, *phase)).sum();
    println!("{passed} passed, 0 failed");
    Ok(())
}

/// How many tests a phase ran, as the closing lines of its log say.
fn passed_in(site: &Site, phase: Phase) -> u64 {
    let log = std::fs::read_to_string(site.log(&phase.to_string())).unwrap_or_default();
    let counts =
        log.lines().filter_map(|line| line.strip_prefix("test result: ok. ")?.split(' ').next()?.parse::<u64>().ok());
    counts.sum()
}

async fn run(phase: Phase, site: &Site, args: &TestArgs) -> Result<()> {
    let began = Instant::now();
    report::begun(phase);
    match phase {
        Phase::Fmt => cargo(site, phase, &["fmt", "--all", "--check"]).await?,
        Phase::Clippy => {
            cargo(site, phase, &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])
                .await?;
        }
        Phase::Unit => cargo(site, phase, &["test", "--workspace", "--lib", "--bins", "--locked"]).await?,
        Phase::Sam => tool(site, phase, "sam", &["validate", "--lint", "--config-env", "default"]).await?,
        Phase::Cfn => tool(site, phase, "cfn-lint", &["template.yaml"]).await?,
        Phase::Integration => {
            let run = Integration { log: "integration", long: false, arguments: &args.filter, keep: args.keep };
            integration(site, &run).await?;
        }
    }
    report::tick(began, phase);
    Ok(())
}

async fn cargo(site: &Site, phase: Phase, arguments: &[&str]) -> Result<()> {
    let mut command = compile::cargo(site);
    // What failed is said in the last lines, which a report shows; a trace would push it out of them.
    command.args(arguments).env("CARGO_TERM_COLOR", "never").env("RUST_BACKTRACE", "0");
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
    /// For the test binary.
    pub(crate) arguments: &'a [String],
    /// Whether the stack stays afterwards.
    pub(crate) keep: bool,
}

/// Runs integration tests against a stack of their own.
pub(crate) async fn integration(site: &Site, run: &Integration<'_>) -> Result<()> {
    // What a killed run left is not what is tested.
    up::clear(site)?;
    let daemons = Daemons::new(site);
    up::up(site, &daemons, &Mode::default()).await?;
    let mut command = compile::cargo(site);
    command
        .args(["test", "--workspace", "--test", "it", "--locked"])
        .env("CARGO_TERM_COLOR", "never")
        .env("RUST_BACKTRACE", "0")
        .env("STACK_JSON", site.stack_json());
    if run.long {
        command.env("PROVE_LONG", "1");
    }
    if let Some(fixtures) = fixtures(site) {
        command.env("FIXTURES", fixtures);
    }
    if !run.arguments.is_empty() {
        command.arg("--").args(run.arguments);
    }
    let outcome = processes::log(&format!("phase {}", run.log), command, &site.log(run.log)).await;
    logs::collect(site).await;
    if run.keep {
        daemons.keep();
        let (port, state) = (site.gateway, site.shown(&site.state));
        report::note(format!("the stack stays; stop it with: cargo xtask down --port {port} --state {state}"));
    } else {
        drop(daemons);
        up::clear(site)?;
    }
    if let Err(error) = outcome {
        bail!("{error}\n    logs of the functions: {}", site.shown(&site.state.join("logs/functions")));
    }
    Ok(())
}

/// Recorded answers of third parties, where this machine has them beside the repository.
fn fixtures(site: &Site) -> Option<PathBuf> {
    let folder = site.root.parent()?.join("shared/fixtures");
    folder.is_dir().then_some(folder)
}
