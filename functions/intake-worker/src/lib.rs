//! Makes records of applications that came in by API: claim, write candidate, application and job, record the end.
//!
//! Every step may be repeated: the records have derived ids and are written only when they differ, and the intake's end is
//! recorded by the holder of its lease alone. What must never be here: a decision about who may send applications.

use std::convert::Infallible;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::cache::Cache;
use aws::clients::Aws;
use aws::clock;
use aws::error::AwsError;
use aws::function::{Function, StartError, Worker};
use aws::table::text;
use domain::ats::{Extent, Job, Observation, Origin, Record};
use domain::failure::Failure;
use domain::id::{ConnectionId, OrgId};
use domain::intake::{AppliedJob, CONNECTION, Intake, IntakeRecords, PROVIDER};
use domain::message::IntakeJob;
use resilience::batch::Outcome;
use resilience::cache::Kind;
use store::jobs::{self, Attempt, AttemptResult, End, LeasedJob, Transition};
use store::records::Records;

const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";

/// The worker of intakes.
#[derive(Debug)]
pub struct IntakeWorker {
    records: Records,
    cache: Cache,
    connection: ConnectionId,
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
        jobs::work(self, job, invocation).await
    }
}

impl LeasedJob for IntakeWorker {
    type Message = IntakeJob;
    type Record = Intake;
    type FollowUp = Infallible;

    const NAME: &'static str = "intake";
    const SUBJECT: &'static str = "application";
    const READY: &'static str = "accepted";
    const HELD: &'static str = "running";
    const FAILED: &'static str = FAILED;

    fn records(&self) -> &Records {
        &self.records
    }

    fn key(job: &IntakeJob) -> (&OrgId, String) {
        (&job.org, job.intake.to_string())
    }

    async fn attempt(&self, attempt: Attempt<'_, IntakeJob, Intake>) -> Result<AttemptResult<Infallible>, AwsError> {
        let end = self.apply(attempt.message, &attempt.record).await?;
        Ok(AttemptResult { verdict: Verdict::NotTried, transition: Transition::End(end) })
    }

    async fn follow_up(&self, _job: &IntakeJob, follow_up: Infallible) -> Result<(), AwsError> {
        match follow_up {}
    }
}

impl IntakeWorker {
    /// Writes the records of an application, or says why it cannot have any.
    async fn apply(&self, job: &IntakeJob, intake: &Intake) -> Result<End<Infallible>, AwsError> {
        let recorded: Option<Job> = match &intake.job {
            AppliedJob::Recorded(id) => match self.records.get(&job.org, &id.to_string()).await? {
                Some(found) => Some(found),
                None => {
                    let detail = "your organisation has no job with the id that the application names";
                    return Ok(End::new(FAILED, Some(Failure::new("unknown-job", detail))));
                }
            },
            AppliedJob::External { .. } => None,
        };
        let records = intake.records(&job.org, &self.connection, recorded.as_ref());
        let IntakeRecords { candidate, application, job: external, version_ms } = &records;
        let applied = [
            Some(Record::Candidate(candidate.clone())),
            Some(Record::Application(application.clone())),
            external.clone().map(Record::Job),
        ];
        // What an application does not say of a person or a job stays as it was.
        let observation = |record| Observation { record, version_ms: Some(*version_ms), extent: Extent::Part };
        let observations: Vec<Observation> = applied.into_iter().flatten().map(observation).collect();
        let origin =
            Origin { org: job.org.clone(), provider: PROVIDER.to_owned(), connection: self.connection.clone() };
        self.records.observe(&origin, &observations, (*version_ms, i64::MAX), clock::now()).await?;
        let kinds: &[Kind] = if external.is_some() { &[Kind::Applicants, Kind::Jobs] } else { &[Kind::Applicants] };
        self.cache.invalidate(&job.org, kinds).await;
        let ids = [("candidate_id", candidate.id.to_string()), ("application_id", application.id.to_string())];
        let set = ids.into_iter().map(|(name, id)| (name.to_owned(), text(id))).collect();
        Ok(End { set, ..End::new(SUCCEEDED, None) })
    }
}
