//! `prove core`: what the resilience core promises, and what it costs.

use std::{collections::BTreeMap, fmt::Write as _, time::Instant};

use anyhow::Result;

use super::{ProofArgs, log_of, models, pairs};
use crate::{report, site::Site, test};

/// Beside the stacks of a developer and of the tests.
pub(super) const PORT: &str = "4766";
const STATE: &str = ".local/prove";
const MODELS: &str = "models";
const PROOFS: &str = "proofs";
/// The tests that measure, by the beginnings of their names.
const MEASURING: [&str; 6] = [
    "e2e::ats::worlds",
    "e2e::resilience::breaker",
    "e2e::resilience::budgets",
    "e2e::resilience::contention",
    "e2e::resilience::kill_points",
    "e2e::resilience::limit",
];
/// The measured numbers, with their upper bounds.
const BUDGETS: [(&str, u64); 4] =
    [("calls_success", 2), ("calls_duplicate", 1), ("calls_breaker_open", 0), ("calls_denied", 0)];

/// Whether it is proven; the last line of the output has the numbers either way.
pub(super) async fn core(args: &ProofArgs) -> Result<bool> {
    let site = Site::new(STATE, args.port)?;
    let _lock = site.lock()?;
    report::heading(format!("Proofs of the resilience core; logs: {}", site.display(&site.state.join("logs"))));
    for log in [MODELS, PROOFS] {
        // The numbers of an earlier run prove nothing about this one; a log that is not there is what is wanted.
        let _ = std::fs::remove_file(site.log(log));
    }
    let mut outcome = models(&site, MODELS, &["--package", "resilience"], "::model::").await;
    let began = Instant::now();
    let arguments: Vec<String> = MEASURING.map(str::to_owned).into();
    // Here nothing is divided: what the gate proves by a faster clock holds by the machine's, too.
    let run =
        test::Integration { log: PROOFS, long: true, arguments: &arguments, keep: args.keep, time_scale: 1, stacks: 1 };
    let measured = test::integration(&site, &run).await;
    if measured.is_ok() {
        report::tick(began, "call budgets, contention, kills at every point");
    }
    outcome = outcome.and(measured);
    let numbers = Numbers::read(&log_of(&site, MODELS), &log_of(&site, PROOFS));
    if let Err(error) = &outcome {
        report::failed(error);
    }
    println!("{}", numbers.line());
    Ok(outcome.is_ok() && numbers.hold())
}

/// The output of the tests.
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

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: &str = "running 2 tests\nmodel: name=work states=100 mutations_caught=18/18\n\
                          test a ... model: name=breaker states=23 mutations_caught=4/4\n";
    const PROOFS: &str = "measured: calls_success=2 calls_duplicate=1\ntest b ... measured: calls_breaker_open=0\n";

    #[test]
    fn any_number_of_models_is_summed_and_a_missing_number_fails() {
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
