//! Flow E: the content of a mail, its provider, and its delivery.
//!
//! The second organisation changes its mail provider by its record alone; afterwards, also when a step failed, the
//! record is as it was, so that the next run and other users of the stack have the deployment's choice again.

use std::{cell::Cell, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    client::{Client, chore, settled, step, until},
    flow_a::text,
};
use crate::{
    local::{
        deploy,
        stack::{MailWebhook, Organisation, Stack},
    },
    report,
    site::Site,
};

const PATH: &str = "/api/notifications";
const PROVIDER: &str = "sendgrid";
/// A process believes for 30 s what it knows of an organisation.
const UNTIL_IN_FORCE: u64 = 40;
/// The time between two mails that check whether the change is in force: each is sent to a recipient.
const BETWEEN_TRIES: Duration = Duration::from_secs(2);

/// The organisation that changes its provider, and that provider.
struct Switched<'a> {
    client: &'a Client,
    org: &'a str,
    control_url: &'a str,
    webhook: &'a MailWebhook,
    ca_cert: &'a str,
}

pub(super) async fn run(
    site: &Site,
    stack: &Stack,
    client: &Client,
    (other, org): (&Client, &Organisation),
) -> Result<()> {
    report::heading("Flow E   mail in the reader's language -> another provider -> lost reply cleared up -> delivered");
    invitation(client).await?;
    let switched = Switched {
        client: other,
        org: &org.id,
        control_url: &stack.simulators.get(PROVIDER).context("the stack has no SendGrid simulator")?.control_url,
        webhook: stack.mail_webhooks.get(PROVIDER).context("the stack has no webhook for SendGrid")?,
        ca_cert: &stack.ca_cert,
    };
    let before = step(&format!("{} gets the mail provider {PROVIDER} by one write", org.id), "finish", async {
        let before = choose(site, &org.id, &[PROVIDER.to_owned()]).await?;
        Ok((before.clone(), format!("its record said {}", display(&before))))
    })
    .await?;
    let outcome = switched.steps().await;
    let restored = step(&format!("the record of {} is as it was", org.id), "finish", async {
        choose(site, &org.id, &before).await?;
        Ok(((), format!("it says {}", display(&before))))
    })
    .await;
    outcome.and(restored)
}

/// A mail in the requested language, with the same text as its preview.
async fn invitation(client: &Client) -> Result<()> {
    let begin = Timestamp::now().checked_add(SignedDuration::from_hours(7 * 24))?;
    let data = json!({
        "candidate_name": "Hanna Brandt",
        "job_title": "Ingenieurin für Regelungstechnik",
        "starts_at": begin.strftime("%Y-%m-%dT%H:%M:00Z").to_string(),
        "when": begin.strftime("%d.%m.%Y, %H:%M Uhr (UTC)").to_string(),
        "duration_minutes": 45,
        "location": "Torstraße 1, 10119 Berlin",
        "note": "Bitte bringen Sie nichts mit außer Ihren Fragen.",
    });
    let wanted = step("invitation previewed in German", "frontend-api", async {
        let body = json!({"kind": "interview-scheduled", "language": "de", "data": data});
        let answer = client.post(&format!("{PATH}/preview"), &body, &Uuid::new_v4().to_string()).await?;
        let answer = answer.expect(StatusCode::OK)?;
        ensure!(answer.text("/language")? == "de", "the preview is {}", answer.body);
        let subject = answer.text("/subject")?;
        Ok((subject.clone(), format!("\"{subject}\"")))
    })
    .await?;
    step("the same invitation arrives", "email-worker mailbox", async {
        let to = "hanna.brandt@mail.example";
        let body = json!({"kind": "interview-scheduled", "language": "de", "to": to, "data": data});
        let id = requested_provider(client, &body).await?;
        settled(client, &format!("{PATH}/{id}"), "accepted", 30).await?;
        let mails = client.mails(&id).await?;
        let [mail] = mails.as_slice() else { bail!("expected one e-mail, got {}", mails.len()) };
        let subject = text(mail, "/subject");
        ensure!(subject == wanted, "the preview says \"{wanted}\", the mail \"{subject}\"");
        Ok(((), format!("\"{subject}\" to {to}")))
    })
    .await
}

