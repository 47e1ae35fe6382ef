//! Makes suggestions: claim, ask the model once, record, tell recruiting staff.
//!
//! The model may be asked twice when a worker dies; the result is recorded once, and its mail has one id. What must never
//! be here: the wire format of a model, or anything that decides which host is asked (`providers::access`).

mod notify;
pub mod prompt;

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
use aws::table::{Item, to_item};
use aws::work::{Claim, ClaimTerms, HeldLease, claim, finish, release, state_attributes};
use aws::{clock, random, table};
use domain::ats::{Application, ApplicationInFull};
use domain::failure::Failure;
use domain::id::{ApplicationId, OrgId};
use domain::message::SuggestionJob;
use domain::stage::Stage;
use domain::suggestion::{ApplicationReview, Generation, Suggestion, SuggestionState};
use providers::model::client::ModelClient;
use providers::model::port::{Again, Generated, ModelError};
use providers::transport::access::{AccessError, model_access};
use providers::transport::http::{Outbound, SendError};
use resilience::batch::Outcome;
use resilience::breaker::POLICY;
use resilience::retry::{MODEL, Next, WORKER};
use resilience::work::{self, Fenced, Refusal};
use store::records::{Records, key_of};

use crate::prompt::Prompts;

const READY: &str = "accepted";
const HELD: &str = "running";
/// Longest wait for an answer of the model.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);
/// What is kept of the invocation's time to record the answer.
const TO_RECORD: Duration = Duration::from_secs(4);
/// Most points of a list and most characters of a text that are kept of an answer.
const MOST_POINTS: usize = 10;
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
    let (spec, api) =
        providers::catalog::find(provider).and_then(|spec| Some((spec, spec.model?))).ok_or_else(unknown)?;
    let stage: Stage = environment::stage()?;
    let replacement = environment::optional("PROVIDER_BASE_URL");
    let access = model_access(stage, spec.base_url.unwrap_or_default(), replacement.as_deref(), spec.id)?;
    Ok(ModelClient::new(api, access, Outbound::new()?))
}

/// The worker of suggestions.
pub struct SuggestionWorker {
    records: Records,
    secrets: Secrets,
    model: ModelClient,
    prompts: Prompts,
    emails: Queue,
    guard: Dependency,
}

/// How asking the model ended.
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
            guard: Dependency::new(breaker, Bulkhead::from_environment(breaker::MODEL, "POOL_MODEL")?),
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
        match self.work(&job, invocation).await {
            Ok(outcome) => outcome,
            Err(error) => error.outcome(),
        }
    }
}

impl SuggestionWorker {
    async fn work(&self, job: &SuggestionJob, invocation: Invocation) -> Result<Outcome, AwsError> {
        self.guard.guard(invocation, async |verdict| self.claim_and_ask(job, invocation, verdict).await).await
    }

    async fn claim_and_ask(
        &self,
        job: &SuggestionJob,
        invocation: Invocation,
        verdict: &mut Verdict,
    ) -> Result<Outcome, AwsError> {
        let id = job.suggestion.to_string();
        let terms = ClaimTerms {
            condition: work::CLAIM_RECORDED,
            ready: Some(READY),
            held: HELD,
            lease_until: invocation.deadline,
            set: Item::new(),
            once: Item::new(),
        };
        let key = key_of::<Suggestion>(&job.org, &id);
        let (hold, suggestion) = match claim::<Suggestion>(self.records.table(), key, terms, clock::now()).await? {
            Claim::Held(hold, suggestion) => (hold, suggestion),
            Claim::Refused(Refusal::Busy(after)) => return Ok(Outcome::retry(after, "another worker has it")),
            Claim::Refused(Refusal::Missing) => return Ok(Outcome::dead("there is no such suggestion")),
            // A worker may have died between the result and the mail; the mail has one id, so asking again is harmless.
            Claim::Refused(Refusal::Finished) => return self.finished(job, &id).await,
            // Cannot be: this claim takes over what was left.
            Claim::Refused(Refusal::Abandoned) => return Ok(Outcome::retry(WORKER.base, "the lease has just passed")),
        };
        let Some(application) = self.application(&job.org, suggestion.application_id).await? else {
            let failure = Failure::new("application-missing", "the application was removed");
            return Ok(match self.record(&hold, ended(SuggestionState::Failed, Some(failure))?).await? {
                Fenced::Written => Outcome::Done,
                Fenced::LeaseLost => not_recorded(),
            });
        };
        let (state, set, summary) = match self.ask(&application, invocation, verdict).await {
            Answer::Given(review, generation) => {
                let mut set = ended(SuggestionState::Succeeded, None)?;
                set.insert("result".to_owned(), table::map(to_item(&review)?));
                set.insert("generation".to_owned(), table::map(to_item(&generation)?));
                (SuggestionState::Succeeded, set, Some(review.summary))
            }
            Answer::NotNow { wait, failure } => match MODEL.next(suggestion.attempts, random::chance(), Some(wait)) {
                Next::After(after) => {
                    let detail = failure.detail.clone();
                    let set = ended(SuggestionState::Accepted, Some(failure))?;
                    // When the lease had passed, its next holder has set what is right.
                    let (Fenced::Written | Fenced::LeaseLost) =
                        release(self.records.table(), &hold, set, after, clock::now()).await?;
                    return Ok(Outcome::retry(after, detail));
                }
                Next::GiveUp => (SuggestionState::Failed, ended(SuggestionState::Failed, Some(failure))?, None),
            },
            Answer::Never(failure) => (SuggestionState::Failed, ended(SuggestionState::Failed, Some(failure))?, None),
        };
        if self.record(&hold, set).await? == Fenced::LeaseLost {
            return Ok(not_recorded());
        }
        tracing::info!(org = %job.org, suggestion.id = id, suggestion.state = ?state, "suggestion ended");
        if suggestion.notify {
            self.notify(job, &application, summary).await?;
        }
        Ok(Outcome::Done)
    }

