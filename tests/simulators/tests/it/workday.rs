//! Workday's SOAP, REST and report services, and the world behind them.

mod changes;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use simulators::workday::xml::{self, Element};
use simulators::workday::{World, simulator_of};
use simulators::world::{Account, Chance, Clock};

use crate::{Answer, call, get, post};

const NOON: i64 = 1_795_000_000_000;
const SERVICE: &str = "/workday/ccx/service/acme/Recruiting/v31.2";

/// A world whose clock stands, its tenant `acme` without a limit, and the router to it.
struct Stage {
    world: Arc<World>,
    ms: Arc<AtomicI64>,
    app: Router,
}

fn stage() -> Stage {
    let ms = Arc::new(AtomicI64::new(NOON));
    let world = World::new(Clock::manual(Arc::clone(&ms)));
    let app = simulators::app_of(vec![simulator_of(Arc::clone(&world))]);
    world.account("acme").unwrap().state().gate.window.limit = None;
    Stage { world, ms, app }
}

fn envelope(user: &str, password: &str, body: &str) -> Value {
    let token = format!("<s:Username>{user}</s:Username><s:Password>{password}</s:Password>");
    let security = format!("<s:Security xmlns:s=\"urn:wsse\"><s:UsernameToken>{token}</s:UsernameToken></s:Security>");
    json!(format!(
        "<e:Envelope xmlns:e=\"{}\" xmlns:bsvc=\"{}\"><e:Header>{security}</e:Header><e:Body>{body}</e:Body></e:Envelope>",
        xml::SOAP,
        xml::BSVC
    ))
}

/// Elements around something, the outermost first.
fn around(names: &[&str], inner: &str) -> String {
    names.iter().rev().fold(inner.to_owned(), |inner, name| format!("<bsvc:{name}>{inner}</bsvc:{name}>"))
}

async fn sent(app: &Router, body: &str) -> Answer {
    let body = envelope("ISU_hiring@acme", "local-workday-password-acme", body);
    call(app, "POST", SERVICE, &[], &body).await
}

/// The element in the body of the answer.
async fn operate(app: &Router, operation: &str, inner: &str) -> Element {
    let answer =
        sent(app, &format!("<bsvc:{operation}_Request bsvc:version=\"v31.2\">{inner}</bsvc:{operation}_Request>"))
            .await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let read = xml::read(&answer.text).unwrap();
    let element = read.child("Body").and_then(|body| body.children.first()).cloned().unwrap();
    assert_eq!(element.name, format!("{operation}_Response"));
    element
}

/// The fault's code, its text, and what stands in the detail.
async fn fault(app: &Router, operation: &str, inner: &str) -> (String, String, Element) {
    let answer = sent(app, &format!("<bsvc:{operation}_Request>{inner}</bsvc:{operation}_Request>")).await;
    assert_eq!(answer.status.as_u16(), 500, "{}", answer.text);
    let read = xml::read(&answer.text).unwrap();
    let fault = read.at(&["Body", "Fault"]).cloned().unwrap();
    let text = |name: &str| fault.text_at(&[name]).unwrap_or_default().to_owned();
    (text("faultcode"), text("faultstring"), fault.child("detail").cloned().unwrap_or_default())
}

fn wid(element: &Element, reference: &str) -> String {
    let ids = element.child(reference).into_iter().flat_map(|reference| reference.all("ID"));
    ids.filter(|id| id.attribute("type") == Some("WID")).map(|id| id.text.clone()).next().unwrap_or_default()
}

fn rows<'a>(response: &'a Element, name: &'a str) -> impl Iterator<Item = &'a Element> {
    response.child("Response_Data").into_iter().flat_map(move |data| data.all(name))
}

fn number(response: &Element, name: &str) -> usize {
    response.text_at(&["Response_Results", name]).unwrap().parse().unwrap()
}

fn by_wid(name: &str, wid: &str) -> String {
    format!("<bsvc:{name}><bsvc:ID bsvc:type=\"WID\">{wid}</bsvc:ID></bsvc:{name}>")
}

