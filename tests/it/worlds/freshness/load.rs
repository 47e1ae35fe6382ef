//! The load: eighteen connections whose changes come in bursts, mostly in business hours, for sixty days.
//!
//! Two kinds of changes. **Sessions**: a recruiter works through a few candidates in office hours; their number is
//! geometric, the time between two of them exponential. **Singles**: applications that come one by one, by day, less in
//! the evening, some at weekends. Days differ: some are twice as busy as others. Each connection has its own rate, time
//! zone, beginning of the day and size of sessions; every seed draws all of them anew.

use jiff::{SignedDuration, Timestamp, tz::Offset};

pub(super) const DAYS: u32 = 60;
const DAY: i64 = 86_400;
/// Monday, 5 January 2026.
const MONDAY: i64 = 1_767_571_200;
/// Changes a day, in the first half of the time and in the second: one connection is nearly silent, one becomes busy.
pub(super) const RATES: [(f64, f64); 18] = [
    (0.1, 0.1),
    (1.0, 1.0),
    (1.5, 1.5),
    (2.0, 2.0),
    (3.0, 3.0),
    (4.0, 4.0),
    (5.0, 5.0),
    (6.0, 6.0),
    (8.0, 8.0),
    (10.0, 10.0),
    (12.0, 12.0),
    (14.0, 14.0),
    (17.0, 17.0),
    (20.0, 20.0),
    (25.0, 25.0),
    (30.0, 30.0),
    (40.0, 40.0),
    (3.0, 24.0),
];
/// The time zones of the organisations, in minutes from UTC.
const ZONES: [i32; 6] = [-480, -300, 0, 60, 330, 600];
/// Sessions and singles by hour of a working day.
const OFFICE: [f64; 24] = [
    0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.05, 0.3, 0.8, 1.2, 1.3, 1.1, 0.6, 0.9, 1.2, 1.2, 1.1, 0.7, 0.3, 0.1, 0.1, 0.05,
    0.0, 0.0,
];
const PUBLIC: [f64; 24] = [
    0.05, 0.0, 0.0, 0.0, 0.0, 0.0, 0.1, 0.4, 0.7, 0.9, 1.0, 1.0, 1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.5, 0.4, 0.5, 0.4, 0.2,
    0.1,
];
/// A weekend's part of a working day.
const OFFICE_AT_WEEKENDS: f64 = 0.04;
const PUBLIC_AT_WEEKENDS: f64 = 0.3;

/// The parameters of a load, which say how bursty it is.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) name: &'static str,
    /// The part of the changes that come in sessions.
    sessions: f64,
    /// Changes in a session, on average.
    size: f64,
    /// Seconds between two of them, on average.
    gap: f64,
    /// The variation of days: the deviation of the logarithm of their rates.
    days: f64,
}

/// The load on which the planner is judged.
pub(super) const BURSTY: Shape =
    Shape { name: "sessions of 8 changes in 45 min", sessions: 0.7, size: 8.0, gap: 360.0, days: 0.6 };
/// A calmer load, which is not judged.
pub(super) const CALMER: Shape = Shape {
    name: "calmer: sessions of 5 in 20 min, two fifths singles",
    sessions: 0.6,
    size: 5.0,
    gap: 300.0,
    days: 0.5,
};
pub(super) const WILDER: Shape = Shape {
    name: "wilder: sessions of 12 in an hour, one fifth singles",
    sessions: 0.8,
    size: 12.0,
    gap: 300.0,
    days: 0.6,
};

/// One connection and everything that will change there. Times are whole seconds since 1970 UTC.
pub(super) struct Connection {
    pub(super) begin: i64,
    pub(super) end: i64,
    /// When things change, in order.
    pub(super) changes: Vec<i64>,
    /// The time zone of its organisation.
    pub(super) zone: Offset,
    /// The time zone that a rule may assume: of every second organisation it is unknown, and UTC is taken.
    pub(super) believed: Offset,
    /// Where in its first interval it is polled first.
    pub(super) phase: f64,
}

/// All connections of a seed.
pub(super) fn load(seed: u64, shape: &Shape) -> Vec<Connection> {
    let mut chance = Chance::new(seed);
    // A seed begins on any day of the week.
    let weekday = i64::try_from(seed % 7).unwrap_or(0);
    let begin = MONDAY + weekday * DAY;
    let one = |(index, rates): (usize, &(f64, f64))| connection(&mut chance, shape, begin, index, *rates);
    RATES.iter().enumerate().map(one).collect()
}

