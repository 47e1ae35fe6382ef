//! What happens to jobs, interviews, offers, scorecards and the organisation.

use serde_json::{Value, json};

use super::{
    seed,
    state::State,
    table::{Table, date, time},
    webhook,
};
use crate::{wire::with, world::Chance};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// What a scorecard may say; a draft says nothing yet.
pub const RATINGS: [&str; 6] = ["definitely_not", "no", "mixed", "yes", "strong_yes", "no_decision"];

impl State {
    pub fn new_job(&mut self, chance: &mut Chance, status: &str) -> u64 {
        let job = seed::job(self, chance, status);
        self.record_event("job_created", |state| json!({"job": webhook::job(state, job)}));
        job
    }

    pub fn update_job(&mut self, job: u64, fields: Value) {
        self.set(Table::Jobs, job, fields);
        self.record_event("job_updated", |state| json!({"job": webhook::job(state, job)}));
    }

    /// Opens or closes a job; opening a draft is told as its approval as well.
    pub fn set_job_status(&mut self, job: u64, status: &'static str) {
        let draft = self.store.row(Table::Jobs, job).is_some_and(|row| row.text("status") == Some("draft"));
        let now = time(self.now_ms());
        let closed = if status == "closed" { now.clone() } else { Value::Null };
        let opened = if draft { json!({"opened_at": now}) } else { json!({}) };
        self.update_job(job, with(json!({"status": status, "closed_at": closed}), opened));
        if draft && status == "open" {
            self.record_event(
                "job_approved",
                |state| json!({"approval_flow": {"approval_flow_type": "open_job"}, "job": webhook::job(state, job)}),
            );
        }
    }

    /// Deletes a job that nobody applied for.
    pub fn delete_job(&mut self, job: u64) -> bool {
        let tables =
            [Table::JobInterviewStages, Table::JobInterviews, Table::InterviewKits, Table::JobPosts, Table::Openings];
        if self.store.has(Table::Jobs, job, Table::Applications) {
            return false;
        }
        let Some(row) = self.store.remove(Table::Jobs, job) else { return false };
        self.store.remove_children(Table::Jobs, job, &tables);
        self.record_event("job_deleted", |_| json!({"job": {"id": job, "name": row.get("name")}}));
        true
    }

    /// Takes a stage that nobody is in out of its job's plan; the row stays and is not active any more.
    pub fn delete_stage(&mut self, stage: u64) -> bool {
        let right = self.store.row(Table::JobInterviewStages, stage).is_some_and(|row| {
            let first = row.number("job_id").and_then(|job| self.stages(job).first().copied());
            row.is("active") && first != Some(stage)
        });
        if !right || self.store.has(Table::JobInterviewStages, stage, Table::Applications) {
            return false;
        }
        self.set(Table::JobInterviewStages, stage, json!({"active": false}));
        self.record_event("job_interview_stage_deleted", |state| {
            let row = state.store.row(Table::JobInterviewStages, stage);
            json!({"job_interview_stage": row.map(|row| {
                let times = json!({"created_at": time(row.created), "updated_at": time(row.updated), "active": true});
                with(row.part("job_id name"), times)
            })})
        });
        true
    }

    /// A new post of a job.
    pub fn new_post(&mut self, job: u64, title: &str, live: bool) -> u64 {
        let post = seed::post(self, job, title, live);
        self.record_event("job_post_created", |state| webhook::post(state, post));
        post
    }

    pub fn update_post(&mut self, post: u64, fields: Value) {
        self.set(Table::JobPosts, post, fields);
        self.record_event("job_post_updated", |state| webhook::post(state, post));
    }

    /// Deletes a post: it is told only to who asks for those that are not active.
    pub fn delete_post(&mut self, post: u64) {
        self.set(Table::JobPosts, post, json!({"active": false, "live": false}));
        self.record_event("job_post_deleted", |state| json!({"job_post": webhook::post(state, post)}));
    }

    /// Schedules an interview of an active application in the stage that it is in. No webhook tells it.
    pub fn schedule(&mut self, application: u64, in_days: i64, all_day: bool) -> Option<u64> {
        let row = self.store.row(Table::Applications, application)?;
        let (job, stage) = (row.number("job_id")?, row.number("job_interview_stage_id")?);
        let planned = self.store.of(Table::JobInterviewStages, stage, Table::JobInterviews).first().copied()?;
        let start = self.now_ms() + in_days * DAY_MS;
        let times = if all_day {
            json!({"all_day_start_on": date(start), "all_day_end_on": date(start)})
        } else {
            json!({"starts_at": time(start), "ends_at": time(start + DAY_MS / 32)})
        };
        let interview = json!({"job_id": job, "application_id": application, "job_interview_id": planned});
        Some(self.add(Table::Interviews, with(interview, times)))
    }

