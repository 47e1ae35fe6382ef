//! Workers are killed with SIGKILL around every step of sending a mail, through every provider; then the work is
//! resumed. The mails that the providers accepted are counted: one mail where the provider has a lookup or events;
//! otherwise never more than one for a kind that guarantees it, and then a person reviews it.
//!
//! All are killed first, one after the other; then their messages come again. `PROVE_LONG` takes all providers and the queue's
//! own visibility timeout, the short form some of each sort.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use domain::notification::NotificationKind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::contract::mail_world::NotificationRef;
use crate::e2e::harness::claims::{Mailer, Part, Relay, Simulator, disturbing_first};
use crate::e2e::harness::stack::{PATIENCE, Stack, run};
use crate::e2e::harness::time;

/// Leases end with the worker's timeout.
const LEASE: Duration = Duration::from_secs(30);
/// Visibility timeout of the queue in the template.
const VISIBILITY: Duration = Duration::from_secs(180);
/// That of the short form, on the machine: longer than the killing, which is work, and than the lease.
const SHORT_VISIBILITY: Duration = Duration::from_secs(30);
/// The time until the last of three lookups: 3 + 6 + 12 seconds on this stack, and the delays of the queue.
const LOOKUPS: Duration = Duration::from_secs(60);
const SETTLED: [&str; 3] = ["accepted", "rejected", "needs_review"];

/// Where the worker is when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    BeforeClaim,
    AfterClaim,
    /// Its request is at the provider, which has not taken the mail.
    BeforeAcceptance,
    /// The provider took the mail, and its reply is not there yet.
    AfterAcceptance,
    BeforeRecording,
    AfterRecording,
}

const POINTS: [Point; 6] = [
    Point::BeforeClaim,
    Point::AfterClaim,
    Point::BeforeAcceptance,
    Point::AfterAcceptance,
    Point::BeforeRecording,
    Point::AfterRecording,
];

impl Point {
    const fn fault_point(self) -> &'static str {
        match self {
            Self::BeforeClaim => "work.claiming",
            Self::AfterClaim => "work.claimed",
            Self::BeforeAcceptance | Self::AfterAcceptance => "work.calling",
            Self::BeforeRecording => "work.finishing",
            Self::AfterRecording => "work.finished",
        }
    }

    /// Whether the provider has a mail of the attempt that is killed.
    const fn accepted(self) -> bool {
        matches!(self, Self::AfterAcceptance | Self::BeforeRecording | Self::AfterRecording)
    }

    /// Whether the end of the attempt is on record, or its beginning is not.
    const fn certain(self) -> bool {
        matches!(self, Self::BeforeClaim | Self::AfterRecording)
    }
}

/// How the outcome of a mail can be learned from its provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knowledge {
    Lookup,
    /// The provider reports by events; here the test puts them on the event bus.
    Events,
    Neither,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    provider: &'static str,
    kind: NotificationKind,
    knowledge: Knowledge,
}

const fn row(provider: &'static str, kind: NotificationKind, knowledge: Knowledge) -> Row {
    Row { provider, kind, knowledge }
}

const ROWS: [Row; 8] = [
    row("smtp", NotificationKind::FlagResolved, Knowledge::Neither),
    row("gmail", NotificationKind::FlagResolved, Knowledge::Lookup),
    row("ses", NotificationKind::FlagResolved, Knowledge::Events),
    row("sendgrid", NotificationKind::FlagResolved, Knowledge::Lookup),
    row("mailgun", NotificationKind::FlagResolved, Knowledge::Lookup),
    row("brevo", NotificationKind::FlagResolved, Knowledge::Lookup),
    row("smtp", NotificationKind::PasswordReset, Knowledge::Neither),
    row("sendgrid", NotificationKind::PasswordReset, Knowledge::Lookup),
];
/// So many of them in the short form.
const SHORT: usize = 3;

/// A worker that was killed.
struct Killed {
    row: &'static Row,
    point: Point,
    mail: NotificationRef,
}

impl Row {
    /// State and accepted mails that are promised; `None`: any state.
    fn wanted(&self, point: Point) -> (&'static str, u64) {
        let once = self.kind == NotificationKind::FlagResolved;
        match self.knowledge {
            Knowledge::Lookup => ("accepted", 1),
            Knowledge::Events if point.accepted() || point.certain() => ("accepted", 1),
            Knowledge::Neither if point.certain() => ("accepted", 1),
            Knowledge::Events | Knowledge::Neither if once => ("needs_review", u64::from(point.accepted())),
            // Better two than none: the same mail with the same Message-ID.
            Knowledge::Events | Knowledge::Neither => ("accepted", 1 + u64::from(point.accepted())),
        }
    }
}

/// Holds the provider's next acceptance, before or after it; gives where to look whether it is held.
async fn hold(stack: &Stack, row: &Row, after: bool) {
    let order = match (row.provider, after) {
        ("smtp", false) => json!({"stage": "data", "delay_ms": 30_000, "times": 1}),
        ("smtp", true) => json!({"stage": "after_data", "delay_ms": 30_000, "times": 1}),
        (_, false) => json!({"latency_ms": 30_000, "match": {"method": "POST"}, "times": 1}),
        (_, true) => json!({"answer_latency_ms": 30_000, "match": {"method": "POST"}, "times": 1}),
    };
    let answer = if row.provider == "smtp" {
        stack.send(stack.http.post(format!("{}faults", stack.text("/mailbox_url"))).json(&order)).await
    } else {
        stack.control(row.provider, Method::POST, "/faults", Some(order)).await
    };
    assert!(answer.status.is_success(), "{answer:?}");
}

