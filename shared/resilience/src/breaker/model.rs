//! A bounded exhaustive exploration of the breaker: two and three processes, every interleaving, a crash before and
//! after every call, stale reads, time that passes and an operator whose commands come at any moment. The writes below
//! mirror the condition expressions beside the state.

use super::*;
use crate::model_checker;

/// The most processes; an exploration with fewer leaves the others idle.
const WORKERS: usize = 3;
const THRESHOLD: u32 = 2;
const WAIT: i64 = 2;
const LEASE: i64 = 2;

/// The bounds of an exploration.
#[derive(Clone, Copy)]
struct Bounds {
    workers: usize,
    horizon: i64,
    epochs: u64,
    orders: u8,
}

/// The bounds in the gate.
const BOUNDED: [Bounds; 2] =
    [Bounds { workers: 2, horizon: 6, epochs: 4, orders: 1 }, Bounds { workers: 3, horizon: 5, epochs: 3, orders: 0 }];
/// The further bounds of the long form.
const LONG: [Bounds; 2] =
    [Bounds { workers: 2, horizon: 7, epochs: 6, orders: 2 }, Bounds { workers: 3, horizon: 4, epochs: 4, orders: 1 }];

/// A rule that is left out on purpose, to see that the exploration notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Defect {
    None,
    /// A prober that died holds the probe for ever (G1).
    NoLease,
    /// A former prober may settle, even after another took the probe over (G2).
    NoOwner,
    /// Each process counts the failures that it saw itself (G3).
    CountedAlone,
    /// The probe may be taken although an operator forces a state.
    OrderIgnored,
    /// Every process may take the probe after the wait.
    ManyProbes,
    /// Failures are counted even if the breaker moved meanwhile.
    NoEpoch,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Process {
    Idle,
    /// It has read the item and is about to act on what it read.
    Read(Breaker),
    /// It calls because the breaker was closed in this epoch.
    Calling {
        epoch: u64,
    },
    /// It counted the failure that crosses the threshold and is about to open the breaker.
    Tripping {
        epoch: u64,
    },
    /// It calls as the prober of this epoch, with a lease until then.
    Probing {
        epoch: u64,
        until: i64,
    },
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    item: Breaker,
    now: i64,
    processes: [Process; WORKERS],
    /// Failures that each process counted itself: only the defect looks at them.
    alone: [u32; WORKERS],
    /// Failures that were counted in this epoch of a closed breaker, by any process.
    failed: u32,
    /// A process died between the failure that crossed the threshold and the opening.
    trip_lost: bool,
    /// The commands that the operator may still give.
    orders: u8,
}

fn owner(at: usize) -> Option<String> {
    Some(at.to_string())
}

fn claim(item: &Breaker, at: usize, now: i64, defect: Defect) -> Option<Breaker> {
    let waited = item.phase == Phase::Open && item.next_probe_ms <= now;
    let left = item.phase == Phase::HalfOpen && item.probe_until_ms < now && defect != Defect::NoLease;
    let anyway = item.phase == Phase::HalfOpen && defect == Defect::ManyProbes;
    let ordered = item.forced.is_some() && defect != Defect::OrderIgnored;
    (!ordered && (waited || left || anyway)).then(|| Breaker {
        phase: Phase::HalfOpen,
        epoch: item.epoch + 1,
        probe_owner: owner(at),
        probe_until_ms: now + LEASE,
        ..item.clone()
    })
}

fn count(item: &Breaker, epoch: u64, defect: Defect) -> Option<Breaker> {
    let fits = item.phase == Phase::Closed && item.epoch == epoch || defect == Defect::NoEpoch;
    // Beyond the threshold the number does not matter.
    fits.then(|| Breaker { failures: (item.failures + 1).min(THRESHOLD), ..item.clone() })
}

fn command(item: &Breaker, command: Command) -> Breaker {
    let next = Breaker { epoch: item.epoch + 1, ..item.clone() };
    match command {
        Command::Force(forced) => Breaker { forced: Some(forced), ..next },
        Command::Lift => Breaker { forced: None, ..next },
        Command::Reset => Breaker { epoch: next.epoch, ..Breaker::default() },
    }
}

