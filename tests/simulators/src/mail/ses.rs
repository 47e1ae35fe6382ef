//! Amazon SES v2, `POST /ses/v2/email/outbound-emails`, signed with SigV4.
//!
//! Faithful in the errors with their names in `x-amzn-errortype`, in the characters that a tag may have, and in that nothing is
//! recognised as sent before. The signature must be there and well-formed, of service `ses`; it is not computed again. The
//! access key `invalid` is refused; recipients at `refused.example` are rejected, senders at `unverified.example`,
//! `suspended.example` and `paused.example` are what their names say. Source of the shapes: the service's API model.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    clock,
    mail::mailbox::{Mail, Mailbox, REFUSED_DOMAIN, UNVERIFIED_DOMAIN, is_address},
    mail::message::{self, Message},
    simulator::Simulator,
};

/// Senders at this domain belong to an account that was suspended.
pub const SUSPENDED_DOMAIN: &str = "@suspended.example";
/// Senders at this domain belong to an account that may not send at the moment.
pub const PAUSED_DOMAIN: &str = "@paused.example";
const TAG_CHARS_MAX: usize = 256;

/// The simulator with a fresh world.
pub fn simulator() -> Simulator {
    let wire = Router::new()
        .route("/v2/email/outbound-emails", post(send))
        .fallback(|| async { Error::new(StatusCode::NOT_FOUND, "UnknownOperationException", "not found") });
    let of = ("ses", "Amazon SES v2: outbound-emails");
    Simulator::of_mailbox(of, Arc::default(), wire, None, |_| Some(json!({"message": "simulated fault"})))
}

#[derive(Debug)]
struct Error {
    status: StatusCode,
    name: &'static str,
    message: String,
}

impl Error {
    fn new(status: StatusCode, name: &'static str, message: &str) -> Self {
        Self { status, name, message: message.to_owned() }
    }

    fn bad(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestException", message)
    }

    fn refused(name: &'static str, message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, name, message)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        // The real service appends where the error is documented.
        let name = HeaderValue::from_str(&format!("{}:http://internal.amazon.com/coral/", self.name));
        let name = name.unwrap_or(HeaderValue::from_static("InternalFailure"));
        (self.status, [("x-amzn-errortype", name)], Json(json!({"message": self.message}))).into_response()
    }
}

/// Looks at the signature without computing it.
fn signed(headers: &HeaderMap) -> Result<(), Error> {
    let forbidden = |name, message: &str| Error::new(StatusCode::FORBIDDEN, name, message);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signature = text(header::AUTHORIZATION.as_str());
    if signature.is_empty() {
        return Err(forbidden("MissingAuthenticationTokenException", "Missing Authentication Token"));
    }
    let incomplete = || forbidden("IncompleteSignatureException", "The signature is not well-formed.");
    let fields = signature.strip_prefix("AWS4-HMAC-SHA256 ").ok_or_else(incomplete)?;
    let field = |name: &str| fields.split(", ").find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
    let hex = field("Signature").ok_or_else(incomplete)?;
    let signed = field("SignedHeaders").ok_or_else(incomplete)?;
    let scope: Vec<&str> = field("Credential").ok_or_else(incomplete)?.split('/').collect();
    let [id, day, region, service, "aws4_request"] = scope.as_slice() else { return Err(incomplete()) };
    let at = text("x-amz-date");
    let complete = hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) && !region.is_empty();
    if !complete || !signed.split(';').any(|name| name == "host") || day.len() != 8 || !at.starts_with(day) {
        return Err(incomplete());
    }
    if *service != "ses" {
        let message = "Credential should be scoped to correct service: 'ses'.";
        return Err(forbidden("InvalidSignatureException", message));
    }
    if *id == "invalid" {
        let message = "The security token included in the request is invalid.";
        return Err(forbidden("UnrecognizedClientException", message));
    }
    Ok(())
}

async fn send(State(mailbox): State<Arc<Mailbox>>, headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
    signed(&headers)?;
    let mail = read(&body)?;
    let accepted = mailbox.accept(|number| Mail { id: format!("0107sim{number:020}-000000"), ..mail });
    Ok(Json(json!({"MessageId": accepted.id})).into_response())
}

