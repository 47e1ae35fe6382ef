//! A bounded exhaustive exploration of leased work: three workers, every interleaving, a crash before and after every write and
//! every effect, workers that outlive their lease, and time that passes at any moment. The writes below mirror the condition
//! expressions beside the state.

use crate::exploration;

const WORKERS: usize = 3;
const LEASE: i64 = 2;
const HORIZON: i64 = 7;
/// Enough copies of an effect to see that there are too many.
const MOST_EFFECTS: u8 = 3;

/// What is left open when a lease passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// The work may be taken over: `CLAIM_RECORDED`.
    TakeOver,
    /// It may not: `CLAIM_WAITING` and `SETTLE_ABANDONED`.
    AtMostOnce,
}

/// A rule that is left out on purpose, to see that the exploration notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Defect {
    None,
    /// Results are recorded without naming the owner.
    Unfenced,
    /// A passed lease is never noticed.
    NoExpiry,
    /// Work is taken over although nobody knows whether its effect happened.
    TakesOverAnyway,
    /// A holder is not respected.
    IgnoresLease,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Item {
    Ready,
    Held { owner: u8, until: i64 },
    Final { by: u8 },
    NeedsReview,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Worker {
    Idle,
    /// It holds the lease of this generation, and has or has not had its effect.
    Holding {
        owner: u8,
        until: i64,
        done: bool,
    },
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    item: Item,
    now: i64,
    /// Names the next lease: an owner token is never used twice.
    next_owner: u8,
    effects: u8,
    workers: [Worker; WORKERS],
}

fn claimable(item: Item, now: i64, mode: Mode, defect: Defect) -> bool {
    match item {
        Item::Ready => true,
        Item::Held { until, .. } => {
            let passed = until < now && defect != Defect::NoExpiry;
            let taken_over = mode == Mode::TakeOver || defect == Defect::TakesOverAnyway;
            passed && taken_over || defect == Defect::IgnoresLease
        }
        Item::Final { .. } | Item::NeedsReview => false,
    }
}

fn settleable(item: Item, now: i64, mode: Mode, defect: Defect) -> bool {
    let passed = matches!(item, Item::Held { until, .. } if until < now && defect != Defect::NoExpiry);
    passed && mode == Mode::AtMostOnce
}

/// Whether a holder's write happens.
fn fenced(item: Item, owner: u8, now: i64, defect: Defect) -> bool {
    match item {
        Item::Held { owner: holder, until } => holder == owner && until >= now || defect == Defect::Unfenced,
        Item::Ready | Item::Final { .. } | Item::NeedsReview => defect == Defect::Unfenced,
    }
}

fn check(world: &World, mode: Mode, defect: Defect) -> Result<(), &'static str> {
    let live = |w: &&Worker| matches!(w, Worker::Holding { until, .. } if *until >= world.now);
    if world.workers.iter().filter(live).count() > 1 {
        return Err("two leases at once");
    }
    if mode == Mode::AtMostOnce && world.effects > 1 {
        return Err("the effect happened twice");
    }
    if let Item::Held { until, .. } = world.item {
        let open = claimable(world.item, world.now, mode, defect) || settleable(world.item, world.now, mode, defect);
        if until < world.now && !open {
            return Err("stranded");
        }
    }
    Ok(())
}

fn successors(world: &World, mode: Mode, defect: Defect) -> Result<Vec<World>, &'static str> {
    let mut next = Vec::new();
    if world.now < HORIZON {
        next.push(World { now: world.now + 1, ..world.clone() });
    }
    if settleable(world.item, world.now, mode, defect) {
        next.push(World { item: Item::NeedsReview, ..world.clone() });
    }
    for (at, worker) in world.workers.iter().enumerate() {
        let with = |worker: Worker| {
            let mut world = world.clone();
            world.workers[at] = worker;
            world
        };
        match *worker {
            Worker::Idle if claimable(world.item, world.now, mode, defect) => {
                let (owner, until) = (world.next_owner, world.now + LEASE);
                let claimed = World { item: Item::Held { owner, until }, next_owner: owner + 1, ..world.clone() };
                // A crash right after the claim, and the claim itself.
                next.push(claimed.clone());
                let mut held = claimed;
                held.workers[at] = Worker::Holding { owner, until, done: false };
                next.push(held);
            }
            Worker::Idle => {}
            Worker::Holding { owner, until, done } => {
                next.push(with(Worker::Idle));
                if !done {
                    // Even a worker that outlived its lease may still have its effect: nothing can stop it.
                    let mut acted = with(Worker::Holding { owner, until, done: true });
                    acted.effects = (acted.effects + 1).min(MOST_EFFECTS);
                    next.push(acted);
                }
                if fenced(world.item, owner, world.now, defect) {
                    match world.item {
                        Item::Final { .. } | Item::NeedsReview => return Err("a final state was overwritten"),
                        Item::Held { owner: holder, .. } if holder != owner => return Err("recorded by a zombie"),
                        Item::Ready | Item::Held { .. } => {}
                    }
                    // What certainly did not happen may be given back; what happened is recorded.
                    let item = if done { Item::Final { by: owner } } else { Item::Ready };
                    next.push(World { item, ..with(Worker::Idle) });
                }
            }
        }
    }
    Ok(next)
}

/// Explores every world that can be reached; gives their number, or what was found broken.
fn explore(mode: Mode, defect: Defect) -> Result<usize, &'static str> {
    let first = World { item: Item::Ready, now: 0, next_owner: 0, effects: 0, workers: [Worker::Idle; WORKERS] };
    // Four generations of leases show everything that more would.
    let next = |world: &World| if world.next_owner > 4 { Ok(vec![]) } else { successors(world, mode, defect) };
    exploration::explore(first, |world| check(world, mode, defect), next)
}

#[test]
fn in_every_interleaving_one_holder_works_and_a_final_state_stays() {
    for mode in [Mode::TakeOver, Mode::AtMostOnce] {
        let worlds = explore(mode, Defect::None).expect("no property is broken");
        assert!(worlds > 1_000, "the exploration of {mode:?} is too small to mean anything: {worlds}");
    }
}

#[test]
fn the_exploration_notices_every_rule_that_is_left_out() {
    for (mode, defect, wanted) in [
        (Mode::TakeOver, Defect::Unfenced, ["a final state was overwritten", "recorded by a zombie"].as_slice()),
        (Mode::TakeOver, Defect::NoExpiry, &["stranded"]),
        (Mode::AtMostOnce, Defect::NoExpiry, &["stranded"]),
        (Mode::AtMostOnce, Defect::TakesOverAnyway, &["the effect happened twice"]),
        (Mode::TakeOver, Defect::IgnoresLease, &["two leases at once"]),
    ] {
        let found = explore(mode, defect).expect_err("a broken rule is noticed");
        assert!(wanted.contains(&found), "{mode:?} {defect:?}: {found}");
    }
}
