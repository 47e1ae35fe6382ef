//! What the mail providers refuse and accept.

use axum::Router;
use serde_json::{Value, json};

use crate::{Answer, call, fixture, get, missing, post};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
/// `api:k` and `api:invalid`.
const BASIC: (&str, &str) = ("authorization", "Basic YXBpOms=");
const BASIC_INVALID: (&str, &str) = ("authorization", "Basic YXBpOmludmFsaWQ=");

fn sendgrid_mail() -> Value {
    json!({
        "personalizations": [{"to": [{"email": "ada@example.com"}]}],
        "from": {"email": "hiring@example.com"},
        "subject": "Hi",
        "content": [{"type": "text/plain", "value": "t"}, {"type": "text/html", "value": "h"}],
        "custom_args": {"reference": "n-1"},
    })
}

fn brevo_mail() -> Value {
    json!({
        "sender": {"email": "hiring@example.com"},
        "to": [{"email": "ada@example.com"}],
        "subject": "Hi",
        "htmlContent": "h",
        "headers": {"idempotencyKey": "k-1", "X-Mailin-custom": "n-1"},
    })
}

fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")) = value;
    body
}

async fn sendgrid(app: &Router, key: &str, body: &Value) -> Answer {
    call(app, "POST", "/sendgrid/v3/mail/send", &[("authorization", &format!("Bearer {key}"))], body).await
}

async fn mailgun(app: &Router, domain: &str, key: (&str, &str), form: &str) -> Answer {
    call(app, "POST", &format!("/mailgun/v3/{domain}/messages"), &[FORM, key], &json!(form)).await
}

async fn brevo(app: &Router, key: &str, body: &Value) -> Answer {
    call(app, "POST", "/brevo/v3/smtp/email", &[("api-key", key)], body).await
}

async fn accepted(app: &Router, provider: &str) -> Value {
    get(app, &format!("/_control/{provider}/mails")).await.json()
}