fn trip(item: &Breaker, epoch: u64, now: i64) -> Option<Breaker> {
    let fits = item.phase == Phase::Closed && item.epoch == epoch;
    fits.then(|| Breaker { phase: Phase::Open, epoch: item.epoch + 1, next_probe_ms: now + WAIT, ..item.clone() })
}

fn settle(item: &Breaker, at: usize, epoch: u64, ok: bool, now: i64, defect: Defect) -> Option<Breaker> {
    let ours = item.probe_owner == owner(at) && item.epoch == epoch;
    let fits = item.phase == Phase::HalfOpen && (ours || defect == Defect::NoOwner);
    fits.then(|| {
        let next = Breaker { epoch: item.epoch + 1, probe_owner: None, ..item.clone() };
        if ok {
            Breaker { phase: Phase::Closed, failures: 0, reopened: 0, ..next }
        } else {
            Breaker { phase: Phase::Open, reopened: (item.reopened + 1).min(1), next_probe_ms: now + WAIT, ..next }
        }
    })
}

/// The rules that must hold in every world; a broken one is named.
fn check(world: &World, defect: Defect) -> Result<(), &'static str> {
    let live = |process: &&Process| matches!(process, Process::Probing { until, .. } if *until >= world.now);
    if world.processes.iter().filter(live).count() > 1 {
        return Err("two probes in flight");
    }
    if world.item.forced.is_some() {
        // A forced state waits for the operator who lifts it.
        return Ok(());
    }
    let freed = match world.item.phase {
        Phase::Closed => true,
        Phase::Open => world.now < world.item.next_probe_ms || claim(&world.item, 0, world.now, defect).is_some(),
        Phase::HalfOpen => world.now <= world.item.probe_until_ms || claim(&world.item, 0, world.now, defect).is_some(),
    };
    if !freed {
        return Err("stranded");
    }
    Ok(())
}

