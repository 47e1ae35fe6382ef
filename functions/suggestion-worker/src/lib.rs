//! Makes suggestions: claim, one request to the model, record, notify recruiting staff.
//!
//! The model may get a second request when a worker dies; the result is recorded once, and its mail has one id. What
//! must never be here: the wire format of a model, or anything that decides which host is called
//! (`providers::transport::access`).

mod notify;
pub mod prompt;

use std::sync::Arc;
use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::{self, SharedBreaker, Verdict};
use aws::bulkhead::Bulkhead;
use aws::clients::Aws;
use aws::dependency::Dependency;
use aws::environment::{self, EnvironmentError};
use aws::error::AwsError;
use aws::function::{Function, StartError, Worker};
use aws::queue::Queue;
use aws::secrets::Secrets;
use aws::table::to_item;
use aws::telemetry::chain;
use aws::{clock, random, table};
use domain::ats::{Application, ApplicationInFull};
use domain::failure::Failure;
use domain::id::{ApplicationId, OrgId};
use domain::message::SuggestionJob;
use domain::stage::Stage;
use domain::suggestion::{ApplicationReview, Generation, Suggestion};
use providers::model::client::ModelClient;
use providers::model::port::{Generated, ModelError, RetryAdvice};
use providers::transport::access::{AccessError, model_access};
use providers::transport::http::{Outbound, SendError};
use resilience::batch::Outcome;
use resilience::breaker::POLICY;
use resilience::retry::{MODEL, Next};
use store::jobs::{self, Attempt, AttemptResult, End, LeasedJob, RetryKind, Transition};
use store::records::Records;

use crate::notify::Notice;
use crate::prompt::Prompts;

const SUCCEEDED: &str = "succeeded";
const FAILED: &str = "failed";
/// The longest wait for an answer of the model.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);
/// The part of the invocation's time that recording the answer needs.
const TO_RECORD: Duration = Duration::from_secs(4);
/// The most points of a list and characters of a text that are recorded of an answer.
const MAX_POINTS: usize = 10;
const LONGEST_TEXT: usize = 2_000;

/// The reason why there is no model. Completes "failed to …".
#[derive(Debug, thiserror::Error)]
enum ModelSetUpError {
    /// A setting is missing.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The stage forbids a setting.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The prompts are for a provider that has no model.
    #[error("find the model provider `{0}` that the prompts are for")]
    UnknownModel(String),
    /// The HTTP client cannot be built.
    #[error(transparent)]
    Http(#[from] SendError),
}

/// The model of a provider, as this stage may use it.
///
/// # Errors
/// When `PROVIDER_BASE_URL` is set where the stage forbids it: then the function does not start.
fn model_from_environment(provider: &str) -> Result<ModelClient, ModelSetUpError> {
    let unknown = || ModelSetUpError::UnknownModel(provider.to_owned());
    let provider = providers::model::find(provider).ok_or_else(unknown)?;
    let stage: Stage = environment::stage()?;
    let replacement = environment::optional("PROVIDER_BASE_URL");
    let access = model_access(stage, provider.base_url, replacement.as_deref(), provider.info.id)?;
    Ok(ModelClient::new(provider.api, access, Outbound::new()?))
}

/// The worker of suggestions.
pub struct SuggestionWorker {
    records: Records,
    secrets: Secrets,
    model: ModelClient,
    prompts: Prompts,
    emails: Queue,
    model_api: Arc<Dependency>,
}

/// The model's answer, or the time of the next attempt.
enum Answer {
    Given(ApplicationReview, Generation),
    NotNow { wait: Duration, failure: Failure },
    Never(Failure),
}

impl Function for SuggestionWorker {
    fn from_environment(aws: &Aws) -> Result<Self, StartError> {
        let prompts = Prompts::built_in()?;
        let breaker = SharedBreaker::of_deployment(aws.table("CONTROL_TABLE")?, breaker::MODEL, POLICY);
        Ok(Self {
            records: Records::new(aws.table("RECORDS_TABLE")?),
            secrets: aws.secrets()?,
            model: model_from_environment(prompts.provider())?,
            prompts,
            emails: aws.queue("EMAIL_QUEUE_URL")?,
            model_api: Arc::new(Dependency::new(breaker, Bulkhead::from_environment(breaker::MODEL, "POOL_MODEL")?)),
        })
    }

