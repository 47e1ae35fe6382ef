//! `Get_Job_Requisitions`.

use std::collections::BTreeMap;

use domain::ats::{Extent, Job, JobStatus, Kind, ObjectRef, Observation, Record};
use jiff::Timestamp;

use crate::ats::port::{Context, Page};
use crate::ats::workday::soap::Request;
use crate::ats::workday::xml::{Node, element, leaf, reference};

/// The element of the response.
pub(in crate::ats::workday) const RESPONSE: &str = "Get_Job_Requisitions_Response";
const ROW: &str = "Job_Requisition";
const REFERENCE: &str = "Job_Requisition_Reference";
const STATUS: &str = "Job_Requisition_Data/Job_Requisition_Status_Reference";

/// The request. Groups that are not requested are silently missing.
pub(in crate::ats::workday) fn request(which: &str, filter: &str) -> Request {
    let groups = ["Reference", "Job_Requisition_Definition_Data", "Job_Requisition_Restrictions_Data", "Organizations"];
    let groups: String = groups.iter().map(|name| leaf(&format!("Include_{name}"), "true")).collect();
    let inner = format!("{which}{filter}{}", element("Response_Group", &groups));
    Request { name: "Get_Job_Requisitions_Request", inner }
}

/// Those with an entry since a time; all of them without one.
pub(in crate::ats::workday) fn changed(since: Option<Timestamp>) -> String {
    let Some(since) = since else { return String::new() };
    let range = element("Transaction_Date_Range_Data", &leaf("Updated_From", &since.to_string()));
    element("Request_Criteria", &element("Transaction_Log_Criteria_Data", &range))
}

/// Those that are open, by the ids of the statuses that count as open.
pub(in crate::ats::workday) fn open(settings: &BTreeMap<String, String>) -> String {
    let name = "Job_Requisition_Status_Reference";
    let references = statuses(settings).map(|id| reference(name, "Job_Requisition_Status_ID", id));
    element("Request_Criteria", &references.collect::<String>())
}

fn statuses(settings: &BTreeMap<String, String>) -> impl Iterator<Item = &str> {
    let set = settings.get("open_statuses").map_or("Open", String::as_str);
    set.split(',').map(str::trim).filter(|id| !id.is_empty())
}

/// Exactly these. One that is not there is left out of the answer; without the attribute, it would be a fault.
pub(in crate::ats::workday) fn exactly(ids: &[String]) -> String {
    let references: String = ids.iter().map(|id| reference(REFERENCE, "WID", id)).collect();
    format!("<wd:Request_References wd:Skip_Non_Existing_Instances=\"true\">{references}</wd:Request_References>")
}

fn rows(answer: &Node) -> impl Iterator<Item = &Node> {
    answer.get("Response_Data").into_iter().flat_map(|data| data.every(ROW))
}

/// The ids of the requisitions of a response; without those that are open, unless these are wanted.
pub(in crate::ats::workday) fn ids(settings: &BTreeMap<String, String>, answer: &Node, with_open: bool) -> Vec<String> {
    let is_open = |row: &&Node| {
        let id = row.id(STATUS, "Job_Requisition_Status_ID");
        id.is_some_and(|id| statuses(settings).any(|open| open.eq_ignore_ascii_case(id)))
    };
    let wanted = rows(answer).filter(|row| with_open || !is_open(row));
    wanted.filter_map(|row| row.wid(REFERENCE)).map(str::to_owned).collect()
}

/// Adds the requisitions of a response.
pub(in crate::ats::workday) fn read(context: &Context<'_>, answer: &Node, at: Option<Timestamp>, page: &mut Page) {
    for row in rows(answer) {
        let Some(id) = row.wid(REFERENCE) else {
            page.skipped.push("a requisition has no WID".to_owned());
            continue;
        };
        match job(context, id, row) {
            Ok(job) => page.observations.push(Observation {
                record: Record::Job(job),
                version_ms: at.map(Timestamp::as_millisecond),
                extent: Extent::Whole,
            }),
            Err(reason) => {
                page.skipped.push(format!("requisition {id}: {reason}"));
                page.present.push(ObjectRef::new(Kind::Job, id));
            }
        }
    }
}

fn job(context: &Context<'_>, id: &str, row: &Node) -> Result<Job, &'static str> {
    let data = row.get("Job_Requisition_Data").ok_or("it has no data")?;
    let title = data.text("Job_Requisition_Detail_Data/Job_Posting_Title").ok_or("it has no title")?;
    let word = row.id(STATUS, "Job_Requisition_Status_ID").or_else(|| row.named(STATUS));
    let location = data.named("Hiring_Requirement_Data/Primary_Location_Reference");
    Ok(Job {
        v: 1,
        id: context.origin.job(id),
        title: title.to_owned(),
        status: word.map_or(JobStatus::Unknown, status),
        provider_status: row.named(STATUS).map(str::to_owned),
        department: data.named("Supervisory_Organization_Reference").map(str::to_owned),
        location: location.map(str::to_owned),
        departments: Vec::new(),
        offices: Vec::new(),
        description: None,
        source: Some(context.origin.source(id)),
    })
}

/// The status for a tenant's word.
fn status(word: &str) -> JobStatus {
    let word = word.to_ascii_lowercase().replace(['_', '-'], " ");
    match word.as_str() {
        "open" => JobStatus::Open,
        "frozen" | "on hold" => JobStatus::OnHold,
        "closed" | "filled" | "canceled" | "cancelled" => JobStatus::Closed,
        "draft" | "in progress" => JobStatus::Draft,
        pending if pending.starts_with("pending") => JobStatus::Draft,
        _ => JobStatus::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_tenant_become_ours() {
        for (word, wanted) in [
            ("Open", JobStatus::Open),
            ("On_Hold", JobStatus::OnHold),
            ("FROZEN", JobStatus::OnHold),
            ("Filled", JobStatus::Closed),
            ("Pending Approval", JobStatus::Draft),
            ("Evergreen", JobStatus::Unknown),
        ] {
            assert_eq!(status(word), wanted, "{word}");
        }
    }

    #[test]
    fn the_statuses_that_count_as_open_can_be_set() {
        assert_eq!(open(&BTreeMap::new()).matches("<wd:ID wd:type=\"Job_Requisition_Status_ID\">").count(), 1);
        let settings = BTreeMap::from([("open_statuses".to_owned(), "Open, Frozen".to_owned())]);
        let text = open(&settings);
        assert!(text.contains(">Open<") && text.contains(">Frozen<"), "{text}");
    }
}
