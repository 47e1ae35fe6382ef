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
use domain::connection::{Connection, ConnectionKey, WebhookEvent};
use domain::message::{Sender, WebhookDelivery};
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use web::body::{Checked, MaybeBody};
use web::identity::{Identity, Role};
use web::page::{List, PageRequest};
use web::problem::Problem;

use super::load::{KIND, connection_key, load_connection, require_working};
use super::types::{ReplayEventResponse, ReplayEventsRequest, ReplayEventsResponse, WebhookEventResponse};
use crate::api::Api;
use crate::audit::{AuditedAction, Change, OptionalReasonRequest, audited};
use crate::request::cursor;
use crate::response::{list_of, not_found, unavailable};

/// The most events that one request replays.
const MAX_EVENTS: u16 = 500;
/// Bodies that are read at once: each may have 200 KB, and a response of the table 16 MB.
const READ_BATCH: usize = 25;
/// Messages that are sent at once.
const SEND_CONCURRENCY: usize = 10;
/// The time after which no more bodies are read, because the function has ten seconds.
const READ_DEADLINE: Duration = Duration::from_secs(6);
/// The separator between an event's id and the random digits of its replay.
const REPLAY: &str = ".r";
/// The number of random digits of a replay.
const REPLAY_DIGITS: usize = 8;

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/connections/{id}/events", get(events))
        .route("/api/connections/{id}/events/replay", post(replay_span))
        .route("/api/connections/{id}/events/{event_id}/replay", post(replay))
}

/// Lists the webhook events of a connection, newest first.
async fn events(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    page: PageRequest,
) -> Result<Json<List<WebhookEventResponse>>, Problem> {
    let key = connection_key(&identity, &text)?;
    let after = cursor(&page)?;
    let (connection, (found, next)) = tokio::try_join!(
        api.records.get::<Connection>(&key.org, key.connection.as_str()),
        api.control.events(&key, page.limit, after.as_ref()),
    )
    .map_err(|e| unavailable(&e))?;
    connection.ok_or_else(|| not_found(KIND))?;
    Ok(Json(list_of(found.into_iter().map(event_response).collect(), next)))
}

fn event_response(event: WebhookEvent) -> WebhookEventResponse {
    let WebhookEvent { v: _, event_id, action, outcome, detail, received_at, replayable, body: _ } = event;
    WebhookEventResponse { event_id, action, outcome, detail, received_at, replayable }
}

/// Applies one event again.
async fn replay(
    State(api): State<Api>,
    identity: Identity,
    Path((text, event_id)): Path<(String, String)>,
    MaybeBody(OptionalReasonRequest { reason }): MaybeBody<OptionalReasonRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let key = connection_key(&identity, &text)?;
    if !is_event_id(&event_id) {
        return Err(not_found("event"));
    }
    let (connection, event) = tokio::try_join!(
        api.records.get::<Connection>(&key.org, key.connection.as_str()),
        api.control.event(&key, &event_id),
    )
    .map_err(|e| unavailable(&e))?;
    let connection = connection.ok_or_else(|| not_found(KIND))?;
    require_working(&connection)?;
    let delivery = replay_of(&key, &connection.provider, event.ok_or_else(|| not_found("event"))?);
    let delivery = delivery.ok_or_else(|| Problem::conflict("the body of this event was not kept"))?;
    let target = format!("{KIND}/{}/events/{event_id}", key.connection);
    let action = AuditedAction { action: "event.replay", target, reason };
    let carry_out = async {
        api.webhook_queue.send(&delivery).await.map_err(|e| unavailable(&e))?;
        let after = format!("enqueued as {}", delivery.event_id);
        let result = ReplayEventResponse { event_id: delivery.event_id };
        Ok(Change { before: String::new(), after, result })
    };
    let (_, response) = audited(&api, identity, action, carry_out).await?;
    Ok((StatusCode::ACCEPTED, Json(response)).into_response())
}

/// Applies the events of a time span again, oldest first.
async fn replay_span(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    Checked(ReplayEventsRequest { from, to, reason }): Checked<ReplayEventsRequest>,
) -> Result<Response, Problem> {
    identity.at_least(Role::Admin)?;
    let key = connection_key(&identity, &text)?;
    if to < from {
        return Err(Problem::invalid_field("to", "range", "not before `from`"));
    }
    let connection = load_connection(&api, &key).await?;
    require_working(&connection)?;
    let target = format!("{KIND}/{}/events of {from} to {to}", key.connection);
    let action = AuditedAction { action: "event.replay", target, reason };
    let carry_out = async {
        let replayed = enqueue_replays(&api, &key, &connection.provider, (from, to)).await;
        let result = replayed.map_err(|e| unavailable(&e))?;
        let after = format!("enqueued {}, skipped {}", result.enqueued, result.skipped);
        Ok(Change { before: String::new(), after, result })
    };
    let (_, response) = audited(&api, identity, action, carry_out).await?;
    Ok((StatusCode::ACCEPTED, Json(response)).into_response())
}

