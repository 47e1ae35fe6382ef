//! A bounded, exhaustive model checker for the models in the tests of this crate.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// A step of a model.
#[derive(Debug, Clone)]
pub(crate) enum Transition<W> {
    /// A step that happens by itself, sooner or later.
    Progress(W),
    /// A step that may happen and need not: a crash, a lost reply, a client that repeats a request.
    Fault(W),
}

/// Visits every reachable world from the first one. `check` names a rule that a world breaks; `next` returns the worlds
/// that may follow, none where the bound of the exploration is reached, or the rule that a step broke.
///
/// # Errors
/// The first thing that was found broken.
pub(crate) fn explore<W: Clone + Eq + Hash>(
    first: W,
    check: impl Fn(&W) -> Result<(), &'static str>,
    next: impl Fn(&W) -> Result<Vec<W>, &'static str>,
) -> Result<usize, &'static str> {
    let next = |world: &W| Ok(next(world)?.into_iter().map(Transition::Progress).collect());
    explore_to_the_end(first, check, next, |_| true)
}

/// The same, and besides: from every world that can be reached, faults included, a world that is `done` can be reached without
/// a further fault. The model must be finite by itself: a bound would cut off the way to the end.
///
/// # Errors
/// The first thing that was found broken.
pub(crate) fn explore_to_the_end<W: Clone + Eq + Hash>(
    first: W,
    check: impl Fn(&W) -> Result<(), &'static str>,
    next: impl Fn(&W) -> Result<Vec<Transition<W>>, &'static str>,
    done: impl Fn(&W) -> bool,
) -> Result<usize, &'static str> {
    let mut seen = HashMap::from([(first.clone(), 0)]);
    let mut queue = VecDeque::from([(first, 0)]);
    // For each world those from which progress leads to it, and whether the end can be reached from it.
    let mut before: Vec<Vec<usize>> = vec![vec![]];
    let mut ends = vec![false];
    while let Some((world, at)) = queue.pop_front() {
        check(&world)?;
        let ended = done(&world);
        if let Some(end) = ends.get_mut(at) {
            *end = ended;
        }
        for step in next(&world)? {
            let (following, progress) = match step {
                Transition::Progress(following) => (following, true),
                Transition::Fault(following) => (following, false),
            };
            let fresh = seen.len();
            let found = *seen.entry(following.clone()).or_insert(fresh);
            if found == fresh {
                queue.push_back((following, found));
                before.push(vec![]);
                ends.push(false);
            }
            if progress
                && !ended
                && let Some(before) = before.get_mut(found)
            {
                before.push(at);
            }
        }
    }
    let mut open: Vec<usize> = ends.iter().enumerate().filter(|(_, end)| **end).map(|(at, _)| at).collect();
    while let Some(at) = open.pop() {
        for &earlier in before.get(at).into_iter().flatten() {
            if let Some(end) = ends.get_mut(earlier).filter(|end| !**end) {
                *end = true;
                open.push(earlier);
            }
        }
    }
    if ends.iter().all(|end| *end) { Ok(seen.len()) } else { Err("accepted work is never done") }
}

/// Whether the long form of a proof is requested.
pub(crate) fn long() -> bool {
    std::env::var_os("PROVE_LONG").is_some()
}
