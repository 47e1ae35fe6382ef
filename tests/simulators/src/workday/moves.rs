//! What changes something: `Move_Candidate` and `Put_Candidate`.

use super::candidates;
use super::data::{DISPOSITIONS, Person, SOURCES, STAGES, Term};
use super::requisitions::{self, referenced};
use super::soap::{Fault, Operation, responded};
use super::tenant::Object;
use super::xml::Element;

/// Answers `Move_Candidate`: the application goes to a step of the process, or ends with a disposition.
///
/// # Errors
/// When the request is wrong, or the application cannot go there.
pub fn go(operation: &mut Operation<'_>) -> Result<String, Fault> {
    const DATA: &str = "Move_Candidate_Data";
    const PARAMETERS: &str = "Dynamic_Business_Process_Parameters";
    operation.only(&[], &[PARAMETERS, DATA], &[])?;
    operation.only(&[DATA], &["Job_Application_Reference"], &["Event_Reference", "Candidate_Criteria_Data"])?;
    operation.only(&[PARAMETERS], &["Next_Step_Reference", "Disposition_Step_Reference", "Comment_Data"], &[])?;
    let application = application(operation, &[DATA, "Job_Application_Reference"])?;
    let next = step(operation, (PARAMETERS, "Next_Step_Reference"), &STAGES)?;
    let disposition = step(operation, (PARAMETERS, "Disposition_Step_Reference"), &DISPOSITIONS)?;
    let (_, found) =
        operation.state.application(application.0, application.1).ok_or_else(|| operation.wrong(&[], "Gone."))?;
    if found.disposition.is_some() {
        return Err(operation.wrong(&[DATA, "Job_Application_Reference"], "The candidate is not active for this job."));
    }
    if next == Some(found.stage) {
        return Err(operation.wrong(&[PARAMETERS, "Next_Step_Reference"], "The step is not a possible next step."));
    }
    let at = operation.state.stamp();
    match (next, disposition) {
        (Some(stage), None) => operation.state.change_application(at, application, |found| found.stage = stage),
        (None, Some(disposition)) => {
            operation.state.change_application(at, application, |found| found.disposition = Some(disposition));
        }
        _ => return Err(operation.wrong(&[PARAMETERS], "Enter either a next step or a disposition step.")),
    }
    let event = super::data::wid(&operation.state.name, "event", &at.to_string());
    Ok(responded("Move_Candidate_Response", operation.version, |writer| {
        writer.reference("Event_Reference", None, &[("WID", &event)]);
    }))
}

/// The person's number and the application's that a reference means.
fn application(operation: &Operation<'_>, place: &[&str]) -> Result<(u64, u64), Fault> {
    let Some(reference) = operation.request.at(place) else {
        return Err(operation.wrong(place, "A job application is required."));
    };
    referenced(operation, reference, (place, "Job_Application_Reference"), |object| match object {
        Object::Application { person, number } => {
            Some(operation.state.application(person, number).map(|_| (person, number)))
        }
        Object::Requisition(_) | Object::Person(_) => None,
    })
}

fn step(
    operation: &Operation<'_>,
    (outer, name): (&str, &str),
    list: &'static [Term],
) -> Result<Option<&'static Term>, Fault> {
    requisitions::terms(operation, (outer, name), list, "step").map(|found| found.first().copied())
}

/// Answers `Put_Candidate`: a new candidate, or one more application of a known one.
///
/// # Errors
/// When the request is wrong, or the requisition takes no applications.
pub fn put(operation: &mut Operation<'_>) -> Result<String, Fault> {
    const DATA: &str = "Candidate_Data";
    operation.only(&[], &["Candidate_Reference", DATA], &[])?;
    let known = ["Candidate_ID", "Name_Data", "Contact_Data", "Job_Application_Data"];
    let not_here =
        ["Pre-Hire_Reference", "Worker_Reference", "Social_Media_Account_Data", "Status_Data", "Prospect_Data"];
    operation.only(&[DATA], &known, &not_here)?;
    let now = operation.state.settled_now();
    let request = operation.request;
    let text = |names: &[&str]| request.at(&[DATA]).and_then(|data| data.text_at(names)).map(str::to_owned);
    let existing = request.child("Candidate_Reference");
    let existing =
        existing.map(|reference| candidates::one(operation, reference, &["Candidate_Reference"], now)).transpose()?;
    let add_only = matches!(request.attribute("Add_Only"), Some("true" | "1"));
    if add_only && existing.is_some() {
        return Err(operation.wrong(&["Candidate_Reference"], "Add Only is set, and the candidate exists already."));
    }
    let wanted = text(&["Candidate_ID"]);
    let taken = |wanted: &str| operation.state.object("Candidate_ID", wanted).is_some();
    if existing.is_none() && wanted.as_deref().is_some_and(taken) {
        return Err(operation.wrong(&[DATA, "Candidate_ID"], "The Candidate ID is in use already."));
    }
    let applied = requisitions(operation, now)?;
    let at = operation.state.stamp();
    let mut person = match existing {
        Some(person) => Person::clone(&person),
        None => new_person(operation, at, wanted),
    };
    let (first, last) = (text(&["Name_Data", "First_Name"]), text(&["Name_Data", "Last_Name"]));
    person.first = first.unwrap_or(person.first);
    person.last = last.unwrap_or(person.last);
    person.email = text(&["Contact_Data", "Email_Address"]).or(person.email);
    person.phone = text(&["Contact_Data", "Phone_Number"]).or(person.phone);
    if person.last.is_empty() {
        return Err(operation.wrong(&[DATA, "Name_Data"], "Last Name is required."));
    }
    let [source, ..] = &SOURCES;
    let numbers: Vec<u64> =
        applied.into_iter().map(|requisition| operation.state.apply(at, &mut person, requisition, source)).collect();
    operation.state.put_person(at, person.clone());
    let state = &*operation.state;
    Ok(responded("Put_Candidate_Response", operation.version, |writer| {
        candidates::reference(writer, state, &person);
        for application in person.applications.iter().filter(|application| numbers.contains(&application.number)) {
            writer.within("Candidate_Job_Application_Data", |writer| {
                candidates::application_reference(writer, state, application);
                requisitions::reference(writer, state, application.requisition);
            });
        }
    }))
}

fn new_person(operation: &mut Operation<'_>, at: i64, id: Option<String>) -> Person {
    let person = Person::new(operation.state.number(), at);
    Person { id: id.unwrap_or_else(|| person.id.clone()), ..person }
}

/// The requisitions to which the candidate applies.
fn requisitions(operation: &Operation<'_>, now: i64) -> Result<Vec<u64>, Fault> {
    const PLACE: [&str; 4] =
        ["Candidate_Data", "Job_Application_Data", "Job_Applied_To_Data", "Job_Requisition_Reference"];
    let [outer, data, to, reference] = PLACE;
    let all: Vec<&Element> = operation
        .request
        .child(outer)
        .into_iter()
        .flat_map(|outer| outer.all(data))
        .flat_map(|data| data.all(to))
        .collect();
    let mut found = Vec::new();
    for applied in all {
        let Some(job) = applied.child(reference) else {
            return Err(operation.wrong(&PLACE, "A job requisition is required."));
        };
        if applied.child("Stage_Reference").is_none() {
            return Err(operation.wrong(&[outer, data, to, "Stage_Reference"], "A stage is required."));
        }
        let number = requisitions::one(operation, job, &PLACE, now)?.number;
        if !operation.state.takes_applications(number) {
            return Err(operation.wrong(&PLACE, "The job requisition is not open."));
        }
        found.push(number);
    }
    Ok(found)
}
