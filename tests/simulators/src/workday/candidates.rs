//! `Get_Candidates`: by reference, requisition, stage, source, name, e-mail address, and by when people came or applied.
//! What changed since a time cannot be asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use base64::{Engine, prelude::BASE64_STANDARD};

use super::data::{Application, Person, SOURCES, STAGES, Term};
use super::requisitions::{self, referenced, term, terms};
use super::soap::{Fault, Operation, referred, time};
use super::tenant::{Object, State};
use super::xml::{Element, Writer};

/// A résumé of some kilobytes, which every application has.
static RESUME: LazyLock<String> = LazyLock::new(|| BASE64_STANDARD.encode("Worked hard, learned much. ".repeat(160)));

const CRITERIA: &str = "Request_Criteria";
#[rustfmt::skip]
const CRITERIA_KNOWN: [&str; 10] = [
    "First_Name", "Last_Name", "Candidate_Email_Address", "Job_Requisition_Reference", "Recruiting_Stage_Reference",
    "Applicant_Source_Reference", "Applied_From", "Applied_Through", "Created_From", "Created_Through",
];

/// Answers the operation.
///
/// # Errors
/// When the request is wrong.
pub fn get(operation: &mut Operation<'_>) -> Result<String, Fault> {
    operation.only(&[], &["Request_References", CRITERIA, "Response_Filter", "Response_Group"], &[])?;
    operation.only(
        &[CRITERIA],
        &CRITERIA_KNOWN,
        &["Pre-Hire_Reference", "Worker_Reference", "Internal_Workers_Only"],
    )?;
    operation.only(&["Response_Group"], &["Include_Reference", "Exclude_All_Attachments"], &[])?;
    let filter = operation.filter()?;
    let group = operation.request.child("Response_Group");
    let with_reference = group.is_none_or(|group| group.flag("Include_Reference"));
    let with_resumes = !group.is_some_and(|group| group.flag("Exclude_All_Attachments"));
    let state = &*operation.state;
    let (rows, total) = if let Some(references) = operation.request.child("Request_References") {
        let place = ["Request_References", "Candidate_Reference"];
        filter.rows(
            referred(references, place[1], |reference| one(operation, reference, &place, filter.as_of))?.into_iter(),
        )
    } else {
        let criteria = criteria(operation, filter.as_of)?;
        let seen = |row: Option<&Arc<Person>>| row.filter(|row| criteria.fit(row)).cloned();
        match &criteria.requisitions {
            Some(numbers) => {
                let applicants = numbers.iter().filter_map(|number| state.applicants.get(number)).flatten();
                let people: BTreeSet<u64> = applicants.copied().collect();
                filter.rows(people.iter().rev().filter_map(|number| seen(state.people.at(*number, filter.as_of))))
            }
            None => filter.rows(state.people.newest_first().filter_map(|versions| seen(versions.at(filter.as_of)))),
        }
    };
    Ok(filter.answer(operation.version, "Get_Candidates_Response", rows.len(), total, |writer| {
        rows.iter().for_each(|row| {
            writer.within("Candidate", |writer| {
                if with_reference {
                    reference(writer, state, row);
                }
                writer.within("Candidate_Data", |writer| data(writer, state, row, with_resumes));
            });
        });
    }))
}

/// The candidate that a reference means, as it was at a time.
///
/// # Errors
/// When there was none.
pub fn one(operation: &Operation<'_>, reference: &Element, place: &[&str], as_of: i64) -> Result<Arc<Person>, Fault> {
    referenced(operation, reference, (place, "Candidate_Reference"), |object| match object {
        Object::Person(number) => Some(operation.state.people.at(number, as_of).cloned()),
        Object::Requisition(_) | Object::Application { .. } => None,
    })
}

struct Criteria {
    first: Option<String>,
    last: Option<String>,
    email: Option<String>,
    requisitions: Option<BTreeSet<u64>>,
    stages: Vec<&'static Term>,
    sources: Vec<&'static Term>,
    applied: (i64, i64),
    created: (i64, i64),
}

impl Criteria {
    fn fit(&self, row: &Person) -> bool {
        let same = |wanted: &Option<String>, known: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| known.is_some_and(|known| known.eq_ignore_ascii_case(wanted)))
        };
        same(&self.first, Some(&row.first))
            && same(&self.last, Some(&row.last))
            && same(&self.email, row.email.as_deref())
            && (self.created.0..=self.created.1).contains(&row.created)
            && (!self.looks_at_applications() || row.applications.iter().any(|application| self.fits(application)))
    }

    fn looks_at_applications(&self) -> bool {
        self.requisitions.is_some()
            || !self.stages.is_empty()
            || !self.sources.is_empty()
            || self.applied != (i64::MIN, i64::MAX)
    }

    fn fits(&self, application: &Application) -> bool {
        let any = |list: &[&'static Term], one: &'static Term| list.is_empty() || list.contains(&one);
        self.requisitions.as_ref().is_none_or(|numbers| numbers.contains(&application.requisition))
            && any(&self.stages, application.stage)
            && any(&self.sources, application.source)
            && (self.applied.0..=self.applied.1).contains(&application.applied)
    }
}

