//! Flow A: a webhook of Greenhouse becomes an application, a suggestion, and one e-mail.

use std::{
    collections::BTreeSet,
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use serde_json::Value;
use sha2::Sha256;

use super::client::{Answer, Client, settled, step, until};
use crate::{local::stack::Organisation, report, site::Site};

const FIRST_NAMES: [&str; 12] =
    ["Mira", "Tomas", "Ines", "Oskar", "Leila", "Jonas", "Priya", "Emil", "Noor", "Vera", "Samir", "Hanna"];
const LAST_NAMES: [&str; 11] =
    ["Lindqvist", "Okafor", "Brandt", "Silva", "Haddad", "Novak", "Iyer", "Kowalski", "Moreau", "Tanaka", "Berg"];

/// Webhooks as this organisation's Greenhouse sends them.
struct Sender<'a> {
    client: &'a Client,
    site: &'a Site,
    url: &'a str,
    secret: &'a str,
    application: u64,
}

/// Answers the id of the application that the webhook made.
pub(super) async fn run(site: &Site, client: &Client, stranger: &Client, org: &Organisation) -> Result<String> {
    let connection = org.connections.get("greenhouse").context("the stack has no Greenhouse connection")?;
    let url = connection.webhook_url.as_deref().context("the Greenhouse connection has no webhook_url")?;
    let secret = connection.webhook_secret.as_deref().context("the Greenhouse connection has no webhook_secret")?;
    // A new application in each run, as if a person had just applied.
    let millis = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let application = u64::try_from(millis % 10_000_000_000)?;
    let sender = Sender { client, site, url, secret, application };
    let candidate = format!("{} {}", pick(&FIRST_NAMES, application), pick(&LAST_NAMES, application / 7));

    report::heading(format!("Flow A   Greenhouse webhook -> application -> Gemini -> e-mail ({candidate} applies)"));
    let before: BTreeSet<String> = client.all("/api/notifications", 100).await?.iter().map(id).collect();

    step("signed new_candidate_application accepted", "webhook-receiver", async {
        let event = format!("demo-{application}");
        let answer = sender.send("new_candidate_application", &event).await?.expect(StatusCode::OK)?;
        let again = sender.send("new_candidate_application", &event).await?.expect(StatusCode::OK)?;
        ensure!(again.body == answer.body, "a second delivery answered {} instead of {}", again.body, answer.body);
        Ok(((), format!("event {}, delivered twice", answer.text("/event_id")?)))
    })
    .await?;
    let found = step("application recorded", "webhook-worker", async {
        let wanted = application.to_string();
        let found = until(format!("an application with provider_id {wanted}"), 30, || async {
            let items = client.all("/api/applications", 100).await?;
            let mine: Vec<&Value> = items.iter().filter(|item| text(item, "/source/provider_id") == wanted).collect();
            match mine.as_slice() {
                [one] => Ok(Ok((*one).clone())),
                [] => Ok(Err(format!("{} other applications", items.len()))),
                more => bail!("{} applications were made of one", more.len()),
            }
        })
        .await?;
        ensure!(text(&found, "/candidate/name") == candidate, "the candidate is {}", text(&found, "/candidate/name"));
        let detail = format!("{candidate} for {}", text(&found, "/job/title"));
        Ok((found, detail))
    })
    .await?;
    let application_id = id(&found);
    step("another organisation sees 404", "frontend-api", async {
        stranger.get(&format!("/api/applications/{application_id}")).await?.expect(StatusCode::NOT_FOUND)?;
        Ok(((), String::new()))
    })
    .await?;
    step("Gemini's suggestion succeeded", "webhook-worker suggestion-worker", async {
        let suggestion = until("a suggestion for the application", 30, || async {
            let items = client.all("/api/suggestions", 100).await?;
            let mine = items.into_iter().find(|item| text(item, "/application_id") == application_id);
            Ok(mine.ok_or_else(|| "none".to_owned()))
        })
        .await?;
        let done = settled(client, &format!("/api/suggestions/{}", id(&suggestion)), "succeeded", 30).await?;
        Ok(((), short(&text(&done, "/result/summary"))))
    })
    .await?;
    let notification = step("notification accepted by the mail server", "suggestion-worker email-worker", async {
        let new = until("a new notification about the application", 30, || async {
            let items = client.all("/api/notifications", 100).await?;
            let new: Vec<&Value> = items
                .iter()
                .filter(|item| text(item, "/kind") == "application-received" && !before.contains(&id(item)))
                .collect();
            match new.as_slice() {
                [one] => Ok(Ok((*one).clone())),
                [] => Ok(Err("none".to_owned())),
                more => bail!("{} notifications were made of one application", more.len()),
            }
        })
        .await?;
        let done = settled(client, &format!("/api/notifications/{}", id(&new)), "accepted", 30).await?;
        Ok((id(&new), format!("to {}", text(&done, "/to"))))
    })
    .await?;
    step("exactly one e-mail in the mailbox", "mailbox", async {
        let mails = client.mails(&notification).await?;
        ensure!(mails.len() == 1, "expected one e-mail, got {}", mails.len());
        let subject = mails.first().map(|mail| text(mail, "/subject")).unwrap_or_default();
        Ok(((), format!("\"{subject}\"")))
    })
    .await?;
    others(&sender, &connection.id).await?;
    Ok(application_id)
}

