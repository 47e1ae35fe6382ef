//! What is sent to SES, what its answers mean, and what its events say.

use super::*;
use crate::mail::port::{SAMPLE_REFERENCE, sample};
use bytes::Bytes;
use domain::stage::Stage;
use serde_json::Value;

const NOW: &str = "2026-11-22T10:00:00Z";

fn ses(id: &str) -> Ses {
    Ses {
        region: "eu-central-1".into(),
        credentials: Credentials::new(id, "secret-key", Some("session-token".into()), None, "test"),
        configuration_set: Some("mails".into()),
    }
}

fn check(status: u16, name: Option<&str>, body: &str) -> Result<Accepted, MailError> {
    let mut headers = HeaderMap::new();
    if let Some(name) = name {
        headers.insert("x-amzn-errortype", name.parse().expect("header"));
    }
    let status = StatusCode::from_u16(status).expect("status");
    let reply = Reply { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
    ses("AKIDEXAMPLE").read(&reply, NOW.parse().expect("time"))
}

#[test]
fn a_mail_is_signed_names_its_reference_and_shows_no_credentials() {
    let base = Url::parse("https://email.eu-central-1.amazonaws.com").expect("url");
    let now = NOW.parse().expect("time");
    let api = ses("AKIDEXAMPLE");
    let request = api.request(&base, &sample(), &SecretString::default(), now).expect("built");
    assert_eq!(request.url.as_str(), "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails");
    let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/eu-central-1/ses/aws4_request, SignedHeaders=";
    assert!(text("authorization").starts_with(scope), "{}", text("authorization"));
    assert_eq!((text("x-amz-date"), text("x-amz-security-token")), ("20261122T100000Z", "session-token"));
    let printed = format!("{request:?}");
    assert!(
        !printed.contains("session-token") && !printed.contains("AKID") && !printed.contains("secret-key"),
        "{printed}"
    );
    let body: Value = serde_json::from_slice(&request.body).expect("json");
    assert_eq!(body["EmailTags"], json!([{"Name": "reference", "Value": SAMPLE_REFERENCE}]));
    assert_eq!(body["Destination"], json!({"ToAddresses": ["ada@example.com"]}));
    assert_eq!(body["ConfigurationSetName"], "mails");
    let raw = BASE64_STANDARD.decode(body["Content"]["Raw"]["Data"].as_str().expect("data")).expect("base64");
    assert!(String::from_utf8(raw).expect("ascii").contains("Message-ID: <n-1@example.com>\r\n"));
    // What cannot be a header is not sent, and not shown.
    let refused = ses("a\nb").request(&base, &sample(), &SecretString::default(), now);
    assert!(matches!(refused, Err(MailError::Stopped(_))), "{refused:?}");
}

#[test]
fn errors_are_sorted_by_their_names() {
    assert_eq!(check(200, None, r#"{"MessageId":"m-1"}"#), Ok(Accepted { provider_message_id: "m-1".into() }));
    assert!(matches!(check(200, None, "{"), Err(MailError::Unknown(_))));
    let body = r#"{"message":"m"}"#;
    for name in [
        "AccountSuspendedException",
        "SendingPausedException",
        "MailFromDomainNotVerifiedException",
        "LimitExceededException",
        "com.amazonaws.ses#SendingPausedException:http://internal.amazon.com/",
    ] {
        assert!(matches!(check(400, Some(name), body), Err(MailError::Stopped(_))), "{name}");
    }
    assert!(matches!(check(403, Some("InvalidSignatureException"), body), Err(MailError::Stopped(_))));
    let rejected = Err(MailError::Rejected("400 MessageRejected: m".into()));
    assert_eq!(check(400, Some("MessageRejected"), body), rejected);
    assert_eq!(check(400, None, r#"{"__type":"MessageRejected","message":"m"}"#), rejected);
    assert_eq!(check(400, None, r#"{"code":"MessageRejected","Message":"m"}"#), rejected);
    assert!(matches!(check(400, Some("BadRequestException"), body), Err(MailError::Rejected(_))));
    for (status, name) in [(429, None), (400, Some("ThrottlingException")), (429, Some("TooManyRequestsException"))] {
        assert!(matches!(check(status, name, body), Err(MailError::Later { .. })), "{status} {name:?}");
    }
    for status in [500, 502, 503, 504] {
        assert!(matches!(check(status, Some("InternalFailure"), body), Err(MailError::Unknown(_))), "{status}");
    }
}

#[test]
fn the_recorded_limit_is_waited_for() {
    let beside = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
    let folder = std::env::var_os("FIXTURES").map_or(beside, std::path::PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("providers/ses/error_429_sendemail.json")) else { return };
    let recorded: Value = serde_json::from_str(&text).expect("json");
    let limited = check(429, recorded["headers"]["x-amzn-errortype"].as_str(), &recorded["body"].to_string());
    let detail = "429 TooManyRequestsException: Maximum sending rate exceeded.".to_owned();
    assert_eq!(limited, Err(MailError::Later { wait: Duration::ZERO, detail }));
    // A recorded bounce of somebody else's mail is read, and is none of ours; with our tag it is.
    let text = std::fs::read_to_string(folder.join("providers/ses/sns_notification_bounce.json")).expect("recorded");
    let envelope: Value = serde_json::from_str(&text).expect("json");
    let message = envelope["Message"].as_str().expect("a message");
    let received_at = NOW.parse().expect("time");
    assert_eq!(Events.read(message.as_bytes(), received_at), Ok(Vec::new()));
    let mut ours: Value = serde_json::from_str(message).expect("json");
    ours["mail"]["tags"] = json!({"reference": [SAMPLE_REFERENCE], "ses:from-domain": ["example.com"]});
    let events = Events.read(ours.to_string().as_bytes(), received_at).expect("read");
    let [event] = events.as_slice() else { panic!("one event: {events:?}") };
    assert_eq!(event.kind, MailEventKind::Bounced);
    assert_eq!(event.id, "00000138111222aa-44455566-cccc-cccc-cccc-ddddaaaa068a-000000");
    assert_eq!(event.at.to_string(), "2016-01-27T14:59:44.101Z");
    assert!(event.detail.as_deref().is_some_and(|words| words.contains("User unknown")));
}

#[test]
fn events_say_what_happened_to_mails_of_ours() {
    let received_at: Timestamp = NOW.parse().expect("time");
    let read = |kind: &str, part: &str, inner: Value| {
        let mut detail = json!({
            "eventType": kind,
            "mail": {"messageId": "m-1", "timestamp": "2026-11-22T09:00:00.000Z", "tags": {"reference": [SAMPLE_REFERENCE]}},
        });
        detail[part] = inner;
        let events = Events.read(detail.to_string().as_bytes(), received_at).expect("read");
        events.into_iter().next().map(|event| (event.kind, event.at.to_string(), event.id))
    };
    let at = "2026-11-22T09:01:00.000Z";
    for (kind, part, inner, wanted) in [
        ("Send", "send", json!({}), Some(MailEventKind::Accepted)),
        ("Delivery", "delivery", json!({"timestamp": at, "smtpResponse": "250 ok"}), Some(MailEventKind::Delivered)),
        ("Bounce", "bounce", json!({"bounceType": "Permanent", "timestamp": at}), Some(MailEventKind::Bounced)),
        ("Bounce", "bounce", json!({"bounceType": "Transient", "timestamp": at}), Some(MailEventKind::Deferred)),
        ("Bounce", "bounce", json!({"bounceType": "Undetermined"}), Some(MailEventKind::Deferred)),
        ("Complaint", "complaint", json!({"feedbackId": "f-1"}), Some(MailEventKind::Complained)),
        ("Reject", "reject", json!({"reason": "Bad content"}), Some(MailEventKind::Refused)),
        ("Rendering Failure", "failure", json!({"errorMessage": "m"}), Some(MailEventKind::Refused)),
        ("DeliveryDelay", "deliveryDelay", json!({"delayType": "MailboxFull"}), Some(MailEventKind::Deferred)),
        ("Open", "open", json!({}), None),
        ("Click", "click", json!({}), None),
        ("Subscription", "subscription", json!({}), None),
        ("Something new", "new", json!({}), None),
    ] {
        let found = read(kind, part, inner.clone());
        assert_eq!(found.as_ref().map(|(kind, _, _)| *kind), wanted, "{kind}");
        // The same event has the same id each time.
        assert_eq!(read(kind, part, inner), found, "{kind}");
    }
    let (_, sent_at, _) = read("Send", "send", json!({})).expect("an event");
    assert_eq!(sent_at, "2026-11-22T09:00:00Z");
    assert!(Events.read(b"{}", received_at).is_err());
    assert_eq!(Events.verify(&HeaderMap::new(), b"{}", &[], received_at), Err(NotAuthentic));
}

#[test]
fn it_needs_region_and_credentials_and_leaves_for_amazon_in_production_only() {
    let set_up = |stage, region: &'static str, without: &'static str| {
        let setting = move |name| match name {
            _ if name == without => None,
            "AWS_REGION" => Some(region.to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("x".to_owned()),
            _ => None,
        };
        set_up(&MailSetup { stage, domain: "example.com", replacement: None, setting: &setting }).is_ok()
    };
    assert!(set_up(Stage::Prod, "eu-central-1", ""));
    for stage in [Stage::Local, Stage::Dev, Stage::Staging] {
        assert!(!set_up(stage, "eu-central-1", ""));
    }
    for without in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        assert!(!set_up(Stage::Prod, "eu-central-1", without), "{without}");
    }
    for region in ["", "evil.example/", "a.b", "a@b"] {
        assert!(!set_up(Stage::Prod, region, ""), "{region}");
    }
}
