//! Flow F: the four ATS in sync: what changes there arrives here, what is gone there is gone here, and a flood is survived.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use reqwest::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    client::{Client, step, until},
    flow_a::text,
    flow_c::start_scheduler,
};
use crate::{
    local::stack::{Organisation, Stack},
    report,
    site::Site,
};

/// The key of the connection in stack.json, and its simulator.
const ATS: [(&str, &str); 4] =
    [("greenhouse-api", "greenhouse"), ("lever", "lever"), ("workday", "workday"), ("bamboohr", "bamboohr")];
/// Objects of all kinds that each simulator has at least.
const OBJECTS: u32 = 150;
/// The most changes until one is of the wanted kind.
const MAX_STEPS: u32 = 400;
const SECONDS: u64 = 120;

type Truth = BTreeMap<String, Map<String, Value>>;

pub(super) async fn run(site: &Site, stack: &Stack, client: &Client, org: &Organisation, wait: bool) -> Result<()> {
    report::heading("Flow F   Greenhouse, Lever, Workday, BambooHR -> what changes there -> /api/applications");
    try_join_all(ATS.map(|(key, provider)| async move {
        let ats = Ats::new(stack, client, org, key, provider)?;
        ats.grow().await?;
        ats.resume().await?;
        ats.change_arrives().await?;
        ats.deletion_is_honoured().await
    }))
    .await?;
    Ats::new(stack, client, org, "bamboohr", "bamboohr")?.flood(site, wait).await
}

struct Ats<'a> {
    client: &'a Client,
    provider: &'a str,
    account: &'a str,
    connection: &'a str,
    control: &'a str,
}

impl<'a> Ats<'a> {
    fn new(stack: &'a Stack, client: &'a Client, org: &'a Organisation, key: &str, provider: &'a str) -> Result<Self> {
        let connection = org.connections.get(key).with_context(|| format!("the stack has no connection `{key}`"))?;
        let simulator = stack.simulators.get(provider).with_context(|| format!("there is no simulator {provider}"))?;
        let (account, control) = (org.id.as_str(), simulator.control_url.as_str());
        Ok(Self { client, provider, account, connection: &connection.id, control })
    }

    fn path(&self) -> String {
        format!("/api/connections/{}", self.connection)
    }

    /// Makes sure that the simulator has objects to read.
    async fn grow(&self) -> Result<()> {
        let url = format!("{}/{}/grow", self.control, self.account);
        self.client.control(&url, &json!({"seed": 1, "count": OBJECTS})).await?.expect(StatusCode::NO_CONTENT)?;
        Ok(())
    }

    async fn resume(&self) -> Result<()> {
        step(&format!("{}: everything read", self.provider), "sync-worker", async {
            let state = self.client.get(&self.path()).await?.expect(StatusCode::OK)?.body;
            if text(&state, "/status") == "paused" {
                let key = format!("demo-resume-{}-{}", self.connection, text(&state, "/updated_at"));
                self.client.post(&format!("{}/resume", self.path()), &json!({}), &key).await?;
            }
            let run = self.sync("full").await?;
            ensure!(text(&run, "/outcome") == "succeeded", "the run ended as {run}");
            let read = run.pointer("/counts/application/read").map(Value::to_string).unwrap_or_default();
            let requests = run.pointer("/requests").map(Value::to_string).unwrap_or_default();
            Ok(((), format!("{read} applications, {requests} requests")))
        })
        .await
    }

    /// Requests a run, and returns it when it has ended.
    async fn sync(&self, mode: &str) -> Result<Value> {
        let path = self.path();
        let idle = |state: &Value| state.pointer("/sync/running").is_none_or(Value::is_null);
        let before = until(format!("{} at rest", self.connection), SECONDS, || async {
            let state = self.client.get(&path).await?.expect(StatusCode::OK)?.body;
            Ok(if idle(&state) { Ok(state) } else { Err(state.to_string()) })
        })
        .await?;
        let last = text(&before, "/sync/last_run/id");
        let key = format!("demo-{}-{mode}-{last}", self.connection);
        self.client.post(&format!("{path}/sync"), &json!({"mode": mode}), &key).await?.expect(StatusCode::ACCEPTED)?;
        until(format!("a run of {}", self.connection), SECONDS, || async {
            let state = self.client.get(&path).await?.expect(StatusCode::OK)?.body;
            let run = state.pointer("/sync/last_run").cloned().unwrap_or_default();
            let ended = idle(&state) && text(&run, "/id") != last && text(&run, "/mode") == mode;
            Ok(if ended { Ok(run) } else { Err(state.to_string()) })
        })
        .await
    }

    async fn truth(&self) -> Result<Truth> {
        let url = format!("{}/{}/truth", self.control, self.account);
        let truth: Truth = serde_json::from_value(self.client.look(&url).await?.expect(StatusCode::OK)?.body)?;
        Ok(truth.into_iter().filter(|(place, _)| place.starts_with("application/")).collect())
    }

