//! Changes at an applicant tracking system: requested here, made by a worker.
//!
//! A change that the provider does not offer is refused here, where the caller can still choose another one. What must never be
//! here: a request to a provider.

use aws::{clock, random};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use domain::FORMAT_VERSION;
use domain::action::{Action, ActionState};
use domain::ats::{Application, Candidate, content_hash};
use domain::connection::{Connection, ConnectionStatus, LoginMethod};
use domain::failure::Failure;
use domain::id::{ActionId, ApplicationId, ConnectionId, OrgId};
use domain::message::ActionJob;
use domain::text::{mail_address, one_line, phone_number};
use domain::write_back::{Change, ChangeKind};
use garde::Validate;
use http::HeaderMap;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::records::{Created, Recorded};
use web::accept::{accepted, id_for, not_enqueued};
use web::body::Checked;
use web::identity::Identity;
use web::problem::Problem;

use crate::api::Api;
use crate::records::{FromRecord, list, read};
use crate::request::id;
use crate::response::{not_found, unavailable};

/// The name of a change to an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ActionName {
    MoveStage,
    Note,
    Reject,
    Hire,
}

/// The body of a request to change an application at its provider. The action decides which fields are allowed.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct CreateActionRequest {
    #[garde(skip)]
    action: ActionName,
    /// The provider's id of the stage.
    #[garde(inner(length(chars, max = 200), custom(one_line)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[garde(inner(length(chars, max = 5_000), custom(not_blank)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// The provider's id of the reason.
    #[garde(inner(length(chars, max = 200), custom(one_line)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The body of a request to submit an application to a provider.
#[derive(Debug, Serialize, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct SubmitApplicationRequest {
    /// The provider's id of the job.
    #[garde(length(chars, max = 200), custom(one_line))]
    job: String,
    #[garde(length(chars, max = 100), custom(one_line))]
    first_name: String,
    #[garde(length(chars, max = 100), custom(one_line))]
    last_name: String,
    #[garde(length(bytes, max = 254), email, custom(mail_address))]
    email: String,
    #[garde(inner(custom(phone_number)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

fn not_blank(value: &str, _: &()) -> garde::Result {
    if value.trim().is_empty() { Err(garde::Error::new("a text is expected")) } else { Ok(()) }
}

/// A requested change, validated as a whole.
#[derive(Debug, PartialEq, Eq)]
enum RequestedChange {
    MoveStage(String),
    Note(String),
    Reject(Option<String>),
    Hire,
}

impl CreateActionRequest {
    /// The requested change; fields of other actions are refused.
    fn change(self) -> Result<RequestedChange, Problem> {
        let Self { action, stage, text, reason } = self;
        let foreign = |field: &str, given: bool| {
            if given { Err(Problem::invalid_field(field, "unknown", "this action does not take it")) } else { Ok(()) }
        };
        foreign("stage", stage.is_some() && action != ActionName::MoveStage)?;
        foreign("text", text.is_some() && action != ActionName::Note)?;
        foreign("reason", reason.is_some() && action != ActionName::Reject)?;
        let needed = |field: &str, value: Option<String>| {
            value.ok_or_else(|| Problem::invalid_field(field, "missing", "this action needs it"))
        };
        Ok(match action {
            ActionName::MoveStage => RequestedChange::MoveStage(needed("stage", stage)?),
            ActionName::Note => RequestedChange::Note(needed("text", text)?),
            ActionName::Reject => RequestedChange::Reject(reason),
            ActionName::Hire => RequestedChange::Hire,
        })
    }
}

impl RequestedChange {
    const fn kind(&self) -> ChangeKind {
        match self {
            Self::MoveStage(_) => ChangeKind::MoveStage,
            Self::Note(_) => ChangeKind::Note,
            Self::Reject(_) => ChangeKind::Reject,
            Self::Hire => ChangeKind::Hire,
        }
    }
}

