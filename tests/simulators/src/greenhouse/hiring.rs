//! What happens to candidates and their applications.

use serde_json::{Value, json};

use super::{
    seed,
    state::State,
    table::{Row, Table, time},
    webhook,
};

impl State {
    /// A new person, who has not applied yet.
    pub fn new_candidate(&mut self, fields: Vec<(&'static str, Value)>) -> u64 {
        self.add(Table::Candidates, fields)
    }

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
        self.change(Table::Applications, prospect, |row| row.set("status", "converted"));
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
            vec![
                ("agency_note_id", Value::Null),
                ("candidate_id", json!(candidate)),
                ("coordinator_id", Value::Null),
                ("job_id", json!(job)),
                ("job_post_id", json!(post)),
                ("recruiter_id", json!(1)),
                ("referrer_id", Value::Null),
                ("source_id", json!(source)),
                ("stage_id", Value::Null),
                ("job_interview_stage_id", Value::Null),
                ("stage_name", Value::Null),
                ("status", json!("in_process")),
                ("needs_decision", json!(false)),
                ("prospect", json!(prospect)),
                ("rejected_at", Value::Null),
                ("last_activity_at", Value::Null),
                ("location_address", Value::Null),
                ("answers", json!([])),
                ("prospective_job_ids", json!(prospective)),
                ("custom_fields", json!({})),
                ("_held_stage", Value::Null),
            ],
        )
    }

    /// The active stages of a job in their order.
    #[must_use]
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
        let row = self.add(
            Table::ApplicationStages,
            vec![
                ("application_id", json!(application)),
                ("job_interview_stage_id", json!(stage)),
                ("entered_at", entered.clone()),
                ("exited_at", Value::Null),
                ("days_in_stage", json!(0)),
                ("current", json!(true)),
            ],
        );
        self.change(Table::Applications, application, |application| {
            application.set("stage_id", row);
            application.set("job_interview_stage_id", stage);
            application.set("stage_name", name.unwrap_or_default());
            application.set("last_activity_at", entered);
            application.set("_held_stage", stage);
        });
    }

    fn leave(&mut self, application: u64) {
        let current = self.store.row(Table::Applications, application).and_then(|row| row.number("stage_id"));
        let exited = time(self.now_ms());
        if let Some(current) = current {
            self.change(Table::ApplicationStages, current, |row| {
                row.set("current", false);
                row.set("exited_at", exited);
            });
        }
    }

    /// Ends an application: it stands in no stage any more.
    fn end(&mut self, application: u64, status: &str, rejected_at: Value) {
        self.leave(application);
        self.change(Table::Applications, application, |row| {
            for field in ["stage_id", "job_interview_stage_id", "stage_name"] {
                row.set(field, Value::Null);
            }
            row.set("status", status);
            row.set("rejected_at", rejected_at);
        });
    }

    /// Takes an ended application up again, in the stage that it was in.
    fn resume(&mut self, application: u64) {
        let held = self.store.row(Table::Applications, application).and_then(|row| row.number("_held_stage"));
        self.change(Table::Applications, application, |row| {
            row.set("status", "in_process");
            row.set("rejected_at", Value::Null);
        });
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
        self.change(Table::Applications, application, |row| {
            row.set("job_id", job);
            row.set("job_post_id", Value::Null);
        });
        self.move_to(application, stage);
        true
    }

    /// An active application is rejected.
    pub fn reject(&mut self, application: u64, reason: u64) {
        let now = time(self.now_ms());
        self.end(application, "rejected", now.clone());
        self.add(
            Table::RejectionDetails,
            vec![
                ("application_id", json!(application)),
                ("rejected_by_id", json!(1)),
                ("rejection_note_id", Value::Null),
                ("rejection_reason_id", json!(reason)),
                ("rejected_at", now),
                ("question_custom_fields", json!({})),
            ],
        );
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
        self.change(Table::Openings, opening, |row| {
            row.set("open", false);
            row.set("closed_at", now.clone());
            row.set("application_id", application);
        });
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
            self.change(Table::Openings, opening, |row| {
                row.set("open", true);
                row.set("closed_at", Value::Null);
                row.set("application_id", Value::Null);
            });
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

    /// Changes a person.
    pub fn update_candidate(&mut self, candidate: u64, work: impl FnOnce(&mut Row)) {
        self.change(Table::Candidates, candidate, work);
        self.tell("update_candidate", |state| webhook::candidate_alone(state, candidate));
    }

    /// Forgets who somebody is.
    pub fn anonymize(&mut self, candidate: u64) {
        self.change(Table::Candidates, candidate, |row| {
            row.set("first_name", "Anonymized");
            row.set("last_name", Value::Null);
            row.set("title", Value::Null);
            row.set("email_addresses", json!([]));
            row.set("phone_numbers", json!([]));
        });
        let fields = ["full_name", "current_title", "email_addresses", "phone_numbers"];
        self.tell("candidate_anonymized", |_| json!({"candidate_id": candidate, "anonymized_fields": fields}));
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
            self.change(Table::Openings, opening, |row| row.set("application_id", Value::Null));
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
        self.drop_notes(candidate);
        let Some(row) = self.store.remove(Table::Candidates, candidate) else { return false };
        let mut person = webhook::person(&row);
        if let Some(fields) = person.as_object_mut() {
            fields.insert("deleted_application_ids".to_owned(), json!(applications));
        }
        self.tell("delete_candidate", |_| json!({"person": person}));
        true
    }

    fn drop_notes(&mut self, candidate: u64) {
        for note in self.store.of(Table::Candidates, candidate, Table::Notes) {
            self.store.remove(Table::Notes, note);
        }
    }

    /// `gone` turns out to be `survivor`, who gets all applications.
    pub fn merge(&mut self, gone: u64, survivor: u64) -> bool {
        if gone == survivor || self.store.row(Table::Candidates, survivor).is_none() {
            return false;
        }
        for table in [Table::Applications, Table::Offers, Table::Notes] {
            for id in self.store.of(Table::Candidates, gone, table) {
                self.change(table, id, |row| row.set("candidate_id", survivor));
            }
        }
        let Some(row) = self.store.remove(Table::Candidates, gone) else { return false };
        let mut person = webhook::person(&row);
        if let Some(fields) = person.as_object_mut() {
            fields.insert("new_candidate_id".to_owned(), json!(survivor));
        }
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
        let candidate = self.new_candidate(seed::candidate(json!(first), json!(last), Some(mail), phone));
        self.apply(candidate, job, Some(post))
    }
}
