//! The contract of every mail provider with a public host: each client against its simulator, in this process.

mod events;
mod lookups;

use std::time::Duration;

use domain::stage::Stage;
use providers::mail::port::{Accepted, Mail, MailError, MailProvider, MailSetup, Mailer};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::e2e::harness::stack::run;

const KEY: &str = "key-of-the-contract";
/// The timeout for requests that get a reply, on a busy machine, too.
const PATIENT: Duration = Duration::from_secs(20);

/// A provider's client, and its simulator with no other user.
struct Bench {
    provider: &'static MailProvider,
    mailer: Box<dyn Mailer>,
    base: String,
    control: String,
    http: reqwest::Client,
}

impl Bench {
    async fn of(provider: &'static MailProvider) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, simulators::app()).await });
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self {
            provider,
            mailer: mailer(provider, &base, KEY),
            base: base.clone(),
            control: format!("{base}/_control/{}", provider.info.id),
            http,
        }
    }

    async fn send_with(&self, mail: &Mail, key: &str, timeout: Duration) -> Result<Accepted, MailError> {
        let (secrets, now) = (secrets(self.provider, key), jiff::Timestamp::now());
        if self.provider.info.secrets.is_empty() && key != KEY {
            // Its credentials are settings.
            return mailer(self.provider, &self.base, key).send(mail, &secrets, timeout, now).await;
        }
        self.mailer.send(mail, &secrets, timeout, now).await
    }

    async fn send(&self, mail: &Mail) -> Result<Accepted, MailError> {
        self.send_with(mail, KEY, PATIENT).await
    }

    async fn order(&self, fault: Value) {
        for path in ["reset", "faults"] {
            self.control(path, &fault).await;
        }
    }

    async fn control(&self, path: &str, body: &Value) -> Value {
        let answer = self.http.post(format!("{}/{path}", self.control)).json(body).send().await.expect("an answer");
        let (status, text) = (answer.status(), answer.text().await.expect("a text"));
        assert!(status.is_success(), "{} {path} {body}: {status} {text}", self.provider.info.id);
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}/{path}", self.control)).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// The number of requests, and the number of mails that the provider has accepted.
    async fn seen(&self) -> (u64, u64) {
        let count = |list: Value| list["count"].as_u64().expect("a count");
        (count(self.get("requests").await), count(self.get("mails").await))
    }
}

/// The provider for the deployment of the contract; `key` is for the one whose credentials are settings.
fn mailer(provider: &MailProvider, base: &str, key: &str) -> Box<dyn Mailer> {
    let setting = |name| match name {
        "AWS_REGION" => Some("eu-central-1".to_owned()),
        "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" | "AWS_SESSION_TOKEN" => Some(key.to_owned()),
        _ => None,
    };
    let setup = MailSetup { stage: Stage::Local, domain: "example.com", replacement: Some(base), setting: &setting };
    (provider.set_up)(&setup).expect("set up")
}

/// The provider's secrets when its key is this one.
fn secrets(provider: &MailProvider, key: &str) -> Vec<SecretString> {
    let credentials = json!({
        "type": "authorized_user", "client_id": "client", "client_secret": "secret", "refresh_token": key,
    });
    let secret = |name: &&'static str| match *name {
        "mail/gmail_credentials" => SecretString::from(credentials.to_string()),
        _ => SecretString::from(key),
    };
    provider.info.secrets.iter().map(secret).collect()
}

/// Every mail provider with an HTTP API: a new one is held to the contract without a line here.
fn providers_over_http() -> Vec<&'static MailProvider> {
    let found: Vec<&MailProvider> =
        providers::mail::ALL.iter().copied().filter(|provider| provider.base_url.is_some()).collect();
    assert!(found.len() >= 3, "the registry lists them");
    found
}

/// Whether it is a mailbox and no service for sending. It stores only the message itself, so the only lookup is by the
/// Message-ID. It knows no reference, no time and no later events of the mail: a bounce is a mail to the sender
/// there.
fn is_a_mailbox(provider: &MailProvider) -> bool {
    provider.info.id == "gmail"
}

fn mail(to: &str) -> Mail {
    let id = uuid::Uuid::new_v4();
    Mail {
        from: "hiring@example.com".into(),
        to: to.into(),
        subject: "Grüße & more".into(),
        text: "Hello Ada,\n\n100 % + more\n".into(),
        html: "<p>Hello Ada &amp; more</p>".into(),
        message_id: format!("<{id}@example.com>"),
        reference: format!("acme_{id}").parse().expect("a reference"),
        unsubscribe: None,
    }
}

#[test]
fn an_accepted_mail_arrives_whole_and_has_its_reference() {
    run(async {
        for provider in providers_over_http() {
            let bench = Bench::of(provider).await;
            let mail = mail("ada@example.com");
            let Accepted { provider_message_id } = bench.send(&mail).await.expect(provider.info.id);
            let found = bench.get(&format!("mails?correlation={}", mail.reference)).await;
            let got = &found["items"][0];
            let correlation = if is_a_mailbox(provider) {
                mail.reference.notification.to_string()
            } else {
                mail.reference.to_string()
            };
            assert_eq!(got["correlation"], correlation, "{}: {found}", provider.info.id);
            let other = self::mail("ada@example.com").reference;
            let others = bench.get(&format!("mails?correlation={other}")).await;
            assert_eq!(others["items"], json!([]), "{}", provider.info.id);
            assert_eq!(got["id"], provider_message_id, "{}: {found}", provider.info.id);
            assert_eq!(got["to"], json!([mail.to]), "{}: {found}", provider.info.id);
            for (field, wanted) in [
                ("from", &mail.from),
                ("subject", &mail.subject),
                ("text", &mail.text),
                ("html", &mail.html),
                ("message_id", &mail.message_id),
            ] {
                assert_eq!(got[field], *wanted, "{} {field}", provider.info.id);
            }
            assert_eq!(bench.seen().await, (1, 1), "{}", provider.info.id);
        }
    });
}

