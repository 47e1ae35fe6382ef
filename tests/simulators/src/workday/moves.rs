//! What changes something: `Move_Candidate` and `Put_Candidate`.

use super::candidates;
use super::data::{DISPOSITIONS, Person, SOURCES, STAGES, Term};
use super::requisitions::{self, id, invalid_id};
use super::soap::{Asked, Fault, responded};
use super::tenant::Object;
use super::xml::Element;

/// Answers `Move_Candidate`: the application goes to a step of the process, or ends with a disposition.
///
/// # Errors
/// When the request is wrong, or the application cannot go there.
pub fn go(asked: &mut Asked<'_>) -> Result<String, Fault> {
    const DATA: &str = "Move_Candidate_Data";
    const PARAMETERS: &str = "Dynamic_Business_Process_Parameters";
    asked.only(&[], &[PARAMETERS, DATA], &[])?;
    asked.only(&[DATA], &["Job_Application_Reference"], &["Event_Reference", "Candidate_Criteria_Data"])?;
    asked.only(&[PARAMETERS], &["Next_Step_Reference", "Disposition_Step_Reference", "Comment_Data"], &[])?;
    let application = application(asked, &[DATA, "Job_Application_Reference"])?;
    let next = step(asked, (PARAMETERS, "Next_Step_Reference"), &STAGES)?;
    let disposition = step(asked, (PARAMETERS, "Disposition_Step_Reference"), &DISPOSITIONS)?;
    let (_, found) = asked.state.application(application.0, application.1).ok_or_else(|| asked.wrong(&[], "Gone."))?;
    if found.disposition.is_some() {
        return Err(asked.wrong(&[DATA, "Job_Application_Reference"], "The candidate is not active for this job."));
    }
    if next == Some(found.stage) {
        return Err(asked.wrong(&[PARAMETERS, "Next_Step_Reference"], "The step is not a possible next step."));
    }
    let at = asked.state.stamp(asked.now_ms);
    match (next, disposition) {
        (Some(stage), None) => asked.state.change_application(at, application, |found| found.stage = stage),
        (None, Some(disposition)) => {
            asked.state.change_application(at, application, |found| found.disposition = Some(disposition));
        }
        _ => return Err(asked.wrong(&[PARAMETERS], "Enter either a next step or a disposition step.")),
    }
    let event = super::data::wid(&asked.state.name, "event", &at.to_string());
    Ok(responded("Move_Candidate_Response", asked.version, |writer| {
        writer.reference("Event_Reference", None, &[("WID", &event)]);
    }))
}

/// The person's number and the application's that a reference means.
fn application(asked: &Asked<'_>, place: &[&str]) -> Result<(u64, u64), Fault> {
    let Some(reference) = asked.request.at(place) else {
        return Err(asked.wrong(place, "A job application is required."));
    };
    let (kind, id) = id(reference);
    match asked.state.object(kind, id) {
        Some(Object::Application { person, number }) if asked.state.application(person, number).is_some() => {
            Ok((person, number))
        }
        Some(Object::Requisition(_) | Object::Person(_)) => {
            Err(asked.wrong(place, &format!("Invalid instance {id} for Job_Application_Reference")))
        }
        _ => Err(asked.wrong(place, &invalid_id(kind, id))),
    }
}

fn step(asked: &Asked<'_>, (outer, name): (&str, &str), list: &'static [Term]) -> Result<Option<&'static Term>, Fault> {
    requisitions::terms(asked, (outer, name), list, "step").map(|found| found.first().copied())
}

