//! What can be read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use simulators::{
    lever::table::Table,
    world::{Account, Chance},
};
use url::form_urlencoded::byte_serialize;

use super::{Lever, NOW, id, key, of_kind};
use crate::{call, fixture, missing, paths};

#[tokio::test]
async fn the_lists_say_what_the_truth_says() {
    let lever = Lever::grown(500);
    let acme = lever.acme();
    for round in 0..3 {
        let mut chance = Chance::new(round);
        (0..300).for_each(|_| drop(acme.step(&mut chance)));
        lever.pass(60_000);
        let opportunities = lever.all("opportunities?confidentiality=all&expand=stage&expand=applications,owner").await;
        let by_id: BTreeMap<String, Value> = opportunities.iter().map(|row| (id(row), row.clone())).collect();
        assert_eq!(by_id.len(), opportunities.len(), "each once");
        let (applications, candidates) = (of_kind(&acme, "application"), of_kind(&acme, "candidate"));
        assert_eq!(by_id.keys().collect::<Vec<_>>(), applications.keys().collect::<Vec<_>>());
        for (id, row) in &by_id {
            let application = &applications[id];
            assert_eq!(application["stage"], row["stage"]["text"]);
            assert_eq!(application["job"], row["applications"][0]["posting"]);
            assert_eq!(application["status"] == json!("active"), row["archived"].is_null());
            assert_eq!(candidates[id]["name"], row["name"]);
            assert_eq!(candidates[id]["email"], row["emails"][0]);
            assert_eq!(candidates[id]["phone"], row["phones"][0]["value"]);
            assert_eq!(candidates[id]["company"], row["applications"][0]["company"]);
            assert!(row["owner"]["email"].is_string());
            let history = application["history"].as_array().unwrap();
            assert_eq!(history.len(), row["stageChanges"].as_array().unwrap().len());
            assert_eq!(history.last().unwrap()["stage"], application["stage"]);
        }
        let jobs: BTreeSet<String> = lever.ids("postings?confidentiality=all").await.into_iter().collect();
        assert_eq!(jobs, of_kind(&acme, "job").into_keys().collect());
        let users = lever.all("users?includeDeactivated=true").await;
        let truth = of_kind(&acme, "user");
        assert_eq!(users.len(), truth.len());
        assert!(users.iter().all(|user| truth[&id(user)]["active"] == json!(user["deactivatedAt"].is_null())));
        for (kind, part) in [("interview", "interviews"), ("offer", "offers")] {
            let mut found = BTreeSet::new();
            for opportunity in by_id.keys() {
                for row in lever.all(&format!("opportunities/{opportunity}/{part}")).await {
                    found.insert(format!("{opportunity}/{}", id(&row)));
                }
            }
            assert_eq!(found, of_kind(&acme, kind).into_keys().collect());
        }
    }
}

