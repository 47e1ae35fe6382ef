//! Limits, tokens, write-back and the public intake.

use serde_json::{Value, json};
use simulators::{
    lever::seed::{HIRED, REASONS, STAGES},
    world::{Account, Chance},
};

use super::{Lever, id, of_kind};
use crate::{Answer, call, fixture, missing};

#[tokio::test]
async fn ten_requests_a_second_twenty_at_once_and_no_retry_after() {
    let lever = Lever::new();
    let good = async |tries: usize| {
        let mut good = 0;
        for _ in 0..tries {
            let answer = lever.get("stages").await;
            match answer.status.as_u16() {
                200 => good += 1,
                status => assert_eq!(
                    (status, answer.header("retry-after"), answer.json()["code"].is_string()),
                    (429, "", true)
                ),
            }
        }
        good
    };
    assert_eq!((good(25).await, good(1).await), (20, 0));
    lever.pass(1_000);
    assert_eq!(good(15).await, 10);
    assert_eq!(lever.control("acme/limit", json!({"per_second": 1, "burst": 3})).await.status, 204);
    assert_eq!(good(5).await, 3);
    assert_eq!(lever.control("acme/limit", json!({"per_second": null})).await.status, 204);
    assert_eq!(good(100).await, 100);
    assert_eq!(lever.control("acme/limit", json!({"per_second": 0})).await.status, 400);
    lever.control("acme/maintenance", json!({"on": true})).await;
    assert_eq!(lever.get("stages").await.status, 503);
    lever.control("acme/maintenance", json!({"on": false})).await;
    assert_eq!(good(1).await, 1);
}

async fn token(lever: &Lever, refresh: &str, secret: &str) -> Answer {
    let body =
        format!("grant_type=refresh_token&client_id=local-lever-acme&client_secret={secret}&refresh_token={refresh}");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    call(&lever.app, "POST", "/lever/auth/oauth/token", &headers, &Value::String(body)).await
}

#[tokio::test]
async fn a_refresh_token_is_good_once_its_access_token_for_an_hour() {
    let lever = Lever::new();
    let secret = "local-lever-secret-acme";
    let granted = token(&lever, "local-lever-refresh-acme", secret).await.json();
    assert_eq!((&granted["expires_in"], &granted["token_type"]), (&json!(3_600), &json!("Bearer")));
    let text = |granted: &Value, name: &str| granted[name].as_str().unwrap().to_owned();
    let access = format!("Bearer {}", text(&granted, "access_token"));
    let status_with = async |access: &str| {
        call(&lever.app, "GET", "/lever/api/v1/users", &[("authorization", access)], &Value::Null).await.status
    };
    assert_eq!(status_with(&access).await, 200);
    let used = token(&lever, "local-lever-refresh-acme", secret).await;
    assert_eq!((used.status.as_u16(), used.json()["error"].clone()), (403, json!("invalid_grant")));
    let second = token(&lever, &text(&granted, "refresh_token"), secret).await.json();
    assert_ne!(text(&second, "access_token"), text(&granted, "access_token"));
    assert_eq!(status_with(&access).await, 200);
    lever.pass(3_600_000);
    assert_eq!(status_with(&access).await, 401);
    assert_eq!(token(&lever, &text(&second, "refresh_token"), "wrong").await.status, 401);
    let third = token(&lever, &text(&second, "refresh_token"), secret).await.json();
    assert_eq!(status_with(&format!("Bearer {}", text(&third, "access_token"))).await, 200);
    lever.control("acme/access", json!({"expired": true})).await;
    assert_eq!(status_with(&format!("Bearer {}", text(&third, "access_token"))).await, 401);
    lever.control("acme/access", json!({"revoked": true})).await;
    let revoked = token(&lever, &text(&third, "refresh_token"), secret).await;
    assert_eq!(revoked.json()["error"], json!("invalid_grant"));
    assert_eq!(token(&lever, "local-lever-refresh-globex", secret).await.status, 401);
}

