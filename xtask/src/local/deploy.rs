//! Deploys the SAM template to the emulator with the SAM CLI.
//!
//! The template that is deployed is the one of the repository, with two differences that are printed or harmless: the code
//! is a zip that lies ready instead of a folder to build, and the few things that the emulator refuses are left out.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use anyhow::{Context, Result};
use serde_yaml_ng::{Mapping, Value};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{
    local::{
        mode::Mode,
        package::{Package, Template},
        time_scale::TimeScale,
    },
    processes, report,
    site::Site,
};

pub(crate) const STAGE: &str = "local";
pub(crate) const STACK: &str = "hiring-integrations-local";

/// The parts of the template that the emulator does not support: resource types, and properties of functions.
const REFUSED_TYPES: [&str; 1] = ["AWS::CloudWatch::CompositeAlarm"];
const REFUSED_PROPERTIES: [&str; 1] = ["DeploymentPreference"];

/// The shortest timeout of a worker and the shortest visibility timeout of a queue, in seconds, at any speed of the
/// clock.
const SHORTEST_TIMEOUT: u64 = 8;
const SHORTEST_VISIBILITY: u64 = 12;

/// Deploys unless exactly this is deployed already; whether it did.
pub(crate) async fn deploy(
    site: &Site,
    template: Template,
    packages: &BTreeMap<String, Package>,
    mode: &Mode,
    emulator_is_new: bool,
) -> Result<bool> {
    let began = Instant::now();
    let parameters = parameters(site, mode);
    let (content, left_out) = derive(template, packages, mode)?;
    let text = serde_json::to_string_pretty(&content)?;
    let fingerprint = fingerprint(&text, packages, &parameters);
    let mark = site.state.join("deployed");
    if !emulator_is_new && fs::read_to_string(&mark).is_ok_and(|found| found == fingerprint) {
        return Ok(false);
    }
    // A deployment that fails half way must not look done.
    if mark.exists() {
        fs::remove_file(&mark)?;
    }
    for item in &left_out {
        report::note(format!("left out, because the emulator does not know it: {item}"));
    }
    let path = site.state.join("template.json");
    fs::write(&path, text)?;
    let log = site.log("deploy");
    let mut command = Command::new(site.tool("sam"));
    command
        .args(["deploy", "--stack-name", STACK, "--config-env", "local", "--no-progressbar", "--config-file"])
        .arg(site.root.join("samconfig.toml"))
        .arg("--template-file")
        .arg(&path)
        .arg("--parameter-overrides")
        .args(&parameters)
        .current_dir(&site.root)
        .env_clear()
        .envs(site.environment());
    processes::log("sam deploy", command, &log).await?;
    fs::write(&mark, fingerprint)?;
    report::tick(began, format!("template.yaml deployed with the SAM CLI; log: {}", site.display(&log)));
    Ok(true)
}

fn parameters(site: &Site, mode: &Mode) -> Vec<String> {
    vec![
        format!("Stage={STAGE}"),
        "CorsOrigins=http://localhost:3000,http://localhost:5173".to_owned(),
        format!("ProviderBaseUrl=http://127.0.0.1:{}", site.simulators()),
        "MailFrom=notifications@hiring.example".to_owned(),
        format!("MailProvider={}", mode.mail_provider.as_deref().unwrap_or("smtp")),
        // A simulator's lookup has no lag, so that no wait of minutes is needed here. The events of the meantime are
        // work, which needs time on the machine.
        format!("MailSettlingSeconds={}", if mode.time.is_the_machines() { 3 } else { 10 }),
        "MailUnsubscribe=mailto:no-reports@hiring.example".to_owned(),
        "SmtpHost=127.0.0.1".to_owned(),
        format!("SmtpPort={}", site.smtp()),
        format!("CacheUrl={}", site.cache_url()),
    ]
}

fn fingerprint(template: &str, packages: &BTreeMap<String, Package>, parameters: &[String]) -> String {
    let mut hash = Sha256::new();
    hash.update(template);
    for package in packages.values() {
        hash.update(&package.sha256);
    }
    for parameter in parameters {
        hash.update(parameter);
    }
    hex::encode(hash.finalize())
}

