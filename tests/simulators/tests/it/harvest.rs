//! Harvest v3 of Greenhouse: tokens, pages, filters, limit, what a client may write, and the job board.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::Router;
use base64::{Engine, prelude::BASE64_STANDARD, prelude::BASE64_URL_SAFE};
use serde_json::{Value, json};
use simulators::{
    greenhouse::{Account, World, harvest::not_found, simulator_of, table::Table},
    world::{Account as _, Chance, Clock},
};

use crate::{Answer, call, post};

/// Ten seconds after a full half minute.
const START: i64 = 1_790_000_020_000;

/// A world with a clock that stands, its wire and its control, as they are mounted.
pub(crate) struct Stage {
    pub(crate) app: Router,
    pub(crate) account: Arc<Account>,
    pub(crate) now: Arc<AtomicI64>,
}

pub(crate) fn stage(objects: usize) -> Stage {
    let now = Arc::new(AtomicI64::new(START));
    let world = World::new(Clock::manual(Arc::clone(&now)));
    let account = world.account("acme").unwrap();
    account.grow(&mut Chance::new(1), objects);
    let app = simulators::app_of(vec![simulator_of(world)]).fallback(|| async { not_found() });
    Stage { app, account, now }
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

impl Stage {
    pub(crate) async fn token(&self, form: &str) -> Answer {
        let header = basic("local-greenhouse-acme", "local-greenhouse-secret-acme");
        call(&self.app, "POST", "/greenhouse/auth/token", &[("authorization", &header)], &json!(form)).await
    }

    pub(crate) async fn access(&self) -> String {
        let answer = self.token("grant_type=client_credentials&sub=1").await.json();
        format!("Bearer {}", answer.get("access_token").and_then(Value::as_str).unwrap())
    }

    pub(crate) async fn send(&self, method: &str, token: &str, path: &str, body: &Value) -> Answer {
        let path = format!("/greenhouse/harvest/v3/{path}");
        call(&self.app, method, &path, &[("authorization", token)], body).await
    }

    pub(crate) async fn read(&self, token: &str, path: &str) -> Answer {
        self.send("GET", token, path, &Value::Null).await
    }

    /// All rows of a list, page by page.
    pub(crate) async fn all(&self, token: &str, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut path = path.to_owned();
        loop {
            let answer = self.read(token, &path).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            rows.extend(answer.json().as_array().unwrap().clone());
            match next(&answer) {
                Some(next) => path = next,
                None => return rows,
            }
        }
    }

    fn pass(&self, ms: i64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }
}

/// What follows the version in the link to the next page.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link").strip_prefix('<')?.strip_suffix(">; rel=\"next\"")?;
    Some(link.strip_prefix("http://127.0.0.1:9/greenhouse/harvest/v3/").unwrap().to_owned())
}

pub(crate) fn ids(answer: &Answer) -> Vec<u64> {
    answer.json().as_array().unwrap().iter().map(|row| row.get("id").and_then(Value::as_u64).unwrap()).collect()
}

fn minus_a_minute(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms - 60_000).unwrap().to_string()
}

#[tokio::test]
async fn pages_go_from_the_highest_id_and_the_cursor_travels_alone() {
    let stage = stage(400);
    let token = stage.access().await;
    let first = stage.read(&token, "applications?per_page=20").await;
    let second = next(&first).unwrap();
    let cursor = second.split_once("cursor=").unwrap().1.replace("%3D", "=");
    let cursor: Value = serde_json::from_slice(&BASE64_URL_SAFE.decode(cursor).unwrap()).unwrap();
    assert_eq!(cursor.get("query"), Some(&json!({"per_page": 20})));
    assert_eq!((cursor.get("per_page"), cursor.get("page")), (Some(&json!(20)), Some(&json!(2))));
    assert_eq!(cursor.get("original_request_id"), Some(&json!(first.header("x-request-id"))));
    let following = stage.read(&token, &second).await;
    assert_eq!(cursor.get("id").and_then(Value::as_u64), ids(&following).first().copied());
    let all: Vec<u64> = stage
        .all(&token, "applications?per_page=20")
        .await
        .iter()
        .map(|row| row.get("id").and_then(Value::as_u64).unwrap())
        .collect();
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "each once, highest first");
    assert_eq!(all.len(), stage.account.with(|state| state.store.rows(Table::Applications).len()));
    assert!(all.starts_with(&[ids(&first), ids(&following)].concat()));
    assert_eq!(ids(&stage.read(&token, "applications").await).len(), 100, "so many without per_page");
    let last = stage.read(&token, "departments").await;
    assert_eq!(last.headers.get("link").map(|link| link.to_str().unwrap()), Some(""), "nothing follows");
    assert_eq!(last.header("date"), "Mon, 21 Sep 2026 14:13:40 GMT", "the world's time");
    let refused = stage.read(&token, &format!("{second}&per_page=20")).await;
    assert_eq!(refused.status, 422);
    let reason = "When passing a cursor, do not include other query params.";
    assert_eq!(refused.json().get("errors"), Some(&json!([reason])));
}

