//! `Get_Job_Requisitions`.

use std::sync::Arc;

use super::data::{DEPARTMENTS, Kept, Requisition, STATUSES, Term};
use super::soap::{Asked, Fault, referred, time};
use super::tenant::{Object, State};
use super::xml::{Element, Writer};

/// What the response group asks for: the flags, and whether there is each of them when there is no group.
const GROUPS: [(&str, bool); 7] = [
    ("Include_Reference", true),
    ("Include_Job_Requisition_Definition_Data", true),
    ("Include_Job_Requisition_Restrictions_Data", true),
    ("Include_Qualifications", false),
    ("Include_Job_Requisition_Attachments", false),
    ("Include_Organizations", false),
    ("Include_Roles", false),
];

/// Which of the groups are asked for; with a response group there is only what it names.
fn groups(request: &Element) -> [bool; 7] {
    let group = request.child("Response_Group");
    GROUPS.map(|(name, usual)| group.map_or(usual, |group| group.flag(name)))
}

/// Answers the operation.
///
/// # Errors
/// When the request is wrong.
pub fn get(asked: &mut Asked<'_>) -> Result<String, Fault> {
    asked.only(&[], &["Request_References", "Request_Criteria", "Response_Filter", "Response_Group"], &[])?;
    asked.only(
        &["Request_Criteria"],
        &["Transaction_Log_Criteria_Data", "Job_Requisition_Status_Reference", "Supervisory_Organization_Reference"],
        &["Field_And_Parameter_Criteria_Data", "Primary_Location_Reference", "Additional_Locations_Reference"],
    )?;
    asked.only(&["Response_Group"], &GROUPS.map(|(name, _)| name), &[])?;
    let filter = asked.filter()?;
    let groups = groups(asked.request);
    let state = &*asked.state;
    let (rows, total) = if let Some(references) = asked.request.child("Request_References") {
        let place = ["Request_References", "Job_Requisition_Reference"];
        filter
            .rows(referred(references, place[1], |reference| one(asked, reference, &place, filter.as_of))?.into_iter())
    } else {
        let criteria = criteria(asked)?;
        let newest_first = state.requisitions.newest_first();
        filter.rows(newest_first.filter_map(|kept| kept.at(filter.as_of).filter(|row| criteria.fit(kept, row))))
    };
    let name = "Get_Job_Requisitions_Response";
    Ok(filter.answer(asked.version, name, rows.len(), total, |writer| {
        rows.iter().for_each(|row| requisition(writer, state, row, groups));
    }))
}

/// The requisition that a reference means, as it was at a time.
///
/// # Errors
/// When there was none.
pub fn one<'a>(
    asked: &'a Asked<'_>,
    reference: &Element,
    place: &[&str],
    as_of: i64,
) -> Result<&'a Arc<Requisition>, Fault> {
    let (kind, id) = id(reference);
    let found = match asked.state.object(kind, id) {
        Some(Object::Requisition(number)) => asked.state.requisitions.at(number, as_of),
        Some(Object::Person(_) | Object::Application { .. }) => {
            return Err(asked.wrong(place, &format!("Invalid instance {id} for Job_Requisition_Reference")));
        }
        None => None,
    };
    found.ok_or_else(|| asked.wrong(place, &invalid_id(kind, id)))
}

/// The first id of a reference with its type.
pub fn id(reference: &Element) -> (&str, &str) {
    let id = reference.child("ID");
    (id.and_then(|id| id.attribute("type")).unwrap_or_default(), id.map_or("", |id| id.text.as_str()))
}

/// What the service says to an id that it does not have.
pub fn invalid_id(kind: &str, id: &str) -> String {
    format!("Invalid ID value.  '{id}' is not a valid ID value for type = '{kind}'")
}

#[derive(Default)]
struct Criteria {
    windows: Vec<(i64, i64)>,
    statuses: Vec<&'static Term>,
    departments: Vec<&'static Term>,
}

