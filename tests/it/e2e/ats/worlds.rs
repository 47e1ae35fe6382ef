//! State equality on the deployed stack: seeded worlds of the four ATS change while the real functions read them, workers are
//! killed with SIGKILL around their checkpoints, and after that our records are what the provider has.
//!
//! All worlds are played at the same time, so that one batch of messages is of several connections, and a death meets
//! all of them. A lease whose worker is dead is ended by the test, as if its 90 seconds had passed; one more
//! connection, whose worker is killed once, is left to the stack, which must notice the interruption and resume by
//! itself.

mod stalled;
mod world;

use std::time::{Duration, Instant};

use futures::future::{join, join_all};

use crate::e2e::harness::claims::{Mailer, Model, Part, Relay, Simulator, SyncWorker, Webhooks, disturbing_first};
use crate::e2e::harness::stack::{Stack, run};
use crate::e2e::harness::time;
use crate::worlds::house::Provider;
use world::{Ended, World};

/// The organisation of these connections: no other test reads its records.
const ORG: &str = "initech";
/// The queue is empty when the leases of those who died have passed.
const DRAINED: Duration = Duration::from_secs(150);
/// Worlds of each provider.
const SEEDS: u64 = 3;
/// The visibility timeout of the queue: in the template, and while workers are killed.
const VISIBILITY: Duration = Duration::from_secs(720);
const SHORT_VISIBILITY: Duration = Duration::from_secs(30);

/// What follows from the webhooks of worlds, and who sends them.
const USED: [Part; 8] = [
    Webhooks,
    Model,
    Mailer,
    Relay,
    Simulator("greenhouse"),
    Simulator("lever"),
    Simulator("workday"),
    Simulator("bamboohr"),
];

#[test]
fn records_equal_the_ats_although_workers_are_killed() {
    let _guard = disturbing_first(&[SyncWorker], &USED);
    run(async {
        let stack = Stack::open();
        let begun = Instant::now();
        stack.set_visibility("sync", time::seconds(SHORT_VISIBILITY)).await;
        let worlds = Provider::ALL.into_iter().flat_map(|provider| (1..=SEEDS).map(move |seed| (provider, seed)));
        let worlds: Vec<World<'_>> =
            join_all(worlds.map(|(provider, seed)| World::found(&stack, provider, seed))).await;
        let (ended, ()) =
            join(join_all(worlds.into_iter().map(World::play)), stalled::is_seen_by_the_stack(&stack)).await;
        stack.until_empty("sync", Instant::now() + DRAINED).await;
        stack.set_visibility("sync", time::seconds(VISIBILITY)).await;
        let records = stack.records_of(ORG).await;
        let (mut unequal, mut lies) = (Vec::new(), Vec::new());
        for provider in Provider::ALL {
            let ours: Vec<&Ended> = ended.iter().filter(|ended| ended.provider == provider).collect();
            let found: Vec<Vec<String>> = ours.iter().map(|ended| ended.differences(&records)).collect();
            println!(
                "deployed: provider={} seeds={} objects={} killed={} unequal={} false_success={} took={}s",
                provider.id(),
                ours.len(),
                ours.iter().map(|ended| ended.truth.len()).sum::<usize>(),
                ours.iter().map(|ended| ended.killed).sum::<usize>(),
                found.iter().filter(|found| !found.is_empty()).count(),
                ours.iter().map(|ended| ended.lies.len()).sum::<usize>(),
                begun.elapsed().as_secs(),
            );
            assert!(ours.iter().all(|ended| ended.killed >= world::KILLS), "each world has its deaths");
            lies.extend(ours.iter().flat_map(|ended| ended.lies.clone()));
            unequal.extend(found.concat());
        }
        assert_eq!((unequal.as_slice(), lies.as_slice()), (&[][..], &[][..]));
    });
}
