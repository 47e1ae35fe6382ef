//! What webhooks tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post as on_post,
};
use serde_json::{Value, json};
use simulators::{
    lever::hook::{EVENTS, sign},
    world::{Account, Chance},
};

use super::{Lever, NOW, of_kind};
use crate::{fixture, missing, served};

const SECRET: &str = "cef16c2c64c19dd62674c5097521b1f53921bdcbfd21a47b";

fn valid(body: &Value, secret: &str) -> bool {
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    sign(secret, text("token"), body["triggeredAt"].as_i64().unwrap_or_default()) == text("signature")
}

#[test]
fn every_change_for_webhooks_is_reported_once_and_signed() {
    let lever = Lever::grown(300);
    let acme = lever.acme();
    assert_eq!(acme.pending(), 0, "what happened long ago is told to nobody");
    let mut chance = Chance::new(9);
    let (mut reported, mut tokens, mut bodies) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for _ in 0..40 {
        let before = of_kind(&acme, "interview");
        (0..25).for_each(|_| drop(acme.step(&mut chance)));
        let after = of_kind(&acme, "interview");
        let deliveries = acme.deliveries(SECRET);
        assert!(acme.deliveries(SECRET).is_empty());
        let mut interviews = BTreeSet::new();
        for delivery in deliveries {
            assert!(delivery.headers.contains(&("user-agent".to_owned(), "Lever-Webhooks".to_owned())));
            let body: Value = serde_json::from_slice(&delivery.body).unwrap();
            let token = body["token"].as_str().unwrap().to_owned();
            assert!(token.len() == 48 && tokens.insert(token) && valid(&body, SECRET) && !valid(&body, "other"));
            assert!((NOW..NOW + 60_000).contains(&body["triggeredAt"].as_i64().unwrap()));
            reported.insert(body["event"].as_str().unwrap().to_owned());
            let data = &body["data"];
            if data["interviewId"].is_string() {
                let text = |name: &str| data[name].as_str().unwrap();
                interviews.insert(format!("{}/{}", text("opportunityId"), text("interviewId")));
            }
            bodies.push(body);
        }
        let changed = |one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>| {
            one.iter()
                .filter(|(id, fields)| other.get(*id) != Some(fields))
                .map(|(id, _)| id.clone())
                .collect::<Vec<_>>()
        };
        assert!(changed(&after, &before).iter().all(|id| interviews.contains(id)));
        let alive = of_kind(&acme, "application");
        for gone in before.keys().filter(|id| !after.contains_key(*id)) {
            assert!(interviews.contains(gone) || !alive.contains_key(gone.split('/').next().unwrap()));
        }
    }
    assert_eq!(reported, EVENTS.map(|(name, _)| name.to_owned()).into_iter().collect());
    if let Some(sample) = fixture("ats/lever_webhook_official_sample.json") {
        let moved = bodies.iter().find(|body| body["event"] == json!("candidateStageChange")).unwrap();
        assert_eq!(missing(&sample[0]["repaired_body"], moved, &[]), Vec::<String>::new());
    }
}

type Seen = Arc<Mutex<Vec<(HeaderMap, Value)>>>;

/// Answers what the last part of its path says; 302 sends to a place that would answer 200.
async fn receiver() -> (String, Seen) {
    async fn receive(State(seen): State<Seen>, Path(status): Path<u16>, headers: HeaderMap, body: Bytes) -> Response {
        seen.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        (status, [(header::LOCATION, "/200")]).into_response()
    }
    let seen = Seen::default();
    let app = Router::new().route("/{status}", on_post(receive)).with_state(Arc::clone(&seen));
    (served(app).await, seen)
}