#[tokio::test]
async fn what_is_not_understood_is_422() {
    let stage = stage(10);
    let token = stage.access().await;
    let many = vec!["1"; 51].join(",");
    for query in [
        "jobs?per_page=501".to_owned(),
        "jobs?per_page=0".to_owned(),
        "jobs?cursor=nonsense".to_owned(),
        format!("jobs?ids={many}"),
        format!("openings?job_ids={many}"),
        "jobs?ids=a".to_owned(),
        "jobs?created_at=gte|2026-01-01T00:00:00Z&updated_at=gte|2026-01-01T00:00:00Z".to_owned(),
        "jobs?updated_at=2026-01-01T00:00:00Z".to_owned(),
        "jobs?updated_at=since|2026-01-01T00:00:00Z".to_owned(),
        "applications?status=in_process".to_owned(),
    ] {
        let answer = stage.read(&token, &query.replace('|', "%7C")).await;
        assert_eq!(answer.status, 422, "{query}");
        assert_eq!(answer.json().get("message"), Some(&json!("Unprocessable Content")), "{query}");
    }
    let said = stage.read(&token, "jobs?per_page=600").await.json();
    assert_eq!(said.get("errors"), Some(&json!([{"per_page": "`600` number is greater than: 500"}])));
}

#[tokio::test]
async fn filters_narrow_a_list_and_stay_in_the_cursor() {
    let stage = stage(300);
    let token = stage.access().await;
    let oldest = ids(&stage.read(&token, "jobs").await);
    let [.., other, job] = oldest.as_slice() else { panic!("there are jobs") };
    let rows = stage.all(&token, &format!("applications?job_ids={job},{other}&status=active&per_page=2")).await;
    assert!(rows.len() > 4, "more than two pages");
    for row in &rows {
        assert_eq!(row.get("status"), Some(&json!("in_process")), "the word of the filter is not that of the row");
        assert!([json!(job), json!(other)].contains(row.get("job_id").unwrap()));
    }
    let openings = stage.all(&token, &format!("openings?job_ids={job}")).await;
    assert!(!openings.is_empty() && openings.iter().all(|row| row.get("job_id") == Some(&json!(job))));
    stage.pass(120_000);
    let one = stage.account.with(|state| {
        let id = *state.store.rows(Table::Candidates).keys().next().unwrap();
        state.update_candidate(id, json!({"title": "Changed"}));
        id
    });
    let (from, to) = (minus_a_minute(START + 120_000), minus_a_minute(START + 240_000));
    let window = format!("candidates?updated_at=gte%7C{from}%7Clte%7C{to}");
    assert_eq!(ids(&stage.read(&token, &window).await), [one]);
    let outside = format!("candidates?updated_at=gt%7C{to}");
    assert_eq!(ids(&stage.read(&token, &outside).await), Vec::<u64>::new());
    assert_eq!(ids(&stage.read(&token, &format!("candidates?ids={one},7")).await), [one]);
    let part = stage.read(&token, &format!("candidates?ids={one}&fields=id,title")).await.json();
    assert_eq!(part, json!([{"id": one, "title": "Changed"}]));
    // (without, with): what is hidden unless it is asked for.
    for (plain, all) in [
        ("users", "users?show_service_accounts=true"),
        ("rejection_reasons", "rejection_reasons?include_defaults=true"),
    ] {
        let (plain, all) = (stage.all(&token, plain).await.len(), stage.all(&token, all).await.len());
        assert!(plain < all);
    }
}

