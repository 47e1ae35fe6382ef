//! `prove freshness`: how soon changes are seen, and what that costs, against fixed intervals and other rules.
//!
//! The replay is a test (`tests/it/worlds/freshness.rs`); this command runs its long form and shows what it printed.

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use super::log_of;
use crate::{compile, processes, report, site::Site};

/// No stack is started: the replay runs in one process.
const NO_PORT: u16 = 5466;
const STATE: &str = ".local/prove-freshness";
const LOG: &str = "replay";
const TEST: &str = "worlds::freshness::the_planner_meets_the_freshness_targets";
/// The beginning of the first line that the test prints.
const HEADING: &str = "Freshness: ";
/// The beginning of the last line that the test prints.
const CLOSING: &str = "freshness: ";

#[derive(Args)]
pub(crate) struct FreshnessArgs {
    /// How many loads are drawn; the numbers are their averages.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    seeds: u64,
}

/// Whether the targets hold; the last line of the output has the numbers either way.
pub(super) async fn freshness(args: &FreshnessArgs) -> Result<bool> {
    let site = Site::new(STATE, NO_PORT)?;
    let _lock = site.lock()?;
    report::heading(format!("Replaying the polls of {} loads; log: {}", args.seeds, site.display(&site.log(LOG))));
    // The numbers of an earlier run prove nothing about this one; a missing log is the wanted state.
    let _ = std::fs::remove_file(site.log(LOG));
    let began = Instant::now();
    let mut command = compile::cargo(&site);
    command
        .args(["test", "--workspace", "--test", "it", "--locked", "--", "--nocapture", "--exact", TEST])
        .env("CARGO_TERM_COLOR", "never")
        .env("PROVE_LONG", "1")
        .env("PROVE_SEEDS", args.seeds.to_string());
    let outcome = processes::log("the replay", command, &site.log(LOG)).await;
    let log = log_of(&site, LOG);
    let Replay { tables, closing } = Replay::read(&log);
    for line in tables {
        println!("{line}");
    }
    match &outcome {
        Ok(()) => report::tick(began, "replayed"),
        Err(error) => report::failed(error),
    }
    println!("{}", closing.unwrap_or("freshness: ?"));
    Ok(outcome.is_ok() && closing.is_some())
}

/// The output of the test, without that of its harness.
struct Replay<'a> {
    tables: Vec<&'a str>,
    /// The line with the numbers that are judged; none when the replay did not finish.
    closing: Option<&'a str>,
}

impl<'a> Replay<'a> {
    fn read(log: &'a str) -> Self {
        let printed = || log.lines().skip_while(|line| !line.starts_with(HEADING));
        let tables = printed().take_while(|line| !line.starts_with(CLOSING)).collect();
        Self { tables, closing: printed().find(|line| line.starts_with(CLOSING)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "running 1 test\ntest worlds::freshness::the_planner ... \nFreshness: 18 connections\nLoad: bursty\n\
                       freshness: bamboohr p95=30.0 fixed=57.0 seeds=8\nok\n\ntest result: ok. 1 passed\n";

    #[test]
    fn the_output_of_the_harness_is_left_out() {
        let Replay { tables, closing } = Replay::read(LOG);
        assert_eq!(tables, ["Freshness: 18 connections", "Load: bursty"]);
        assert_eq!(closing, Some("freshness: bamboohr p95=30.0 fixed=57.0 seeds=8"));
    }

    #[test]
    fn a_run_without_a_replay_has_no_closing_line() {
        assert_eq!(Replay::read("running 0 tests\ntest result: ok. 0 passed\n").closing, None);
        assert_eq!(Replay::read("").closing, None);
    }
}
