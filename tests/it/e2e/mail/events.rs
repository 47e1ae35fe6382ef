//! The events of mail providers reach the right notification, in any order and any number of times, and forged ones do
//! not.

use std::time::{Duration, Instant};

use domain::notification::NotificationKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::contract::mail_world::{NotificationRef, Tenant};
use crate::e2e::harness::claims::{Mailer, Relay, Simulator, Webhooks, disturbing, using};
use crate::e2e::harness::stack::{Answer, PATIENCE, Stack, fresh_number, run};
use crate::e2e::harness::time;

/// For how long a process believes what it knows of an organisation.
const BELIEVED: Duration = Duration::from_secs(30);

/// The signing secret of a provider's simulator; the seeds of the stack have the other half.
fn secret(provider: &str) -> &'static str {
    match provider {
        "sendgrid" => simulators::mail::sendgrid::TEST_KEYS.0,
        "mailgun" => "local-mailgun-signing-key",
        "brevo" => "local-brevo-token",
        other => panic!("{other} signs nothing"),
    }
}

async fn accepted(stack: &Stack, tenant: &Tenant, to: &str) -> NotificationRef {
    let mail = stack.record_notification(tenant, NotificationKind::FlagResolved, to).await;
    stack.send_message("email", &mail.job()).await;
    until(stack, &mail, "accepted").await;
    mail
}

