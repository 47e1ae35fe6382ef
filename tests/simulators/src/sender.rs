//! How the simulators send webhooks: to a receiver on this machine, with what each attempt was answered.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde::Serialize;
use url::Url;

use crate::{
    clock,
    control::{Control, Refused},
    journal::Entry,
    loopback::{chain, client},
    world::Delivery,
};

/// Most deliveries of one webhook that control may ask for.
const TIMES_MAX: u64 = 1_000;

#[derive(Debug, Clone)]
pub struct Receiver {
    client: Client,
    url: Url,
}

/// The outcome of one attempt.
#[derive(Debug, Clone, Serialize)]
pub struct Attempt {
    /// Null when there was no answer.
    pub status: Option<u16>,
    pub body: String,
    pub ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How often a webhook is sent when nothing is said.
pub const fn once() -> u64 {
    1
}

/// Checks how often a webhook shall be sent.
///
/// # Errors
/// The number is not 1 to 1,000.
pub fn check_times(times: u64) -> Result<(), Refused> {
    if (1..=TIMES_MAX).contains(&times) { Ok(()) } else { Err(Refused(format!("times: must be 1 to {TIMES_MAX}"))) }
}

impl Receiver {
    /// The receiver at an URL of this machine, whose certificate may be signed by the CA in this file.
    ///
    /// # Errors
    /// The URL leads elsewhere, or the file of the field `ca_field` cannot be used.
    pub fn open(url: &str, ca_field: &str, ca_file: Option<&str>) -> Result<Self, Refused> {
        let url: Url = url.parse().map_err(|error| Refused(format!("url: {error}")))?;
        Ok(Self { client: client(&url, ca_field, ca_file)?, url })
    }

    /// Sends a webhook until it is accepted, at most once more after each of these pauses; answers all attempts with their
    /// numbers, from 1 on. The journal lists them, where there is one.
    pub async fn send_until(
        &self,
        (delivery, control): (&Delivery, Option<&Control>),
        pauses: &[Duration],
        accepted: fn(u16) -> bool,
    ) -> Vec<(usize, bool, Attempt)> {
        let (mut attempts, mut pauses) = (Vec::new(), pauses.iter());
        loop {
            let done = self.recorded(delivery, control).await;
            let good = done.status.is_some_and(accepted);
            attempts.push((attempts.len() + 1, good, done));
            match pauses.next() {
                Some(pause) if !good => clock::sleep(*pause).await,
                _ => return attempts,
            }
        }
    }

    async fn recorded(&self, delivery: &Delivery, control: Option<&Control>) -> Attempt {
        let Some(control) = control else { return self.send(delivery).await };
        let (at, headers) = (clock::now(), delivery.headers.iter());
        let headers = headers.filter_map(|(name, value)| Some((name.parse().ok()?, value.parse().ok()?))).collect();
        let entry = Entry::new(at, "POST", (self.url.path(), self.url.query()), &headers, &delivery.body);
        let number = control.journal().push(entry);
        let done = self.send(delivery).await;
        if let Some(status) = done.status {
            control.journal().answered(number, at, status);
        }
        done
    }

    /// Sends a webhook once.
    pub async fn send(&self, delivery: &Delivery) -> Attempt {
        let begun = Instant::now();
        let mut request = self.client.post(self.url.clone()).body(delivery.body.clone());
        for (name, value) in &delivery.headers {
            request = request.header(name, value);
        }
        let answered = async {
            let response = request.send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.text().await?))
        };
        let (status, body, error) = match answered.await {
            Ok((status, body)) => (Some(status), body, None),
            Err(error) => (None, String::new(), Some(chain(&error))),
        };
        Attempt { status, body, ms: begun.elapsed().as_millis(), error }
    }
}
