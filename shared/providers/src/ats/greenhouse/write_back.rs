//! Changes. The first step looks the change up, so that a repetition has no second effect.
//!
//! | change | steps |
//! |---|---|
//! | move | look at the application; `POST …/move` with the stage that it was in, which guards against another move |
//! | reject | look; `POST …/reject`; a reason is needed |
//! | hire | look; look for the job's open openings; `POST …/hire` with the first of them, because the change names none |
//! | note | look through the candidate's notes for the reference; `POST /notes` |
//! | submit | look for the mail address, then for an application of one of its owners for this post; post it to the job board. Without an access token there is no look |
//!
//! A change that is refused with 422 after a look may have been made meanwhile, by us or by a person: then one more look decides.

use bytes::Bytes;
use domain::ats::{Kind, ObjectRef};
use domain::write_back::{Change, ChangeKind};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::auth::{USER, basic, url};
use super::{Greenhouse, requests, responses, wire};
use crate::ats::port::{AtsError, ChangeProgress, Context, WriteBack};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// The last look, after a change was refused.
const AGAIN: &str = "again";
/// The step that changes, where nothing has to be known for it.
const DO: &str = "do";

fn post(context: &Context<'_>, path: &str, body: &Value) -> Result<HttpRequest, AtsError> {
    let mut headers = requests::headers(context)?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let url = url(context, "harvest", &format!("/v3/{path}"))?;
    Ok(HttpRequest { method: Method::POST, url, headers, body: Bytes::from(body.to_string()) })
}

/// A number that becomes a part of a path or of a body.
fn id(text: &str) -> Result<u64, AtsError> {
    text.parse().map_err(|_| AtsError::Refused("an id of this provider is a number".into()))
}

fn invalid_step() -> AtsError {
    AtsError::Refused("this is no step of that change".into())
}

