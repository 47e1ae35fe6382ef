//! The mails of all kinds and languages, written by the product and parsed by other code.

use std::path::Path;
use std::process::Command;

use domain::notification::NotificationKind;
use jiff::Timestamp;
use mail_templates::{Rendered, Templates};
use providers::mail::port::Mail;
use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const NOTIFICATION: &str = "0190f5fe-7c00-7a00-8000-000000000001";
const UNSUBSCRIBE: &str = "<mailto:no-reports@example.com>";

struct Written {
    kind: NotificationKind,
    rendered: Rendered,
    message: Vec<u8>,
}

/// The mails of every kind in every language, with the data of its sample.
fn written(at: Timestamp) -> Vec<Written> {
    let templates = Templates::built_in().expect("valid templates");
    let mut all = Vec::new();
    for kind in NotificationKind::ALL {
        let path = Path::new(ROOT).join(format!("shared/mail_templates/samples/{}.json", kind.as_str()));
        let sample = std::fs::read_to_string(&path).expect("a sample");
        let data: Value = serde_json::from_str(&sample).expect("JSON");
        for tag in templates.languages() {
            let language = tag.parse().expect("a language");
            let rendered = templates.render(kind, Some(&language), &data).expect("rendered");
            let mail = Mail {
                from: "hiring@example.com".to_owned(),
                to: "ada@example.com".to_owned(),
                subject: rendered.subject.clone(),
                text: rendered.text.clone(),
                html: rendered.html.clone(),
                message_id: format!("<{NOTIFICATION}@example.com>"),
                reference: format!("acme_{NOTIFICATION}").parse().expect("a reference"),
                unsubscribe: kind.may_be_unsubscribed().then(|| UNSUBSCRIBE.to_owned()),
            };
            let message = mail.message(at).expect("a message");
            all.push(Written { kind, rendered, message });
        }
    }
    all
}

/// What Python finds in the messages.
fn parsed(messages: &[Written]) -> Vec<Value> {
    let folder = std::env::temp_dir().join(format!("mails-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&folder).expect("a folder");
    let mut command = Command::new("python3");
    command.arg(Path::new(ROOT).join("tests/it/contract/parse_mail.py"));
    for (number, written) in messages.iter().enumerate() {
        let path = folder.join(format!("{number}.eml"));
        std::fs::write(&path, &written.message).expect("written");
        command.arg(path);
    }
    let output = command.output();
    std::fs::remove_dir_all(&folder).expect("removed");
    let output = output.expect("python3 is in PATH");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a JSON list")
}

/// A mail ends its lines otherwise than a template, and its last line may end or not.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").trim_end_matches('\n').to_owned()
}

#[test]
fn a_reader_finds_in_every_mail_what_was_written() {
    let at: Timestamp = "2026-11-22T10:00:00Z".parse().expect("a time");
    let written = written(at);
    assert_eq!(written.len(), 2 * NotificationKind::ALL.len());
    let parsed = parsed(&written);
    assert_eq!(parsed.len(), written.len());
    for (Written { kind, rendered, .. }, found) in written.iter().zip(&parsed) {
        let which = format!("{} in {}", kind.as_str(), rendered.language);
        let header = |name: &str, wanted: &[&str]| {
            let values = found["headers"].get(name).and_then(Value::as_array).cloned().unwrap_or_default();
            let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            assert_eq!(values, wanted, "{name} of {which}");
        };
        header("from", &["hiring@example.com"]);
        header("to", &["ada@example.com"]);
        header("subject", &[rendered.subject.as_str()]);
        header("message-id", &[&format!("<{NOTIFICATION}@example.com>")]);
        header("mime-version", &["1.0"]);
        header("auto-submitted", &["auto-generated"]);
        header("x-notification-id", &[NOTIFICATION]);
        header("list-unsubscribe", if kind.may_be_unsubscribed() { &[UNSUBSCRIBE] } else { &[] });
        for none in ["cc", "bcc", "reply-to"] {
            header(none, &[]);
        }
        let seconds = at.as_second();
        assert_eq!(found["date"].as_f64().map(|date| format!("{date:.0}")), Some(seconds.to_string()), "{which}");
        assert_eq!(found["content_type"], "multipart/alternative", "{which}");
        let parts = found["parts"].as_array().expect("parts");
        assert_eq!(parts.len(), 2, "{which}");
        for (part, (content_type, text)) in
            parts.iter().zip([("text/plain", &rendered.text), ("text/html", &rendered.html)])
        {
            assert_eq!(part["content_type"], content_type, "{which}");
            assert_eq!(part["charset"], "utf-8", "{which}");
            assert_eq!(lines(part["text"].as_str().expect("a text")), lines(text), "{content_type} of {which}");
        }
        assert_eq!(found["defects"], serde_json::json!([]), "{which}");
    }
}
