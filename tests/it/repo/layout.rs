//! Rules about where things are: which crate may use which, how long a file may be, what only one crate may name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, ensure};
use toml::{Table, Value};

use super::source::{files, root, sources};

const MAX_FILE_LINES: usize = 400;
const MAX_MAIN_LINES: usize = 20;
/// Names that say nothing about what a thing is for.
const EMPTY_NAMES: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "misc", "manager", "managers"];

/// The names of the folders of `functions/`.
pub(crate) fn function_folders() -> Result<BTreeSet<String>> {
    let folders = fs::read_dir(root().join("functions"))?.flatten().filter(|entry| entry.path().is_dir());
    Ok(folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

/// A crate's name, and the crates that it uses.
#[derive(Clone)]
struct Manifest {
    folder: String,
    /// What ships: dependencies and build dependencies.
    uses: BTreeSet<String>,
    /// What its own tests use.
    tests_use: BTreeSet<String>,
    /// Everything that names a version or a path of its own instead of the workspace's.
    own_versions: Vec<String>,
}

fn manifests() -> Result<BTreeMap<String, Manifest>> {
    let mut found = BTreeMap::new();
    for path in files(&root(), "toml")?.into_iter().filter(|path| path.ends_with("Cargo.toml")) {
        let text = fs::read_to_string(&path)?;
        let table: Table = text.parse().with_context(|| format!("failed to parse {}", path.display()))?;
        let Some(name) = table.get("package").and_then(|package| package.get("name")).and_then(Value::as_str) else {
            continue;
        };
        let folder = path.parent().and_then(|folder| folder.strip_prefix(root()).ok()).unwrap_or(Path::new(""));
        found.insert(name.to_owned(), manifest(&table, folder.display().to_string()));
    }
    Ok(found)
}

fn manifest(table: &Table, folder: String) -> Manifest {
    let section = |name: &str| table.get(name).and_then(Value::as_table).cloned().unwrap_or_default();
    let names = |table: &Table| table.keys().cloned().collect::<BTreeSet<String>>();
    let mut own_versions = Vec::new();
    for dependencies in ["dependencies", "dev-dependencies", "build-dependencies"].map(section) {
        for (name, value) in dependencies {
            if value.get("workspace") != Some(&Value::Boolean(true)) {
                own_versions.push(name);
            }
        }
    }
    let lints = table.get("lints").and_then(|lints| lints.get("workspace"));
    if lints != Some(&Value::Boolean(true)) {
        own_versions.push("lints".to_owned());
    }
    let mut uses = names(&section("dependencies"));
    uses.extend(names(&section("build-dependencies")));
    Manifest { folder, uses, tests_use: names(&section("dev-dependencies")), own_versions }
}

/// The folders of this repository that a crate may use.
fn allowed(name: &str, folder: &str) -> &'static [&'static str] {
    match name {
        "domain" | "simulators" => &[],
        "resilience" | "mail_templates" => &["domain"],
        // Of the product only what a person wants to look at, or what can be proven, without a stack.
        "xtask" => &["domain", "mail_templates", "providers"],
        "aws" | "providers" | "web" => &["domain", "resilience"],
        "store" => &["domain", "resilience", "aws"],
        "sync" => &["domain", "resilience", "aws", "store", "providers"],
        "integration" => {
            &["domain", "resilience", "mail_templates", "aws", "store", "providers", "sync", "web", "simulators"]
        }
        _ if folder.starts_with("functions/") => {
            &["domain", "resilience", "mail_templates", "aws", "store", "providers", "sync", "web"]
        }
        _ => &[],
    }
}

fn direction(manifests: &BTreeMap<String, Manifest>) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, manifest) in manifests {
        let allowed = allowed(name, &manifest.folder);
        let room = |used: &&String| manifests.contains_key(*used);
        for used in manifest.uses.iter().filter(room).filter(|used| !allowed.contains(&used.as_str())) {
            broken.push(format!("{name} uses {used}"));
        }
        // Tests may use simulators as well; they do not ship.
        let tests = manifest.tests_use.iter().filter(room);
        for used in tests.filter(|used| *used != "simulators" && !allowed.contains(&used.as_str())) {
            broken.push(format!("the tests of {name} use {used}"));
        }
        for used in &manifest.uses {
            let aws = used.starts_with("aws-sdk-") || used.starts_with("aws-config") || used == "serde_dynamo";
            // A provider of ours is a service of AWS.
            let sends = name == "providers" && used == "aws-sdk-sesv2";
            // The tests sign their requests to AWS themselves.
            let signs = matches!(used.as_str(), "aws-sigv4" | "aws-credential-types");
            if aws && name != "aws" && !sends || signs && !["aws", "integration"].contains(&name.as_str()) {
                broken.push(format!("{name} knows AWS by {used}"));
            }
            if ["aws", "store"].contains(&name.as_str())
                && ["reqwest", "lettre", "lambda_http"].contains(&used.as_str())
            {
                broken.push(format!("{name} talks to a third party by {used}"));
            }
        }
        if manifest.folder.starts_with("functions/") && manifest.folder != format!("functions/{name}") {
            broken.push(format!("{name} lives in {}", manifest.folder));
        }
    }
    broken
}