/// Enqueues replays of the events of a time span. One read of the list, and one for each 25 bodies.
async fn enqueue_replays(
    api: &Api,
    key: &ConnectionKey,
    provider: &str,
    span: (Timestamp, Timestamp),
) -> Result<ReplayEventsResponse, AwsError> {
    let begin = Instant::now();
    // One event more than is replayed says where the next request begins.
    let found = api.control.received_between(key, span, MAX_EVENTS + 1).await?;
    let (first, rest) = found.split_at(found.len().min(usize::from(MAX_EVENTS)));
    let mut replayed = ReplayEventsResponse {
        next_from: rest.first().map(|event| event.received_at),
        ..ReplayEventsResponse::default()
    };
    for events in first.chunks(READ_BATCH) {
        if begin.elapsed() > READ_DEADLINE {
            replayed.next_from = events.first().map(|event| event.received_at);
            break;
        }
        let wanted: Vec<&str> = events
            .iter()
            .filter(|event| event.replayable && !is_replay(&event.event_id))
            .map(|event| event.event_id.as_str())
            .collect();
        let mut with_bodies = api.control.with_bodies(key, &wanted).await?;
        with_bodies
            .sort_by(|left, right| (left.received_at, &left.event_id).cmp(&(right.received_at, &right.event_id)));
        let deliveries: Vec<WebhookDelivery> =
            with_bodies.into_iter().filter_map(|event| replay_of(key, provider, event)).collect();
        let send = async |delivery: WebhookDelivery| api.webhook_queue.send(&delivery).await;
        let sent: Vec<Result<(), AwsError>> =
            stream::iter(deliveries).map(send).buffered(SEND_CONCURRENCY).collect().await;
        replayed.enqueued += sent.len();
        replayed.skipped += events.len() - sent.len();
        sent.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(replayed)
}

/// The delivery that applies an event again; none for an event without a body. It has the time at which the event was
/// received, so that later data of the provider stays newer.
fn replay_of(key: &ConnectionKey, provider: &str, event: WebhookEvent) -> Option<WebhookDelivery> {
    let body = BASE64_STANDARD.decode(event.body?).ok()?;
    let digits: String = random::secret().chars().take(REPLAY_DIGITS).collect();
    let original = event.event_id.strip_suffix(replay_suffix(&event.event_id)).unwrap_or(&event.event_id);
    Some(WebhookDelivery {
        v: FORMAT_VERSION,
        sender: Sender::Connection(key.clone()),
        provider: provider.to_owned(),
        event_id: format!("{original}{REPLAY}{digits}"),
        received_at: event.received_at,
        body,
    })
}

/// The part of a replay's id that follows the id of its event; empty for the id of no replay.
fn replay_suffix(event_id: &str) -> &str {
    let Some(at) = event_id.rfind(REPLAY) else { return "" };
    let (_, end) = event_id.split_at(at);
    let digits = end.strip_prefix(REPLAY).unwrap_or_default();
    let replay = digits.len() == REPLAY_DIGITS && digits.bytes().all(|b| b.is_ascii_hexdigit());
    if replay && at > 0 { end } else { "" }
}

fn is_replay(event_id: &str) -> bool {
    !replay_suffix(event_id).is_empty()
}

/// Whether a text may be the id of an event; no other text becomes a part of a key.
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
    fn a_replay_copies_its_event_under_a_new_id() {
        let key = ConnectionKey { org: "acme".parse().expect("slug"), connection: "gh".parse().expect("slug") };
        let again = |event| replay_of(&key, "greenhouse", event);
        let first = again(event("e-1", Some("e30="))).expect("a delivery");
        assert_eq!((first.provider.as_str(), first.body.as_slice()), ("greenhouse", b"{}".as_slice()));
        assert_eq!((first.received_at, first.event_id.len()), (Timestamp::UNIX_EPOCH, "e-1.r12345678".len()));
        assert!(first.event_id.starts_with("e-1.r") && is_replay(&first.event_id) && is_event_id(&first.event_id));
        let second = again(event(&first.event_id, Some("e30="))).expect("a delivery");
        assert!(second.event_id.starts_with("e-1.r") && second.event_id.len() == first.event_id.len());
        assert_ne!(first.event_id, second.event_id);
        assert!(again(event("e-1", None)).is_none());
        assert!(again(event("e-1", Some("?"))).is_none());
    }

    #[test]
    fn ids_of_replays_are_recognised() {
        for id in ["e-1", "e.rest", "e.r1234567", "e.r123456789", "e.rABCDEFGX", ".r12345678", ""] {
            assert!(!is_replay(id), "{id}");
        }
        assert!(is_replay("body-ab.r0123abcd"));
        for id in ["", "a/b", "a b", "a#b", &"a".repeat(161)] {
            assert!(!is_event_id(id), "{id}");
        }
    }
}