/// WIDs of all candidates, page by page; between two pages something is done.
async fn walk(stage: &Stage, pin: Option<&str>, mut between: impl FnMut()) -> Vec<String> {
    let pin = pin.map(|at| format!("<bsvc:As_Of_Entry_DateTime>{at}</bsvc:As_Of_Entry_DateTime>")).unwrap_or_default();
    let mut found = Vec::new();
    for page in 1.. {
        let filter = format!(
            "<bsvc:Response_Filter>{pin}<bsvc:Page>{page}</bsvc:Page><bsvc:Count>10</bsvc:Count></bsvc:Response_Filter>"
        );
        let response = operate(&stage.app, "Get_Candidates", &filter).await;
        found.extend(rows(&response, "Candidate").map(|row| wid(row, "Candidate_Reference")));
        if page >= number(&response, "Total_Pages") {
            break;
        }
        between();
    }
    found
}

/// The time at which the provider says it is.
async fn server_time(stage: &Stage) -> String {
    let answer = sent(&stage.app, "<bsvc:Server_Timestamp_Get/>").await;
    let read = xml::read(&answer.text).unwrap();
    read.text_at(&["Body", "Server_Timestamp", "Server_Timestamp_Data"]).unwrap().to_owned()
}

#[tokio::test]
async fn pages_drift_unless_their_time_is_pinned() {
    let stage = stage();
    let tenant = stage.world.account("acme").unwrap();
    tenant.grow(&mut Chance::new(1), 60);
    let mut chance = Chance::new(2);
    let mut change = || {
        for _ in 0..6 {
            tenant.step(&mut chance);
        }
    };
    let truth = |kind: &str| -> BTreeSet<String> {
        let prefix = format!("{kind}/");
        tenant.truth().keys().filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned)).collect()
    };
    let before = truth("candidate");
    let pin = server_time(&stage).await;
    let pinned = walk(&stage, Some(&pin), &mut change).await;
    assert_eq!((pinned.iter().cloned().collect::<BTreeSet<_>>(), pinned.len()), (before, pinned.len()));
    let again = walk(&stage, Some(&pin), || {}).await;
    assert_eq!(pinned, again, "what was seen as of a time is seen again");
    let loose = walk(&stage, None, &mut change).await;
    let once: BTreeSet<_> = loose.iter().cloned().collect();
    assert!(once.len() < loose.len() || !truth("candidate").is_subset(&once), "pages shifted");
}

#[tokio::test]
async fn a_first_page_says_as_of_when_it_is() {
    let stage = stage();
    let response = operate(&stage.app, "Get_Candidates", "").await;
    let recorded = response.text_at(&["Response_Filter", "As_Of_Entry_DateTime"]);
    assert_eq!(recorded, Some(server_time(&stage).await.as_str()));
    assert_eq!((response.attribute("version"), number(&response, "Page")), (Some("v31.2"), 1));
}

#[tokio::test]
async fn only_the_requested_groups_are_sent() {
    let stage = stage();
    let rendered = async |group: &str| -> BTreeSet<String> {
        let response = operate(&stage.app, "Get_Job_Requisitions", group).await;
        let row = rows(&response, "Job_Requisition").next().cloned().unwrap();
        let inner = row.child("Job_Requisition_Data").into_iter().flat_map(|data| &data.children);
        row.children.iter().chain(inner).map(|element| element.name.clone()).collect()
    };
    let usual = rendered("").await;
    assert!(usual.contains("Job_Requisition_Reference") && usual.contains("Hiring_Requirement_Data"));
    assert!(!usual.contains("Supervisory_Organization_Reference"), "{usual:?}");
    let organizations = rendered(
        "<bsvc:Response_Group><bsvc:Include_Organizations>true</bsvc:Include_Organizations></bsvc:Response_Group>",
    )
    .await;
    let wanted = ["Job_Requisition_Data", "Supervisory_Organization_Reference"].map(str::to_owned);
    assert_eq!(organizations, BTreeSet::from(wanted));
    let group = |inner: &str| format!("<bsvc:Response_Group>{inner}</bsvc:Response_Group>");
    let everything = operate(&stage.app, "Get_Candidates", "").await;
    let text = format!("{everything:?}");
    assert!(text.contains("File_Content") && text.len() > 100_000, "resumes come along");
    let slim = group(
        "<bsvc:Include_Reference>1</bsvc:Include_Reference><bsvc:Exclude_All_Attachments>1</bsvc:Exclude_All_Attachments>",
    );
    let slim = operate(&stage.app, "Get_Candidates", &slim).await;
    assert!(!format!("{slim:?}").contains("File_Content"));
    assert!(rows(&slim, "Candidate").all(|row| !wid(row, "Candidate_Reference").is_empty()));
    let no_ids =
        operate(&stage.app, "Get_Candidates", &group("<bsvc:Exclude_All_Attachments>1</bsvc:Exclude_All_Attachments>"))
            .await;
    assert!(rows(&no_ids, "Candidate").all(|row| row.child("Candidate_Reference").is_none()));
}

