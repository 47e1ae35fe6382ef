//! State equality: seeded worlds of the four ATS change while they are read, everything goes wrong that can, and after that
//! our records are what the provider has.
//!
//! The real engine and provider code in one process, against the simulators over HTTP and the table that keeps conditions as the
//! service does. A thread has one world and a clock of its own, which it shares with its simulator. `PROVE_SEEDS` says how many
//! worlds (the gate: 50 for each provider), `PROVE_SEED` repeats one.

pub(crate) mod compare;
mod cost;
mod freshness;
pub(crate) mod house;
mod play;

use std::sync::atomic::{AtomicU64, Ordering};

use house::Provider;

/// Seeds of the gate.
const SEEDS: u64 = 50;
/// Threads: the machine of the gate has two cores.
const THREADS: usize = 2;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Leaves the processor to the tests of a stack, which wait for each other, where there is one.
fn give_way() {
    if std::env::var_os("STACK_JSON").is_some() {
        // Where it is refused, the worlds are only faster.
        let _ = rustix::process::nice(5);
    }
}

/// Plays all seeds of a provider, two at a time, and prints what came of them.
fn prove(provider: Provider) {
    give_way();
    let one = number("PROVE_SEED");
    let (first, count) = one.map_or((1, number("PROVE_SEEDS").unwrap_or(SEEDS)), |seed| (seed, 1));
    let next = AtomicU64::new(first);
    let begun = std::time::Instant::now();
    let (unequal, false_success, requests, crashes) =
        (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let play_all = || {
        loop {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if seed >= first + count {
                return;
            }
            let played = play::play(provider, seed);
            requests.fetch_add(played.requests, Ordering::SeqCst);
            crashes.fetch_add(played.crashes, Ordering::SeqCst);
            if !played.differences.is_empty() {
                unequal.fetch_add(1, Ordering::SeqCst);
                println!("seed {seed} of {}: {}", provider.id(), played.differences.join("\n  "));
            }
            for lie in &played.false_success {
                false_success.fetch_add(1, Ordering::SeqCst);
                println!("seed {seed} of {}: {lie}", provider.id());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(play_all);
        }
    });
    let of = |number: &AtomicU64| number.load(Ordering::SeqCst);
    let (unequal, false_success) = (of(&unequal), of(&false_success));
    println!(
        "sync: provider={} seeds={count} unequal={unequal} false_success={false_success} requests={} crashes={} took={}s",
        provider.id(),
        of(&requests),
        of(&crashes),
        begun.elapsed().as_secs()
    );
    assert_eq!((unequal, false_success), (0, 0));
}

#[test]
fn our_records_equal_greenhouse() {
    prove(Provider::Greenhouse);
}

#[test]
fn our_records_equal_lever() {
    prove(Provider::Lever);
}

#[test]
fn our_records_equal_workday() {
    prove(Provider::Workday);
}

#[test]
fn our_records_equal_bamboohr() {
    prove(Provider::BambooHr);
}