#[tokio::test]
async fn deleted_posts_are_listed_only_on_request() {
    let stage = stage(10);
    let token = stage.access().await;
    let id = stage.account.with(|state| {
        let id = *state.store.rows(Table::JobPosts).keys().next().unwrap();
        state.delete_post(id);
        id
    });
    assert!(!ids(&stage.read(&token, "job_posts?active=true").await).contains(&id));
    assert_eq!(ids(&stage.read(&token, "job_posts?active=false").await), [id]);
}

#[tokio::test]
async fn pages_shift_while_objects_change() {
    let stage = stage(300);
    let token = stage.access().await;
    let first = stage.read(&token, "candidates?per_page=10").await;
    let following = next(&first).unwrap();
    let seen = ids(&stage.read(&token, &following).await);
    // One of the second page goes, one comes before the first: the second page now ends later and shows nobody new.
    let (gone, come) = (seen[3], ids(&first)[0] + 1);
    stage.account.with(|state| {
        assert!(state.delete_candidate(gone));
        state.add_as(come, Table::Candidates, json!({}));
    });
    let now = ids(&stage.read(&token, &following).await);
    assert!(!now.contains(&gone) && !now.contains(&come));
    assert_eq!((now.len(), now[3]), (10, seen[4]));
    assert_eq!(ids(&stage.read(&token, "candidates?per_page=1").await), [come]);
}

#[tokio::test]
async fn the_window_is_aligned_and_the_reset_overstates() {
    let stage = stage(10);
    let token = stage.access().await;
    let second = |answer: &Answer| answer.header("x-ratelimit-reset").parse::<i64>().unwrap() - START / 1_000;
    for left in (0..150).rev() {
        let answer = stage.read(&token, "jobs?per_page=1").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-remaining")), (200, left.to_string().as_str()));
        assert_eq!((answer.header("x-ratelimit-limit"), second(&answer)), ("150", 30));
    }
    let refused = stage.read(&token, "jobs").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after"), second(&refused)), (429, "20", 30));
    let silent = json!({"limit": 150, "retry_after": false});
    assert_eq!(post(&stage.app, "/_control/greenhouse/acme/limit", silent).await.status, 204);
    let refused = stage.read(&token, "jobs").await;
    assert_eq!((refused.status.as_u16(), refused.headers.get("retry-after")), (429, None));
    stage.pass(19_999);
    assert_eq!(stage.read(&token, "jobs").await.status, 429);
    stage.pass(1);
    assert_eq!(stage.read(&token, "jobs").await.header("x-ratelimit-remaining"), "149");
    stage.account.set_limit(None);
    let free = stage.read(&token, "jobs").await;
    assert_eq!((free.status.as_u16(), free.headers.get("x-ratelimit-limit")), (200, None));
    let tokens = stage.token("grant_type=client_credentials&sub=1").await;
    assert_eq!((tokens.header("x-ratelimit-limit"), tokens.header("x-ratelimit-remaining")), ("60", "59"));
}

#[tokio::test]
async fn access_ends_after_an_hour_or_on_request_between_pages() {
    let stage = stage(100);
    let answer = stage.token("grant_type=client_credentials&sub=1").await.json();
    assert_eq!(answer.get("token_type"), Some(&json!("Bearer")));
    let ends: jiff::Timestamp = answer.get("expires_at").and_then(Value::as_str).unwrap().parse().unwrap();
    assert_eq!(ends.as_millisecond(), START + 3_600_000);
    assert!(answer.get("expires_in").is_none() && answer.get("refresh_token").is_none());
    let token = stage.access().await;
    let following = next(&stage.read(&token, "candidates?per_page=5").await).unwrap();
    stage.pass(3_600_000);
    let refused = stage.read(&token, &following).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json(), json!({"message": "Unauthorized", "errors": ["Token could not be decoded."]}));
    let token = stage.access().await;
    assert_eq!(stage.read(&token, &following).await.status, 200, "the cursor is worth more than the token");
    post(&stage.app, "/_control/greenhouse/acme/expire", json!({})).await;
    assert_eq!(stage.read(&token, "jobs").await.status, 401);
    assert_eq!(stage.read("Bearer other", "jobs").await.status, 401);
    assert_eq!(stage.read("Bearer other", "nothing").await.status, 404, "even without a token");
    assert_eq!(stage.read(&token, "candidates/5").await.status, 404, "there are lists only");
}