#[tokio::test]
async fn faults_say_what_is_wrong_and_where() {
    let stage = stage();
    let refs = |inner: &str| format!("<bsvc:Request_References>{inner}</bsvc:Request_References>");
    let filter = |inner: &str| format!("<bsvc:Response_Filter>{inner}</bsvc:Response_Filter>");
    let unknown = by_wid("Job_Requisition_Reference", "00ff");
    let said = "Invalid ID value.  '00ff' is not a valid ID value for type = 'WID'";
    let (code, text, detail) = fault(&stage.app, "Get_Job_Requisitions", &refs(&unknown)).await;
    assert_eq!(
        (code.as_str(), text.as_str()),
        ("SOAP-ENV:Client.validationError", &*format!("Validation error occurred. {said}"))
    );
    let error = detail.at(&["Validation_Fault", "Validation_Error"]).unwrap();
    assert_eq!((error.text_at(&["Message"]), error.text_at(&["Detail_Message"])), (Some(said), Some(said)));
    let place = "/bsvc:Get_Job_Requisitions_Request[1]/bsvc:Request_References[1]/bsvc:Job_Requisition_Reference[1]";
    assert_eq!(error.text_at(&["Xpath"]), Some(place));

    let candidates = operate(&stage.app, "Get_Candidates", "").await;
    let person = wid(rows(&candidates, "Candidate").next().unwrap(), "Candidate_Reference");
    for (operation, inner, wanted) in [
        ("Get_Candidates", refs(&by_wid("Candidate_Reference", "00ff")), "not a valid ID value"),
        ("Get_Job_Requisitions", refs(&by_wid("Job_Requisition_Reference", &person)), "Invalid instance"),
        ("Get_Candidates", filter("<bsvc:Count>1000</bsvc:Count>"), "number from 1 to 999"),
        ("Get_Candidates", filter("<bsvc:Page>0</bsvc:Page>"), "is not a number"),
        ("Get_Candidates", filter("<bsvc:As_Of_Entry_DateTime>soon</bsvc:As_Of_Entry_DateTime>"), "not a dateTime"),
        (
            "Get_Candidates",
            around(&["Request_Criteria", "Updated_From"], "2026-11-01T00:00:00Z"),
            "'Updated_From' is not expected",
        ),
        ("Get_Candidates", "<Response_Filter/>".to_owned(), "'Response_Filter' is not expected"),
        ("Get_Candidates", format!("<bsvc:Request_Criteria>{unknown}</bsvc:Request_Criteria>"), "not a valid ID value"),
    ] {
        let (code, text, _) = fault(&stage.app, operation, &inner).await;
        assert_eq!(code, "SOAP-ENV:Client.validationError", "{inner}");
        assert!(text.contains(wanted), "{inner}: {text}");
    }
    let (code, text, detail) = fault(&stage.app, "Get_Offers", "").await;
    assert_eq!(code, "SOAP-ENV:Server.processingError");
    assert!(text.contains("The web service or version is invalid for the requested operation"));
    assert!(detail.text_at(&["Processing_Fault", "Detail_Message"]).is_some());
    let skipping = format!(
        "<bsvc:Request_References bsvc:Skip_Non_Existing_Instances=\"true\">{unknown}</bsvc:Request_References>"
    );
    assert_eq!(number(&operate(&stage.app, "Get_Job_Requisitions", &skipping).await, "Total_Results"), 0);
}

