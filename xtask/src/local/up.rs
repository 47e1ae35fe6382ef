//! `up` and `down`: brings the whole stack to the state of the working tree, and takes it away.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use crate::{
    compile,
    local::{
        daemons::{self, Daemons},
        deploy, logs,
        mode::Mode,
        package::{self, Package, Template},
        services,
        stack::{self, Organisation, Stack},
        time_scale::TimeScale,
        tls,
    },
    processes, python, report,
    site::Site,
};

/// The output of `stack.py finish`.
#[derive(Deserialize)]
struct Finished {
    outputs: BTreeMap<String, String>,
    routes: usize,
    routes_changed: bool,
    orgs: Vec<Organisation>,
    operator_token: String,
    mail_webhook_secrets: BTreeMap<String, String>,
    functions: BTreeMap<String, String>,
}

/// The output of `stack.py warm` for a function.
#[derive(Serialize, Deserialize)]
struct Start {
    /// The time until the runtime requested its first event, as the function logged it.
    init_ms: Option<f64>,
    /// The first call as its caller saw it, start included.
    first_ms: f64,
    error: Option<String>,
}

/// A line of the table of functions.
#[derive(Serialize, Deserialize)]
struct Line {
    name: String,
    sha256: String,
    bytes: u64,
    start: Start,
}

/// Starts the stack or brings it up to date.
pub(crate) async fn up(site: &Site, daemons: &Daemons<'_>, mode: &Mode) -> Result<Stack> {
    report::heading("Local stack");
    let outcome = bring_up(site, daemons, mode).await;
    if outcome.is_err() {
        // The logs of the functions live in the emulator, which may end with this failure.
        logs::collect(site).await;
    }
    outcome
}

async fn bring_up(site: &Site, daemons: &Daemons<'_>, mode: &Mode) -> Result<Stack> {
    let packages = prepare(site, mode).await?;
    start(site, daemons, mode, &packages).await
}

/// Starts stacks beside each other, from what is compiled and packed once. The steps of the first one are printed.
pub(crate) async fn up_beside(first: &Daemons<'_>, others: &[Daemons<'_>], mode: &Mode) -> Result<()> {
    report::heading(format!("Local stacks: {}", others.len() + 1));
    let outcome = bring_up_beside(first, others, mode).await;
    if outcome.is_err() {
        for site in [first].into_iter().chain(others).map(Daemons::site) {
            logs::collect(site).await;
        }
    }
    outcome
}

async fn bring_up_beside(first: &Daemons<'_>, others: &[Daemons<'_>], mode: &Mode) -> Result<()> {
    let packages = prepare(first.site(), mode).await?;
    let others = others.iter().map(|daemons| start(daemons.site(), daemons, mode, &packages));
    let others = report::silenced(try_join_all(others));
    tokio::try_join!(start(first.site(), first, mode, &packages), others)?;
    Ok(())
}

/// Everything that comes before a stack, and is the same for each: tools, binaries and their zips.
async fn prepare(site: &Site, mode: &Mode) -> Result<BTreeMap<String, Package>> {
    tokio::try_join!(python::ensure(site), compile(site, mode))?;
    let template = Template::read(site, mode.sam_build)?;
    let functions = template.functions()?;
    let binaries = functions.iter().map(|(id, name)| (name.clone(), template.binary(site, mode.sam_build, id, name)));
    package::pack(site, &binaries.collect()).await
}

async fn start(site: &Site, daemons: &Daemons<'_>, mode: &Mode, packages: &BTreeMap<String, Package>) -> Result<Stack> {
    let whole = Instant::now();
    let certificate = tls::ensure(site).await?;
    let fresh = services::ensure(site, daemons, &certificate, mode).await?;
    deploy::deploy(site, Template::read(site, mode.sam_build)?, packages, mode, fresh).await?;

    let stack = finish(site, mode.time, fresh, packages).await?;
    report::tick(whole, format!("the stack answers at {}", stack.api_url));
    Ok(stack)
}

async fn compile(site: &Site, mode: &Mode) -> Result<()> {
    let began = Instant::now();
    compile::build(site, !mode.sam_build).await?;
    let what = if mode.sam_build {
        "simulators compiled; functions as `sam build` made them"
    } else {
        "functions and simulators compiled"
    };
    report::tick(began, what);
    Ok(())
}

/// Everything after the deployment: routes, seeds, tokens, `stack.json`, the first call of each function.
async fn finish(site: &Site, time: TimeScale, fresh: bool, packages: &BTreeMap<String, Package>) -> Result<Stack> {
    let began = Instant::now();
    let mut command = python::script(site, "stack.py")?;
    command.args(["finish", "--stack", deploy::STACK, "--state"]).arg(&site.state);
    let log = site.log("finish");
    let answer = processes::capture("routes, seeds and tokens (xtask/platform/stack.py finish)", command, &log).await?;
    let finished: Finished = serde_json::from_str(&answer).context("failed to read the answer of stack.py finish")?;
    let api_id = finished.outputs.get("ApiId").context("the stack has no output ApiId")?;
    let secrets = finished.mail_webhook_secrets;
    let stack = Stack::new(site, time, api_id, finished.orgs, finished.operator_token, secrets);
    stack.write(site)?;
    prepare_sam_local(site, &finished.functions)?;
    let routes = if finished.routes_changed {
        format!("{} routes made", finished.routes)
    } else {
        "routes unchanged".to_owned()
    };
    report::tick(began, format!("{routes}, organisations {} seeded, fresh ID tokens", org_names(&stack)));
    healthy(&stack).await?;
    let lines = starts(site, fresh, packages, &finished.functions).await?;
    print_table(&lines);
    let broken = lines.iter().filter_map(|line| Some(format!("{}: {}", line.name, line.start.error.as_ref()?)));
    let broken: Vec<String> = broken.collect();
    if !broken.is_empty() {
        bail!("functions that fail at their first call:\n    {}", broken.join("\n    "));
    }
    Ok(stack)
}

