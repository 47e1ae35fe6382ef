//! An exhaustive exploration of leased work: every interleaving of two and three workers, their messages, the sweep and two
//! requests with one key; a crash before and after every write and every effect; workers that outlive their lease; time that
//! passes at any moment. The worlds are finite, because leases are counted by the time that is left and owners by whether the
//! item names them. The conditions are the texts that the table gets.

use super::*;
use crate::condition::Condition;
use crate::model_checker::{Transition, explore_to_the_end, long};

/// Enough copies of an effect, and of a message, to see that there are too many.
const MANY: u8 = 2;

/// The guarantee of the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Recorded before its message; may be taken over.
    TakeOver,
    /// The claim records it; may be taken over.
    First,
}

/// The rules that hold the guarantee; a mutation leaves out or changes one of these.
#[derive(Clone, Debug)]
struct Rules {
    mode: Mode,
    claim: Condition,
    complete: Condition,
    release: Condition,
    /// A refused claim leaves its message in the queue while a worker holds the work.
    keeps_message_of_busy: bool,
    /// A worker that could not record its end leaves its message.
    keeps_message_unrecorded: bool,
    /// A lease has its effect once.
    one_effect_in_a_lease: bool,
    /// Overdue work gets a message.
    sweeps: bool,
    /// A request finds its own record only.
    compares_requests: bool,
}

