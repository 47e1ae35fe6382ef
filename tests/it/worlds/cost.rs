//! What a sync of records that did not change costs.

use std::time::Duration;

use aws::batch::Invocation;
use aws::breaker::Verdict;
use aws::clock;
use domain::message::SyncJob;
use domain::sync::Mode;
use jiff::SignedDuration;
use simulators::world::Chance;

use super::house::{House, Provider};

/// Records of the measured world.
const RECORDS: usize = 10_000;

async fn run(house: &House) {
    let engine = house.engine();
    let (org, connection) = (house.origin.org.clone(), house.origin.connection.clone());
    let job = SyncJob { v: 1, org, connection };
    let deadline = clock::now().saturating_add(SignedDuration::from_hours(1)).expect("a time");
    let invocation = Invocation { deadline, receive_count: 1 };
    engine.work(&job, invocation, &mut Verdict::NotTried).await.expect("worked");
}

#[test]
fn a_sync_without_changes_writes_per_page_only() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let house = House::build(Provider::Greenhouse, 2).await;
        (house.knobs.limit)(false);
        house.account.grow(&mut Chance::new(1), RECORDS);
        let read_all = async |house: &House| {
            let syncs = house.engine().syncs;
            loop {
                run(house).await;
                house.pass(Duration::from_secs(100));
                let state = syncs.state(&house.origin.connection_key()).await.expect("read");
                let state = state.expect("a state");
                if state.full.is_none() && state.incremental.is_none() && state.requested.is_none() {
                    return state;
                }
            }
        };
        read_all(&house).await;
        let stored = super::compare::stored(house.stored(), &house.origin).len();
        let before = (house.records.writes().expect("counted"), house.states.writes().expect("counted"));
        house.request_sync(Mode::Full).await;
        let state = read_all(&house).await;
        let run = state.last_run.expect("a run");
        let records = house.records.writes().expect("counted") - before.0;
        let control = house.states.writes().expect("counted") - before.1;
        let requests = run.requests;
        println!(
            "cost: records={stored} unchanged writes_records={records} writes_control={control} requests={requests}"
        );
        assert!(stored >= RECORDS * 9 / 10, "{stored} records");
        assert_eq!(records, 0, "no record is written");
        // For each request: the budget (twice where a window begins), what it has seen, the checkpoint.
        assert!(control <= requests * 6 + 20, "{control} writes for {requests} requests");
    });
    clock::simulated::follow(None);
}