    /// Opens the connections and reads the model's key.
    async fn warm_up(&self) {
        let key = async {
            let _read_again_when_needed = self.key().await;
        };
        tokio::join!(self.records.table().preconnect(), self.model.preconnect(), key);
    }
}

impl Worker for SuggestionWorker {
    type Message = SuggestionJob;

    async fn handle(&self, job: SuggestionJob, invocation: Invocation) -> Outcome {
        jobs::work(self, job, invocation).await
    }
}

impl LeasedJob for SuggestionWorker {
    type Message = SuggestionJob;
    type Record = Suggestion;
    type FollowUp = Notice;

    const NAME: &'static str = "suggestion";
    const SUBJECT: &'static str = "suggestion";
    const READY: &'static str = "accepted";
    const HELD: &'static str = "running";
    const FAILED: &'static str = FAILED;

    fn records(&self) -> &Records {
        &self.records
    }

    fn key(job: &SuggestionJob) -> (&OrgId, String) {
        (&job.org, job.suggestion.to_string())
    }

    fn dependency(&self, _job: &SuggestionJob) -> Option<Arc<Dependency>> {
        Some(Arc::clone(&self.model_api))
    }

    async fn attempt(
        &self,
        attempt: Attempt<'_, SuggestionJob, Suggestion>,
    ) -> Result<AttemptResult<Notice>, AwsError> {
        let Attempt { message: job, record: suggestion, invocation, .. } = attempt;
        let Some(application) = self.application(&job.org, suggestion.application_id).await? else {
            let failure = Failure::new("application-missing", "the application was removed");
            let transition = Transition::End(End::new(FAILED, Some(failure)));
            return Ok(AttemptResult { verdict: Verdict::NotTried, transition });
        };
        let (verdict, answer) = self.query_model(&application, invocation).await;
        let mut summary = None;
        let end = match answer {
            Answer::Given(review, generation) => {
                let mut end = End::new(SUCCEEDED, None);
                end.set.insert("result".to_owned(), table::map(to_item(&review)?));
                end.set.insert("generation".to_owned(), table::map(to_item(&generation)?));
                summary = Some(review.summary);
                end
            }
            Answer::NotNow { wait, failure } => match MODEL.next(suggestion.attempts, random::chance(), Some(wait)) {
                Next::After(after) => {
                    return Ok(AttemptResult {
                        verdict,
                        transition: Transition::Wait { failure, after, kind: RetryKind::Counted },
                    });
                }
                Next::GiveUp => End::new(FAILED, Some(failure)),
            },
            Answer::Never(failure) => End::new(FAILED, Some(failure)),
        };
        let follow_up = suggestion.notify.then_some(Notice { application, summary });
        Ok(AttemptResult { verdict, transition: Transition::End(End { follow_up, ..end }) })
    }

    async fn follow_up(&self, job: &SuggestionJob, notice: Notice) -> Result<(), AwsError> {
        notice.enqueue(job, &self.records, &self.emails).await
    }

    /// A worker may have died between the result and the mail; the mail has one id, so a repeated request does no harm.
    async fn finished(&self, job: &SuggestionJob) -> Result<(), AwsError> {
        let suggestion: Option<Suggestion> = self.records.get(&job.org, &job.suggestion.to_string()).await?;
        let Some(suggestion) = suggestion.filter(|suggestion| suggestion.notify) else { return Ok(()) };
        let Some(application) = self.application(&job.org, suggestion.application_id).await? else { return Ok(()) };
        let notice = Notice { application, summary: suggestion.result.map(|result| result.summary) };
        notice.enqueue(job, &self.records, &self.emails).await
    }
}

impl SuggestionWorker {
    /// The application with the names of its candidate and job. Three calls.
    async fn application(&self, org: &OrgId, id: ApplicationId) -> Result<Option<ApplicationInFull>, AwsError> {
        let application: Option<Application> = self.records.get(org, &id.to_string()).await?;
        let Some(application) = application else { return Ok(None) };
        Ok(self.records.in_full(org, vec![application]).await?.pop())
    }

