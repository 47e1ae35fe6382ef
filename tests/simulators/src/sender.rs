//! How the simulators send webhooks: to a receiver on this machine, with what each attempt was answered.

use std::time::Instant;

use reqwest::Client;
use serde::Serialize;
use url::Url;

use crate::{
    control::Refused,
    loopback::{chain, client},
    world::Delivery,
};

/// Most deliveries of one webhook that control may ask for.
const TIMES_MAX: u64 = 1_000;

#[derive(Debug, Clone)]
pub struct Receiver {
    client: Client,
    pub url: Url,
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
