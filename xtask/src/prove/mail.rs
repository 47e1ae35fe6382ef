//! `prove mail`: a mail is neither doubled nor lost, whatever happens between the product and a mail provider.

use std::{collections::BTreeMap, fmt::Write as _, time::Instant};

use anyhow::Result;

use super::{ProofArgs, log_of, models, pairs};
use crate::{report, site::Site, test};

/// Beside the stacks of a developer, of the tests and of the other proof.
pub(super) const PORT: &str = "4866";
const STATE: &str = ".local/prove-mail";
const MODELS: &str = "models";
const PROOFS: &str = "proofs";
/// The tests that measure, by the beginnings of their names.
const MEASURING: [&str; 2] = ["e2e::mail::matrix", "e2e::mail::thousand"];
/// The measured numbers, by their names here and in the tests, in the order of the last line.
const NUMBERS: [(&str, &str); 4] = [
    ("cells", "mail_cells"),
    ("doubled", "mail_doubled"),
    ("lost", "mail_lost"),
    ("needs_review", "mail_needs_review"),
];
/// Fewer cases than there are faults and providers prove less than is promised.
const FEWEST_CELLS: u64 = 42;

/// Whether it is proven; the last line of the output has the numbers either way.
pub(super) async fn mail(args: &ProofArgs) -> Result<bool> {
    let site = Site::new(STATE, args.port)?;
    let _lock = site.lock()?;
    report::heading(format!("Proofs of the delivery of mails; logs: {}", site.display(&site.state.join("logs"))));
    for log in [MODELS, PROOFS] {
        // The numbers of an earlier run prove nothing about this one; a log that is not there is what is wanted.
        let _ = std::fs::remove_file(site.log(log));
    }
    let explored = models(&site, MODELS, &["--package", "resilience"], "delivery::model::").await;
    let began = Instant::now();
    let arguments: Vec<String> = MEASURING.map(str::to_owned).into();
    let run = test::Integration {
        log: PROOFS,
        long: true,
        arguments: &arguments,
        keep: args.keep,
        time_scale: test::TIME_SCALE,
        stacks: 1,
    };
    let measured = test::integration(&site, &run).await;
    if measured.is_ok() {
        report::tick(began, "each fault at each provider, and a thousand mails");
    }
    let outcome = explored.and(measured);
    let proofs = log_of(&site, PROOFS);
    for cell in cells(&proofs) {
        report::note(cell);
    }
    if let Err(error) = &outcome {
        report::failed(error);
    }
    let numbers = Numbers::read(&log_of(&site, MODELS), &proofs);
    println!("{}", numbers.line());
    Ok(outcome.is_ok() && numbers.hold())
}

/// The outcome of each case, as the tests print it; a test's own name may be before it.
fn cells(proofs: &str) -> impl Iterator<Item = &str> {
    proofs.lines().filter_map(|line| line.get(line.find("cell: ")?..))
}

/// The output of the tests.
struct Numbers {
    /// Whether the model ran: a filter that meets no test passes.
    explored: bool,
    measured: BTreeMap<String, u64>,
}

impl Numbers {
    /// Sums the numbers of the lines `measured: name=N ...`: each test prints those of its own mails.
    fn read(models: &str, proofs: &str) -> Self {
        let explored = pairs(models, "model: ").any(|pair| pair == ("name", "delivery"));
        let mut measured = BTreeMap::<String, u64>::new();
        for (name, value) in pairs(proofs, "measured: ") {
            if let Ok(value) = value.parse::<u64>() {
                let sum = measured.entry(name.to_owned()).or_default();
                *sum = sum.saturating_add(value);
            }
        }
        Self { explored, measured }
    }

    fn line(&self) -> String {
        let mut line = "mail:".to_owned();
        for (name, measured) in NUMBERS {
            let value = self.measured.get(measured).map_or_else(|| "?".to_owned(), u64::to_string);
            // Writing to a String cannot fail.
            let _ = write!(line, " {name}={value}");
        }
        line
    }

    fn hold(&self) -> bool {
        let all = NUMBERS.iter().all(|(_, name)| self.measured.contains_key(*name));
        let is = |name: &str, wanted: &dyn Fn(u64) -> bool| self.measured.get(name).is_some_and(|value| wanted(*value));
        self.explored
            && all
            && is("mail_cells", &|cells| cells >= FEWEST_CELLS)
            && is("mail_doubled", &|doubled| doubled == 0)
            && is("mail_lost", &|lost| lost == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODELS: &str = "test a ... model: name=delivery states=90 mutations_caught=18/18\n";
    const MATRIX: &str = "cell: sendgrid, lost reply: accepted, 1 mail\n\
                          test c ... cell: mailgun, refused: rejected, 0 mails\n\
                          measured: mail_cells=42 mail_doubled=0 mail_lost=0 mail_needs_review=3\n";
    const THOUSAND: &str = "test d ... measured: mail_cells=1 mail_doubled=0 mail_lost=0 mail_needs_review=2\n";

    #[test]
    fn the_numbers_of_all_tests_are_summed() {
        let numbers = Numbers::read(MODELS, &format!("{MATRIX}{THOUSAND}"));
        assert_eq!(numbers.line(), "mail: cells=43 doubled=0 lost=0 needs_review=5");
        assert!(numbers.hold());
    }

    #[test]
    fn a_missing_number_fails() {
        let numbers = Numbers::read(MODELS, &MATRIX.replace("mail_needs_review=3", ""));
        assert_eq!(numbers.line(), "mail: cells=42 doubled=0 lost=0 needs_review=?");
        assert!(!numbers.hold());
        assert_eq!(Numbers::read("", "").line(), "mail: cells=? doubled=? lost=? needs_review=?");
        assert!(!Numbers::read("running 0 tests\n", MATRIX).hold());
    }

    #[test]
    fn a_doubled_or_lost_mail_or_too_few_cases_do_not_hold() {
        assert!(Numbers::read(MODELS, MATRIX).hold());
        for (held, broken) in
            [("doubled=0", "doubled=1"), ("lost=0", "lost=1"), ("cells=42", "cells=41"), ("lost=0", "lost=none")]
        {
            assert!(!Numbers::read(MODELS, &MATRIX.replace(held, broken)).hold(), "{broken}");
        }
        let more = THOUSAND.replace("lost=0", "lost=1");
        assert!(!Numbers::read(MODELS, &format!("{MATRIX}{more}")).hold());
    }

    #[test]
    fn each_case_is_printed_without_the_name_of_its_test() {
        let display: Vec<&str> = cells(MATRIX).collect();
        assert_eq!(
            display,
            ["cell: sendgrid, lost reply: accepted, 1 mail", "cell: mailgun, refused: rejected, 0 mails"]
        );
    }
}