async fn until(stack: &Stack, mail: &NotificationRef, state: &str) -> Value {
    let begin = Instant::now();
    loop {
        let notification = mail.read(stack).await;
        if notification["state"] == state {
            return notification;
        }
        // A message may wait for a breaker's probe, which comes after a minute.
        assert!(begin.elapsed() < 2 * PATIENCE, "not {state} after {:?}: {notification}", 2 * PATIENCE);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// Adds an event to a mail at its provider.
async fn add_event(stack: &Stack, provider: &str, mail: &NotificationRef, event: &str) {
    let body = json!({"correlation": mail.reference(), "event": event});
    let answer = stack.control(provider, Method::POST, "/outcomes", Some(body)).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

/// Has the provider deliver the events of a mail to the webhook. Returns the statuses that it got.
async fn deliver_events(stack: &Stack, provider: &str, mail: &NotificationRef, more: Value) -> Vec<u64> {
    let mut order = json!({
        "url": format!("{}/api/webhooks/mail/{provider}", stack.text("/api_url")),
        "correlation": mail.reference(), "secret": secret(provider), "ca": stack.text("/ca_cert"),
    });
    let fields = order.as_object_mut().expect("an order");
    fields.extend(more.as_object().expect("fields").clone());
    let Answer { status, body, .. } = stack.control(provider, Method::POST, "/deliver", Some(order)).await;
    assert!(status.is_success(), "{body}");
    body["statuses"].as_array().expect("statuses").iter().map(|one| one.as_u64().unwrap_or(0)).collect()
}

fn whats(notification: &Value) -> Vec<&str> {
    let history = notification["history"].as_array().expect("a history");
    history.iter().map(|entry| entry["what"].as_str().expect("a word")).collect()
}

#[test]
fn signed_events_are_recorded_once_and_a_bounce_suppresses() {
    let _guard = using(&[Mailer, Webhooks, Simulator("sendgrid")]);
    run(async {
        let stack = Stack::open();
        let tenant = stack.tenant(&["sendgrid"]).await;
        let to = format!("gone-{}@example.com", fresh_number());
        let mail = accepted(&stack, &tenant, &to).await;
        for event in ["deferred", "delivered", "bounced"] {
            add_event(&stack, "sendgrid", &mail, event).await;
        }
        // What cannot be proven changes nothing.
        for forged in [json!({"tamper": true}), json!({"unsigned": true})] {
            let statuses = deliver_events(&stack, "sendgrid", &mail, forged.clone()).await;
            assert!(statuses.iter().all(|status| *status == 401), "{forged}: {statuses:?}");
        }
        assert_eq!(mail.read(&stack).await["state"], "accepted");

        let more = json!({"order": "reversed", "times": 3});
        let statuses = deliver_events(&stack, "sendgrid", &mail, more).await;
        assert!(!statuses.is_empty() && statuses.iter().all(|status| *status == 200), "{statuses:?}");
        let begin = Instant::now();
        let bounced = loop {
            let notification = until(&stack, &mail, "bounced").await;
            if whats(&notification).len() >= 5 {
                break notification;
            }
            assert!(begin.elapsed() < PATIENCE, "{notification}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let mut seen = whats(&bounced);
        seen.sort_unstable();
        // Once by our own worker, once by the provider's event; all others once.
        assert_eq!(seen, ["accepted", "accepted", "bounced", "deferred", "delivered"], "{bounced}");
        assert_eq!(bounced["failure"]["code"], "bounced", "{bounced}");

        let begin = Instant::now();
        loop {
            let again = stack.record_notification(&tenant, NotificationKind::FlagResolved, &to.to_uppercase()).await;
            stack.send_message("email", &again.job()).await;
            let ended = loop {
                let notification = again.read(&stack).await;
                if notification["state"] != "queued" && notification["state"] != "sending" {
                    break notification;
                }
                tokio::time::sleep(Duration::from_millis(150)).await;
            };
            if ended["state"] == "rejected" {
                assert_eq!(ended["failure"]["code"], "suppressed", "{ended}");
                assert_eq!(stack.mails_at("sendgrid", &again).await, 0, "nothing was sent");
                break;
            }
            assert!(begin.elapsed() < BELIEVED + PATIENCE, "still written to: {ended}");
            time::sleep(Duration::from_secs(3)).await;
        }
        // Another organisation writes to whom it wants.
        let other = stack.tenant(&["sendgrid"]).await;
        accepted(&stack, &other, &to).await;
    });
}

#[test]
fn an_unproven_webhook_is_confirmed_by_a_lookup() {
    // It waits until the queue is empty, which other users would never let it be.
    let _guard = disturbing(&[Webhooks], &[Mailer, Simulator("mailgun"), Simulator("brevo")]);
    run(async {
        let stack = Stack::open();
        for provider in ["mailgun", "brevo"] {
            let tenant = stack.tenant(&[provider]).await;
            let mail = accepted(&stack, &tenant, "hint@example.com").await;
            add_event(&stack, provider, &mail, "delivered").await;
            let statuses = deliver_events(&stack, provider, &mail, json!({"times": 2})).await;
            assert!(!statuses.is_empty() && statuses.iter().all(|status| *status == 200), "{provider}: {statuses:?}");
            let delivered = until(&stack, &mail, "delivered").await;
            let count = whats(&delivered).iter().filter(|what| **what == "delivered").count();
            assert_eq!(count, 1, "{provider}: {delivered}");

            // The proof of one delivery can be combined with any body: the lookup at the provider does not confirm it.
            let liar = accepted(&stack, &tenant, "lied-about@example.com").await;
            let body = forged(provider, &liar);
            let url = format!("{}/api/webhooks/mail/{provider}", stack.text("/api_url"));
            let mut request = stack.http.post(url).header("content-type", "application/json");
            if provider == "brevo" {
                request = request.bearer_auth(secret(provider));
            }
            assert_eq!(stack.send(request.body(body)).await.status, 200, "{provider}");
            let begin = Instant::now();
            while stack.messages_in("webhook").await > 0 && begin.elapsed() < PATIENCE {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            tokio::time::sleep(Duration::from_secs(3)).await;
            let still = liar.read(&stack).await;
            assert_eq!(still["state"], "accepted", "{provider}: {still}");
            // Its list follows late, and then the hint is true: the lookup is repeated for a while.
            add_event(&stack, provider, &liar, "bounced").await;
            until(&stack, &liar, "bounced").await;
        }
    });
}

/// A bounce of which the provider knows nothing, with a proof that is good.
fn forged(provider: &str, mail: &NotificationRef) -> String {
    let at = time::now().as_second();
    match provider {
        "brevo" => json!({
            "event": "hard_bounce", "email": "lied-about@example.com", "ts_epoch": at * 1000,
            "message-id": "<forged@smtp-relay.mailin.fr>", "X-Mailin-custom": mail.reference(), "tags": [mail.reference()],
        })
        .to_string(),
        _ => {
            let (timestamp, token) = (at.to_string(), "0123456789abcdef0123456789abcdef0123456789abcdef01");
            // Both sign by HMAC-SHA256; here over these two alone.
            let signature = simulators::greenhouse::sign(secret("mailgun"), format!("{timestamp}{token}").as_bytes());
            let signature = signature.strip_prefix("sha256 ").expect("a signature");
            json!({
                "signature": {"timestamp": timestamp, "token": token, "signature": signature},
                "event-data": {
                    "event": "failed", "severity": "permanent", "id": "forged", "timestamp": at, "reason": "bounce",
                    "recipient": "lied-about@example.com", "user-variables": {"reference": mail.reference()},
                    "message": {"headers": {"message-id": "forged@example.com"}},
                },
            })
            .to_string()
        }
    }
}

#[test]
fn a_suppression_by_an_event_of_ses_is_listed_and_lifted() {
    let _guard = using(&[Mailer, Relay, Webhooks]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let to = format!("bounces-{}@example.com", fresh_number());
        let body = json!({"kind": "flag-resolved", "to": to, "data": {"name": "Ada", "flag": "f", "resolution": "r"}});
        let notify = async || {
            let accepted = acme.post("/api/notifications", &body).await;
            assert_eq!(accepted.status, 202, "{accepted:?}");
            accepted.body["id"].as_str().expect("an id").to_owned()
        };
        let path = |id: &str| format!("/api/notifications/{id}");
        let id = notify().await;
        acme.until_state(&path(&id), &["accepted"]).await;
        let reference = format!("acme_{id}");
        stack.put_event(simulators::mail::ses::event("Bounce.Permanent", &reference, "ses-1", time::now())).await;
        let bounced = acme.until_state(&path(&id), &["bounced"]).await;
        let last = bounced["history"].as_array().and_then(|history| history.last()).expect("a history");
        assert_eq!((&last["what"], &last["provider"]), (&json!("bounced"), &json!("ses")), "{bounced}");

        let found = acme.get("/api/suppressions?limit=100").await;
        let items = found.body["items"].as_array().expect("items");
        let item = items.iter().find(|item| item["address"] == to.as_str()).unwrap_or_else(|| panic!("{found:?}"));
        let about = (&item["reason"], &item["notification_id"], &item["lifted_at"]);
        assert_eq!(about, (&json!("bounced"), &json!(id), &Value::Null), "{item}");
        let lift = format!("/api/suppressions/{}/lift", item["id"].as_str().expect("an id"));
        let reason = json!({"reason": "the mailbox was repaired"});
        stack.org("globex").post(&lift, &reason).await.is_problem(404, "not-found");
        acme.post(&lift, &json!({})).await.blames(400, "reason", "missing");
        acme.post("/api/suppressions/none/lift", &reason).await.is_problem(404, "not-found");
        let lifted = acme.post(&lift, &reason).await;
        assert!(lifted.status == 200 && lifted.body["lifted_at"].is_string(), "{lifted:?}");
        acme.post(&lift, &reason).await.is_problem(409, "conflict");
        // A process may believe the suppression for half a minute more.
        let begin = Instant::now();
        loop {
            let id = notify().await;
            let ended = acme.until_state(&path(&id), &["accepted", "rejected"]).await;
            if ended["state"] == "accepted" {
                break;
            }
            assert!(begin.elapsed() < BELIEVED + PATIENCE, "{ended}");
            time::sleep(Duration::from_secs(3)).await;
        }
        // The same event once more suppresses nothing: it is known.
        stack.put_event(simulators::mail::ses::event("Bounce.Permanent", &reference, "ses-1", time::now())).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let found = acme.get("/api/suppressions?limit=100").await;
        let items = found.body["items"].as_array().expect("items");
        let item = items.iter().find(|item| item["address"] == to.as_str()).expect("the suppression");
        assert!(item["lifted_at"].is_string(), "{item}");
    });
}

#[test]
fn the_next_provider_sends_only_what_the_first_did_not() {
    let _guard = disturbing(&[Simulator("sendgrid"), Simulator("mailgun")], &[Mailer]);
    run(async {
        let stack = Stack::open();
        for provider in ["sendgrid", "mailgun"] {
            assert!(stack.control(provider, Method::POST, "/reset", None).await.status.is_success());
        }
        let tenant = stack.tenant(&["sendgrid", "mailgun"]).await;
        let fault = async |order: Value| {
            let answer = stack.control("sendgrid", Method::POST, "/faults", Some(order)).await;
            assert!(answer.status.is_success(), "{answer:?}");
        };
        fault(json!({"status": 429, "times": 1})).await;
        let mail = accepted(&stack, &tenant, "next@example.com").await;
        let sent = mail.read(&stack).await;
        let places = (stack.mails_at("sendgrid", &mail).await, stack.mails_at("mailgun", &mail).await);
        assert_eq!((places, &sent["provider"]), ((0, 1), &json!("mailgun")), "{sent}");
        assert_eq!(whats(&sent), ["not_sent", "accepted"], "{sent}");

        fault(json!({"drop_after_bytes": 0, "times": 1})).await;
        let mail = accepted(&stack, &tenant, "next@example.com").await;
        let sent = mail.read(&stack).await;
        let places = (stack.mails_at("sendgrid", &mail).await, stack.mails_at("mailgun", &mail).await);
        assert_eq!((places, &sent["provider"]), ((1, 0), &json!("sendgrid")), "{sent}");
        assert_eq!(whats(&sent), ["unknown", "accepted"], "it was in doubt, and asked about: {sent}");
    });
}

#[test]
fn an_event_resolves_an_unknown_mail_that_has_no_lookup() {
    let _guard = disturbing(&[Simulator("ses")], &[Mailer, Webhooks]);
    run(async {
        let stack = Stack::open();
        let tenant = stack.tenant(&["ses"]).await;
        let doubted = async || {
            let lost = json!({"drop_after_bytes": 0, "times": 1});
            assert!(stack.control("ses", Method::POST, "/faults", Some(lost)).await.status.is_success());
            let mail = stack.record_notification(&tenant, NotificationKind::FlagResolved, "doubt@example.com").await;
            stack.send_message("email", &mail.job()).await;
            until(&stack, &mail, "unknown").await;
            mail
        };
        let first = doubted().await;
        stack.put_event(simulators::mail::ses::event("Send", &first.reference(), "ses-2", time::now())).await;
        let settled = until(&stack, &first, "accepted").await;
        assert_eq!(whats(&settled), ["unknown", "accepted"], "{settled}");
        let second = doubted().await;
        let open = until(&stack, &second, "needs_review").await;
        assert_eq!(whats(&open), ["unknown", "asked", "asked", "needs_review"], "{open}");
        // The event comes after all: the person need not look.
        stack.put_event(simulators::mail::ses::event("Send", &second.reference(), "ses-3", time::now())).await;
        until(&stack, &second, "accepted").await;
        for mail in [&first, &second] {
            assert_eq!(stack.mails_at("ses", mail).await, 1, "{mail:?}");
        }
    });
}

#[test]
fn what_is_of_no_use_any_more_is_not_sent() {
    let _guard = using(&[Mailer, Simulator("sendgrid")]);
    run(async {
        let stack = Stack::open();
        let tenant = stack.tenant(&["sendgrid"]).await;
        let mail = stack.record_notification(&tenant, NotificationKind::PasswordReset, "late@example.com").await;
        let past = (time::now() - jiff::SignedDuration::from_secs(1)).to_string();
        let pk = format!("ORG#{}#notification", mail.tenant);
        stack.set_text("records", (&pk, &mail.id), "send_before", &past).await;
        stack.send_message("email-priority", &mail.job()).await;
        let ended = until(&stack, &mail, "rejected").await;
        assert_eq!(ended["failure"]["code"], "expired", "{ended}");
        assert_eq!(stack.mails_at("sendgrid", &mail).await, 0);
    });
}

#[test]
fn a_provider_that_takes_nothing_more_is_left_alone_at_once() {
    let _guard = disturbing(&[Simulator("brevo")], &[Mailer]);
    run(async {
        let stack = Stack::open();
        let operator = stack.text("/operator_token");
        let reset = async || {
            let url = format!("{}/api/admin/breakers/deployment/mail-brevo/reset", stack.text("/api_url"));
            let order = stack.http.post(url).bearer_auth(operator).json(&json!({"reason": "a test"}));
            assert_eq!(stack.send(order).await.status, 200);
        };
        assert!(stack.control("brevo", Method::POST, "/reset", None).await.status.is_success());
        reset().await;
        let spent = json!({"status": 402, "body": {"code": "not_enough_credits", "message": "m"}});
        assert!(stack.control("brevo", Method::POST, "/faults", Some(spent)).await.status.is_success());
        let tenant = stack.tenant(&["brevo"]).await;
        let mail = stack.record_notification(&tenant, NotificationKind::FlagResolved, "spent@example.com").await;
        stack.send_message("email", &mail.job()).await;
        stack
            .org("acme")
            .until("/api/admin/breakers", |answer| {
                let items = answer.body["items"].as_array().map(Vec::as_slice).unwrap_or_default();
                items.iter().any(|item| item["name"] == "mail-brevo" && item["phase"] == "open")
            })
            .await;
        let requests = stack.control("brevo", Method::GET, "/requests?limit=1000", None).await.body;
        // Lookups of mails of earlier tests may still come.
        let ours = |request: &&Value| request["method"] == "POST" && request.to_string().contains(&mail.reference());
        let ours = requests["items"].as_array().expect("requests").iter().filter(ours).count();
        assert_eq!(ours, 1, "one answer was enough: {requests}");
        assert!(stack.control("brevo", Method::POST, "/reset", None).await.status.is_success());
        reset().await;
        until(&stack, &mail, "accepted").await;
        assert_eq!(stack.mails_at("brevo", &mail).await, 1);
    });
}