impl WriteBack for Greenhouse {
    fn changes(&self) -> &'static [ChangeKind] {
        &[ChangeKind::MoveStage, ChangeKind::Note, ChangeKind::Reject, ChangeKind::Hire, ChangeKind::Submit]
    }

    fn change_request(&self, context: &Context<'_>, change: &Change, step: &str) -> Result<HttpRequest, AtsError> {
        match (change, step.split_once(':').unwrap_or((step, ""))) {
            (
                Change::MoveStage { application, .. }
                | Change::Reject { application, .. }
                | Change::Hire { application },
                ("" | AGAIN, _),
            ) => requests::get(context, "applications", &[("ids", &id(application)?.to_string())]),
            (Change::MoveStage { application, stage }, ("from", from)) => {
                let body = json!({"from_stage_id": id(from)?, "to_stage_id": id(stage)?});
                post(context, &format!("applications/{}/move", id(application)?), &body)
            }
            (Change::Reject { application, reason }, (DO, _)) => {
                let reason = reason.as_deref().ok_or_else(|| AtsError::Refused("a reason is needed".into()))?;
                let body = json!({"rejection_reason_id": id(reason)?});
                post(context, &format!("applications/{}/reject", id(application)?), &body)
            }
            (Change::Hire { .. }, ("openings", job)) => {
                requests::get(context, "openings", &[("job_ids", job), ("open", "true"), ("per_page", "500")])
            }
            (Change::Hire { application }, ("fill", opening)) => {
                post(context, &format!("applications/{}/hire", id(application)?), &json!({"opening_id": id(opening)?}))
            }
            (Change::Note { candidate, .. }, ("", _)) => {
                requests::get(context, "notes", &[("candidate_ids", &id(candidate)?.to_string()), ("per_page", "500")])
            }
            (Change::Note { .. }, ("notes", follows)) => requests::get(context, "notes", &[("cursor", follows)]),
            (Change::Note { candidate, text, reference, .. }, (DO, _)) => {
                let mut body = json!({
                    "candidate_id": id(candidate)?, "body": format!("{text}\n\n[{reference}]"), "visibility": "public",
                    "note_type": "NOTE",
                });
                if let (Some(user), Some(fields)) = (context.settings.get(USER), body.as_object_mut()) {
                    fields.insert("user_id".to_owned(), json!(id(user)?));
                }
                post(context, "notes", &body)
            }
            (Change::Submit { email, .. }, ("", _)) if context.token.is_some() => {
                requests::get(context, "candidates", &[("email", email), ("per_page", "50")])
            }
            (Change::Submit { job, .. }, ("of", people)) => {
                let job = id(job)?.to_string();
                requests::get(
                    context,
                    "applications",
                    &[("candidate_ids", people), ("job_post_ids", &job), ("per_page", "500")],
                )
            }
            (Change::Submit { .. }, ("" | DO, _)) => submit(context, change),
            _ => Err(invalid_step()),
        }
    }

    fn parse_change(
        &self,
        context: &Context<'_>,
        change: &Change,
        step: &str,
        answer: &Reply,
    ) -> Result<ChangeProgress, AtsError> {
        match (change, step.split_once(':').unwrap_or((step, ""))) {
            (
                Change::MoveStage { application, .. }
                | Change::Reject { application, .. }
                | Change::Hire { application },
                (look @ ("" | AGAIN), _),
            ) => {
                let rows: Vec<wire::ApplicationStatus> = list(context, answer)?;
                let current = rows.into_iter().find(|row| row.id.to_string() == *application);
                let current = current.ok_or_else(|| AtsError::Refused("there is no such application".into()))?;
                looked(change, &current, look == AGAIN)
            }
            (Change::MoveStage { application, .. }, ("from", _)) | (Change::Reject { application, .. }, (DO, _)) => {
                changed(context, answer, vec![ObjectRef::new(Kind::Application, application)])
            }
            (Change::Hire { .. }, ("openings", _)) => {
                #[derive(Deserialize)]
                struct Opening {
                    id: u64,
                    sort_order: Option<u64>,
                }
                let openings: Vec<Opening> = list(context, answer)?;
                let first = openings.iter().min_by_key(|opening| (opening.sort_order, opening.id));
                let first = first.ok_or_else(|| AtsError::Refused("the job has no open opening".into()))?;
                Ok(ChangeProgress::Next(format!("fill:{}", first.id)))
            }
            (Change::Hire { application }, ("fill", opening)) => {
                let touched = [(Kind::Application, application.as_str()), (Kind::Opening, opening)];
                changed(context, answer, touched.map(|(kind, id)| ObjectRef::new(kind, id)).to_vec())
            }
            (Change::Note { reference, .. }, ("" | "notes", _)) => {
                #[derive(Deserialize)]
                struct Note {
                    body: Option<String>,
                }
                let reference = format!("[{reference}]");
                let notes: Vec<Note> = list(context, answer)?;
                if notes.iter().any(|note| note.body.as_deref().is_some_and(|body| body.contains(&reference))) {
                    return Ok(ChangeProgress::Done(vec![]));
                }
                let follows = responses::next(answer)?;
                Ok(ChangeProgress::Next(follows.map_or_else(|| DO.to_owned(), |follows| format!("notes:{follows}"))))
            }
            (Change::Note { .. }, (DO, _)) if answer.status.is_success() => Ok(ChangeProgress::Done(vec![])),
            (Change::Submit { .. }, ("", _)) if context.token.is_some() => {
                let people: Vec<wire::Stamp> = list(context, answer)?;
                let ids: Vec<String> = people.iter().map(|row| row.id.to_string()).collect();
                Ok(ChangeProgress::Next(if ids.is_empty() { DO.to_owned() } else { format!("of:{}", ids.join(",")) }))
            }
            (Change::Submit { .. }, ("of", _)) => {
                let applications: Vec<wire::ApplicationStatus> = list(context, answer)?;
                let Some(current) = applications.first() else { return Ok(ChangeProgress::Next(DO.to_owned())) };
                let candidate = current.candidate_id.map(|id| ObjectRef::new(Kind::Candidate, id.to_string()));
                let application = ObjectRef::new(Kind::Application, current.id.to_string());
                Ok(ChangeProgress::Done(candidate.into_iter().chain([application]).collect()))
            }
            // The job board does not say what it made; a webhook does, or the next run.
            (Change::Submit { .. }, ("" | DO, _)) if answer.status.is_success() => Ok(ChangeProgress::Done(vec![])),
            (Change::Note { .. } | Change::Submit { .. }, ("" | DO, _)) => Err(responses::failure(answer, context.now)),
            _ => Err(invalid_step()),
        }
    }
}

/// The application as the job board accepts it.
fn submit(context: &Context<'_>, change: &Change) -> Result<HttpRequest, AtsError> {
    let Change::Submit { job, first_name, last_name, email, phone } = change else { return Err(invalid_step()) };
    let mut body = json!({"first_name": first_name, "last_name": last_name, "email": email});
    if let (Some(phone), Some(fields)) = (phone, body.as_object_mut()) {
        fields.insert("phone".to_owned(), json!(phone));
    }
    // A name of a board is a part of the path: nothing in it may lead elsewhere.
    let board = context.account;
    if board.is_empty() || !board.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return Err(AtsError::Refused("the account is no name of a job board".into()));
    }
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, basic(context.credentials.get("board_api_key")?, "")?);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let url = url(context, "boards", &format!("/v1/boards/{board}/jobs/{}", id(job)?))?;
    Ok(HttpRequest { method: Method::POST, url, headers, body: Bytes::from(body.to_string()) })
}

fn list<T: DeserializeOwned>(context: &Context<'_>, answer: &Reply) -> Result<Vec<T>, AtsError> {
    let rows = responses::rows(answer, context.now)?;
    rows.into_iter().map(|row| Ok(json::read_value(row)?)).collect()
}

