//! An exhaustive exploration of the delivery of one notification: every interleaving of workers, their messages, the sweep, a
//! provider and the next one in the list; replies that are lost, requests that arrive after their sender has given up, a crash
//! before and after every write and every call, events that come at any time and again, and providers that show what they
//! took only later. The decisions are the functions of the product, the conditions are the texts that the table gets.

use super::*;
use crate::condition::Condition;
use crate::model_checker::Transition;
use crate::work::{CLAIM_WAITING, FENCE};

/// Enough mails to see that there are too many.
const MANY: usize = 2;
/// Messages in the queue: a busy worker has one more.
const MESSAGES: usize = 1;
/// The ticks after which a provider's lookup finds an accepted mail.
const LAG: i8 = 1;

/// The rules that hold the guarantee; a mutation leaves out or changes one of these.
#[derive(Clone, Debug)]
struct Rules {
    providers: &'static [DeliveryLookup],
    guarantee: Guarantee,
    lease: i8,
    /// The delay before an unknown mail is looked up.
    settling: i8,
    claim: Condition,
    fence: Condition,
    mark_unknown: Condition,
    record_lookup: Condition,
    after_unknown: fn(DeliveryLookup, Guarantee) -> AfterUnknown,
    after_lookup: fn(LookupResult, u32, Duration, Guarantee) -> AfterLookup,
    /// The next provider is called only after the one before it certainly sent nothing.
    next_only_when_not_sent: bool,
    /// The item names the provider before it is called.
    names_provider_first: bool,
    /// A worker that cannot record its end leaves its message.
    keeps_message_unrecorded: bool,
    /// Overdue work gets a message.
    sweeps: bool,
}

impl Rules {
    fn of(providers: &'static [DeliveryLookup], guarantee: Guarantee) -> Self {
        Self {
            providers,
            guarantee,
            lease: 1,
            settling: 1 + LAG + 1,
            claim: Condition::read(CLAIM_WAITING),
            fence: Condition::read(FENCE),
            mark_unknown: Condition::read(MARK_UNKNOWN),
            record_lookup: Condition::read(RECORD_LOOKUP),
            after_unknown,
            after_lookup,
            next_only_when_not_sent: true,
            names_provider_first: true,
            keeps_message_unrecorded: true,
            sweeps: true,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Item {
    state: NotificationState,
    provider: usize,
    /// The time left of the lease, or until the next lookup; it has passed when this is negative.
    left: i8,
    lookups: u32,
}

/// A worker's knowledge of its attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Attempt {
    /// It has not called yet.
    Ready,
    /// Its request is on the way.
    Calling,
    /// The provider accepted the mail, and its reply is on the way.
    Taken,
    /// The final knowledge of the provider.
    Sent,
    NotSent,
    Lost,
}

/// `named`: the item still has the token that this worker has, or has read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum Worker {
    Idle,
    Sending { named: bool, left: i8, provider: usize, attempt: Attempt },
    LookingUp { named: bool, provider: usize, number: u32, result: Option<u8> },
}

const RESULTS: [LookupResult; 4] =
    [LookupResult::Found, LookupResult::NotFound, LookupResult::Unavailable, LookupResult::Failed];

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct World {
    item: Item,
    messages: usize,
    /// Sorted: workers are alike.
    workers: Vec<Worker>,
    /// Requests whose sender has given up or died: provider, and time left to arrive.
    astray: Vec<(usize, i8)>,
    /// The accepted mails: the provider of each, and its age, as far as that matters.
    taken: Vec<(usize, i8)>,
}

impl World {
    fn holds(&self, condition: &Condition, named: bool, lookups: u32) -> bool {
        let number = |state: NotificationState| {
            i64::from(
                u8::try_from(NotificationState::ALL.iter().position(|s| *s == state).expect("a state")).expect("small"),
            )
        };
        condition.holds(&|name| match name {
            "pk" => Some(0),
            "#state" => Some(number(self.item.state)),
            ":ready" => Some(number(NotificationState::Queued)),
            ":held" | ":sending" => Some(number(NotificationState::Sending)),
            ":unknown" => Some(number(NotificationState::Unknown)),
            "#owner" => Some(1),
            ":owner" => Some(i64::from(named)),
            "#lease_until" => (self.item.state == NotificationState::Sending).then_some(i64::from(self.item.left)),
            ":now" => Some(0),
            "#asked" => Some(i64::from(self.item.lookups)),
            ":asked" => Some(i64::from(lookups)),
            other => panic!("nothing is known of {other}"),
        })
    }

