//! The time from a webhook to the stored change: from the first byte that is sent to the record in the table, one after
//! the other and in a burst. It is printed, not judged: a machine that is busy says little about a deployment.

use std::time::{Duration, Instant};

use futures::future::join_all;
use futures::stream::{self, StreamExt as _};

use crate::e2e::harness::claims::{Mailer, Model, Relay, Webhooks, disturbing};
use crate::e2e::harness::stack::{Org, PATIENCE, Stack, fresh_number, new_application, run};

/// Webhooks of each kind of load.
const WEBHOOKS: usize = 100;
/// The deliveries of a burst.
const BURST: usize = 20;

/// Delivers an application, and waits for its record.
async fn time_to_record(stack: &Stack, org: &Org<'_>) -> Duration {
    let (body, number) = new_application();
    let id = org.application_id(&number.to_string()).to_string();
    let begin = Instant::now();
    let answer = org.deliver(&body, &format!("fresh-{}", fresh_number())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let pk = format!("ORG#{}#application", org.id());
    while stack.record(&pk, &id).await.is_null() {
        assert!(begin.elapsed() < PATIENCE, "{id} is not stored");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    begin.elapsed()
}

fn print(load: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1].as_millis();
    println!(
        "freshness: webhook to record, {load}: n={} p50={}ms p95={}ms max={}ms",
        times.len(),
        at(50),
        at(95),
        at(100)
    );
}

#[test]
fn a_change_is_stored_soon_after_its_webhook() {
    let _guard = disturbing(&[Webhooks, Model], &[Mailer, Relay]);
    run(async {
        let stack = Stack::open();
        let globex = stack.org("globex");
        let mut times = Vec::new();
        for _ in 0..WEBHOOKS {
            times.push(time_to_record(&stack, &globex).await);
        }
        print("one after the other", times);
        let bursts = stream::iter(0..WEBHOOKS / BURST);
        let times = bursts.then(async |_| join_all((0..BURST).map(|_| time_to_record(&stack, &globex))).await);
        let times: Vec<Vec<Duration>> = times.collect().await;
        print("20 at once", times.concat());
        stack.until_empty("suggestion", Instant::now() + PATIENCE).await;
    });
}