/// Answers `Put_Candidate`: a new candidate, or one more application of a known one.
///
/// # Errors
/// When the request is wrong, or the requisition takes no applications.
pub fn put(asked: &mut Asked<'_>) -> Result<String, Fault> {
    const DATA: &str = "Candidate_Data";
    asked.only(&[], &["Candidate_Reference", DATA], &[])?;
    let known = ["Candidate_ID", "Name_Data", "Contact_Data", "Job_Application_Data"];
    let not_here =
        ["Pre-Hire_Reference", "Worker_Reference", "Social_Media_Account_Data", "Status_Data", "Prospect_Data"];
    asked.only(&[DATA], &known, &not_here)?;
    let now = asked.state.told_now(asked.now_ms);
    let request = asked.request;
    let text = |names: &[&str]| request.at(&[DATA]).and_then(|data| data.text_at(names)).map(str::to_owned);
    let existing = request.child("Candidate_Reference");
    let existing =
        existing.map(|reference| candidates::one(asked, reference, &["Candidate_Reference"], now)).transpose()?;
    let add_only = matches!(request.attribute("Add_Only"), Some("true" | "1"));
    if add_only && existing.is_some() {
        return Err(asked.wrong(&["Candidate_Reference"], "Add Only is set, and the candidate exists already."));
    }
    let wanted = text(&["Candidate_ID"]);
    let taken = |wanted: &str| asked.state.object("Candidate_ID", wanted).is_some();
    if existing.is_none() && wanted.as_deref().is_some_and(taken) {
        return Err(asked.wrong(&[DATA, "Candidate_ID"], "The Candidate ID is in use already."));
    }
    let applied = requisitions(asked, now)?;
    let at = asked.state.stamp(asked.now_ms);
    let mut person = match existing {
        Some(person) => Person::clone(&person),
        None => new_person(asked, at, wanted),
    };
    let (first, last) = (text(&["Name_Data", "First_Name"]), text(&["Name_Data", "Last_Name"]));
    person.first = first.unwrap_or(person.first);
    person.last = last.unwrap_or(person.last);
    person.email = text(&["Contact_Data", "Email_Address"]).or(person.email);
    person.phone = text(&["Contact_Data", "Phone_Number"]).or(person.phone);
    if person.last.is_empty() {
        return Err(asked.wrong(&[DATA, "Name_Data"], "Last Name is required."));
    }
    let [source, ..] = &SOURCES;
    let numbers: Vec<u64> =
        applied.into_iter().map(|requisition| asked.state.apply(at, &mut person, requisition, source)).collect();
    asked.state.put_person(at, person.clone());
    let state = &*asked.state;
    Ok(responded("Put_Candidate_Response", asked.version, |writer| {
        candidates::reference(writer, state, &person);
        for application in person.applications.iter().filter(|application| numbers.contains(&application.number)) {
            writer.within("Candidate_Job_Application_Data", |writer| {
                candidates::application_reference(writer, state, application);
                requisitions::reference(writer, state, application.requisition);
            });
        }
    }))
}

fn new_person(asked: &mut Asked<'_>, at: i64, id: Option<String>) -> Person {
    let person = Person::new(asked.state.number(), at);
    Person { id: id.unwrap_or_else(|| person.id.clone()), ..person }
}

/// The requisitions to which the candidate applies.
fn requisitions(asked: &Asked<'_>, now: i64) -> Result<Vec<u64>, Fault> {
    const PLACE: [&str; 4] =
        ["Candidate_Data", "Job_Application_Data", "Job_Applied_To_Data", "Job_Requisition_Reference"];
    let [outer, data, to, reference] = PLACE;
    let all: Vec<&Element> = asked
        .request
        .child(outer)
        .into_iter()
        .flat_map(|outer| outer.all(data))
        .flat_map(|data| data.all(to))
        .collect();
    let mut found = Vec::new();
    for applied in all {
        let Some(job) = applied.child(reference) else {
            return Err(asked.wrong(&PLACE, "A job requisition is required."));
        };
        if applied.child("Stage_Reference").is_none() {
            return Err(asked.wrong(&[outer, data, to, "Stage_Reference"], "A stage is required."));
        }
        let number = requisitions::one(asked, job, &PLACE, now)?.number;
        if !asked.state.takes_applications(number) {
            return Err(asked.wrong(&PLACE, "The job requisition is not open."));
        }
        found.push(number);
    }
    Ok(found)
}
