//! The worker against the simulator of Lever, with tables in this process: each change once, whatever happens in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws::bulkhead::Bulkhead;
use aws::cache::Cache;
use aws::clock;
use aws::secrets::Secrets;
use aws::table::{Key, Table, Write, number, text};
use domain::ats::{Application, Origin};
use domain::connection::{Connection, ConnectionStatus, LoginMethod};
use domain::id::ActionId;
use domain::stage::Stage;
use domain::write_back::Change;
use http::StatusCode;
use jiff::SignedDuration;
use providers::transport::http::Outbound;
use resilience::breaker::POLICY;
use resilience::retry::ACTION;
use secrecy::SecretString;
use serde_json::json;
use simulators::control::Control;
use simulators::faults::{Matching, Spec};
use simulators::lever;
use simulators::lever::table::{Row, Table as Rows};
use simulators::world::{Account as _, Chance, Clock};
use store::records::key_of;
use sync::ProviderAccess;
use uuid::Uuid;

use super::*;

struct Fixture {
    worker: ActionWorker,
    account: Arc<lever::Company>,
    control: Arc<Control>,
    origin: Origin,
    /// An opportunity of Lever that is going on.
    application: String,
}

impl Fixture {
    async fn build() -> Self {
        let world = lever::World::new(Clock::system());
        let account = world.account("acme").expect("an account");
        account.grow(&mut Chance::new(7), 60);
        let is_pending = |state: &mut lever::state::State| {
            let open = |of: &&Row| {
                let public = of.text("confidentiality") == Some("non-confidential");
                public && of.get("archived").is_null() && of.text("stage") != Some(stage().0)
            };
            state.store.rows(Rows::Opportunities).values().find(open).map(|of| state.uuid(of.id))
        };
        let application = account.with(is_pending).expect("an opportunity");
        let simulator = lever::simulator_of(world);
        let control = Arc::clone(&simulator.control);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, simulators::app_of(vec![simulator])).await });
        let access = ProviderAccess {
            http: Outbound::new().expect("a client"),
            calls: Bulkhead::new("ats", 4, Duration::from_secs(1)),
            stage: Stage::Local,
            replacement: Some(base),
        };
        let (org, connection) = ("acme".parse().expect("slug"), "lever".parse().expect("slug"));
        let origin = Origin { org, provider: "lever".to_owned(), connection };
        let secrets = Secrets::in_memory();
        let keys = json!({"api_key": "local-lever-key-acme", "postings_key": "local-lever-postings-key-acme"});
        let keys = SecretString::from(keys.to_string());
        secrets.put_of_connection(&origin.connection_key(), sync::CREDENTIALS, &keys).await.expect("stored");
        let records = Records::new(Table::in_memory());
        let connection = Connection {
            v: 1,
            id: origin.connection.clone(),
            provider: origin.provider.clone(),
            status: ConnectionStatus::Active,
            detail: None,
            login: LoginMethod::ApiKey,
            account: Some("acme".to_owned()),
            settings: BTreeMap::new(),
            created_at: clock::now(),
        };
        records.create(&origin.org, &connection, "test", clock::now()).await.expect("stored");
        let worker =
            ActionWorker { engine: Engine::new(records, Table::in_memory(), Cache::of_process(), secrets, access) };
        Self { worker, account, control, origin, application }
    }

    fn records(&self) -> &Records {
        &self.worker.engine.records
    }

    async fn request(&self, change: impl FnOnce(ActionId) -> Change) -> ActionJob {
        let id = ActionId::fresh(Uuid::now_v7());
        let connection = self.origin.connection.clone();
        let action = Action::accepted(id, connection.clone(), None, change(id), clock::now());
        self.records().create(&self.origin.org, &action, "test", clock::now()).await.expect("stored");
        ActionJob { v: 1, org: self.origin.org.clone(), connection, action: id }
    }

    async fn move_to(&self, stage: &str) -> ActionJob {
        let (application, stage) = (self.application.clone(), stage.to_owned());
        self.request(|_| Change::MoveStage { application, stage }).await
    }

    async fn note(&self) -> ActionJob {
        let (application, candidate) = (self.application.clone(), self.application.clone());
        self.request(|reference| Change::Note { application, candidate, text: "Call back".into(), reference }).await
    }

    async fn submit(&self) -> ActionJob {
        let published = |state: &mut lever::state::State| {
            let published = |posting: &&Row| {
                let public = posting.text("confidentiality") == Some("non-confidential");
                public && posting.text("state") == Some("published")
            };
            state.store.rows(Rows::Postings).values().find(published).map(|posting| state.uuid(posting.id))
        };
        let job = self.account.with(published).expect("a posting");
        let email = "new.person@example.com".to_owned();
        let change = Change::Submit { job, first_name: "New".into(), last_name: "Person".into(), email, phone: None };
        self.request(|_| change).await
    }

    async fn work(&self, job: &ActionJob) -> Outcome {
        self.work_for(job, SignedDuration::from_secs(60)).await
    }

    async fn work_for(&self, job: &ActionJob, time: SignedDuration) -> Outcome {
        let invocation = Invocation { deadline: clock::now().saturating_add(time).expect("a time"), receive_count: 1 };
        self.worker.handle(job.clone(), invocation).await
    }

    async fn action(&self, job: &ActionJob) -> Action {
        self.records().get(&job.org, &job.action.to_string()).await.expect("read").expect("an action")
    }

    /// The state, the attempts and the code of the failure.
    async fn state(&self, job: &ActionJob) -> (&'static str, u32, Option<String>) {
        let action = self.action(job).await;
        (action.state.as_str(), action.attempts, action.failure.map(|failure| failure.code))
    }

    /// Leaves an action as a worker does that dies in the middle.
    async fn die(&self, job: &ActionJob) {
        let Key { pk, sk } = key_of::<Action>(&job.org, &job.action.to_string());
        let write = Write::when("attribute_exists(pk)")
            .set("state", text(ActionWorker::HELD))
            .set("owner", text("dead"))
            .set("lease_until", number(1))
            .set("attempts", number(1));
        self.records().table().update(&Key { pk, sk }, write, false).await.expect("written");
    }

    fn fault(&self, method: &str, fault: Spec) {
        let matching = Matching { method: Some(method.to_owned()), ..Matching::default() };
        self.control.faults().add(Spec { matching, times: Some(1), ..fault }).expect("a fault");
    }

    /// Requests that change something, as the provider received them.
    fn changes(&self) -> usize {
        let (_, entries) = self.control.journal().newest(1_000);
        entries.iter().filter(|entry| entry.method != "GET").count()
    }

    fn requests(&self) -> usize {
        self.control.journal().newest(1_000).1.len()
    }

    fn notes(&self) -> usize {
        let id = &self.application;
        self.account.with(|state| state.parts(state.number_of(id), Rows::Notes).count())
    }

    fn submitted(&self) -> usize {
        let truth = self.account.truth();
        truth.values().filter(|fields| fields.get("email") == Some(&json!("new.person@example.com"))).count()
    }
}