fn org_names(stack: &Stack) -> String {
    stack.orgs.iter().map(|org| org.id.as_str()).collect::<Vec<_>>().join(", ")
}

/// Prepares what `sam build` made for `sam local invoke` against this stack. In a container the folder of the function is all
/// that it sees of this machine, so the CA goes there; and the SAM CLI hands over only variables that the template names, so
/// a copy of the template names the two that exist on this stack only.
fn prepare_sam_local(site: &Site, functions: &BTreeMap<String, String>) -> Result<()> {
    let build = site.root.join(".aws-sam/build");
    let Ok(text) = fs::read_to_string(build.join("template.yaml")) else { return Ok(()) };
    let mut template: serde_json::Value =
        serde_yaml_ng::from_str(&text).context("failed to parse what `sam build` made")?;
    for id in functions.keys() {
        let folder = build.join(id);
        if folder.is_dir() {
            fs::copy(site.ca(), folder.join("ca.pem")).context("failed to copy the CA for sam local")?;
        }
        let variables = template.pointer_mut(&format!("/Resources/{id}/Properties/Environment/Variables"));
        if let Some(variables) = variables.and_then(serde_json::Value::as_object_mut) {
            for name in ["AWS_ENDPOINT_URL", "SSL_CERT_FILE"] {
                variables.insert(name.to_owned(), "".into());
            }
        }
    }
    fs::write(build.join("local.yaml"), serde_yaml_ng::to_string(&template)?).context("failed to write local.yaml")
}

async fn healthy(stack: &Stack) -> Result<()> {
    let client = stack::client(&stack.ca_cert)?;
    let url = format!("{}/api/health", stack.api_url);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = match client.get(&url).send().await {
            Ok(response) => format!("{} {}", response.status().as_u16(), response.text().await.unwrap_or_default()),
            Err(error) => error.to_string(),
        };
        if answer.starts_with("200 ") {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("GET {url} does not answer 200 after 30 s; it answered: {answer}; log: cargo xtask logs health");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Calls each function whose binary is new once, and remembers the times for the next `up`.
async fn starts(
    site: &Site,
    fresh: bool,
    packages: &BTreeMap<String, Package>,
    functions: &BTreeMap<String, String>,
) -> Result<Vec<Line>> {
    let path = site.state.join("functions.json");
    let mut lines: Vec<Line> =
        fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    lines.retain(|line| {
        !fresh
            && line.start.error.is_none()
            && packages.get(&line.name).is_some_and(|package| package.sha256 == line.sha256)
    });
    let new: Vec<&String> = packages.keys().filter(|name| !lines.iter().any(|line| line.name == **name)).collect();
    if new.is_empty() {
        return Ok(lines);
    }
    let physical = |name: &String| format!("hiring-integrations-{}-{name}", deploy::STAGE);
    let known: Vec<String> = functions.values().cloned().collect();
    let mut command = python::script(site, "stack.py")?;
    command.arg("warm").args(new.iter().map(|name| physical(name)).filter(|name| known.contains(name)));
    let answer = processes::capture("the first call of each function", command, &site.log("warm")).await?;
    let mut started: BTreeMap<String, Start> =
        serde_json::from_str(&answer).context("failed to read the answer of warm")?;
    for name in new {
        if let (Some(package), Some(start)) = (packages.get(name), started.remove(&physical(name))) {
            lines.push(Line { name: name.clone(), sha256: package.sha256.clone(), bytes: package.bytes, start });
        }
    }
    lines.sort_by(|left, right| left.name.cmp(&right.name));
    fs::write(&path, serde_json::to_string_pretty(&lines)?)?;
    Ok(lines)
}

fn print_table(lines: &[Line]) {
    report::note(format!("{:<20} {:>9}  {:>10}  {:>10}", "function", "zip", "start", "first call"));
    for line in lines {
        let start = line.start.init_ms.map_or_else(|| "not logged".to_owned(), |ms| format!("{ms:.0} ms"));
        let first = format!("{:.0} ms", line.start.first_ms);
        report::note(format!("{:<20} {:>9}  {start:>10}  {first:>10}", line.name, megabytes(line.bytes)));
    }
}

fn megabytes(bytes: u64) -> String {
    let tenths = bytes.div_ceil(100_000);
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

/// Ends everything that is on record.
pub(crate) fn down(site: &Site) -> Result<()> {
    let began = Instant::now();
    let stopped = clear(site)?;
    if stopped.is_empty() {
        println!("nothing was running");
    } else {
        report::tick(began, format!("stopped {}", stopped.join(", ")));
    }
    Ok(())
}

/// Ends what is on record and removes what described it; logs, certificate and zips stay. The names of what was ended.
pub(crate) fn clear(site: &Site) -> Result<Vec<String>> {
    let mut stopped: Vec<String> = daemons::recorded(site);
    stopped.retain(|name| daemons::stop(site, name));
    for leftover in ["logs/claims.log", "stack.json", "deployed", "functions.json", "sam-env.json", "template.json"] {
        let path = site.state.join(leftover);
        if path.exists() {
            fs::remove_file(path)?;
        }
    }
    for folder in ["tmp", "functions", "fault-points"] {
        let path = site.state.join(folder);
        if path.exists() {
            fs::remove_dir_all(path)?;
        }
    }
    Ok(stopped)
}