/// Whether the request that is held has come.
async fn is_held(stack: &Stack, row: &Row) -> bool {
    let faults = if row.provider == "smtp" {
        stack.send(stack.http.get(format!("{}faults", stack.text("/mailbox_url")))).await.body
    } else {
        stack.control(row.provider, Method::GET, "/faults", None).await.body
    };
    let items = faults.as_array().or_else(|| faults["items"].as_array()).expect("a list of faults");
    items.iter().any(|fault| fault["hits"].as_u64().is_some_and(|hits| hits > 0))
}

async fn clear(stack: &Stack, row: &Row) {
    let answer = if row.provider == "smtp" {
        stack.send(stack.http.delete(format!("{}faults", stack.text("/mailbox_url")))).await
    } else {
        stack.control(row.provider, Method::DELETE, "/faults", None).await
    };
    assert!(answer.status.is_success(), "{answer:?}");
}

async fn kill(stack: &Stack, row: &'static Row, point: Point, mail: NotificationRef) -> Killed {
    let file: PathBuf = Path::new(stack.text("/fault_points")).join(format!("{}@{}", point.fault_point(), mail.id));
    let begin = Instant::now();
    let patience = async |what: &str| {
        assert!(begin.elapsed() < PATIENCE, "{row:?} {point:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let calling = matches!(point, Point::BeforeAcceptance | Point::AfterAcceptance);
    if calling {
        hold(stack, row, point == Point::AfterAcceptance).await;
    } else {
        fs::write(&file, "").expect("an order");
    }
    stack.send_message("email", &mail.job()).await;
    if calling {
        while !is_held(stack, row).await {
            patience("the provider was not called").await;
        }
        while point == Point::AfterAcceptance && stack.mails_at(row.provider, &mail).await == 0 {
            patience("the provider did not take the mail").await;
        }
        fs::write(&file, "").expect("an order");
    }
    while file.exists() {
        patience("nobody passed the point").await;
    }
    if calling {
        clear(stack, row).await;
    }
    let mails = stack.mails_at(row.provider, &mail).await;
    assert_eq!(mails, u64::from(point.accepted()), "{row:?} {point:?}: killed at another point");
    if row.knowledge == Knowledge::Events && mails > 0 {
        report_by_event_bus(stack, &mail).await;
    }
    Killed { row, point, mail }
}

/// SES reports over the event bus that it accepted a mail.
async fn report_by_event_bus(stack: &Stack, mail: &NotificationRef) {
    let path = format!("/mails?correlation={}", mail.reference());
    let mails = stack.control("ses", Method::GET, &path, None).await.body;
    let id = mails["items"][0]["id"].as_str().expect("an id");
    stack.put_event(simulators::mail::ses::event("Send", &mail.reference(), id, time::now())).await;
}

async fn end(stack: &Stack, killed: &Killed, deadline: Instant) -> Value {
    loop {
        let notification = killed.mail.read(stack).await;
        if notification["state"].as_str().is_some_and(|state| SETTLED.contains(&state)) {
            return notification;
        }
        assert!(Instant::now() < deadline, "{:?} {:?} is stranded: {notification}", killed.row, killed.point);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// The providers whose mails are held, and the function whose worker is killed.
const DISTURBED: [Part; 7] = [
    Mailer,
    Relay,
    Simulator("sendgrid"),
    Simulator("mailgun"),
    Simulator("brevo"),
    Simulator("gmail"),
    Simulator("ses"),
];

#[test]
fn a_killed_worker_leaves_one_mail_or_one_for_review() {
    let _guard = disturbing_first(&DISTURBED, &[]);
    run(async {
        let stack = Stack::open();
        let long = std::env::var_os("PROVE_LONG").is_some();
        let (visibility, rows) =
            if long { (time::on_machine(VISIBILITY), ROWS.len()) } else { (SHORT_VISIBILITY, SHORT) };
        stack.set_visibility("email", visibility.as_secs()).await;
        let mut all = Vec::new();
        for row in ROWS.iter().take(rows) {
            let tenant = stack.tenant(&[row.provider]).await;
            for point in POINTS {
                let mail = stack.record_notification(&tenant, row.kind, "killed@example.com").await;
                all.push(kill(&stack, row, point, mail).await);
            }
        }
        let deadline = Instant::now() + visibility + LEASE + LOOKUPS + PATIENCE;
        let (mut doubled, mut lost, mut review) = (0, 0, 0);
        for killed in &all {
            let Killed { row, point, mail } = killed;
            let notification = end(&stack, killed, deadline).await;
            let (state, mails) = (notification["state"].as_str(), stack.mails_at(row.provider, mail).await);
            println!(
                "cell: {:<9} {:<15} {:<17} {:<12} mails={mails} attempts={}",
                row.provider,
                row.kind.as_str(),
                format!("{point:?}"),
                state.unwrap_or("?"),
                notification["attempts"]
            );
            let (wanted, most) = row.wanted(*point);
            let promised = row.kind == NotificationKind::FlagResolved || row.knowledge == Knowledge::Lookup;
            doubled += u64::from(promised && mails > 1);
            lost += u64::from(mails == 0 && state != Some("needs_review"));
            review += u64::from(state == Some("needs_review"));
            assert_eq!((state, mails), (Some(wanted), most), "{row:?} {point:?}: {notification}");
        }
        stack.until_empty("email", Instant::now() + visibility + PATIENCE).await;
        stack.set_visibility("email", time::seconds(VISIBILITY)).await;
        let cells = all.len();
        println!("measured: mail_cells={cells} mail_doubled={doubled} mail_lost={lost} mail_needs_review={review}");
    });
}