    async fn finished(&self, job: &SuggestionJob, id: &str) -> Result<Outcome, AwsError> {
        let suggestion: Option<Suggestion> = self.records.get(&job.org, id).await?;
        let Some(suggestion) = suggestion.filter(|suggestion| suggestion.notify) else { return Ok(Outcome::Done) };
        if let Some(application) = self.application(&job.org, suggestion.application_id).await? {
            self.notify(job, &application, suggestion.result.map(|result| result.summary)).await?;
        }
        Ok(Outcome::Done)
    }

    /// The application with the names of its candidate and job. Three calls.
    async fn application(&self, org: &OrgId, id: ApplicationId) -> Result<Option<ApplicationInFull>, AwsError> {
        let application: Option<Application> = self.records.get(org, &id.to_string()).await?;
        let Some(application) = application else { return Ok(None) };
        Ok(self.records.in_full(org, vec![application]).await?.pop())
    }

    async fn record(&self, hold: &HeldLease, set: Item) -> Result<Fenced, AwsError> {
        finish(self.records.table(), hold, set, clock::now()).await
    }

    /// The model's key; none for the mock, which needs none.
    async fn key(&self) -> Result<Option<secrecy::SecretString>, Failure> {
        let Some(name) = self.model.secret() else { return Ok(None) };
        self.secrets.read(name).await.map_err(|error| Failure::new("key-unavailable", format!("failed to {error}")))
    }

    async fn ask(&self, application: &ApplicationInFull, invocation: Invocation, verdict: &mut Verdict) -> Answer {
        let rendered = match self.prompts.application_review(application) {
            Ok(rendered) => rendered,
            Err(error) => return Answer::Never(Failure::new("prompt-unusable", format!("failed to {error}"))),
        };
        let key = match self.key().await {
            Ok(key) => key,
            Err(failure) => return Answer::NotNow { wait: Duration::ZERO, failure },
        };
        let Some(timeout) = invocation.allows(TO_RECORD, LONGEST_ANSWER) else {
            let failure = Failure::new("out-of-time", "there was no time left to wait for the model");
            return Answer::NotNow { wait: Duration::ZERO, failure };
        };
        let begin = clock::now();
        let asked = self.model.ask(&rendered.prompt, key.as_ref(), timeout, begin).await;
        *verdict = match &asked {
            Err(ModelError::Unavailable(_) | ModelError::Malformed(_)) => Verdict::Failed,
            // Whatever else it says, the API answered.
            Ok(_) | Err(_) => Verdict::Works,
        };
        let duration = clock::now().duration_since(begin).as_millis();
        let duration_ms = u64::try_from(duration).unwrap_or(0);
        match asked.and_then(|generated| Ok((read(&generated)?, generated))) {
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
                tracing::warn!(model.error = error.code(), duration_ms, %error, "the model gave no answer");
                let failure = Failure::new(error.code(), format!("failed to {error}"));
                match error.again() {
                    Again::After(wait) => Answer::NotNow { wait, failure },
                    Again::Never => Answer::Never(failure),
                }
            }
        }
    }
}

/// Only a message that comes again can settle what this lease did not: it may be the last one.
fn not_recorded() -> Outcome {
    Outcome::retry(Duration::ZERO, "the lease had passed before the result could be recorded")
}

/// Reads the answer as the review that the schema asks for; a model may still say something else.
fn read(generated: &Generated) -> Result<ApplicationReview, ModelError> {
    let review: ApplicationReview = serde_json::from_value(generated.value.clone())
        .map_err(|e| ModelError::Malformed(format!("the answer does not fit its schema: {e}")))?;
    let ApplicationReview { summary, strengths, concerns, next_step } = review;
    let short = |text: String| text.chars().take(LONGEST_TEXT).collect::<String>();
    let few = |points: Vec<String>| points.into_iter().take(MOST_POINTS).map(short).collect();
    Ok(ApplicationReview {
        summary: short(summary),
        strengths: few(strengths),
        concerns: few(concerns),
        next_step: short(next_step),
    })
}

fn ended(state: SuggestionState, failure: Option<Failure>) -> Result<Item, AwsError> {
    let state = match state {
        SuggestionState::Accepted => READY,
        SuggestionState::Running => HELD,
        SuggestionState::Succeeded => "succeeded",
        SuggestionState::Failed => "failed",
    };
    state_attributes(state, failure.as_ref())
}