    fn ended(&self) -> bool {
        status(self.item.state, None, None, 0) == DeliveryStatus::Settled
    }

    fn with(&self, at: usize, worker: Worker) -> Self {
        let mut world = self.clone();
        world.workers[at] = worker;
        world
    }

    /// The worker is idle again and its message is back in the queue, or gone.
    fn idle(&self, at: usize, message: bool) -> Self {
        let mut world = self.with(at, Worker::Idle);
        world.messages = (world.messages + usize::from(message)).min(MESSAGES);
        world
    }

    fn becomes(&self, state: NotificationState, left: i8, lookups: u32) -> Self {
        Self { item: Item { state, left, lookups, ..self.item }, ..self.clone() }
    }

    fn takes(&self, provider: usize) -> Self {
        let mut world = self.clone();
        if world.taken.len() < MANY {
            world.taken.push((provider, 0));
        }
        world
    }

    fn sorted(mut self) -> Self {
        self.workers.sort();
        self.astray.sort();
        self.taken.sort();
        self
    }

    /// The world after an unknown outcome is recorded, and whether the message is needed any more.
    fn marked_unknown(&self, rules: &Rules) -> (Self, bool) {
        match (rules.after_unknown)(rules.providers[self.item.provider], rules.guarantee) {
            AfterUnknown::LookUp => (self.becomes(NotificationState::Unknown, rules.settling, 0), true),
            AfterUnknown::Resend => (self.becomes(NotificationState::Queued, 0, 0), true),
            AfterUnknown::Review => (self.becomes(NotificationState::NeedsReview, 0, 0), false),
        }
    }
}

fn check(world: &World, rules: &Rules) -> Result<(), &'static str> {
    let once =
        rules.guarantee == Guarantee::AtMostOnce || rules.providers.iter().all(|p| *p == DeliveryLookup::Supported);
    if once && world.taken.len() > 1 {
        return Err("two mails");
    }
    if world.item.state == NotificationState::Accepted && world.taken.is_empty() {
        return Err("accepted, and no provider took it");
    }
    let supported = rules.providers.iter().all(|provider| *provider == DeliveryLookup::Supported);
    if world.item.state == NotificationState::NeedsReview && supported {
        return Err("a person has to look although the provider has a lookup");
    }
    let sends = |worker: &&Worker| matches!(worker, Worker::Sending { left: 0.., .. });
    if world.workers.iter().filter(sends).count() > 1 {
        return Err("two leases at once");
    }
    Ok(())
}

/// Time, the sweep, requests that went astray, and events.
fn around(world: &World, rules: &Rules, next: &mut Vec<Transition<World>>) {
    let mut later = world.clone();
    later.item.left = (later.item.left - 1).max(-1);
    for worker in &mut later.workers {
        if let Worker::Sending { left, .. } = worker {
            *left = (*left - 1).max(-1);
        }
    }
    for (_, age) in &mut later.taken {
        *age = (*age + 1).min(LAG);
    }
    for (_, left) in &mut later.astray {
        *left -= 1;
    }
    later.astray.retain(|(_, left)| *left >= 0);
    next.push(Transition::Progress(later));
    let waits = match world.item.state {
        NotificationState::Queued => true,
        NotificationState::Unknown => world.item.left < 0,
        _ => false,
    };
    if waits && rules.sweeps && world.messages < MESSAGES {
        next.push(Transition::Progress(World { messages: world.messages + 1, ..world.clone() }));
    }
    for at in 0..world.astray.len() {
        let mut arrived = world.clone();
        let (provider, _) = arrived.astray.remove(at);
        next.push(Transition::Fault(arrived.takes(provider)));
        next.push(Transition::Fault(arrived));
    }
    // An event may come late, more than once, or never.
    let reported = world.taken.iter().any(|(provider, _)| rules.providers[*provider] != DeliveryLookup::Unsupported);
    if reported && let Some(state) = after_event(world.item.state, MailEventKind::Accepted) {
        next.push(Transition::Fault(world.becomes(state, 0, 0)));
    }
}