#[tokio::test]
async fn deliveries_can_be_tampered_replayed_stale_or_forged() {
    let lever = Lever::grown(100);
    let (url, seen) = receiver().await;
    let order = |further: Value| {
        let mut order = json!({"account": "acme", "url": format!("{url}/200"), "secret": SECRET});
        order.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        order
    };
    let event = json!({"event": "candidateStageChange", "data": {"opportunityId": "o-1", "toStageId": "offer"}});
    let send = async |variant: &str| {
        let mut order = order(event.clone());
        order["variant"] = json!(variant);
        let answer = lever.control("deliver", order).await;
        (answer.status.as_u16(), seen.lock().unwrap().pop().map(|(_, body)| body).unwrap_or_default())
    };
    assert_eq!(send("replayed").await.0, 400, "there is nothing to replay yet");
    let (_, good) = send("valid").await;
    assert!(valid(&good, SECRET) && good["data"] == event["data"] && good["triggeredAt"] == json!(NOW));
    lever.pass(60_000);
    let (_, replayed) = send("replayed").await;
    assert!(valid(&replayed, SECRET) && replayed["token"] == good["token"] && replayed["triggeredAt"] == json!(NOW));
    let (_, tampered) = send("tampered").await;
    assert!(valid(&tampered, SECRET) && tampered["data"]["opportunityId"] == json!("tampered"));
    assert_ne!(tampered["token"], good["token"]);
    let (_, stale) = send("stale").await;
    assert!(valid(&stale, SECRET) && stale["triggeredAt"] == json!(NOW + 60_000 - 86_400_000));
    let (_, test) = send("test").await;
    assert!(valid(&test, SECRET) && test["event"] == json!("candidateHired") && test["data"] == json!({}));
    let (_, unsigned) = send("unsigned").await;
    assert!(unsigned.get("token").is_none() && unsigned.get("signature").is_none());
    let (_, forged) = send("forged").await;
    assert!(!valid(&forged, SECRET) && forged["signature"].as_str().map(str::len) == Some(64));

    let statuses = async |path: &str, further: Value| {
        let mut order = order(event.clone());
        order["url"] = json!(format!("{url}/{path}"));
        order.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
        let answer = lever.control("deliver", order).await.json();
        let attempts = answer["responses"].as_array().unwrap();
        attempts
            .iter()
            .map(|one| (one["status"].as_u64().unwrap(), one["delivered"] == json!(true)))
            .collect::<Vec<_>>()
    };
    assert_eq!(statuses("200", json!({"times": 3})).await, [(200, true); 3]);
    assert_eq!(statuses("302", json!({"retry": true})).await, [(302, false); 6], "a redirect is no success");
    assert_eq!(statuses("500", json!({"retry": true})).await, [(500, false); 6]);
    assert_eq!(statuses("500", json!({})).await, [(500, false)]);
    let sent = seen.lock().unwrap().clone();
    assert!(sent.iter().all(|(headers, _)| headers.get("user-agent").unwrap() == "Lever-Webhooks"));
    assert_eq!(sent[0].1, sent[2].1, "the very same again");
    for wrong in [
        json!({"account": "acme", "secret": SECRET}),
        order(json!({"event": "jobCreated"})),
        order(json!({"times": 0, "event": "candidateHired"})),
        json!({"account": "acme", "url": "https://example.com", "secret": SECRET, "event": "candidateHired"}),
    ] {
        if wrong.get("url").is_none() {
            lever.acme().step(&mut Chance::new(1));
        }
        assert_eq!(lever.control("deliver", wrong.clone()).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn what_waits_goes_to_the_webhooks_that_were_created_for_it() {
    let lever = Lever::grown(100);
    let (url, seen) = receiver().await;
    let hook = json!({"event": "candidateStageChange", "url": format!("{url}/200")});
    let made = lever.request("POST", "webhooks", hook).await.json();
    let token = made["data"]["configuration"]["signatureToken"].as_str().unwrap().to_owned();
    let none = json!({"conditions": {"origins": []}});
    let deaf = json!({"event": "candidateStageChange", "url": format!("{url}/500"), "configuration": none});
    assert_eq!(lever.request("POST", "webhooks", deaf).await.status, 201);
    let opportunity = lever.ids("opportunities").await[0].clone();
    for stage in ["offer", "lead-new"] {
        lever.request("PUT", &format!("opportunities/{opportunity}/stage"), json!({"stage": stage})).await;
    }
    lever.request("PUT", &format!("opportunities/{opportunity}/archived"), json!({"reason": null})).await;
    assert_eq!(lever.acme().pending(), 3);
    let sent = lever.control("deliver", json!({"account": "acme"})).await.json();
    assert_eq!(sent["responses"].as_array().map(Vec::len), Some(2), "{sent}");
    let bodies: Vec<Value> = seen.lock().unwrap().iter().map(|(_, body)| body.clone()).collect();
    assert!(bodies.iter().all(|body| valid(body, &token) && body["data"]["opportunityId"] == json!(opportunity)));
    assert_eq!(
        (&bodies[0]["data"]["toStageId"], &bodies[1]["data"]["fromStageId"]),
        (&json!("offer"), &json!("offer"))
    );
    assert_eq!(lever.acme().pending(), 0);
}
