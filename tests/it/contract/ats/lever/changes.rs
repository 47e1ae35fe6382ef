//! Changes: each is made once, also when it is made twice.

use std::time::Duration;

use domain::ats::{Kind, ObjectRef};
use domain::id::ActionId;
use domain::write_back::{Change, ChangeKind};
use providers::ats::port::AtsError;
use serde_json::{Value, json};
use simulators::lever::Company;
use simulators::lever::seed::{HIRED, REASONS, STAGES};
use simulators::lever::table::{Row, Table};
use simulators::world::Account;

use super::connection::{Lever, lever};

fn active(acme: &Company) -> String {
    let truth = acme.truth();
    let found = truth.iter().find(|(place, fields)| place.starts_with("application/") && fields["status"] == "active");
    found.and_then(|(place, _)| place.strip_prefix("application/")).expect("an active one").to_owned()
}

fn field(acme: &Company, application: &str, name: &str) -> Value {
    acme.truth()[&format!("application/{application}")][name].clone()
}

/// Makes it twice: the second time only looks.
async fn twice(lever: &Lever, change: &Change) -> Vec<ObjectRef> {
    let (touched, writes) = lever.change(change).await.expect("made");
    assert_eq!(writes, 1, "{change:?}");
    let (again, writes) = lever.change(change).await.expect("found");
    assert_eq!((&again, writes), (&touched, 0), "{change:?}");
    touched
}

#[tokio::test]
async fn a_stage_a_rejection_and_a_hire_are_made_once() {
    let (lever, acme) = lever(200).await;
    let application = active(&acme);
    let stages = field(&acme, &application, "history").as_array().map_or(0, Vec::len);
    let stage = STAGES.iter().find(|(_, name)| field(&acme, &application, "stage") != **name).expect("another stage");
    let moved = Change::MoveStage { application: application.clone(), stage: stage.0.to_owned() };
    assert_eq!(twice(&lever, &moved).await, [ObjectRef::new(Kind::Application, &application)]);
    assert_eq!(field(&acme, &application, "stage"), stage.1);
    assert_eq!(field(&acme, &application, "history").as_array().map(Vec::len), Some(stages + 1));

    let reason = |id: &str| Change::Reject { application: application.clone(), reason: Some(id.to_owned()) };
    twice(&lever, &reason(REASONS[0].0)).await;
    assert_eq!(field(&acme, &application, "rejection_reason"), REASONS[0].1);
    twice(&lever, &reason(REASONS[3].0)).await;
    assert_eq!(field(&acme, &application, "rejection_reason"), REASONS[3].1);
    let any = Change::Reject { application: application.clone(), reason: None };
    assert_eq!(lever.change(&any).await.expect("it is rejected already").1, 0);

    twice(&lever, &Change::Hire { application: application.clone() }).await;
    assert_eq!(field(&acme, &application, "status"), "hired");
    assert_eq!(acme.truth().len(), lever.pass_through(None).await.records.len());
}

#[tokio::test]
async fn a_rejection_without_a_reason_takes_that_of_the_settings() {
    let (mut lever, acme) = lever(200).await;
    let application = active(&acme);
    let any = Change::Reject { application: application.clone(), reason: None };
    let refused = lever.change(&any).await.expect_err("no reason");
    assert!(
        matches!(&refused, AtsError::Refused(reason) if reason.to_string().contains("rejection_reason")),
        "{refused:?}"
    );
    lever.settings.insert("rejection_reason".to_owned(), REASONS[1].0.to_owned());
    twice(&lever, &any).await;
    assert_eq!(field(&acme, &application, "rejection_reason"), REASONS[1].1);
    assert_eq!(field(&acme, &application, "status"), "rejected");
}

#[tokio::test]
async fn a_note_is_found_again_by_its_reference_on_whatever_page() {
    let (lever, acme) = lever(100).await;
    let application = active(&acme);
    let note = |number: u128| Change::Note {
        application: application.clone(),
        candidate: application.clone(),
        text: "Call back".to_owned(),
        reference: ActionId::fresh(uuid::Uuid::from_u128(number)),
    };
    twice(&lever, &note(1)).await;
    for number in 2..150 {
        lever.change(&note(number)).await.expect("made");
    }
    assert_eq!(lever.change(&note(1)).await.expect("found on the second page").1, 0);
    let notes = acme.with(|state| state.parts(state.number_of(&application), Table::Notes).count());
    assert_eq!(notes, 149);
}

#[tokio::test]
async fn an_application_is_submitted_once_and_waits_for_the_limit() {
    let (lever, acme) = lever(100).await;
    let posting = acme.with(|state| {
        let published = |posting: &&Row| {
            posting.text("state") == Some("published") && posting.text("confidentiality") == Some("non-confidential")
        };
        let found = state.store.rows(Table::Postings).values().find(published);
        found.map(|posting| state.uuid(posting.id)).expect("a published posting")
    });
    let to = |posting: &str, number: u32| Change::Submit {
        job: posting.to_owned(),
        first_name: "Ada".to_owned(),
        last_name: format!("L {number} & Söhne"),
        email: format!("ada+{number}@mail.example"),
        phone: Some("+44 1".to_owned()),
    };
    let submit = |number| to(&posting, number);
    let touched = twice(&lever, &submit(1)).await;
    let [ObjectRef { kind: Kind::Application, provider_id }] = touched.as_slice() else { panic!("{touched:?}") };
    let truth = acme.truth();
    let candidate = &truth[&format!("candidate/{provider_id}")];
    assert_eq!((&candidate["name"], &candidate["phone"]), (&json!("Ada L 1 & Söhne"), &json!("+44 1")));
    assert_eq!(truth[&format!("application/{provider_id}")]["job"], posting);
    lever.change(&submit(2)).await.expect("made");
    let limited = lever.change(&submit(3)).await.expect_err("two a second");
    assert!(matches!(limited, AtsError::RateLimited { stated: false, .. }), "{limited:?}");
    lever.pass_time(Duration::from_secs(1));
    twice(&lever, &submit(3)).await;
    assert!(matches!(lever.change(&to("none", 4)).await, Err(AtsError::Refused(_))));
}

#[tokio::test]
async fn unknown_objects_are_refused_and_every_change_is_offered() {
    let (lever, _) = lever(50).await;
    let none = "none".to_owned();
    for change in [
        Change::MoveStage { application: none.clone(), stage: STAGES[0].0.to_owned() },
        Change::Reject { application: none.clone(), reason: Some(REASONS[0].0.to_owned()) },
        Change::Hire { application: none.clone() },
    ] {
        assert!(matches!(lever.change(&change).await, Err(AtsError::Refused(_))), "{change:?}");
    }
    let (lever, acme) = super::connection::lever(50).await;
    let unknown = Change::MoveStage { application: active(&acme), stage: none };
    assert!(matches!(lever.change(&unknown).await, Err(AtsError::Refused(_))));
    assert_eq!(REASONS[HIRED].3, "hired");
    let all = [ChangeKind::MoveStage, ChangeKind::Note, ChangeKind::Reject, ChangeKind::Hire, ChangeKind::Submit];
    assert_eq!(lever.write_back().changes(), all);
}
