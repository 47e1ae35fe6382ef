//! Operators: who sees and orders what about breakers, and the audit of it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::e2e::api::intake::Key;
use crate::e2e::harness::claims::{Model, disturbing, using};
use crate::e2e::harness::stack::{Answer, Stack, run};

async fn order(stack: &Stack, token: &str, path: &str, body: Value) -> Answer {
    let url = format!("{}/api/admin/breakers/{path}", stack.text("/api_url"));
    stack.send(stack.http.post(url).bearer_auth(token).json(&body)).await
}

async fn read(stack: &Stack, token: &str, path: &str) -> Answer {
    let url = format!("{}{path}", stack.text("/api_url"));
    stack.send(stack.http.request(Method::GET, url).bearer_auth(token)).await
}

fn breaker<'a>(list: &'a Answer, scope: &str, name: &str) -> Option<&'a Value> {
    let items = list.body["items"].as_array().expect("items");
    items.iter().find(|item| item["scope"] == scope && item["name"] == name)
}

#[test]
fn breaker_actions_of_an_operator_are_audited() {
    let _guard = disturbing(&[Model], &[]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let operator = stack.text("/operator_token").to_owned();
        let reason = |text: &str| json!({"reason": text});
        let applications = acme.get("/api/applications?limit=1").await;
        let some = applications.body["items"][0]["id"].as_str().map(str::to_owned);
        let some = some.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let body = json!({"kind": "application-review", "application_id": some});

        let forced = order(&stack, &operator, "deployment/model/force-open", reason("the quota is used up")).await;
        assert_eq!(forced.status, 200, "{forced:?}");
        assert_eq!(forced.body["breaker"]["forced"], "open", "{forced:?}");
        let refused = acme.request(Method::POST, "/api/suggestions").json(&body);
        let refused = acme.until_refused(refused).await;
        refused.is_problem(503, "dependency-unavailable");
        let health = read(&stack, &operator, "/api/health").await;
        let model = health.body["dependencies"].as_array().expect("dependencies").iter();
        let model: Vec<_> = model.filter(|d| d["name"] == "model" && d["status"] == "left-alone").collect();
        assert_eq!((health.status.as_u16(), model.len()), (200, 1), "{health:?}");
        assert_eq!(health.body["pools"][0]["name"], "database", "{health:?}");

        let list = read(&stack, &operator, "/api/admin/breakers").await;
        assert_eq!(breaker(&list, "deployment", "model").expect("model")["forced"], "open", "{list:?}");
        let lifted = order(&stack, &operator, "deployment/model/lift", reason("it is back")).await;
        assert!(lifted.body["breaker"]["forced"].is_null() && lifted.status == 200, "{lifted:?}");
        let reset = order(&stack, &operator, "deployment/model/reset", reason("a fresh begin")).await;
        assert_eq!(reset.body["breaker"]["phase"], "closed", "{reset:?}");
        let epoch = |answer: &Answer| answer.body["breaker"]["epoch"].as_u64().expect("an epoch");
        assert!(epoch(&forced) < epoch(&lifted) && epoch(&lifted) < epoch(&reset), "each order is an epoch");

        let audit = read(&stack, &operator, "/api/admin/audit?limit=3").await;
        let entries = audit.body["items"].as_array().expect("items");
        let actions: Vec<_> = entries
            .iter()
            .map(|e| (e["action"].as_str(), e["target"].as_str(), e["state"].as_str(), e["reason"].as_str()))
            .collect();
        let done = |action, reason| (Some(action), Some("deployment/model"), Some("done"), Some(reason));
        assert_eq!(
            actions,
            [
                done("breaker.reset", "a fresh begin"),
                done("breaker.lift", "it is back"),
                done("breaker.force-open", "the quota is used up"),
            ],
            "{audit:?}"
        );
        assert_eq!((&entries[2]["after"], &entries[2]["id"]), (&json!("forced open"), &forced.body["audit_id"]));
        assert!(entries[0]["subject"].as_str().is_some_and(|subject| !subject.is_empty()), "{audit:?}");
    });
}