impl Rules {
    fn of(mode: Mode) -> Self {
        let claim = match mode {
            Mode::TakeOver => CLAIM_RECORDED,
            Mode::First => CLAIM_FIRST,
        };
        Self {
            mode,
            claim: Condition::read(claim),
            complete: Condition::read(FENCE),
            release: Condition::read(FENCE),
            keeps_message_of_busy: true,
            keeps_message_unrecorded: true,
            one_effect_in_a_lease: true,
            sweeps: true,
            compares_requests: true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Item {
    Absent,
    Ready,
    /// The time left of the lease; it has passed when this is negative.
    Held(i8),
    Final,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Worker {
    Idle,
    /// It has a lease, with or without its effect; `named`: the item still names it as the owner.
    Holding {
        named: bool,
        left: i8,
        effects: u8,
    },
}

/// Two requests with one key, each with a payload of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Request {
    Waiting,
    Accepted,
    Refused,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    item: Item,
    payload: Option<usize>,
    requests: [Request; 2],
    /// Messages in the queue, hidden ones included; each busy worker has one more.
    messages: u8,
    /// Sorted: workers are alike.
    workers: Vec<Worker>,
}

impl World {
    fn holds(&self, condition: &Condition, named: bool) -> bool {
        condition.holds(&|name| match (name, self.item) {
            (":ready", _) => Some(0),
            (":held", _) => Some(1),
            (":now", _) => Some(0),
            (":owner", _) => Some(i64::from(named)),
            (_, Item::Absent) => None,
            ("pk", _) => Some(0),
            // The owner stays in the item for ever.
            ("#owner", _) => Some(1),
            ("#state", Item::Ready) => Some(0),
            ("#state", Item::Held(_)) => Some(1),
            ("#state", Item::Final) => Some(2),
            ("#lease_until", Item::Held(left)) => Some(i64::from(left)),
            ("#lease_until", _) => None,
            (other, _) => panic!("nothing is known of {other}"),
        })
    }

    fn ended(&self) -> bool {
        self.item == Item::Final
    }

    /// The same with another worker; `message`: it leaves its message in the queue.
    fn with(&self, at: usize, worker: Worker, message: bool) -> Self {
        let mut world = self.clone();
        world.workers[at] = worker;
        world.messages = (world.messages + u8::from(message)).min(MANY);
        world
    }

    fn sorted(mut self) -> Self {
        self.workers.sort();
        self
    }
}

fn check(world: &World) -> Result<(), &'static str> {
    let holding = world.workers.iter().filter_map(|worker| match worker {
        Worker::Idle => None,
        Worker::Holding { named: _, left, effects } => Some((*left, *effects)),
    });
    if holding.clone().filter(|(left, _)| *left >= 0).count() > 1 {
        return Err("two leases at once");
    }
    if holding.clone().any(|(_, effects)| effects > 1) {
        return Err("two effects in one lease");
    }
    let another = |(at, request): (usize, &Request)| *request == Request::Accepted && world.payload != Some(at);
    if world.requests.iter().enumerate().any(another) {
        return Err("another payload was accepted");
    }
    Ok(())
}

/// Time, requests and the sweep.
fn around(world: &World, rules: &Rules, next: &mut Vec<Transition<World>>) {
    let mut later = world.clone();
    if let Item::Held(left) = &mut later.item {
        *left = (*left - 1).max(-1);
    }
    for worker in &mut later.workers {
        if let Worker::Holding { left, .. } = worker {
            *left = (*left - 1).max(-1);
        }
    }
    next.push(Transition::Progress(later));
    if world.item == Item::Ready && rules.sweeps {
        next.push(Transition::Progress(World { messages: (world.messages + 1).min(MANY), ..world.clone() }));
    }
    let hashes = ["one", "two"];
    for at in 0..world.requests.len() {
        if world.requests[at] != Request::Waiting {
            continue;
        }
        let mut answered = world.clone();
        if world.item == Item::Absent {
            answered.item = Item::Ready;
            answered.payload = Some(at);
            // A crash between the record and its message.
            next.push(Transition::Fault(answered.clone()));
        }
        let recorded = answered.payload.map(|payload| hashes[payload]);
        if same_request(recorded, hashes[at]) || !rules.compares_requests {
            answered.messages = (answered.messages + u8::from(answered.item == Item::Ready)).min(MANY);
            answered.requests[at] = Request::Accepted;
        } else {
            answered.requests[at] = Request::Refused;
        }
        // A client need not send a request, and need not repeat it.
        next.push(Transition::Fault(answered));
    }
}

/// The steps of an idle worker with a message.
fn receive(
    world: &World,
    at: usize,
    rules: &Rules,
    lease: i8,
    next: &mut Vec<Transition<World>>,
) -> Result<(), &'static str> {
    let done = World { messages: world.messages - 1, ..world.clone() };
    if world.holds(&rules.claim, false) {
        if world.ended() {
            return Err("a final state was overwritten");
        }
        let mut claimed = World { item: Item::Held(lease), ..world.clone() };
        for worker in &mut claimed.workers {
            if let Worker::Holding { named, .. } = worker {
                *named = false;
            }
        }
        // A crash right after the claim: its message comes again.
        next.push(Transition::Fault(claimed.clone()));
        claimed.messages -= 1;
        next.push(Transition::Progress(claimed.with(
            at,
            Worker::Holding { named: true, left: lease, effects: 0 },
            false,
        )));
    } else if world.ended() || !rules.keeps_message_of_busy {
        next.push(Transition::Progress(done));
    }
    Ok(())
}

fn steps(world: &World, rules: &Rules, lease: i8) -> Result<Vec<Transition<World>>, &'static str> {
    let mut next = Vec::new();
    around(world, rules, &mut next);
    for (at, worker) in world.workers.iter().enumerate() {
        let Worker::Holding { named, left, effects } = *worker else {
            if world.messages > 0 {
                receive(world, at, rules, lease, &mut next)?;
            }
            continue;
        };
        next.push(Transition::Fault(world.with(at, Worker::Idle, true)));
        if effects == 0 || !rules.one_effect_in_a_lease && effects < MANY {
            // Even a worker that outlived its lease may still have its effect: nothing can stop it.
            next.push(Transition::Progress(world.with(
                at,
                Worker::Holding { named, left, effects: effects + 1 },
                false,
            )));
        }
        let may_write = |condition: &Condition| -> Result<bool, &'static str> {
            if !world.holds(condition, named) {
                return Ok(false);
            }
            match world.item {
                Item::Final => Err("a final state was overwritten"),
                _ if !named => Err("recorded by a zombie"),
                _ if left < 0 => Err("recorded after the lease"),
                _ => Ok(true),
            }
        };
        if effects > 0 {
            if may_write(&rules.complete)? {
                let ended = World { item: Item::Final, ..world.with(at, Worker::Idle, false) };
                // A crash after the write, before the message is deleted.
                next.push(Transition::Fault(World { messages: (ended.messages + 1).min(MANY), ..ended.clone() }));
                next.push(Transition::Progress(ended));
            } else {
                next.push(Transition::Progress(world.with(at, Worker::Idle, rules.keeps_message_unrecorded)));
            }
        }
        if effects == 0 && may_write(&rules.release)? {
            let item = if rules.mode == Mode::First { Item::Held(-1) } else { Item::Ready };
            next.push(Transition::Progress(World { item, ..world.with(at, Worker::Idle, true) }));
        }
    }
    Ok(next)
}