const STAGE: usize = 5;

fn stage() -> (&'static str, &'static str) {
    lever::seed::STAGES[STAGE]
}

#[tokio::test]
async fn a_stage_is_moved_once_and_our_record_follows() {
    let fixture = Fixture::build().await;
    let (id, name) = stage();
    let job = fixture.move_to(id).await;
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    assert_eq!(fixture.state(&job).await, ("succeeded", 1, None));
    assert_eq!(fixture.changes(), 1);
    let application = fixture.origin.application(&fixture.application).to_string();
    let application: Application =
        fixture.records().get(&job.org, &application).await.expect("read").expect("it was read again");
    assert_eq!(application.stage.as_deref(), Some(name));

    // The same message again finds nothing to do, and another action for the same stage finds it there.
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    let again = fixture.move_to(id).await;
    assert_eq!(fixture.work(&again).await, Outcome::Done);
    assert_eq!(fixture.state(&again).await, ("succeeded", 1, None));
    assert_eq!(fixture.changes(), 1);
}

#[tokio::test]
async fn a_note_whose_reply_was_lost_is_found_and_not_added_again() {
    let fixture = Fixture::build().await;
    let before = fixture.notes();
    let job = fixture.note().await;
    fixture.fault("POST", Spec { status: Some(502), acts_first: true, ..Spec::default() });
    let Outcome::Retry { after, .. } = fixture.work(&job).await else { panic!("it is tried again") };
    assert!(after <= ACTION.base);
    assert_eq!(fixture.state(&job).await, ("accepted", 1, Some("unknown".to_owned())));
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    assert_eq!(fixture.state(&job).await, ("succeeded", 2, None));
    assert_eq!((fixture.notes() - before, fixture.changes()), (1, 1));
}

#[tokio::test]
async fn a_note_whose_request_was_lost_is_added_by_the_next_try() {
    let fixture = Fixture::build().await;
    let before = fixture.notes();
    let job = fixture.note().await;
    fixture.fault("POST", Spec { status: Some(500), ..Spec::default() });
    assert!(matches!(fixture.work(&job).await, Outcome::Retry { .. }));
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    assert_eq!(fixture.state(&job).await, ("succeeded", 2, None));
    assert_eq!(fixture.notes() - before, 1);
}

#[tokio::test]
async fn an_application_whose_reply_was_lost_waits_for_a_person() {
    let fixture = Fixture::build().await;
    let job = fixture.submit().await;
    fixture.fault("POST", Spec { status: Some(502), acts_first: true, ..Spec::default() });
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    assert_eq!(fixture.state(&job).await, ("needs-review", 1, Some("unknown".to_owned())));
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    assert_eq!((fixture.submitted(), fixture.changes()), (1, 1));

    let fixture = Fixture::build().await;
    let job = fixture.submit().await;
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    assert_eq!(fixture.state(&job).await, ("succeeded", 1, None));
    assert_eq!((fixture.submitted(), fixture.changes()), (1, 1));
}

