//! Gmail against its simulator and that of Google's token server, in this process.

use std::time::Duration;

use domain::mail_event::MailEventKind;
use domain::stage::Stage;
use jiff::Timestamp;
use providers::mail::port::{Accepted, LookupError, Mail, MailError, MailSetup, Mailer, Sent};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::e2e::harness::stack::run;

const PATIENT: Duration = Duration::from_secs(20);

struct Bench {
    mailer: Box<dyn Mailer>,
    base: String,
    http: reqwest::Client,
}

impl Bench {
    async fn new() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, simulators::app()).await });
        let setup =
            MailSetup { stage: Stage::Local, domain: "example.com", replacement: Some(&base), setting: &|_| None };
        let mailer = (providers::mail::gmail::PROVIDER.set_up)(&setup).expect("set up");
        Self { mailer, base, http: reqwest::Client::builder().no_proxy().build().expect("a client") }
    }

    async fn order(&self, path: &str, body: Value) {
        let answer = self.http.post(format!("{}/_control/{path}", self.base)).json(&body).send().await.expect("answer");
        assert!(answer.status().is_success(), "{path}: {answer:?}");
    }

    async fn requests(&self, simulator: &str) -> u64 {
        let answer = self.http.get(format!("{}/_control/{simulator}/requests", self.base)).send().await;
        let list: Value = answer.expect("an answer").json().await.expect("JSON");
        list["count"].as_u64().expect("a count")
    }

    async fn send(&self, credentials: &Value) -> Result<(Mail, Accepted), MailError> {
        self.send_at(credentials, Timestamp::now()).await
    }

    async fn send_at(&self, credentials: &Value, now: Timestamp) -> Result<(Mail, Accepted), MailError> {
        let mail = mail();
        let secrets = [SecretString::from(credentials.to_string())];
        let accepted = self.mailer.send(&mail, &secrets, PATIENT, now).await?;
        Ok((mail, accepted))
    }
}

fn mail() -> Mail {
    let id = uuid::Uuid::new_v4();
    Mail {
        from: "hiring@example.com".into(),
        to: "ada@example.com".into(),
        subject: "Grüße".into(),
        text: "Hello".into(),
        html: "<p>Hello</p>".into(),
        message_id: format!("<{id}@example.com>"),
        reference: format!("acme_{id}").parse().expect("a reference"),
        unsubscribe: None,
    }
}

fn service_account() -> Value {
    json!({
        "type": "service_account", "client_email": "mailer@example.iam.gserviceaccount.com",
        "private_key": simulators::mail::google::TEST_KEY, "private_key_id": "k-1", "subject": "hiring@example.com",
    })
}

