//! What happens to candidates and their applications.

use serde_json::{Value, json};

use super::{
    state::State,
    table::{Row, Table, time},
    webhook,
};
use crate::wire::with;

impl State {
    /// Somebody applies for a job and stands in its first stage.
    pub fn apply(&mut self, candidate: u64, job: u64, post: Option<u64>) -> Option<u64> {
        let stage = self.stages(job).first().copied()?;
        self.store.row(Table::Candidates, candidate)?;
        let id = self.add_application(json!({"candidate_id": candidate, "job_id": job, "job_post_id": post}));
        self.enter(id, stage);
        self.record_event("new_candidate_application", |state| webhook::application(state, id));
        Some(id)
    }

    /// Somebody is considered for jobs without having applied.
    pub fn consider(&mut self, candidate: u64, jobs: Vec<u64>) -> u64 {
        let id =
            self.add_application(json!({"candidate_id": candidate, "prospect": true, "prospective_job_ids": jobs}));
        self.record_event("new_prospect_application", |state| webhook::application(state, id));
        id
    }

    /// A prospect becomes an application of a job: the old row is `converted`, the new one stands in the first stage.
    pub fn convert(&mut self, prospect: u64, job: u64) -> Option<u64> {
        let candidate = self.store.row(Table::Applications, prospect)?.number("candidate_id")?;
        self.set(Table::Applications, prospect, json!({"status": "converted"}));
        self.apply(candidate, job, None)
    }

    fn add_application(&mut self, fields: Value) -> u64 {
        let source = self.store.rows(Table::Sources).keys().next().copied();
        self.add(Table::Applications, with(fields, json!({"source_id": source})))
    }

    /// The active stages of a job in their order.
    pub fn stages(&self, job: u64) -> Vec<u64> {
        let rows = self.store.children(Table::Jobs, job, Table::JobInterviewStages);
        let mut stages: Vec<(u64, u64)> = rows
            .filter(|row| row.is("active"))
            .map(|row| (row.number("sort_order").unwrap_or_default(), row.id))
            .collect();
        stages.sort_unstable();
        stages.into_iter().map(|(_, id)| id).collect()
    }

    /// The openings of a job that are not filled.
    pub fn open_openings(&self, job: u64) -> Vec<u64> {
        let openings = self.store.children(Table::Jobs, job, Table::Openings);
        openings.filter(|row| row.is("open")).map(|row| row.id).collect()
    }

    fn enter(&mut self, application: u64, stage: u64) {
        self.leave(application);
        let name = self.store.row(Table::JobInterviewStages, stage).map(|row| row.get("name").clone());
        let entered = time(self.now_ms());
        let stay = json!({"application_id": application, "job_interview_stage_id": stage, "entered_at": entered});
        let row = self.add(Table::ApplicationStages, stay);
        self.set(
            Table::Applications,
            application,
            json!({
                "stage_id": row, "job_interview_stage_id": stage, "stage_name": name, "last_activity_at": entered,
                "_held_stage": stage,
            }),
        );
    }

    fn leave(&mut self, application: u64) {
        let current = self.store.row(Table::Applications, application).and_then(|row| row.number("stage_id"));
        let exited = time(self.now_ms());
        if let Some(current) = current {
            self.set(Table::ApplicationStages, current, json!({"current": false, "exited_at": exited}));
        }
    }

    /// Ends an application: it stands in no stage any more.
    fn end(&mut self, application: u64, status: &str, rejected_at: Value) {
        self.leave(application);
        let no_stage = json!({"stage_id": null, "job_interview_stage_id": null, "stage_name": null});
        let ended = with(no_stage, json!({"status": status, "rejected_at": rejected_at}));
        self.set(Table::Applications, application, ended);
    }

    /// Takes an ended application up again, in the stage that it was in.
    fn resume(&mut self, application: u64) {
        let held = self.store.row(Table::Applications, application).and_then(|row| row.number("_held_stage"));
        self.set(Table::Applications, application, json!({"status": "in_process", "rejected_at": null}));
        if let Some(stage) = held {
            self.enter(application, stage);
        }
    }

    /// An active application goes to another stage of its job.
    pub fn move_to(&mut self, application: u64, stage: u64) {
        self.enter(application, stage);
        self.record_event("candidate_stage_change", |state| webhook::application(state, application));
    }

    /// An active application goes to the first stage of another job.
    pub fn transfer(&mut self, application: u64, job: u64) -> bool {
        let Some(stage) = self.stages(job).first().copied() else { return false };
        self.set(Table::Applications, application, json!({"job_id": job, "job_post_id": null}));
        self.move_to(application, stage);
        true
    }

    /// An active application is rejected.
    pub fn reject(&mut self, application: u64, reason: u64) {
        let now = time(self.now_ms());
        self.end(application, "rejected", now.clone());
        let details = json!({"application_id": application, "rejection_reason_id": reason, "rejected_at": now});
        self.add(Table::RejectionDetails, details);
        self.record_event("reject_candidate", |state| webhook::application(state, application));
    }

