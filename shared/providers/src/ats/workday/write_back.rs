//! Our changes: `Move_Candidate` for stages, dispositions and hires, `Put_Candidate` for applications.
//!
//! Steps are those of the tenant's own process, by WID or `Workflow_Step_ID`. No operation names the step of a hire, so
//! that a setting has to.

use domain::ats::{Kind, ObjectRef};
use domain::write_back::{Change, ChangeKind};
use jiff::Timestamp;

use super::mapping::candidates;
use super::soap::{self, Request};
use super::xml::{Node, element, leaf, reference};
use super::{Workday, auth};
use crate::ats::port::{AtsError, ChangeProgress, Context, WriteBack};
use crate::transport::http::{HttpRequest, Reply};

const MOVED: &str = "Move_Candidate_Response";
const PUT: &str = "Put_Candidate_Response";
/// The step that submits an application of a new person; otherwise the candidate follows.
const ADD: &str = "add";

impl WriteBack for Workday {
    fn changes(&self) -> &'static [ChangeKind] {
        &[ChangeKind::MoveStage, ChangeKind::Reject, ChangeKind::Hire, ChangeKind::Submit]
    }

    fn change_request(&self, context: &Context<'_>, change: &Change, step: &str) -> Result<HttpRequest, AtsError> {
        soap::call(context, &request(context, change, step)?)
    }

    fn parse_change(
        &self,
        context: &Context<'_>,
        change: &Change,
        step: &str,
        reply: &Reply,
    ) -> Result<ChangeProgress, AtsError> {
        read(change, step, (reply, context.now))
    }
}

/// The operation of a step.
///
/// # Errors
/// When the change cannot be made.
fn request(context: &Context<'_>, change: &Change, step: &str) -> Result<Request, AtsError> {
    match change {
        Change::MoveStage { application, stage } => Ok(moved(application, "Next_Step_Reference", stage)),
        Change::Reject { application, reason: Some(reason) } => {
            Ok(moved(application, "Disposition_Step_Reference", reason))
        }
        Change::Reject { reason: None, .. } => {
            Err(AtsError::Refused("Workday turns nobody down without a reason".into()))
        }
        Change::Hire { application } => {
            let step = context.settings.get(auth::HIRE_STEP);
            let step =
                step.ok_or_else(|| AtsError::Refused(format!("the setting `{}` is missing", auth::HIRE_STEP).into()))?;
            Ok(moved(application, "Next_Step_Reference", step))
        }
        Change::Submit { email, .. } if step.is_empty() => {
            let filter = element("Response_Filter", &leaf("Count", "100"));
            Ok(candidates::request(&candidates::with_email(email), &filter))
        }
        Change::Submit { .. } => Ok(put(change, step)),
        Change::Note { .. } => Err(AtsError::Refused("Workday takes no notes on applications".into())),
    }
}

fn moved(application: &str, kind: &str, step: &str) -> Request {
    let is_wid = step.len() == 32 && step.bytes().all(|byte| byte.is_ascii_hexdigit());
    let step = reference(kind, if is_wid { "WID" } else { "Workflow_Step_ID" }, step);
    let application = reference("Job_Application_Reference", "WID", application);
    let inner = element("Dynamic_Business_Process_Parameters", &step) + &element("Move_Candidate_Data", &application);
    Request { name: "Move_Candidate_Request", inner }
}

fn put(change: &Change, step: &str) -> Request {
    let mut data = String::new();
    if let Change::Submit { job, first_name, last_name, email, phone } = change {
        let name = [("First_Name", first_name), ("Last_Name", last_name)].map(|(name, text)| leaf(name, text));
        let phone = phone.as_ref().map(|phone| leaf("Phone_Number", phone)).unwrap_or_default();
        // The first stage of every process is the review.
        let applied = reference("Job_Requisition_Reference", "WID", job)
            + &reference("Stage_Reference", "Recruiting_Stage_ID", "REVIEW");
        data = element("Name_Data", &name.concat())
            + &element("Contact_Data", &(phone + &leaf("Email_Address", email)))
            + &element("Job_Application_Data", &element("Job_Applied_To_Data", &applied));
    }
    let known = step.split_once(':').map(|(_, candidate)| reference("Candidate_Reference", "WID", candidate));
    let inner = known.unwrap_or_default() + &element("Candidate_Data", &data);
    Request { name: "Put_Candidate_Request", inner }
}

