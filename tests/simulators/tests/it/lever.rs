//! Lever: its lists, filters, deleted feeds, limit, tokens, write-back, intake and webhooks.
#![expect(clippy::indexing_slicing, reason = "a test fails by panicking")]

mod hooks;
mod reading;
mod writing;

use std::collections::BTreeMap;
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use axum::Router;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use simulators::{
    lever::{Company, World, simulator_of},
    world::{Account, Chance, Clock},
};
use url::form_urlencoded::byte_serialize;

use crate::{Answer, call};

const NOW: i64 = 1_795_000_000_123;

/// A world whose clock this test sets, and its routes.
struct Lever {
    app: Router,
    world: Arc<World>,
    now: Arc<AtomicI64>,
}

impl Lever {
    fn new() -> Self {
        let now = Arc::new(AtomicI64::new(NOW));
        let world = World::new(Clock::manual(Arc::clone(&now)));
        let app = simulators::app_of(vec![simulator_of(Arc::clone(&world))]);
        Self { app, world, now }
    }

    /// Without a limit and with about so many objects.
    fn grown(objects: usize) -> Self {
        let lever = Self::new();
        let acme = lever.acme();
        acme.set_limit(None);
        acme.grow(&mut Chance::new(1), objects);
        lever
    }

    fn acme(&self) -> Arc<Company> {
        self.world.account("acme").unwrap()
    }

    fn pass(&self, ms: i64) -> i64 {
        self.now.fetch_add(ms, Ordering::SeqCst) + ms
    }

    async fn request(&self, method: &str, path: &str, body: Value) -> Answer {
        let headers = [("authorization", &*key("acme")), ("content-type", "application/json")];
        call(&self.app, method, &format!("/lever/api/v1/{path}"), &headers, &body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, Value::Null).await
    }

    /// Every row of a list, page by page.
    async fn all(&self, path: &str) -> Vec<Value> {
        let (mut rows, mut offset) = (Vec::new(), String::new());
        let mark = if path.contains('?') { '&' } else { '?' };
        for _ in 0..1_000 {
            let answer = self.get(&format!("{path}{mark}limit=100{offset}")).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            let page = answer.json();
            rows.extend(page["data"].as_array().unwrap().clone());
            let Some(next) = page.get("next").and_then(Value::as_str) else {
                assert_eq!(page["hasNext"], json!(false));
                return rows;
            };
            assert_eq!(page["hasNext"], json!(true));
            offset = format!("&offset={}", byte_serialize(next.as_bytes()).collect::<String>());
        }
        panic!("the pages of {path} do not end");
    }

    async fn ids(&self, path: &str) -> Vec<String> {
        self.all(path).await.iter().map(id).collect()
    }

    async fn control(&self, path: &str, body: Value) -> Answer {
        call(&self.app, "POST", &format!("/_control/lever/{path}"), &[], &body).await
    }
}

fn id(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

fn key(account: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("local-lever-key-{account}:")))
}

/// The objects of a kind in the truth, by id.
fn of_kind(company: &Company, kind: &str) -> BTreeMap<String, Value> {
    let prefix = format!("{kind}/");
    let truth = company.truth();
    truth
        .into_iter()
        .filter_map(|(id, fields)| Some((id.strip_prefix(&prefix)?.to_owned(), Value::Object(fields))))
        .collect()
}