    /// Steps the provider's world until a change is of the wanted kind; returns the application.
    async fn happens(&self, wanted: impl Fn(&Truth, &Truth) -> Option<String>) -> Result<String> {
        let mut before = self.truth().await?;
        for number in 0..MAX_STEPS {
            let seed = u64::from(number) + u64::try_from(before.len()).unwrap_or(0) * 1_000;
            let url = format!("{}/{}/step", self.control, self.account);
            self.client.control(&url, &json!({"seed": seed, "count": 1})).await?.expect(StatusCode::OK)?;
            let after = self.truth().await?;
            if let Some(place) = wanted(&before, &after) {
                return Ok(place.trim_start_matches("application/").to_owned());
            }
            before = after;
        }
        anyhow::bail!("{MAX_STEPS} changes at {} were not what is wanted", self.provider)
    }

    async fn listed(&self, provider_id: &str) -> Result<Option<Value>> {
        let items = self.client.all("/api/applications", 100).await?;
        let ours = |item: &Value| {
            text(item, "/source/connection") == self.connection && text(item, "/source/provider_id") == provider_id
        };
        Ok(items.into_iter().find(ours))
    }

    async fn change_arrives(&self) -> Result<()> {
        step(&format!("{}: a candidate moved on", self.provider), "sync-worker", async {
            let moved = |before: &Truth, after: &Truth| {
                let moved = |(place, was): &(&String, &Map<String, Value>)| {
                    let stage = after.get(*place).and_then(|is| is.get("stage")).filter(|stage| stage.is_string());
                    stage.is_some() && stage != was.get("stage")
                };
                before.iter().find(moved).map(|(place, _)| place.clone())
            };
            let id = self.happens(moved).await?;
            let stage = self.truth().await?.get(&format!("application/{id}")).and_then(|is| is.get("stage")).cloned();
            let run = self.sync("incremental").await?;
            ensure!(text(&run, "/outcome") == "succeeded", "the run ended as {run}");
            let listed = until(format!("application {id} in its new stage"), SECONDS, || async {
                let listed = self.listed(&id).await?.unwrap_or_default();
                Ok(if listed.get("stage") == stage.as_ref() { Ok(listed) } else { Err(listed.to_string()) })
            })
            .await?;
            Ok(((), format!("{} is in \"{}\"", text(&listed, "/candidate/name"), text(&listed, "/stage"))))
        })
        .await
    }

    async fn deletion_is_honoured(&self) -> Result<()> {
        step(&format!("{}: an application deleted there", self.provider), "sync-worker", async {
            let gone = |before: &Truth, after: &Truth| before.keys().find(|place| !after.contains_key(*place)).cloned();
            let id = self.happens(gone).await?;
            let run = self.sync("full").await?;
            ensure!(text(&run, "/outcome") == "succeeded", "the run ended as {run}");
            until(format!("application {id} gone"), SECONDS, || async {
                Ok(match self.listed(&id).await? {
                    None => Ok(()),
                    Some(listed) => Err(listed.to_string()),
                })
            })
            .await?;
            Ok(((), format!("application {id} is gone here, too")))
        })
        .await
    }

    /// The provider refuses for a while; the connection waits for as long as it says, and is read again.
    async fn flood(&self, site: &Site, wait_for_schedule: bool) -> Result<()> {
        let faults = format!("{}/faults", self.control);
        step("bamboohr: a flood of 429", "sync-worker", async {
            let flood = json!({"times": 3, "status": 429, "headers": {"retry-after": "10"}});
            self.client.control(&faults, &flood).await?.expect(StatusCode::CREATED)?;
            let run = self.sync("incremental").await?;
            ensure!(text(&run, "/outcome") == "rate-limited", "the run ended as {run}");
            let state = self.client.get(&self.path()).await?.expect(StatusCode::OK)?.body;
            Ok(((), format!("\"{}\"", text(&state, "/sync/reason"))))
        })
        .await?;
        step("bamboohr: the scheduler resumes it when the flood is over", "sync-worker", async {
            self.client.take_back(&faults).await?;
            let run = until("the run that resumes it".to_owned(), SECONDS, || async {
                if !wait_for_schedule {
                    start_scheduler(site).await?;
                }
                let state = self.client.get(&self.path()).await?.expect(StatusCode::OK)?.body;
                let run = state.pointer("/sync/last_run").cloned().unwrap_or_default();
                Ok(if text(&run, "/outcome") == "succeeded" { Ok(run) } else { Err(state.to_string()) })
            })
            .await?;
            Ok(((), format!("succeeded, trigger {}", text(&run, "/trigger"))))
        })
        .await
    }
}