    /// The model's key; none for the mock, which needs none.
    async fn key(&self) -> Result<Option<secrecy::SecretString>, Failure> {
        let Some(name) = self.model.secret() else { return Ok(None) };
        self.secrets.read(name).await.map_err(|error| {
            tracing::warn!(error = %chain(&error), "the model's key could not be read");
            Failure::new("key-unavailable", format!("failed to {error}"))
        })
    }

    /// Requests the model's answer, and returns it with the verdict on the API.
    async fn query_model(&self, application: &ApplicationInFull, invocation: Invocation) -> (Verdict, Answer) {
        let rendered = match self.prompts.application_review(application) {
            Ok(rendered) => rendered,
            Err(error) => {
                let failure = Failure::new("prompt-unusable", format!("failed to {error}"));
                return (Verdict::NotTried, Answer::Never(failure));
            }
        };
        let key = match self.key().await {
            Ok(key) => key,
            Err(failure) => return (Verdict::NotTried, Answer::NotNow { wait: Duration::ZERO, failure }),
        };
        let Some(timeout) = invocation.allows(TO_RECORD, LONGEST_ANSWER) else {
            let failure = Failure::new("out-of-time", "there was no time left to wait for the model");
            return (Verdict::NotTried, Answer::NotNow { wait: Duration::ZERO, failure });
        };
        let begin = clock::now();
        let reply = self.model.generate(&rendered.prompt, key.as_ref(), timeout, begin).await;
        let verdict = match &reply {
            Err(ModelError::Unavailable(_) | ModelError::Malformed(_)) => Verdict::Failed,
            // Any other reply shows that the API works.
            Ok(_) | Err(_) => Verdict::Works,
        };
        let duration = clock::now().duration_since(begin).as_millis();
        let duration_ms = u64::try_from(duration).unwrap_or(0);
        let answer = match reply.and_then(|generated| Ok((read(&generated)?, generated))) {
            Ok((review, Generated { value: _, model, input_tokens, output_tokens })) => Answer::Given(
                review,
                Generation {
                    prompt_id: rendered.id,
                    prompt_version: rendered.version,
                    model,
                    input_tokens,
                    output_tokens,
                    duration_ms,
                    mock: self.model.is_mock(),
                },
            ),
            Err(error) => {
                tracing::warn!(model.error = error.code(), duration_ms, error = %chain(&error), "the model gave no answer");
                let failure = Failure::new(error.code(), format!("failed to {}", chain(&error)));
                match error.retry_advice() {
                    RetryAdvice::After(wait) => Answer::NotNow { wait, failure },
                    RetryAdvice::Never => Answer::Never(failure),
                }
            }
        };
        (verdict, answer)
    }
}

/// An answer that does not fit the schema of its prompt.
#[derive(Debug, thiserror::Error)]
#[error("the answer does not fit its schema")]
struct NoFit(#[source] serde_json::Error);

/// Parses the answer as the review of the schema; a model may still answer otherwise.
fn read(generated: &Generated) -> Result<ApplicationReview, ModelError> {
    let review: ApplicationReview =
        serde_json::from_value(generated.value.clone()).map_err(|error| ModelError::Malformed(NoFit(error).into()))?;
    let ApplicationReview { summary, strengths, concerns, next_step } = review;
    let short = |text: String| text.chars().take(LONGEST_TEXT).collect::<String>();
    let few = |points: Vec<String>| points.into_iter().take(MAX_POINTS).map(short).collect();
    Ok(ApplicationReview {
        summary: short(summary),
        strengths: few(strengths),
        concerns: few(concerns),
        next_step: short(next_step),
    })
}
