//! The two queues of mails: what is urgent never waits behind what is not.

use domain::message::EmailJob;
use domain::notification::Priority;

use aws::clients::Aws;
use aws::environment::EnvironmentError;
use aws::error::AwsError;
use aws::queue::Queue;

/// The queues of mails.
#[derive(Debug, Clone)]
pub struct EmailQueues {
    normal: Queue,
    priority: Queue,
}

impl EmailQueues {
    /// Reads `EMAIL_QUEUE_URL` and `EMAIL_PRIORITY_QUEUE_URL`.
    ///
    /// # Errors
    /// When one is not set.
    pub fn from_environment(aws: &Aws) -> Result<Self, EnvironmentError> {
        Ok(Self { normal: aws.queue("EMAIL_QUEUE_URL")?, priority: aws.queue("EMAIL_PRIORITY_QUEUE_URL")? })
    }

    /// Opens the connection to both: they are one service.
    pub async fn preconnect(&self) {
        let _ignored = self.normal.waiting().await;
    }

    /// Puts a job onto the queue of its priority. One call.
    ///
    /// # Errors
    /// When the queue did not take it.
    pub async fn send(&self, job: &EmailJob, priority: Priority) -> Result<(), AwsError> {
        match priority {
            Priority::Normal => self.normal.send(job).await,
            Priority::High => self.priority.send(job).await,
        }
    }
}
