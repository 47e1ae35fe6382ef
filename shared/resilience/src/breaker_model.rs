//! A bounded exhaustive exploration of the breaker: three processes, every interleaving, a crash before and after every call,
//! stale reads, and time that passes at any moment. The writes below mirror the condition expressions beside the state.

use super::*;
use crate::exploration;

const WORKERS: usize = 3;
const THRESHOLD: u32 = 2;
const WAIT: i64 = 2;
const LEASE: i64 = 2;
const HORIZON: i64 = 6;

/// A rule that is left out on purpose, to see that the exploration notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Defect {
    None,
    /// A prober that died keeps the probe for ever.
    NoLease,
    /// Whoever called as a prober may settle, even after another took the probe over.
    NoOwner,
    /// Everybody may take the probe after the wait.
    ManyProbes,
    /// Failures are counted whatever became of the breaker meanwhile.
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
}

fn owner(at: usize) -> Option<String> {
    Some(at.to_string())
}

fn claim(item: &Breaker, at: usize, now: i64, defect: Defect) -> Option<Breaker> {
    let waited = item.phase == Phase::Open && item.next_probe_ms <= now;
    let left = item.phase == Phase::HalfOpen && item.probe_until_ms < now && defect != Defect::NoLease;
    let anyway = item.phase == Phase::HalfOpen && defect == Defect::ManyProbes;
    (waited || left || anyway).then(|| Breaker {
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

/// What must hold in every world; what does not is named.
fn check(world: &World, defect: Defect) -> Result<(), &'static str> {
    let live = |process: &&Process| matches!(process, Process::Probing { until, .. } if *until >= world.now);
    if world.processes.iter().filter(live).count() > 1 {
        return Err("two probes in flight");
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

fn successors(world: &World, defect: Defect) -> Result<Vec<World>, &'static str> {
    let mut next = Vec::new();
    let with = |at: usize, item: &Breaker, process: Process| {
        let mut world = World { item: item.clone(), ..world.clone() };
        world.processes[at] = process;
        world
    };
    if world.now < HORIZON {
        next.push(World { now: world.now + 1, ..world.clone() });
    }
    for (at, process) in world.processes.iter().enumerate() {
        let item = &world.item;
        match process {
            Process::Idle => next.push(with(at, item, Process::Read(item.clone()))),
            Process::Read(seen) => match seen.admit(world.now) {
                Admission::Allow => next.push(with(at, item, Process::Calling { epoch: seen.epoch })),
                Admission::Refuse { .. } if defect != Defect::ManyProbes || seen.phase == Phase::Open => {
                    next.push(with(at, item, Process::Idle));
                }
                Admission::Refuse { .. } | Admission::Probe => match claim(item, at, world.now, defect) {
                    Some(claimed) => {
                        let probing = Process::Probing { epoch: claimed.epoch, until: world.now + LEASE };
                        next.push(with(at, &claimed, probing));
                        // A crash right after the write: the lease is taken and nobody probes.
                        next.push(with(at, &claimed, Process::Idle));
                    }
                    None => next.push(with(at, item, Process::Idle)),
                },
            },
            Process::Calling { epoch } => {
                next.push(with(at, item, Process::Idle));
                if let Some(counted) = count(item, *epoch, defect) {
                    if item.phase != Phase::Closed {
                        return Err("counted after it had opened");
                    }
                    let crossed = counted.failures >= THRESHOLD;
                    let then = if crossed { Process::Tripping { epoch: *epoch } } else { Process::Idle };
                    next.push(with(at, &counted, then));
                }
            }
            Process::Tripping { epoch } => {
                // A crash here leaves the count at the threshold, and the next failure opens.
                next.push(with(at, item, Process::Idle));
                if let Some(open) = trip(item, *epoch, world.now) {
                    next.push(with(at, &open, Process::Idle));
                }
            }
            Process::Probing { epoch, until: _ } => {
                next.push(with(at, item, Process::Idle));
                for ok in [true, false] {
                    if let Some(settled) = settle(item, at, *epoch, ok, world.now, defect) {
                        if item.probe_owner != owner(at) {
                            return Err("settled by somebody who had lost the probe");
                        }
                        next.push(with(at, &settled, Process::Idle));
                    }
                }
            }
        }
    }
    Ok(next)
}

/// Explores every world that can be reached; gives their number, or what was found broken.
fn explore(defect: Defect) -> Result<usize, &'static str> {
    let idle = [const { Process::Idle }; WORKERS];
    let first = World { item: Breaker::default(), now: 0, processes: idle };
    // Epochs only grow; beyond these many changes of phase nothing new can happen.
    let next = |world: &World| if world.item.epoch > 5 { Ok(vec![]) } else { successors(world, defect) };
    exploration::explore(first, |world| check(world, defect), next)
}

#[test]
fn in_every_interleaving_there_is_one_probe_and_nothing_is_stranded() {
    let worlds = explore(Defect::None).expect("no property is broken");
    assert!(worlds > 10_000, "the exploration is too small to mean anything: {worlds}");
}

#[test]
fn the_exploration_notices_every_rule_that_is_left_out() {
    for (defect, wanted) in [
        (Defect::NoLease, "stranded"),
        (Defect::NoOwner, "settled by somebody who had lost the probe"),
        (Defect::ManyProbes, "two probes in flight"),
        (Defect::NoEpoch, "counted after it had opened"),
    ] {
        assert_eq!(explore(defect), Err(wanted), "{defect:?}");
    }
}
