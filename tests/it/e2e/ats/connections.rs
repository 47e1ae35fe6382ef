//! Connections by the API: created, listed, paused, resumed, rotated, removed. Their credentials are not checked here:
//! these connections have no login.

mod known_answer;
mod replay;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::e2e::harness::claims::{CONNECTION, using};
use crate::e2e::harness::stack::{Answer, Org, Stack, fresh_number, new_application, run};

/// A connection of Greenhouse with webhooks and without a login.
fn greenhouse(id: &str) -> Value {
    json!({"id": id, "provider": "greenhouse", "login": "webhook-only", "reason": "a test"})
}

/// Makes a connection and waits until it works. Gives its id and the secret that was made for its webhooks.
async fn connected(org: &Org<'_>) -> (String, String) {
    let id = format!("test-{}", fresh_number());
    let made = org.post("/api/connections", &greenhouse(&id)).await;
    assert_eq!(made.status, 202, "{made:?}");
    let secret = made.body["webhook_secret"].as_str().expect("a secret").to_owned();
    until_status(org, &id, "active").await;
    (id, secret)
}

async fn until_status(org: &Org<'_>, id: &str, status: &str) -> Value {
    org.until(&format!("/api/connections/{id}"), |answer| answer.body["status"] == status).await.body
}

/// Delivers a webhook to a connection, signed with a secret.
async fn deliver(stack: &Stack, (org, connection): (&str, &str), secret: &str, body: &str, event_id: &str) -> Answer {
    let url = format!("{}/api/webhooks/greenhouse/{org}/{connection}", stack.text("/api_url"));
    let signature = simulators::greenhouse::sign(secret, body.as_bytes());
    let request = stack.http.post(url).header("content-type", "application/json").header("signature", signature);
    stack.send(request.header("greenhouse-event-id", event_id).body(body.to_owned())).await
}

/// The outcome of an event, once there is one.
async fn outcome(org: &Org<'_>, connection: &str, event_id: &str) -> Value {
    let path = format!("/api/connections/{connection}/events?limit=100");
    let find = |answer: &Answer| {
        let items = answer.body["items"].as_array().cloned().unwrap_or_default();
        items.into_iter().find(|event| event["event_id"] == event_id && !event["outcome"].is_null())
    };
    let answer = org.until(&path, |answer| find(answer).is_some()).await;
    find(&answer).expect("the event")
}

async fn order(org: &Org<'_>, method: Method, path: &str) -> Answer {
    let request = org.request(method, path);
    org.send(request).await
}

#[test]
fn every_invalid_field_of_a_connection_is_named() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let id = format!("test-{}", fresh_number());
        let bamboohr = json!({"id": id, "provider": "bamboohr", "login": "api-key", "account": "acme",
                              "secrets": {"api_key": "k"}});
        let with = |pointer: &str, value: Value| {
            let mut body = bamboohr.clone();
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
            if value.is_null() {
                parent.remove(name)
            } else {
                parent.insert(name.to_owned(), value)
            };
            body
        };
        for (body, field, rule) in [
            (with("/id", json!("Not an id")), "id", "invalid"),
            (with("/provider", Value::Null), "provider", "missing"),
            (with("/provider", json!("pigeon")), "provider", "unknown-value"),
            (with("/provider", json!("smtp")), "provider", "unknown-value"),
            (with("/login", Value::Null), "login", "missing"),
            (with("/login", json!("handshake")), "login", "unknown-value"),
            (with("/login", json!("webhook-only")), "login", "unknown-value"),
            (with("/account", Value::Null), "account", "missing"),
            (with("/account", json!("evil.example/")), "account", "invalid"),
            (with("/settings", json!({"colour": "red"})), "settings.colour", "unknown"),
            (with("/settings", json!({"colour": 1})), "settings.colour", "type"),
            (with("/secrets/api_key", Value::Null), "secrets.api_key", "missing"),
            (with("/secrets/api_key", json!("")), "secrets.api_key", "range"),
            (with("/secrets/password", json!("p")), "secrets.password", "unknown"),
            (with("/secrets/api_key", json!("k".repeat(4_095))), "secrets", "range"),
            (with("/status", json!("active")), "status", "unknown"),
        ] {
            acme.post("/api/connections", &body).await.blames(400, field, rule);
        }
        let several = json!({"id": id, "provider": "workday", "login": "api-key"});
        let several = acme.post("/api/connections", &several).await;
        assert_eq!(several.body["errors"].as_array().map(Vec::len), Some(3), "login, account and host: {several:?}");
        acme.get(&format!("/api/connections/{id}")).await.is_problem(404, "not-found");
        assert!(stack.secrets_of("acme", &id).await.is_empty());
    });
}

