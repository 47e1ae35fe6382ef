//! What happens to candidates and their applications.

use serde_json::{Value, json};

use super::{
    seed,
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
        let id = self.add_application(candidate, Some(job), post, false, Vec::new());
        self.enter(id, stage);
        self.tell("new_candidate_application", |state| webhook::application(state, id));
        Some(id)
    }

    /// Somebody is considered for jobs without having applied.
    pub fn consider(&mut self, candidate: u64, jobs: Vec<u64>) -> u64 {
        let id = self.add_application(candidate, None, None, true, jobs);
        self.tell("new_prospect_application", |state| webhook::application(state, id));
        id
    }

    /// A prospect becomes an application of a job: the old row is `converted`, the new one stands in the first stage.
    pub fn convert(&mut self, prospect: u64, job: u64) -> Option<u64> {
        let candidate = self.store.row(Table::Applications, prospect)?.number("candidate_id")?;
        self.set(Table::Applications, prospect, json!({"status": "converted"}));
        self.apply(candidate, job, None)
    }

    fn add_application(
        &mut self,
        candidate: u64,
        job: Option<u64>,
        post: Option<u64>,
        prospect: bool,
        prospective: Vec<u64>,
    ) -> u64 {
        let source = self.store.rows(Table::Sources).keys().next().copied();
        self.add(
            Table::Applications,
            json!({
                "candidate_id": candidate, "job_id": job, "job_post_id": post, "source_id": source, "prospect": prospect,
                "prospective_job_ids": prospective,
            }),
        )
    }

    /// The active stages of a job in their order.
    pub fn stages(&self, job: u64) -> Vec<u64> {
        let rows = self.store.of(Table::Jobs, job, Table::JobInterviewStages).into_iter();
        let mut stages: Vec<(u64, u64)> = rows
            .filter_map(|id| self.store.row(Table::JobInterviewStages, id))
            .filter(|row| row.is("active"))
            .map(|row| (row.number("sort_order").unwrap_or_default(), row.id))
            .collect();
        stages.sort_unstable();
        stages.into_iter().map(|(_, id)| id).collect()
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
        self.tell("candidate_stage_change", |state| webhook::application(state, application));
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
        self.tell("reject_candidate", |state| webhook::application(state, application));
    }

    /// A rejected application is active again.
    pub fn unreject(&mut self, application: u64) {
        for details in self.store.of(Table::Applications, application, Table::RejectionDetails) {
            self.store.remove(Table::RejectionDetails, details);
        }
        self.resume(application);
        self.tell("unreject_candidate", |state| webhook::application(state, application));
    }

    /// An active application is hired and fills this opening; the last one closes the job.
    pub fn hire(&mut self, application: u64, opening: u64) {
        let now = time(self.now_ms());
        self.end(application, "hired", Value::Null);
        self.set(Table::Openings, opening, json!({"open": false, "closed_at": now, "application_id": application}));
        self.tell("hire_candidate", |state| webhook::hired(state, application, opening));
        let job = self.store.row(Table::Openings, opening).and_then(|row| row.number("job_id"));
        let open = |state: &Self, job| {
            let ids = state.store.of(Table::Jobs, job, Table::Openings);
            ids.into_iter().any(|id| state.store.row(Table::Openings, id).is_some_and(|row| row.is("open")))
        };
        if let Some(job) = job.filter(|job| !open(self, *job)) {
            self.set_job_status(job, "closed");
        }
    }

    /// A hired application is active again, and its opening open.
    pub fn unhire(&mut self, application: u64) {
        self.resume(application);
        for opening in self.store.of(Table::Applications, application, Table::Openings) {
            self.set(Table::Openings, opening, json!({"open": true, "closed_at": null, "application_id": null}));
        }
        self.tell("unhire_candidate", |state| webhook::application(state, application));
        let job = self.store.row(Table::Applications, application).and_then(|row| row.number("job_id"));
        let closed = |job: &Row| job.text("status") == Some("closed");
        if let Some(job) = job.filter(|job| self.store.row(Table::Jobs, *job).is_some_and(closed)) {
            self.set_job_status(job, "open");
        }
    }

    /// Changes an application, which the webhook `application_updated` tells.
    pub fn update_application(&mut self, application: u64, work: impl FnOnce(&mut Row)) {
        self.change(Table::Applications, application, work);
        self.tell("application_updated", |state| webhook::application(state, application));
    }

    pub fn update_candidate(&mut self, candidate: u64, work: impl FnOnce(&mut Row)) {
        self.change(Table::Candidates, candidate, work);
        self.tell("update_candidate", |state| webhook::candidate_alone(state, candidate));
    }

    /// Forgets who somebody is.
    pub fn anonymize(&mut self, candidate: u64) -> bool {
        let nobody = json!({"first_name": "Anonymized", "last_name": null, "title": null});
        self.set(Table::Candidates, candidate, with(nobody, json!({"email_addresses": [], "phone_numbers": []})));
        let fields = ["full_name", "current_title", "email_addresses", "phone_numbers"];
        self.tell("candidate_anonymized", |_| json!({"candidate_id": candidate, "anonymized_fields": fields}));
        true
    }

    /// Takes out an application and all that hangs on it.
    fn drop_application(&mut self, application: u64) -> Option<Row> {
        let row = self.store.remove(Table::Applications, application)?;
        for table in
            [Table::ApplicationStages, Table::Interviews, Table::Offers, Table::Scorecards, Table::RejectionDetails]
        {
            for id in self.store.of(Table::Applications, application, table) {
                self.store.remove(table, id);
            }
        }
        for opening in self.store.of(Table::Applications, application, Table::Openings) {
            self.set(Table::Openings, opening, json!({"application_id": null}));
        }
        Some(row)
    }

    /// Deletes an application; no other webhook tells of what hung on it.
    pub fn delete_application(&mut self, application: u64) -> bool {
        let Some(row) = self.drop_application(application) else { return false };
        self.tell("delete_application", |_| webhook::deleted_application(&row));
        true
    }

    /// Deletes a person with all applications, which only this one webhook tells.
    pub fn delete_candidate(&mut self, candidate: u64) -> bool {
        let applications = self.store.of(Table::Candidates, candidate, Table::Applications);
        for application in &applications {
            self.drop_application(*application);
        }
        for note in self.store.of(Table::Candidates, candidate, Table::Notes) {
            self.store.remove(Table::Notes, note);
        }
        let Some(row) = self.store.remove(Table::Candidates, candidate) else { return false };
        let person = with(webhook::person(&row), json!({"deleted_application_ids": applications}));
        self.tell("delete_candidate", |_| json!({"person": person}));
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
        self.tell("merge_candidate", |_| json!({"person": person}));
        true
    }

    /// Somebody applies on the job board.
    pub fn apply_on_board(
        &mut self,
        post: u64,
        first: &str,
        last: &str,
        mail: &str,
        phone: Option<&str>,
    ) -> Option<u64> {
        let job = self.store.row(Table::JobPosts, post).filter(|row| row.is("live"))?.number("job_id")?;
        let candidate = self.add(Table::Candidates, seed::candidate(first, last, Some(mail), phone));
        self.apply(candidate, job, Some(post))
    }
}