/// The steps of an idle worker with a message.
fn receive(world: &World, at: usize, rules: &Rules, next: &mut Vec<Transition<World>>) -> Result<(), &'static str> {
    let taken = World { messages: world.messages - 1, ..world.clone() };
    if world.holds(&rules.claim, false, 0) {
        if world.ended() {
            return Err("a final state was overwritten");
        }
        let mut claimed = world.becomes(NotificationState::Sending, rules.lease, 0);
        claimed.item.provider = 0;
        for worker in &mut claimed.workers {
            if let Worker::Sending { named, .. } | Worker::LookingUp { named, .. } = worker {
                *named = false;
            }
        }
        next.push(Transition::Fault(claimed.clone()));
        claimed.messages -= 1;
        let worker = Worker::Sending { named: true, left: rules.lease, provider: 0, attempt: Attempt::Ready };
        next.push(Transition::Progress(claimed.with(at, worker)));
        return Ok(());
    }
    let left = Some(i64::from(world.item.left));
    match status(world.item.state, left, left, 0) {
        DeliveryStatus::Queued => return Err("what waits cannot be claimed"),
        // Whatever a worker believes of another's lease, the condition decides.
        DeliveryStatus::Leased(_) | DeliveryStatus::LeaseExpired => {
            if world.holds(&rules.mark_unknown, true, 0) {
                let (unknown, message) = world.marked_unknown(rules);
                // A crash after the write: the message comes again.
                next.push(Transition::Fault(unknown.clone()));
                next.push(Transition::Progress(World {
                    messages: unknown.messages - usize::from(!message),
                    ..unknown
                }));
            }
        }
        DeliveryStatus::Unknown(wait) if !wait.is_zero() => {}
        DeliveryStatus::Unknown(_) => {
            let Item { provider, lookups: number, .. } = world.item;
            next.push(Transition::Progress(
                taken.with(at, Worker::LookingUp { named: true, provider, number, result: None }),
            ));
        }
        DeliveryStatus::Settled => next.push(Transition::Progress(taken)),
    }
    Ok(())
}