#[test]
fn records_outlive_the_connection_that_they_came_from() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let id = format!("test-{}", fresh_number());
        let path = format!("/api/connections/{id}");
        let made = acme.post("/api/connections", &greenhouse(&id)).await;
        assert_eq!((made.status, made.location.as_deref()), (StatusCode::ACCEPTED, Some(path.as_str())), "{made:?}");
        assert_eq!((&made.body["status"], &made.body["login"]), (&json!("checking"), &json!("webhook-only")));
        assert_eq!(made.body["webhook_url"], format!("/api/webhooks/greenhouse/acme/{id}"));
        let secret = made.body["webhook_secret"].as_str().expect("a secret");
        assert!(secret.len() == 48 && secret.bytes().all(|b| b.is_ascii_hexdigit()), "{made:?}");
        let view = until_status(&acme, &id, "active").await;
        assert!(view.get("webhook_secret").is_none() && view["sync"]["running"].is_null(), "{view}");
        assert_eq!(stack.secrets_of("acme", &id).await, ["webhook_secret"]);
        let listed = acme.get("/api/connections?limit=100").await.body;
        assert!(listed["items"].as_array().expect("items").iter().any(|c| c["id"] == id.as_str()), "{listed}");

        let (body, number) = new_application();
        assert_eq!(deliver(&stack, ("acme", &id), secret, &body, "e-1").await.status, 200);
        assert_eq!(outcome(&acme, &id, "e-1").await["outcome"], "applied");

        let paused = order(&acme, Method::POST, &format!("{path}/pause")).await;
        assert_eq!((paused.status.as_u16(), &paused.body["status"]), (200, &json!("paused")), "{paused:?}");
        assert!(paused.body["sync"]["next_at"].is_null() && paused.body["sync"]["reason"] == "paused", "{paused:?}");
        let again = acme.post(&format!("{path}/pause"), &json!({"reason": "twice is once"})).await;
        assert_eq!((again.status.as_u16(), &again.body["status"]), (200, &json!("paused")), "{again:?}");
        assert_eq!(deliver(&stack, ("acme", &id), secret, &body, "e-2").await.status, 200);
        assert_eq!(outcome(&acme, &id, "e-2").await["outcome"], "ignored");
        acme.post(&format!("{path}/sync"), &json!({})).await.is_problem(409, "conflict");
        let resumed = order(&acme, Method::POST, &format!("{path}/resume")).await;
        assert_eq!((resumed.status.as_u16(), &resumed.body["status"]), (202, &json!("checking")), "{resumed:?}");
        until_status(&acme, &id, "active").await;
        // It has no login, so that no request is possible.
        let refused = acme.post(&format!("{path}/sync"), &json!({"mode": "full"})).await;
        refused.is_problem(409, "conflict");
        acme.post(&format!("{path}/sync"), &json!({"mode": "half"})).await.blames(400, "mode", "unknown-value");

        let rotate = json!({"secrets": {}, "reason": "it was shown to somebody"});
        let rotated = acme.send(acme.request(Method::PUT, &format!("{path}/secrets")).json(&rotate)).await;
        assert_eq!((rotated.status.as_u16(), &rotated.body["status"]), (202, &json!("checking")), "{rotated:?}");
        assert!(rotated.body["webhook_secret"].as_str().is_some_and(|new| new.len() == 48 && new != secret));
        let wrong = json!({"secrets": {"api_key": "k"}});
        let wrong = acme.send(acme.request(Method::PUT, &format!("{path}/secrets")).json(&wrong)).await;
        wrong.blames(400, "secrets.api_key", "unknown");
        until_status(&acme, &id, "active").await;

        let removed = order(&acme, Method::DELETE, &path).await;
        assert_eq!(removed.status, 204, "{removed:?}");
        for gone in [path.clone(), format!("{path}/events"), format!("{path}/runs")] {
            acme.get(&gone).await.is_problem(404, "not-found");
        }
        order(&acme, Method::DELETE, &path).await.is_problem(404, "not-found");
        let listed = acme.get("/api/connections?limit=100").await.body;
        assert!(!listed.to_string().contains(&id), "{listed}");
        assert!(stack.secrets_of("acme", &id).await.is_empty());
        assert!(stack.item("control", "ORG#acme#sync", &id).await.is_null());
        acme.post("/api/connections", &greenhouse(&id)).await.is_problem(409, "conflict");
        let org = "acme".parse().expect("an organisation");
        let application = domain::id::ApplicationId::derived(&org, &["greenhouse", &id, &number.to_string()]);
        assert_eq!(acme.get(&format!("/api/applications/{application}")).await.status, 200, "its records stay");

        let audit = acme.get("/api/admin/audit?limit=100").await.body;
        let target = format!("connection/{id}");
        let entries: Vec<(String, String)> = audit["items"]
            .as_array()
            .expect("items")
            .iter()
            .filter(|entry| entry["target"] == target.as_str() && entry["state"] == "done")
            .map(|entry| {
                (entry["action"].as_str().expect("action").into(), entry["after"].as_str().expect("after").into())
            })
            .collect();
        let entry = |action: &str, after: &str| (format!("connection.{action}"), after.to_owned());
        let wanted = [
            entry("remove", "deleted"),
            entry("rotate-secrets", "checking"),
            entry("resume", "checking"),
            entry("pause", "paused"),
            entry("pause", "paused"),
            entry("create", "checking"),
        ];
        assert_eq!(entries, wanted, "{audit}");
        assert!(!audit.to_string().contains(secret), "secrets are nowhere but in the parameter store");
    });
}

