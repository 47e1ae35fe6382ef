//! The pages of one run.

use std::time::Duration;

use domain::application::{ObservedApplication, RecordSet, records};
use domain::connection::Connection;
use domain::message::SyncJob;
use domain::sync::Counts;
use futures::stream::{self, StreamExt as _};
use jiff::Timestamp;
use platform::batch::Turn;
use platform::breaker::Verdict;
use platform::clock;
use platform::control::RunHold;
use platform::error::PlatformError;
use platform::records::Upserted;
use providers::access::ats_base;
use providers::http::SendError;
use providers::polling::{Page, PageError, PageRequest, PolledSource};
use providers::spec::{Spec, SyncMethod};
use resilience::cache::Kind;
use resilience::limit::{Decision, Policy};
use secrecy::SecretString;

use crate::Worker;

/// Longest wait for a page.
const LONGEST_PAGE: Duration = Duration::from_secs(20);
/// A page is not begun with less time than this left: it must be read and applied before the invocation ends.
const FOR_A_PAGE: Duration = Duration::from_secs(30);
/// How many rows of a page are applied at once.
const AT_ONCE: usize = 10;

/// How far a run is.
#[derive(Debug)]
pub(crate) struct Progress {
    /// The page to ask for next; none before the first.
    pub(crate) page: Option<String>,
    /// When it began.
    pub(crate) started_at: Timestamp,
    /// What it did.
    pub(crate) counts: Counts,
}

/// Why a run stops before its last page.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The provider asked to wait.
    RateLimited(Duration),
    /// Our own budget of requests to the provider is used up for this time.
    BudgetSpent(Duration),
    /// It cannot go on until somebody acts.
    Failed(String),
    /// It may go on soon.
    Unavailable(String),
    /// The invocation is about to end.
    OutOfTime,
    /// Another worker took the run over.
    Lost,
    /// AWS did not do its part.
    Platform(PlatformError),
}

impl From<PlatformError> for Halt {
    fn from(error: PlatformError) -> Self {
        Self::Platform(error)
    }
}

impl From<PageError> for Halt {
    fn from(error: PageError) -> Self {
        let detail = error.to_string();
        match error {
            PageError::RateLimited { wait } => Self::RateLimited(wait),
            PageError::Unauthorised(_) | PageError::Refused(_) | PageError::Malformed(_) => {
                Self::Failed(format!("failed to {detail}"))
            }
            PageError::Unavailable(_) => Self::Unavailable(format!("failed to {detail}")),
        }
    }
}

impl Worker {
    /// Reads and applies page after page.
    pub(crate) async fn run(
        &self,
        job: &SyncJob,
        hold: &RunHold,
        connection: &Connection,
        progress: &mut Progress,
        turn: Turn,
        verdict: &mut Verdict,
    ) -> Result<(), Halt> {
        let (spec, source) = providers::find(&connection.provider)
            .and_then(|spec| Some((spec, spec.polling?)))
            .ok_or_else(|| Halt::Failed(format!("`{}` is not a provider that is polled", connection.provider)))?;
        let account = connection.account.as_deref().unwrap_or_default();
        let base =
            ats_base(self.stage, spec.base_url.unwrap_or_default(), account, self.replacement.as_deref(), spec.id)
                .map_err(|error| Halt::Failed(format!("failed to {error}")))?;
        let secret = self.secrets.of_connection(&job.org, &job.connection, source.secret()).await;
        let secret = secret.map_err(|error| Halt::Unavailable(format!("failed to {error}")))?;
        let secret = secret.ok_or_else(|| Halt::Failed("there is no API key for this connection".to_owned()))?;
        loop {
            if turn.left() < FOR_A_PAGE {
                return Err(Halt::OutOfTime);
            }
            let page = progress.page.clone().unwrap_or_else(|| source.first_page());
            self.spend(job, spec).await?;
            let read = self.read(source, &base, &page, &secret).await;
            *verdict = match &read {
                Err(Halt::Unavailable(_)) => Verdict::Failed,
                // Whatever it says, the provider answered.
                Ok(_) | Err(_) => Verdict::Works,
            };
            let Page { rows, next } = read?;
            self.apply(job, spec, rows, &mut progress.counts, turn).await?;
            let Some(next) = next else { return Ok(()) };
            progress.page = Some(next);
            if let Some(checkpoint) = progress.checkpoint()
                && !self.control.checkpoint(hold, &checkpoint, turn.deadline).await?
            {
                return Err(Halt::Lost);
            }
        }
    }