/// An action, as the API shows it.
#[derive(Debug, Serialize)]
struct ActionResponse {
    id: ActionId,
    connection: ConnectionId,
    application_id: Option<ApplicationId>,
    change: Change,
    state: ActionState,
    attempts: u32,
    failure: Option<Failure>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// Renders an action, which holds its times itself.
fn action_response(action: Action) -> ActionResponse {
    let Action { v: _, id, connection, application, change, state, attempts, failure, created_at, updated_at } = action;
    ActionResponse {
        id,
        connection,
        application_id: application,
        change,
        state,
        attempts,
        failure,
        created_at,
        updated_at,
    }
}

impl FromRecord<Action> for ActionResponse {
    fn from_record(recorded: Recorded<Action>) -> Self {
        action_response(recorded.value)
    }
}

pub(crate) fn routes() -> Router<Api> {
    Router::new()
        .route("/api/applications/{id}/actions", post(act))
        .route("/api/connections/{id}/submissions", post(submit))
        .route("/api/actions", get(list::<Action, ActionResponse>))
        .route("/api/actions/{id}", get(read::<Action, ActionResponse, ActionId>))
}

async fn act(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    headers: HeaderMap,
    Checked(new): Checked<CreateActionRequest>,
) -> Result<Response, Problem> {
    let Identity { org, .. } = identity;
    let application: ApplicationId = id(&text, "application")?;
    let request = content_hash(&(application, &new));
    let requested = new.change()?;
    let id = id_for(&headers, &org, || ActionId::fresh(random::fresh_id()), ActionId::derived)?;
    let found = api.records.get::<Application>(&org, &application.to_string()).await.map_err(|e| unavailable(&e))?;
    let Application { candidate, source, .. } = found.ok_or_else(|| not_found("application"))?;
    let candidate = candidate.to_string();
    let person = async {
        if requested.kind() != ChangeKind::Note {
            return Ok(None);
        }
        api.records.get::<Candidate>(&org, &candidate).await
    };
    let (connection, person) =
        tokio::try_join!(api.records.get::<Connection>(&org, source.connection.as_str()), person)
            .map_err(|e| unavailable(&e))?;
    let Some(connection) = connection else {
        return Err(Problem::conflict("this application is of no applicant tracking system that is connected"));
    };
    offered(&connection, requested.kind())?;
    let at_provider = source.provider_id;
    let change = match requested {
        RequestedChange::MoveStage(stage) => Change::MoveStage { application: at_provider, stage },
        RequestedChange::Note(text) => {
            let Some(Candidate { source, .. }) = person else {
                return Err(Problem::conflict("nothing is known of the candidate of this application yet"));
            };
            Change::Note { application: at_provider, candidate: source.provider_id, text, reference: id }
        }
        RequestedChange::Reject(reason) => Change::Reject { application: at_provider, reason },
        RequestedChange::Hire => Change::Hire { application: at_provider },
    };
    let action = Action::accepted(id, connection.id, Some(application), change, clock::now());
    record(&api, org, action, &request).await
}

async fn submit(
    State(api): State<Api>,
    identity: Identity,
    Path(text): Path<String>,
    headers: HeaderMap,
    Checked(new): Checked<SubmitApplicationRequest>,
) -> Result<Response, Problem> {
    let Identity { org, .. } = identity;
    let connection: ConnectionId = id(&text, "connection")?;
    let request = content_hash(&(&connection, &new));
    let id = id_for(&headers, &org, || ActionId::fresh(random::fresh_id()), ActionId::derived)?;
    let found = api.records.get::<Connection>(&org, connection.as_str()).await.map_err(|e| unavailable(&e))?;
    let connection = found.filter(|found| found.status != ConnectionStatus::Deleted);
    let connection = connection.ok_or_else(|| not_found("connection"))?;
    offered(&connection, ChangeKind::Submit)?;
    let SubmitApplicationRequest { job, first_name, last_name, email, phone } = new;
    let change = Change::Submit { job, first_name, last_name, email, phone };
    let action = Action::accepted(id, connection.id, None, change, clock::now());
    record(&api, org, action, &request).await
}

/// Records an action and enqueues it.
async fn record(api: &Api, org: OrgId, action: Action, request: &str) -> Result<Response, Problem> {
    let created = api.records.create(&org, &action, request, clock::now()).await.map_err(|e| unavailable(&e))?;
    let action = match created {
        Created::New => action,
        Created::Same(existing) => existing,
        Created::Other => return Err(Problem::key_reused()),
    };
    let id = action.id;
    if action.state == ActionState::Accepted {
        let job = ActionJob { v: FORMAT_VERSION, org, connection: action.connection.clone(), action: id };
        api.action_queue.send(&job).await.map_err(|e| not_enqueued(&e))?;
    }
    Ok(accepted(&format!("/api/actions/{id}"), &action_response(action)))
}

/// Refuses a change that a connection cannot make, and lists the changes that it can.
fn offered(connection: &Connection, kind: ChangeKind) -> Result<(), Problem> {
    let provider = providers::ats::find(&connection.provider);
    let name = provider.map_or(connection.provider.as_str(), |provider| provider.info.name);
    let write_back = provider.and_then(|provider| provider.api.write_back());
    let all = write_back.map(|write_back| write_back.changes()).unwrap_or_default();
    let reason = match connection.status {
        ConnectionStatus::Active | ConnectionStatus::Checking => None,
        ConnectionStatus::Paused => Some("it is paused"),
        ConnectionStatus::Refused => Some("the provider refuses its credentials"),
        ConnectionStatus::NeedsReauthorisation => Some("it has to be authorised again"),
        ConnectionStatus::Deleted => Some("it was removed"),
        ConnectionStatus::Unknown => Some("its state is not known"),
    };
    let reason = reason.or_else(|| (connection.login == LoginMethod::WebhookOnly).then_some("it has no credentials"));
    if let Some(reason) = reason {
        return Err(Problem::conflict(format!(
            "nothing can be changed by the connection `{}`: {reason}",
            connection.id
        )));
    }
    if all.contains(&kind) {
        return Ok(());
    }
    let possible: Vec<&str> = all.iter().map(|kind| kind.as_str()).collect();
    let possible = if possible.is_empty() { "nothing".to_owned() } else { possible.join(", ") };
    Err(Problem::conflict(format!("{name} does not offer `{}` by its API; possible: {possible}", kind.as_str())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};
    use web::body::parse;

    use super::*;

    fn wanted(body: Value) -> Result<RequestedChange, Problem> {
        parse::<CreateActionRequest>(body.to_string().as_bytes(), "")?.change()
    }

    #[track_caller]
    fn blamed<T: std::fmt::Debug>(read: Result<T, Problem>, field: &str, rule: &str) {
        let problem = read.expect_err("refused");
        let [error] = problem.errors() else { panic!("one error is expected: {problem:?}") };
        assert_eq!((error.field.as_str(), error.rule), (field, rule), "{error:?}");
    }

    #[test]
    fn an_action_takes_its_own_fields_and_no_others() {
        let good = |body: Value| wanted(body).expect("an action");
        assert_eq!(good(json!({"action": "move-stage", "stage": "3"})), RequestedChange::MoveStage("3".to_owned()));
        assert_eq!(
            good(json!({"action": "note", "text": "Call\nback"})),
            RequestedChange::Note("Call\nback".to_owned())
        );
        assert_eq!(good(json!({"action": "reject"})), RequestedChange::Reject(None));
        assert_eq!(good(json!({"action": "reject", "reason": "7"})), RequestedChange::Reject(Some("7".to_owned())));
        assert_eq!(good(json!({"action": "hire"})), RequestedChange::Hire);
        blamed(wanted(json!({"action": "move-stage"})), "stage", "missing");
        blamed(wanted(json!({"action": "note", "reason": "7"})), "reason", "unknown");
        blamed(wanted(json!({"action": "note"})), "text", "missing");
        blamed(wanted(json!({"action": "hire", "stage": "3"})), "stage", "unknown");
        blamed(wanted(json!({"action": "reject", "text": "no"})), "text", "unknown");
        blamed(wanted(json!({"action": "fire"})), "action", "unknown-value");
        blamed(wanted(json!({"action": "hire", "now": true})), "now", "unknown");
        blamed(wanted(json!({})), "action", "missing");
        for text in ["", " \n ", &"x".repeat(5_001)] {
            blamed(wanted(json!({"action": "note", "text": text})), "text", "invalid");
        }
        assert!(wanted(json!({"action": "note", "text": "é".repeat(5_000)})).is_ok());
        blamed(wanted(json!({"action": "move-stage", "stage": "3\n4"})), "stage", "invalid");
    }

    #[test]
    fn a_submission_names_a_person_who_can_be_answered() {
        let good = json!({"job": "7", "first_name": "Ada", "last_name": "Byron", "email": "ada@example.com"});
        let read = |field: &str, value: Value| {
            let mut body = good.clone();
            body[field] = value;
            parse::<SubmitApplicationRequest>(body.to_string().as_bytes(), "")
        };
        assert!(read("phone", json!("+44 20 7946 0123")).is_ok());
        for (field, value) in [("job", ""), ("first_name", ""), ("last_name", "a\nb"), ("email", "ada"), ("phone", "x")]
        {
            let problem = read(field, json!(value)).expect_err("refused");
            assert!(problem.errors().iter().all(|error| error.field == field), "{field}: {problem:?}");
        }
    }

    #[test]
    fn what_a_connection_cannot_do_is_refused_with_what_it_can() {
        let connection = |provider: &str, login, status| Connection {
            v: 1,
            id: "here".parse().expect("slug"),
            provider: provider.to_owned(),
            status,
            detail: None,
            login,
            account: None,
            settings: BTreeMap::new(),
            created_at: Timestamp::UNIX_EPOCH,
        };
        let detail = |connection: &Connection, kind| {
            let problem = offered(connection, kind).expect_err("refused");
            assert_eq!(problem.status(), 409);
            serde_json::to_value(problem).expect("JSON")["detail"].as_str().expect("a detail").to_owned()
        };
        let active = ConnectionStatus::Active;
        let mail = connection("sendgrid", LoginMethod::ApiKey, active);
        assert!(detail(&mail, ChangeKind::Note).ends_with("possible: nothing"));
        assert!(detail(&connection("nobody", LoginMethod::ApiKey, active), ChangeKind::Hire).contains("nobody"));
        for provider in providers::ats::ALL {
            let id = provider.info.id;
            let known = connection(id, LoginMethod::ApiKey, active);
            let changes = provider.api.write_back().map(|write_back| write_back.changes()).unwrap_or_default();
            for kind in
                [ChangeKind::MoveStage, ChangeKind::Note, ChangeKind::Reject, ChangeKind::Hire, ChangeKind::Submit]
            {
                assert_eq!(offered(&known, kind).is_ok(), changes.contains(&kind), "{} {kind:?}", id);
                let silent = connection(id, LoginMethod::WebhookOnly, active);
                assert!(detail(&silent, kind).contains("no credentials"));
                let paused = connection(id, LoginMethod::ApiKey, ConnectionStatus::Paused);
                assert!(detail(&paused, kind).contains("paused"));
            }
        }
    }
}
