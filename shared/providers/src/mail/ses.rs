//! Amazon SES v2: `POST /v2/email/outbound-emails`, signed with SigV4.
//!
//! Facts: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>. 200 with a `MessageId` means accepted.
//! There is no key against doubling, and nobody can be asked by a tag: what became of a mail comes as an event, over
//! EventBridge, with the tags that the mail was given along.
//!
//! Architecture invariant: the request goes over the client of this crate, once. The SDK repeats what it believes to have
//! failed, and a mail whose reply was lost would be sent twice; here only the signature is computed by AWS's own code.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::mail_event::{MailEvent, MailEventKind};
use futures::future::{BoxFuture, FutureExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::info::ProviderInfo;
use crate::mail::client::{HttpMailer, MailApi, MailRequest, Reset, by_status, later};
use crate::mail::events::MailEventSource;
use crate::mail::mime::compose;
use crate::mail::port::{Accepted, Asking, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, excerpt};
use crate::transport::access::mail_base;
use crate::transport::http::Reply;
use crate::transport::json;
use crate::transport::webhook::{NotAuthentic, Unreadable, event_id};

pub(super) const INFO: ProviderInfo = ProviderInfo {
    id: "ses",
    name: "Amazon SES",
    reference: "https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html",
    // Its credentials are those of the function's role.
    secrets: &[],
};

/// The provider as the registry lists it.
pub static PROVIDER: MailProvider =
    MailProvider { info: INFO, base_url: Some("https://email.{region}.amazonaws.com"), set_up, events: EVENTS };

pub(super) const EVENTS: Option<&dyn MailEventSource> = Some(&Events);

/// Name of the tag that carries the mail's reference.
const TAG: &str = "reference";

/// The provider in one region.
struct Ses {
    region: String,
    credentials: Credentials,
    configuration_set: Option<String>,
}

/// Reads the region and the role's credentials, which are good as long as the process of the function, and
/// `SES_CONFIGURATION_SET`, without which SES tells nothing of what became of mails.
fn set_up(setup: &MailSetup<'_>) -> Result<Box<dyn Mailer>, MailSetupError> {
    let required = |name, rule| (setup.setting)(name).ok_or(MailSetupError::Setting { name, rule });
    let region = required("AWS_REGION", "a region such as eu-central-1 is expected")?;
    // It becomes a part of a host's name.
    if region.is_empty() || !region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        let rule = "a region such as eu-central-1 is expected";
        return Err(MailSetupError::Setting { name: "AWS_REGION", rule });
    }
    let id = required("AWS_ACCESS_KEY_ID", "the credentials of the function's role are expected")?;
    let key = required("AWS_SECRET_ACCESS_KEY", "the credentials of the function's role are expected")?;
    let session = (setup.setting)("AWS_SESSION_TOKEN");
    let live = format!("https://email.{region}.amazonaws.com");
    let base = mail_base(setup.stage, &live, setup.replacement, INFO.id)?;
    let api = Ses {
        region,
        credentials: Credentials::new(id, key, session, None, "environment"),
        configuration_set: (setup.setting)("SES_CONFIGURATION_SET"),
    };
    Ok(Box::new(HttpMailer::at(api, base)?))
}

impl Ses {
    /// Adds the headers that sign the request.
    fn signed(&self, mut request: MailRequest, now: Timestamp) -> Result<MailRequest, MailError> {
        let failed = |what: &str| MailError::Stopped(format!("the request cannot be signed: {what}"));
        let identity = self.credentials.clone().into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("ses")
            .time(SystemTime::from(now))
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| failed("parameters"))?
            .into();
        let content_type = ("content-type", "application/json");
        let body = SignableBody::Bytes(&request.body);
        let signable =
            SignableRequest::new(request.method.as_str(), request.url.as_str(), [content_type].into_iter(), body)
                .map_err(|_| failed("request"))?;
        let (instructions, _) = sign(signable, &parameters).map_err(|_| failed("signature"))?.into_parts();
        for (name, value) in instructions.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| failed("header"))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| failed("credentials"))?;
            // The session token and the signature are.
            value.set_sensitive(true);
            request.headers.insert(name, value);
        }
        Ok(request)
    }
}

impl MailApi for Ses {
    fn authorise<'a>(
        &'a self,
        _secrets: &'a [SecretString],
        _timeout: Duration,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<SecretString, MailError>> {
        // There is no key besides the role's credentials, and these do not leave this value.
        std::future::ready(Ok(SecretString::default())).boxed()
    }

    fn request(&self, base: &Url, mail: &Mail, _key: &SecretString, now: Timestamp) -> Result<MailRequest, MailError> {
        let (_, message) = compose(mail, now)?;
        let mut body = json!({
            "FromEmailAddress": mail.from,
            "Destination": {"ToAddresses": [mail.to]},
            "Content": {"Raw": {"Data": BASE64_STANDARD.encode(message)}},
            "EmailTags": [{"Name": TAG, "Value": mail.reference.to_string()}],
        });
        if let (Some(name), Some(fields)) = (&self.configuration_set, body.as_object_mut()) {
            fields.insert("ConfigurationSetName".to_owned(), name.as_str().into());
        }
        self.signed(MailRequest::json(base, "/v2/email/outbound-emails", &body)?, now)
    }

