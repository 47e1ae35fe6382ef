//! One SQS queue: its senders' side, and what a worker does with the messages of its own.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use serde::Serialize;

use crate::clock;
use crate::error::AwsError;

#[derive(Debug, Clone)]
pub struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    pub(crate) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    /// Whether an ARN is this queue's: account and name are the last parts of both.
    #[must_use]
    pub(crate) fn is_at(&self, arn: &str) -> bool {
        let mut url = self.url.rsplit('/');
        let mut arn = arn.rsplit(':');
        url.next() == arn.next() && url.next() == arn.next()
    }

    /// Sends one message. When this returns without error the message is durable. One call.
    ///
    /// # Errors
    /// When the queue did not take it.
    pub async fn send<T: Serialize + Sync>(&self, message: &T) -> Result<(), AwsError> {
        let body = serde_json::to_string(message).map_err(|e| AwsError::refused("write the message", e))?;
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .send()
            .await
            .map(|_| ())
            .map_err(|e| AwsError::from_sdk("send to the queue", e))
    }

    /// Sends a copy of a received message that becomes visible after the given time.
    ///
    /// # Errors
    /// When the queue did not take it.
    pub async fn send_later(&self, body: &str, after: Duration) -> Result<(), AwsError> {
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .delay_seconds(resilience::batch::delay_seconds(clock::on_machine(after)))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| AwsError::from_sdk("postpone the message", e))
    }

    /// Sends a message that will not be worked on to a dead-letter queue, with the reason beside it.
    ///
    /// # Errors
    /// When the queue did not take it.
    pub async fn send_dead_letter(&self, body: &str, reason: &str, message_id: &str) -> Result<(), AwsError> {
        let text = |value: &str| {
            // An attribute may not be empty, and a reason needs no more than a paragraph.
            let value: String = value.chars().filter(|c| !c.is_control()).take(500).collect();
            let value = if value.is_empty() { "unknown".to_owned() } else { value };
            MessageAttributeValue::builder().data_type("String").string_value(value).build()
        };
        let attribute = |value| text(value).map_err(|e| AwsError::refused("write the dead letter", e));
        self.client
            .send_message()
            .queue_url(&self.url)
            .message_body(if body.is_empty() { "(empty)" } else { body })
            .message_attributes("reason", attribute(reason)?)
            .message_attributes("source_message_id", attribute(message_id)?)
            .send()
            .await
            .map(|_| ())
            .map_err(|e| AwsError::from_sdk("send to the dead-letter queue", e))
    }

    /// Hides a received message for the given time.
    ///
    /// # Errors
    /// When the queue refused; the message then comes back after the queue's own visibility timeout.
    pub async fn hide(&self, receipt: &str, after: Duration) -> Result<(), AwsError> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt)
            .visibility_timeout(resilience::batch::visibility_seconds(clock::on_machine(after)))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| AwsError::from_sdk("hide the message", e))
    }

    /// The number of messages that wait, roughly. One call; also opens the connection.
    ///
    /// # Errors
    /// When the queue cannot be reached.
    pub async fn waiting(&self) -> Result<u64, AwsError> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .send()
            .await
            .map_err(|e| AwsError::from_sdk("read the length of the queue", e))?;
        let count = answer.attributes().and_then(|a| a.get(&QueueAttributeName::ApproximateNumberOfMessages));
        Ok(count.and_then(|text| text.parse().ok()).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::config::{BehaviorVersion, Config};

    use super::*;

    #[test]
    fn a_queue_knows_its_arn_by_account_and_name() {
        let client = Client::from_conf(Config::builder().behavior_version(BehaviorVersion::latest()).build());
        let queue = Queue::new(client, "https://sqs.us-east-1.amazonaws.com/000000000000/intake-priority".to_owned());
        assert!(queue.is_at("arn:aws:sqs:us-east-1:000000000000:intake-priority"));
        for other in [
            "",
            "intake-priority",
            "arn:aws:sqs:us-east-1:000000000000:intake",
            "arn:aws:sqs:us-east-1:000000000001:intake-priority",
            "arn:aws:sqs:us-east-1:000000000000:x-intake-priority",
        ] {
            assert!(!queue.is_at(other), "{other}");
        }
    }
}