/// Explores every reachable world; returns their number, or the rule that was broken.
fn explore(rules: &Rules, workers: usize, lease: i8) -> Result<usize, &'static str> {
    let (request, messages) = match rules.mode {
        Mode::TakeOver => (Request::Waiting, 0),
        // The sender makes a request to a receiver, which sends the message, twice.
        Mode::First => (Request::Refused, 2),
    };
    let workers = vec![Worker::Idle; workers];
    let first = World { item: Item::Absent, payload: None, requests: [request; 2], messages, workers };
    let next = |world: &World| {
        let sorted = |step| match step {
            Transition::Progress(world) => Transition::Progress(World::sorted(world)),
            Transition::Fault(world) => Transition::Fault(World::sorted(world)),
        };
        Ok(steps(world, rules, lease)?.into_iter().map(sorted).collect())
    };
    let nothing_accepted = |world: &World| world.item == Item::Absent && rules.mode != Mode::First;
    explore_to_the_end(first, check, next, |world| world.ended() || nothing_accepted(world))
}

const OVERWRITTEN: &[&str] = &["a final state was overwritten", "recorded by a zombie", "recorded after the lease"];
const NEVER_DONE: &[&str] = &["accepted work is never done"];

/// A promise, the rule that is left out or changed, and what must be noticed then.
type Mutation = (Mode, fn(&mut Rules), &'static [&'static str]);

const MUTATIONS: [Mutation; 14] = [
    // The end, or the release, is written without a condition: a worker that outlived its lease disturbs another.
    (Mode::TakeOver, |rules| rules.complete = Condition::read("attribute_exists(pk)"), OVERWRITTEN),
    (Mode::TakeOver, |rules| rules.release = Condition::read("attribute_exists(pk)"), OVERWRITTEN),
    (Mode::First, |rules| rules.release = Condition::read("attribute_exists(pk)"), OVERWRITTEN),
    // The same with a part of the fence.
    (Mode::TakeOver, |rules| rules.complete = Condition::read("#state = :held AND #lease_until >= :now"), OVERWRITTEN),
    (Mode::TakeOver, |rules| rules.complete = Condition::read("#state = :held AND #owner = :owner"), OVERWRITTEN),
    // A passed lease is never noticed.
    (Mode::TakeOver, |rules| rules.claim = Condition::read(CLAIM_WAITING), NEVER_DONE),
    (Mode::First, |rules| rules.claim = Condition::read("attribute_not_exists(pk)"), NEVER_DONE),
    // The effect is repeated within a lease.
    (Mode::TakeOver, |rules| rules.one_effect_in_a_lease = false, &["two effects in one lease"]),
    // A holder, or an end, is not respected.
    (
        Mode::TakeOver,
        |rules| rules.claim = Condition::read("attribute_exists(pk) AND (#state = :ready OR #state = :held)"),
        &["two leases at once"],
    ),
    (
        Mode::TakeOver,
        |rules| rules.claim = Condition::read("attribute_exists(pk)"),
        &["a final state was overwritten", "two leases at once"],
    ),
    // The last message goes although the work is not done, or the first one never comes.
    (Mode::TakeOver, |rules| rules.keeps_message_of_busy = false, NEVER_DONE),
    (Mode::TakeOver, |rules| rules.keeps_message_unrecorded = false, NEVER_DONE),
    (Mode::TakeOver, |rules| rules.sweeps = false, NEVER_DONE),
    // A key that was used for another request counts as the same.
    (Mode::TakeOver, |rules| rules.compares_requests = false, &["another payload was accepted"]),
];

#[test]
fn every_interleaving_has_one_holder_and_finishes_the_work() {
    let sizes: &[(usize, i8)] = if long() { &[(2, 6), (3, 6), (4, 6), (5, 4), (6, 4)] } else { &[(2, 3), (3, 3)] };
    let mut states = 0;
    for &(workers, lease) in sizes {
        for mode in [Mode::TakeOver, Mode::First] {
            let worlds = explore(&Rules::of(mode), workers, lease).expect("no property is broken");
            assert!(worlds > 50, "the exploration of {mode:?} is too small to mean anything: {worlds}");
            states += worlds;
        }
    }
    let mut caught = 0;
    for (at, (mode, mutate, wanted)) in MUTATIONS.into_iter().enumerate() {
        let mut rules = Rules::of(mode);
        mutate(&mut rules);
        let Err(found) = explore(&rules, 2, 2) else { panic!("mutation {at} of {mode:?} goes unnoticed") };
        assert!(wanted.contains(&found), "mutation {at} of {mode:?}: {found}");
        caught += 1;
    }
    println!("model: name=work states={states} mutations_caught={caught}/{}", MUTATIONS.len());
}