/// Parses the response to a step.
///
/// # Errors
/// When the change was not made.
fn read(change: &Change, step: &str, reply: (&Reply, Timestamp)) -> Result<ChangeProgress, AtsError> {
    match change {
        Change::MoveStage { application, .. } | Change::Reject { application, .. } | Change::Hire { application } => {
            soap::answer(reply, MOVED)?;
            Ok(ChangeProgress::Done(vec![ObjectRef::new(Kind::Application, application.as_str())]))
        }
        Change::Submit { job, .. } if step.is_empty() => Ok(looked(&soap::answer(reply, candidates::RESPONSE)?, job)),
        Change::Submit { .. } => Ok(ChangeProgress::Done(submitted(&soap::answer(reply, PUT)?))),
        Change::Note { .. } => Err(AtsError::Refused("Workday takes no notes on applications".into())),
    }
}

/// Whether a candidate with that address has applied to the requisition already.
fn looked(answer: &Node, job: &str) -> ChangeProgress {
    let mut known = None;
    for row in candidates::rows(answer) {
        let Some(candidate) = candidates::id(row) else { continue };
        for (application, requisition) in candidates::applications(row).map(candidates::application_ids) {
            if let (Some(application), true) = (application, requisition == Some(job)) {
                return ChangeProgress::Done(vec![
                    ObjectRef::new(Kind::Candidate, candidate),
                    ObjectRef::new(Kind::Application, application),
                ]);
            }
        }
        known = known.or(Some(candidate));
    }
    ChangeProgress::Next(known.map_or_else(|| ADD.to_owned(), |candidate| format!("{ADD}:{candidate}")))
}

fn submitted(answer: &Node) -> Vec<ObjectRef> {
    let candidate = candidates::id(answer).map(|id| ObjectRef::new(Kind::Candidate, id));
    let made = answer.every("Candidate_Job_Application_Data").filter_map(|made| candidates::application_ids(made).0);
    candidate.into_iter().chain(made.map(|id| ObjectRef::new(Kind::Application, id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> Change {
        Change::Submit {
            job: "j1".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "L & Co".to_owned(),
            email: "ada@example.com".to_owned(),
            phone: None,
        }
    }

    fn found(inner: &str) -> Node {
        Node::parse(format!("<R><Response_Data>{inner}</Response_Data></R>").as_bytes()).expect("readable")
    }

    #[test]
    fn who_applied_already_is_not_handed_in_again() {
        let id = |name: &str, id: &str| format!("<{name}><ID type='WID'>{id}</ID></{name}>");
        let person = |candidate: &str, application: &str, job: &str| {
            format!(
                "<Candidate>{}<Candidate_Data><Job_Application_Data><Job_Applied_To_Data>{}{}</Job_Applied_To_Data>\
                 </Job_Application_Data></Candidate_Data></Candidate>",
                id("Candidate_Reference", candidate),
                id("Job_Application_Reference", application),
                id("Job_Requisition_Reference", job)
            )
        };
        assert_eq!(looked(&found(""), "j1"), ChangeProgress::Next("add".to_owned()));
        let other = person("c1", "a1", "j2");
        assert_eq!(looked(&found(&other), "j1"), ChangeProgress::Next("add:c1".to_owned()));
        let both = other + &person("c2", "a2", "j1");
        let done = vec![ObjectRef::new(Kind::Candidate, "c2"), ObjectRef::new(Kind::Application, "a2")];
        assert_eq!(looked(&found(&both), "j1"), ChangeProgress::Done(done));
    }

    #[test]
    fn a_known_candidate_is_named_and_everything_is_escaped() {
        let text = put(&change(), "add:c1").inner;
        assert!(text.starts_with("<wd:Candidate_Reference><wd:ID wd:type=\"WID\">c1<"), "{text}");
        assert!(text.contains("L &amp; Co") && !put(&change(), "add").inner.contains("Candidate_Reference"));
        let step = moved("a1", "Next_Step_Reference", &"0a".repeat(16)).inner;
        assert!(step.contains("wd:type=\"WID\">0a0a") && !step.contains("Workflow_Step_ID"));
    }
}
