//! Changes that we make. Each looks first whether it is there already, so that making it twice makes it once.
//!
//! | change | steps |
//! |---|---|
//! | move to a status | the application; `POST applications/{id}/status` |
//! | rejection | the same with the status that is its reason; without one the setting's, else the first rejection among `/statuses` |
//! | hire | `/statuses`, for the one with the code `HIRED`; then the same |
//! | note | `POST applications/{id}/comments` |
//! | application | the newest applications to the job, for its address; `POST application`, a form |
//!
//! A note has no lookup: no endpoint lists comments. One whose reply was lost may exist twice after a repetition; our
//! reference after its text shows that to a reader.

use bytes::Bytes;
use domain::ats::{ApplicationStatus, Kind, ObjectRef, content_hash};
use domain::write_back::{Change, ChangeKind};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::requests::{applications, call, url};
use super::responses::{id, list, refused};
use super::wire::{Application, Made, Status};
use super::{BambooHr, mapping};
use crate::ats::port::{AtsError, ChangeProgress, Context, WriteBack};
use crate::transport::http::{HttpRequest, Reply};
use crate::transport::json;

/// The status of a rejection that names none.
pub(super) const REJECTION_STATUS: &str = "rejection_status";

/// Steps after the first one, `""`; each has an argument: the status, or the page.
const LOOK: &str = "look ";
const WRITE: &str = "write ";
/// The pages of the newest applications in which one that was handed in is looked for.
const MAX_PAGES: u32 = 4;

/// A step in parts.
enum Step<'a> {
    First,
    Look(&'a str),
    Write(&'a str),
}

fn step(text: &str) -> Result<Step<'_>, AtsError> {
    match (text, text.strip_prefix(LOOK), text.strip_prefix(WRITE)) {
        ("", ..) => Ok(Step::First),
        (_, Some(argument), _) => Ok(Step::Look(argument)),
        (.., Some(argument)) => Ok(Step::Write(argument)),
        _ => Err(invalid_step()),
    }
}

fn invalid_step() -> AtsError {
    AtsError::Refused("this change has no such step".into())
}

/// The status after a change, where it is known without a request.
fn target<'a>(context: &Context<'a>, change: &'a Change) -> Option<&'a str> {
    match change {
        Change::MoveStage { stage, .. } => Some(stage),
        Change::Reject { reason, .. } => {
            reason.as_deref().or_else(|| context.settings.get(REJECTION_STATUS).map(String::as_str))
        }
        Change::Hire { .. } | Change::Note { .. } | Change::Submit { .. } => None,
    }
}

impl WriteBack for BambooHr {
    fn changes(&self) -> &'static [ChangeKind] {
        &[ChangeKind::MoveStage, ChangeKind::Note, ChangeKind::Reject, ChangeKind::Hire, ChangeKind::Submit]
    }

    fn change_request(&self, context: &Context<'_>, change: &Change, text: &str) -> Result<HttpRequest, AtsError> {
        let get = |segments: &[&str]| call(context, Method::GET, url(context, segments)?, None);
        let post = |segments: &[&str], body: &Value| {
            let body = ("application/json", Bytes::from(body.to_string()));
            call(context, Method::POST, url(context, segments)?, Some(body))
        };
        match (change, step(text)?) {
            (
                Change::MoveStage { application, .. }
                | Change::Reject { application, .. }
                | Change::Hire { application },
                step,
            ) => match step {
                Step::First if target(context, change).is_none() => get(&["statuses"]),
                Step::First | Step::Look(_) => get(&["applications", application]),
                Step::Write(status) => {
                    let none = || AtsError::Refused("a status of BambooHR is a number".into());
                    let status: u64 = status.parse().map_err(|_| none())?;
                    post(&["applications", application, "status"], &json!({"status": status}))
                }
            },
            (Change::Note { application, text, reference, .. }, Step::First) => {
                let comment = json!({"type": "comment", "comment": format!("{text}\n\n[{reference}]")});
                post(&["applications", application, "comments"], &comment)
            }
            (Change::Submit { job, .. }, Step::First) => newest(context, job, 1),
            (Change::Submit { job, .. }, Step::Look(page)) => {
                newest(context, job, page.parse().map_err(|_| invalid_step())?)
            }
            (Change::Submit { .. }, Step::Write(_)) => {
                let (kind, body) = form(change)?;
                call(context, Method::POST, url(context, &["application"])?, Some((&kind, body)))
            }
            (Change::Note { .. }, _) => Err(invalid_step()),
        }
    }

    fn parse_change(
        &self,
        context: &Context<'_>,
        change: &Change,
        text: &str,
        reply: &Reply,
    ) -> Result<ChangeProgress, AtsError> {
        if let Some(error) = refused(context, reply, false) {
            return Err(error);
        }
        if reply.status != StatusCode::OK {
            return Err(AtsError::InvalidResponse(format!("{} was not expected", reply.status.as_u16()).into()));
        }
        let touched = |id: &str| ChangeProgress::Done(vec![ObjectRef::new(Kind::Application, id)]);
        match (change, step(text)?) {
            (
                Change::MoveStage { application, .. }
                | Change::Reject { application, .. }
                | Change::Hire { application },
                step,
            ) => match (step, target(context, change)) {
                (Step::First, None) => {
                    Ok(ChangeProgress::Next(format!("{LOOK}{}", rejection_status(context, change, reply)?)))
                }
                (Step::First, Some(target)) | (Step::Look(target), _) => {
                    let there = is_applied(context, change, target, reply)?;
                    Ok(if there { touched(application) } else { ChangeProgress::Next(format!("{WRITE}{target}")) })
                }
                (Step::Write(_), _) => Ok(touched(application)),
            },
            (Change::Note { application, .. }, _) => Ok(touched(application)),
            (Change::Submit { email, .. }, Step::First) => is_submitted(reply, email, 1),
            (Change::Submit { email, .. }, Step::Look(page)) => {
                is_submitted(reply, email, page.parse().map_err(|_| invalid_step())?)
            }
            (Change::Submit { .. }, Step::Write(_)) => {
                let Made { candidate_id } = json::read(&reply.body)?;
                // It is the number of the application, whatever it is called.
                let made = id(Some(&candidate_id));
                made.map(|made| touched(&made)).ok_or_else(|| AtsError::InvalidResponse("it has no number".into()))
            }
        }
    }
}

