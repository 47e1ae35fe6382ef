//! Signatures that other code computed, through the deployed gateway and function: the body is verified byte for byte,
//! as it was sent.

use reqwest::Method;
use serde_json::{Value, json};

use super::{order, outcome, until_status};
use crate::contract::fixtures;
use crate::e2e::harness::claims::{CONNECTION, using};
use crate::e2e::harness::stack::{Stack, fresh_number, run};

/// Not as any serializer would write it: spaces, a line break, escapes that need not be, a zero at the end of a number. The
/// signature is Python's `hmac` over these bytes.
const BODY: &str = "{ \"payload\" : {\"web_hook_id\": 7, \"name\":\"Zo\\u00eb \\u0026 co. <\\/b>\", \"n\":1.50 } ,\n  \"action\" :\"ping\"}";
const SECRET: &str = "known-answer-of-this-project";
const SIGNATURE: &str = "sha256 506a83e44bce5fcecc57b1edcfd4503931c6983448ea28d2d8d5f1458a04345e";

#[test]
fn a_known_signature_verifies_its_own_bytes_only() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        verify(&stack, (BODY, SECRET, SIGNATURE)).await;
        // The one that was recorded, where the folder with it is at hand.
        if let Some(known) = fixtures::read("ats/gh_webhook_ping_known_answer.json") {
            let text = |name: &str| known[name].as_str().expect("a text");
            verify(&stack, (text("raw_body"), text("secret"), text("signature_header"))).await;
        }
    });
}

/// A connection with this secret takes this body, and nothing that means the same.
async fn verify(stack: &Stack, (body, secret, signature): (&str, &str, &str)) {
    let acme = stack.org("acme");
    let id = format!("test-{}", fresh_number());
    let made = json!({"id": id, "provider": "greenhouse", "login": "webhook-only",
                      "secrets": {"webhook_secret": secret}, "reason": "a known answer"});
    assert_eq!(acme.post("/api/connections", &made).await.status, 202);
    until_status(&acme, &id, "active").await;
    let url = format!("{}/api/webhooks/greenhouse/acme/{id}", stack.text("/api_url"));
    let send = async |body: String, event: &str| {
        let request = stack.http.post(&url).header("content-type", "application/json").header("signature", signature);
        stack.send(request.header("greenhouse-event-id", event).body(body)).await
    };
    let read: Value = serde_json::from_str(body).expect("JSON");
    let written_again = serde_json::to_string_pretty(&read).expect("JSON");
    for other in [written_again, format!("{body}\n"), body.replacen("ping", "pong", 1)] {
        send(other, "e-0").await.is_problem(401, "unauthenticated");
    }
    let answer = send(body.to_owned(), "e-1").await;
    assert_eq!((answer.status.as_u16(), &answer.body["event_id"]), (200, &json!("e-1")), "{answer:?}");
    assert_eq!(outcome(&acme, &id, "e-1").await["outcome"], "answered");
    let events = acme.get(&format!("/api/connections/{id}/events")).await.body;
    assert_eq!(events["items"].as_array().map(Vec::len), Some(1), "what was refused left nothing: {events}");
    assert_eq!(order(&acme, Method::DELETE, &format!("/api/connections/{id}")).await.status, 204);
}