/// The result of a step that changes something; after a refusal the change is looked up once more.
fn changed(context: &Context<'_>, answer: &Reply, touched: Vec<ObjectRef>) -> Result<ChangeProgress, AtsError> {
    match answer.status {
        status if status.is_success() => Ok(ChangeProgress::Done(touched)),
        StatusCode::UNPROCESSABLE_ENTITY => Ok(ChangeProgress::Next(AGAIN.to_owned())),
        _ => Err(responses::failure(answer, context.now)),
    }
}

/// The result of looking an application up: the change is done, it can be made, or it cannot (any more).
fn looked(change: &Change, current: &wire::ApplicationStatus, last: bool) -> Result<ChangeProgress, AtsError> {
    let (status, stage) = (current.status.as_deref(), current.job_interview_stage_id);
    let (there, next) = match change {
        Change::MoveStage { stage: wanted, .. } => {
            (stage == Some(id(wanted)?), stage.map(|stage| format!("from:{stage}")))
        }
        Change::Reject { .. } => (status == Some("rejected"), Some(DO.to_owned())),
        Change::Hire { .. } => (status == Some("hired"), current.job_id.map(|job| format!("openings:{job}"))),
        Change::Note { .. } | Change::Submit { .. } => return Err(invalid_step()),
    };
    if there {
        return Ok(ChangeProgress::Done(vec![ObjectRef::new(Kind::Application, current.id.to_string())]));
    }
    match next {
        Some(next) if !last && status == Some("in_process") => Ok(ChangeProgress::Next(next)),
        Some(_) if status == Some("in_process") => Err(AtsError::Refused("422 Unprocessable Entity".into())),
        _ => Err(AtsError::Refused("the application is not in progress, or it is of no job".into())),
    }
}

#[cfg(test)]
mod tests {
    use domain::connection::LoginMethod;

    use super::*;
    use crate::ats::greenhouse::fixture::{Parts, reply};

    fn parts() -> Parts {
        Parts::new(LoginMethod::ClientCredentials)
    }

    fn step(change: &Change, step: &str, status: u16, body: &str) -> Result<ChangeProgress, AtsError> {
        Greenhouse.parse_change(&parts().context(), change, step, &reply(status, &[], body))
    }

    fn next(step: &str) -> Result<ChangeProgress, AtsError> {
        Ok(ChangeProgress::Next(step.to_owned()))
    }

    fn done(ids: &[(Kind, &str)]) -> Result<ChangeProgress, AtsError> {
        Ok(ChangeProgress::Done(ids.iter().map(|(kind, id)| ObjectRef::new(*kind, *id)).collect()))
    }

    fn sent(change: &Change, step: &str) -> (String, Value) {
        let call = Greenhouse.change_request(&parts().context(), change, step).expect("a call");
        (call.url.path().to_owned(), serde_json::from_slice(&call.body).unwrap_or_default())
    }

    #[test]
    fn a_move_is_guarded_by_the_stage_that_it_begins_from() {
        let change = Change::MoveStage { application: "9".into(), stage: "31".into() };
        let there = r#"[{"id":9,"status":"in_process","job_id":5,"job_interview_stage_id":30}]"#;
        assert_eq!(step(&change, "", 200, there), next("from:30"));
        let body = json!({"from_stage_id": 30, "to_stage_id": 31});
        assert_eq!(sent(&change, "from:30"), ("/v3/applications/9/move".to_owned(), body));
        assert_eq!(step(&change, "from:30", 204, ""), done(&[(Kind::Application, "9")]));
        assert_eq!(step(&change, "from:30", 422, "{}"), next("again"));
        let moved = there.replace("30}", "31}");
        assert_eq!(step(&change, "again", 200, &moved), done(&[(Kind::Application, "9")]));
        assert!(matches!(step(&change, "again", 200, there), Err(AtsError::Refused(_))));
        assert!(matches!(step(&change, "", 200, "[]"), Err(AtsError::Refused(_))));
        let ended = r#"[{"id":9,"status":"rejected","job_interview_stage_id":null}]"#;
        assert!(matches!(step(&change, "", 200, ended), Err(AtsError::Refused(_))));
        assert!(matches!(step(&change, "from:30", 503, ""), Err(AtsError::Unavailable(_))));
    }

