//! Webhook deliveries of a connection, and their replay: the stored body is applied again, under an id of its own.

use std::time::{Duration, Instant};

use aws::error::AwsError;
use aws::random;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::FORMAT_VERSION;
use domain::connection::{Connection, ConnectionKey, EventOutcome, WebhookEvent};
use domain::id::{ConnectionId, OrgId};
use domain::message::{Sender, WebhookDelivery};
use futures::stream::{self, StreamExt as _};
use garde::Validate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use web::body::{Checked, MaybeBody};
use web::identity::{Identity, Role};
use web::page::{List, PageRequest};
use web::problem::Problem;

use super::{KIND, working};
use crate::audit::{AuditedAction, Change, OptionalReasonRequest, Reason, audited};
use crate::{Api, cursor, id, not_found, page_of, unavailable};

/// Most events of one order.
const MOST: u16 = 500;
/// Bodies that are read at once: each may have 200 KB, and an answer of the table 16 MB.
const AT_ONCE: usize = 25;
/// Messages that are sent at once.
const SENT_AT_ONCE: usize = 10;
/// After this time no more bodies are read: the function has ten seconds.
const LONGEST: Duration = Duration::from_secs(6);
/// What tells the id of a replay from that of its event.
const REPLAY: &str = ".r";
const REPLAY_DIGITS: usize = 8;

/// A webhook delivery and its outcome, as the API shows it.
#[derive(Debug, Serialize)]
struct WebhookEventResponse {
    event_id: String,
    action: Option<String>,
    outcome: Option<EventOutcome>,
    detail: Option<String>,
    received_at: Timestamp,
    /// Whether the event can be applied again.
    replayable: bool,
}

/// The body of a request to apply the events of a time again.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct ReplayEventsRequest {
    #[garde(skip)]
    from: Timestamp,
    #[garde(skip)]
    to: Timestamp,
    #[garde(dive)]
    #[serde(default)]
    reason: Reason,
}

/// The result of the replay of one event.
#[derive(Debug, Serialize)]
struct ReplayEventResponse {
    /// The id of the replay, under which the list of events will show its outcome.
    event_id: String,
}

/// The result of the replay of the events of a time.
#[derive(Debug, Default, Serialize)]
struct ReplayEventsResponse {
    enqueued: usize,
    /// Events without a body, and events that are replays themselves.
    skipped: usize,
    /// The begin of the next request, when there are more events in that time.
    next_from: Option<Timestamp>,
}

impl From<WebhookEvent> for WebhookEventResponse {
    fn from(event: WebhookEvent) -> Self {
        let WebhookEvent { v: _, event_id, action, outcome, detail, received_at, replayable, body: _ } = event;
        Self { event_id, action, outcome, detail, received_at, replayable }
    }
}

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/connections/{id}/events", get(events))
        .route("/api/connections/{id}/events/replay", post(replay_span))
        .route("/api/connections/{id}/events/{event_id}/replay", post(replay))
}

async fn events(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    page: PageRequest,
) -> Result<Json<List<WebhookEventResponse>>, Problem> {
    let id: ConnectionId = id(&text, KIND)?;
    let key = ConnectionKey::new(&identity.org, &id);
    let after = cursor(&page)?;
    let (connection, found) = tokio::try_join!(
        api.records.get::<Connection>(&identity.org, id.as_str()),
        api.control.events(&key, page.limit, after.as_ref()),
    )
    .map_err(|e| unavailable(&e))?;
    if connection.is_none() {
        return Err(not_found(KIND));
    }
    Ok(page_of(found))
}

/// Applies one event again.
async fn replay(
    State(api): State<Api>,
    identity: Identity,
    Path((text, event_id)): Path<(String, String)>,
    MaybeBody(OptionalReasonRequest { reason }): MaybeBody<OptionalReasonRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let (id, org) = (id::<ConnectionId>(&text, KIND)?, identity.org.clone());
    if !is_event_id(&event_id) {
        return Err(not_found("event"));
    }
    let key = ConnectionKey::new(&org, &id);
    let (connection, event) =
        tokio::try_join!(api.records.get::<Connection>(&org, id.as_str()), api.control.event(&key, &event_id),)
            .map_err(|e| unavailable(&e))?;
    let connection = connection.ok_or_else(|| not_found(KIND))?;
    working(&connection)?;
    let delivery = again(&org, &connection, event.ok_or_else(|| not_found("event"))?);
    let delivery = delivery.ok_or_else(|| Problem::conflict("the body of this event was not kept"))?;
    let action = AuditedAction { action: "event.replay", target: format!("{KIND}/{id}/events/{event_id}"), reason };
    let carry_out = async {
        api.webhook_queue.send(&delivery).await.map_err(|e| unavailable(&e))?;
        let new_id = delivery.event_id;
        Ok(Change {
            before: String::new(),
            after: format!("enqueued as {new_id}"),
            result: ReplayEventResponse { event_id: new_id },
        })
    };
    let (_, replayed) = audited(&api, identity, action, carry_out).await?;
    Ok((StatusCode::ACCEPTED, Json(replayed)).into_response())
}

/// Applies the events of a time again, oldest first.
async fn replay_span(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    Checked(ReplayEventsRequest { from, to, reason }): Checked<ReplayEventsRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let (id, org) = (id::<ConnectionId>(&text, KIND)?, identity.org.clone());
    if to < from {
        return Err(Problem::invalid_field("to", "range", "not before `from`"));
    }
    let connection = api.records.get::<Connection>(&org, id.as_str()).await.map_err(|e| unavailable(&e))?;
    let connection = connection.ok_or_else(|| not_found(KIND))?;
    working(&connection)?;
    let action =
        AuditedAction { action: "event.replay", target: format!("{KIND}/{id}/events of {from} to {to}"), reason };
    let carry_out = async {
        let result = enqueue(&api, &org, &connection, (from, to)).await.map_err(|e| unavailable(&e))?;
        let after = format!("enqueued {}, skipped {}", result.enqueued, result.skipped);
        Ok(Change { before: String::new(), after, result })
    };
    let (_, replayed) = audited(&api, identity, action, carry_out).await?;
    Ok((StatusCode::ACCEPTED, Json(replayed)).into_response())
}