fn person(refresh_token: &str) -> Value {
    json!({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": refresh_token})
}

#[test]
fn one_token_serves_many_mails_even_concurrent_ones() {
    run(async {
        for credentials in [service_account(), person("r-1")] {
            let bench = Bench::new().await;
            let sends = (0..5).map(|_| bench.send(&credentials));
            for sent in futures::future::join_all(sends).await {
                sent.expect("accepted");
            }
            bench.send(&credentials).await.expect("accepted");
            assert_eq!((bench.requests("google").await, bench.requests("gmail").await), (1, 6));
            // Other credentials have a token of their own.
            bench.send(&person("r-2")).await.expect("accepted");
            assert_eq!(bench.requests("google").await, 2);
        }
    });
}

#[test]
fn an_error_before_the_mail_is_never_unknown() {
    run(async {
        let bench = Bench::new().await;
        let mut forged = service_account();
        let wrong_host = format!("{}/other/token", bench.base);
        forged["token_uri"] = json!(wrong_host);
        for stopped in [person("revoked"), forged, json!({"type": "authorized_user"}), json!("no file")] {
            let failed = bench.send(&stopped).await;
            assert!(matches!(failed, Err(MailError::Stopped(_))), "{stopped}: {failed:?}");
        }
        for fault in [json!({"status": 503}), json!({"malformed": true}), json!({"drop_after_bytes": 0})] {
            bench.order("google/reset", json!({})).await;
            bench.order("google/faults", fault.clone()).await;
            let failed = bench.send(&service_account()).await;
            assert!(matches!(failed, Err(MailError::Unreachable(_))), "{fault}: {failed:?}");
        }
        bench.order("google/reset", json!({})).await;
        bench.order("google/faults", json!({"answer_latency_ms": 60_000})).await;
        let secrets = [SecretString::from(service_account().to_string())];
        let slow = bench.mailer.send(&mail(), &secrets, Duration::from_secs(2), Timestamp::now()).await;
        assert!(matches!(slow, Err(MailError::Unreachable(_))), "{slow:?}");
        assert_eq!(bench.requests("gmail").await, 0);
    });
}

#[test]
fn a_withdrawn_token_is_replaced_at_the_next_attempt() {
    run(async {
        let bench = Bench::new().await;
        bench.send(&service_account()).await.expect("accepted");
        // Two at once that have the same one.
        bench.order("gmail/faults", json!({"status": 401, "times": 2})).await;
        let credentials = service_account();
        let later = Timestamp::now().checked_add(jiff::SignedDuration::from_mins(5)).expect("a time");
        let both = futures::future::join(bench.send_at(&credentials, later), bench.send_at(&credentials, later)).await;
        for withdrawn in [both.0, both.1] {
            assert!(matches!(withdrawn, Err(MailError::NotSent(_))), "{withdrawn:?}");
        }
        bench.send(&service_account()).await.expect("accepted with a new one");
        assert_eq!(bench.requests("google").await, 2);
        let refused = bench.send(&person("invalid")).await;
        assert!(matches!(refused, Err(MailError::Stopped(_))), "{refused:?}");
    });
}

#[test]
fn a_lookup_finds_the_mail_if_the_mailbox_may_be_read() {
    run(async {
        let bench = Bench::new().await;
        let (mail, Accepted { provider_message_id }) = bench.send(&service_account()).await.expect("accepted");
        let sent = Sent {
            reference: mail.reference.clone(),
            message_id: mail.message_id.clone(),
            to: mail.to.clone(),
            since: Timestamp::now(),
            provider_message_id: None,
        };
        let bench = &bench;
        let look_up_at = |sent: Sent, now: Timestamp| async move {
            let secrets = [SecretString::from(service_account().to_string())];
            bench.mailer.lookup().expect("a lookup").look_up(&sent, &secrets, PATIENT, now).await
        };
        let look_up = |sent: Sent| look_up_at(sent, Timestamp::now());
        let found = look_up(sent.clone()).await.expect("a lookup");
        let [event] = found.as_slice() else { panic!("one event: {found:?}") };
        assert_eq!((event.kind, &event.reference), (MailEventKind::Accepted, &mail.reference));
        assert_eq!(event.provider_message_id, Some(provider_message_id));
        assert_eq!(look_up(Sent { message_id: "<other@example.com>".into(), ..sent.clone() }).await, Ok(Vec::new()));
        // A lookup fails with a token that was withdrawn, and succeeds with the next one.
        bench.order("gmail/faults", json!({"status": 401, "times": 1})).await;
        let later = Timestamp::now().checked_add(jiff::SignedDuration::from_mins(5)).expect("a time");
        let withdrawn = look_up_at(sent.clone(), later).await;
        assert!(matches!(withdrawn, Err(LookupError::Unreachable(_))), "{withdrawn:?}");
        assert_eq!(look_up_at(sent.clone(), later).await, Ok(found));
        // Revoked consent can be given again, so the lookup may be repeated.
        let secrets = [SecretString::from(person("revoked").to_string())];
        let revoked =
            bench.mailer.lookup().expect("a lookup").look_up(&sent, &secrets, PATIENT, Timestamp::now()).await;
        assert!(matches!(revoked, Err(LookupError::Unreachable(_))), "{revoked:?}");
        bench.order("gmail/lag", json!({"ms": 60_000})).await;
        assert_eq!(look_up(sent.clone()).await, Ok(Vec::new()));
        bench.order("gmail/scope", json!({"readonly": false})).await;
        let refused = look_up(sent).await;
        assert!(matches!(refused, Err(LookupError::NotAllowed(_))), "{refused:?}");
    });
}