    #[test]
    fn rejections_and_hires_are_made_once() {
        let reject = Change::Reject { application: "9".into(), reason: Some("4".into()) };
        let active = r#"[{"id":9,"status":"in_process","job_id":5}]"#;
        assert_eq!(step(&reject, "", 200, active), next("do"));
        assert_eq!(sent(&reject, "do"), ("/v3/applications/9/reject".to_owned(), json!({"rejection_reason_id": 4})));
        assert_eq!(step(&reject, "", 200, r#"[{"id":9,"status":"rejected"}]"#), done(&[(Kind::Application, "9")]));
        let unfounded = Change::Reject { application: "9".into(), reason: None };
        assert!(matches!(Greenhouse.change_request(&parts().context(), &unfounded, "do"), Err(AtsError::Refused(_))));
        let hire = Change::Hire { application: "9".into() };
        assert_eq!(step(&hire, "", 200, active), next("openings:5"));
        let openings = r#"[{"id":8,"sort_order":1},{"id":7,"sort_order":0}]"#;
        assert_eq!(step(&hire, "openings:5", 200, openings), next("fill:7"));
        assert!(matches!(step(&hire, "openings:5", 200, "[]"), Err(AtsError::Refused(_))));
        assert_eq!(sent(&hire, "fill:7"), ("/v3/applications/9/hire".to_owned(), json!({"opening_id": 7})));
        assert_eq!(step(&hire, "fill:7", 204, ""), done(&[(Kind::Application, "9"), (Kind::Opening, "7")]));
    }

    #[test]
    fn a_note_is_found_again_by_its_reference() {
        let reference = "0198c0de-0000-7000-8000-000000000001".parse().expect("an id");
        let note = Change::Note { application: "9".into(), candidate: "6".into(), text: "Called.".into(), reference };
        let mine = format!(r#"[{{"id":1,"body":null}},{{"id":2,"body":"Called.\n\n[{reference}]"}}]"#);
        assert_eq!(step(&note, "", 200, &mine), done(&[]));
        assert_eq!(step(&note, "", 200, r#"[{"id":1,"body":"Called."}]"#), next("do"));
        let link = [("link", "<https://h.example/v3/notes?cursor=c2>; rel=\"next\"")];
        let more = Greenhouse.parse_change(&parts().context(), &note, "", &reply(200, &link, "[]"));
        assert_eq!(more, next("notes:c2"));
        let (path, body) = sent(&note, "do");
        assert_eq!((path.as_str(), &body["candidate_id"], &body["user_id"]), ("/v3/notes", &json!(6), &json!(1)));
        assert!(body["body"].as_str().is_some_and(|text| text.contains(&reference.to_string())));
        assert_eq!(step(&note, "do", 201, "{}"), done(&[]));
    }

    #[test]
    fn an_application_is_handed_in_unless_it_is_there() {
        let submit = Change::Submit {
            job: "77".into(),
            first_name: "Ada".into(),
            last_name: "King".into(),
            email: "a+b@example.com".into(),
            phone: None,
        };
        let look = Greenhouse.change_request(&parts().context(), &submit, "").expect("a call").url;
        assert_eq!(look.query(), Some("email=a%2Bb%40example.com&per_page=50"));
        assert_eq!(step(&submit, "", 200, "[]"), next("do"));
        assert_eq!(step(&submit, "", 200, r#"[{"id":4},{"id":3}]"#), next("of:4,3"));
        let there = r#"[{"id":12,"candidate_id":4}]"#;
        assert_eq!(step(&submit, "of:4,3", 200, there), done(&[(Kind::Candidate, "4"), (Kind::Application, "12")]));
        assert_eq!(step(&submit, "of:4,3", 200, "[]"), next("do"));
        let call = Greenhouse.change_request(&parts().context(), &submit, "do").expect("a call");
        assert_eq!(call.url.as_str(), "https://boards-api.greenhouse.io/v1/boards/acme/jobs/77");
        let key = call.headers.get(header::AUTHORIZATION).expect("a key");
        assert!(key.is_sensitive() && key == "Basic Yi0xOg==", "b-1:");
        assert_eq!(step(&submit, "do", 200, "{}"), done(&[]));
        assert!(matches!(step(&submit, "do", 422, "{}"), Err(AtsError::Refused(_))));
        // Without a lookup, it is submitted at once.
        let silent = Parts::new(LoginMethod::WebhookOnly);
        let call = Greenhouse.change_request(&silent.context(), &submit, "").expect("a call");
        assert_eq!(call.url.host_str(), Some("boards-api.greenhouse.io"));
        assert_eq!(Greenhouse.parse_change(&silent.context(), &submit, "", &reply(200, &[], "{}")), done(&[]));
    }

    #[test]
    fn strange_ids_and_steps_are_refused_before_anything_is_sent() {
        let change = Change::MoveStage { application: "9/../7".into(), stage: "31".into() };
        for at in ["", "from:30", "do"] {
            assert!(
                matches!(Greenhouse.change_request(&parts().context(), &change, at), Err(AtsError::Refused(_))),
                "{at}"
            );
        }
        let change = Change::Hire { application: "9".into() };
        assert!(Greenhouse.change_request(&parts().context(), &change, "made up").is_err());
    }
}
