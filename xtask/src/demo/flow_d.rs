//! Flow D: another system sends an application with its API key, urgent and ordinary.

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    client::{Client, step, until},
    flow_a::text,
};
use crate::report;

const PATH: &str = "/api/external/job-application";

pub(super) async fn run(client: &Client, stranger: &Client) -> Result<()> {
    report::heading("Flow D   API key -> 202 with Location -> queue by priority -> application");
    for priority in ["high", "normal"] {
        let key = Uuid::new_v4().to_string();
        let name = format!("application of priority {priority} taken");
        let path = step(&name, "application-intake", async {
            let body = json!({
                "candidate": {"name": "Noor Haddad", "email": format!("noor.{key}@mail.example")},
                "job": {"reference": "REQ-2041", "title": "Controls Engineer"},
                "resume": {"text": "Six years of motion control."},
                "priority": priority,
            });
            let accepted = client.send_external(PATH, &body, &key).await?.expect(StatusCode::ACCEPTED)?;
            let again = client.send_external(PATH, &body, &key).await?.expect(StatusCode::ACCEPTED)?;
            ensure!(again.text("/id")? == accepted.text("/id")?, "the same Idempotency-Key gave {}", again.body);
            let path = accepted.location.context("202 without a Location")?;
            Ok((path.clone(), format!("202 {path}, once for one Idempotency-Key")))
        })
        .await?;
        step("application readable, and by its own organisation only", "intake-worker", async {
            let ended: Value = until(format!("{path} in state succeeded"), 30, || async {
                let answer = client.get_external(&path).await?.expect(StatusCode::OK)?;
                ensure!(answer.text("/state")? != "failed", "the application ended as {}", answer.body);
                Ok(if answer.text("/state")? == "succeeded" { Ok(answer.body) } else { Err(answer.body.to_string()) })
            })
            .await?;
            let application = format!("/api/applications/{}", text(&ended, "/application_id"));
            let found = client.get(&application).await?.expect(StatusCode::OK)?;
            stranger.get(&application).await?.expect(StatusCode::NOT_FOUND)?;
            stranger.get_external(&path).await?.expect(StatusCode::NOT_FOUND)?;
            Ok(((), format!("{} for {}", found.text("/candidate/name")?, found.text("/job/title")?)))
        })
        .await?;
    }
    Ok(())
}