    pub fn delete_interview(&mut self, interview: u64) -> bool {
        if self.store.remove(Table::Interviews, interview).is_none() {
            return false;
        }
        self.record_event("interview_deleted", |_| json!({"interview": {"id": interview}}));
        true
    }

    /// Begins a scorecard for an interview. No webhook tells it.
    pub fn begin_scorecard(&mut self, interview: u64) -> Option<u64> {
        let row = self.store.row(Table::Interviews, interview)?;
        let (application, at) = (row.number("application_id")?, row.get("starts_at").clone());
        let planned = row.number("job_interview_id")?;
        let kit = self.store.of(Table::JobInterviews, planned, Table::InterviewKits).first().copied()?;
        let fields = json!({"interview_kit_id": kit, "interviewed_at": at, "application_id": application});
        Some(self.add(Table::Scorecards, fields))
    }

    /// Submits a scorecard, or submits it again.
    pub fn submit_scorecard(&mut self, scorecard: u64, rating: &str) {
        let submitted = json!({"status": "complete", "candidate_rating": rating, "submitted_at": time(self.now_ms())});
        self.set(Table::Scorecards, scorecard, submitted);
    }

    pub fn delete_scorecard(&mut self, scorecard: u64) -> bool {
        let Some(row) = self.store.remove(Table::Scorecards, scorecard) else { return false };
        self.record_event("scorecard_deleted", |state| {
            let application = state.store.parent(&row, "application_id", Table::Applications);
            let card = json!({
                "candidate_id": application.map(|row| row.get("candidate_id")), "created_at": time(row.created),
                "updated_at": time(row.updated),
            });
            json!({"scorecard": with(row.part("interviewed_at scorecard_status=status"), card)})
        });
        true
    }

    /// Makes an offer; a newer version makes those before it `Deprecated`.
    pub fn offer(&mut self, application: u64, in_days: i64) -> Option<u64> {
        let row = self.store.row(Table::Applications, application)?;
        let (job, candidate) = (row.number("job_id")?, row.number("candidate_id")?);
        let earlier = self.store.children(Table::Applications, application, Table::Offers);
        let earlier: Vec<(u64, Value)> = earlier.map(|row| (row.id, row.get("status").clone())).collect();
        let version = earlier.len() + 1;
        for offer in earlier.iter().filter(|(_, status)| status != "Deprecated").map(|(id, _)| *id) {
            self.update_offer(offer, json!({"status": "Deprecated"}));
        }
        let starts = if in_days == 0 { Value::Null } else { date(self.now_ms() + in_days * DAY_MS) };
        let of = json!({"application_id": application, "job_id": job, "candidate_id": candidate});
        let offer = self.add(Table::Offers, with(of, json!({"version": version, "starts_on": starts})));
        self.record_event("offer_created", |state| webhook::offer(state, offer));
        Some(offer)
    }

    pub fn update_offer(&mut self, offer: u64, fields: Value) {
        self.set(Table::Offers, offer, fields);
        self.record_event("offer_updated", |state| webhook::offer(state, offer));
    }

    /// Approves an offer, which changes nothing that the lists tell but its time.
    pub fn approve_offer(&mut self, offer: u64) {
        self.set(Table::Offers, offer, json!({}));
        self.record_event("offer_approved", |state| webhook::offer(state, offer));
    }

    pub fn delete_offer(&mut self, offer: u64) -> bool {
        let Some(row) = self.store.remove(Table::Offers, offer) else { return false };
        self.record_event("offer_deleted", |_| webhook::deleted_offer(&row));
        true
    }

    /// Deletes a department or an office that nothing refers to.
    pub fn delete_unit(&mut self, table: Table, id: u64) -> bool {
        if self.store.has(table, id, Table::Jobs) || self.store.has(table, id, table) {
            return false;
        }
        let Some(row) = self.store.remove(table, id) else { return false };
        let unit = with(row.part("name parent_id external_id"), json!({"child_ids": []}));
        if table == Table::Offices {
            let located = with(unit, json!({"location": {"name": row.get("location")}}));
            self.record_event("office_deleted", |_| json!({"office": located}));
        } else {
            self.record_event("department_deleted", |_| json!({"department": unit}));
        }
        true
    }
}