#[tokio::test]
async fn a_refresh_token_is_worth_one_use() {
    let stage = stage(10);
    let refresh = |token: &str| format!("grant_type=refresh_token&refresh_token={token}");
    let text = |answer: &Answer, name: &str| answer.json().get(name).and_then(Value::as_str).unwrap().to_owned();
    let first = stage.token(&refresh("local-greenhouse-refresh-acme")).await;
    let second = text(&first, "refresh_token");
    assert_eq!(stage.read(&format!("Bearer {}", text(&first, "access_token")), "jobs").await.status, 200);
    let again = stage.token(&refresh("local-greenhouse-refresh-acme")).await;
    assert_eq!((again.status.as_u16(), again.json()), (400, json!({"error": "invalid_grant"})));
    let third = text(&stage.token(&refresh(&second)).await, "refresh_token");
    stage.pass(24 * 3_600_000);
    assert_eq!(stage.token(&refresh(&third)).await.json(), json!({"error": "invalid_grant"}), "idle for a day");
    let fresh = post(&stage.app, "/_control/greenhouse/acme/authorize", json!({})).await;
    assert_eq!(stage.token(&refresh(&text(&fresh, "refresh_token"))).await.status, 200);
    let token = stage.access().await;
    post(&stage.app, "/_control/greenhouse/acme/revoke", json!({})).await;
    assert_eq!(stage.read(&token, "jobs").await.status, 401);
    let revoked = stage.token("grant_type=client_credentials&sub=1").await;
    assert_eq!((revoked.status.as_u16(), revoked.json()), (401, json!({"error": "invalid_client"})));
}

#[tokio::test]
async fn wrong_credentials_are_refused_and_accounts_do_not_mix() {
    let stage = stage(10);
    let path = "/greenhouse/auth/token";
    let form = json!("grant_type=client_credentials&sub=1");
    assert_eq!(call(&stage.app, "POST", path, &[], &form).await.status, 401);
    for (user, password, status) in [
        ("local-greenhouse-acme", "local-greenhouse-secret-globex", 401),
        ("notaclient", "local-greenhouse-secret-acme", 400),
        ("local-greenhouse-globex", "local-greenhouse-secret-globex", 200),
    ] {
        let header = basic(user, password);
        let answer = call(&stage.app, "POST", path, &[("authorization", &header)], &form).await;
        assert_eq!(answer.status.as_u16(), status, "{user}");
        if status == 200 {
            let token = format!("Bearer {}", answer.json().get("access_token").and_then(Value::as_str).unwrap());
            let own = stage.access().await;
            let (theirs, ours) = (ids(&stage.read(&token, "jobs").await), ids(&stage.read(&own, "jobs").await));
            assert!(theirs.iter().all(|id| !ours.contains(id)));
        }
    }
    for (form, message) in
        [("", "Must include `grant_type`"), ("grant_type=password", "grant_type=password is invalid")]
    {
        let answer = stage.token(form).await;
        assert_eq!(answer.status, 400);
        assert!(answer.json().get("message").and_then(Value::as_str).is_some_and(|said| said.starts_with(message)));
    }
    assert_eq!(stage.token("grant_type=client_credentials&sub=77").await.status, 400);
    let user = stage.account.with(|state| *state.store.rows(Table::Users).keys().nth(1).unwrap());
    let answer = stage.token(&format!("grant_type=client_credentials&sub={user}")).await.json();
    let token = format!("Bearer {}", answer.get("access_token").and_then(Value::as_str).unwrap());
    assert_eq!(stage.read(&token, "jobs").await.status, 403, "lists are for site admins");
}
