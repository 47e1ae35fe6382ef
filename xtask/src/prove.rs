//! `prove`: the long form of what the gate tests in short, as one line of numbers.

use std::{collections::BTreeMap, fmt::Write as _, time::Instant};

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{compile, processes, report, site::Site, test};

#[derive(Subcommand)]
pub(crate) enum Proof {
    /// The resilience core: models, call budgets, contention, and workers that are killed at every point.
    ///
    /// Explores the models of the state machines with larger bounds, then runs the measuring tests on a stack of its own, which
    /// ends with the run. Up to 10 minutes warm. The last line has the numbers: worlds explored, rules left out on purpose
    /// that were noticed, and calls to AWS for a mail, for a second message, while the breaker is open, and for a request
    /// that the rate limit denies. A number that nothing measured is `?`. Exit 0 only when every test passed, every
    /// mutation was noticed, and every budget holds. Logs: .local/prove/logs/models.log and proofs.log.
    Core(CoreArgs),
}

#[derive(Args)]
pub(crate) struct CoreArgs {
    /// Port of the AWS emulator; the other services of the stack take the five ports after it.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Leave the stack up afterwards, to look at.
    #[arg(long)]
    keep: bool,
}

/// Beside the stacks of a developer and of the tests.
const PORT: u16 = 4766;
const STATE: &str = ".local/prove";
const MODELS: &str = "models";
const PROOFS: &str = "proofs";
/// The tests that measure, by the beginnings of their names.
const MEASURING: [&str; 5] = ["e2e::breaker", "e2e::budgets", "e2e::contention", "e2e::kill_points", "e2e::limit"];
/// What is measured, with the most that it may be.
const BUDGETS: [(&str, u64); 4] =
    [("calls_success", 2), ("calls_duplicate", 1), ("calls_breaker_open", 0), ("calls_denied", 0)];

/// Whether it is proven; the last line of the output has the numbers either way.
pub(crate) async fn prove(proof: &Proof) -> Result<bool> {
    match proof {
        Proof::Core(args) => core(args).await,
    }
}

async fn core(args: &CoreArgs) -> Result<bool> {
    let site = Site::new(STATE, args.port)?;
    let _lock = site.lock()?;
    report::heading(format!("Proofs of the resilience core; logs: {}", site.shown(&site.state.join("logs"))));
    for log in [MODELS, PROOFS] {
        // The numbers of an earlier run prove nothing about this one; a log that is not there is what is wanted.
        let _ = std::fs::remove_file(site.log(log));
    }
    let mut outcome = models(&site).await;
    let began = Instant::now();
    let arguments: Vec<String> = ["--nocapture"].into_iter().chain(MEASURING).map(str::to_owned).collect();
    let run = test::Integration { log: PROOFS, long: true, arguments: &arguments, keep: args.keep };
    let measured = test::integration(&site, &run).await;
    if measured.is_ok() {
        report::tick(began, "call budgets, contention, kills at every point");
    }
    outcome = outcome.and(measured);
    let read = |log: &str| std::fs::read_to_string(site.log(log)).unwrap_or_default();
    let numbers = Numbers::read(&read(MODELS), &read(PROOFS));
    if let Err(error) = &outcome {
        report::failed(error);
    }
    println!("{}", numbers.line());
    Ok(outcome.is_ok() && numbers.hold())
}

async fn models(site: &Site) -> Result<()> {
    let began = Instant::now();
    let mut command = compile::cargo(site);
    command
        .args(["test", "--workspace", "--lib", "--locked", "--", "--nocapture", "model"])
        .env("CARGO_TERM_COLOR", "never")
        .env("PROVE_LONG", "1");
    processes::log("the models", command, &site.log(MODELS)).await?;
    report::tick(began, "models explored");
    Ok(())
}

/// What the tests printed.
#[derive(Default)]
struct Numbers {
    states: u64,
    caught: u64,
    mutations: u64,
    measured: BTreeMap<String, u64>,
}

impl Numbers {
    /// Sums the lines `model: name=... states=N mutations_caught=N/M` and gathers those of `measured: name=N ...`; a number
    /// that is measured several times counts with its largest value.
    fn read(models: &str, proofs: &str) -> Self {
        let mut numbers = Self::default();
        for (name, value) in pairs(models, "model: ") {
            match (name, value.split_once('/')) {
                ("states", _) => numbers.states += value.parse::<u64>().unwrap_or(0),
                ("mutations_caught", Some((caught, all))) => {
                    numbers.caught += caught.parse::<u64>().unwrap_or(0);
                    numbers.mutations += all.parse::<u64>().unwrap_or(0);
                }
                _ => {}
            }
        }
        for (name, value) in pairs(proofs, "measured: ") {
            if let Ok(value) = value.parse::<u64>() {
                let most = numbers.measured.entry(name.to_owned()).or_default();
                *most = (*most).max(value);
            }
        }
        numbers
    }

    fn line(&self) -> String {
        let mut line = format!("core: states={} mutations_caught={}/{}", self.states, self.caught, self.mutations);
        for (name, _) in BUDGETS {
            let value = self.measured.get(name).map_or_else(|| "?".to_owned(), u64::to_string);
            // Writing to a String cannot fail.
            let _ = write!(line, " {name}={value}");
        }
        line
    }

    fn hold(&self) -> bool {
        let budgets = BUDGETS.iter().all(|(name, most)| self.measured.get(*name).is_some_and(|value| value <= most));
        self.states > 0 && self.mutations > 0 && self.caught == self.mutations && budgets
    }
}

/// The pairs `name=value` behind a mark, wherever in a line the mark stands: the test's own name may be before it.
fn pairs<'a>(log: &'a str, mark: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let behind = log.lines().filter_map(move |line| Some(line.split_once(mark)?.1));
    behind.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: &str = "running 2 tests\nmodel: name=work states=100 mutations_caught=18/18\n\
                          test a ... model: name=breaker states=23 mutations_caught=4/4\n";
    const PROOFS: &str = "measured: calls_success=2 calls_duplicate=1\ntest b ... measured: calls_breaker_open=0\n";

    #[test]
    fn any_number_of_models_is_summed_and_what_nobody_measured_does_not_hold() {
        let numbers = Numbers::read(MODELS, PROOFS);
        let line = "core: states=123 mutations_caught=22/22 calls_success=2 calls_duplicate=1 calls_breaker_open=0 calls_denied=?";
        assert_eq!(numbers.line(), line);
        assert!(!numbers.hold());
        let proofs = format!("{PROOFS}measured: calls_denied=0\n");
        assert!(Numbers::read(MODELS, &proofs).hold());
    }

    #[test]
    fn a_missed_mutation_or_a_call_too_many_does_not_hold() {
        let proofs = format!("{PROOFS}measured: calls_denied=0\n");
        assert!(!Numbers::read(&MODELS.replace("4/4", "3/4"), &proofs).hold());
        assert!(!Numbers::read(MODELS, &format!("{proofs}measured: calls_success=3\n")).hold());
        assert!(!Numbers::read("", &proofs).hold());
    }
}