/// Whether an application is where a change leads. A rejection for no reason is there with any rejection.
fn is_applied(context: &Context<'_>, change: &Change, target: &str, reply: &Reply) -> Result<bool, AtsError> {
    let application: Application = json::read(&reply.body)?;
    let Some(status) = application.status else { return Ok(false) };
    let rejected = mapping::status(context.settings, status.label.as_deref()) == ApplicationStatus::Rejected;
    let any = matches!(change, Change::Reject { reason: None, .. });
    Ok((any && rejected) || status.id.is_some_and(|id| id.to_string() == target))
}

/// The status that means a hire, or a rejection.
fn rejection_status(context: &Context<'_>, change: &Change, reply: &Reply) -> Result<String, AtsError> {
    let statuses: Vec<Status> = json::read(&reply.body)?;
    let fits = |status: &Status| match change {
        Change::Hire { .. } => status.code.as_deref() == Some("HIRED"),
        _ => mapping::status(context.settings, status.name.as_deref()) == ApplicationStatus::Rejected,
    };
    let found = statuses.iter().find(|status| status.enabled != Some(false) && fits(status));
    let none = || AtsError::Refused("this company has no status with that meaning".into());
    found.and_then(|status| id(Some(&status.id))).ok_or_else(none)
}

fn newest(context: &Context<'_>, job: &str, page: u32) -> Result<HttpRequest, AtsError> {
    let mut url = applications(context, page, ("created_date", "DESC"))?;
    url.query_pairs_mut().append_pair("jobId", job);
    call(context, Method::GET, url, None)
}

/// Whether an application with this address is among these.
fn is_submitted(reply: &Reply, email: &str, page: u32) -> Result<ChangeProgress, AtsError> {
    let (rows, next) = list(reply, page)?;
    let same = |row: &Value| {
        let address = row.pointer("/applicant/email").and_then(Value::as_str);
        address.is_some_and(|address| address.trim().eq_ignore_ascii_case(email.trim()))
    };
    if let Some(found) = rows.iter().find(|row| same(row)).and_then(|row| id(row.get("id"))) {
        return Ok(ChangeProgress::Done(vec![ObjectRef::new(Kind::Application, found)]));
    }
    let next = next.filter(|next| *next <= MAX_PAGES);
    Ok(ChangeProgress::Next(next.map_or_else(|| WRITE.to_owned(), |next| format!("{LOOK}{next}"))))
}

