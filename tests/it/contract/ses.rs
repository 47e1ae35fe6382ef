//! Amazon SES: the errors that stop all mail, and the events of its simulator.

use std::time::Duration;

use domain::mail_event::MailEventKind;
use domain::stage::Stage;
use jiff::Timestamp;
use providers::mail::port::{Mail, MailError, MailSetup};

use crate::e2e::harness::stack::run;

#[test]
fn a_suspended_account_stops_all_mail() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, simulators::app()).await });
        let setting = |name| match name {
            "AWS_REGION" => Some("eu-central-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("key".to_owned()),
            _ => None,
        };
        let setup = MailSetup { stage: Stage::Local, domain: "x.example", replacement: Some(&base), setting: &setting };
        let mailer = (providers::mail::ses::PROVIDER.set_up)(&setup).expect("set up");
        for sender in ["suspended", "paused", "unverified"] {
            let id = uuid::Uuid::new_v4();
            let mail = Mail {
                from: format!("hiring@{sender}.example"),
                to: "ada@example.com".into(),
                subject: "Hi".into(),
                text: "Hello".into(),
                html: "<p>Hello</p>".into(),
                message_id: format!("<{id}@{sender}.example>"),
                reference: format!("acme_{id}").parse().expect("a reference"),
                unsubscribe: None,
            };
            let stopped = mailer.send(&mail, &[], Duration::from_secs(20), Timestamp::now()).await;
            assert!(matches!(stopped, Err(MailError::Stopped(_))), "{sender}: {stopped:?}");
        }
    });
}

#[test]
fn its_events_are_read_as_they_come_over_the_event_bus() {
    let source = providers::mail::ses::PROVIDER.events.expect("events");
    let (reference, at) = ("acme_0190f5fe-7c00-7a00-8000-000000000001", "2026-11-22T10:00:00Z");
    let at: Timestamp = at.parse().expect("a time");
    for (kind, wanted) in [
        ("Send", Some(MailEventKind::Accepted)),
        ("Delivery", Some(MailEventKind::Delivered)),
        ("Bounce", Some(MailEventKind::Bounced)),
        ("Bounce.Transient", Some(MailEventKind::Deferred)),
        ("Complaint", Some(MailEventKind::Complained)),
        ("Reject", Some(MailEventKind::Refused)),
        ("Rendering Failure", Some(MailEventKind::Refused)),
        ("DeliveryDelay", Some(MailEventKind::Deferred)),
        ("Open", None),
    ] {
        let detail = simulators::mail::ses::event(kind, reference, "0107-1", at).to_string();
        let events = source.read(detail.as_bytes(), Timestamp::now()).expect("read");
        assert_eq!(events.first().map(|event| event.kind), wanted, "{kind}");
        for event in events {
            assert_eq!(event.reference.to_string(), reference);
            assert_eq!(event.provider_message_id.as_deref(), Some("0107-1"));
        }
        let of_others = simulators::mail::ses::event(kind, "somebody-else", "0107-1", at).to_string();
        assert_eq!(source.read(of_others.as_bytes(), at), Ok(Vec::new()), "{kind}");
    }
    let verified = source.verify(&http::HeaderMap::new(), b"{}", &[], at);
    assert!(verified.is_err(), "what comes over HTTP is not from SES");
}