#[test]
fn a_repeated_request_makes_one_connection_with_one_secret() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let key = format!("key-{}", fresh_number());
        let send = async |org: &Org<'_>, body: &Value| {
            let request = org.request(Method::POST, "/api/connections").header("idempotency-key", &key);
            org.send(request.json(body)).await
        };
        let body = json!({"provider": "greenhouse", "login": "webhook-only"});
        let first = send(&acme, &body).await;
        assert_eq!(first.status, 202, "{first:?}");
        let id = first.body["id"].as_str().expect("id").to_owned();
        assert!(id.starts_with("greenhouse-") && first.body["webhook_secret"].is_string(), "{first:?}");
        let again = send(&acme, &body).await;
        assert_eq!((again.status.as_u16(), &again.body["id"]), (202, &first.body["id"]), "{again:?}");
        assert!(again.body.get("webhook_secret").is_none(), "it was told: {again:?}");
        let other = json!({"provider": "greenhouse", "login": "webhook-only",
                           "secrets": {"webhook_secret": "another secret"}});
        send(&acme, &other).await.is_problem(422, "idempotency-key-reused");
        let foreign = send(&stack.org("globex"), &body).await;
        assert_ne!(foreign.body["id"], first.body["id"], "keys belong to their organisation");
        acme.post("/api/connections", &greenhouse(&id)).await.is_problem(409, "conflict");
        for (org, id) in [(&acme, id.as_str()), (&stack.org("globex"), foreign.body["id"].as_str().expect("id"))] {
            assert_eq!(order(org, Method::DELETE, &format!("/api/connections/{id}")).await.status, 204);
        }
    });
}

#[test]
fn commands_require_the_role_and_the_organisation() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        let (acme, globex) = (stack.org("acme"), stack.org("globex"));
        let path = "/api/connections/gh-acme";
        let orders = [
            (Method::POST, format!("{path}/pause"), json!({})),
            (Method::POST, format!("{path}/resume"), json!({})),
            (Method::POST, format!("{path}/sync"), json!({})),
            (Method::PUT, format!("{path}/secrets"), json!({"secrets": {"webhook_secret": "a secret of theirs"}})),
            (Method::POST, format!("{path}/events/e-1/replay"), json!({})),
            (
                Method::POST,
                format!("{path}/events/replay"),
                json!({"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}),
            ),
            (Method::DELETE, path.to_owned(), json!({})),
        ];
        for (method, path, body) in &orders {
            let foreign = globex.send(globex.request(method.clone(), path).json(body)).await;
            foreign.is_problem(404, "not-found");
            let member = as_member(&stack, method, path, body).await;
            assert_eq!(member["statusCode"], 403, "{method} {path}: {member}");
        }
        let new = greenhouse(&format!("test-{}", fresh_number()));
        assert_eq!(as_member(&stack, &Method::POST, "/api/connections", &new).await["statusCode"], 403);
        for gone in ["", "/events", "/runs"] {
            globex.get(&format!("{path}{gone}")).await.is_problem(404, "not-found");
        }
        assert_eq!(acme.get(path).await.body["status"], "active", "nothing happened");
    });
}