#[test]
fn an_admin_sees_the_use_of_limits_and_resets_one() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let acme = stack.org("acme");
        let key = Key::fresh(&stack, "acme", json!({"limit_per_minute": 50})).await;
        let path = "/api/external/job-application/0190f5fe-7c00-7a00-8000-000000000001";
        for _ in 0..3 {
            assert_eq!(stack.send(key.request(Method::GET, path)).await.status, 404);
        }
        let listed = async |token: &str| {
            let list = read(&stack, token, "/api/admin/limits").await;
            let items = list.body["items"].as_array().cloned().expect("items");
            items.into_iter().find(|item| item["subject"] == key.hash().as_str())
        };
        let count = |item: &Value| ["count", "previous"].map(|name| item[name].as_u64().expect("a count")).iter().sum();
        let before: u64 = count(&listed(acme.token()).await.expect("the key's limit"));
        assert_eq!(before, 3);
        assert!(listed(stack.org("globex").token()).await.is_none(), "another organisation's");

        let reset = format!("{}/api/admin/limits/external/{}/reset", stack.text("/api_url"), key.hash());
        let order = |token: &str| stack.http.post(&reset).bearer_auth(token).json(&json!({"reason": "a wrong script"}));
        stack.send(order(stack.org("globex").token())).await.is_problem(404, "not-found");
        let done = stack.send(order(acme.token())).await;
        let (after, state): (u64, _) = (count(&done.body["limit"]), done.status.as_u16());
        assert_eq!((state, after), (200, 0), "{done:?}");
        let audit = read(&stack, acme.token(), "/api/admin/audit?limit=100").await;
        let entries = audit.body["items"].as_array().expect("items");
        let entry = entries.iter().find(|entry| entry["id"] == done.body["audit_id"]).expect("the entry");
        assert_eq!((&entry["action"], &entry["state"]), (&json!("limit.reset"), &json!("done")), "{entry}");
    });
}

#[test]
fn orders_need_the_role_and_stay_within_the_organisation() {
    let _guard = using(&[]);
    run(async {
        let stack = Stack::open();
        let (acme, globex) = (stack.org("acme"), stack.org("globex"));
        let reason = json!({"reason": "a test"});
        let (admin, other) = (acme.token(), globex.token());

        // An administrator of one organisation sees what all share, and gives no orders about it.
        let list = read(&stack, admin, "/api/admin/breakers").await;
        assert!(breaker(&list, "deployment", "model").is_some() && breaker(&list, "deployment", "mail-smtp").is_some());
        order(&stack, admin, "deployment/model/force-open", reason.clone()).await.is_problem(403, "forbidden");

        // About a connection only its own administrator does.
        let own = order(&stack, admin, "connection/bamboo-acme/reset", reason.clone()).await;
        assert_eq!((own.status.as_u16(), &own.body["breaker"]["phase"]), (200, &json!("closed")), "{own:?}");
        order(&stack, other, "connection/bamboo-acme/force-open", reason.clone()).await.is_problem(404, "not-found");
        let theirs = read(&stack, other, "/api/admin/breakers").await;
        assert!(breaker(&theirs, "connection", "bamboo-acme").is_none(), "{theirs:?}");
        let audit = read(&stack, other, "/api/admin/audit?limit=100").await;
        let items = audit.body["items"].as_array().expect("items");
        assert!(items.iter().all(|e| e["target"] != "connection/bamboo-acme"), "{audit:?}");

        // Bad input changes nothing.
        for path in ["deployment/model/explode", "galaxy/model/reset", "deployment/nothing/reset"] {
            let answer = order(&stack, stack.text("/operator_token"), path, reason.clone()).await;
            answer.is_problem(404, "not-found");
        }
        let operator = stack.text("/operator_token");
        order(&stack, operator, "deployment/mail-smtp/lift", json!({})).await.blames(400, "reason", "missing");
        order(&stack, operator, "deployment/mail-smtp/lift", json!({"reason": ""}))
            .await
            .blames(400, "reason", "invalid");
    });
}