#[tokio::test]
async fn stage_end_and_note_are_written_back_in_the_name_of_a_user() {
    let lever = Lever::grown(200);
    let acme = lever.acme();
    let opportunity = lever.ids("opportunities?archived=false").await[0].clone();
    let user = lever.ids("users").await[0].clone();
    let path = |what: &str| format!("opportunities/{opportunity}/{what}?perform_as={user}");
    let before = acme.pending();
    let moved = lever.request("PUT", &path("stage"), json!({"stage": "offer"})).await;
    let data = &moved.json()["data"];
    assert_eq!((moved.status.as_u16(), &data["stage"], &data["id"]), (200, &json!("offer"), &json!(opportunity)));
    let last = data["stageChanges"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["userId"], &last["toStageId"], &last["toStageIndex"]),
        (&json!(user), &json!("offer"), &json!(9))
    );
    assert_eq!((&last["updatedAt"], &data["lastAdvancedAt"]), (&data["updatedAt"], &data["updatedAt"]));
    assert_eq!(of_kind(&acme, "application")[&opportunity]["stage"], json!("Offer"));

    let hired = lever.request("PUT", &path("archived"), json!({"reason": REASONS[HIRED].0})).await.json();
    assert_eq!(hired["data"]["archived"]["reason"], json!(REASONS[HIRED].0));
    assert_eq!(of_kind(&acme, "application")[&opportunity]["status"], json!("hired"));
    let back = lever.request("PUT", &path("archived"), json!({"reason": null})).await.json();
    assert_eq!(back["data"]["archived"], Value::Null);
    let rejected =
        lever.request("PUT", &path("archived"), json!({"reason": REASONS[0].0, "cleanInterviews": true})).await;
    assert_eq!(rejected.status, 200);
    let truth = of_kind(&acme, "application")[&opportunity].clone();
    assert_eq!((&truth["status"], &truth["rejection_reason"]), (&json!("rejected"), &json!(REASONS[0].1)));
    assert_eq!(acme.pending() - before, 5, "a stage, three ends, a hire");

    let updated = lever.get(&format!("opportunities/{opportunity}")).await.json()["data"]["updatedAt"].clone();
    let note = lever.request("POST", &path("notes"), json!({"value": "Call back"})).await;
    assert_eq!((note.status.as_u16(), &note.json()["data"]["fields"][0]["value"]), (201, &json!("Call back")));
    assert_eq!(lever.ids(&format!("opportunities/{opportunity}/notes")).await, [id(&note.json()["data"])]);
    assert_eq!(lever.get(&format!("opportunities/{opportunity}")).await.json()["data"]["updatedAt"], updated);

    for (method, path, body, status) in [
        ("PUT", path("stage"), json!({"stage": "x"}), 400),
        ("PUT", path("stage"), json!({}), 400),
        ("PUT", path("archived"), json!({}), 400),
        ("PUT", path("archived"), json!({"reason": "x"}), 400),
        ("POST", path("notes"), json!({"value": ""}), 400),
        ("PUT", format!("opportunities/{opportunity}/stage?perform_as=x"), json!({"stage": STAGES[0].0}), 400),
        ("PUT", "opportunities/x/stage".to_owned(), json!({"stage": STAGES[0].0}), 404),
        ("PUT", "opportunities/x/archived".to_owned(), json!({"reason": REASONS[0].0}), 404),
        ("POST", "opportunities/x/notes".to_owned(), json!({"value": "x"}), 404),
    ] {
        assert_eq!(lever.request(method, &path, body.clone()).await.status, status, "{path} {body}");
    }
}

