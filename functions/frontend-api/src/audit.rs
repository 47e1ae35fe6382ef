//! The audit: every action that needs a role is recorded before it is carried out, and completed with its result.

use aws::{clock, random};
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use domain::FORMAT_VERSION;
use domain::audit::{AuditEntry, AuditState};
use garde::Validate;
use garde::rules::length::chars::HasChars;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::identity::{Identity, Role};
use web::page::{List, PageRequest};
use web::problem::Problem;

use crate::api::Api;
use crate::request::cursor;
use crate::response::{list_of, unavailable};

/// A caller's reason for an action, for the audit. At most 500 characters.
#[derive(Debug, Default, Serialize, Deserialize, Validate)]
#[garde(transparent)]
#[serde(transparent)]
pub(crate) struct Reason(#[garde(length(chars, max = 500))] String);

impl HasChars for Reason {
    fn num_chars(&self) -> usize {
        self.0.num_chars()
    }
}

/// The body of an action that must be justified.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReasonRequest {
    #[garde(dive, length(chars, min = 1))]
    pub(crate) reason: Reason,
}

/// The body of an action that may be justified.
#[derive(Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub(crate) struct OptionalReasonRequest {
    #[garde(dive)]
    #[serde(default)]
    pub(crate) reason: Reason,
}

/// An entry of the audit, as the API shows it.
#[derive(Debug, Serialize)]
struct AuditEntryResponse {
    id: Uuid,
    at: Timestamp,
    subject: String,
    action: String,
    target: String,
    reason: String,
    state: AuditState,
    before: Option<String>,
    after: Option<String>,
}

/// An action that is recorded in the audit before it is carried out.
pub(crate) struct AuditedAction {
    /// The stable name of the action, for example `connection.pause`.
    pub(crate) action: &'static str,
    /// The resource that it changes, for example `connection/main`.
    pub(crate) target: String,
    /// The caller's reason; empty when the action requires none and none was given.
    pub(crate) reason: Reason,
}

/// The effect of an action: the states before and after it for the audit, and its result for the caller.
pub(crate) struct Change<T> {
    /// The state of the target before the action.
    pub(crate) before: String,
    /// The state of the target after it.
    pub(crate) after: String,
    /// The result that the caller gets.
    pub(crate) result: T,
}

/// Renders an entry of the audit.
fn entry_response(entry: AuditEntry) -> AuditEntryResponse {
    let AuditEntry { v: _, id, at, subject, action, target, reason, state, before, after } = entry;
    AuditEntryResponse { id, at, subject, action, target, reason, state, before, after }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new().route("/api/admin/audit", get(list))
}

/// Carries out an action between the two halves of its entry in the audit. Returns the entry's id and the action's result.
pub(crate) async fn audited<T>(
    api: &Api,
    identity: Identity,
    action: AuditedAction,
    carry_out: impl Future<Output = Result<Change<T>, Problem>>,
) -> Result<(Uuid, T), Problem> {
    let AuditedAction { action, target, reason: Reason(reason) } = action;
    let entry = AuditEntry {
        v: FORMAT_VERSION,
        id: random::fresh_id(),
        at: clock::now(),
        subject: identity.subject,
        action: action.to_owned(),
        target,
        reason,
        state: AuditState::Requested,
        before: None,
        after: None,
    };
    let pending = api.audit.begin(&identity.org, &entry).await.map_err(|e| unavailable(&e))?;
    match carry_out.await {
        Ok(Change { before, after, result }) => {
            api.audit.complete(&pending, AuditState::Done, Some((before, after))).await;
            Ok((entry.id, result))
        }
        Err(problem) => {
            api.audit.complete(&pending, AuditState::Failed, None).await;
            Err(problem)
        }
    }
}

async fn list(
    State(api): State<Api>,
    identity: Identity,
    page: PageRequest,
) -> Result<Json<List<AuditEntryResponse>>, Problem> {
    identity.at_least(Role::Admin)?;
    let after = cursor(&page)?;
    let found = api.audit.list(&identity.org, page.limit, after.as_ref()).await;
    let (entries, next) = found.map_err(|e| unavailable(&e))?;
    Ok(Json(list_of(entries.into_iter().map(entry_response).collect(), next)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use web::body::parse;

    use super::*;

    /// The rule that a body breaks, if any.
    fn broken<T: serde::de::DeserializeOwned + Validate<Context = ()>>(body: &Value) -> Option<(String, &'static str)> {
        let problem = parse::<T>(body.to_string().as_bytes(), "").err()?;
        let [error] = problem.errors() else { panic!("one error expected: {problem:?}") };
        Some((error.field.clone(), error.rule))
    }

    #[test]
    fn a_reason_is_bounded_and_some_actions_require_one() {
        let (longest, too_long) = ("é".repeat(500), "é".repeat(501));
        let cases = [
            (json!({"reason": longest}), None, None),
            (json!({"reason": too_long}), Some("invalid"), Some("invalid")),
            (json!({"reason": ""}), Some("invalid"), None),
            (json!({}), Some("missing"), None),
            (json!({"reason": null}), Some("type"), Some("type")),
        ];
        for (body, required, optional) in cases {
            let expected = |rule: Option<&'static str>| rule.map(|rule| ("reason".to_owned(), rule));
            assert_eq!(broken::<ReasonRequest>(&body), expected(required), "{body}");
            assert_eq!(broken::<OptionalReasonRequest>(&body), expected(optional), "{body}");
        }
    }
}