/// The next steps of a worker that holds the notification.
fn send(world: &World, at: usize, rules: &Rules, next: &mut Vec<Transition<World>>) -> Result<(), &'static str> {
    let Worker::Sending { named, left, provider, attempt } = world.workers[at] else { return Ok(()) };
    let knows = |world: &World, attempt| world.with(at, Worker::Sending { named, left, provider, attempt });
    let astray = |mut world: World| {
        // One more would change nothing: two that arrive are two mails.
        if world.astray.len() < MANY {
            world.astray.push((provider, left));
        }
        world
    };
    match attempt {
        Attempt::Calling if left >= 0 => next.push(Transition::Fault(astray(world.idle(at, true)))),
        _ => next.push(Transition::Fault(world.idle(at, true))),
    }
    let may_write = |condition: &Condition| -> Result<bool, &'static str> {
        match world.holds(condition, named, 0) {
            false => Ok(false),
            true if world.ended() => Err("a final state was overwritten"),
            true if !named => Err("recorded by a zombie"),
            true => Ok(true),
        }
    };
    match attempt {
        // A process is gone when its lease has passed: it can only find that it may not record.
        Attempt::Ready if left < 0 => next.push(Transition::Progress(world.idle(at, rules.keeps_message_unrecorded))),
        Attempt::Ready => next.push(Transition::Progress(knows(world, Attempt::Calling))),
        // The call had to end before the lease.
        Attempt::Calling if left < 0 => next.push(Transition::Progress(knows(world, Attempt::Lost))),
        Attempt::Calling => {
            next.push(Transition::Progress(knows(&world.takes(provider), Attempt::Taken)));
            next.push(Transition::Fault(knows(world, Attempt::NotSent)));
            next.push(Transition::Fault(astray(knows(world, Attempt::Lost))));
        }
        Attempt::Taken => {
            next.push(Transition::Progress(knows(world, Attempt::Sent)));
            next.push(Transition::Fault(knows(world, Attempt::Lost)));
        }
        Attempt::Sent | Attempt::NotSent | Attempt::Lost if !may_write(&rules.fence)? => {
            next.push(Transition::Progress(world.idle(at, rules.keeps_message_unrecorded)));
        }
        Attempt::Sent => {
            let ended = world.becomes(NotificationState::Accepted, 0, 0);
            next.push(Transition::Fault(ended.idle(at, true)));
            next.push(Transition::Progress(ended.idle(at, false)));
        }
        Attempt::NotSent | Attempt::Lost => {
            let another = provider + 1 < rules.providers.len() && left >= 0;
            if another && (attempt == Attempt::NotSent || !rules.next_only_when_not_sent) {
                let mut switched = world.clone();
                if rules.names_provider_first {
                    switched.item.provider = provider + 1;
                }
                next.push(Transition::Fault(switched.idle(at, true)));
                let worker = Worker::Sending { named, left, provider: provider + 1, attempt: Attempt::Ready };
                next.push(Transition::Progress(switched.with(at, worker)));
            } else if attempt == Attempt::NotSent {
                next.push(Transition::Progress(world.becomes(NotificationState::Queued, 0, 0).idle(at, true)));
            } else {
                let (unknown, message) = world.marked_unknown(rules);
                next.push(Transition::Fault(unknown.idle(at, true)));
                next.push(Transition::Progress(unknown.idle(at, message)));
            }
        }
    }
    Ok(())
}

/// The next steps of a worker that looks a mail up.
fn look_up(world: &World, at: usize, rules: &Rules, next: &mut Vec<Transition<World>>) -> Result<(), &'static str> {
    let Worker::LookingUp { named, provider, number, result } = world.workers[at] else { return Ok(()) };
    next.push(Transition::Fault(world.idle(at, true)));
    let Some(result) = result else {
        let visible = world.taken.contains(&(provider, LAG));
        let (usual, other) = match (rules.providers[provider], visible) {
            (DeliveryLookup::Supported, true) => (0, 3),
            (DeliveryLookup::Supported, false) => (1, 3),
            (DeliveryLookup::EventsOnly | DeliveryLookup::Unsupported, _) => (2, 2),
        };
        let found = |result| world.with(at, Worker::LookingUp { named, provider, number, result: Some(result) });
        next.push(Transition::Progress(found(usual)));
        next.push(Transition::Fault(found(other)));
        return Ok(());
    };
    if !world.holds(&rules.record_lookup, named, number) {
        next.push(Transition::Progress(world.idle(at, true)));
        return Ok(());
    }
    if world.ended() {
        return Err("a final state was overwritten");
    }
    let (recorded, message) =
        match (rules.after_lookup)(RESULTS[usize::from(result)], number, Duration::ZERO, rules.guarantee) {
            AfterLookup::Resolve => (world.becomes(NotificationState::Accepted, 0, 0), false),
            AfterLookup::LookUpAgain { counts } => {
                (world.becomes(NotificationState::Unknown, rules.settling, number + u32::from(counts)), true)
            }
            AfterLookup::Resend => (world.becomes(NotificationState::Queued, 0, 0), true),
            AfterLookup::Review => (world.becomes(NotificationState::NeedsReview, 0, 0), false),
        };
    next.push(Transition::Fault(recorded.idle(at, true)));
    next.push(Transition::Progress(recorded.idle(at, message)));
    Ok(())
}

mod proof;