fn successors(world: &World, bounds: Bounds, defect: Defect) -> Result<Vec<World>, &'static str> {
    let mut next = Vec::new();
    let with = |at: usize, item: &Breaker, process: Process| {
        let mut world = World { item: item.clone(), ..world.clone() };
        if item.epoch != world.item.epoch || item.phase != Phase::Closed {
            world.failed = 0;
            world.trip_lost = false;
        }
        world.processes[at] = process;
        world
    };
    if world.now < bounds.horizon {
        next.push(World { now: world.now + 1, ..world.clone() });
    }
    if world.orders > 0 {
        for given in [Command::Force(Forced::Open), Command::Force(Forced::Closed), Command::Lift, Command::Reset] {
            let item = command(&world.item, given);
            let mut next_world = World { item, failed: 0, trip_lost: false, orders: world.orders - 1, ..world.clone() };
            if given == Command::Reset {
                // The operator revokes the probe: its holder continues with an ordinary call.
                for process in &mut next_world.processes {
                    if let Process::Probing { until, .. } = process {
                        *until = -1;
                    }
                }
            }
            next.push(next_world);
        }
    }
    for (at, process) in world.processes.iter().enumerate().take(bounds.workers) {
        let item = &world.item;
        match process {
            Process::Idle => {
                let tripping = world.processes.iter().any(|process| matches!(process, Process::Tripping { .. }));
                let called = matches!(item.admit(world.now), Admission::Allow) && item.forced.is_none();
                if called && world.failed >= THRESHOLD && !tripping && !world.trip_lost {
                    return Err("called after the threshold was reached");
                }
                next.push(with(at, item, Process::Read(item.clone())));
            }
            Process::Read(seen) => match seen.admit(world.now) {
                Admission::Allow => next.push(with(at, item, Process::Calling { epoch: seen.epoch })),
                Admission::Refuse { .. } if defect != Defect::ManyProbes || seen.phase == Phase::Open => {
                    next.push(with(at, item, Process::Idle));
                }
                Admission::Refuse { .. } | Admission::Probe => match claim(item, at, world.now, defect) {
                    Some(claimed) => {
                        if item.forced == Some(Forced::Open) {
                            return Err("probed while forced open");
                        }
                        let probing = Process::Probing { epoch: claimed.epoch, until: world.now + LEASE };
                        next.push(with(at, &claimed, probing));
                        // A crash right after the write: the lease is held and no process probes.
                        next.push(with(at, &claimed, Process::Idle));
                    }
                    None => next.push(with(at, item, Process::Idle)),
                },
            },
            Process::Calling { epoch } => {
                next.push(with(at, item, Process::Idle));
                // The response says that every call will fail: it opens without counting.
                if let Some(open) = trip(item, *epoch, world.now) {
                    next.push(with(at, &open, Process::Idle));
                }
                if let Some(counted) = count(item, *epoch, defect) {
                    if item.phase != Phase::Closed {
                        return Err("counted after it had opened");
                    }
                    let mine = (world.alone[at] + 1).min(THRESHOLD);
                    let crossed =
                        if defect == Defect::CountedAlone { mine >= THRESHOLD } else { counted.failures >= THRESHOLD };
                    let then = if crossed { Process::Tripping { epoch: *epoch } } else { Process::Idle };
                    let mut world = with(at, &counted, then);
                    world.failed = (world.failed + 1).min(THRESHOLD);
                    if defect == Defect::CountedAlone {
                        world.alone[at] = mine;
                    }
                    next.push(world);
                }
            }
            Process::Tripping { epoch } => {
                // A crash here leaves the count at the threshold, and the next failure opens.
                next.push(World { trip_lost: true, ..with(at, item, Process::Idle) });
                if let Some(open) = trip(item, *epoch, world.now) {
                    next.push(with(at, &open, Process::Idle));
                }
            }
            Process::Probing { epoch, until: _ } => {
                next.push(with(at, item, Process::Idle));
                for ok in [true, false] {
                    if let Some(settled) = settle(item, at, *epoch, ok, world.now, defect) {
                        if item.probe_owner != owner(at) {
                            return Err("settled by a process that had lost the probe");
                        }
                        next.push(with(at, &settled, Process::Idle));
                    }
                }
            }
        }
    }
    Ok(next)
}

/// Explores every reachable world; returns their number, or the rule that was broken.
fn explore(bounds: Bounds, defect: Defect) -> Result<usize, &'static str> {
    let first = World {
        item: Breaker::default(),
        now: 0,
        processes: [const { Process::Idle }; WORKERS],
        alone: [0; WORKERS],
        failed: 0,
        trip_lost: false,
        orders: bounds.orders,
    };
    // Epochs only grow; beyond these many changes nothing new can happen.
    let next = |world: &World| {
        if world.item.epoch > bounds.epochs { Ok(vec![]) } else { successors(world, bounds, defect) }
    };
    model_checker::explore(first, |world| check(world, defect), next)
}

#[test]
fn every_interleaving_keeps_the_rules_and_mutations_are_caught() {
    let long = std::env::var_os("PROVE_LONG").map_or(&[][..], |_| &LONG[..]);
    let mut states = 0;
    for bounds in BOUNDED.iter().chain(long) {
        let worlds = explore(*bounds, Defect::None).expect("no property is broken");
        assert!(worlds > 10_000, "the exploration is too small to mean anything: {worlds}");
        states += worlds;
    }
    let defects = [
        (Defect::NoLease, "stranded"),
        (Defect::NoOwner, "settled by a process that had lost the probe"),
        (Defect::CountedAlone, "called after the threshold was reached"),
        (Defect::ManyProbes, "two probes in flight"),
        (Defect::NoEpoch, "counted after it had opened"),
        (Defect::OrderIgnored, "probed while forced open"),
    ];
    let mut caught = 0;
    for (defect, wanted) in defects {
        let found = BOUNDED.iter().find_map(|bounds| explore(*bounds, defect).err());
        assert_eq!(found, Some(wanted), "{defect:?}");
        caught += 1;
    }
    println!("model: name=breaker states={states} mutations_caught={caught}/{}", defects.len());
}
