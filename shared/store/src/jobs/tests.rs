//! Jobs on a table in this process: the record and the message after each attempt.

use std::sync::Mutex;

use aws::table::{Key, Table, Write, text};
use domain::FORMAT_VERSION;
use domain::id::{ApplicationId, SuggestionId};
use domain::message::SuggestionJob;
use domain::suggestion::{Suggestion, SuggestionState};
use jiff::SignedDuration;

use super::*;

/// The end of a try that panics.
const BUG: &str = "bug";

/// A job whose attempts end as the test says.
struct Scripted {
    records: Records,
    org: OrgId,
    next: Mutex<Vec<Result<Transition<&'static str>, AwsError>>>,
    taken_over: Mutex<Vec<bool>>,
    followed: Mutex<Vec<&'static str>>,
}

impl LeasedJob for Scripted {
    type Message = SuggestionJob;
    type Record = Suggestion;
    type FollowUp = &'static str;

    const NAME: &'static str = "suggestion";
    const SUBJECT: &'static str = "suggestion";
    const READY: &'static str = "accepted";
    const HELD: &'static str = "running";
    const FAILED: &'static str = "failed";
    const KNOWS_TAKEOVER: bool = true;

    fn records(&self) -> &Records {
        &self.records
    }

    fn key(job: &SuggestionJob) -> (&OrgId, String) {
        (&job.org, job.suggestion.to_string())
    }

    async fn attempt(
        &self,
        attempt: Attempt<'_, SuggestionJob, Suggestion>,
    ) -> Result<AttemptResult<&'static str>, AwsError> {
        self.taken_over.lock().expect("no panic").push(attempt.taken_over);
        let transition = self.next.lock().expect("no panic").pop().expect("a transition")?;
        assert!(!matches!(&transition, Transition::End(end) if end.state == BUG), "the job has a bug");
        Ok(AttemptResult { verdict: Verdict::Works, transition })
    }

    async fn follow_up(&self, _job: &SuggestionJob, follow_up: &'static str) -> Result<(), AwsError> {
        self.followed.lock().expect("no panic").push(follow_up);
        Ok(())
    }

    async fn finished(&self, _job: &SuggestionJob) -> Result<(), AwsError> {
        self.followed.lock().expect("no panic").push("again");
        Ok(())
    }
}

impl Scripted {
    fn new() -> Self {
        Self {
            records: Records::new(Table::in_memory()),
            org: "acme".parse().expect("slug"),
            next: Mutex::default(),
            taken_over: Mutex::default(),
            followed: Mutex::default(),
        }
    }

    fn message(&self, number: u8) -> SuggestionJob {
        let suggestion = SuggestionId::derived(&self.org, &[&number.to_string()]);
        SuggestionJob { v: FORMAT_VERSION, org: self.org.clone(), suggestion }
    }

    fn application(&self) -> ApplicationId {
        ApplicationId::derived(&self.org, &["one"])
    }

    async fn recorded(&self, number: u8) -> SuggestionJob {
        let message = self.message(number);
        let suggestion = Suggestion::accepted(message.suggestion, self.application(), true, clock::now());
        self.records.create(&self.org, &suggestion, "test", clock::now()).await.expect("stored");
        message
    }

    /// Overwrites attributes of a record, as another process might.
    async fn set(&self, id: SuggestionId, attributes: Item) {
        let key: Key = key_of::<Suggestion>(&self.org, &id.to_string());
        let write = Write::when("attribute_exists(pk)").set_all(attributes);
        self.records.table().update(&key, write, false).await.expect("written");
    }

    async fn work(&self, message: &SuggestionJob, transition: Result<Transition<&'static str>, AwsError>) -> Outcome {
        self.next.lock().expect("no panic").push(transition);
        work(self, message.clone(), in_a_minute()).await
    }

    /// The state, the number of attempts and the failure's code.
    async fn state(&self, message: &SuggestionJob) -> (SuggestionState, u32, Option<String>) {
        let found: Option<Suggestion> =
            self.records.get(&self.org, &message.suggestion.to_string()).await.expect("readable");
        let Suggestion { state, attempts, failure, .. } = found.expect("a record");
        (state, attempts, failure.map(|failure| failure.code))
    }

    fn followed(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.followed.lock().expect("no panic"))
    }
}

fn in_a_minute() -> Invocation {
    Invocation { deadline: clock::now() + SignedDuration::from_secs(60), receive_count: 1 }
}

fn ended() -> Transition<&'static str> {
    Transition::End(End { follow_up: Some("mail"), ..End::new("succeeded", None) })
}

fn waiting(kind: RetryKind) -> Transition<&'static str> {
    Transition::Wait { failure: Failure::new("later", "not now"), after: Duration::from_secs(5), kind }
}

fn held_by_another(lease_until_ms: i64) -> Item {
    Item::from([
        ("state".to_owned(), text("running")),
        ("owner".to_owned(), text("another")),
        ("lease_until".to_owned(), number(lease_until_ms)),
    ])
}

#[tokio::test]
async fn success_costs_two_writes_and_follows_up_once_recorded() {
    let job = Scripted::new();
    let message = job.recorded(1).await;
    let before = job.records.table().writes().expect("counted");
    assert_eq!(job.work(&message, Ok(ended())).await, Outcome::Done);
    assert_eq!(job.records.table().writes().expect("counted") - before, 2);
    assert_eq!(job.state(&message).await, (SuggestionState::Succeeded, 1, None));
    assert_eq!(job.followed(), ["mail"]);
}

