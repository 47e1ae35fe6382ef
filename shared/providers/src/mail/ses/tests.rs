//! The requests to SES, its responses and its events.

use std::sync::{Arc, Mutex};

use aws_sdk_sesv2::config::RuntimeComponents;
use aws_sdk_sesv2::config::http::{HttpRequest as SdkRequest, HttpResponse as SdkResponse};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::http::own;
use super::*;
use crate::mail::port::{SAMPLE_REFERENCE, sample};
use crate::transport::http::HttpRequest;
use bytes::Bytes;
use domain::stage::Stage;
use serde_json::Value;

const NOW: &str = "2026-11-22T10:00:00Z";

/// Records the requests of the SDK, and responds to them.
#[derive(Debug, Clone)]
struct Recorder {
    requests: Arc<Mutex<Vec<HttpRequest>>>,
    answer: Result<(u16, &'static str), SendError>,
}

impl Recorder {
    fn new(answer: Result<(u16, &'static str), SendError>) -> Self {
        Self { requests: Arc::default(), answer }
    }

    fn requests(&self) -> Vec<HttpRequest> {
        self.requests.lock().expect("a lock").clone()
    }
}

impl HttpClient for Recorder {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Recorder {
    fn call(&self, request: SdkRequest) -> HttpConnectorFuture {
        self.requests.lock().expect("a lock").push(own(&request).expect("sendable"));
        HttpConnectorFuture::ready(match &self.answer {
            Ok((status, body)) => Ok(SdkResponse::new((*status).try_into().expect("status"), (*body).into())),
            Err(error) => Err(ConnectorError::io(error.clone().into())),
        })
    }
}

fn send(id: &str, recorder: &Recorder) -> Result<Accepted, MailError> {
    let account = Account {
        region: "eu-central-1".into(),
        id: id.into(),
        key: "secret-key".into(),
        session: Some("session-token".into()),
        configuration_set: Some("mails".into()),
    };
    let base = Url::parse("https://email.eu-central-1.amazonaws.com").expect("url");
    let ses = Ses::new(account, base, Outbound::new().expect("a client"), recorder.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(ses.send(&sample(), &[], Duration::from_secs(5), NOW.parse().expect("time")))
}

/// The meaning of a reply, by what the SDK makes of it.
fn check(status: u16, name: Option<&str>, body: &str) -> Result<Accepted, MailError> {
    let mut headers = HeaderMap::new();
    if let Some(name) = name {
        headers.insert("x-amzn-errortype", name.parse().expect("header"));
    }
    let status = StatusCode::from_u16(status).expect("status");
    let reply = Reply { status, headers, body: Bytes::copy_from_slice(body.as_bytes()) };
    if let (StatusCode::OK, Ok(taken)) = (status, json::read::<Value>(&reply.body)) {
        let id = taken["MessageId"].as_str().expect("an id").to_owned();
        return Ok(Accepted { provider_message_id: id });
    }
    Err(refusal(&reply, NOW.parse().expect("time")))
}

#[test]
fn a_mail_is_signed_and_shows_no_credentials() {
    let recorder = Recorder::new(Ok((200, r#"{"MessageId":"m-1"}"#)));
    assert_eq!(send("AKIDEXAMPLE", &recorder), Ok(Accepted { provider_message_id: "m-1".into() }));
    let requests = recorder.requests();
    let [request] = requests.as_slice() else { panic!("one request: {requests:?}") };
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
    // Values that cannot be a header are neither sent nor printed.
    let recorder = Recorder::new(Ok((200, "{}")));
    let refused = send("a\nb", &recorder);
    assert!(matches!(refused, Err(MailError::Stopped(_))), "{refused:?}");
    assert!(recorder.requests().is_empty());
}

#[test]
fn a_mail_is_sent_once_and_a_lost_reply_is_unknown() {
    type Meaning = fn(&MailError) -> bool;
    let unknown: Meaning = |error| matches!(error, MailError::Unknown(_));
    type Outcome = Result<(u16, &'static str), SendError>;
    let table: [(Outcome, Meaning); 12] = [
        (Err(SendError::NotSent("refused".into())), |error| *error == MailError::Unreachable("refused".into())),
        (Err(SendError::NoReply("timed out".into())), |error| *error == MailError::Unknown("timed out".into())),
        (Ok((200, "{")), unknown),
        (Ok((200, "{}")), unknown),
        (Ok((204, "")), unknown),
        (Ok((500, "<html>")), unknown),
        // A message id is an acceptance with a success only.
        (Ok((500, r#"{"MessageId":"m-1"}"#)), unknown),
        (Ok((302, r#"{"MessageId":"m-1"}"#)), |error| matches!(error, MailError::Unreachable(_))),
        (Ok((503, r#"{"__type":"ServiceUnavailable"}"#)), unknown),
        (Ok((429, r#"{"__type":"TooManyRequestsException","message":"slow"}"#)), |error| {
            *error == MailError::Later { wait: Duration::ZERO, cause: "429 TooManyRequestsException: slow".into() }
        }),
        (Ok((400, r#"{"__type":"MessageRejected","message":"m"}"#)), |error| {
            *error == MailError::Rejected("400 MessageRejected: m".into())
        }),
        (Ok((400, r#"{"__type":"SendingPausedException"}"#)), |error| matches!(error, MailError::Stopped(_))),
    ];
    for (answer, meant) in table {
        let recorder = Recorder::new(answer.clone());
        let error = send("AKIDEXAMPLE", &recorder).expect_err("not accepted");
        assert!(meant(&error), "{answer:?}: {error:?}");
        assert_eq!(recorder.requests().len(), 1, "{answer:?}");
    }
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
    let cause = "429 TooManyRequestsException: Maximum sending rate exceeded.".into();
    assert_eq!(limited, Err(MailError::Later { wait: Duration::ZERO, cause }));
    // A recorded bounce of a foreign mail is parsed, and is none of ours; with our tag it is.
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
fn amazon_is_reached_in_production_only_with_credentials() {
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