impl Switched<'_> {
    async fn steps(&self) -> Result<()> {
        self.other_provider().await?;
        let (notification, known) = self.lost_reply().await?;
        self.delivered(&notification, known).await
    }

    /// Mails go out until one goes out by the new provider: processes that knew the organisation before believe that still.
    async fn other_provider(&self) -> Result<()> {
        let name = format!("a mail of {} is accepted by {PROVIDER}, with nothing deployed", self.org);
        step(&name, "email-worker", async {
            let elsewhere = Cell::new(0_u32);
            let id = until(format!("a mail by {PROVIDER}"), UNTIL_IN_FORCE, || async {
                let id = self.notify().await?;
                let sent = settled(self.client, &format!("{PATH}/{id}"), "accepted", 30).await?;
                let provider = text(&sent, "/provider");
                if provider == PROVIDER {
                    return Ok(Ok(id));
                }
                elsewhere.set(elsewhere.get().saturating_add(1));
                tokio::time::sleep(BETWEEN_TRIES).await;
                Ok(Err(format!("{id} went by {provider}")))
            })
            .await?;
            let at_provider = self.mails(&id).await?.len();
            ensure!(at_provider == 1, "expected one mail at {PROVIDER}, there are {at_provider}");
            let at_relay = self.client.mails(&id).await?.len();
            ensure!(at_relay == 0, "{at_relay} mails are at the SMTP server, too");
            let before = elsewhere.get();
            let reason = "a process believes for 30 s what it knows of an organisation";
            Ok(((), format!("none at the SMTP server; {before} went by the old one before ({reason})")))
        })
        .await
    }

    /// A mail that was accepted, with a reply that is lost. Returns its notification, and the number of entries in its
    /// history.
    async fn lost_reply(&self) -> Result<(String, usize)> {
        let faults = format!("{}/faults", self.control_url);
        let id = step("a mail is taken and the reply gets lost: unknown", "email-worker", async {
            let fault = json!({"match": {"path_contains": "/v3/mail/send"}, "drop_after_bytes": 0, "times": 1});
            let fault = self.client.control(&faults, &fault).await?.expect(StatusCode::CREATED)?.body;
            // Another process than that of the step before may still believe in the old provider.
            let unknown = until("a notification in state unknown", UNTIL_IN_FORCE, || async {
                let id = self.notify().await?;
                let path = format!("{PATH}/{id}");
                let sent = until(format!("{path} tried"), 30, || async {
                    let answer = self.client.get(&path).await?.expect(StatusCode::OK)?;
                    let waits = ["queued", "sending"].contains(&answer.text("/state")?.as_str());
                    Ok(if waits { Err(answer.body.to_string()) } else { Ok(answer.body) })
                })
                .await?;
                let (state, provider) = (text(&sent, "/state"), text(&sent, "/provider"));
                ensure!(state == "unknown" || provider != PROVIDER, "expected state unknown, got {sent}");
                Ok(if state == "unknown" { Ok(id) } else { Err(format!("{id} went by {provider}")) })
            })
            .await;
            // A fault that no request met must not hit a later mail on the stack.
            let fault = fault.get("id").and_then(Value::as_u64).context("the simulator gave no id")?;
            self.client.take_back(&format!("{faults}/{fault}")).await?;
            unknown.map(|id| (id.clone(), id))
        })
        .await?;
        let done = step("the provider was asked: accepted, and sent once", "email-worker", async {
            let done = settled(self.client, &format!("{PATH}/{id}"), "accepted", 60).await?;
            let mails = self.mails(&id).await?.len();
            ensure!(mails == 1, "expected one mail at {PROVIDER}, there are {mails}");
            Ok((done, String::new()))
        })
        .await?;
        let known = history(&done, 0);
        Ok((id, known))
    }

    /// The provider reports by webhook that the mail arrived.
    async fn delivered(&self, notification: &str, known: usize) -> Result<()> {
        let correlation = self.reference(notification);
        step("the provider tells that it arrived (signed webhook)", "webhook-receiver", async {
            let happened = json!({"correlation": correlation, "event": "delivered"});
            let url = format!("{}/outcomes", self.control_url);
            self.client.control(&url, &happened).await?.expect(StatusCode::CREATED)?;
            let order = json!({
                "url": self.webhook.url,
                "secret": self.webhook.secret,
                "ca": self.ca_cert,
                "correlation": correlation,
                "events": ["delivered"],
            });
            let answer = self.client.control(&format!("{}/deliver", self.control_url), &order).await?;
            let answer = answer.expect(StatusCode::OK)?.body;
            ensure!(answer.get("statuses") == Some(&json!([200])), "the webhook was answered {answer}");
            Ok(((), "200".to_owned()))
        })
        .await?;
        let done = step("the notification says so", "webhook-worker", async {
            // `accepted`, at which other waits end, is where this one begins.
            let path = format!("{PATH}/{notification}");
            let done = until(format!("{path} in state delivered"), 30, || async {
                let answer = self.client.get(&path).await?.expect(StatusCode::OK)?;
                Ok(if answer.text("/state")? == "delivered" { Ok(answer.body) } else { Err(answer.body.to_string()) })
            })
            .await?;
            Ok((done, "delivered".to_owned()))
        })
        .await?;
        // The former entries were printed when the lookup had ended.
        history(&done, known);
        Ok(())
    }

    async fn notify(&self) -> Result<String> {
        let data = json!({"name": "Vera Novak", "flag": "Duplicate candidate", "resolution": "They were merged."});
        requested_provider(
            self.client,
            &json!({"kind": "flag-resolved", "to": "vera.novak@mail.example", "data": data}),
        )
        .await
    }

    /// The mails of a notification at the provider.
    async fn mails(&self, notification: &str) -> Result<Vec<Value>> {
        let url = format!("{}/mails?correlation={}", self.control_url, self.reference(notification));
        let answer = self.client.look(&url).await?.expect(StatusCode::OK)?;
        answer.body.get("items").and_then(Value::as_array).cloned().context("the simulator gave no list of mails")
    }

    /// The reference of the mail at the provider.
    fn reference(&self, notification: &str) -> String {
        format!("{}_{notification}", self.org)
    }
}

