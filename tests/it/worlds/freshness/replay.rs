//! A replay: one policy polls what changes, and sees of it what a poller sees.

use super::load::{Chance, Connection, DAYS, count, float, whole};

/// The interval of the scheduler, in seconds, for every policy.
const TICK: i64 = 60;

/// The result of a poll: everything that changed since the one before.
pub(super) struct Seen<'a> {
    /// When the poll before began; none at the first.
    pub(super) from: Option<i64>,
    /// When this one began.
    pub(super) now: i64,
    /// The number of changes.
    pub(super) changed: usize,
    /// When, where the provider says so.
    pub(super) times: Option<&'a [i64]>,
}

/// A policy for one connection: what it has seen, and what follows.
pub(super) trait Poller {
    /// Seconds to the next poll, counted from the beginning of this one.
    fn next(&mut self, seen: &Seen<'_>, jitter: f64) -> f64;
}

/// The cost and the delays of a policy. Delays are minutes from a change to the beginning of the next poll.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcome {
    /// Polls a day and connection.
    pub(super) calls: f64,
    /// Polls a day of the connection that is polled most.
    pub(super) most: f64,
    pub(super) mean: f64,
    pub(super) p95: f64,
    /// The same for the quiet connections alone: their few changes hardly count among all.
    pub(super) quiet_p95: f64,
    /// The longest time between two polls, in minutes.
    pub(super) longest: f64,
}

/// The number of quiet connections: the first ones, up to 5 changes a day.
const QUIET: usize = 7;

/// Replays a load. The first poll of each connection is anywhere in its first interval.
pub(super) fn replay(
    connections: &[Connection],
    seed: u64,
    contract: f64,
    reports_times: bool,
    policy: &dyn Fn(&Connection) -> Box<dyn Poller>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let (mut delays, mut quiet) = (Vec::new(), 0);
    let mut chance = Chance::new(seed ^ 0x00c0_ffee);
    for (index, connection) in connections.iter().enumerate() {
        let mut poller = policy(connection);
        let mut from = None;
        let mut now = tick(connection.begin + whole(connection.phase * contract));
        let (mut calls, mut known) = (0_usize, 0);
        let mut rest = connection.changes.as_slice();
        while now < connection.end {
            calls += 1;
            let (changes, later) = rest.split_at(rest.partition_point(|at| *at < now));
            delays.extend(changes.iter().map(|at| now - at));
            rest = later;
            known += changes.len();
            let times = reports_times.then_some(changes);
            let interval = poller.next(&Seen { from, now, changed: changes.len(), times }, chance.unit());
            let next = tick(now + whole(interval.max(1.0)));
            outcome.longest = outcome.longest.max(minutes(next - now));
            from = Some(now);
            now = next;
        }
        // The others are seen by the poll that comes after the end.
        delays.extend(rest.iter().map(|at| now - at));
        known += rest.len();
        let calls = count(calls) / float(DAYS);
        outcome.calls += calls / count(connections.len());
        outcome.most = outcome.most.max(calls);
        if index < QUIET {
            quiet += known;
        }
    }
    outcome.quiet_p95 = percentile95(delays.get(..quiet).unwrap_or(&[]));
    outcome.p95 = percentile95(&delays);
    outcome.mean = delays.iter().map(|delay| minutes(*delay)).sum::<f64>() / count(delays.len()).max(1.0);
    outcome
}

fn tick(at: i64) -> i64 {
    at + (-at).rem_euclid(TICK)
}

fn minutes(seconds: i64) -> f64 {
    float(u32::try_from(seconds).unwrap_or(0)) / 60.0
}

fn percentile95(delays: &[i64]) -> f64 {
    let mut sorted = delays.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() * 95 / 100).map_or(0.0, |delay| minutes(*delay))
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;

    struct Every(f64);

    impl Poller for Every {
        fn next(&mut self, _: &Seen<'_>, _: f64) -> f64 {
            self.0
        }
    }

    #[test]
    fn a_delay_is_measured_from_the_change_to_the_next_poll() {
        let end = i64::from(DAYS) * 86_400;
        let changes = vec![1, 3_599, 3_600, end - 60];
        let connection = Connection { begin: 0, end, changes, zone: Offset::UTC, believed: Offset::UTC, phase: 0.0 };
        let outcome = replay(&[connection], 1, 3_600.0, false, &|_| Box::new(Every(3_600.0)));
        // Polls at 0:00, 1:00 and so on: 3,599 s, 1 s, an hour for what comes with a poll, and a minute.
        assert!((outcome.mean - (3_599.0 + 1.0 + 3_600.0 + 60.0) / 4.0 / 60.0).abs() < 1e-9, "{outcome:?}");
        assert!((outcome.calls - 24.0).abs() < 1e-9 && (outcome.p95 - 60.0).abs() < 1e-9, "{outcome:?}");
    }

    #[test]
    fn polls_happen_when_the_scheduler_looks() {
        assert_eq!([tick(0), tick(1), tick(60), tick(61)], [0, 60, 60, 120]);
    }
}
