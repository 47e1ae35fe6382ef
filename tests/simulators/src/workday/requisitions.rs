//! `Get_Job_Requisitions`.

use std::sync::Arc;

use super::data::{DEPARTMENTS, Requisition, STATUSES, Term, Versions};
use super::soap::{Fault, Operation, referred, time};
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
pub fn get(operation: &mut Operation<'_>) -> Result<String, Fault> {
    operation.only(&[], &["Request_References", "Request_Criteria", "Response_Filter", "Response_Group"], &[])?;
    operation.only(
        &["Request_Criteria"],
        &["Transaction_Log_Criteria_Data", "Job_Requisition_Status_Reference", "Supervisory_Organization_Reference"],
        &["Field_And_Parameter_Criteria_Data", "Primary_Location_Reference", "Additional_Locations_Reference"],
    )?;
    operation.only(&["Response_Group"], &GROUPS.map(|(name, _)| name), &[])?;
    let filter = operation.filter()?;
    let groups = groups(operation.request);
    let state = &*operation.state;
    let (rows, total) = if let Some(references) = operation.request.child("Request_References") {
        let place = ["Request_References", "Job_Requisition_Reference"];
        filter.rows(
            referred(references, place[1], |reference| one(operation, reference, &place, filter.as_of))?.into_iter(),
        )
    } else {
        let criteria = criteria(operation)?;
        let newest_first = state.requisitions.newest_first();
        filter.rows(
            newest_first.filter_map(|versions| versions.at(filter.as_of).filter(|row| criteria.fit(versions, row))),
        )
    };
    let name = "Get_Job_Requisitions_Response";
    Ok(filter.answer(operation.version, name, rows.len(), total, |writer| {
        rows.iter().for_each(|row| requisition(writer, state, row, groups));
    }))
}

/// What a reference to an object of this kind means, where `found` knows it; `Some(None)` is one that is not there.
///
/// # Errors
/// When it means none, or an object of another kind.
pub fn referenced<T>(
    operation: &Operation<'_>,
    reference: &Element,
    (place, name): (&[&str], &str),
    found: impl FnOnce(Object) -> Option<Option<T>>,
) -> Result<T, Fault> {
    let (kind, id) = id(reference);
    let found = operation.state.object(kind, id).map_or(Some(None), found);
    let found = found.ok_or_else(|| operation.wrong(place, &format!("Invalid instance {id} for {name}")))?;
    found.ok_or_else(|| operation.wrong(place, &invalid_id(kind, id)))
}

/// The requisition that a reference means, as it was at a time.
///
/// # Errors
/// When there was none.
pub fn one<'a>(
    operation: &'a Operation<'_>,
    reference: &Element,
    place: &[&str],
    as_of: i64,
) -> Result<&'a Arc<Requisition>, Fault> {
    referenced(operation, reference, (place, "Job_Requisition_Reference"), |object| match object {
        Object::Requisition(number) => Some(operation.state.requisitions.at(number, as_of)),
        Object::Person(_) | Object::Application { .. } => None,
    })
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
    fn fit(&self, versions: &Versions<Requisition>, row: &Requisition) -> bool {
        let any = |list: &[&'static Term], one: &'static Term| list.is_empty() || list.contains(&one);
        any(&self.statuses, row.status)
            && any(&self.departments, row.department)
            && (self.windows.is_empty() || self.windows.iter().any(|(from, through)| versions.changed(*from, *through)))
    }
}

fn criteria(operation: &Operation<'_>) -> Result<Criteria, Fault> {
    const NAME: &str = "Request_Criteria";
    const LOG: [&str; 3] = [NAME, "Transaction_Log_Criteria_Data", "Transaction_Date_Range_Data"];
    let [_, log, range] = LOG;
    let mut criteria = Criteria::default();
    let Some(wanted) = operation.request.child(NAME) else { return Ok(criteria) };
    operation.only(&[NAME, log], &[range], &["Transaction_Type_References", "Subscriber_Reference"])?;
    operation.only(&LOG, &["Updated_From", "Updated_Through"], &["Effective_From", "Effective_Through"])?;
    if wanted.child(log).is_some() {
        let from = operation.moment(&[NAME, log, range, "Updated_From"])?.unwrap_or(i64::MIN);
        let through = operation.moment(&[NAME, log, range, "Updated_Through"])?.unwrap_or(i64::MAX);
        criteria.windows.push((from, through));
    }
    criteria.statuses = terms(operation, (NAME, "Job_Requisition_Status_Reference"), &STATUSES, "status")?;
    criteria.departments =
        terms(operation, (NAME, "Supervisory_Organization_Reference"), &DEPARTMENTS, "organization")?;
    Ok(criteria)
}

/// The members of a list that the references of a name mean.
///
/// # Errors
/// When one means none.
pub fn terms(
    operation: &Operation<'_>,
    (outer, name): (&str, &str),
    list: &'static [Term],
    kind: &str,
) -> Result<Vec<&'static Term>, Fault> {
    let references = operation.request.child(outer).into_iter().flat_map(|outer| outer.all(name));
    let known = |reference: &Element| {
        let id = id(reference);
        let found = operation.state.term(list, kind, id);
        found.ok_or_else(|| operation.wrong(&[outer, name], &invalid_id(id.0, id.1)))
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