/// Requests a notification. Returns its id.
async fn requested_provider(client: &Client, body: &Value) -> Result<String> {
    let answer = client.post(PATH, body, &Uuid::new_v4().to_string()).await?;
    answer.expect(StatusCode::ACCEPTED)?.text("/id")
}

/// Chooses an organisation's mail providers. Returns the former choice.
async fn choose(site: &Site, org: &str, providers: &[String]) -> Result<Vec<String>> {
    let mut arguments = vec!["mail-providers", "--stack", deploy::STACK, "--organisation", org];
    for provider in providers {
        arguments.extend(["--provider", provider]);
    }
    serde_json::from_str(&chore(site, &arguments).await?)
        .context("failed to read the answer of stack.py mail-providers")
}

fn display(providers: &[String]) -> String {
    if providers.is_empty() { "nothing, so the deployment's choice holds".to_owned() } else { providers.join(", ") }
}

/// A notification's own account from an entry on, one line each. Answers how many entries there are.
fn history(notification: &Value, from: usize) -> usize {
    let entries = notification.get("history").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for entry in entries.iter().skip(from) {
        let parts = ["/what", "/provider", "/detail"].map(|pointer| text(entry, pointer));
        let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        report::note(format!("history: {}", parts.join("  ")));
    }
    entries.len()
}
