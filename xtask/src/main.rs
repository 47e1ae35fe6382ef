//! `cargo xtask`: the local platform and the chores of this repository.
//!
//! `main` reads the command line and owns interruption; each chore has its own file. What talks to the AWS APIs of the
//! emulator is Python (`xtask/platform`), because the AWS SAM CLI brings boto3 with it and an AWS SDK for this binary
//! would cost a minute of every first build. Nothing of the product may be here but what mails say and how they
//! are written, to show it, and what decides when to poll, to replay it.

mod changed;
mod compile;
mod demo;
mod local;
mod mail;
mod nextest;
mod processes;
mod prove;
mod python;
mod report;
mod site;
mod test;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    local::{daemons, logs, mode::Mode, up},
    site::Site,
};

/// Runs the whole of Hiring Integrations on this machine: the real SAM template and the real Lambda binaries against an
/// AWS emulator with IAM enforced and TLS, simulators of the third parties, and a real SMTP server.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the local stack, or bring a running one up to date.
    ///
    /// Installs the pinned Python tools into .venv while the functions compile, starts the AWS emulator, the simulators, the
    /// SMTP server and Redis, deploys template.yaml with the SAM CLI, seeds three organisations and writes .local/stack.json with
    /// everything that a client needs. The first time takes 5 to 10 minutes on two cores (compiling), later a few seconds;
    /// only functions whose binary changed are deployed again. Run it again when the ID tokens (12 hours) have expired.
    ///
    /// Logs: .local/logs/ (ministack.log, simulators.log, mailbox.log, redis.log, deploy.log, python.log); those of the functions with
    /// `cargo xtask logs FUNCTION`.
    Up(UpArgs),
    /// Stop everything that `up` or `demo` started. Takes a second; the data of the stack goes with it.
    Down(StateArgs),
    /// Print the log of a function or of a part of the platform.
    Logs(logs::LogsArgs),
    /// Show the six main flows on real input: webhook to e-mail, frontend requests, scheduled polling, intake by API key, the
    /// delivery of mails, and the four ATS in sync.
    ///
    /// Starts the stack when it does not run, then uses the public API alone, one line a step with its time. Leaves the stack
    /// up and says how to use and stop it. The first time takes up to 10 minutes on two cores, later about a minute, or up to
    /// half a minute more when a process has to forget the former mail provider of an organisation.
    /// A step that fails says what was expected, what came, and which log to read.
    Demo(demo::DemoArgs),
    /// The gate: everything that must hold before a commit, each phase with its time.
    ///
    /// fmt, clippy (warnings are errors), the linters of the SAM template, unit tests, then the integration tests on three stacks of
    /// their own on ports 4666, 4676 and 4686, which end with the run. About 12 minutes on two cores once the dependencies are
    /// compiled. Logs: .local/test/logs/, one file a phase.
    ///
    /// One test, or those of one provider, by a part of the name: `cargo xtask test --only integration -- our_records_equal_lever`.
    /// What a test prints is in the log of its phase with `-- --success-output immediate NAME`.
    Test(test::TestArgs),
    /// Look at what mails say.
    #[command(subcommand)]
    Mail(mail::MailCommand),
    /// Prove in the long form what the gate tests in short, and print the numbers.
    #[command(subcommand)]
    Prove(prove::Proof),
}

#[derive(Args)]
struct UpArgs {
    /// Deploy what `sam build` made (.aws-sam/build), the binaries that go to AWS, instead of development builds.
    #[arg(long)]
    sam_build: bool,
    /// Also listen on the addresses that containers see (for `sam local invoke`). The emulator trusts every caller who
    /// knows its well-known key: use this on a network that you trust.
    #[arg(long)]
    containers: bool,
    /// Who takes the e-mails, for example sendgrid (its simulator): a value of the template's parameter MailProvider. Without
    /// it the SMTP server of the stack.
    #[arg(long)]
    mail_provider: Option<String>,
    #[command(flatten)]
    site: StateArgs,
}

/// Which stack: ports and state directory.
#[derive(Args, Clone)]
struct StateArgs {
    /// Port of the AWS emulator; simulators, SMTP server, mailbox, call counter and Redis take the five ports after it.
    #[arg(long, default_value_t = site::DEFAULT_PORT)]
    port: u16,
    /// Folder for state and logs, relative to the repository.
    #[arg(long, default_value = site::DEFAULT_STATE)]
    state: String,
}

impl StateArgs {
    fn site(&self) -> Result<Site> {
        Site::new(&self.state, self.port)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = tokio::select! {
        outcome = run(cli) => outcome,
        signal = interrupted() => {
            // The unfinished command is dropped after this, and with it every process that it started.
            report::interrupted(signal);
            return ExitCode::from(130);
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::failed(&error);
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well; false where the output says already what is not.
async fn run(cli: Cli) -> Result<bool> {
    let done = match cli.command {
        Command::Up(args) => {
            let site = args.site.site()?;
            let _lock = site.lock()?;
            let mode = Mode {
                sam_build: args.sam_build,
                containers: args.containers,
                mail_provider: args.mail_provider,
                ..Mode::default()
            };
            let daemons = daemons::Daemons::new(&site);
            let stack = up::up(&site, &daemons, &mode).await?;
            daemons.keep();
            stack.explain(&site);
            Ok(())
        }
        Command::Down(args) => {
            let site = args.site()?;
            let _lock = site.lock()?;
            up::down(&site)
        }
        Command::Logs(args) => logs::logs(&args).await,
        Command::Demo(args) => demo::demo(&args).await,
        Command::Test(args) => test::test(&args).await,
        Command::Mail(command) => mail::mail(&command),
        Command::Prove(proof) => return prove::prove(&proof).await,
    };
    done.map(|()| true)
}

/// Resolves at Ctrl-C, at the end of the terminal and at a polite kill.
async fn interrupted() -> &'static str {
    let listen = |kind, name: &'static str| async move {
        match signal(kind).context("failed to listen for signals") {
            Ok(mut signals) => signals.recv().await,
            // Without a listener the default action ends the process, which is what a user expects.
            Err(_) => std::future::pending().await,
        };
        name
    };
    tokio::select! {
        name = listen(SignalKind::interrupt(), "Ctrl-C") => name,
        name = listen(SignalKind::terminate(), "SIGTERM") => name,
        name = listen(SignalKind::hangup(), "SIGHUP") => name,
    }
}