#[tokio::test]
async fn the_intake_takes_three_forms_and_finds_a_person_again() {
    let lever = Lever::grown(200);
    let acme = lever.acme();
    let posting = lever.ids("postings?state=published").await[0].clone();
    let post = async |path: String, kind: &str, body: &str| {
        lever.pass(1_000);
        let body = Value::String(body.to_owned());
        call(&lever.app, "POST", &format!("/lever/api/v0/postings/{path}"), &[("content-type", kind)], &body).await
    };
    let path = format!("acme/{posting}?key=local-lever-postings-key-acme");
    let part = |name: &str, value: &str| {
        format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let file = "--xyz\r\nContent-Disposition: form-data; name=\"resume\"; filename=\"a.pdf\"\r\n\r\n%PDF\r\n";
    let multipart = part("name", "Cy Twombly") + &part("email", "cy@mail.example") + file + "--xyz--\r\n";
    let mut ids = Vec::new();
    for (kind, body) in [
        ("application/json", r#"{"name":"Ada L","email":"Ada@mail.example","org":"Engines","phone":"1"}"#),
        ("application/x-www-form-urlencoded", "name=Bob+B&email=bob%40mail.example"),
        ("multipart/form-data; boundary=xyz", multipart.as_str()),
    ] {
        let answer = post(path.clone(), kind, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["ok"]), (200, &json!(true)), "{}", answer.text);
        ids.push(answer.json()["applicationId"].as_str().unwrap().to_owned());
    }
    let candidates = of_kind(&acme, "candidate");
    let names: Vec<&Value> = candidates.values().map(|candidate| &candidate["name"]).collect();
    assert!(["Ada L", "Bob B", "Cy Twombly"].iter().all(|name| names.contains(&&json!(name))));
    assert!(candidates.values().any(|one| one["company"] == json!("Engines") && one["phone"] == json!("1")));
    let again = post(path.clone(), "application/json", r#"{"name":"A. L.","email":"ada@MAIL.example"}"#).await;
    assert_eq!(again.json()["applicationId"], json!(ids[0]));
    assert_eq!(of_kind(&acme, "candidate").len(), candidates.len());

    let (json, wrong) = ("application/json", r#"{"name":"","email":"a@b"}"#);
    for (path, body, status) in [
        (path.clone(), wrong, 400),
        (path.clone(), r#"{"name":"A"}"#, 400),
        (path.clone(), r#"{"name":"A","email":"no"}"#, 400),
        (path.clone(), "{", 400),
        (format!("acme/{posting}?key=x"), wrong, 403),
        ("acme/x?key=local-lever-postings-key-acme".to_owned(), wrong, 404),
    ] {
        let answer = post(path.clone(), json, body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["ok"]), (status, &json!(false)), "{path} {body}");
        assert!(answer.json()["error"].is_string());
    }
    lever.pass(5_000);
    let body = Value::String(r#"{"name":"D","email":"d@mail.example"}"#.to_owned());
    let mut statuses = Vec::new();
    for _ in 0..3 {
        let path = format!("/lever/api/v0/postings/{path}");
        statuses.push(call(&lever.app, "POST", &path, &[("content-type", json)], &body).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 429]);
}

#[tokio::test]
async fn a_webhook_shows_its_signature_token_only_when_created() {
    let lever = Lever::new();
    let made =
        lever.request("POST", "webhooks", json!({"event": "candidateHired", "url": "https://example.com/h"})).await;
    assert_eq!(made.status, 201);
    let token = made.json()["data"]["configuration"]["signatureToken"].as_str().unwrap().to_owned();
    assert!(token.len() == 48 && token.chars().all(|sign| sign.is_ascii_hexdigit()));
    let other =
        lever.request("POST", "webhooks", json!({"event": "candidateDeleted", "url": "http://localhost/h"})).await;
    assert_ne!(other.json()["data"]["configuration"]["signatureToken"], json!(token));
    let listed = lever.get("webhooks").await;
    assert!(!listed.text.contains("signatureToken"));
    assert_eq!(listed.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["data"]);
    if let Some(calls) = fixture("ats/lever_recorded_small_calls.json") {
        let recorded = |name: &str| calls.pointer(&format!("/{name}/0/response")).unwrap();
        assert_eq!(missing(recorded("create-webhook"), &made.json(), &[]), Vec::<String>::new());
        assert_eq!(missing(recorded("get-webhooks"), &listed.json(), &[]), Vec::<String>::new());
    }
    let id = id(&made.json()["data"]);
    assert_eq!(lever.request("DELETE", &format!("webhooks/{id}"), Value::Null).await.status, 204);
    assert_eq!(lever.request("DELETE", &format!("webhooks/{id}"), Value::Null).await.status, 404);
    assert_eq!(lever.get("webhooks").await.json()["data"].as_array().map(Vec::len), Some(1));
    for wrong in
        [json!({"event": "jobCreated", "url": "https://example.com"}), json!({"event": "candidateHired", "url": "x"})]
    {
        assert_eq!(lever.request("POST", "webhooks", wrong).await.status, 400);
    }
}

#[tokio::test]
async fn the_same_seed_makes_the_same_account_and_control_opens_it() {
    let truth = |seed| {
        let lever = Lever::new();
        let acme = lever.acme();
        let mut chance = Chance::new(seed);
        acme.grow(&mut chance, 300);
        (0..200).for_each(|_| drop(acme.step(&mut chance)));
        acme.truth()
    };
    assert_eq!(truth(3), truth(3));
    assert_ne!(truth(3), truth(4));
    let size = truth(3).len();
    assert!((200..500).contains(&size), "{size}");
    let lever = Lever::new();
    assert_eq!(lever.control("acme/grow", json!({"seed": 1, "count": 100})).await.status, 204);
    let grown = lever.acme().truth().len();
    assert!((95..110).contains(&grown), "{grown}");
    let done = lever.control("acme/step", json!({"seed": 1, "count": 5})).await.json();
    assert_eq!(done["done"].as_array().map(Vec::len), Some(5));
    let truth = call(&lever.app, "GET", "/_control/lever/acme/truth", &[], &Value::Null).await.json();
    assert_eq!(truth, json!(lever.acme().truth()));
    let kinds: std::collections::BTreeSet<_> =
        lever.acme().truth().keys().map(|key| key.split('/').next().unwrap().to_owned()).collect();
    assert!(["application", "candidate", "job", "user"].iter().all(|kind| kinds.contains(*kind)));
}