#[test]
fn crates_depend_in_one_direction() -> Result<()> {
    let good = manifests()?;
    let violations = direction(&good);
    ensure!(violations.is_empty(), "{}", violations.join("; "));
    for (name, used) in [
        ("domain", "resilience"),
        ("mail_templates", "aws"),
        ("mail_templates", "aws-sdk-sqs"),
        ("providers", "mail_templates"),
        ("xtask", "aws"),
        ("aws", "providers"),
        ("aws", "store"),
        ("aws", "reqwest"),
        ("store", "providers"),
        ("web", "aws-sdk-sqs"),
        ("web", "aws-sigv4"),
        ("providers", "aws-sigv4"),
        ("providers", "aws-sdk-sqs"),
        ("web", "aws-sdk-sesv2"),
        ("web", "aws"),
        ("health", "frontend-api"),
        ("health", "simulators"),
    ] {
        let mut broken = good.clone();
        broken.get_mut(name).with_context(|| format!("{name} is gone"))?.uses.insert(used.to_owned());
        ensure!(!direction(&broken).is_empty(), "nobody notices that {name} uses {used}");
    }
    Ok(())
}

#[test]
fn versions_and_lints_are_those_of_the_workspace() -> Result<()> {
    for (name, manifest) in manifests()? {
        ensure!(manifest.own_versions.is_empty(), "{name} has its own {:?}", manifest.own_versions);
    }
    let own: Table = "[dependencies]\nserde = \"1\"".parse()?;
    ensure!(manifest(&own, String::new()).own_versions == ["serde", "lints"], "nobody notices a version of one's own");
    Ok(())
}

fn too_long(sources: &[(String, String)]) -> Vec<String> {
    let limit = |name: &str| {
        let main = name.starts_with("functions/") && name.ends_with("/src/main.rs");
        if main { MAX_MAIN_LINES } else { MAX_FILE_LINES }
    };
    let lines = |text: &str| text.lines().count();
    let long = sources.iter().filter(|(name, text)| lines(text) > limit(name));
    long.map(|(name, text)| format!("{name} has {} lines", lines(text))).collect()
}

#[test]
fn files_are_short_and_mains_only_wire() -> Result<()> {
    let violations = too_long(&sources()?);
    ensure!(violations.is_empty(), "{}", violations.join("; "));
    let of = |name: &str, lines: usize| vec![(name.to_owned(), "x\n".repeat(lines))];
    ensure!(!too_long(&of("functions/a/src/main.rs", MAX_MAIN_LINES + 1)).is_empty(), "a long main goes unnoticed");
    ensure!(!too_long(&of("shared/a/src/lib.rs", MAX_FILE_LINES + 1)).is_empty(), "a long file goes unnoticed");
    Ok(())
}

/// What names the AWS SDK although it must not. The needle is put together here, so that this file does not hold it.
fn names_the_sdk(sources: &[(String, String)]) -> Vec<String> {
    let needle = ["aws", "sdk", ""].join("_");
    let outside = sources.iter().filter(|(name, _)| !name.starts_with("shared/aws/") && !is_ses(name));
    outside.filter(|(_, text)| text.contains(&needle)).map(|(name, _)| format!("{name} names {needle}")).collect()
}

#[test]
fn one_crate_names_the_aws_sdk() -> Result<()> {
    let violations = names_the_sdk(&sources()?);
    ensure!(violations.is_empty(), "{}", violations.join("; "));
    let line = ["use aws", "sdk", "sqs::Client;"].join("_");
    ensure!(!names_the_sdk(&[("shared/web/src/lib.rs".to_owned(), line)]).is_empty(), "the SDK goes unnoticed");
    Ok(())
}