#[test]
fn a_refused_recipient_rejects_and_a_refused_key_stops() {
    run(async {
        for provider in providers_over_http() {
            let bench = Bench::of(provider).await;
            let refused = bench.send(&mail("ada@refused.example")).await;
            assert!(matches!(refused, Err(MailError::Rejected(_))), "{}: {refused:?}", provider.info.id);
            let key = bench.send_with(&mail("ada@example.com"), "invalid", PATIENT).await;
            assert!(matches!(key, Err(MailError::Stopped(_))), "{}: {key:?}", provider.info.id);
            assert_eq!(bench.seen().await, (2, 0), "{}", provider.info.id);
            let two = bench.send(&mail("ada@example.com,eve@example.com")).await;
            assert!(matches!(two, Err(MailError::Rejected(_))), "{}: {two:?}", provider.info.id);
            let unsendable = bench.send_with(&mail("ada@example.com"), "a\nb", PATIENT).await;
            // Basic credentials and what a token is fetched with are encoded, and then it is a key like any other.
            let fine = provider.info.id == "mailgun" && unsendable.is_ok();
            assert!(fine || matches!(unsendable, Err(MailError::Stopped(_))), "{}: {unsendable:?}", provider.info.id);
        }
    });
}

#[test]
fn limits_wait_and_suspensions_and_wrong_urls_stop_all_mail() {
    run(async {
        for provider in providers_over_http() {
            let bench = Bench::of(provider).await;
            bench.order(json!({"status": 429, "headers": {"retry-after": "17"}})).await;
            let limited = bench.send(&mail("ada@example.com")).await;
            let waits = matches!(&limited, Err(MailError::Later { wait, .. }) if *wait == Duration::from_secs(17));
            assert!(waits, "{}: {limited:?}", provider.info.id);
            assert_eq!(bench.seen().await, (1, 0), "{}", provider.info.id);
            for (status, stopped) in [(401, true), (402, true), (403, true), (404, false), (405, false)] {
                // Each with a client of its own: what was let in before may be refused for another reason.
                let bench = Bench::of(provider).await;
                bench.order(json!({"status": status})).await;
                let failed = bench.send(&mail("ada@example.com")).await;
                let fits = match &failed {
                    Err(MailError::Stopped(_)) => stopped,
                    Err(MailError::Unreachable(_)) => !stopped,
                    Ok(_) | Err(_) => false,
                };
                assert!(fits, "{} {status}: {failed:?}", provider.info.id);
                assert_eq!(bench.seen().await, (1, 0), "{}", provider.info.id);
            }
            // No server listens there: the connection is refused.
            let unreachable = mailer(provider, "http://127.0.0.1:9", KEY);
            let secrets = secrets(provider, KEY);
            let refused = unreachable.send(&mail("ada@example.com"), &secrets, PATIENT, jiff::Timestamp::now()).await;
            assert!(matches!(refused, Err(MailError::Unreachable(_))), "{}: {refused:?}", provider.info.id);
        }
    });
}

#[test]
fn a_lost_reply_is_unknown_and_is_requested_once() {
    run(async {
        for provider in providers_over_http() {
            let bench = Bench::of(provider).await;
            for (accepted, fault) in [
                (0, json!({"status": 500})),
                (0, json!({"status": 502, "body": "<html>bad gateway</html>"})),
                (0, json!({"status": 503})),
                (1, json!({"status": 500, "acts_first": true})),
                (1, json!({"status": 504, "body": "upstream timed out", "acts_first": true})),
                (1, json!({"drop_after_bytes": 0})),
                (1, json!({"malformed": true})),
            ] {
                bench.order(fault.clone()).await;
                let lost = bench.send(&mail("ada@example.com")).await;
                assert!(matches!(lost, Err(MailError::Unknown(_))), "{} {fault}: {lost:?}", provider.info.id);
                assert_eq!(bench.seen().await, (1, accepted), "{} {fault}", provider.info.id);
            }
        }
    });
}

#[test]
fn a_provider_that_is_too_slow_may_have_accepted() {
    run(async {
        for provider in providers_over_http() {
            let bench = Bench::of(provider).await;
            bench.order(json!({"answer_latency_ms": 60_000})).await;
            let slow = bench.send_with(&mail("ada@example.com"), KEY, Duration::from_secs(3)).await;
            assert!(matches!(slow, Err(MailError::Unknown(_))), "{}: {slow:?}", provider.info.id);
            assert_eq!(bench.seen().await, (1, 1), "{}: it did accept", provider.info.id);
        }
    });
}

#[test]
fn only_a_provider_with_a_key_recognises_the_same_notification() {
    run(async {
        for provider in providers_over_http() {
            let bench = Bench::of(provider).await;
            let mail = mail("ada@example.com");
            for _ in 0..2 {
                bench.send(&mail).await.expect(provider.info.id);
            }
            let accepted = if provider.info.id == "brevo" { 1 } else { 2 };
            assert_eq!(bench.seen().await, (2, accepted), "{}", bench.provider.info.id);
        }
    });
}
