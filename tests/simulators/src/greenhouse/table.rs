//! The lists of Harvest.

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Value, json};

use crate::world::store::tables;
pub use crate::world::store::{Kind, Row};

tables! {
    Applications "applications" [
        "candidate_id" => Candidates, "job_id" => Jobs, "job_post_id" => JobPosts, "job_interview_stage_id" => JobInterviewStages
    ] {
        "agency_note_id": null, "candidate_id": null, "coordinator_id": null, "job_id": null, "job_post_id": null,
        "recruiter_id": 1, "referrer_id": null, "source_id": null, "stage_id": null, "job_interview_stage_id": null,
        "stage_name": null, "status": "in_process", "needs_decision": false, "prospect": false, "rejected_at": null,
        "last_activity_at": null, "location_address": null, "answers": [], "prospective_job_ids": [], "custom_fields": {},
        "_held_stage": null
    }
    ApplicationStages "application_stages" ["application_id" => Applications, "job_interview_stage_id" => JobInterviewStages] {
        "application_id": null, "job_interview_stage_id": null, "entered_at": null, "exited_at": null, "days_in_stage": 0,
        "current": true
    }
    Candidates "candidates" [] {
        "first_name": null, "last_name": null, "preferred_name": null, "company": null, "title": null, "last_activity_at": null,
        "private": false, "can_email": true, "time_zone": null, "tags": [], "linked_user_ids": [], "phone_numbers": [],
        "addresses": [], "email_addresses": [], "website_addresses": [], "social_media_addresses": [], "custom_fields": {}
    }
    Departments "departments" ["parent_id" => Departments] {"name": null, "parent_id": null, "external_id": null}
    InterviewKits "interview_kits" ["job_id" => Jobs, "job_interview_id" => JobInterviews] {
        "job_id": null, "job_interview_id": null, "exercises": null, "anonymize_candidate": false, "anonymize_resumes": false
    }
    Interviews "interviews" ["application_id" => Applications, "job_id" => Jobs, "job_interview_id" => JobInterviews] {
        "job_id": null, "application_id": null, "job_interview_id": null, "starts_at": null, "ends_at": null,
        "location": "Room <4> & hall", "status": "scheduled", "organizer_id": 1, "scheduled_at": null,
        "all_day_start_on": null, "all_day_end_on": null, "external_event_id": null, "video_conferencing_url": null,
        "availability_received_at": null
    }
    JobInterviewStages "job_interview_stages" ["job_id" => Jobs] {
        "job_id": null, "sort_order": 0, "name": null, "active": true
    }
    JobInterviews "job_interviews" ["job_id" => Jobs, "job_interview_stage_id" => JobInterviewStages] {
        "job_interview_stage_id": null, "job_id": null, "sort_order": 0, "scheduling_type": "needs_scheduling",
        "duration": 45, "summary": null, "instructions": null, "name": null, "active": true, "require_scorecard": true
    }
    JobPosts "job_posts" ["job_id" => Jobs] {
        "title": null, "internal": false, "active": true, "live": false, "featured": false, "first_published_at": null,
        "content": "<p>Build things & keep them running.</p>", "language": "en", "public_url": null,
        "demographic_question_set_id": null, "job_id": null, "job_board_id": 7, "questions": []
    }
    Jobs "jobs" ["department_id" => Departments, "office_ids" => Offices] {
        "name": null, "requisition_id": null, "notes": null, "confidential": false, "is_template": null,
        "copied_from_id": null, "opened_at": null, "closed_at": null, "status": null, "office_ids": [],
        "department_id": null,
        "custom_fields": {
            "employment_type": {"name": "Employment Type", "type": "single_select", "value": "Full-time"}
        }
    }
    Notes "notes" ["candidate_id" => Candidates] {
        "candidate_id": null, "application_id": null, "user_id": 1, "body": null, "visibility": null, "type": "NOTE"
    }
    Offers "offers" ["application_id" => Applications, "job_id" => Jobs, "candidate_id" => Candidates] {
        "version": 1, "application_id": null, "job_id": null, "candidate_id": null, "opening_id": null,
        "status": "Created", "starts_on": null, "sent_on": null, "resolved_at": null, "custom_fields": {}
    }
    Offices "offices" ["parent_id" => Offices] {
        "name": null, "parent_id": null, "external_id": null, "location": null, "primary_in_house_contact_user_id": null
    }
    Openings "openings" ["job_id" => Jobs, "application_id" => Applications] {
        "job_id": null, "opened_at": null, "closed_at": null, "sort_order": 0, "opening_id": null, "application_id": null,
        "close_reason_id": null, "target_start_on": null, "open": true, "custom_fields": {}
    }
    RejectionDetails "rejection_details" ["application_id" => Applications] {
        "application_id": null, "rejected_by_id": 1, "rejection_note_id": null, "rejection_reason_id": null,
        "rejected_at": null, "question_custom_fields": {}
    }
    RejectionReasons "rejection_reasons" [] {
        "name": null, "type": {"id": 1, "key": "we_rejected_them", "name": "We rejected them"}, "_builtin": false
    }
    Scorecards "scorecards" ["application_id" => Applications, "interview_kit_id" => InterviewKits] {
        "interview_kit_id": null, "interviewer_id": 1, "interviewed_at": null, "notes": null, "notes_with_tags": null,
        "submitter_id": 1, "candidate_rating": null, "private_notes": null, "private_notes_with_tags": null,
        "status": "draft", "public_notes": null, "public_notes_with_tags": null, "application_id": null,
        "submitted_at": null
    }
    Sources "sources" [] {"name": null, "type": {"id": 1, "name": "Company marketing"}}
    Users "users" [] {
        "first_name": null, "last_name": null, "primary_email": null, "job_title": null, "agency_id": null, "name": null,
        "deactivated": false, "site_admin": false, "employee_id": null, "linked_candidate_ids": [], "office_ids": [],
        "department_ids": [], "interviewer_tags": [], "emails": [], "custom_fields": {}, "_service": false
    }
}

