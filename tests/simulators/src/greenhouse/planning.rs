//! What happens to jobs, interviews, offers, scorecards and the organisation.

use serde_json::{Value, json};

use super::{
    seed,
    state::State,
    table::{Row, Table, time},
    webhook,
};
use crate::world::Chance;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// What a scorecard may say; a draft says nothing yet.
pub const RATINGS: [&str; 6] = ["definitely_not", "no", "mixed", "yes", "strong_yes", "no_decision"];

impl State {
    /// A new job.
    pub fn new_job(&mut self, chance: &mut Chance, status: &str) -> u64 {
        let job = seed::job(self, chance, status);
        self.tell("job_created", |state| json!({"job": webhook::job(state, job)}));
        job
    }

    /// Changes a job.
    pub fn update_job(&mut self, job: u64, work: impl FnOnce(&mut Row)) {
        self.change(Table::Jobs, job, work);
        self.tell("job_updated", |state| json!({"job": webhook::job(state, job)}));
    }

    /// Opens or closes a job; opening a draft is told as its approval as well.
    pub fn set_job_status(&mut self, job: u64, status: &'static str) {
        let draft = self.store.row(Table::Jobs, job).is_some_and(|row| row.text("status") == Some("draft"));
        let now = time(self.now_ms());
        self.update_job(job, |row| {
            row.set("status", status);
            row.set("closed_at", if status == "closed" { now.clone() } else { Value::Null });
            if draft {
                row.set("opened_at", now);
            }
        });
        if draft && status == "open" {
            self.tell(
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
        for table in tables {
            for id in self.store.of(Table::Jobs, job, table) {
                self.store.remove(table, id);
            }
        }
        self.tell("job_deleted", |_| json!({"job": {"id": job, "name": row.get("name")}}));
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
        self.change(Table::JobInterviewStages, stage, |row| row.set("active", false));
        self.tell("job_interview_stage_deleted", |state| {
            let row = state.store.row(Table::JobInterviewStages, stage);
            json!({"job_interview_stage": row.map(|row| json!({
                "id": stage, "job_id": row.get("job_id"), "created_at": time(row.created),
                "updated_at": time(row.updated), "name": row.get("name"), "active": true,
            }))})
        });
        true
    }

    /// A new post of a job.
    pub fn new_post(&mut self, job: u64, title: Value, live: bool) -> u64 {
        let post = seed::post(self, job, title, live);
        self.tell("job_post_created", |state| webhook::post(state, post));
        post
    }

    /// Changes a post.
    pub fn update_post(&mut self, post: u64, work: impl FnOnce(&mut Row)) {
        self.change(Table::JobPosts, post, work);
        self.tell("job_post_updated", |state| webhook::post(state, post));
    }

    /// Deletes a post: it is told only to who asks for those that are not active.
    pub fn delete_post(&mut self, post: u64) {
        self.change(Table::JobPosts, post, |row| {
            row.set("active", false);
            row.set("live", false);
        });
        self.tell("job_post_deleted", |state| json!({"job_post": webhook::post(state, post)}));
    }

    /// Schedules an interview of an active application in the stage that it is in. No webhook tells it.
    pub fn schedule(&mut self, application: u64, in_days: i64, all_day: bool) -> Option<u64> {
        let row = self.store.row(Table::Applications, application)?;
        let (job, stage) = (row.number("job_id")?, row.number("job_interview_stage_id")?);
        let planned = self.store.of(Table::JobInterviewStages, stage, Table::JobInterviews).first().copied()?;
        let start = self.now_ms() + in_days * DAY_MS;
        let timed = |ms: i64| if all_day { Value::Null } else { time(ms) };
        let day = if all_day { date(start) } else { Value::Null };
        Some(self.add(
            Table::Interviews,
            vec![
                ("job_id", json!(job)),
                ("application_id", json!(application)),
                ("job_interview_id", json!(planned)),
                ("starts_at", timed(start)),
                ("ends_at", timed(start + DAY_MS / 32)),
                ("location", json!("Room <4> & hall")),
                ("status", json!("scheduled")),
                ("organizer_id", json!(1)),
                ("scheduled_at", Value::Null),
                ("all_day_start_on", day.clone()),
                ("all_day_end_on", day),
                ("external_event_id", Value::Null),
                ("video_conferencing_url", Value::Null),
                ("availability_received_at", Value::Null),
            ],
        ))
    }

    /// Deletes an interview.
    pub fn delete_interview(&mut self, interview: u64) -> bool {
        let gone = self.store.remove(Table::Interviews, interview).is_some();
        if gone {
            self.tell("interview_deleted", |_| json!({"interview": {"id": interview}}));
        }
        gone
    }

    /// Begins a scorecard for an interview. No webhook tells it.
    pub fn begin_scorecard(&mut self, interview: u64) -> Option<u64> {
        let row = self.store.row(Table::Interviews, interview)?;
        let (application, at) = (row.number("application_id")?, row.get("starts_at").clone());
        let planned = row.number("job_interview_id")?;
        let kit = self.store.of(Table::JobInterviews, planned, Table::InterviewKits).first().copied()?;
        Some(self.add(
            Table::Scorecards,
            vec![
                ("interview_kit_id", json!(kit)),
                ("interviewer_id", json!(1)),
                ("interviewed_at", at),
                ("notes", Value::Null),
                ("notes_with_tags", Value::Null),
                ("submitter_id", json!(1)),
                ("candidate_rating", Value::Null),
                ("private_notes", Value::Null),
                ("private_notes_with_tags", Value::Null),
                ("status", json!("draft")),
                ("public_notes", Value::Null),
                ("public_notes_with_tags", Value::Null),
                ("application_id", json!(application)),
                ("submitted_at", Value::Null),
            ],
        ))
    }

    /// Submits a scorecard, or submits it again.
    pub fn submit_scorecard(&mut self, scorecard: u64, rating: Value) {
        let now = time(self.now_ms());
        self.change(Table::Scorecards, scorecard, |row| {
            row.set("status", "complete");
            row.set("candidate_rating", rating);
            row.set("submitted_at", now);
        });
    }

    /// Deletes a scorecard.
    pub fn delete_scorecard(&mut self, scorecard: u64) -> bool {
        let Some(row) = self.store.remove(Table::Scorecards, scorecard) else { return false };
        self.tell("scorecard_deleted", |state| {
            let application = state.store.parent(&row, "application_id", Table::Applications);
            json!({"scorecard": {
                "id": scorecard, "candidate_id": application.map(|row| row.get("candidate_id")),
                "interviewed_at": row.get("interviewed_at"), "created_at": time(row.created),
                "updated_at": time(row.updated), "scorecard_status": row.get("status"),
            }})
        });
        true
    }

    /// Makes an offer; a newer version makes those before it `Deprecated`.
    pub fn offer(&mut self, application: u64, in_days: i64) -> Option<u64> {
        let row = self.store.row(Table::Applications, application)?;
        let (job, candidate) = (row.number("job_id")?, row.number("candidate_id")?);
        let earlier = self.store.of(Table::Applications, application, Table::Offers);
        let version = earlier.len() + 1;
        for offer in earlier {
            let current = self.store.row(Table::Offers, offer).and_then(|row| row.text("status"));
            if current != Some("Deprecated") {
                self.update_offer(offer, |row| row.set("status", "Deprecated"));
            }
        }
        let starts = date(self.now_ms() + in_days * DAY_MS);
        let offer = self.add(
            Table::Offers,
            vec![
                ("version", json!(version)),
                ("application_id", json!(application)),
                ("job_id", json!(job)),
                ("candidate_id", json!(candidate)),
                ("opening_id", Value::Null),
                ("status", json!("Created")),
                ("starts_on", if in_days == 0 { Value::Null } else { starts }),
                ("sent_on", Value::Null),
                ("resolved_at", Value::Null),
                ("custom_fields", json!({})),
            ],
        );
        self.tell("offer_created", |state| webhook::offer(state, offer));
        Some(offer)
    }

    /// Changes an offer.
    pub fn update_offer(&mut self, offer: u64, work: impl FnOnce(&mut Row)) {
        self.change(Table::Offers, offer, work);
        self.tell("offer_updated", |state| webhook::offer(state, offer));
    }

    /// Approves an offer, which changes nothing that the lists tell but its time.
    pub fn approve_offer(&mut self, offer: u64) {
        self.change(Table::Offers, offer, |_| ());
        self.tell("offer_approved", |state| webhook::offer(state, offer));
    }

    /// Deletes an offer.
    pub fn delete_offer(&mut self, offer: u64) -> bool {
        let Some(row) = self.store.remove(Table::Offers, offer) else { return false };
        self.tell("offer_deleted", |_| webhook::deleted_offer(&row));
        true
    }

    /// Deletes a department or an office that nothing refers to.
    pub fn delete_unit(&mut self, table: Table, id: u64) -> bool {
        if self.store.has(table, id, Table::Jobs) || self.store.has(table, id, table) {
            return false;
        }
        let Some(row) = self.store.remove(table, id) else { return false };
        let mut unit = json!({
            "id": id, "name": row.get("name"), "child_ids": [], "parent_id": row.get("parent_id"),
            "external_id": row.get("external_id"),
        });
        if table == Table::Offices {
            if let Some(fields) = unit.as_object_mut() {
                fields.insert("location".to_owned(), json!({"name": row.get("location")}));
            }
            self.tell("office_deleted", |_| json!({"office": unit}));
        } else {
            self.tell("department_deleted", |_| json!({"department": unit}));
        }
        true
    }
}

/// The day of a moment.
#[must_use]
pub fn date(ms: i64) -> Value {
    let text = time(ms);
    json!(text.as_str().and_then(|text| text.get(..10)).unwrap_or_default())
}
