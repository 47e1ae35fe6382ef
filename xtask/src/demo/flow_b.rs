//! Flow B: the frontend's own requests, with their states, and lists in pages.

use std::{collections::BTreeSet, time::Instant};

use anyhow::{Context, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    client::{Client, settled, step},
    flow_a::id,
};
use crate::report;

pub(super) async fn run(client: &Client, application: &str) -> Result<()> {
    report::heading("Flow B   frontend -> 202 with Location -> resource that tells its state");
    step("suggestion asked for and given", "suggestion-worker", async {
        let body = json!({"kind": "application-review", "application_id": application});
        let (path, key) = accepted(client, "/api/suggestions", &body).await?;
        let again = client.post("/api/suggestions", &body, &key).await?;
        ensure!(again.text("/id")? == last(&path), "the same Idempotency-Key gave {} instead of {path}", again.body);
        settled(client, &path, "succeeded", 30).await?;
        Ok(((), format!("202 {path}, once for one Idempotency-Key")))
    })
    .await?;

    let mut sent = BTreeSet::new();
    for (kind, data) in kinds() {
        let name = format!("notification {kind} sent");
        let notification = step(&name, "email-worker", async {
            let body = json!({"kind": kind, "to": "mira.lindqvist@mail.example", "data": data});
            let (path, _) = accepted(client, "/api/notifications", &body).await?;
            let done = settled(client, &path, "accepted", 30).await?;
            let notification = id(&done);
            let mails = client.mails(&notification).await?;
            ensure!(mails.len() == 1, "expected one e-mail, got {}", mails.len());
            let subject =
                mails.first().and_then(|mail| mail.get("subject")).and_then(Value::as_str).unwrap_or_default();
            Ok((notification, format!("\"{subject}\"")))
        })
        .await?;
        sent.insert(notification);
    }
    step("the list gives all of them in pages of 2", "frontend-api", async {
        let items = client.all("/api/notifications", 2).await?;
        let ids: BTreeSet<String> = items.iter().map(id).collect();
        ensure!(ids.len() == items.len(), "{} items, but only {} different ones", items.len(), ids.len());
        ensure!(sent.is_subset(&ids), "some of {sent:?} are missing");
        Ok(((), format!("{} notifications in {} pages", items.len(), items.len().div_ceil(2))))
    })
    .await?;
    step("a wrong request names field and rule", "frontend-api", async {
        let body = json!({"kind": "password-reset", "to": "mira.lindqvist@mail.example", "data": {"name": "Mira"}});
        let answer = client.post("/api/notifications", &body, &Uuid::new_v4().to_string()).await?;
        ensure!(answer.status.is_client_error(), "expected 4xx, got {} {}", answer.status.as_u16(), answer.body);
        let first = format!("{} {}", answer.text("/errors/0/field")?, answer.text("/errors/0/rule")?);
        Ok(((), format!("{} {first}", answer.status.as_u16())))
    })
    .await
}

/// Requests work that takes time. Returns its path, and the key of the request.
async fn accepted(client: &Client, path: &str, body: &Value) -> Result<(String, String)> {
    let key = Uuid::new_v4().to_string();
    let began = Instant::now();
    let answer = client.post(path, body, &key).await?.expect(StatusCode::ACCEPTED)?;
    let location =
        answer.location.clone().with_context(|| format!("202 without Location after {:?}", began.elapsed()))?;
    ensure!(
        location == format!("{path}/{}", answer.text("/id")?),
        "Location is {location}, the body is {}",
        answer.body
    );
    Ok((location, key))
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn kinds() -> [(&'static str, Value); 5] {
    [
        (
            "university-verification",
            json!({
                "name": "Mira Lindqvist",
                "university": "Chalmers University of Technology",
                "verification_url": "https://app.hiring.example/verify/7Qm2",
                "expires_in_hours": 48
            }),
        ),
        ("import-completed", json!({"name": "Vera Novak", "source": "candidates.csv", "imported": 118, "failed": 2})),
        (
            "flag-resolved",
            json!({"name": "Vera Novak", "flag": "Duplicate candidate", "resolution": "The two records were merged."}),
        ),
        (
            "password-reset",
            json!({"name": "Vera Novak", "reset_url": "https://app.hiring.example/reset/k3Tz", "expires_in_minutes": 30}),
        ),
        (
            "application-received",
            json!({
                "candidate_name": "Emil Berg",
                "job_title": "Robotics Firmware Engineer",
                "summary": "Six years of motor control in Rust and C."
            }),
        ),
    ]
}
