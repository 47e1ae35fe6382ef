//! One process of a contest: many tasks want the same piece of work, or the same probe, of the real tables. The test in
//! `tests/it/e2e/contention.rs` starts several of these and judges what they print, one JSON line for each thing that happened.
//!
//! `contender work KEY TASKS GENERATIONS`, `contender trip NAME 1 NOW_MS`, then `contender probe NAME TASKS TRIPPED_MS`; times
//! are milliseconds since 1970 UTC.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use aws::breaker::{Permit, SharedBreaker, Verdict};
use aws::clients::Aws;
use aws::clock;
use aws::table::{Item, Key, Table, number, text};
use aws::work::{Claim, ClaimTerms, claim, finish};
use futures::future::try_join_all;
use jiff::Timestamp;
use resilience::breaker::Policy;
use resilience::work::{CLAIM_FIRST, Fenced, Refusal};
use serde_json::{Value, json};

const LEASE: Duration = Duration::from_millis(1_500);
/// Pause before the next look at work that somebody holds.
const PAUSE: Duration = Duration::from_millis(40);
/// One failure opens, for a second.
const POLICY: Policy = Policy { threshold: 1, wait: Duration::from_secs(1), longest: Duration::from_secs(1) };

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, name, tasks, last] = arguments.as_slice() else { bail!("four arguments are expected: {arguments:?}") };
    let table = Aws::from_environment()?.table("CONTROL_TABLE")?;
    let tasks: usize = tasks.parse().context("TASKS")?;
    let last: i64 = last.parse().context("the last argument")?;
    match mode.as_str() {
        "work" => {
            let key = Key { pk: "ORG#acme#contest".to_owned(), sk: name.clone() };
            try_join_all((0..tasks).map(|_| work(&table, &key, last))).await?;
        }
        "probe" => {
            let tripped = Timestamp::from_millisecond(last)?;
            try_join_all((0..tasks).map(|_| probe(&table, name, tripped))).await?;
        }
        "trip" => trip(&table, name, Timestamp::from_millisecond(last)?).await?,
        other => bail!("unknown mode {other}"),
    }
    Ok(())
}

/// Wants the work until it is done. The holders of the first generations let their lease pass, and try to record their end
/// when another has the work, with a clock that stands still, so that only the owner's token can refuse them.
async fn work(table: &Table, key: &Key, generations: i64) -> Result<()> {
    loop {
        let now = clock::now();
        let terms = ClaimTerms {
            condition: CLAIM_FIRST,
            ready: None,
            held: "running",
            lease_until: now + LEASE,
            set: Item::from([("v".to_owned(), number(1))]),
            once: Item::new(),
        };
        let (hold, item) = match claim::<Value>(table, key.clone(), terms, now).await? {
            Claim::Held(hold, item) => (hold, item),
            Claim::Refused(Refusal::Finished) => return Ok(()),
            Claim::Refused(Refusal::Busy(_) | Refusal::Abandoned | Refusal::Missing) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let generation = generation(&item)?;
        println!("{}", json!({"effect": generation}));
        let end = Item::from([("state".to_owned(), text("done")), ("by".to_owned(), number(generation))]);
        if generation >= generations {
            let recorded = finish(table, &hold, end, clock::now()).await? == Fenced::Written;
            println!("{}", json!({"finish": generation, "recorded": recorded}));
            continue;
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            let item: Option<Value> = table.get(key).await?;
            if self::generation(&item.unwrap_or_default())? > generation {
                break;
            }
        }
        let recorded = finish(table, &hold, end, now).await? == Fenced::Written;
        println!("{}", json!({"zombie": generation, "recorded": recorded}));
    }
}

fn generation(item: &Value) -> Result<i64> {
    item["attempts"].as_i64().with_context(|| format!("no attempts in {item}"))
}

/// Opens the breaker at this time.
async fn trip(table: &Table, name: &str, now: Timestamp) -> Result<()> {
    let breaker = SharedBreaker::of_deployment(table.clone(), name, POLICY);
    let Ok(permit) = breaker.permit(now + LEASE, now).await else { bail!("the breaker is open already") };
    breaker.settle(&permit, Verdict::Failed, now).await;
    println!("{}", json!({"open": breaker.open_until(now).await.is_some()}));
    Ok(())
}

/// Wants the probe twice, each time at the same moment as all others: when the wait has passed, and when the lease of
/// whoever got it then has passed without an answer.
async fn probe(table: &Table, name: &str, tripped: Timestamp) -> Result<()> {
    let first = tripped + POLICY.wait + Duration::from_millis(1);
    for now in [first, first + LEASE + Duration::from_millis(1)] {
        // Its own view of the breaker, as another process would have it.
        let breaker = SharedBreaker::of_deployment(table.clone(), name, POLICY);
        let got = match breaker.permit(now + LEASE, now).await {
            Ok(Permit::Probe { epoch, .. }) => json!({"probe": epoch}),
            Ok(Permit::Call { epoch, .. }) => json!({"call": epoch}),
            Ok(Permit::Forced) => bail!("nobody gave an order about this breaker"),
            Err(_) => json!({"refused": true}),
        };
        println!("{got}");
    }
    Ok(())
}
