//! A bounded exhaustive exploration of the limit: two and three processes with memories of any age, every interleaving of
//! requests and writes, a crash before and after every write, clocks that differ by a step, and time that passes at any
//! moment. The writes below mirror the condition expressions beside the state; the steps are those of the product.

use super::*;
use crate::model_checker;

/// A rule that is left out on purpose, to see that the exploration notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Defect {
    None,
    /// A request is counted in any stored window.
    NoWindow,
    /// The count has no bound.
    NoBound,
    /// A window is begun unconditionally: also an older one, and one that was begun already.
    RollsBack,
    /// A new window does not carry over the count of the one before.
    Forgets,
    /// A window carries over the count that its process remembers, not the one with which the window before ended.
    NoCountInFence,
    /// A full window counts as full until the window after the next.
    DeniesForLong,
    /// A call is made although its denial is known.
    CallsAnyway,
}

/// The bounds of one exploration.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    processes: usize,
    limit: u32,
    window: i64,
    windows: i64,
    /// The largest offset of a clock.
    skew: i64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Memory {
    window: i64,
    count: u32,
    previous: u32,
}

/// A request whose write has not happened yet.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Request {
    /// The clock of its process at the request.
    clock: i64,
    /// The true time of the request.
    at: i64,
    /// The window that its process knew then, or learned from a refused write.
    known: Option<Memory>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct Process {
    known: Option<Memory>,
    request: Option<Request>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    item: Option<Window>,
    now: i64,
    processes: Vec<Process>,
    /// Admitted requests by the true time at which they were made.
    made: Vec<u8>,
    /// Admitted requests by the aligned window in which they were counted.
    counted: Vec<u8>,
}

fn memory_of(window: &Window) -> Memory {
    let Window { window, count, previous } = *window;
    Memory { window, count, previous }
}

fn window_of(memory: Option<Memory>) -> Option<Window> {
    memory.map(|Memory { window, count, previous }| Window { window, count, previous })
}

impl Bounds {
    fn policy(&self) -> Policy {
        Policy { limit: self.limit, window_ms: self.window }
    }

    fn step(&self, known: Option<Memory>, clock: i64, defect: Defect) -> Transition {
        let known = window_of(known);
        let step = self.policy().step(known.as_ref(), clock);
        match (defect, step, known) {
            (Defect::DeniesForLong, _, Some(known))
                if known.count >= self.limit && clock < known.window + 2 * self.window =>
            {
                Transition::Deny { until_ms: known.window + 2 * self.window }
            }
            (Defect::CallsAnyway, Transition::Deny { .. }, Some(known)) if clock < known.window + self.window => {
                Transition::Admit { window: known.window, allow: self.policy().allowance(&known, clock) }
            }
            (Defect::Forgets, Transition::Roll { seen, next }, _) => {
                Transition::Roll { seen, next: Window { previous: 0, ..next } }
            }
            (_, step, _) => step,
        }
    }
}

/// The item after a step's write; none when its condition does not hold.
fn write(item: Option<Window>, step: Transition, defect: Defect) -> Option<Window> {
    let (fits, next) = match (step, item) {
        (Transition::Deny { .. }, _) | (Transition::Admit { .. } | Transition::Roll { .. }, None) => return None,
        (Transition::Admit { window, allow }, Some(item)) => {
            let fits = (item.window == window || defect == Defect::NoWindow)
                && (item.count < allow || defect == Defect::NoBound);
            (fits, Window { count: item.count + 1, ..item })
        }
        (Transition::Roll { seen, next }, Some(item)) => {
            let fence = item.window == seen.window && (item.count == seen.count || defect == Defect::NoCountInFence);
            (fence || defect == Defect::RollsBack, next)
        }
        (Transition::Start { idle_ms, next }, item) => {
            (item.is_none_or(|item| item.window < idle_ms) || defect == Defect::RollsBack, next)
        }
    };
    fits.then_some(next)
}

/// The rules that must hold in every world; a broken one is named.
fn check(world: &World, bounds: &Bounds, defect: Defect) -> Result<(), &'static str> {
    if world.counted.iter().any(|count| u32::from(*count) > bounds.limit) {
        return Err("more than the limit in an aligned window");
    }
    let stretch = usize::try_from(bounds.window - bounds.skew).expect("a positive stretch");
    let most = 2 * bounds.limit - 1;
    if world.made.windows(stretch).any(|part| part.iter().map(|count| u32::from(*count)).sum::<u32>() > most) {
        return Err("more than the bound in a stretch of one window");
    }
    let Some(item) = world.item else { return Ok(()) };
    for clock in world.now..=world.now + bounds.skew {
        let truth = bounds.policy().step(Some(&item), clock);
        if let Transition::Deny { until_ms } = truth {
            let opens = !matches!(bounds.policy().step(Some(&item), until_ms), Transition::Deny { .. });
            if !opens || until_ms > clock.max(item.window) + 2 * bounds.window {
                return Err("stranded");
            }
        }
        for process in &world.processes {
            let step = bounds.step(process.known, clock, defect);
            let denied = matches!(step, Transition::Deny { .. });
            if denied && !matches!(truth, Transition::Deny { .. }) {
                return Err("denied although it fits");
            }
            if !denied && process.known == Some(memory_of(&item)) && write(Some(item), step, defect).is_none() {
                return Err("a call that could only be refused");
            }
        }
    }
    Ok(())
}

fn bump(counts: &mut [u8], at: i64) {
    *counts.get_mut(usize::try_from(at).expect("no time before the first")).expect("a time within the horizon") += 1;
}

