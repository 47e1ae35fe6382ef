//! `prove sync`: our records equal the provider's after everything that can go wrong, for many worlds.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{log_of, pairs};
use crate::{compile, processes, report, site::Site};

/// No stack is started: the worlds are played in one process.
const NO_PORT: u16 = 5366;
const STATE: &str = ".local/prove-sync";
const LOG: &str = "worlds";

#[derive(Args)]
pub(crate) struct SyncArgs {
    /// Play the worlds of this provider only.
    #[arg(long)]
    provider: Option<Ats>,
    /// How many worlds are played for each provider.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    seeds: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ats {
    Greenhouse,
    Lever,
    Workday,
    Bamboohr,
}

impl Ats {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Greenhouse => "greenhouse",
            Self::Lever => "lever",
            Self::Workday => "workday",
            Self::Bamboohr => "bamboohr",
        }
    }
}

/// Whether it is proven; the last line of the output has the numbers either way.
pub(super) async fn sync(args: &SyncArgs) -> Result<bool> {
    let site = Site::new(STATE, NO_PORT)?;
    let _lock = site.lock()?;
    let name = args.provider.map_or("all", Ats::as_str);
    report::heading(format!("{} worlds for each provider ({name}); log: {}", args.seeds, site.display(&site.log(LOG))));
    // The numbers of an earlier run prove nothing about this one; a log that is not there is what is wanted.
    let _ = std::fs::remove_file(site.log(LOG));
    let filter = match args.provider {
        None => "worlds::our_records_equal_".to_owned(),
        Some(ats) => format!("worlds::our_records_equal_{}", ats.as_str()),
    };
    let began = Instant::now();
    let mut command = compile::cargo(&site);
    command
        .args(["test", "--package", "integration", "--test", "it", "--locked", "--"])
        // One provider after the other: each has two threads of its own.
        .args(["--nocapture", "--test-threads", "1", &filter])
        .env("CARGO_TERM_COLOR", "never")
        .env("PROVE_SEEDS", args.seeds.to_string());
    let outcome = processes::log("the worlds", command, &site.log(LOG)).await;
    match &outcome {
        Ok(()) => report::tick(began, "worlds played"),
        Err(error) => report::failed(error),
    }
    let log = log_of(&site, LOG);
    for line in log.lines().filter_map(|line| line.get(line.find("sync: provider=")?..)) {
        report::note(line);
    }
    let numbers = Numbers::read(&log);
    println!("{}", numbers.line(name));
    let providers = if args.provider.is_some() { 1 } else { 4 };
    Ok(outcome.is_ok() && numbers.hold(providers * args.seeds))
}

/// The output of the tests, summed over the providers.
struct Numbers(BTreeMap<String, u64>);

impl Numbers {
    fn read(log: &str) -> Self {
        let mut sums = BTreeMap::<String, u64>::new();
        for (name, value) in pairs(log, "sync: ") {
            if let Ok(value) = value.parse::<u64>() {
                let sum = sums.entry(name.to_owned()).or_default();
                *sum = sum.saturating_add(value);
            }
        }
        Self(sums)
    }

    fn text(&self, name: &str) -> String {
        self.0.get(name).map_or_else(|| "?".to_owned(), u64::to_string)
    }

    fn line(&self, provider: &str) -> String {
        let [seeds, unequal, lies] = ["seeds", "unequal", "false_success"].map(|name| self.text(name));
        format!("sync: provider={provider} seeds={seeds} unequal={unequal} false_success={lies}")
    }

    fn hold(&self, seeds: u64) -> bool {
        let is = |name: &str, wanted: u64| self.0.get(name) == Some(&wanted);
        is("seeds", seeds) && is("unequal", 0) && is("false_success", 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_all_worlds_are_summed() {
        let log = "test a ... sync: provider=lever seeds=50 unequal=0 false_success=0 requests=9\n\
                   sync: provider=workday seeds=50 unequal=0 false_success=0 requests=9\n";
        let numbers = Numbers::read(log);
        assert_eq!(numbers.line("all"), "sync: provider=all seeds=100 unequal=0 false_success=0");
        assert!(numbers.hold(100) && !numbers.hold(200));
        let unequal = Numbers::read(&log.replace("unequal=0", "unequal=1"));
        assert!(!unequal.hold(100));
        assert_eq!(Numbers::read("").line("lever"), "sync: provider=lever seeds=? unequal=? false_success=?");
    }
}