    /// A rejected application is active again.
    pub fn unreject(&mut self, application: u64) {
        self.store.remove_children(Table::Applications, application, &[Table::RejectionDetails]);
        self.resume(application);
        self.record_event("unreject_candidate", |state| webhook::application(state, application));
    }

    /// An active application is hired and fills this opening; the last one closes the job.
    pub fn hire(&mut self, application: u64, opening: u64) {
        let now = time(self.now_ms());
        self.end(application, "hired", Value::Null);
        self.set(Table::Openings, opening, json!({"open": false, "closed_at": now, "application_id": application}));
        self.record_event("hire_candidate", |state| webhook::hired(state, application, opening));
        let job = self.store.row(Table::Openings, opening).and_then(|row| row.number("job_id"));
        if let Some(job) = job.filter(|job| self.open_openings(*job).is_empty()) {
            self.set_job_status(job, "closed");
        }
    }

    /// A hired application is active again, and its opening open.
    pub fn unhire(&mut self, application: u64) {
        self.resume(application);
        for opening in self.store.of(Table::Applications, application, Table::Openings) {
            self.set(Table::Openings, opening, json!({"open": true, "closed_at": null, "application_id": null}));
        }
        self.record_event("unhire_candidate", |state| webhook::application(state, application));
        let job = self.store.row(Table::Applications, application).and_then(|row| row.number("job_id"));
        let closed = |job: &Row| job.text("status") == Some("closed");
        if let Some(job) = job.filter(|job| self.store.row(Table::Jobs, *job).is_some_and(closed)) {
            self.set_job_status(job, "open");
        }
    }

    /// Changes an application, which the webhook `application_updated` tells.
    pub fn update_application(&mut self, application: u64, fields: Value) {
        self.set(Table::Applications, application, fields);
        self.record_event("application_updated", |state| webhook::application(state, application));
    }

    pub fn update_candidate(&mut self, candidate: u64, fields: Value) {
        self.set(Table::Candidates, candidate, fields);
        self.record_event("update_candidate", |state| webhook::candidate_alone(state, candidate));
    }

    /// Forgets who somebody is.
    pub fn anonymize(&mut self, candidate: u64) -> bool {
        let anonymous = json!({"first_name": "Anonymized", "last_name": null, "title": null});
        self.set(Table::Candidates, candidate, with(anonymous, json!({"email_addresses": [], "phone_numbers": []})));
        let fields = ["full_name", "current_title", "email_addresses", "phone_numbers"];
        self.record_event("candidate_anonymized", |_| json!({"candidate_id": candidate, "anonymized_fields": fields}));
        true
    }

    /// Takes out an application and all that hangs on it.
    fn drop_application(&mut self, application: u64) -> Option<Row> {
        let row = self.store.remove(Table::Applications, application)?;
        let tables =
            [Table::ApplicationStages, Table::Interviews, Table::Offers, Table::Scorecards, Table::RejectionDetails];
        self.store.remove_children(Table::Applications, application, &tables);
        for opening in self.store.of(Table::Applications, application, Table::Openings) {
            self.set(Table::Openings, opening, json!({"application_id": null}));
        }
        Some(row)
    }

    /// Deletes an application; no other webhook tells of what hung on it.
    pub fn delete_application(&mut self, application: u64) -> bool {
        let Some(row) = self.drop_application(application) else { return false };
        self.record_event("delete_application", |_| webhook::deleted_application(&row));
        true
    }

    /// Deletes a person with all applications, which only this one webhook tells.
    pub fn delete_candidate(&mut self, candidate: u64) -> bool {
        let applications = self.store.of(Table::Candidates, candidate, Table::Applications);
        for application in &applications {
            self.drop_application(*application);
        }
        self.store.remove_children(Table::Candidates, candidate, &[Table::Notes]);
        let Some(row) = self.store.remove(Table::Candidates, candidate) else { return false };
        let person = with(webhook::person(&row), json!({"deleted_application_ids": applications}));
        self.record_event("delete_candidate", |_| json!({"person": person}));
        true
    }

    /// `gone` turns out to be `survivor`, who gets all applications.
    pub fn merge(&mut self, gone: u64, survivor: u64) -> bool {
        if gone == survivor || self.store.row(Table::Candidates, survivor).is_none() {
            return false;
        }
        for table in [Table::Applications, Table::Offers, Table::Notes] {
            for id in self.store.of(Table::Candidates, gone, table) {
                self.set(table, id, json!({"candidate_id": survivor}));
            }
        }
        let Some(row) = self.store.remove(Table::Candidates, gone) else { return false };
        let person = with(webhook::person(&row), json!({"new_candidate_id": survivor}));
        self.record_event("merge_candidate", |_| json!({"person": person}));
        true
    }

    /// A person with these fields applies on the job board.
    pub fn apply_on_board(&mut self, post: u64, person: Value) -> Option<u64> {
        let job = self.store.row(Table::JobPosts, post).filter(|row| row.is("live"))?.number("job_id")?;
        let candidate = self.add(Table::Candidates, person);
        self.apply(candidate, job, Some(post))
    }
}
