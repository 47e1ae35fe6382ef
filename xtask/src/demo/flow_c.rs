//! Flow C: a system without webhooks is polled by the schedule.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{
    client::{Client, chore, step, until},
    flow_a::text,
};
use crate::{
    local::{
        deploy,
        stack::{Organisation, Stack},
    },
    report,
    site::Site,
};

pub(super) async fn run(site: &Site, stack: &Stack, client: &Client, org: &Organisation, wait: bool) -> Result<()> {
    let connection = &org.connections.get("bamboohr").context("the stack has no BambooHR connection")?.id;
    let path = format!("/api/connections/{connection}");
    report::heading("Flow C   schedule -> due connection -> pages of BambooHR -> applications");

    let applicant = step("someone applies at BambooHR (simulator)", "simulators", async {
        let control = &stack.simulators.get("bamboohr").context("the stack has no BambooHR simulator")?.control_url;
        let answer = client.control(&format!("{control}/{}/applications", org.id), &json!({})).await?;
        let answer = answer.expect(StatusCode::CREATED)?;
        let id = answer.body.get("id").and_then(Value::as_u64).context("the simulator gave no id")?;
        Ok((id.to_string(), format!("application {id}")))
    })
    .await?;
    let before = client.get(&path).await?.expect(StatusCode::OK)?.body;
    let finished_before = text(&before, "/sync/last_run/finished_at");
    if finished_before.is_empty() {
        report::note(format!("{connection} is new, so it is due now"));
    } else {
        step("a person asks for a run now", "frontend-api", async {
            let requested =
                client.post(&format!("{path}/sync"), &json!({}), &format!("demo-c-{finished_before}")).await?;
            requested.expect(StatusCode::ACCEPTED)?;
            Ok(((), format!("it was due at {}", text(&before, "/sync/next_at"))))
        })
        .await?;
    }
    if wait {
        report::note("waiting for EventBridge Scheduler, which fires each minute");
    } else {
        step("sync-scheduler started, as EventBridge Scheduler does each minute", "sync-scheduler", async {
            start_scheduler(site).await?;
            Ok(((), String::new()))
        })
        .await?;
    }
    let after = step("run succeeded", "sync-worker", async {
        let after = until(format!("a new last_run of {connection}"), 100, || async {
            let answer = client.get(&path).await?.expect(StatusCode::OK)?;
            let finished = text(&answer.body, "/sync/last_run/finished_at");
            let new = !finished.is_empty() && finished != finished_before;
            Ok(if new { Ok(answer.body) } else { Err(answer.body.to_string()) })
        })
        .await?;
        ensure!(text(&after, "/sync/last_run/outcome") == "succeeded", "the run ended as {after}");
        let counts = after.pointer("/sync/last_run/counts/application").map(Value::to_string).unwrap_or_default();
        Ok((after, counts))
    })
    .await?;
    step("applications readable", "sync-worker", async {
        let items = client.all("/api/applications", 100).await?;
        let mine: Vec<&Value> = items.iter().filter(|item| text(item, "/source/connection") == *connection).collect();
        ensure!(
            mine.iter().any(|item| text(item, "/source/provider_id") == applicant),
            "application {applicant} is not among the {} of {connection}",
            mine.len()
        );
        Ok(((), format!("{} of {connection}, the new one among them", mine.len())))
    })
    .await?;
    step("next poll planned", "sync-worker", async {
        let (next, reason) = (text(&after, "/sync/next_at"), text(&after, "/sync/reason"));
        let finished = text(&after, "/sync/last_run/finished_at");
        ensure!(next > finished, "next_at {next} is not after the end of the run {finished}");
        Ok(((), format!("{next} ({reason})")))
    })
    .await
}

/// Starts sync-scheduler once, as EventBridge Scheduler does each minute.
pub(super) async fn start_scheduler(site: &Site) -> Result<()> {
    let name = format!("hiring-integrations-{}-sync-scheduler", deploy::STAGE);
    let answer: Value = serde_json::from_str(&chore(site, &["invoke", "--function", &name]).await?)?;
    ensure!(answer.get("error") == Some(&Value::Null), "the function failed: {answer}");
    Ok(())
}
