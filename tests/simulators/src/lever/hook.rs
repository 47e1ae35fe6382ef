//! Webhooks: what Lever signs, and what it does not.
//!
//! The signature is in the body and is made of the token and the time only: `data` may be another one and nobody can tell.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::render::with;
use crate::world::Delivery;

/// The events there are, and whether a webhook can ask for some origins of opportunities only.
pub const EVENTS: [(&str, bool); 10] = [
    ("applicationCreated", true),
    ("candidateHired", true),
    ("candidateStageChange", true),
    ("candidateArchiveChange", true),
    ("candidateDeleted", false),
    ("interviewCreated", false),
    ("interviewUpdated", false),
    ("interviewDeleted", false),
    ("contactCreated", false),
    ("contactUpdated", false),
];

/// The signature of a delivery.
#[must_use]
pub fn sign(key: &str, token: &str, triggered_at: i64) -> String {
    // HMAC takes a key of every length, so the error of this constructor cannot happen.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(token.as_bytes());
    mac.update(triggered_at.to_string().as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A delivery; `proof` is the token and the signature, which only a webhook with a signature token has.
#[must_use]
pub fn delivery(event: &str, data: &Value, triggered_at: i64, proof: Option<(&str, &str)>) -> Delivery {
    let body = json!({"event": event, "triggeredAt": triggered_at, "data": data});
    let body = match proof {
        Some((token, signature)) => with(body, json!({"token": token, "signature": signature})),
        None => body,
    };
    Delivery {
        headers: [("user-agent", "Lever-Webhooks"), ("content-type", "application/json")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        body: body.to_string().into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_of_an_own_vector_is_known() {
        // printf 'be58f7111431454330072' | openssl dgst -sha256 -hmac local
        let known = "5adb8b3a7068607698c7eaed0ee7eb184665c3b1ecbd59191f47c29b5470f137";
        assert_eq!(sign("local", "be58f711", 1_431_454_330_072), known);
    }
}