fn connection(chance: &mut Chance, shape: &Shape, begin: i64, index: usize, rates: (f64, f64)) -> Connection {
    let end = begin + i64::from(DAYS) * DAY;
    let zone = chance.of(&ZONES).and_then(|minutes| Offset::from_seconds(minutes * 60).ok()).unwrap_or(Offset::UTC);
    let early = (2.0 * chance.unit() - 1.0) * 3600.0;
    let own = (chance.normal() * 0.15).exp();
    let size = shape.size * (0.6 + 0.8 * chance.unit());
    let mut changes = Vec::new();
    for day in 0..i64::from(DAYS) + 2 {
        let weekend = (begin / DAY - MONDAY / DAY + day).rem_euclid(7) >= 5;
        let busy = (chance.normal() * shape.days - shape.days * shape.days / 2.0).exp();
        let rate = own * busy * if day < i64::from(DAYS) / 2 { rates.0 } else { rates.1 };
        let midnight = begin + day * DAY - i64::from(zone.seconds());
        let office = (shape.sessions * rate / size, &OFFICE, OFFICE_AT_WEEKENDS, size);
        let public = ((1.0 - shape.sessions) * rate, &PUBLIC, PUBLIC_AT_WEEKENDS, 1.0);
        for (each_day, hours, at_weekends, size) in [office, public] {
            let week = hours.iter().sum::<f64>() * (5.0 + 2.0 * at_weekends) / 7.0;
            for (hour, weight) in (0_i64..).zip(hours) {
                let expected = each_day * weight * if weekend { at_weekends } else { 1.0 } / week;
                let mut at = chance.exponential(1.0) / expected.max(1e-12);
                while at < 1.0 {
                    let mut second = at * 3600.0 + early;
                    changes.push(midnight + hour * 3600 + whole(second));
                    for _ in 0..chance.geometric(size) {
                        second += chance.exponential(shape.gap);
                        changes.push(midnight + hour * 3600 + whole(second));
                    }
                    at += chance.exponential(1.0) / expected.max(1e-12);
                }
            }
        }
    }
    changes.retain(|at| (begin..end).contains(at));
    changes.sort_unstable();
    let believed = if index.is_multiple_of(2) { zone } else { Offset::UTC };
    Connection { begin, end, changes, zone, believed, phase: chance.unit() }
}

/// The description of a load: changes a day and connection, the part of them on working days from 8 to 18, and the
/// variation of the counts of hours against that of an even rate.
pub(super) fn describe(connections: &[Connection]) -> (f64, f64, f64) {
    let all: usize = connections.iter().map(|connection| connection.changes.len()).sum();
    let (mut office, mut squares, mut means) = (0_usize, 0.0, 0.0);
    for connection in connections {
        let local = |at: &i64| connection.zone.to_datetime(time(*at));
        let in_office =
            |at: &&i64| (8..18).contains(&local(at).hour()) && local(at).weekday().to_monday_zero_offset() < 5;
        office += connection.changes.iter().filter(in_office).count();
        let mut hours = vec![0.0; usize::try_from(DAYS * 24).unwrap_or(0)];
        for at in &connection.changes {
            if let Some(hour) =
                usize::try_from((at - connection.begin) / 3600).ok().and_then(|hour| hours.get_mut(hour))
            {
                *hour += 1.0;
            }
        }
        let mean = hours.iter().sum::<f64>() / float(DAYS * 24);
        squares += hours.iter().map(|hour| (hour - mean) * (hour - mean)).sum::<f64>() / float(DAYS * 24);
        means += mean;
    }
    let all = count(all);
    (all / count(connections.len()) / float(DAYS), count(office) / all, squares / means)
}

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}

/// Seconds without their fraction.
pub(super) fn whole(seconds: f64) -> i64 {
    SignedDuration::try_from_secs_f64(seconds).map_or(0, |duration| duration.as_secs())
}

pub(super) fn count(number: usize) -> f64 {
    float(u32::try_from(number).unwrap_or(u32::MAX))
}

pub(super) fn float(number: u32) -> f64 {
    f64::from(number)
}

/// Chance that a seed repeats (SplitMix64).
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number that is evenly distributed in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        float(u32::try_from(self.draw() >> 32).unwrap_or(0)) / (float(u32::MAX) + 1.0)
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// A nearly normal number: the sum of twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }

    /// The number that follow the first one, when there are `mean` in all on average.
    fn geometric(&mut self, mean: f64) -> u32 {
        let mut more = 0;
        while more < 60 && self.unit() > 1.0 / mean.max(1.0) {
            more += 1;
        }
        more
    }

    fn of<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let length = u64::try_from(list.len()).unwrap_or(u64::MAX).max(1);
        list.get(usize::try_from(self.draw() % length).unwrap_or(0))
    }
}
