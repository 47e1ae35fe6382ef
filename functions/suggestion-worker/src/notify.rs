//! Notifies recruiting staff of a new application, once.

use aws::clock;
use aws::error::AwsError;
use aws::queue::Queue;
use domain::ats::{ApplicationInFull, content_hash};
use domain::message::{EmailJob, SuggestionJob};
use domain::notification::{ApplicationReceived, Notification, NotificationKind, NotificationState, id_for_suggestion};
use domain::organisation::Organisation;
use store::records::{Created, Records};

/// The longest name and title that a mail shows, in characters.
const LONGEST_NAME: usize = 200;

/// The application that a notification is about, with the model's summary where there is one.
#[derive(Debug)]
pub struct Notice {
    pub(crate) application: ApplicationInFull,
    pub(crate) summary: Option<String>,
}

impl Notice {
    /// Records the one notification of this suggestion and enqueues it, unless that was done before.
    pub(crate) async fn enqueue(self, job: &SuggestionJob, records: &Records, emails: &Queue) -> Result<(), AwsError> {
        let Self { application, summary } = self;
        let organisation: Option<Organisation> = records.get(&job.org, job.org.as_str()).await?;
        let Some(organisation) = organisation else {
            tracing::warn!(org = %job.org, "the organisation has no profile; no notification is sent");
            return Ok(());
        };
        let short = |text: &str, otherwise: &str| {
            let text = if text.trim().is_empty() { otherwise } else { text };
            text.chars().take(LONGEST_NAME).collect::<String>()
        };
        let data = ApplicationReceived {
            candidate_name: short(&application.candidate.name, "A candidate"),
            job_title: short(application.job.as_ref().map_or("", |job| &job.title), "no particular job"),
            summary,
        };
        let data = serde_json::to_value(&data).map_err(|e| AwsError::refused("write the notification", e))?;
        let id = id_for_suggestion(&job.org, job.suggestion);
        let kind = NotificationKind::ApplicationReceived;
        let notification = Notification::queued(id, kind, organisation.notify_email, data, clock::now());
        let request = content_hash(&job.suggestion);
        let waiting = match records.create(&job.org, &notification, &request, clock::now()).await? {
            Created::New => true,
            Created::Same(existing) => existing.state == NotificationState::Queued,
            Created::Other => false,
        };
        if waiting {
            emails.send(&EmailJob::to_send(job.org.clone(), id)).await?;
        }
        Ok(())
    }
}
