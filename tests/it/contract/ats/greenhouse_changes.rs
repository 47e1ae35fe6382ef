//! Greenhouse: each change is made once, also when it is made twice or its answer is lost.

use domain::ats::Kind;
use domain::write_back::Change;
use providers::ats::port::AtsError;
use simulators::faults::{Matching, Spec as Fault};
use simulators::greenhouse::table::{Row, Table};
use simulators::greenhouse::{Account, state::State};

use super::greenhouse::ready;
use super::harness::{Harness, place};

/// An application that is in a stage, its job and another stage of that.
fn active(account: &Account) -> (u64, u64, u64) {
    account.with(|state| {
        let row = state.store.rows(Table::Applications).values().find(|row| row.number("stage_id").is_some());
        let row = row.expect("an application");
        let (job, stage) = (row.number("job_id").expect("a job"), row.number("job_interview_stage_id"));
        let other = state.stages(job).into_iter().find(|other| Some(*other) != stage).expect("another stage");
        (row.id, job, other)
    })
}

fn application(account: &Account, id: u64) -> Row {
    account.with(|state| state.store.row(Table::Applications, id).cloned().expect("an application"))
}

fn count(account: &Account, table: Table) -> usize {
    account.with(|state: &mut State| state.store.rows(table).len())
}

/// Makes a change and then once more; both say that it is done.
async fn twice(harness: &Harness, change: &Change) -> Vec<String> {
    let touched = harness.make(change).await.expect("made");
    harness.make(change).await.expect("made before");
    touched.iter().map(place).collect()
}

/// The answer to the request that changes is lost, though the change is made.
fn lose_the_answer(harness: &Harness) {
    let matching = Matching { path_contains: None, method: Some("POST".to_owned()) };
    harness.fault(Fault { matching, status: Some(502), acts_first: true, times: Some(1), ..Fault::default() });
}

#[tokio::test]
async fn an_application_is_moved_once() {
    let (harness, account) = ready(300).await;
    account.set_limit(None);
    let (id, _, stage) = active(&account);
    let change = Change::MoveStage { application: id.to_string(), stage: stage.to_string() };
    lose_the_answer(&harness);
    assert!(matches!(harness.make(&change).await, Err(AtsError::Unavailable(_))));
    let passed = count(&account, Table::ApplicationStages);
    assert_eq!(twice(&harness, &change).await, [format!("application/{id}")]);
    assert_eq!(application(&account, id).number("job_interview_stage_id"), Some(stage));
    assert_eq!(count(&account, Table::ApplicationStages), passed, "it was moved before the answer was lost");
    let strange = Change::MoveStage { application: id.to_string(), stage: "7".to_owned() };
    assert!(matches!(harness.make(&strange).await, Err(AtsError::Refused(_))), "it is no stage of the job");
    let unknown = Change::MoveStage { application: "7".to_owned(), stage: stage.to_string() };
    assert!(matches!(harness.make(&unknown).await, Err(AtsError::Refused(_))));
}

#[tokio::test]
async fn an_application_is_rejected_once_and_needs_a_reason() {
    let (harness, account) = ready(300).await;
    account.set_limit(None);
    let (id, _, stage) = active(&account);
    let reason = account.with(|state| *state.store.rows(Table::RejectionReasons).keys().next().expect("a reason"));
    let unfounded = Change::Reject { application: id.to_string(), reason: None };
    assert!(matches!(harness.make(&unfounded).await, Err(AtsError::Refused(_))));
    let change = Change::Reject { application: id.to_string(), reason: Some(reason.to_string()) };
    let before = count(&account, Table::RejectionDetails);
    assert_eq!(twice(&harness, &change).await, [format!("application/{id}")]);
    assert_eq!(application(&account, id).text("status"), Some("rejected"));
    assert_eq!(count(&account, Table::RejectionDetails), before + 1);
    let late = Change::MoveStage { application: id.to_string(), stage: stage.to_string() };
    assert!(matches!(harness.make(&late).await, Err(AtsError::Refused(_))), "it has ended");
}

#[tokio::test]
async fn an_application_is_hired_once_and_fills_one_opening() {
    let (harness, account) = ready(300).await;
    account.set_limit(None);
    let (id, job, _) = active(&account);
    let open = || {
        account.with(|state| {
            let openings = state.store.of(Table::Jobs, job, Table::Openings).into_iter();
            openings.filter(|id| state.store.row(Table::Openings, *id).is_some_and(|row| row.is("open"))).count()
        })
    };
    let before = open();
    let change = Change::Hire { application: id.to_string() };
    let touched = twice(&harness, &change).await;
    assert!(touched.len() == 2 && touched[1].starts_with("opening/"), "{touched:?}");
    assert_eq!((application(&account, id).text("status"), open()), (Some("hired"), before - 1));
}

#[tokio::test]
async fn a_note_is_written_once() {
    let (harness, account) = ready(300).await;
    account.set_limit(None);
    let (id, _, _) = active(&account);
    let candidate = application(&account, id).number("candidate_id").expect("a candidate");
    let change = Change::Note {
        application: id.to_string(),
        candidate: candidate.to_string(),
        text: "Called <twice> & left a message.".to_owned(),
        reference: "0198c0de-0000-7000-8000-000000000001".parse().expect("an id"),
    };
    lose_the_answer(&harness);
    assert!(matches!(harness.make(&change).await, Err(AtsError::Unavailable(_))));
    assert_eq!(twice(&harness, &change).await, Vec::<String>::new());
    assert_eq!(count(&account, Table::Notes), 1);
}

#[tokio::test]
async fn an_application_is_handed_in_once() {
    let (harness, account) = ready(50).await;
    account.set_limit(None);
    let post = account.with(|state| {
        let posts = state.store.rows(Table::JobPosts).values();
        posts.filter(|row| row.is("live")).map(|row| row.id).next().expect("a post")
    });
    let change = Change::Submit {
        job: post.to_string(),
        first_name: "Ada".to_owned(),
        last_name: "King".to_owned(),
        email: "ada.king+test@example.com".to_owned(),
        phone: Some("+44 20 7946 0000".to_owned()),
    };
    let (people, applications) = (count(&account, Table::Candidates), count(&account, Table::Applications));
    lose_the_answer(&harness);
    assert!(matches!(harness.make(&change).await, Err(AtsError::Unavailable(_))));
    let touched = twice(&harness, &change).await;
    assert_eq!(
        (count(&account, Table::Candidates), count(&account, Table::Applications)),
        (people + 1, applications + 1)
    );
    let made = account.with(|state| state.store.rows(Table::Applications).values().next_back().cloned()).expect("one");
    assert_eq!(touched[1], format!("{}/{}", Kind::Application.as_str(), made.id));
    let nowhere = Change::Submit {
        job: "7".to_owned(),
        first_name: "A".to_owned(),
        last_name: "B".to_owned(),
        email: "b@example.com".to_owned(),
        phone: None,
    };
    assert!(matches!(harness.make(&nowhere).await, Err(AtsError::Refused(_))), "there is no such post");
}
