//! Every file of `events/` is replayed: the deployed function is invoked with it, and its answer is as expected here.

use std::collections::BTreeSet;
use std::fs;
use std::time::Instant;

use serde_json::{Value, json};

use crate::e2e::harness::claims::{Mailer, Model, Relay, Webhooks, disturbing};
use crate::e2e::harness::stack::{PATIENCE, Stack, run};
use crate::repo::source::root;

/// The expected response to a replay.
enum Expected {
    /// This HTTP status, and this text somewhere in the body.
    Http(u16, &'static str),
    /// No message is left on the queue: done, or dead with its reason.
    NothingLeft,
    /// A count of what was enqueued.
    Enqueued,
}

use Expected::{Enqueued, Http, NothingLeft};

const EXPECTED: [(&str, &str, Expected); 47] = [
    ("webhook-receiver", "signed-application", Http(200, "replay-880001")),
    ("webhook-receiver", "signed-application-base64", Http(200, "replay-880001")),
    ("webhook-receiver", "tampered-body", Http(401, "problem:unauthenticated")),
    ("webhook-receiver", "path-traversal", Http(401, "problem:unauthenticated")),
    ("webhook-receiver", "mail-event", Http(200, "accepted")),
    ("webhook-receiver", "mail-event-without-proof", Http(401, "problem:unauthenticated")),
    ("webhook-worker", "new-application", NothingLeft),
    ("webhook-worker", "ses-event-of-an-unknown-mail", NothingLeft),
    ("webhook-worker", "unknown-action", NothingLeft),
    ("webhook-worker", "malformed-beside-good", NothingLeft),
    ("suggestion-worker", "second-copy", NothingLeft),
    ("suggestion-worker", "malformed-and-unknown", NothingLeft),
    ("email-worker", "second-copy", NothingLeft),
    ("email-worker", "malformed-and-unknown", NothingLeft),
    ("frontend-api", "list-applications", Http(200, "next_cursor")),
    ("frontend-api", "create-notification", Http(202, "flag-resolved")),
    ("frontend-api", "preview-notification", Http(200, "Neues Passwort")),
    ("frontend-api", "unknown-field", Http(400, "data.html")),
    ("frontend-api", "list-integrations", Http(200, "client-credentials")),
    ("frontend-api", "list-candidates", Http(200, "next_cursor")),
    ("frontend-api", "read-connection", Http(200, "/api/webhooks/lever/acme/lever-acme")),
    ("frontend-api", "connect-to-another-host", Http(400, "\"account\"")),
    ("frontend-api", "connect-without-role", Http(403, "problem:forbidden")),
    ("frontend-api", "sync-without-login", Http(409, "cannot be asked")),
    ("frontend-api", "no-identity", Http(401, "problem:unauthenticated")),
    ("frontend-api", "access-token", Http(403, "problem:forbidden")),
    ("frontend-api", "list-actions", Http(200, "next_cursor")),
    ("frontend-api", "act-on-unknown-application", Http(404, "problem:not-found")),
    ("frontend-api", "act-without-stage", Http(400, "stage: this action needs it")),
    ("frontend-api", "submit-to-unknown-connection", Http(404, "problem:not-found")),
    ("application-intake", "new-application", Http(202, "candidate_id")),
    ("application-intake", "urgent-application", Http(202, "high")),
    ("application-intake", "unknown-field", Http(400, "candidate.is_admin")),
    ("application-intake", "unknown-key", Http(401, "problem:unauthenticated")),
    ("application-intake", "key-of-another-form", Http(401, "problem:unauthenticated")),
    ("intake-worker", "malformed-and-unknown", NothingLeft),
    ("intake-worker", "urgent-malformed-and-foreign", NothingLeft),
    ("action-worker", "malformed-and-unknown", NothingLeft),
    ("action-worker", "foreign-and-hostile", NothingLeft),
    ("sync-scheduler", "every-minute", Enqueued),
    ("sync-scheduler", "not-a-schedule", Enqueued),
    ("maintenance", "every-five-minutes", Enqueued),
    ("maintenance", "not-a-schedule", Enqueued),
    ("sync-worker", "worked-before", NothingLeft),
    ("sync-worker", "malformed-and-unknown", NothingLeft),
    ("health", "check", Http(200, "records-table")),
    ("health", "wrong-method", Http(405, "problem:method-not-allowed")),
];

#[test]
fn event_files_and_expectations_match() {
    let mut files = BTreeSet::new();
    for folder in fs::read_dir(root().join("events")).expect("events/") {
        let folder = folder.expect("a folder").path();
        let function = folder.file_name().expect("a name").to_string_lossy().into_owned();
        for file in fs::read_dir(&folder).expect("a folder") {
            let file = file.expect("a file").path();
            assert_eq!(file.extension().and_then(|e| e.to_str()), Some("json"), "{}", file.display());
            files.insert((function.clone(), file.file_stem().expect("a name").to_string_lossy().into_owned()));
        }
    }
    let known: BTreeSet<_> = EXPECTED.iter().map(|(f, c, _)| ((*f).to_owned(), (*c).to_owned())).collect();
    assert_eq!(files, known);
}

#[test]
fn every_event_file_gets_the_expected_response() {
    // It waits until the queue is empty, which other users would never let it be.
    let _guard = disturbing(&[Webhooks], &[Model, Mailer, Relay]);
    run(async {
        let stack = Stack::open();
        for (function, case, expected) in &EXPECTED {
            let path = root().join(format!("events/{function}/{case}.json"));
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            let event: Value = serde_json::from_str(&text).expect("an event is JSON");
            if *function == "webhook-worker" {
                // The deliveries that the receiver enqueued above are of the same events: a worker that has one leaves
                // its second copy for later.
                stack.until_empty("webhook", Instant::now() + PATIENCE).await;
            }
            let answer = stack.invoke(function, &event).await.unwrap_or_else(|e| panic!("{function}/{case}: {e}"));
            match expected {
                Http(status, text) => {
                    assert_eq!(answer["statusCode"], *status, "{function}/{case}: {answer}");
                    assert!(answer["body"].as_str().is_some_and(|b| b.contains(text)), "{function}/{case}: {answer}");
                }
                NothingLeft => assert_eq!(answer, json!({"batchItemFailures": []}), "{function}/{case}"),
                Enqueued => assert!(answer["enqueued"].is_u64(), "{function}/{case}: {answer}"),
            }
        }
    });
}