#[tokio::test]
async fn what_a_dead_worker_left_is_looked_for_or_a_person_has_to() {
    let fixture = Fixture::build().await;
    let before = fixture.notes();
    let (moved, note, submit) = (fixture.move_to(stage().0).await, fixture.note().await, fixture.submit().await);
    for job in [&moved, &note] {
        fixture.die(job).await;
        assert_eq!(fixture.work(job).await, Outcome::Done);
        assert_eq!(fixture.state(job).await, ("succeeded", 2, None));
    }
    assert_eq!((fixture.notes() - before, fixture.changes()), (1, 2));
    fixture.die(&submit).await;
    let requests = fixture.requests();
    assert_eq!(fixture.work(&submit).await, Outcome::Done);
    assert_eq!(fixture.state(&submit).await, ("needs-review", 2, Some("unknown".to_owned())));
    assert_eq!((fixture.requests(), fixture.submitted()), (requests, 0), "no request was made");
}

#[tokio::test]
async fn a_refusal_is_recorded_and_ends_it() {
    let fixture = Fixture::build().await;
    let job = fixture.move_to("no-such-stage").await;
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    let action = fixture.action(&job).await;
    let failure = action.failure.expect("a failure");
    assert_eq!((action.state, failure.code.as_str()), (ActionState::Failed, "provider-refused"));
    assert!(failure.detail.contains("400"), "what the provider says: {failure:?}");
}

#[tokio::test]
async fn a_limit_postpones_the_message_and_is_no_try() {
    let fixture = Fixture::build().await;
    let job = fixture.note().await;
    let headers = BTreeMap::from([("retry-after".to_owned(), "33".to_owned())]);
    fixture.fault("GET", Spec { status: Some(429), headers, ..Spec::default() });
    let Outcome::Postpone { after, .. } = fixture.work(&job).await else { panic!("it is postponed") };
    assert!(after >= Duration::from_secs(1));
    assert_eq!(fixture.state(&job).await, ("accepted", 0, Some("rate-limited".to_owned())));
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    assert_eq!(fixture.state(&job).await, ("succeeded", 1, None));
}

#[tokio::test]
async fn without_the_time_to_record_the_end_nothing_begins() {
    let fixture = Fixture::build().await;
    let job = fixture.note().await;
    let outcome = fixture.work_for(&job, SignedDuration::from_secs(20)).await;
    assert!(matches!(outcome, Outcome::Postpone { .. }), "{outcome:?}");
    assert_eq!(fixture.state(&job).await, ("accepted", 0, Some("unavailable".to_owned())));
    assert_eq!(fixture.requests(), 0);
}

#[tokio::test]
async fn a_provider_that_is_down_is_left_alone_and_the_action_waits() {
    let fixture = Fixture::build().await;
    let job = fixture.note().await;
    let down = Spec { status: Some(StatusCode::SERVICE_UNAVAILABLE.as_u16()), ..Spec::default() };
    fixture.control.faults().add(down).expect("a fault");
    let threshold = POLICY.threshold;
    for tried in 1..=threshold {
        assert!(matches!(fixture.work(&job).await, Outcome::Retry { .. }));
        assert_eq!(fixture.state(&job).await, ("accepted", tried, Some("unavailable".to_owned())));
    }
    let requests = fixture.requests();
    assert!(matches!(fixture.work(&job).await, Outcome::Postpone { .. }), "the breaker is open");
    assert_eq!((fixture.requests(), fixture.state(&job).await.1), (requests, threshold));
    assert_eq!(fixture.changes(), 0);
}

#[tokio::test]
async fn what_is_not_there_or_not_possible_ends_at_once() {
    let fixture = Fixture::build().await;
    let missing = ActionJob { action: ActionId::fresh(Uuid::now_v7()), ..fixture.note().await };
    assert_eq!(fixture.work(&missing).await, Outcome::dead("there is no such action"));

    let job = fixture.note().await;
    let key = key_of::<Connection>(&job.org, job.connection.as_str());
    let write = Write::when("attribute_exists(pk)").set("status", text("paused"));
    fixture.records().table().update(&key, write, false).await.expect("written");
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    assert_eq!(fixture.state(&job).await, ("failed", 1, Some("not-possible".to_owned())));

    let job = fixture.note().await;
    let key = key_of::<Action>(&job.org, &job.action.to_string());
    let write = Write::when("attribute_exists(pk)").set("change", text("something else"));
    fixture.records().table().update(&key, write, false).await.expect("written");
    assert_eq!(fixture.work(&job).await, Outcome::Done);
    let item = fixture.records().table().item(&key).await.expect("read").expect("an item");
    assert_eq!(item.get("state"), Some(&text("failed")));
    assert_eq!(fixture.requests(), 0);
}
