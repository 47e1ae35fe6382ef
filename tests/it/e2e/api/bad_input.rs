//! Bad input is refused with the name of the field and the rule, and nothing is written.

use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::harness::claims::{Model, using};
use crate::e2e::harness::stack::{Stack, run};

fn good() -> Value {
    json!({"kind": "password-reset", "to": "ada@example.com",
           "data": {"name": "Ada", "reset_url": "https://app.example.com/r", "expires_in_minutes": 30}})
}

/// A good request with one field replaced, or removed when the value is null.
fn with(pointer: &str, value: Value) -> Value {
    let mut body = good();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
    if value.is_null() {
        parent.remove(name);
    } else {
        parent.insert(name.to_owned(), value);
    }
    body
}

#[test]
fn every_broken_rule_of_a_body_is_named() {
    let _guard = using(&[Model]);
    run(async {
        let stack = Stack::open();
        let globex = stack.org("globex");
        let marker = format!("bad{}@example.com", crate::e2e::harness::stack::fresh_number());
        let marked = |mut body: Value| {
            if body["to"] == "ada@example.com" {
                body["to"] = json!(marker);
            }
            body
        };
        for (body, field, rule) in [
            (with("/to", Value::Null), "to", "missing"),
            (with("/data", Value::Null), "data", "missing"),
            (with("/kind", json!("birthday")), "kind", "unknown-value"),
            (with("/kind", json!(7)), "kind", "type"),
            (with("/colour", json!("red")), "colour", "unknown"),
            (with("/to", json!("nobody")), "to", "invalid"),
            (with("/to", json!("a@b.example\r\nBcc: eve@example.com")), "to", "invalid"),
            (with("/to", json!(format!("{}@example.com", "a".repeat(300)))), "to", "invalid"),
            (with("/to", json!(format!("{}@example.com", "a".repeat(65)))), "to", "invalid"),
            (with("/to", json!("ada@example.com, eve@example.com")), "to", "invalid"),
            (with("/to", json!("Ada <ada@example.com>")), "to", "invalid"),
            (with("/language", json!("German")), "language", "invalid"),
            (with("/data/name", Value::Null), "data.name", "missing"),
            (with("/data/name", json!("")), "data.name", "invalid"),
            (with("/data/name", json!("x".repeat(201))), "data.name", "invalid"),
            (with("/data/name", json!(["Ada"])), "data.name", "type"),
            (with("/data/extra", json!(1)), "data.extra", "unknown"),
            (with("/data/reset_url", json!("http://app.example.com")), "data.reset_url", "invalid"),
            (with("/data/reset_url", json!("javascript:alert(1)")), "data.reset_url", "invalid"),
            (with("/data/expires_in_minutes", json!(0)), "data.expires_in_minutes", "invalid"),
            (with("/data/expires_in_minutes", json!(-1)), "data.expires_in_minutes", "type"),
            (with("/data", json!([])), "data", "type"),
        ] {
            globex.post("/api/notifications", &marked(body)).await.blames(400, field, rule);
        }
        let raw = async |body: &'static str| {
            let request = globex.request(Method::POST, "/api/notifications").header("content-type", "application/json");
            stack.send(request.body(body)).await
        };
        raw("{").await.blames(400, "body", "json");
        raw("").await.blames(400, "body", "json");
        raw("[]").await.blames(400, "body", "type");
        raw("null").await.blames(400, "body", "type");
        raw("{}").await.blames(400, "kind", "missing");
        let plain = globex.request(Method::POST, "/api/notifications").body(good().to_string());
        stack.send(plain).await.is_problem(415, "unsupported-media-type");
        let large = with("/data/name", json!("x".repeat(70_000)));
        globex.post("/api/notifications", &large).await.is_problem(413, "too-large");

        globex.post("/api/suggestions", &json!({"kind": "application-review"})).await.blames(
            400,
            "application_id",
            "missing",
        );
        let strange = json!({"kind": "application-review", "application_id": "x"});
        globex.post("/api/suggestions", &strange).await.blames(400, "application_id", "invalid");
        let of_another_tenant = json!({"kind": "application-review", "application_id": uuid::Uuid::now_v7()});
        globex.post("/api/suggestions", &of_another_tenant).await.is_problem(404, "not-found");
        globex.post("/api/jobs", &json!({"title": "x".repeat(201)})).await.blames(400, "title", "invalid");

        let list = globex.get("/api/notifications?limit=100").await.body;
        assert!(!list.to_string().contains(&marker), "a refused request left a record");
    });
}

#[test]
fn unknown_ids_parameters_and_methods_have_their_own_problem() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        for kind in ["suggestions", "notifications", "applications", "jobs", "connections"] {
            acme.get(&format!("/api/{kind}/{}", uuid::Uuid::now_v7())).await.is_problem(404, "not-found");
            acme.get(&format!("/api/{kind}/Not_an-id!")).await.is_problem(404, "not-found");
            acme.get(&format!("/api/{kind}?limit=0")).await.blames(400, "limit", "range");
            acme.get(&format!("/api/{kind}?limit=101")).await.blames(400, "limit", "range");
            acme.get(&format!("/api/{kind}?cursor=xyz")).await.blames(400, "cursor", "invalid");
            acme.get(&format!("/api/{kind}?page=2")).await.blames(400, "page", "unknown");
        }
        let key = acme.request(Method::POST, "/api/jobs").header("idempotency-key", "a b");
        stack.send(key.json(&json!({"title": "t"}))).await.blames(400, "Idempotency-Key", "invalid");
    });
}

#[test]
fn without_a_token_or_with_a_foreign_one_nothing_is_answered() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let token = stack.text("/orgs/0/token").to_owned();
        let api = stack.text("/api_url");
        let (head, rest) = token.split_once('.').expect("a JWT");
        let (claims, signature) = rest.split_once('.').expect("a JWT");
        let none = format!("eyJhbGciOiJub25lIn0.{claims}.");
        let swapped: String = signature.chars().rev().collect();
        let forged = format!("{head}.{claims}.{swapped}");
        for bad in ["", "x", &none, &forged] {
            for path in ["/api/applications", "/api/connections", "/api/jobs"] {
                let answer = stack.send(stack.http.get(format!("{api}{path}")).bearer_auth(bad)).await;
                assert_eq!(answer.status, 401, "{path} with `{bad}`: {answer:?}");
            }
        }
        assert_eq!(stack.send(stack.http.get(format!("{api}/api/applications"))).await.status, 401);
        let nowhere = stack.org("acme").get("/api/nothing-here").await;
        assert_eq!(nowhere.status, 404, "{nowhere:?}");
    });
}