/// The function's response to a user of `acme` without a role.
async fn as_member(stack: &Stack, method: &Method, path: &str, body: &Value) -> Value {
    let text =
        std::fs::read_to_string(crate::repo::source::root().join("events/frontend-api/connect-without-role.json"));
    let mut event: Value = serde_json::from_str(&text.expect("an event")).expect("JSON");
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["method"] = json!(method.as_str());
    event["requestContext"]["http"]["path"] = json!(path);
    event["body"] = json!(body.to_string());
    stack.invoke("frontend-api", &event).await.expect("an answer")
}

#[test]
fn integrations_list_settings_and_connection_counts() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let listed = acme.get("/api/integrations").await;
        let items = listed.body["items"].as_array().expect("items");
        let of = |id: &str| items.iter().find(|item| item["id"] == id).unwrap_or_else(|| panic!("{id}: {listed:?}"));
        assert_eq!(of("bamboohr")["method"], "polling");
        // Tests beside this one make some of their own.
        assert!(of("bamboohr")["connections"].as_u64().is_some_and(|count| count >= 1), "{listed:?}");
        assert!(of("greenhouse")["connections"].as_u64().is_some_and(|count| count >= 2), "{listed:?}");
        assert_eq!(of("workday")["interval_minutes"]["contract"], 30);
        assert_eq!(of("gemini")["category"], "model");
    });
}

#[test]
fn every_kind_has_a_list_without_tombstones() {
    let _guard = using(&CONNECTION);
    run(async {
        let stack = Stack::open();
        let (acme, globex) = (stack.org("acme"), stack.org("globex"));
        for kind in
            ["candidates", "interviews", "offers", "scorecards", "openings", "posts", "departments", "offices", "users"]
        {
            let list = acme.get(&format!("/api/{kind}?limit=2")).await;
            assert!(list.status == 200 && list.body["items"].is_array(), "{kind}: {list:?}");
            acme.get(&format!("/api/{kind}/{}", uuid::Uuid::now_v7())).await.is_problem(404, "not-found");
            acme.get(&format!("/api/{kind}/x")).await.is_problem(404, "not-found");
        }
        let record = |id: &str| {
            json!({"pk": "ORG#acme#office", "sk": id, "v": 1, "id": id, "name": "Kew", "location": null, "parent": null,
                   "source": {"provider": "greenhouse", "connection": "gh-acme", "provider_id": id},
                   "created_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T10:00:00Z",
                   "listed_at": format!("2026-11-22T10:00:00.000Z#{id}")})
        };
        let (there, gone) = (uuid::Uuid::now_v7().to_string(), uuid::Uuid::now_v7().to_string());
        stack.put_record(&record(&there)).await;
        let mut tombstone = record(&gone);
        tombstone["deleted_at"] = json!("2026-11-23T10:00:00Z");
        for left in ["name", "location", "parent", "id", "listed_at"] {
            tombstone.as_object_mut().expect("an object").remove(left);
        }
        stack.put_record(&tombstone).await;
        let read = acme.get(&format!("/api/offices/{there}")).await;
        assert_eq!((&read.body["name"], read.body.get("v")), (&json!("Kew"), None), "{read:?}");
        acme.get(&format!("/api/offices/{gone}")).await.is_problem(404, "not-found");
        globex.get(&format!("/api/offices/{there}")).await.is_problem(404, "not-found");
        let listed = acme.until("/api/offices?limit=100", |answer| answer.body.to_string().contains(&there)).await;
        assert!(!listed.body.to_string().contains(&gone), "{listed:?}");
    });
}
