//! Compiles the functions and the simulators as development builds, with cargo's own progress on the terminal.

use std::env;

use anyhow::Result;
use tokio::process::Command;

use crate::{processes, site::Site};

pub(crate) fn cargo(site: &Site) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(&site.root);
    command
}

/// The cause of a failure is in the last lines of a log, which a report quotes: colours and traces would push it out of
/// them.
pub(crate) fn quiet(command: &mut Command) {
    command.env("CARGO_TERM_COLOR", "never").env("RUST_BACKTRACE", "0");
}

/// One call for all, and without `--package`: features are then resolved for the whole workspace, as `cargo test --workspace`
/// does, and every dependency is compiled once.
pub(crate) async fn build(site: &Site, functions: bool) -> Result<()> {
    let mut command = cargo(site);
    command.args(["build", "--locked", "--bin", "simulators"]);
    if functions {
        for name in site.functions()? {
            command.args(["--bin", &name]);
        }
    }
    processes::watch("compiling (cargo build)", command).await
}