/// Deliveries that are no application: a ping, a forgery, an unknown action.
async fn others(sender: &Sender<'_>, connection: &str) -> Result<()> {
    let application = sender.application;
    step("ping answered", "webhook-worker", async {
        let event = format!("demo-ping-{application}");
        sender.send("ping", &event).await?.expect(StatusCode::OK)?;
        recorded(sender.client, connection, &event, "answered").await
    })
    .await?;
    step("wrong signature refused", "webhook-receiver", async {
        let body = sender.body("new_candidate_application")?;
        let forged = format!("sha256 {}", "0".repeat(64));
        let answer = sender.client.deliver(sender.url, &body, &forged, "demo-forged").await?;
        let answer = answer.expect(StatusCode::UNAUTHORIZED)?;
        Ok(((), format!("401 {}", answer.text("/title")?)))
    })
    .await?;
    step("unknown action recorded as ignored", "webhook-worker", async {
        let event = format!("demo-unknown-{application}");
        sender.send("unknown_action", &event).await?.expect(StatusCode::OK)?;
        recorded(sender.client, connection, &event, "ignored").await
    })
    .await
}

async fn recorded(client: &Client, connection: &str, event: &str, outcome: &str) -> Result<((), String)> {
    let path = format!("/api/connections/{connection}/events");
    let found = until(format!("event {event} at {path}"), 30, || async {
        let found = client.all(&path, 100).await?.into_iter().find(|item| text(item, "/event_id") == event);
        // An event without an outcome is being worked on.
        let done = found.as_ref().filter(|item| !text(item, "/outcome").is_empty()).cloned();
        Ok(done.ok_or_else(|| found.map_or_else(|| "not there".to_owned(), |item| item.to_string())))
    })
    .await?;
    ensure!(text(&found, "/outcome") == outcome, "expected outcome {outcome}, got {found}");
    Ok(((), format!("{} {outcome}", text(&found, "/action"))))
}

impl Sender<'_> {
    async fn send(&self, file: &str, event: &str) -> Result<Answer> {
        let body = self.body(file)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())?;
        mac.update(body.as_bytes());
        let signature = format!("sha256 {}", hex::encode(mac.finalize().into_bytes()));
        self.client.deliver(self.url, &body, &signature, event).await
    }

    /// A body of `xtask/platform/demo` with the values of this run.
    fn body(&self, file: &str) -> Result<String> {
        let path = self.site.script("demo").join(format!("{file}.json"));
        let template = fs::read_to_string(&path).with_context(|| format!("failed to read {}", path.display()))?;
        let id = self.application;
        let (first, last) = (pick(&FIRST_NAMES, id), pick(&LAST_NAMES, id / 7));
        let email = format!("{}.{}@mail.example", first.to_lowercase(), last.to_lowercase());
        let body = template
            // Ids are numbers where they are a value, and text inside of addresses.
            .replace("\"{application_id}\"", &id.to_string())
            .replace("\"{candidate_id}\"", &(id + 17).to_string())
            .replace("{application_id}", &id.to_string())
            .replace("{candidate_id}", &(id + 17).to_string())
            .replace("{first_name}", first)
            .replace("{last_name}", last)
            .replace("{email}", &email)
            // Deliveries are distinguished by the event id, not by this time: it is constant within a run.
            .replace("{now}", "2026-11-20T09:30:00Z");
        Ok(body)
    }
}

fn pick<'a>(names: &[&'a str], seed: u64) -> &'a str {
    let length = u64::try_from(names.len()).unwrap_or(1);
    let index = usize::try_from(seed % length).unwrap_or_default();
    names.get(index).copied().unwrap_or_default()
}

pub(super) fn id(item: &Value) -> String {
    text(item, "/id")
}

pub(super) fn text(item: &Value, pointer: &str) -> String {
    item.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn short(text: &str) -> String {
    let mut words: String = text.chars().take(70).collect();
    if words.len() < text.len() {
        words.push('…');
    }
    format!("\"{words}\"")
}
