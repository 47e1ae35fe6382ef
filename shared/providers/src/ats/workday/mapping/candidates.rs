//! `Get_Candidates`: candidates with their applications.

use domain::ats::{Application, ApplicationStatus, Candidate, Extent, Kind, ObjectRef, Observation, Record};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::ats::port::{Context, Page};
use crate::ats::workday::soap::Request;
use crate::ats::workday::xml::{Node, element, leaf, reference};

/// The element of the response.
pub(in crate::ats::workday) const RESPONSE: &str = "Get_Candidates_Response";
const REFERENCE: &str = "Candidate_Reference";
const APPLICATION: &str = "Job_Application_Reference";
const REQUISITION: &str = "Job_Requisition_Reference";

/// The request; without the attachments, which would be most of the response.
pub(in crate::ats::workday) fn request(which: &str, filter: &str) -> Request {
    let groups = format!("{}{}", leaf("Include_Reference", "true"), leaf("Exclude_All_Attachments", "true"));
    Request { name: "Get_Candidates_Request", inner: format!("{which}{filter}{}", element("Response_Group", &groups)) }
}

/// Those who came since a time; all of them without one.
pub(in crate::ats::workday) fn came(since: Option<Timestamp>) -> String {
    since.map(|since| criteria(&leaf("Created_From", &since.to_string()))).unwrap_or_default()
}

/// Those who applied to these requisitions.
pub(in crate::ats::workday) fn of(jobs: &[String]) -> String {
    criteria(&jobs.iter().map(|id| reference(REQUISITION, "WID", id)).collect::<String>())
}

/// Those with this e-mail address.
pub(in crate::ats::workday) fn with_email(email: &str) -> String {
    criteria(&leaf("Candidate_Email_Address", email))
}

/// Exactly these. One that does not exist is left out of the response; without the attribute, it would be a fault.
pub(in crate::ats::workday) fn exactly(ids: &[String]) -> String {
    let references: String = ids.iter().map(|id| reference(REFERENCE, "WID", id)).collect();
    format!("<wd:Request_References wd:Skip_Non_Existing_Instances=\"true\">{references}</wd:Request_References>")
}

fn criteria(inner: &str) -> String {
    element("Request_Criteria", inner)
}

/// The candidates of a response.
pub(in crate::ats::workday) fn rows(answer: &Node) -> impl Iterator<Item = &Node> {
    answer.get("Response_Data").into_iter().flat_map(|data| data.every("Candidate"))
}

/// Applications of a candidate.
pub(in crate::ats::workday) fn applications(row: &Node) -> impl Iterator<Item = &Node> {
    let data = row.get("Candidate_Data").into_iter();
    data.flat_map(|data| data.every("Job_Application_Data")).flat_map(|one| one.every("Job_Applied_To_Data"))
}

/// Id of a candidate.
pub(in crate::ats::workday) fn id(row: &Node) -> Option<&str> {
    row.wid(REFERENCE)
}

/// Ids of an application and of its requisition.
pub(in crate::ats::workday) fn application_ids(applied: &Node) -> (Option<&str>, Option<&str>) {
    (applied.wid(APPLICATION), applied.wid(REQUISITION))
}

/// Adds the candidates of a response and their applications.
pub(in crate::ats::workday) fn read(context: &Context<'_>, answer: &Node, at: Option<Timestamp>, page: &mut Page) {
    let version_ms = at.map(Timestamp::as_millisecond);
    let whole = |record| Observation { record, version_ms, extent: Extent::Whole };
    for row in rows(answer) {
        let Some(id) = id(row) else {
            page.skipped.push("a candidate has no WID".to_owned());
            continue;
        };
        match candidate(context, id, row) {
            Some(candidate) => page.observations.push(whole(Record::Candidate(candidate))),
            None => {
                page.skipped.push(format!("candidate {id}: it has no data"));
                page.present.push(ObjectRef::new(Kind::Candidate, id));
            }
        }
        let withdrawn = row.is_set("Candidate_Data/Status_Data/Withdrawn");
        for applied in applications(row) {
            let Some(number) = applied.wid(APPLICATION) else {
                page.skipped.push(format!("candidate {id}: an application has no WID"));
                continue;
            };
            match application(context, (id, number), applied, withdrawn) {
                Ok(application) => page.observations.push(whole(Record::Application(application))),
                Err(reason) => {
                    page.skipped.push(format!("application {number}: {reason}"));
                    page.present.push(ObjectRef::new(Kind::Application, number));
                }
            }
        }
    }
}

fn candidate(context: &Context<'_>, id: &str, row: &Node) -> Option<Candidate> {
    let data = row.get("Candidate_Data")?;
    let names = ["Name_Data/First_Name", "Name_Data/Last_Name"].into_iter().filter_map(|path| data.text(path));
    Some(Candidate {
        v: 1,
        id: context.origin.candidate(id),
        name: names.collect::<Vec<_>>().join(" "),
        email: data.text("Contact_Data/Email_Address").map(str::to_owned),
        phone: data.text("Contact_Data/Phone_Number").map(str::to_owned),
        title: None,
        company: None,
        source: context.origin.source(id),
    })
}

fn application(
    context: &Context<'_>,
    (candidate, id): (&str, &str),
    applied: &Node,
    withdrawn: bool,
) -> Result<Application, &'static str> {
    let disposition = applied.named("Disposition_Reference");
    let stage = applied.named("Stage_Reference");
    let stage_id = applied.id("Stage_Reference", "Recruiting_Stage_ID").or(stage);
    let hired = stage_id.is_some_and(|id| ["hire", "hired"].iter().any(|word| id.eq_ignore_ascii_case(word)));
    let status = match (withdrawn || applied.get("Disposition_Reference").is_some(), hired) {
        (true, _) => ApplicationStatus::Rejected,
        (false, true) => ApplicationStatus::Hired,
        (false, false) => ApplicationStatus::Active,
    };
    let applied_at = match applied.text("Job_Application_Date") {
        None => None,
        Some(text) => Some(moment(text).ok_or("its date cannot be read")?),
    };
    Ok(Application {
        v: 1,
        id: context.origin.application(id),
        candidate: context.origin.candidate(candidate),
        job: applied.wid(REQUISITION).map(|job| context.origin.job(job)),
        status,
        provider_status: None,
        stage: stage.map(str::to_owned),
        applied_at,
        rejection_reason: disposition.map(str::to_owned),
        history: None,
        source: context.origin.source(id),
    })
}

/// A time or a day as XML Schema writes it. One without an offset is UTC; a day begins with its midnight.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let civil = if text.contains('T') { text.parse::<DateTime>().ok() } else { None };
    let day = || text.get(..10)?.parse::<Date>().ok().map(|day| day.to_datetime(jiff::civil::Time::midnight()));
    civil.or_else(day)?.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_days_are_read() {
        for (text, wanted) in [
            ("2026-11-22T02:00:00.500-08:00", Some("2026-11-22T10:00:00.5Z")),
            ("2026-11-22T10:00:00Z", Some("2026-11-22T10:00:00Z")),
            ("2026-11-22T10:00:00", Some("2026-11-22T10:00:00Z")),
            ("2026-11-22", Some("2026-11-22T00:00:00Z")),
            ("2026-11-22-08:00", Some("2026-11-22T00:00:00Z")),
            ("yesterday", None),
            ("2026-13-01", None),
        ] {
            assert_eq!(moment(text).map(|at| at.to_string()).as_deref(), wanted, "{text}");
        }
    }
}