fn criteria(operation: &Operation<'_>, as_of: i64) -> Result<Criteria, Fault> {
    const REQUISITION: &str = "Job_Requisition_Reference";
    let text = |name: &str| operation.request.text_at(&[CRITERIA, name]).map(str::to_owned);
    let between = |from: &str, through: &str| -> Result<(i64, i64), Fault> {
        let from = operation.moment(&[CRITERIA, from])?.unwrap_or(i64::MIN);
        Ok((from, operation.moment(&[CRITERIA, through])?.unwrap_or(i64::MAX)))
    };
    let references: Vec<&Element> =
        operation.request.child(CRITERIA).into_iter().flat_map(|criteria| criteria.all(REQUISITION)).collect();
    let place = [CRITERIA, REQUISITION];
    let numbers =
        references.iter().map(|reference| requisitions::one(operation, reference, &place, as_of).map(|row| row.number));
    Ok(Criteria {
        first: text("First_Name"),
        last: text("Last_Name"),
        email: text("Candidate_Email_Address"),
        requisitions: if references.is_empty() { None } else { Some(numbers.collect::<Result<_, _>>()?) },
        stages: terms(operation, (CRITERIA, "Recruiting_Stage_Reference"), &STAGES, "stage")?,
        sources: terms(operation, (CRITERIA, "Applicant_Source_Reference"), &SOURCES, "source")?,
        applied: between("Applied_From", "Applied_Through")?,
        created: between("Created_From", "Created_Through")?,
    })
}

/// Writes a reference to a candidate.
pub fn reference(writer: &mut Writer, state: &State, row: &Person) {
    let descriptor = state.descriptors.then(|| format!("{} ({})", row.name(), row.id));
    let wid = state.person_wid(row.number);
    writer.reference("Candidate_Reference", descriptor.as_deref(), &[("WID", &wid), ("Candidate_ID", &row.id)]);
}

/// Writes a reference to an application.
pub fn application_reference(writer: &mut Writer, state: &State, application: &Application) {
    let (wid, id) = (state.application_wid(application.number), application.id());
    writer.reference("Job_Application_Reference", None, &[("WID", &wid), ("Job_Application_ID", &id)]);
}

fn data(writer: &mut Writer, state: &State, row: &Person, with_resumes: bool) {
    writer.leaf("Candidate_ID", &row.id);
    writer.within("Name_Data", |writer| {
        writer.leaf_if("First_Name", Some(row.first.as_str()).filter(|name| !name.is_empty()));
        writer.leaf_if("Last_Name", Some(row.last.as_str()).filter(|name| !name.is_empty()));
    });
    writer.within("Contact_Data", |writer| {
        writer.leaf_if("Phone_Number", row.phone.as_deref());
        writer.leaf_if("Email_Address", row.email.as_deref());
    });
    writer.within("Status_Data", |writer| {
        writer.flag("Do_Not_Hire", row.do_not_hire);
        writer.flag("Withdrawn", row.withdrawn);
    });
    for application in &row.applications {
        writer.within("Job_Application_Data", |writer| {
            writer.within("Job_Applied_To_Data", |writer| applied_to(writer, state, application));
            if with_resumes {
                writer.within("Resume_Attachment_Data", |writer| {
                    writer.leaf("ID", &format!("RESUME-{}", application.number));
                    writer.leaf("Filename", "resume.txt");
                    writer.leaf("File_Content", &RESUME);
                });
            }
        });
    }
}

fn applied_to(writer: &mut Writer, state: &State, application: &Application) {
    application_reference(writer, state, application);
    requisitions::reference(writer, state, application.requisition);
    writer.leaf("Job_Application_Date", &time(application.applied));
    term(writer, state, ("Stage_Reference", "stage", "Recruiting_Stage_ID"), application.stage);
    let step = application.disposition.unwrap_or(application.stage);
    term(writer, state, ("Workflow_Step_Reference", "step", "Workflow_Step_ID"), step);
    if let Some(disposition) = application.disposition {
        let name = ("Disposition_Reference", "disposition", "Recruiting_Disposition_ID");
        term(writer, state, name, disposition);
    }
    writer.leaf("Status_Timestamp", &time(application.moved));
    term(writer, state, ("Source_Reference", "source", "Applicant_Source_ID"), application.source);
}