/// An application as `multipart/form-data`: the only kind that is documented.
fn form(change: &Change) -> Result<(String, Bytes), AtsError> {
    let Change::Submit { job, first_name, last_name, email, phone } = change else { return Err(invalid_step()) };
    // A hash of what is between the boundaries does not occur in it.
    let boundary = content_hash(change);
    let fields = [
        ("firstName", Some(first_name)),
        ("lastName", Some(last_name)),
        ("email", Some(email)),
        ("phoneNumber", phone.as_ref()),
        ("jobId", Some(job)),
    ];
    let mut body = String::new();
    for (name, value) in fields {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            body.push_str(&format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            ));
        }
    }
    body.push_str(&format!("--{boundary}--\r\n"));
    Ok((format!("multipart/form-data; boundary={boundary}"), Bytes::from(body)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ats::bamboohr::responses::tests::{Fixture, reply};

    fn submit() -> Change {
        Change::Submit {
            job: "22".to_owned(),
            first_name: "Zoë".to_owned(),
            last_name: String::new(),
            email: "zoe@example.com".to_owned(),
            phone: None,
        }
    }

    #[test]
    fn a_form_has_a_boundary_that_is_not_in_it_and_no_empty_fields() {
        let (kind, body) = form(&submit()).expect("a form");
        let boundary = kind.strip_prefix("multipart/form-data; boundary=").expect("a boundary");
        let text = String::from_utf8(body.to_vec()).expect("text");
        assert_eq!(text.matches(boundary).count(), 4, "three fields and the end: {text}");
        assert!(text.contains("name=\"firstName\"\r\n\r\nZoë\r\n") && !text.contains("lastName"), "{text}");
    }

    #[test]
    fn an_application_that_is_there_is_not_handed_in_again() {
        let fixture = Fixture::new();
        let row = |id: u64, email: &str| json!({"id": id, "applicant": {"id": 1, "email": email}});
        let page = |rows: Value, last: bool| reply(200, &json!({"applications": rows, "paginationComplete": last}));
        let acted = |text: &str, reply| BambooHr.parse_change(&fixture.context(), &submit(), text, &reply);
        let found = Ok(ChangeProgress::Done(vec![ObjectRef::new(Kind::Application, "8")]));
        assert_eq!(acted("", page(json!([row(7, "x@example.com"), row(8, "Zoe@Example.com")]), false)), found);
        assert_eq!(
            acted("", page(json!([row(7, "x@example.com")]), false)),
            Ok(ChangeProgress::Next("look 2".to_owned()))
        );
        assert_eq!(acted("look 4", page(json!([row(7, "")]), false)), Ok(ChangeProgress::Next("write ".to_owned())));
        assert_eq!(acted("", page(json!([]), true)), Ok(ChangeProgress::Next("write ".to_owned())));
        let made = reply(200, &json!({"result": "success", "candidateId": 8}));
        assert_eq!(acted("write ", made), found);
        assert!(matches!(acted("write ", reply(200, &json!({}))), Err(AtsError::InvalidResponse(_))));
        assert!(matches!(acted("write ", reply(422, &json!(""))), Err(AtsError::Refused(_))));
        assert!(matches!(acted("other", reply(200, &json!({}))), Err(AtsError::Refused(_))));
    }

    #[test]
    fn a_rejection_for_no_reason_takes_the_first_status_that_is_one() {
        let mut fixture = Fixture::new();
        let change = Change::Reject { application: "58".to_owned(), reason: None };
        let statuses = json!([
            {"id": "1", "code": "NEW", "name": "New", "enabled": true},
            {"id": "9", "code": null, "name": "Not a Fit", "enabled": false},
            {"id": "11", "code": null, "name": "Not Qualified", "enabled": true},
            {"id": "15", "code": "HIRED", "name": "Hired", "enabled": true},
        ]);
        let next = BambooHr.parse_change(&fixture.context(), &change, "", &reply(200, &statuses));
        assert_eq!(next, Ok(ChangeProgress::Next("look 11".to_owned())));
        let is_applied = |id: u64, label: &str| {
            let body = json!({"id": 58, "applicant": {"id": 1}, "status": {"id": id, "label": label}});
            reply(200, &body)
        };
        let done = Ok(ChangeProgress::Done(vec![ObjectRef::new(Kind::Application, "58")]));
        let look = |fixture: &Fixture, change: &Change, reply| {
            BambooHr.parse_change(&fixture.context(), change, "look 11", &reply)
        };
        assert_eq!(look(&fixture, &change, is_applied(9, "Not a Fit")), done, "any rejection is one");
        assert_eq!(look(&fixture, &change, is_applied(2, "Reviewed")), Ok(ChangeProgress::Next("write 11".to_owned())));
        let hire = Change::Hire { application: "58".to_owned() };
        assert_eq!(
            BambooHr.parse_change(&fixture.context(), &hire, "", &reply(200, &statuses)),
            Ok(ChangeProgress::Next("look 15".to_owned()))
        );
        fixture.settings.insert(REJECTION_STATUS.to_owned(), "10".to_owned());
        let call = BambooHr.change_request(&fixture.context(), &change, "").expect("a request");
        assert_eq!((call.method, call.url.path().ends_with("/applications/58")), (Method::GET, true));
        let bad = Change::MoveStage { application: "58".to_owned(), stage: "Reviewed".to_owned() };
        assert!(matches!(
            BambooHr.change_request(&fixture.context(), &bad, "write Reviewed"),
            Err(AtsError::Refused(_))
        ));
    }
}