fn read(body: &[u8]) -> Result<Mail, Error> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|_| Error::new(StatusCode::BAD_REQUEST, "SerializationException", "not JSON"))?;
    let tags = body.get("EmailTags").and_then(Value::as_array).cloned().unwrap_or_default();
    let tag = |tag: &Value, field: &str| tag.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let fits = |text: &str| {
        let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        plain && !text.is_empty() && text.len() <= TAG_CHARS_MAX
    };
    if !tags.iter().all(|one| fits(&tag(one, "Name")) && fits(&tag(one, "Value"))) {
        return Err(Error::bad("A tag has characters that are not allowed."));
    }
    let correlation = tags.iter().find(|one| tag(one, "Name") == "reference").map(|one| tag(one, "Value"));
    let data = body.pointer("/Content/Raw/Data").and_then(Value::as_str).unwrap_or_default();
    let raw = BASE64_STANDARD.decode(data).map_err(|_| Error::bad("Raw content is not base64."))?;
    let Message { from, to: _, subject, text, html, message_id, notification: _ } =
        message::read(&raw).map_err(|message| Error::bad(&message))?;
    if let Some(named) = body.get("FromEmailAddress").and_then(Value::as_str)
        && named != from
    {
        return Err(Error::bad("FromEmailAddress and the header From differ."));
    }
    let to = body.pointer("/Destination/ToAddresses").and_then(Value::as_array).cloned().unwrap_or_default();
    let to: Vec<String> = to.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if to.is_empty() || !to.iter().all(|one| is_address(one)) {
        return Err(Error::bad("Destination has no valid address."));
    }
    for (domain, name, message) in [
        (UNVERIFIED_DOMAIN, "MailFromDomainNotVerifiedException", "The MAIL FROM domain is not verified."),
        (SUSPENDED_DOMAIN, "AccountSuspendedException", "The account's ability to send email was suspended."),
        (PAUSED_DOMAIN, "SendingPausedException", "Email sending is paused for the account."),
    ] {
        if from.ends_with(domain) {
            return Err(Error::refused(name, message));
        }
    }
    if to.iter().any(|one| one.ends_with(REFUSED_DOMAIN)) {
        return Err(Error::refused("MessageRejected", "Address blocked."));
    }
    Ok(Mail { at: clock::now(), from, to, subject, text, html, message_id, correlation, ..Mail::default() })
}

/// The `detail` of an EventBridge event of SES, for tests: what its configuration set would tell of a mail. `kind` is a value of
/// `eventType`; `Bounce` is a permanent one and `Bounce.Transient` one that passes.
pub fn event(kind: &str, reference: &str, message_id: &str, at: Timestamp) -> Value {
    let (kind, bounce) = kind.split_once('.').unwrap_or((kind, "Permanent"));
    let at = at.to_string();
    let feedback = format!("{message_id}-{kind}-{bounce}");
    let (name, part) = match kind {
        "Send" => ("send", json!({})),
        "Delivery" => ("delivery", json!({"timestamp": at, "smtpResponse": "250 2.6.0 Message received"})),
        "Bounce" => {
            let recipients = json!([{"status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 user unknown"}]);
            (
                "bounce",
                json!({"bounceType": bounce, "bounceSubType": "General", "feedbackId": feedback, "timestamp": at,
                       "bouncedRecipients": recipients}),
            )
        }
        "Complaint" => ("complaint", json!({"feedbackId": feedback, "timestamp": at})),
        "Reject" => ("reject", json!({"reason": "Bad content"})),
        "Rendering Failure" => ("failure", json!({"errorMessage": "Attribute is not present."})),
        "DeliveryDelay" => ("deliveryDelay", json!({"delayType": "TransientCommunicationFailure", "timestamp": at})),
        _ => ("other", json!({"timestamp": at})),
    };
    let mail = json!({
        "timestamp": at, "messageId": message_id, "source": "hiring@example.com", "destination": ["ada@example.com"],
        "tags": {"reference": [reference], "ses:configuration-set": ["mails"]},
    });
    json!({"eventType": kind, "mail": mail, name: part})
}
