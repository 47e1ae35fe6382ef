//! What Amazon SES, Gmail and Google's token server refuse and accept.

use axum::Router;
use base64::{Engine as _, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE};
use serde_json::{Value, json};

use crate::{Answer, call, fixture, get, missing, post};

const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=KEY/20261122/eu-central-1/ses/aws4_request, \
    SignedHeaders=content-type;host;x-amz-date, \
    Signature=0000000000000000000000000000000000000000000000000000000000000000";

fn message(from: &str, to: &str) -> String {
    [
        &format!("From: {from}"),
        &format!("To: {to}"),
        "Subject: =?utf-8?b?R3LDvMOfZQ==?=",
        "Message-ID: <n-1@example.com>",
        "X-Notification-Id: n-1",
        "Date: Sun, 22 Nov 2026 10:00:00 +0000",
        "MIME-Version: 1.0",
        "Content-Type: multipart/alternative; boundary=\"b\"",
        "",
        "--b",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "Gr=C3=BC=C3=9Fe",
        "--b",
        "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: base64",
        "",
        "PHA+SGk8L3A+",
        "--b--",
        "",
    ]
    .join("\r\n")
}

fn ses_mail(from: &str, to: &str) -> Value {
    json!({
        "FromEmailAddress": from,
        "Destination": {"ToAddresses": [to]},
        "Content": {"Raw": {"Data": BASE64_STANDARD.encode(message(from, to))}},
        "EmailTags": [{"Name": "reference", "Value": "acme_n-1"}],
    })
}

async fn ses(app: &Router, signature: &str, body: &Value) -> Answer {
    let headers = [("authorization", signature), ("x-amz-date", "20261122T100000Z")];
    call(app, "POST", "/ses/v2/email/outbound-emails", &headers, body).await
}

#[tokio::test]
async fn ses_wants_a_signature_and_names_its_errors_in_a_header() {
    let app = simulators::app();
    let (from, to) = ("hiring@example.com", "ada@example.com");
    let good = ses(&app, SIGNATURE, &ses_mail(from, to)).await;
    assert_eq!(good.status.as_u16(), 200, "{}", good.text);
    let mut tagged = ses_mail(from, to);
    tagged["EmailTags"] = json!([{"Name": "reference", "Value": "acme:n-1"}]);
    let mut plain = ses_mail(from, to);
    plain["Content"] = json!({"Raw": {"Data": BASE64_STANDARD.encode("Subject: Hi\r\n\r\nHi")}});
    for (signature, body, status, name) in [
        ("", ses_mail(from, to), 403, "MissingAuthenticationTokenException"),
        ("AWS4-HMAC-SHA256 Credential=KEY", ses_mail(from, to), 403, "IncompleteSignatureException"),
        (&SIGNATURE.replace("/ses/", "/email/"), ses_mail(from, to), 403, "InvalidSignatureException"),
        (&SIGNATURE.replace("KEY", "invalid"), ses_mail(from, to), 403, "UnrecognizedClientException"),
        (SIGNATURE, tagged, 400, "BadRequestException"),
        (SIGNATURE, plain, 400, "BadRequestException"),
        (SIGNATURE, ses_mail(from, "ada@refused.example"), 400, "MessageRejected"),
        (SIGNATURE, ses_mail("a@unverified.example", to), 400, "MailFromDomainNotVerifiedException"),
        (SIGNATURE, ses_mail("a@suspended.example", to), 400, "AccountSuspendedException"),
        (SIGNATURE, ses_mail("a@paused.example", to), 400, "SendingPausedException"),
    ] {
        let answer = ses(&app, signature, &body).await;
        let named = answer.header("x-amzn-errortype").split(':').next();
        assert_eq!((answer.status.as_u16(), named), (status, Some(name)), "{}", answer.text);
        if let Some(recorded) = fixture("providers/ses/error_429_sendemail.json") {
            assert_eq!(missing(&recorded["body"], &answer.json(), &[]), Vec::<String>::new());
        }
    }
    let stored = get(&app, "/_control/ses/mails?correlation=acme_n-1").await.json();
    let mail = &stored["items"][0];
    assert_eq!((&stored["count"], &mail["id"]), (&json!(1), &good.json()["MessageId"]), "{stored}");
    for (field, wanted) in
        [("subject", "Grüße"), ("text", "Grüße"), ("html", "<p>Hi</p>"), ("message_id", "<n-1@example.com>")]
    {
        assert_eq!(mail[field].as_str().map(str::trim), Some(wanted), "{stored}");
    }
}

