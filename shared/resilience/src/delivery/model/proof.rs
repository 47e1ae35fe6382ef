//! The bounds of the exploration, and the rules that are left out on purpose to see that it notices.

use super::*;
use crate::model_checker::{explore_to_the_end, long};

/// Explores every reachable world; returns their number, or the rule that was broken.
fn explore(rules: &Rules, workers: usize) -> Result<usize, &'static str> {
    let item = Item { state: NotificationState::Queued, provider: 0, left: 0, lookups: 0 };
    // The process that recorded it died before the message was sent.
    let first = World { item, messages: 0, workers: vec![Worker::Idle; workers], astray: vec![], taken: vec![] };
    let next = |world: &World| {
        let mut steps = Vec::new();
        around(world, rules, &mut steps);
        for at in 0..world.workers.len() {
            match world.workers[at] {
                Worker::Idle if world.messages > 0 => receive(world, at, rules, &mut steps)?,
                Worker::Idle => {}
                Worker::Sending { .. } => send(world, at, rules, &mut steps)?,
                Worker::LookingUp { .. } => look_up(world, at, rules, &mut steps)?,
            }
        }
        let sorted = |step| match step {
            Transition::Progress(world) => Transition::Progress(World::sorted(world)),
            Transition::Fault(world) => Transition::Fault(World::sorted(world)),
        };
        Ok(steps.into_iter().map(sorted).collect())
    };
    explore_to_the_end(first, |world| check(world, rules), next, World::ended)
}

const TWO: &[&str] = &["two mails"];
const NEVER: &[&str] = &["accepted work is never done"];
const OVERWRITTEN: &[&str] = &["a final state was overwritten", "recorded by a zombie"];
const ONE: &[DeliveryLookup] = &[DeliveryLookup::Supported];
const NEXT: &[DeliveryLookup] = &[DeliveryLookup::Supported, DeliveryLookup::Supported];
const MIXED: &[DeliveryLookup] = &[DeliveryLookup::Supported, DeliveryLookup::Unsupported];
const SILENT: &[DeliveryLookup] = &[DeliveryLookup::Unsupported];
const EVENTS: &[DeliveryLookup] = &[DeliveryLookup::EventsOnly];
const LISTS: [&[DeliveryLookup]; 5] = [ONE, NEXT, MIXED, SILENT, EVENTS];

/// A list of providers, a promise, the rule that is left out or changed, and what must be noticed then.
type Mutation = (&'static [DeliveryLookup], Guarantee, fn(&mut Rules), &'static [&'static str]);

const MUTATIONS: [Mutation; 13] = [
    // It is sent again at once, or looked up too soon, or once only.
    (ONE, Guarantee::AtLeastOnce, |rules| rules.after_unknown = |_, _| AfterUnknown::Resend, TWO),
    (ONE, Guarantee::AtLeastOnce, |rules| rules.settling = -1, TWO),
    (SILENT, Guarantee::AtMostOnce, |rules| rules.after_unknown = |_, _| AfterUnknown::Resend, TWO),
    (EVENTS, Guarantee::AtMostOnce, |rules| rules.after_lookup = |_, _, _, _| AfterLookup::Resend, TWO),
    // A failed lookup counts as "there is no such mail", and so does one that found the mail.
    (
        ONE,
        Guarantee::AtMostOnce,
        |rules| {
            rules.after_lookup = |result, number, long, guarantee| match result {
                LookupResult::Failed => after_lookup(LookupResult::NotFound, number, long, guarantee),
                other => after_lookup(other, number, long, guarantee),
            };
        },
        TWO,
    ),
    (ONE, Guarantee::AtMostOnce, |rules| rules.after_lookup = |_, _, _, _| AfterLookup::Resend, TWO),
    // The next provider is called while the first may have sent, or the item does not name the one that was called.
    (NEXT, Guarantee::AtMostOnce, |rules| rules.next_only_when_not_sent = false, TWO),
    (NEXT, Guarantee::AtMostOnce, |rules| rules.names_provider_first = false, TWO),
    // An end, or another's work, is overwritten.
    (ONE, Guarantee::AtLeastOnce, |rules| rules.fence = Condition::read("attribute_exists(pk)"), OVERWRITTEN),
    (
        ONE,
        Guarantee::AtLeastOnce,
        |rules| rules.record_lookup = Condition::read("#asked = :asked"),
        &["a final state was overwritten"],
    ),
    // An unknown outcome is never resolved.
    (
        ONE,
        Guarantee::AtMostOnce,
        |rules| rules.after_lookup = |_, _, _, _| AfterLookup::LookUpAgain { counts: false },
        NEVER,
    ),
    (ONE, Guarantee::AtMostOnce, |rules| rules.sweeps = false, NEVER),
    (
        ONE,
        Guarantee::AtMostOnce,
        |rules| rules.claim = Condition::read("attribute_not_exists(pk)"),
        &["what waits cannot be claimed"],
    ),
];

#[test]
fn every_interleaving_sends_one_mail_and_resolves_every_unknown() {
    let most = if long() { 3 } else { 2 };
    let mut states = 0;
    for workers in 2..=most {
        for providers in LISTS {
            for guarantee in [Guarantee::AtMostOnce, Guarantee::AtLeastOnce] {
                let worlds = explore(&Rules::of(providers, guarantee), workers);
                let worlds = worlds.unwrap_or_else(|broken| panic!("{providers:?} {guarantee:?}: {broken}"));
                assert!(worlds > 50, "the exploration is too small to mean anything: {worlds}");
                states += worlds;
            }
        }
    }
    let mut caught = 0;
    for (at, (providers, guarantee, mutate, wanted)) in MUTATIONS.into_iter().enumerate() {
        let mut rules = Rules::of(providers, guarantee);
        mutate(&mut rules);
        let Err(found) = explore(&rules, 2) else { panic!("mutation {at} of {providers:?} goes unnoticed") };
        assert!(wanted.contains(&found), "mutation {at} of {providers:?}: {found}");
        caught += 1;
    }
    println!("model: name=delivery states={states} mutations_caught={caught}/{}", MUTATIONS.len());
}