fn successors(world: &World, bounds: &Bounds, defect: Defect) -> Result<Vec<World>, &'static str> {
    let mut next = Vec::new();
    let with = |at: usize, process: Process| {
        let mut world = world.clone();
        world.processes[at] = process;
        // Which process is which does not matter.
        world.processes.sort_unstable();
        world
    };
    if world.now + 1 < bounds.window * bounds.windows {
        let mut later = World { now: world.now + 1, ..world.clone() };
        // A call ends, one way or the other, within two windows.
        for process in &mut later.processes {
            process.request = process.request.filter(|request| request.at + 2 * bounds.window > later.now);
        }
        // What is too old for any stretch or window is forgotten, so that different pasts become one world.
        for (at, count) in later.made.iter_mut().enumerate() {
            *count = if i64::try_from(at).expect("small") + 2 * bounds.window < later.now { 0 } else { *count };
        }
        later.processes.sort_unstable();
        next.push(later);
    }
    for (at, process) in world.processes.iter().enumerate() {
        let Some(request) = process.request else {
            for clock in world.now..=world.now + bounds.skew {
                if !matches!(bounds.step(process.known, clock, defect), Transition::Deny { .. }) {
                    let request = Some(Request { clock, at: world.now, known: process.known });
                    next.push(with(at, Process { request, ..*process }));
                }
            }
            if process.known.is_some() {
                // A process ends and another one replaces it.
                next.push(with(at, Process { known: None, request: None }));
            }
            continue;
        };
        // A crash before the write.
        next.push(with(at, Process { known: None, request: None }));
        let step = bounds.step(request.known, request.clock, defect);
        match write(world.item, step, defect) {
            Some(item) => {
                let window = match step {
                    Transition::Admit { window, .. } => window,
                    Transition::Roll { next, .. } | Transition::Start { next, .. } => next.window,
                    Transition::Deny { .. } => return Err("a denial was written"),
                };
                let mut admitted = with(at, Process { known: Some(memory_of(&item)), request: None });
                admitted.item = Some(item);
                bump(&mut admitted.made, request.at);
                bump(&mut admitted.counted, window / bounds.window);
                let count = |window: i64| {
                    let at = usize::try_from(window / bounds.window).ok()?;
                    (window >= 0).then(|| admitted.counted.get(at).copied()).flatten()
                };
                let previous = count(window - bounds.window).unwrap_or(0);
                let truth = Window { window, count: 0, previous: previous.into() };
                let share = bounds.policy().allowance(&truth, request.clock);
                let before = u32::from(count(window).unwrap_or(0)) - 1;
                if before < bounds.limit && before >= share {
                    return Err("more than its share after the window before");
                }
                // A crash after the write, before the response.
                let mut crashed = admitted.clone();
                for process in &mut crashed.processes {
                    if process.known == Some(memory_of(&item)) && process.request.is_none() {
                        process.known = None;
                        break;
                    }
                }
                crashed.processes.sort_unstable();
                next.push(crashed);
                next.push(admitted);
            }
            None => {
                // Refused: the process learns the stored window, and decides again at the same reading of its clock.
                let known = world.item.as_ref().map(memory_of);
                let again = !matches!(bounds.step(known, request.clock, defect), Transition::Deny { .. });
                let request = again.then_some(Request { known, ..request });
                next.push(with(at, Process { known, request }));
            }
        }
    }
    Ok(next)
}

/// Explores every reachable world; returns their number, or the rule that was broken.
fn explore(bounds: &Bounds, defect: Defect) -> Result<usize, &'static str> {
    let ticks = usize::try_from(bounds.window * bounds.windows + bounds.skew).expect("a short horizon");
    let windows = usize::try_from(bounds.windows + 1).expect("a short horizon");
    let process = Process { known: None, request: None };
    let first = World {
        item: None,
        now: 0,
        processes: vec![process; bounds.processes],
        made: vec![0; ticks],
        counted: vec![0; windows],
    };
    model_checker::explore(first, |world| check(world, bounds, defect), |world| successors(world, bounds, defect))
}

const DEFECTS: [(Defect, &[&str]); 7] = [
    (Defect::NoWindow, &["more than the limit in an aligned window", "more than its share after the window before"]),
    (Defect::NoBound, &["more than the limit in an aligned window", "more than its share after the window before"]),
    (Defect::RollsBack, &["more than the limit in an aligned window", "more than its share after the window before"]),
    (Defect::Forgets, &["more than its share after the window before"]),
    (Defect::NoCountInFence, &["more than its share after the window before"]),
    (Defect::DeniesForLong, &["denied although it fits"]),
    (Defect::CallsAnyway, &["a call that could only be refused"]),
];

#[test]
fn every_interleaving_keeps_the_limit_and_mutations_are_caught() {
    let two = Bounds { processes: 2, limit: 2, window: 3, windows: 3, skew: 0 };
    let mut all =
        vec![two, Bounds { windows: 2, skew: 1, ..two }, Bounds { processes: 3, window: 2, windows: 2, ..two }];
    if std::env::var_os("PROVE_LONG").is_some() {
        all.push(Bounds { processes: 3, ..two });
        all.push(Bounds { processes: 3, windows: 2, skew: 1, ..two });
        all.push(Bounds { limit: 3, window: 4, ..two });
    }
    let mut states = 0;
    for bounds in &all {
        let worlds = explore(bounds, Defect::None);
        states += worlds.unwrap_or_else(|broken| panic!("{bounds:?}: {broken}"));
    }
    assert!(states > 10_000, "the exploration is too small to mean anything: {states}");
    let mut caught = 0;
    for (defect, wanted) in DEFECTS {
        let found = explore(&two, defect).err().unwrap_or_else(|| panic!("{defect:?} is not noticed"));
        assert!(wanted.contains(&found), "{defect:?}: {found}");
        caught += 1;
    }
    println!("model: name=limit states={states} mutations_caught={caught}/{}", DEFECTS.len());
}
