//! Runs tests with nextest, a process for each test; its settings are in `.config/nextest.toml`.

use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::{compile, processes, python, report, site::Site};

/// The beginnings of the lines in which nextest names a test that did not pass.
const NOT_PASSED: [&str; 7] = ["FAIL", "TRY 2", "TIMEOUT", "TERMINATING", "SIG", "ABORT", "XFAIL"];

/// `cargo nextest run` with a profile, for the whole workspace; what is selected comes as further arguments.
pub(crate) async fn command(site: &Site, profile: &str) -> Result<Command> {
    python::ensure(site).await?;
    let mut command = Command::new(site.tool("cargo-nextest"));
    command.args(["nextest", "run", "--workspace", "--locked", "--no-tests", "fail", "--profile", profile]);
    command.current_dir(&site.root);
    compile::quiet(&mut command);
    Ok(command)
}

/// Runs it; an error names the tests that did not pass and the log that holds what they said.
pub(crate) async fn run(site: &Site, what: &str, command: Command, log: &Path) -> Result<()> {
    let Err(error) = processes::log(what, command, log).await else {
        for name in second_try(&std::fs::read_to_string(log).context("failed to read the log of the tests")?) {
            report::note(format!("passed at its second try only: {name}"));
        }
        return Ok(());
    };
    let failed = failed(&std::fs::read_to_string(log).context("failed to read the log of the tests")?);
    if failed.is_empty() {
        return Err(error);
    }
    bail!(
        "{what}: {} did not pass; what each said is in {}\n      {}",
        if failed.len() == 1 { "a test".to_owned() } else { format!("{} tests", failed.len()) },
        site.display(log),
        failed.join("\n      ")
    )
}

/// The names of the tests that did not pass, from the closing lines of a log.
fn failed(log: &str) -> Vec<String> {
    let Some((_, closing)) = log.rsplit_once("Summary [") else { return vec![] };
    let names = closing.lines().skip(1).filter_map(|line| {
        let line = line.trim_start();
        let named = NOT_PASSED.iter().any(|word| line.starts_with(word));
        // `FAIL [   0.005s] (12/400) integration::it e2e::api::frontend::name`
        named.then(|| line.rsplit_once(' ').map_or(line, |(_, name)| name).to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    names
}

/// The names of the tests that failed at first and passed at their second try.
fn second_try(log: &str) -> Vec<String> {
    let flaky = log.lines().filter(|line| line.trim_start().starts_with("FLAKY"));
    let mut names: Vec<String> = flaky.filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect();
    names.sort();
    names.dedup();
    names
}

/// The number of tests that passed, from the closing line of a log.
pub(crate) fn passed(log: &str) -> u64 {
    // `Summary [  12.345s] 400 tests run: 400 passed (2 slow), 5 skipped`
    let count = |line: &str| line.split_once(" run: ")?.1.split(' ').next()?.parse().ok();
    log.lines().rfind(|line| line.trim_start().starts_with("Summary [")).and_then(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "        PASS [   0.004s] (1/3) resilience a\n\
                       \u{20}       FAIL [   0.005s] (2/3) integration::it e2e::api::b\n\
                       ────────────\n     Summary [  12.345s] 3 tests run: 1 passed (1 slow), 2 failed, 7 skipped\n\
                       \u{20}       FAIL [   0.005s] (2/3) integration::it e2e::api::b\n\
                       \u{20}    TIMEOUT [  60.005s] (3/3) integration::it e2e::mail::c\n\
                       error: test run failed\n";

    #[test]
    fn a_test_that_passed_at_its_second_try_is_named() {
        let log = "  TRY 1 FAIL [   1.0s] (1/3) integration::it e2e::a\n   FLAKY 2/2 [   1.0s] (1/3) integration::it e2e::a\n";
        assert_eq!(second_try(log), ["e2e::a"]);
        assert!(second_try(LOG).is_empty());
    }

    #[test]
    fn the_closing_lines_say_how_many_passed_and_which_did_not() {
        assert_eq!(passed(LOG), 1);
        assert_eq!(failed(LOG), ["e2e::api::b", "e2e::mail::c"]);
        assert_eq!(passed("     Summary [   0.1s] 1 test run: 1 passed, 3 skipped\n"), 1);
        assert_eq!((passed("error: could not compile"), failed("error: could not compile").len()), (0, 0));
    }
}