#[tokio::test]
async fn many_messages_get_their_outcomes_in_their_order() {
    let job = Scripted::new();
    let (ready, missing, busy, done) =
        (job.recorded(1).await, job.message(2), job.recorded(3).await, job.recorded(4).await);
    job.set(busy.suggestion, held_by_another(clock::now().as_millisecond() + 60_000)).await;
    job.set(done.suggestion, Item::from([("state".to_owned(), text("succeeded"))])).await;
    job.next.lock().expect("no panic").push(Ok(ended()));
    let messages = [missing, busy, ready, done].map(|message| (message, in_a_minute()));
    let outcomes = work_many(&job, &messages).await;
    let [missing, busy, ready, done] = outcomes.as_slice() else { panic!("four outcomes: {outcomes:?}") };
    assert_eq!(*missing, Outcome::dead("there is no such suggestion"));
    assert!(matches!(busy, Outcome::Retry { after, .. } if *after > Duration::from_secs(50)), "{busy:?}");
    assert_eq!((ready, done), (&Outcome::Done, &Outcome::Done));
    let mut followed = job.followed();
    followed.sort_unstable();
    assert_eq!(followed, ["again", "mail"]);
}

#[tokio::test]
async fn a_panic_harms_no_other_message() {
    let job = Scripted::new();
    let [bad, good] = [job.recorded(1).await, job.recorded(2).await];
    let bug = Transition::End(End::new(BUG, None));
    job.next.lock().expect("no panic").extend([Ok(ended()), Ok(bug)]);
    let outcomes = work_many(&job, &[bad, good.clone()].map(|message| (message, in_a_minute()))).await;
    let [bad, done] = outcomes.as_slice() else { panic!("two outcomes: {outcomes:?}") };
    assert!(matches!(bad, Outcome::Retry { after, .. } if *after == AFTER_PANIC), "{bad:?}");
    assert_eq!(*done, Outcome::Done);
    assert_eq!(job.state(&good).await, (SuggestionState::Succeeded, 1, None));
}

#[tokio::test]
async fn work_that_waits_counts_its_tries_unless_it_was_none() {
    let job = Scripted::new();
    let message = job.recorded(1).await;
    let reason = "the suggestion waits: later";
    let after = Duration::from_secs(5);
    for (kind, attempts, outcome) in [
        (RetryKind::Counted, 1, Outcome::retry(after, reason)),
        (RetryKind::NotCounted, 1, Outcome::retry(after, reason)),
        (RetryKind::Postponed, 1, Outcome::postpone(after, reason)),
        (RetryKind::Counted, 2, Outcome::retry(after, reason)),
    ] {
        assert_eq!(job.work(&message, Ok(waiting(kind))).await, outcome);
        assert_eq!(job.state(&message).await, (SuggestionState::Accepted, attempts, Some("later".to_owned())));
    }
}

#[tokio::test]
async fn work_of_a_dead_worker_is_taken_over_knowingly() {
    let job = Scripted::new();
    let message = job.recorded(1).await;
    job.set(message.suggestion, held_by_another(1)).await;
    assert_eq!(job.work(&message, Ok(ended())).await, Outcome::Done);
    assert_eq!(*job.taken_over.lock().expect("no panic"), [true]);
}

#[tokio::test]
async fn an_aws_error_ends_work_only_if_a_retry_cannot_help() {
    let job = Scripted::new();
    let message = job.recorded(1).await;
    let (operation, detail) = ("read the table", || "for a test".to_owned());
    let gone = || Err(AwsError::unavailable(operation, detail()));
    for attempts in 1..=WORKER.tries + 1 {
        assert!(matches!(job.work(&message, gone()).await, Outcome::Retry { .. }));
        let unavailable = Some("unavailable".to_owned());
        assert_eq!(job.state(&message).await, (SuggestionState::Accepted, attempts, unavailable));
    }
    let refused = Err(AwsError::refused(operation, detail()));
    assert_eq!(job.work(&message, refused).await, Outcome::Done);
    let (state, _, code) = job.state(&message).await;
    assert_eq!((state, code.as_deref()), (SuggestionState::Failed, Some("not-recordable")));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_fails_and_is_not_tried() {
    let job = Scripted::new();
    let message = job.recorded(1).await;
    job.set(message.suggestion, Item::from([("application_id".to_owned(), number(7))])).await;
    assert_eq!(work(&job, message.clone(), in_a_minute()).await, Outcome::Done);
    job.set(message.suggestion, Item::from([("application_id".to_owned(), text(job.application().to_string()))])).await;
    let (state, _, code) = job.state(&message).await;
    assert_eq!((state, code.as_deref()), (SuggestionState::Failed, Some("unreadable")));
    assert!(job.taken_over.lock().expect("no panic").is_empty());
}

#[tokio::test]
async fn an_expired_lease_records_nothing_and_keeps_the_message() {
    let job = Scripted::new();
    for (number, transition) in [(1, ended()), (2, waiting(RetryKind::Counted))] {
        let message = job.recorded(number).await;
        job.next.lock().expect("no panic").push(Ok(transition));
        let passed = Invocation { deadline: clock::now() - SignedDuration::from_secs(1), receive_count: 1 };
        let outcome = work(&job, message.clone(), passed).await;
        assert!(matches!(outcome, Outcome::Retry { after: Duration::ZERO, .. }), "{outcome:?}");
        assert_eq!(job.state(&message).await, (SuggestionState::Running, 1, None));
    }
    assert!(job.followed().is_empty());
}