    fn read(&self, reply: &Reply, now: Timestamp) -> Result<Accepted, MailError> {
        if reply.status == StatusCode::OK {
            let Taken { message_id } =
                json::read(&reply.body).map_err(|e| MailError::Unknown(format!("200, and {e}")))?;
            return Ok(Accepted { provider_message_id: excerpt(&message_id) });
        }
        let Refusal { message, type_, code } = json::read(&reply.body).unwrap_or_default();
        let named = reply.headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok());
        let name = named.or(type_.as_deref()).or(code.as_deref()).unwrap_or_default();
        let name = simple_name(name);
        let detail = excerpt(&format!("{} {name}: {message}", reply.status.as_u16()));
        // SES has no header of its own for when a limit begins anew.
        let reset = Reset::After(header::RETRY_AFTER.as_str());
        Err(match name {
            "TooManyRequestsException" | "ThrottlingException" | "ThrottledException" | "Throttling" => {
                later(reply, now, reset, detail)
            }
            "AccountSuspendedException"
            | "SendingPausedException"
            | "MailFromDomainNotVerifiedException"
            | "LimitExceededException"
            | "NotFoundException"
            | "AccessDeniedException"
            | "IncompleteSignature"
            | "MissingAuthenticationToken" => MailError::Stopped(detail),
            "MessageRejected" | "BadRequestException" | "ValidationException" => MailError::Rejected(detail),
            _ => by_status(reply, now, reset, detail),
        })
    }

    fn asking(&self) -> Asking {
        Asking::EventsOnly
    }
}

#[derive(Debug, Deserialize)]
struct Taken {
    #[serde(rename = "MessageId")]
    message_id: String,
}

#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default, alias = "Message")]
    message: String,
    #[serde(default, rename = "__type")]
    type_: Option<String>,
    #[serde(default)]
    code: Option<String>,
}

/// The name of an error without its namespace before `#` and what follows a colon.
fn simple_name(name: &str) -> &str {
    let name = name.split(':').next().unwrap_or_default();
    name.rsplit('#').next().unwrap_or_default()
}

/// What SES tells: the `detail` of its EventBridge events. They come without HTTP, and IAM says who may send them.
struct Events;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    #[serde(alias = "notificationType")]
    event_type: String,
    mail: MailObject,
    bounce: Option<Part>,
    complaint: Option<Part>,
    delivery: Option<Part>,
    delivery_delay: Option<Part>,
    reject: Option<Part>,
    failure: Option<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MailObject {
    message_id: String,
    timestamp: Option<String>,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

/// What belongs to one kind of event. Each kind has some of these fields.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    bounce_type: Option<String>,
    bounce_sub_type: Option<String>,
    feedback_id: Option<String>,
    timestamp: Option<String>,
    smtp_response: Option<String>,
    delay_type: Option<String>,
    reason: Option<String>,
    error_message: Option<String>,
    complaint_feedback_type: Option<String>,
    #[serde(default)]
    bounced_recipients: Vec<Bounced>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounced {
    diagnostic_code: Option<String>,
}

impl MailEventSource for Events {
    fn secrets(&self) -> &'static [&'static str] {
        &[]
    }

    fn covers_body(&self) -> bool {
        true
    }

    fn verify(
        &self,
        _headers: &HeaderMap,
        _body: &[u8],
        _secrets: &[SecretString],
        _now: Timestamp,
    ) -> Result<(), NotAuthentic> {
        Err(NotAuthentic)
    }

    fn read(&self, body: &[u8], received_at: Timestamp) -> Result<Vec<MailEvent>, Unreadable> {
        let detail: Detail = json::read(body).map_err(Unreadable)?;
        Ok(event(detail, received_at).into_iter().collect())
    }
}

/// What happened, when that is of interest and to a mail of ours.
fn event(detail: Detail, received_at: Timestamp) -> Option<MailEvent> {
    let Detail { event_type, mail, bounce, complaint, delivery, delivery_delay, reject, failure } = detail;
    let MailObject { message_id, timestamp: sent_at, tags } = mail;
    let reference = tags.get(TAG)?.first()?.parse().ok()?;
    let (kind, part) = match event_type.as_str() {
        "Send" => (MailEventKind::Accepted, Some(Part { timestamp: sent_at, ..Part::default() })),
        "Delivery" => (MailEventKind::Delivered, delivery),
        "Bounce" => {
            let permanent = bounce.as_ref().and_then(|part| part.bounce_type.as_deref()) == Some("Permanent");
            (if permanent { MailEventKind::Bounced } else { MailEventKind::Deferred }, bounce)
        }
        "Complaint" => (MailEventKind::Complained, complaint),
        "Reject" => (MailEventKind::Refused, reject),
        "Rendering Failure" => (MailEventKind::Refused, failure),
        "DeliveryDelay" => (MailEventKind::Deferred, delivery_delay),
        _ => return None,
    };
    let part = part.unwrap_or_default();
    let diagnostic = part.bounced_recipients.into_iter().find_map(|recipient| recipient.diagnostic_code);
    let words = [
        part.smtp_response,
        diagnostic,
        part.bounce_sub_type,
        part.complaint_feedback_type,
        part.reason,
        part.error_message,
        part.delay_type,
    ];
    let time = part.timestamp.unwrap_or_default();
    Some(MailEvent {
        id: event_id(part.feedback_id.as_deref(), format!("{message_id}\n{event_type}\n{time}").as_bytes()),
        reference,
        kind,
        at: time.parse().unwrap_or(received_at),
        provider_message_id: Some(excerpt(&message_id)),
        detail: words.into_iter().flatten().next().map(|words| excerpt(&words)),
    })
}

#[cfg(test)]
#[path = "ses/tests.rs"]
mod tests;