#[test]
fn an_event_of_ses_has_what_a_recorded_one_has() {
    let Some(recorded) = fixture("providers/ses/sns_notification_bounce.json") else { return };
    let recorded: Value = serde_json::from_str(recorded["Message"].as_str().unwrap()).unwrap();
    let at = "2026-11-22T10:00:00Z".parse().unwrap();
    let event = simulators::mail::ses::event("Bounce", "acme_n-1", "m-1", at);
    let optional = [
        "notificationType",
        ".mail.headers",
        ".mail.commonHeaders",
        ".mail.source",
        ".mail.sendingAccountId",
        "remoteMtaIp",
        "reportingMTA",
        "emailAddress",
        "action",
    ];
    assert_eq!(missing(&recorded, &event, &optional), Vec::<String>::new());
}

async fn gmail(app: &Router, token: &str, from: &str, to: &str) -> Answer {
    let body = json!({"raw": BASE64_URL_SAFE.encode(message(from, to))});
    let headers = [("authorization", token)];
    call(app, "POST", "/gmail/gmail/v1/users/me/messages/send", &headers, &body).await
}

#[tokio::test]
async fn gmail_sends_for_a_token_and_finds_by_message_id() {
    let app = simulators::app();
    let (token, from, to) = ("Bearer ya29.sim.r", "hiring@example.com", "ada@example.com");
    let good = gmail(&app, token, from, to).await;
    assert_eq!(good.status.as_u16(), 200, "{}", good.text);
    for (token, from, to, status, reason) in [
        ("", from, to, 401, "authError"),
        ("Bearer other", from, to, 401, "authError"),
        ("Bearer ya29.sim.invalid", from, to, 401, "authError"),
        (token, from, "ada@refused.example", 400, "invalidArgument"),
        (token, "a@unverified.example", to, 400, "failedPrecondition"),
    ] {
        let answer = gmail(&app, token, from, to).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        assert_eq!(answer.json()["error"]["errors"][0]["reason"], reason, "{}", answer.text);
    }
    let list = "/gmail/gmail/v1/users/me/messages?q=rfc822msgid%3A";
    let search =
        async |id: &str| call(&app, "GET", &format!("{list}{id}"), &[("authorization", token)], &Value::Null).await;
    assert_eq!(search("n-1%40example.com").await.json()["messages"][0]["id"], good.json()["id"]);
    assert!(search("n-2%40example.com").await.json().get("messages").is_none());
    post(&app, "/_control/gmail/lag", json!({"ms": 60_000})).await;
    assert!(search("n-1%40example.com").await.json().get("messages").is_none());
    post(&app, "/_control/gmail/scope", json!({"readonly": false})).await;
    assert_eq!(search("n-1%40example.com").await.status.as_u16(), 403);
    post(&app, "/_control/gmail/reset", json!({})).await;
    assert_eq!(search("n-1%40example.com").await.json()["resultSizeEstimate"], 0);
    assert_eq!(get(&app, "/_control/gmail/mails").await.json()["count"], 0);
}

#[tokio::test]
async fn google_gives_tokens_for_good_grants_only() {
    let app = simulators::app();
    let refresh = |client_secret: &str, token: &str| {
        format!("grant_type=refresh_token&client_id=c&client_secret={client_secret}&refresh_token={token}")
    };
    // Signed by nobody: the header and claims of a statement without a signature of the key.
    let forged =
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=eyJhbGciOiJSUzI1NiJ9.e30.AAAA";
    let unsigned = forged.replace("eyJhbGciOiJSUzI1NiJ9", "eyJhbGciOiJub25lIn0");
    for (form, status, field, wanted) in [
        (refresh("s", "r"), 200, "access_token", "ya29.sim.r"),
        (refresh("s", "revoked"), 400, "error", "invalid_grant"),
        (refresh("s", ""), 400, "error", "invalid_grant"),
        (refresh("invalid", "r"), 401, "error", "invalid_client"),
        (forged.to_owned(), 400, "error_description", "Invalid JWT Signature."),
        (unsigned, 400, "error_description", "Invalid JWT."),
        ("grant_type=password".to_owned(), 400, "error", "unsupported_grant_type"),
    ] {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let answer = call(&app, "POST", "/google/token", &headers, &json!(form)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()[field]),
            (status, &json!(wanted)),
            "{form}: {}",
            answer.text
        );
    }
}