#[tokio::test]
async fn a_wrong_password_is_a_fault_and_a_wrong_token_is_not() {
    let stage = stage();
    let get = "<bsvc:Get_Candidates_Request/>";
    for (user, password) in [
        ("ISU_hiring@acme", "local-workday-password-globex"),
        ("ISU_hiring", "local-workday-password-acme"),
        ("ISU_hiring@globex", "local-workday-password-globex"),
        ("", ""),
    ] {
        let answer = call(&stage.app, "POST", SERVICE, &[], &envelope(user, password, get)).await;
        assert_eq!(answer.status.as_u16(), 500, "{user}");
        for said in ["<faultcode>SOAP-ENV:Client.authenticationError<", "<faultstring>invalid username or password<"] {
            assert!(answer.text.contains(said), "{}", answer.text);
        }
    }
    let token = |secret: &str, form: &'static str| {
        let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("local-workday-client:{secret}")));
        let app = stage.app.clone();
        async move { call(&app, "POST", "/workday/ccx/oauth2/acme/token", &[("authorization", &basic)], &json!(form)).await }
    };
    let good = "grant_type=refresh_token&refresh_token=local-workday-refresh-acme";
    for (secret, form, status, error) in [
        ("local-workday-secret-globex", good, 401, "invalid_client"),
        ("local-workday-secret-acme", "grant_type=refresh_token&refresh_token=old", 400, "invalid_grant"),
        ("local-workday-secret-acme", "grant_type=password", 400, "unsupported_grant_type"),
    ] {
        let answer = token(secret, form).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (status, json!({"error": error})));
    }
    let granted = token("local-workday-secret-acme", good).await.json();
    assert_eq!(
        (granted.get("expires_in"), granted.get("refresh_token")),
        (Some(&json!(3600)), Some(&json!("local-workday-refresh-acme")))
    );
    let bearer = format!("Bearer {}", granted.get("access_token").and_then(Value::as_str).unwrap());
    let body = envelope("", "", get);
    let with_token = async |path: &str| call(&stage.app, "POST", path, &[("authorization", &bearer)], &body).await;
    assert_eq!(with_token(SERVICE).await.status, 200);
    assert_eq!(with_token("/workday/ccx/service/globex/Recruiting/v31.2").await.status, 401);
    stage.ms.fetch_add(3_600_000, Ordering::SeqCst);
    let passed = with_token(SERVICE).await;
    assert_eq!((passed.status.as_u16(), passed.json()), (401, json!({"error": "invalid_token"})));
}

#[tokio::test]
async fn ten_requests_fit_in_a_second_and_answers_have_a_date() {
    let stage = stage();
    post(&stage.app, "/_control/workday/acme/rate_limit", json!({"per_second": 10})).await;
    for left in (0..10).rev() {
        let answer = sent(&stage.app, "<bsvc:Server_Timestamp_Get/>").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-remaining")), (200, left.to_string().as_str()));
        assert_eq!(answer.header("date"), "Wed, 18 Nov 2026 11:06:40 GMT");
    }
    let limited = sent(&stage.app, "<bsvc:Server_Timestamp_Get/>").await;
    assert_eq!((limited.status.as_u16(), limited.header("retry-after")), (429, "1"));
    stage.ms.fetch_add(1_000, Ordering::SeqCst);
    assert_eq!(sent(&stage.app, "<bsvc:Server_Timestamp_Get/>").await.status, 200);
}

#[tokio::test]
async fn without_descriptors_things_are_called_by_their_ids() {
    let stage = stage();
    post(&stage.app, "/_control/workday/acme/descriptors", json!({"sent": false})).await;
    let text = sent(&stage.app, "<bsvc:Get_Job_Requisitions_Request/>").await.text;
    assert!(!text.contains("Descriptor"));
    let truth = get(&stage.app, "/_control/workday/acme/truth").await.json();
    assert!(truth.as_object().unwrap().values().any(|fields| fields.get("stage") == Some(&json!("REVIEW"))));
}
