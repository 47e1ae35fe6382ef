//! Webhooks: what Lever signs, and what it does not.
//!
//! The signature is in the body and is made of the token and the time only: `data` may be another one and nobody can tell.

use serde_json::{Value, json};

use crate::{
    wire::{hmac_sha256, with},
    world::Delivery,
};

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
pub fn sign(key: &str, token: &str, triggered_at: i64) -> String {
    hmac_sha256(key, &[token.as_bytes(), triggered_at.to_string().as_bytes()])
}

/// A delivery; `proof` is the token and the signature, which only a webhook with a signature token has.
pub fn delivery(event: &str, data: &Value, triggered_at: i64, proof: Option<(&str, &str)>) -> Delivery {
    let body = json!({"event": event, "triggeredAt": triggered_at, "data": data});
    let body = match proof {
        Some((token, signature)) => with(body, json!({"token": token, "signature": signature})),
        None => body,
    };
    Delivery::json(&[("user-agent", "Lever-Webhooks".to_owned())], body.to_string())
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
