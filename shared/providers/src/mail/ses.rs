//! Amazon SES v2: `SendEmail`, by the AWS SDK over the HTTP client of this crate.
//!
//! Facts: <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html>. 200 with a `MessageId` means accepted.
//! There is no key against doubling, and no lookup by a tag: what happened to a mail comes as an event, over EventBridge, with
//! the tags that the mail was sent with.
//!
//! Architecture invariant: a mail is sent once. The SDK's retries are off, because one whose reply was lost would be
//! sent twice, and its requests go through [`http::SdkHttp`], whose errors separate mails that were certainly not sent
//! from those that may have been. No other file outside of `shared/aws` names the SDK.

mod http;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::config::timeout::TimeoutConfig;
use aws_sdk_sesv2::config::{
    BehaviorVersion, Config, Credentials, HttpClient, IdentityCache, Region, StalledStreamProtectionConfig,
};
use aws_sdk_sesv2::error::SdkError;
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, MessageTag, RawMessage};
use aws_smithy_async::time::TimeSource;
use domain::mail_event::{MailEvent, MailEventKind};
use futures::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use self::http::{SdkHttp, reply, send_error};
use crate::info::ProviderInfo;
use crate::mail::client::{Reset, by_status, later, read_acceptance};
use crate::mail::events::MailEventSource;
use crate::mail::mime::compose;
use crate::mail::port::{Accepted, Mail, MailError, MailProvider, MailSetup, MailSetupError, Mailer, excerpt};
use crate::transport::access::mail_base;
use crate::transport::http::{Outbound, Reply, SendError};
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

/// A client of one region.
struct Ses {
    client: Client,
    base: Url,
    outbound: Outbound,
    configuration_set: Option<String>,
    /// Whether the credentials can be sent in headers.
    sendable_credentials: bool,
}

/// The client of one region.
struct Account {
    region: String,
    id: String,
    key: String,
    session: Option<String>,
    configuration_set: Option<String>,
}

/// Reads the region and the role's credentials, which are good as long as the process of the function, and
/// `SES_CONFIGURATION_SET`, without which SES sends no events.
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
    let configuration_set = (setup.setting)("SES_CONFIGURATION_SET");
    let outbound = Outbound::new()?;
    let account = Account { region, id, key, session, configuration_set };
    Ok(Box::new(Ses::new(account, base, outbound.clone(), SdkHttp::new(outbound))))
}

/// The time that requests are signed with.
#[derive(Debug)]
struct SignedAt(Timestamp);

impl TimeSource for SignedAt {
    fn now(&self) -> SystemTime {
        SystemTime::from(self.0)
    }
}

impl Ses {
    fn new(account: Account, base: Url, outbound: Outbound, client: impl HttpClient + 'static) -> Self {
        let Account { region, id, key, session, configuration_set } = account;
        let in_header = |text: &str| HeaderValue::from_str(text).is_ok();
        let sendable_credentials = in_header(&id) && session.as_deref().is_none_or(in_header);
        let mut credentials =
            Credentials::builder().access_key_id(id).secret_access_key(key).provider_name("environment");
        credentials.set_session_token(session);
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .endpoint_url(base.as_str().trim_end_matches('/'))
            .credentials_provider(credentials.build())
            .identity_cache(IdentityCache::no_cache())
            .http_client(client)
            .retry_config(RetryConfig::disabled())
            // A reply is read whole by our own client, within its time.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Self { client: Client::from_conf(config), base, outbound, configuration_set, sendable_credentials }
    }

    async fn hand_over(&self, mail: &Mail, timeout: Duration, now: Timestamp) -> Result<Accepted, MailError> {
        let mail = mail.sendable()?;
        let (_, message) = compose(&mail, now)?;
        let unsigned = |what: &str| MailError::Stopped(format!("the request cannot be signed: {what}").into());
        if !self.sendable_credentials {
            return Err(unsigned("credentials"));
        }
        let raw = RawMessage::builder().data(Blob::new(message)).build().map_err(|_| unsigned("message"))?;
        let tag = MessageTag::builder().name(TAG).value(mail.reference.to_string()).build();
        let sent = self
            .client
            .send_email()
            .from_email_address(&mail.from)
            .destination(Destination::builder().to_addresses(&mail.to).build())
            .content(EmailContent::builder().raw(raw).build())
            .email_tags(tag.map_err(|_| unsigned("tag"))?)
            .set_configuration_set_name(self.configuration_set.clone())
            .customize()
            .config_override(
                Config::builder()
                    .time_source(SignedAt(now))
                    .timeout_config(TimeoutConfig::builder().read_timeout(timeout).build()),
            )
            .send()
            .await;
        match sent {
            Ok(output) => match output.message_id {
                Some(id) => Ok(Accepted { provider_message_id: excerpt(&id) }),
                None => Err(MailError::Unknown("a success without a message id".into())),
            },
            Err(error) => Err(unsent(&error, now)),
        }
    }
}

/// The error of the mail for an error of the SDK.
fn unsent(error: &SdkError<SendEmailError>, now: Timestamp) -> MailError {
    if let Some(response) = error.raw_response() {
        return refusal(&reply(response), now);
    }
    match (send_error(error), error) {
        (Some(SendError::NotSent(cause)), _) => MailError::Unreachable(cause.clone()),
        (Some(SendError::NoReply(cause)), _) => MailError::Unknown(cause.clone()),
        // It failed before our client was called.
        (None, SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_)) => {
            MailError::Stopped("the request cannot be built and signed".into())
        }
        (None, _) => MailError::Unknown("the SDK gave up".into()),
    }
}

/// The error of a reply that is no acceptance: by the name of its error, else by its status.
fn refusal(reply: &Reply, now: Timestamp) -> MailError {
    if reply.status == StatusCode::OK {
        let unreadable = read_acceptance::<Taken>(reply).err();
        return unreadable.unwrap_or_else(|| MailError::Unknown("200, and the SDK cannot read it".into()));
    }
    let Refusal { message, type_, code } = json::read(&reply.body).unwrap_or_default();
    let named = reply.headers.get("x-amzn-errortype").and_then(|name| name.to_str().ok());
    let name = named.or(type_.as_deref()).or(code.as_deref()).unwrap_or_default();
    let name = simple_name(name);
    let detail = excerpt(&format!("{} {name}: {message}", reply.status.as_u16()));
    // SES has no header of its own for when a limit begins anew.
    let reset = Reset::After(header::RETRY_AFTER.as_str());
    match name {
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
        | "MissingAuthenticationToken" => MailError::Stopped(detail.into()),
        "MessageRejected" | "BadRequestException" | "ValidationException" => MailError::Rejected(detail.into()),
        _ => by_status(reply, now, reset, detail),
    }
}

impl Mailer for Ses {
    fn send<'a>(
        &'a self,
        mail: &'a Mail,
        _secrets: &'a [SecretString],
        timeout: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Accepted, MailError>> {
        self.hand_over(mail, timeout, now).boxed()
    }

    fn preconnect(&self) -> BoxFuture<'_, ()> {
        self.outbound.preconnect(&self.base).boxed()
    }
}

/// An acceptance, to say what is wrong with one that the SDK cannot read.
#[derive(Debug, Deserialize)]
struct Taken {
    #[serde(rename = "MessageId")]
    _message_id: String,
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

/// The events of SES: the `detail` of its EventBridge events. They come without HTTP, and IAM decides who may send
/// them.
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

/// The fields of one kind of event. Each kind has some of these fields.
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
        let detail: Detail = json::read(body)?;
        Ok(event(detail, received_at).into_iter().collect())
    }
}

/// The event, when it is of a known kind and about a mail of ours.
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