/// Puts the events of a time on the queue again. One read of the list, and one for each 25 bodies.
async fn enqueue(
    api: &Api,
    org: &OrgId,
    connection: &Connection,
    span: (Timestamp, Timestamp),
) -> Result<ReplayEventsResponse, AwsError> {
    let (begin, key) = (Instant::now(), ConnectionKey::new(org, &connection.id));
    // One more than is replayed tells where to go on.
    let found = api.control.received_between(&key, span, MOST + 1).await?;
    let (first, rest) = found.split_at(found.len().min(usize::from(MOST)));
    let mut replayed = ReplayEventsResponse {
        next_from: rest.first().map(|event| event.received_at),
        ..ReplayEventsResponse::default()
    };
    for events in first.chunks(AT_ONCE) {
        if begin.elapsed() > LONGEST {
            replayed.next_from = events.first().map(|event| event.received_at);
            break;
        }
        let wanted: Vec<&str> = events
            .iter()
            .filter(|event| event.replayable && !is_replay(&event.event_id))
            .map(|event| event.event_id.as_str())
            .collect();
        let mut with_bodies = api.control.with_bodies(&key, &wanted).await?;
        with_bodies
            .sort_by(|left, right| (left.received_at, &left.event_id).cmp(&(right.received_at, &right.event_id)));
        let deliveries: Vec<WebhookDelivery> =
            with_bodies.into_iter().filter_map(|event| again(org, connection, event)).collect();
        let send = async |delivery: WebhookDelivery| api.webhook_queue.send(&delivery).await;
        let sent: Vec<Result<(), AwsError>> = stream::iter(deliveries).map(send).buffered(SENT_AT_ONCE).collect().await;
        replayed.enqueued += sent.len();
        replayed.skipped += events.len() - sent.len();
        sent.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(replayed)
}

/// The delivery that applies an event again. It was received when the event was, so that what came since stays newer. None for
/// an event without a body.
fn again(org: &OrgId, connection: &Connection, event: WebhookEvent) -> Option<WebhookDelivery> {
    let body = BASE64_STANDARD.decode(event.body?).ok()?;
    let digits: String = random::secret().chars().take(REPLAY_DIGITS).collect();
    let original = event.event_id.strip_suffix(suffix(&event.event_id)).unwrap_or(&event.event_id);
    Some(WebhookDelivery {
        v: FORMAT_VERSION,
        sender: Sender::Connection(ConnectionKey::new(org, &connection.id)),
        provider: connection.provider.clone(),
        event_id: format!("{original}{REPLAY}{digits}"),
        received_at: event.received_at,
        body,
    })
}

/// What a replay's id has after its event's; empty for another id.
fn suffix(event_id: &str) -> &str {
    let Some(at) = event_id.rfind(REPLAY) else { return "" };
    let (_, end) = event_id.split_at(at);
    let digits = end.strip_prefix(REPLAY).unwrap_or_default();
    let replay = digits.len() == REPLAY_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if replay && at > 0 { end } else { "" }
}

fn is_replay(event_id: &str) -> bool {
    !suffix(event_id).is_empty()
}

/// What may be the id of an event: no other text gets into a key.
fn is_event_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= 160 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event_id: &str, body: Option<&str>) -> WebhookEvent {
        WebhookEvent {
            v: FORMAT_VERSION,
            event_id: event_id.into(),
            action: None,
            outcome: None,
            detail: None,
            received_at: Timestamp::UNIX_EPOCH,
            replayable: body.is_some(),
            body: body.map(str::to_owned),
        }
    }

    #[test]
    fn a_replay_has_an_id_of_its_own_and_everything_else_of_its_event() {
        let org: OrgId = "acme".parse().expect("slug");
        let connection: Connection = serde_json::from_value(serde_json::json!({
            "v": 1, "id": "gh", "provider": "greenhouse", "status": "active", "created_at": "2026-11-22T10:00:00Z",
        }))
        .expect("a connection");
        let first = again(&org, &connection, event("e-1", Some("e30="))).expect("a delivery");
        assert_eq!((first.provider.as_str(), first.body.as_slice()), ("greenhouse", b"{}".as_slice()));
        assert_eq!((first.received_at, first.event_id.len()), (Timestamp::UNIX_EPOCH, "e-1.r12345678".len()));
        assert!(first.event_id.starts_with("e-1.r") && is_replay(&first.event_id) && is_event_id(&first.event_id));
        let second = again(&org, &connection, event(&first.event_id, Some("e30="))).expect("a delivery");
        assert!(second.event_id.starts_with("e-1.r") && second.event_id.len() == first.event_id.len());
        assert_ne!(first.event_id, second.event_id);
        assert!(again(&org, &connection, event("e-1", None)).is_none());
        assert!(again(&org, &connection, event("e-1", Some("?"))).is_none());
    }

    #[test]
    fn ids_of_replays_are_told_from_others() {
        for id in ["e-1", "e.rest", "e.r1234567", "e.r123456789", "e.rABCDEFGX", ".r12345678", ""] {
            assert!(!is_replay(id), "{id}");
        }
        assert!(is_replay("body-ab.r0123abcd"));
        for id in ["", "a/b", "a b", "a#b", &"a".repeat(161)] {
            assert!(!is_event_id(id), "{id}");
        }
    }
}