/// Whether a file is of the one provider that is a service of AWS.
fn is_ses(name: &str) -> bool {
    name == "shared/providers/src/mail/ses.rs" || name.starts_with("shared/providers/src/mail/ses/")
}

/// The providers that know AWS although they are no service of it, or sign their requests themselves. The needles are
/// put together here, as above.
fn knows_aws(sources: &[(String, String)]) -> Vec<String> {
    let by_hand = [["aws", "sigv4"].join("_"), ["aws", "credential", "types"].join("_")];
    let sdk = [["aws", "sdk", ""].join("_"), ["aws", "smithy"].join("_")];
    let providers = sources.iter().filter(|(name, _)| name.starts_with("shared/providers/"));
    let names = |text: &str, needles: &[String]| needles.iter().any(|needle| text.contains(needle));
    let named = providers.filter(|(name, text)| names(text, &by_hand) || !is_ses(name) && names(text, &sdk));
    named.map(|(name, _)| format!("{name} knows AWS")).collect()
}

#[test]
fn one_provider_knows_aws_and_none_signs_by_hand() -> Result<()> {
    let violations = knows_aws(&sources()?);
    ensure!(violations.is_empty(), "{}", violations.join("; "));
    let by_hand = ["use aws", "sigv4::sign;"].join("_");
    let sdk = ["use aws", "sdk", "sesv2::Client;"].join("_");
    for (file, line) in [("gmail", &by_hand), ("gmail", &sdk), ("ses", &by_hand)] {
        let broken = [(format!("shared/providers/src/mail/{file}.rs"), line.clone())];
        ensure!(!knows_aws(&broken).is_empty(), "{file}: {line} goes unnoticed");
    }
    let allowed = [("shared/providers/src/mail/ses.rs".to_owned(), sdk)];
    ensure!(knows_aws(&allowed).is_empty(), "the provider may use the SDK");
    Ok(())
}

/// Where the code of a function names another function, or an adapter a provider.
fn strangers(sources: &[(String, String)], functions: &BTreeSet<String>, providers: &BTreeSet<String>) -> Vec<String> {
    let mut broken = Vec::new();
    for (path, text) in sources {
        // A comment may name other providers; only code must not know them.
        let code = |line: &&str| !line.trim_start().starts_with("//");
        let text = text.lines().filter(code).collect::<Vec<_>>().join("\n");
        let own = path.strip_prefix("functions/").and_then(|rest| rest.split('/').next());
        // A name of one word is a word of the language as well.
        for other in functions.iter().filter(|name| own.is_some_and(|own| own != *name) && name.contains('-')) {
            if text.contains(other.as_str()) || text.contains(&other.replace('-', "_")) {
                broken.push(format!("{path} names the function {other}"));
            }
        }
        for provider in
            providers.iter().filter(|_| path.starts_with("shared/aws/src/") || path.starts_with("shared/store/src/"))
        {
            if text.to_lowercase().contains(provider.as_str()) {
                broken.push(format!("{path} names the provider {provider}"));
            }
        }
    }
    broken
}

#[test]
fn functions_and_adapters_name_no_strangers() -> Result<()> {
    let functions = function_folders()?;
    let providers = ["greenhouse", "bamboohr", "gemini"].map(str::to_owned).into();
    let violations = strangers(&sources()?, &functions, &providers);
    ensure!(violations.is_empty(), "{}", violations.join("; "));
    let check =
        |path: &str, text: &str| !strangers(&[(path.to_owned(), text.to_owned())], &functions, &providers).is_empty();
    ensure!(check("functions/health/src/lib.rs", "calls webhook_receiver::run"), "a stranger goes unnoticed");
    ensure!(check("shared/aws/src/lib.rs", "if greenhouse {}"), "a provider goes unnoticed");
    Ok(())
}

#[test]
fn names_say_what_a_thing_is_for() -> Result<()> {
    for (path, _) in sources()? {
        let empty = |part: &str| EMPTY_NAMES.contains(&part.split('.').next().unwrap_or_default());
        ensure!(!path.split('/').any(empty), "{path}: what is it for?");
    }
    Ok(())
}

