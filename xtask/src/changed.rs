//! `test --changed`: what a change can break, from the files that differ from the branch `main`.
//!
//! It never leaves out what might break: a file that belongs to no crate means everything.

use anyhow::{Context, Result, bail};
use tokio::process::Command;

use crate::site::Site;

/// The plan of a test run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The crates whose files changed; those that use them are found by nextest. `None` means all.
    crates: Option<Vec<String>>,
    /// Whether the SAM template or what deploys it changed.
    pub(crate) template: bool,
    /// Whether what is deployed, or what plays its surroundings, changed.
    pub(crate) stack: bool,
}

impl Plan {
    /// The plan by which everything is tested.
    pub(crate) const fn all() -> Self {
        Self { crates: None, template: true, stack: true }
    }

    /// What `files`, paths from the root of the repository, can break.
    fn of(files: &[String]) -> Self {
        let mut plan = Self { crates: Some(vec![]), template: false, stack: false };
        for file in files {
            let parts: Vec<&str> = file.split('/').collect();
            let (name, deployed) = match parts.as_slice() {
                ["shared" | "functions", name, _, ..] => (*name, true),
                ["tests", "simulators", _, ..] => ("simulators", true),
                ["tests", "it", "e2e", ..] => ("integration", true),
                ["tests", _, ..] => ("integration", false),
                ["xtask", "platform", ..] => ("xtask", true),
                ["xtask", _, ..] => ("xtask", false),
                ["prompts" | "events", ..] => {
                    plan.stack = true;
                    continue;
                }
                ["template.yaml" | "samconfig.toml"] => {
                    (plan.template, plan.stack) = (true, true);
                    continue;
                }
                // What is written for people is judged by the rules of the repository, which always run.
                [name] if name.ends_with(".md") => continue,
                ["docs", ..] => continue,
                _ => return Self::all(),
            };
            plan.stack |= deployed;
            if let Some(crates) = plan.crates.as_mut()
                && !crates.iter().any(|found| found == name)
            {
                crates.push(name.to_owned());
            }
        }
        plan
    }

    /// Whether everything has to be compiled.
    pub(crate) const fn compiles_everything(&self) -> bool {
        self.crates.is_none()
    }

    /// The filter of nextest for unit tests: of the crates and of all that use them; none when there is nothing to run.
    pub(crate) fn unit_tests(&self) -> Option<String> {
        match &self.crates {
            None => Some("all()".to_owned()),
            Some(crates) if crates.is_empty() => None,
            Some(crates) => {
                let all: Vec<String> = crates.iter().map(|name| format!("rdeps(={name})")).collect();
                Some(all.join(" + "))
            }
        }
    }

    /// The description of the plan that is printed before it runs.
    pub(crate) fn describe(&self) -> String {
        let crates = match &self.crates {
            None => "all crates".to_owned(),
            Some(crates) if crates.is_empty() => "no crate".to_owned(),
            Some(crates) => format!("{} and what uses them", crates.join(", ")),
        };
        format!("{crates}; the stack: {}", if self.stack { "yes" } else { "no, only rules and contracts" })
    }
}

/// What the difference to the branch `main` can break, files that Git does not know yet included.
pub(crate) async fn plan(site: &Site) -> Result<Plan> {
    let base = git(site, &["merge-base", "HEAD", "main"]).await?;
    let differing = git(site, &["diff", "--name-only", base.trim()]).await?;
    let unknown = git(site, &["ls-files", "--others", "--exclude-standard"]).await?;
    let files: Vec<String> = differing.lines().chain(unknown.lines()).map(str::to_owned).collect();
    Ok(Plan::of(&files))
}

async fn git(site: &Site, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command.args(arguments).current_dir(&site.root);
    let output = command.output().await.context("git did not start")?;
    if !output.status.success() {
        bail!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(files: &[&str]) -> Plan {
        Plan::of(&files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_change_tests_its_crate_its_dependants_and_the_stack() {
        let plan =
            of(&["shared/aws/src/clock.rs", "shared/aws/src/batch.rs", "functions/health/src/lib.rs", "README.md"]);
        assert_eq!(plan.unit_tests().as_deref(), Some("rdeps(=aws) + rdeps(=health)"));
        assert_eq!((plan.stack, plan.template), (true, false));
        let plan = of(&["xtask/src/test.rs", "tests/it/repo/layout.rs"]);
        assert_eq!(plan.unit_tests().as_deref(), Some("rdeps(=xtask) + rdeps(=integration)"));
        assert!(!plan.stack && !plan.template);
    }

    #[test]
    fn documents_run_the_rules_and_unowned_files_run_everything() {
        let plan = of(&["README.md", "docs/guides/a.md"]);
        assert_eq!((plan.unit_tests(), plan.stack, plan.template), (None, false, false));
        assert_eq!(of(&["README.md", "Cargo.lock"]), Plan::all());
        assert_eq!(of(&["template.yaml"]), Plan { crates: Some(vec![]), template: true, stack: true });
    }
}