/// The template to deploy, and what was left out of it.
fn derive(template: Template, packages: &BTreeMap<String, Package>, mode: &Mode) -> Result<(Value, Vec<String>)> {
    let functions = template.functions()?;
    let folder = template.folder();
    let mut content = template.content;
    let mut left_out = Vec::new();
    // Functions name their code one by one below.
    let globals = content.get_mut("Globals").and_then(|globals| globals.get_mut("Function"));
    if let Some(globals) = globals.and_then(Value::as_mapping_mut) {
        globals.remove("CodeUri");
        left_out.extend(remove_refused("Globals", globals));
    }
    let resources =
        content.get_mut("Resources").and_then(Value::as_mapping_mut).context("the template has no Resources")?;
    for refused in REFUSED_TYPES {
        let ids: Vec<Value> = resources
            .iter()
            .filter(|(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(refused))
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            resources.remove(&id);
            left_out.push(format!("{} ({refused})", id.as_str().unwrap_or_default()));
        }
    }
    for (id, binary) in functions {
        let resource =
            resources.get_mut(id.as_str()).and_then(Value::as_mapping_mut).context("a function is not a map")?;
        resource.remove("Metadata");
        let properties =
            resource.get_mut("Properties").and_then(Value::as_mapping_mut).context("a function has no Properties")?;
        left_out.extend(remove_refused(&id, properties));
        let code = if mode.sam_build {
            built_code(&folder, &id)
        } else {
            packages
                .get(&binary)
                .with_context(|| format!("{id} names the unknown binary {binary}"))?
                .zip
                .display()
                .to_string()
        };
        properties.insert("CodeUri".into(), code.into());
    }
    if let Some(resources) = content.get_mut("Resources").and_then(Value::as_mapping_mut) {
        shorten(resources, mode.time);
    }
    Ok((content, left_out))
}

/// Divides the times of AWS by the speed of the stack's clock: the visibility timeouts of queues, and the timeouts of
/// workers, because their leases end then. Work has at least the time that it needs on a busy machine.
fn shorten(resources: &mut Mapping, time: TimeScale) {
    for resource in resources.iter_mut().map(|(_, resource)| resource) {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        let (name, least) = match kind {
            "AWS::SQS::Queue" => ("VisibilityTimeout", SHORTEST_VISIBILITY),
            "AWS::Serverless::Function" if takes_messages(resource) => ("Timeout", SHORTEST_TIMEOUT),
            _ => continue,
        };
        let Some(value) = resource.get_mut("Properties").and_then(|properties| properties.get_mut(name)) else {
            continue;
        };
        if let Some(seconds) = value.as_u64() {
            *value = time.seconds(seconds, least).into();
        }
    }
}

fn takes_messages(function: &Value) -> bool {
    let events = function.get("Properties").and_then(|properties| properties.get("Events")).and_then(Value::as_mapping);
    let is_queue = |event: &Value| event.get("Type").and_then(Value::as_str) == Some("SQS");
    events.is_some_and(|events| events.iter().any(|(_, event)| is_queue(event)))
}

fn built_code(folder: &Path, id: &str) -> String {
    folder.join(id).display().to_string()
}

fn remove_refused(owner: &str, properties: &mut Mapping) -> Vec<String> {
    REFUSED_PROPERTIES
        .into_iter()
        .filter(|name| properties.remove(*name).is_some())
        .map(|name| format!("{name} of {owner}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn only_code_what_the_emulator_refuses_and_the_clock_differ() -> Result<()> {
        let source = "Globals: {Function: {CodeUri: ., Timeout: 3}}
Resources:
  A:
    Type: AWS::Serverless::Function
    Metadata: {BuildProperties: {Binary: a}}
    Properties: {MemorySize: 256, Timeout: 60, Events: {Queue: {Type: SQS}}, DeploymentPreference: {Type: Canary}}
  B: {Type: AWS::CloudWatch::CompositeAlarm}
  C: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 180, DelaySeconds: 1}}
";
        let package = || Package { zip: PathBuf::from("/zips/a.zip"), sha256: "1".to_owned(), bytes: 1 };
        let derived = |time| {
            let template =
                Template { path: PathBuf::from("/repo/template.yaml"), content: serde_yaml_ng::from_str(source)? };
            let mode = Mode { time, ..Mode::default() };
            derive(template, &BTreeMap::from([("a".to_owned(), package())]), &mode)
        };
        let (content, left_out) = derived(TimeScale::default())?;
        let expected: Value = serde_yaml_ng::from_str(
            "Globals: {Function: {Timeout: 3}}
Resources:
  A:
    Type: AWS::Serverless::Function
    Properties: {MemorySize: 256, Timeout: 60, Events: {Queue: {Type: SQS}}, CodeUri: /zips/a.zip}
  C: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 180, DelaySeconds: 1}}
",
        )?;
        assert_eq!(content, expected);
        assert_eq!(left_out, ["B (AWS::CloudWatch::CompositeAlarm)", "DeploymentPreference of A"]);
        let (content, _) = derived(TimeScale { factor: 5, origin_ms: 0 })?;
        let of = |pointer: [&str; 2]| content["Resources"][pointer[0]]["Properties"][pointer[1]].as_u64();
        assert_eq!(
            [of(["A", "Timeout"]), of(["C", "VisibilityTimeout"]), of(["C", "DelaySeconds"])],
            [12, 36, 1].map(Some)
        );
        Ok(())
    }
}