/// Where the clock could run faster in what is deployed. The needles are put together here, so that this file does not hold them.
fn fast_clocks(sources: &[(String, String)], template: &str) -> Vec<String> {
    let scaled = "shared/aws/src/clock/scaled.rs";
    let needles = [["TIME", "SCALE"].join("_"), ["TIME", "ORIGIN"].join("_")];
    let ships = sources.iter().filter(|(name, _)| name.starts_with("shared/") || name.starts_with("functions/"));
    let outside = ships.filter(|(name, _)| name != scaled).map(|(name, text)| (name.as_str(), text.as_str()));
    let mut found: Vec<String> = outside
        .chain([("template.yaml", template)])
        .filter(|(_, text)| needles.iter().any(|needle| text.contains(needle)))
        .map(|(name, _)| format!("{name} knows how fast the clock runs"))
        .collect();
    let clock = sources.iter().find(|(name, _)| name == "shared/aws/src/clock.rs");
    let only_in_development = "#[cfg(debug_assertions)]\nmod scaled;";
    if !clock.is_some_and(|(_, text)| text.contains(only_in_development) && text.matches("mod scaled").count() == 1) {
        found.push("the clock runs faster not only in development builds".to_owned());
    }
    found
}

#[test]
fn a_release_has_the_machines_clock() -> Result<()> {
    let (sources, template) = (sources()?, fs::read_to_string(root().join("template.yaml"))?);
    let violations = fast_clocks(&sources, &template);
    ensure!(violations.is_empty(), "{}", violations.join("; "));
    let named = ["TIME", "SCALE: 5"].join("_");
    ensure!(!fast_clocks(&sources, &named).is_empty(), "a scale in the template goes unnoticed");
    let mut broken = sources.clone();
    broken.push(("functions/health/src/lib.rs".to_owned(), named));
    ensure!(!fast_clocks(&broken, &template).is_empty(), "a function that knows the scale goes unnoticed");
    let always = |(name, text): &(String, String)| (name.clone(), text.replace("#[cfg(debug_assertions)]\n", ""));
    let always: Vec<_> = sources.iter().map(always).collect();
    ensure!(!fast_clocks(&always, &template).is_empty(), "a fast clock in releases goes unnoticed");
    Ok(())
}

/// What could end a process on purpose in what ships. The needles are put together here, so that this file does not hold them.
fn deadly(sources: &[(String, String)]) -> Vec<String> {
    let armed = "shared/aws/src/fault/armed.rs";
    let needles = [["FAULT", "POINTS"].join("_"), ["std::", "process"].concat()];
    let ships = sources.iter().filter(|(name, _)| name.starts_with("shared/") || name.starts_with("functions/"));
    let outside = ships.filter(|(name, _)| name != armed);
    let mut found: Vec<String> = outside
        .filter(|(_, text)| needles.iter().any(|needle| text.contains(needle)))
        .map(|(name, _)| format!("{name} may end its process"))
        .collect();
    let fault = sources.iter().find(|(name, _)| name == "shared/aws/src/fault.rs");
    let only_in_development = "#[cfg(debug_assertions)]\nmod armed;";
    if !fault.is_some_and(|(_, text)| text.contains(only_in_development) && text.matches("mod armed").count() == 1) {
        found.push("the fault points are not only in development builds".to_owned());
    }
    found
}

#[test]
fn a_release_has_no_fault_points() -> Result<()> {
    let sources = sources()?;
    let violations = deadly(&sources);
    ensure!(violations.is_empty(), "{}", violations.join("; "));
    let workspace: Table = fs::read_to_string(root().join("Cargo.toml"))?.parse()?;
    let release = workspace.get("profile").and_then(|profile| profile.get("release"));
    let release = release.context("the release profile is gone")?;
    ensure!(
        release.get("debug-assertions").is_none(),
        "a release without debug assertions is what has no fault points"
    );

    let mut broken = sources.clone();
    broken.push(("functions/health/src/lib.rs".to_owned(), ["use std::", "process::Command;"].concat()));
    ensure!(!deadly(&broken).is_empty(), "a function that may end its process goes unnoticed");
    let armed_always = |(name, text): &(String, String)| (name.clone(), text.replace("#[cfg(debug_assertions)]\n", ""));
    ensure!(!deadly(&sources.iter().map(armed_always).collect::<Vec<_>>()).is_empty(), "armed releases go unnoticed");
    Ok(())
}