impl Criteria {
    fn fit(&self, kept: &Kept<Requisition>, row: &Requisition) -> bool {
        let any = |list: &[&'static Term], one: &'static Term| list.is_empty() || list.contains(&one);
        any(&self.statuses, row.status)
            && any(&self.departments, row.department)
            && (self.windows.is_empty() || self.windows.iter().any(|(from, through)| kept.changed(*from, *through)))
    }
}

fn criteria(asked: &Asked<'_>) -> Result<Criteria, Fault> {
    const NAME: &str = "Request_Criteria";
    const LOG: [&str; 3] = [NAME, "Transaction_Log_Criteria_Data", "Transaction_Date_Range_Data"];
    let [_, log, range] = LOG;
    let mut criteria = Criteria::default();
    let Some(wanted) = asked.request.child(NAME) else { return Ok(criteria) };
    asked.only(&[NAME, log], &[range], &["Transaction_Type_References", "Subscriber_Reference"])?;
    asked.only(&LOG, &["Updated_From", "Updated_Through"], &["Effective_From", "Effective_Through"])?;
    if wanted.child(log).is_some() {
        let from = asked.moment(&[NAME, log, range, "Updated_From"])?.unwrap_or(i64::MIN);
        let through = asked.moment(&[NAME, log, range, "Updated_Through"])?.unwrap_or(i64::MAX);
        criteria.windows.push((from, through));
    }
    criteria.statuses = terms(asked, (NAME, "Job_Requisition_Status_Reference"), &STATUSES, "status")?;
    criteria.departments = terms(asked, (NAME, "Supervisory_Organization_Reference"), &DEPARTMENTS, "organization")?;
    Ok(criteria)
}

/// The members of a list that the references of a name mean.
///
/// # Errors
/// When one means none.
pub fn terms(
    asked: &Asked<'_>,
    (outer, name): (&str, &str),
    list: &'static [Term],
    kind: &str,
) -> Result<Vec<&'static Term>, Fault> {
    let references = asked.request.child(outer).into_iter().flat_map(|outer| outer.all(name));
    let known = |reference: &Element| {
        let id = id(reference);
        let found = asked.state.term(list, kind, id);
        found.ok_or_else(|| asked.wrong(&[outer, name], &invalid_id(id.0, id.1)))
    };
    references.map(known).collect()
}

/// Writes a reference to a member of a list.
pub fn term(writer: &mut Writer, state: &State, (name, kind, id_type): (&str, &str, &str), term: &Term) {
    let wid = state.term_wid(kind, term);
    let descriptor = state.descriptors.then_some(term.name);
    writer.reference(name, descriptor, &[("WID", &wid), (id_type, term.id)]);
}

/// Writes a reference to a requisition.
pub fn reference(writer: &mut Writer, state: &State, number: u64) {
    let requisition = state.requisition(number);
    let id = requisition.map_or_else(String::new, |requisition| requisition.id());
    let descriptor =
        requisition.filter(|_| state.descriptors).map(|row| format!("{id} {} ({})", row.title, row.status.name));
    let wid = state.requisition_wid(number);
    writer.reference("Job_Requisition_Reference", descriptor.as_deref(), &[("WID", &wid), ("Job_Requisition_ID", &id)]);
}

fn requisition(writer: &mut Writer, state: &State, row: &Requisition, groups: [bool; 7]) {
    let [with_reference, ..] = groups;
    writer.within("Job_Requisition", |writer| {
        if with_reference {
            reference(writer, state, row.number);
        }
        writer.within("Job_Requisition_Data", |writer| data(writer, state, row, groups));
    });
}

fn data(writer: &mut Writer, state: &State, row: &Requisition, groups: [bool; 7]) {
    let [_, definition, restrictions, qualifications, attachments, organizations, roles] = groups;
    if definition {
        let name = ("Job_Requisition_Status_Reference", "status", "Job_Requisition_Status_ID");
        term(writer, state, name, row.status);
        writer.within("Job_Requisition_Detail_Data", |writer| {
            writer.leaf("Job_Posting_Title", &row.title);
            writer.leaf("Positions_Allocated", &row.openings.to_string());
            writer.leaf("Positions_Available", &row.openings.to_string());
            writer.leaf("Job_Description", &format!("<p>We look for a {}.</p>", row.title));
            writer.flag("Available_for_Recruiting", row.status.id == "Open");
            writer.flag("Confidential_Job_Requisition", false);
        });
    }
    if restrictions {
        writer.within("Hiring_Requirement_Data", |writer| {
            writer.leaf("Recruiting_Start_Date", time(row.created).get(..10).unwrap_or_default());
            if let Some(location) = row.location {
                term(writer, state, ("Primary_Location_Reference", "location", "Location_ID"), location);
            }
            writer.leaf("Scheduled_Weekly_Hours", "40");
        });
    }
    if attachments {
        writer.within("Job_Requisition_Attachments", |_| {});
    }
    if qualifications {
        writer.within("Qualification_Data", |_| {});
    }
    if organizations {
        let name = ("Supervisory_Organization_Reference", "organization", "Organization_Reference_ID");
        term(writer, state, name, row.department);
    }
    if roles {
        writer.within("Role_Assignment_Data", |_| {});
    }
}
