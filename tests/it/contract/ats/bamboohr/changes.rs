//! Changes: each is made once, also when it is made twice.

use domain::ats::{Kind, ObjectRef};
use domain::id::ActionId;
use domain::write_back::{Change, ChangeKind};
use providers::ats::port::{AtsError, ChangeProgress};
use serde_json::Value;
use simulators::bamboohr::Account as Company;
use simulators::bamboohr::job::JobStatus;
use simulators::faults::{Matching, Spec};
use simulators::world::Account;

use super::{KEY, bamboohr, connected};
use crate::contract::ats::harness::Harness;

fn active(acme: &Company) -> String {
    let id = acme.with(|company| {
        let id = *company.applications().keys().next().expect("one");
        company.move_to(id, 2);
        id
    });
    id.to_string()
}

fn field(acme: &Company, application: &str, name: &str) -> Value {
    acme.truth()[&format!("application/{application}")][name].clone()
}

/// Makes a change in as many steps as the engine makes. Returns the touched objects, and the number of requests that
/// change something.
async fn make(bamboohr: &Harness, change: &Change) -> Result<(Vec<ObjectRef>, usize), AtsError> {
    let (mut step, mut writes) = (String::new(), 0);
    for _ in 0..6 {
        let call = bamboohr.write_back().change_request(&bamboohr.context(), change, &step)?;
        writes += usize::from(!call.method.is_safe());
        let reply = bamboohr.send(call).await?;
        match bamboohr.write_back().parse_change(&bamboohr.context(), change, &step, &reply)? {
            ChangeProgress::Done(touched) => return Ok((touched, writes)),
            ChangeProgress::Next(next) => step = next,
        }
    }
    panic!("the change takes more steps than the engine makes: {step}")
}

/// Makes it twice: the second time only looks.
async fn twice(bamboohr: &Harness, change: &Change) -> Vec<ObjectRef> {
    let (touched, writes) = make(bamboohr, change).await.expect("made");
    assert_eq!(writes, 1, "{change:?}");
    let (again, writes) = make(bamboohr, change).await.expect("found");
    assert_eq!((&again, writes), (&touched, 0), "{change:?}");
    touched
}

#[tokio::test]
async fn a_stage_a_rejection_and_a_hire_are_made_once() {
    let (bamboohr, acme) = bamboohr(200).await;
    let application = active(&acme);
    let moved = Change::MoveStage { application: application.clone(), stage: "5".to_owned() };
    assert_eq!(twice(&bamboohr, &moved).await, [ObjectRef::new(Kind::Application, &application)]);
    assert_eq!(field(&acme, &application, "stage"), "Schedule Interview");

    let reject =
        |reason: Option<&str>| Change::Reject { application: application.clone(), reason: reason.map(str::to_owned) };
    twice(&bamboohr, &reject(None)).await;
    assert_eq!(field(&acme, &application, "stage"), "Not a Fit", "the first one that is a rejection");
    twice(&bamboohr, &reject(Some("11"))).await;
    assert_eq!(field(&acme, &application, "stage"), "Not Qualified");
    assert_eq!(make(&bamboohr, &reject(None)).await.expect("it is rejected already").1, 0);
    twice(&bamboohr, &Change::Hire { application: application.clone() }).await;
    assert_eq!(field(&acme, &application, "status"), "hired");
}

#[tokio::test]
async fn a_rejection_without_reason_takes_the_configured_status() {
    let (bamboohr, acme) = connected(200, vec![("api_key", KEY)], vec![("rejection_status", "10")]).await;
    let application = active(&acme);
    twice(&bamboohr, &Change::Reject { application: application.clone(), reason: None }).await;
    assert_eq!(field(&acme, &application, "stage"), "Declined Offer");
    assert_eq!(field(&acme, &application, "status"), "rejected");
}

#[tokio::test]
async fn an_application_is_handed_in_once_also_when_its_reply_is_lost() {
    let (bamboohr, acme) = bamboohr(400).await;
    let job =
        acme.with(|company| company.jobs().iter().find(|(_, job)| job.status == JobStatus::Open).map(|(id, _)| *id));
    let change = |email: &str| Change::Submit {
        job: job.expect("an open job").to_string(),
        first_name: "Zoë \"Z\"".to_owned(),
        last_name: "Ångström".to_owned(),
        email: email.to_owned(),
        phone: Some("+353 1 555 0199".to_owned()),
    };
    let touched = twice(&bamboohr, &change("zoe@example.com")).await;
    let id = touched[0].provider_id.clone();
    let detail = acme.with(|company| {
        let row = company.applications().get(&id.parse().expect("a number")).expect("it is there");
        company.detail(row)
    });
    assert_eq!(detail["applicant"]["firstName"], "Zoë \"Z\"");
    assert_eq!(detail["applicant"]["lastName"], "Ångström");
    assert_eq!(detail["applicant"]["phoneNumber"], "+353 1 555 0199");
    assert_eq!(detail["job"]["id"], job.expect("a job"));

    let before = acme.truth().len();
    let post = Matching { method: Some("POST".to_owned()), ..Matching::default() };
    bamboohr.fault(Spec { matching: post, times: Some(1), status: Some(502), acts_first: true, ..Spec::default() });
    let lost = make(&bamboohr, &change("eva@example.com")).await.expect_err("the reply was lost");
    assert!(matches!(lost, AtsError::Unavailable(_)), "{lost:?}");
    let (_, writes) = make(&bamboohr, &change("eva@example.com")).await.expect("it was made");
    assert_eq!((writes, acme.truth().len()), (0, before + 2), "one application and its candidate");
}

#[tokio::test]
async fn a_note_carries_our_reference() {
    let (bamboohr, acme) = bamboohr(100).await;
    let application = active(&acme);
    let reference = ActionId::fresh(uuid::Uuid::from_u128(7));
    let note = Change::Note {
        application: application.clone(),
        candidate: "1".to_owned(),
        text: "Call back".to_owned(),
        reference,
    };
    assert_eq!(make(&bamboohr, &note).await.expect("made").1, 1);
    assert_eq!(
        acme.state().comments,
        [(application.parse().expect("a number"), format!("Call back\n\n[{reference}]"))]
    );
}

#[tokio::test]
async fn what_cannot_be_made_is_refused() {
    let (bamboohr, acme) = bamboohr(100).await;
    let application = active(&acme);
    let moved = |application: &str, stage: &str| Change::MoveStage {
        application: application.to_owned(),
        stage: stage.to_owned(),
    };
    let submit = Change::Submit {
        job: "1".to_owned(),
        first_name: "A".to_owned(),
        last_name: "B".to_owned(),
        email: "secret-person@example.com".to_owned(),
        phone: None,
    };
    for change in [moved("1", "2"), moved(&application, "999"), moved(&application, "Reviewed"), submit] {
        let refused = make(&bamboohr, &change).await.expect_err("refused");
        assert!(
            matches!(&refused, AtsError::Refused(reason) if !reason.to_string().contains("secret")),
            "{change:?}: {refused:?}"
        );
    }
    assert_eq!(bamboohr.write_back().changes().len(), 5);
    assert!(bamboohr.write_back().changes().contains(&ChangeKind::Submit));
    assert!(bamboohr.ats.webhook_subscriptions().is_none() && bamboohr.provider.webhooks.is_none());
}
