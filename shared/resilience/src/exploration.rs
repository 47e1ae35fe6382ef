//! A bounded exhaustive exploration, for the models in the tests of this crate.

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// Visits every world that can be reached from the first one. `check` says what is broken in a world; `next` gives the worlds
/// that may follow, none where the bound of the exploration is reached, or what was broken by a step.
///
/// # Errors
/// The first thing that was found broken.
pub(crate) fn explore<W: Clone + Eq + Hash>(
    first: W,
    check: impl Fn(&W) -> Result<(), &'static str>,
    next: impl Fn(&W) -> Result<Vec<W>, &'static str>,
) -> Result<usize, &'static str> {
    let mut seen = HashSet::from([first.clone()]);
    let mut queue = VecDeque::from([first]);
    while let Some(world) = queue.pop_front() {
        check(&world)?;
        for following in next(&world)? {
            if seen.insert(following.clone()) {
                queue.push_back(following);
            }
        }
    }
    Ok(seen.len())
}