impl Table {
    /// The table with this path.
    pub fn named(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.path() == path)
    }
}

/// A moment as the lists tell it.
pub fn time(ms: i64) -> Value {
    json!(format!("{:.3}", Timestamp::from_millisecond(ms).unwrap_or_default()))
}

/// The day of a moment.
pub fn date(ms: i64) -> Value {
    let text = time(ms);
    json!(text.as_str().and_then(|text| text.get(..10)).unwrap_or_default())
}

/// A row on the wire, as a whole or the named fields of it.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a>(pub &'a Row, pub Option<&'a [String]>);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(row, only) = self;
        let wanted = |name: &str| only.is_none_or(|only| only.iter().any(|wanted| wanted == name));
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &row.id)?;
        for (name, ms) in [("created_at", row.created), ("updated_at", row.updated)] {
            if wanted(name) {
                map.serialize_entry(name, &time(ms))?;
            }
        }
        for (name, value) in row.wire().filter(|(name, _)| wanted(name)) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::store::Store;

    #[test]
    fn the_index_follows_what_refers_to_what() {
        let mut store = Store::default();
        store.put(Table::Offices, Row::new(Table::Offices, 1, json!({})));
        store.put(Table::Jobs, Row::new(Table::Jobs, 5, json!({"office_ids": [1, 2]})));
        assert_eq!(store.of(Table::Offices, 2, Table::Jobs), [5]);
        store.put(Table::Jobs, Row::new(Table::Jobs, 5, json!({"office_ids": [2], "department_id": 9})));
        assert!(!store.has(Table::Offices, 1, Table::Jobs));
        assert!(store.has(Table::Departments, 9, Table::Jobs));
        assert!(store.remove(Table::Jobs, 5).is_some());
        assert!(!store.has(Table::Offices, 2, Table::Jobs) && !store.has(Table::Departments, 9, Table::Jobs));
    }

    #[test]
    fn a_row_shows_its_times_and_hides_what_is_only_known_here() {
        let mut row = Row::new(Table::Sources, 7, json!({"name": "A", "_secret": 1}));
        (row.created, row.updated) = (1_000, 2_500);
        let whole = r#"{"id":7,"created_at":"1970-01-01T00:00:01.000Z","updated_at":"1970-01-01T00:00:02.500Z","name":"A","type":{"id":1,"name":"Company marketing"}}"#;
        assert_eq!(serde_json::to_string(&Listed(&row, None)).unwrap_or_default(), whole);
        let part = serde_json::to_string(&Listed(&row, Some(&["name".to_owned()]))).unwrap_or_default();
        assert_eq!(part, r#"{"id":7,"name":"A"}"#);
    }
}
