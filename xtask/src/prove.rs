//! `prove`: the long form of what the gate tests in short, as one line of numbers.

mod core;
mod freshness;
mod mail;
mod sync;

use std::time::Instant;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::{compile, processes, report, site::Site};

#[derive(Subcommand)]
pub(crate) enum Proof {
    /// The resilience core: models, call budgets, contention, and workers that are killed at every point.
    ///
    /// Explores the models of the state machines with larger bounds, then runs the measuring tests on a stack of its own, which
    /// ends with the run and whose clock is the machine's. Up to 25 minutes warm. The last line has the numbers: worlds explored, rules left out on purpose
    /// that were noticed, and calls to AWS for a mail, for a second message, while the breaker is open, and for a request
    /// that the rate limit denies. A number that nothing measured is `?`. Exit 0 only when every test passed, every
    /// mutation was noticed, and every budget holds. Logs: .local/prove/logs/models.log and proofs.log.
    #[command(mut_arg("port", |arg| arg.default_value(core::PORT)))]
    Core(ProofArgs),
    /// The delivery of mails: each fault at each mail provider, and a thousand mails, none doubled and none lost.
    ///
    /// Explores the model of the delivery with larger bounds, then runs the tests whose names begin with e2e::mail::matrix and
    /// e2e::mail::thousand in their long form on a stack of its own, which ends with the run. Up to 30 minutes warm. Shows what
    /// became of each case, a line each that begins with `cell:`. The last line has the numbers: cases tried, mails that
    /// arrived twice, mails that were lost, and mails that a person has to look into. A number that nothing measured is
    /// `?`. Exit 0 only when every test passed, there were at least 42 cases, and no mail was doubled or lost.
    /// Logs: .local/prove-mail/logs/models.log and proofs.log.
    #[command(mut_arg("port", |arg| arg.default_value(mail::PORT)))]
    Mail(ProofArgs),
    /// State equality: seeded worlds of the four ATS change while they are read, and everything goes wrong that can.
    ///
    /// Plays so many worlds of each provider with the real engine and provider code in one process, against the simulators
    /// over HTTP: faults, floods, lost and doubled webhooks, tokens that expire, workers that die. Then both sides are
    /// compared. A thousand worlds of one provider take up to half an hour. The last line has the numbers: worlds played,
    /// worlds whose records differ, and runs that said that they succeeded and did not. A number that nothing measured is
    /// `?`. Exit 0 only when all were played, and nothing differed. Log: .local/prove-sync/logs/worlds.log.
    Sync(sync::SyncArgs),
    /// How soon changes at polled providers are seen, and how many requests that takes. Needs no stack; takes a minute when
    /// the tests are compiled.
    ///
    /// Replays 18 connections whose changes come in bursts and mostly in business hours over 60 days, drawn anew for each seed,
    /// and polls them by fixed intervals, by the planner of the product and by other known rules. Prints a table for
    /// BambooHR (contract 60 min) and for Workday (30 min): requests a day, of the busiest connection, mean and 95th percentile
    /// of the delay from a change to the beginning of the next poll, of all connections and of the quiet ones, and the longest time
    /// between two polls. The last line has the numbers that are judged. Exit 0 only when the targets printed above it hold
    /// and no time between two polls was longer than its contract. Log: .local/prove-freshness/logs/replay.log.
    Freshness(freshness::FreshnessArgs),
}

/// Each proof has a stack of its own with a port of its own, so that one does not end the other's.
#[derive(Args)]
pub(crate) struct ProofArgs {
    /// Port of the AWS emulator; the other services of the stack take the five ports after it.
    #[arg(long, required = false)]
    port: u16,
    /// Leave the stack up afterwards, to look at.
    #[arg(long)]
    keep: bool,
}

/// Whether it is proven; the last line of the output has the numbers either way.
pub(crate) async fn prove(proof: &Proof) -> Result<bool> {
    match proof {
        Proof::Core(args) => core::core(args).await,
        Proof::Mail(args) => mail::mail(args).await,
        Proof::Sync(args) => sync::sync(args).await,
        Proof::Freshness(args) => freshness::freshness(args).await,
    }
}

/// Explores models in their long form: the tests of these packages whose names contain the filter.
async fn models(site: &Site, log: &str, packages: &[&str], filter: &str) -> Result<()> {
    let began = Instant::now();
    let mut command = compile::cargo(site);
    command
        .arg("test")
        .args(packages)
        .args(["--lib", "--locked", "--", "--nocapture", filter])
        .env("CARGO_TERM_COLOR", "never")
        .env("PROVE_LONG", "1");
    processes::log("the models", command, &site.log(log)).await?;
    report::tick(began, "models explored");
    Ok(())
}

/// The log of a run; empty when there is none.
fn log_of(site: &Site, log: &str) -> String {
    std::fs::read_to_string(site.log(log)).unwrap_or_default()
}

/// The pairs `name=value` behind a mark, anywhere in a line: the test's own name may be before it.
fn pairs<'a>(log: &'a str, mark: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let behind = log.lines().filter_map(move |line| Some(line.split_once(mark)?.1));
    behind.flat_map(str::split_whitespace).filter_map(|pair| pair.split_once('='))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(subcommand)]
        proof: Proof,
    }

    #[test]
    fn each_proof_has_its_own_port_unless_one_is_given() {
        let port = |line: &[&str]| match Line::try_parse_from(line).expect("a command line").proof {
            Proof::Core(args) | Proof::Mail(args) => args.port,
            Proof::Sync(_) => 0,
            Proof::Freshness(_) => 0,
        };
        // Both in one process: what the first one left must not be the default of the second.
        assert_eq!([port(&["", "core"]), port(&["", "mail"])], [4766, 4866]);
        assert_eq!(port(&["", "mail", "--port", "5000"]), 5000);
    }
}