    /// Takes one request from the connection's budget.
    async fn spend(&self, job: &SyncJob, spec: &Spec) -> Result<(), Halt> {
        let SyncMethod::Polled { requests_per_minute, .. } = spec.sync else { return Ok(()) };
        let policy = Policy::per_minute(requests_per_minute);
        match self.budget.admit(&job.org, job.connection.as_str(), policy, clock::now()).await {
            Some(Decision { allowed: false, reset_ms, .. }) => {
                // Due times have whole seconds: one more, so that the next run does not come a moment too early.
                let seconds = u64::try_from(reset_ms).unwrap_or(0).div_ceil(1_000).saturating_add(1);
                Err(Halt::BudgetSpent(Duration::from_secs(seconds)))
            }
            Some(Decision { allowed: true, .. }) | None => Ok(()),
        }
    }

    async fn read(
        &self,
        source: &dyn PolledSource,
        base: &providers::polling::Url,
        page: &str,
        secret: &SecretString,
    ) -> Result<Page, Halt> {
        let PageRequest { url, headers } = source.request(base, page, secret)?;
        let request = self.http.client().get(url).headers(headers);
        let reply = match self.http.send(request, LONGEST_PAGE).await {
            Ok(reply) => reply,
            // Reading may be repeated, whatever became of the first request.
            Err(error @ (SendError::NotSent(_) | SendError::NoReply(_))) => {
                return Err(Halt::Unavailable(format!("failed to {error}")));
            }
        };
        Ok(source.read(page, &reply, clock::now())?)
    }

    /// Applies the rows of a page. A job that stands in many rows is written once. The cache is told once, what changed; after a
    /// repeated message everything, because the page may have been applied by a run that ended before it could tell.
    async fn apply(
        &self,
        job: &SyncJob,
        spec: &Spec,
        rows: Vec<ObservedApplication>,
        counts: &mut Counts,
        turn: Turn,
    ) -> Result<(), PlatformError> {
        let now = clock::now();
        let sets: Vec<RecordSet> =
            rows.into_iter().map(|row| records(&job.org, spec.id, &job.connection, row)).collect();
        let jobs: std::collections::HashMap<_, _> =
            sets.iter().filter_map(|set| set.job.as_ref().map(|job| (job.id, (job, set.version_ms)))).collect();
        let written: Vec<Result<Upserted, PlatformError>> = stream::iter(jobs.into_values())
            .map(|(record, version)| async move { self.records.upsert(&job.org, record, version, now).await })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let written = written.into_iter().collect::<Result<Vec<_>, _>>()?;
        let differs = |upserted: &Upserted| *upserted != Upserted::Unchanged || turn.received > 1;
        let jobs_changed = written.iter().any(differs);
        let upserted: Vec<Result<Upserted, PlatformError>> = stream::iter(&sets)
            .map(|RecordSet { candidate, application, job: _, version_ms }| async move {
                self.records.upsert(&job.org, candidate, *version_ms, now).await?;
                self.records.upsert(&job.org, application, *version_ms, now).await
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut applicants_changed = false;
        for upserted in upserted {
            let upserted = upserted?;
            applicants_changed |= differs(&upserted);
            counts.read += 1;
            match upserted {
                Upserted::Created => counts.created += 1,
                Upserted::Updated => counts.updated += 1,
                Upserted::Unchanged => counts.unchanged += 1,
            }
        }
        let changed = [(Kind::Applicants, applicants_changed), (Kind::Jobs, jobs_changed)];
        let kinds: Vec<Kind> = changed.into_iter().filter(|(_, changed)| *changed).map(|(kind, _)| kind).collect();
        self.cache.wrote(&job.org, &kinds).await;
        Ok(())
    }
}