#[tokio::test]
async fn a_page_begins_where_its_token_says_encoded_once() {
    let lever = Lever::grown(600);
    let everything = lever.ids("opportunities?confidentiality=all").await;
    let first = lever.get("opportunities?confidentiality=all&limit=7").await.json();
    assert_eq!(first["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>(), everything[..7]);
    let next = first["next"].as_str().unwrap();
    assert!(next.starts_with("%5B") && next.ends_with("%22%5D"), "{next}");
    let once: String = byte_serialize(next.as_bytes()).collect();
    let twice: String = byte_serialize(once.as_bytes()).collect();
    let page =
        async |offset: &str| lever.get(&format!("opportunities?confidentiality=all&limit=7&offset={offset}")).await;
    // What comes in meanwhile is before the place, and what goes does not move it.
    let acme = lever.acme();
    acme.with(|state| state.delete_opportunity(state.number_of(&everything[7])));
    let second = page(&once).await.json();
    assert_eq!(second["data"].as_array().unwrap().iter().map(id).collect::<Vec<_>>(), everything[8..15]);
    for wrong in [twice.as_str(), "x", ""] {
        let refused = page(wrong).await;
        assert_eq!((refused.status.as_u16(), refused.json()["message"].clone()), (400, json!("Invalid offset token")));
    }
    for wrong in [
        "limit=0",
        "limit=101",
        "limit=x",
        "updated_at_start=yesterday",
        "archived=1",
        "confidentiality=x",
        "per_page=9",
    ] {
        assert_eq!(lever.get(&format!("opportunities?{wrong}")).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn filters_take_their_ends_in_and_never_rows_without_a_time() {
    let lever = Lever::grown(900);
    let rows = lever.all("opportunities?confidentiality=all").await;
    let unstamped = rows.iter().filter(|row| row["updatedAt"].is_null()).count();
    assert!((rows.len() / 10..rows.len() / 3).contains(&unstamped), "{unstamped} of {}", rows.len());
    let times = |name: &str| {
        let mut times: Vec<i64> = rows.iter().filter_map(|row| row[name].as_i64()).collect();
        times.sort_unstable();
        (times[times.len() / 3], times[times.len() / 2])
    };
    for (field, filter) in [("updatedAt", "updated_at"), ("createdAt", "created_at"), ("lastAdvancedAt", "advanced_at")]
    {
        let (from, until) = times(field);
        for (ends, from, until) in [
            (format!("{filter}_start={from}&{filter}_end={until}"), from, until),
            (format!("{filter}_start={from}"), from, i64::MAX),
            (format!("{filter}_end={until}"), i64::MIN, until),
        ] {
            let wanted: Vec<String> = rows
                .iter()
                .filter(|row| row[field].as_i64().is_some_and(|at| (from..=until).contains(&at)))
                .map(id)
                .collect();
            assert!(!wanted.is_empty());
            assert_eq!(lever.ids(&format!("opportunities?confidentiality=all&{ends}")).await, wanted, "{ends}");
        }
    }
    let all = rows.iter().map(id).collect::<BTreeSet<_>>();
    let pair = async |one: &str, other: &str| {
        let one = lever.ids(&format!("opportunities?{one}")).await;
        let other = lever.ids(&format!("opportunities?{other}")).await;
        assert!(!one.is_empty() && !other.is_empty());
        assert_eq!(one.len() + other.len(), all.len());
        assert_eq!(one.into_iter().chain(other).collect::<BTreeSet<_>>(), all);
    };
    pair("confidentiality=confidential", "confidentiality=non-confidential").await;
    pair("confidentiality=all&archived=true", "confidentiality=all&archived=false").await;
    assert_eq!(lever.ids("opportunities").await, lever.ids("opportunities?confidentiality=non-confidential").await);
    let hidden = rows.iter().find(|row| row["confidentiality"] == json!("confidential")).map(id).unwrap();
    assert_eq!(lever.get(&format!("opportunities/{hidden}")).await.status, 200);

    let row = rows.iter().find(|row| row["opportunityLocation"].is_string() && !row["archived"].is_null()).unwrap();
    let (stage, contact) = (row["stage"].as_str().unwrap(), row["contact"].as_str().unwrap());
    let application = lever.all(&format!("opportunities/{}/applications", id(row))).await;
    let posting = application[0]["posting"].as_str().unwrap().to_owned();
    let archived = row["archived"]["archivedAt"].as_i64().unwrap();
    for filter in [
        format!("stage_id={stage}&posting_id={posting}&contact_id={contact}"),
        format!("archived_at_start={archived}&archived_at_end={archived}"),
        format!("archive_reason_id={}&posting_id=x&posting_id={posting}", row["archived"]["reason"].as_str().unwrap()),
    ] {
        let found = lever.ids(&format!("opportunities?confidentiality=all&{filter}")).await;
        assert!(found.contains(&id(row)) && found.len() < rows.len(), "{filter}");
    }
    let postings = lever.all("postings?confidentiality=all").await;
    let latest = postings.iter().filter_map(|row| row["updatedAt"].as_i64()).max().unwrap();
    assert_eq!(lever.ids(&format!("postings?confidentiality=all&updated_at_start={latest}")).await.len(), 1);
    assert!(lever.ids("postings").await.len() < postings.len());
}

#[tokio::test]
async fn a_window_since_the_last_one_has_all_that_changed() {
    let lever = Lever::grown(900);
    let acme = lever.acme();
    lever.get("opportunities?limit=1").await;
    let mut chance = Chance::new(5);
    for round in 0..20 {
        let since = lever.pass(30_000);
        let before = (of_kind(&acme, "application"), of_kind(&acme, "candidate"));
        let said: Vec<String> = (0..10).map(|_| acme.step(&mut chance)).collect();
        let listed: BTreeSet<String> = lever
            .ids(&format!("opportunities?confidentiality=all&updated_at_start={since}"))
            .await
            .into_iter()
            .collect();
        let deleted: BTreeSet<String> =
            lever.ids(&format!("opportunities/deleted?deleted_at_start={since}")).await.into_iter().collect();
        let after = (of_kind(&acme, "application"), of_kind(&acme, "candidate"));
        let of = |one: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>| {
            let changed = one.iter().filter(|(id, fields)| other.get(*id) != Some(fields));
            changed.map(|(id, _)| id.split('/').next().unwrap().to_owned()).collect::<BTreeSet<_>>()
        };
        for (now, then) in [(&after.0, &before.0), (&after.1, &before.1)] {
            assert!(of(now, then).is_subset(&listed), "round {round}: {said:?}");
        }
        let gone: BTreeSet<String> = before.0.keys().filter(|id| !after.0.contains_key(*id)).cloned().collect();
        assert!(gone.is_subset(&deleted), "round {round}: {said:?}");
    }
    // Nothing is stamped far ahead of the clock, however much happens while it stands.
    let rows = lever.all("opportunities?confidentiality=all").await;
    let latest = rows.iter().filter_map(|row| row["updatedAt"].as_i64()).max().unwrap();
    assert!(latest < NOW + 20 * 30_000 + 1_000);
}

#[tokio::test]
async fn deleted_objects_have_their_time_and_wide_windows_are_refused() {
    let lever = Lever::grown(500);
    let acme = lever.acme();
    let at = lever.pass(1_000);
    let gone = lever.ids("opportunities").await[..3].to_vec();
    let applications = lever.all(&format!("opportunities/{}/applications", gone[0])).await;
    acme.with(|state| gone.iter().for_each(|id| assert!(state.delete_opportunity(state.number_of(id)))));
    let free = acme.with(|state| {
        let posting = state.add(Table::Postings, json!({"text": "Nobody applied"}));
        assert!(state.delete_posting(posting));
        state.uuid(posting)
    });
    let window = format!("deleted_at_start={at}&deleted_at_end={}", at + 10_000);
    let mut listed = lever.ids(&format!("opportunities/deleted?{window}")).await;
    listed.reverse();
    assert_eq!(listed, gone);
    assert_eq!(lever.get(&format!("opportunities/{}", gone[0])).await.status, 404);
    assert_eq!(lever.ids("opportunities/deleted?limit=2").await, lever.ids("opportunities/deleted").await);
    assert_eq!(lever.ids(&format!("postings/deleted?{window}")).await, std::slice::from_ref(&free));
    assert_eq!(lever.get(&format!("postings/{free}")).await.status, 404);
    let deleted = lever.all(&format!("applications/deleted?{window}")).await;
    for application in applications {
        let row = deleted.iter().find(|row| row["id"] == application["id"]).unwrap();
        assert_eq!((&row["opportunityId"], &row["postingId"]), (&json!(gone[0]), &application["posting"]));
        assert!(row["deletedAt"].as_i64().is_some_and(|deleted| (at..at + 1_000).contains(&deleted)));
    }
    let day = 24 * 3_600_000;
    for (path, status) in [
        ("applications/deleted".to_owned(), 400),
        (format!("applications/deleted?deleted_at_start={at}"), 400),
        (format!("applications/deleted?deleted_at_start={}&deleted_at_end={at}", at - 31 * day), 400),
        (format!("postings/deleted?deleted_at_start={}", at - 31 * day), 400),
        (format!("postings/deleted?deleted_at_start={}", at - 29 * day), 200),
        (format!("opportunities/deleted?deleted_at_start={}", at - 300 * day), 200),
    ] {
        assert_eq!(lever.get(&path).await.status, status, "{path}");
    }
}

#[tokio::test]
async fn the_shapes_are_the_recorded_ones() {
    let (Some(calls), Some(list)) =
        (fixture("ats/lever_recorded_small_calls.json"), fixture("ats/lever_recorded_postings_list.json"))
    else {
        return;
    };
    let lever = Lever::grown(900);
    let recorded = |name: &str| calls.pointer(&format!("/{name}/0/response")).unwrap().clone();
    let of_all = async |path: &str| json!({"data": lever.all(path).await, "hasNext": false});
    let rows = lever.all("opportunities?confidentiality=all").await;
    // One row cannot have everything that a recorded one has: a list of many has.
    let one = |rows: Vec<Value>| json!({"data": rows});
    let opportunities = paths(&one(rows.clone()));
    let wanted = paths(&one(vec![recorded("get-opportunity")["data"].clone()]));
    assert_eq!(wanted.symmetric_difference(&opportunities).collect::<Vec<_>>(), Vec::<&String>::new());
    let mut found = (None, None);
    for row in &rows {
        let path = format!("opportunities/{}", id(row));
        let part = async |name: &str| {
            let rows = lever.all(&format!("{path}/{name}")).await;
            match rows.first() {
                Some(first) => Some(lever.get(&format!("{path}/{name}/{}", id(first))).await.json()),
                None => None,
            }
        };
        found.0 = found.0.or(part("interviews").await);
        found.1 = found.1.or(part("applications").await.filter(|it| !it["data"]["archived"].is_null()));
    }
    assert_eq!(paths(&found.0.unwrap()), paths(&recorded("get-interview")));
    let application = recorded("get-application");
    assert_eq!(missing(&application, &found.1.unwrap(), &[]), Vec::<String>::new());
    for (name, path) in [("get-stages", "stages"), ("get-archive-reasons", "archive_reasons")] {
        assert_eq!(paths(&recorded(name)), paths(&of_all(path).await));
    }
    let postings = of_all("postings?confidentiality=all").await;
    let recorded_postings = list.pointer("/0/response").unwrap();
    let optional = [".salaryRange", ".lists[]"];
    assert_eq!(missing(recorded_postings, &postings, &optional), Vec::<String>::new());
    assert_eq!(missing(&postings, recorded_postings, &[]), Vec::<String>::new());
    for name in ["opportunities", "postings", "applications"] {
        let window = format!("{name}/deleted?deleted_at_start=1&deleted_at_end=2");
        assert_eq!(lever.get(&window).await.json(), recorded(&format!("get-{name}-deleted")));
    }
}

#[tokio::test]
async fn a_key_opens_its_own_account_only_and_errors_have_a_code() {
    let lever = Lever::grown(60);
    let globex = lever.world.account("globex").unwrap();
    globex.grow(&mut Chance::new(1), 60);
    let opportunity = of_kind(&globex, "application").into_keys().next().unwrap();
    assert_eq!(lever.get(&format!("opportunities/{opportunity}")).await.status, 404);
    let blank = format!("Basic {}", "bG9jYWwtbGV2ZXIta2V5LWFjbWU6eA==");
    for authorization in ["", "Basic !", "Bearer x", "Bearer local-lever-access-1-acme", &blank, &key("a/b")] {
        let path = "/lever/api/v1/users";
        let answer = call(&lever.app, "GET", path, &[("authorization", authorization)], &Value::Null).await;
        assert_eq!((answer.status.as_u16(), answer.json()["code"].is_string()), (401, true), "{authorization}");
    }
    let missing = lever.get("opportunities/x").await;
    assert_eq!((missing.status.as_u16(), missing.json()["code"].clone()), (404, json!("ResourceNotFound")));
    assert!(missing.json()["message"].is_string());
    assert_eq!(missing.header("date"), "Wed, 18 Nov 2026 11:06:40 GMT");
    assert_eq!(lever.get("candidates").await.status, 404);
    lever.acme().state().vendor.gate.tokens.revoked = true;
    assert_eq!(lever.get("users").await.status, 401);
}
