//! Makes records of applications that came in by API: claim, write candidate, application and job, record the end.
//!
//! Every step may be repeated: the records have derived ids and are written only when they differ, and the intake's end is
//! recorded by the holder of its lease alone. What must never be here: a decision about who may send applications.

use std::time::Duration;

use aws::batch::Invocation;
use aws::cache::Cache;
use aws::clients::Aws;
use aws::clock;
use aws::error::AwsError;
use aws::function::{Function, StartError, Worker};
use aws::random;
use aws::table::{Item, text};
use aws::work::{Claim, ClaimTerms, HeldLease, claim, finish, release, state_attributes};
use domain::ats::{Extent, Job, Observation, Origin, Record};
use domain::failure::Failure;
use domain::id::ConnectionId;
use domain::intake::{AppliedJob, CONNECTION, Intake, IntakeRecords, PROVIDER};
use domain::message::IntakeJob;
use resilience::batch::Outcome;
use resilience::cache::Kind;
use resilience::retry::{Next, WORKER};
use resilience::work::{self, Fenced, Refusal};
use serde_json::Value;
use store::records::{Records, key_of};

const READY: &str = "accepted";
const HELD: &str = "running";
const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";

/// The worker of intakes.
#[derive(Debug)]
pub struct IntakeWorker {
    records: Records,
    cache: Cache,
    connection: ConnectionId,
}

/// How the work itself ended.
enum Ended {
    Done(Box<IntakeRecords>),
    Never(Failure),
}

impl Function for IntakeWorker {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let records = Records::new(aws.table("RECORDS_TABLE")?);
        Ok(Self { records, cache: Cache::from_environment()?, connection: CONNECTION.parse()? })
    }

    async fn warm_up(&self) {
        tokio::join!(self.records.table().preconnect(), self.cache.preconnect());
    }
}

impl Worker for IntakeWorker {
    type Message = IntakeJob;

    const PRIORITY: bool = true;

    async fn handle(&self, job: IntakeJob, invocation: Invocation) -> Outcome {
        match self.work(&job, invocation).await {
            Ok(outcome) => outcome,
            Err(error) => error.outcome(),
        }
    }
}

impl IntakeWorker {
    async fn work(&self, job: &IntakeJob, invocation: Invocation) -> Result<Outcome, AwsError> {
        let terms = ClaimTerms {
            condition: work::CLAIM_RECORDED,
            ready: Some(READY),
            held: HELD,
            lease_until: invocation.deadline,
            set: Item::new(),
            once: Item::new(),
        };
        let key = key_of::<Intake>(&job.org, &job.intake.to_string());
        // Claimed as it is and read after that, so that one that cannot be read has a holder who can say so.
        let (hold, record) = match claim::<Value>(self.records.table(), key, terms, clock::now()).await? {
            Claim::Held(hold, record) => (hold, record),
            Claim::Refused(Refusal::Busy(after)) => return Ok(Outcome::retry(after, "another worker has it")),
            Claim::Refused(Refusal::Missing) => return Ok(Outcome::dead("there is no such intake")),
            Claim::Refused(Refusal::Finished) => return Ok(Outcome::Done),
            // Cannot be: this claim takes over what was left.
            Claim::Refused(Refusal::Abandoned) => {
                return Ok(Outcome::retry(WORKER.base, "the intake could not be claimed"));
            }
        };
        let attempts = record.get(work::ATTEMPTS).and_then(Value::as_u64).unwrap_or(1);
        let ended = match serde_json::from_value::<Intake>(record) {
            Ok(intake) => self.apply(job, &intake).await,
            // What stood there is personal and is not repeated.
            Err(_) => Ok(Ended::Never(Failure::new("unreadable", "the recorded application cannot be read"))),
        };
        match ended {
            Ok(ended) => self.end(job, &hold, ended).await,
            Err(error) if error.retry() => self.try_again(&hold, attempts, &error).await,
            Err(error) => {
                tracing::error!(org = %job.org, intake.id = %job.intake, %error, "an intake cannot be recorded");
                let failure = Failure::new("not-recordable", "the application cannot be recorded as it is");
                self.end(job, &hold, Ended::Never(failure)).await
            }
        }
    }

    async fn apply(&self, job: &IntakeJob, intake: &Intake) -> Result<Ended, AwsError> {
        let recorded: Option<Job> = match &intake.job {
            AppliedJob::Recorded(id) => match self.records.get(&job.org, &id.to_string()).await? {
                Some(found) => Some(found),
                None => {
                    let detail = "your organisation has no job with the id that the application names";
                    return Ok(Ended::Never(Failure::new("unknown-job", detail)));
                }
            },
            AppliedJob::External { .. } => None,
        };
        let set = intake.records(&job.org, &self.connection, recorded.as_ref());
        let IntakeRecords { candidate, application, job: external, version_ms } = &set;
        let told = [
            Some(Record::Candidate(candidate.clone())),
            Some(Record::Application(application.clone())),
            external.clone().map(Record::Job),
        ];
        // What an application does not say of a person or a job stays as it was.
        let observation = |record| Observation { record, version_ms: Some(*version_ms), extent: Extent::Part };
        let observations: Vec<Observation> = told.into_iter().flatten().map(observation).collect();
        let origin =
            Origin { org: job.org.clone(), provider: PROVIDER.to_owned(), connection: self.connection.clone() };
        self.records.observe(&origin, &observations, (*version_ms, i64::MAX), clock::now()).await?;
        let kinds: &[Kind] = if external.is_some() { &[Kind::Applicants, Kind::Jobs] } else { &[Kind::Applicants] };
        self.cache.wrote(&job.org, kinds).await;
        Ok(Ended::Done(Box::new(set)))
    }

    async fn end(&self, job: &IntakeJob, hold: &HeldLease, ended: Ended) -> Result<Outcome, AwsError> {
        let (state, set) = match ended {
            Ended::Done(set) => {
                let mut item = state_attributes(SUCCEEDED, None)?;
                item.insert("candidate_id".to_owned(), text(set.candidate.id.to_string()));
                item.insert("application_id".to_owned(), text(set.application.id.to_string()));
                (SUCCEEDED, item)
            }
            Ended::Never(failure) => (FAILED, state_attributes(FAILED, Some(&failure))?),
        };
        if finish(self.records.table(), hold, set, clock::now()).await? == Fenced::LeaseLost {
            return Ok(Outcome::retry(Duration::ZERO, "the lease had passed before the end could be recorded"));
        }
        tracing::info!(org = %job.org, intake.id = %job.intake, intake.state = state, "intake ended");
        Ok(Outcome::Done)
    }

    /// AWS did not do its part. That blames no application, so the tries never end it: after the last one it is tried at the
    /// longest delay, and when its message is used up the sweep sends another.
    async fn try_again(&self, hold: &HeldLease, attempts: u64, error: &AwsError) -> Result<Outcome, AwsError> {
        let tried = u32::try_from(attempts).unwrap_or(u32::MAX).min(WORKER.tries - 1);
        let after = match WORKER.next(tried, random::chance(), None) {
            Next::After(after) => after,
            Next::GiveUp => WORKER.cap,
        };
        let failure = Failure::new("unavailable", "the records could not be written; it is tried again");
        let set = state_attributes(READY, Some(&failure))?;
        // When the lease had passed, its next holder has set what is right.
        let (Fenced::Written | Fenced::LeaseLost) =
            release(self.records.table(), hold, set, after, clock::now()).await?;
        Ok(Outcome::retry(after, format!("failed to {error}")))
    }
}