#[tokio::test]
async fn sendgrid_accepts_with_an_empty_202_and_names_bad_fields() {
    let app = simulators::app();
    let good = sendgrid(&app, "k", &sendgrid_mail()).await;
    assert_eq!((good.status.as_u16(), good.text.as_str()), (202, ""));
    let id = good.header("x-message-id").to_owned();
    // (key, body, status, field)
    for (key, body, status, field) in [
        ("", sendgrid_mail(), 401, json!(null)),
        ("invalid", sendgrid_mail(), 401, json!(null)),
        ("k", json!("{"), 400, json!(null)),
        ("k", with(sendgrid_mail(), "/personalizations", json!([])), 400, json!("personalizations")),
        ("k", with(sendgrid_mail(), "/personalizations/0/to", json!([])), 400, json!("personalizations.0.to")),
        (
            "k",
            with(sendgrid_mail(), "/personalizations/0/to/0/email", json!("ada@refused.example")),
            400,
            json!("personalizations.0.to.0.email"),
        ),
        ("k", with(sendgrid_mail(), "/from/email", json!("a@unverified.example")), 403, json!("from")),
        ("k", with(sendgrid_mail(), "/subject", json!("")), 400, json!("subject")),
        ("k", with(sendgrid_mail(), "/content/0/type", json!("text/html")), 202, json!(null)),
        ("k", with(sendgrid_mail(), "/content", json!([])), 400, json!("content")),
    ] {
        let answer = sendgrid(&app, key, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
        if status != 202 {
            assert_eq!(answer.json()["errors"][0]["field"], field, "{}", answer.text);
            if let Some(recorded) = fixture("providers/sendgrid/400_errors.json") {
                assert_eq!(missing(&recorded, &answer.json(), &[]), Vec::<String>::new());
            }
        }
    }
    let stored = accepted(&app, "sendgrid").await;
    assert_eq!(stored["count"], 2);
    assert_eq!(
        (&stored["items"][0]["id"], &stored["items"][0]["correlation"]),
        (&json!(id), &json!("n-1")),
        "{stored}"
    );
}

#[tokio::test]
async fn mailgun_says_200_to_a_wrong_path_and_refuses_bad_lists() {
    let app = simulators::app();
    let form =
        "from=hiring%40example.com&to=ada%40example.com&subject=Hi&text=t&h%3AMessage-Id=%3Cn-1%40example.com%3E";
    let good = mailgun(&app, "example.com", BASIC, form).await;
    assert_eq!((good.status.as_u16(), &good.json()["id"]), (200, &json!("<n-1@example.com>")), "{}", good.text);
    if let Some(recorded) = fixture("providers/mailgun/200_send.json") {
        assert_eq!(missing(&recorded, &good.json(), &[]), Vec::<String>::new());
    }
    let wrong = post(&app, "/mailgun/v4/example.com/messages", json!({})).await;
    assert_eq!((wrong.status.as_u16(), wrong.text.as_str()), (200, "Mailgun Magnificent API"));
    let replaced = |from: &str, to: &str| form.replace(from, to);
    for (domain, key, form, status) in [
        ("example.com", ("authorization", ""), form.to_owned(), 401),
        ("example.com", BASIC_INVALID, form.to_owned(), 401),
        ("unknown.example", BASIC, form.to_owned(), 404),
        ("example.com", BASIC, replaced("to=ada", "to=eve%40refused.example%2Cada"), 400),
        ("example.com", BASIC, replaced("&to=ada%40example.com", ""), 400),
        ("example.com", BASIC, replaced("&text=t", ""), 400),
        ("example.com", BASIC, replaced("hiring%40example.com", "hiring%40unverified.example"), 403),
    ] {
        let answer = mailgun(&app, domain, key, &form).await;
        assert_eq!(answer.status.as_u16(), status, "{form}: {}", answer.text);
    }
    assert_eq!(accepted(&app, "mailgun").await["count"], 1);
}

#[tokio::test]
async fn brevo_sends_once_for_a_key_and_says_so() {
    let app = simulators::app();
    // What is refused does not use the key up.
    let bad = brevo(&app, "k", &with(brevo_mail(), "/to/0/email", json!("ada@refused.example"))).await;
    assert_eq!((bad.status.as_u16(), &bad.json()["code"]), (400, &json!("invalid_parameter")));
    let good = brevo(&app, "k", &brevo_mail()).await;
    assert_eq!(good.status.as_u16(), 201, "{}", good.text);
    if let Some(recorded) = fixture("providers/brevo/201_send.json") {
        assert_eq!(missing(&recorded, &good.json(), &[]), Vec::<String>::new());
    }
    let again = brevo(&app, "k", &brevo_mail()).await;
    assert_eq!((again.status.as_u16(), &again.json()["code"]), (400, &json!("duplicate_request")));
    for (key, body, status, code) in [
        ("", brevo_mail(), 401, "unauthorized"),
        ("invalid", brevo_mail(), 401, "unauthorized"),
        ("k", with(brevo_mail(), "/htmlContent", json!("")), 400, "missing_parameter"),
        ("k", with(brevo_mail(), "/to", json!([])), 400, "missing_parameter"),
        ("k", with(brevo_mail(), "/sender/email", json!("a@unverified.example")), 400, "invalid_parameter"),
    ] {
        let answer = brevo(&app, key, &body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (status, &json!(code)), "{body}");
    }
    assert_eq!(accepted(&app, "brevo").await["count"], 1);
}

#[tokio::test]
async fn a_fault_may_follow_acceptance_and_reset_forgets_all() {
    let app = simulators::app();
    let fault = json!({"status": 504, "acts_first": true, "times": 1});
    assert_eq!(post(&app, "/_control/sendgrid/faults", fault).await.status.as_u16(), 201);
    assert_eq!(sendgrid(&app, "k", &sendgrid_mail()).await.status.as_u16(), 504);
    assert_eq!(accepted(&app, "sendgrid").await["count"], 1);
    let others = get(&app, "/_control/sendgrid/mails?to=eve@example.com").await.json();
    assert_eq!(others["items"], json!([]));
    post(&app, "/_control/sendgrid/reset", json!({})).await;
    assert_eq!(accepted(&app, "sendgrid").await["count"], 0);
    brevo(&app, "k", &brevo_mail()).await;
    post(&app, "/_control/brevo/reset", json!({})).await;
    assert_eq!(brevo(&app, "k", &brevo_mail()).await.status.as_u16(), 201, "the key is forgotten, too");
}
