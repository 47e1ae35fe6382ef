//! The hours of the week in which changes come: 24 hours of working days and 24 of weekends, in UTC.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

use super::{bounded, finite};

const HOURS: usize = 48;
const HOUR: i64 = 3600;
/// The time constant of evidence, in hours: the week has a rhythm, and a season changes it.
const KEEP_HOURS: f64 = 24.0 * 30.0;
/// Evidence is made to fade in steps of hours, so that what is stored can be short.
const FADE_STEP: f64 = 6.0;
/// The number of expected changes at which half of an hour's evidence is believed.
const PRIOR: f64 = 1.0;
/// The weight of an hour's evidence for the hour before and the hour after.
const NEIGHBOUR: f64 = 0.5;
/// No hour is quieter than this part of the mean.
const QUIETEST: f64 = 0.03;
/// The days of a week that each of the 48 hours stands for.
const WORKING_DAYS: f64 = 5.0;
const WEEKEND_DAYS: f64 = 2.0;

/// Changes, and hours watched, by hour of the week; both fade.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    c: Hours,
    e: Hours,
    /// Hours watched since the evidence was last made to fade.
    #[serde(deserialize_with = "finite")]
    fresh: f64,
}

impl Profile {
    /// The frequency of changes in each hour, against the mean of a week; one in all until something is known.
    pub(super) fn weights(&self) -> Hours {
        let watched = self.e.sum();
        let mean = if watched > 0.0 { self.c.sum() / watched } else { 0.0 };
        let blurred = |of: &Hours, hour: usize| {
            let day = hour - hour % 24;
            of.at(hour) + NEIGHBOUR * (of.at(day + (hour + 23) % 24) + of.at(day + (hour + 1) % 24))
        };
        let mut weights = Hours::default();
        let mut week = 0.0;
        for (hour, weight) in weights.0.iter_mut().enumerate() {
            let weighed = (blurred(&self.c, hour) + PRIOR) / (blurred(&self.e, hour) * mean + PRIOR);
            *weight = weighed.max(QUIETEST);
            week += *weight * if hour < 24 { WORKING_DAYS } else { WEEKEND_DAYS };
        }
        let average = week / (24.0 * (WORKING_DAYS + WEEKEND_DAYS));
        for weight in &mut weights.0 {
            *weight /= average;
        }
        weights
    }

    /// Learns from `changes` in a stretch of time. They count as spread as expected.
    pub(super) fn learn(&mut self, from: Timestamp, to: Timestamp, changes: f64, weights: &Hours) {
        let (ordinary, watched) = walk(from, to).fold((0.0, 0.0), |(ordinary, watched), part| {
            (ordinary + part.ordinary_hours(weights), watched + part.hours)
        });
        self.fresh = bounded(self.fresh) + watched;
        if self.fresh >= FADE_STEP {
            let fade = (-self.fresh / KEEP_HOURS).exp();
            for number in self.c.0.iter_mut().chain(&mut self.e.0) {
                *number = bounded(*number) * fade;
            }
            self.fresh = 0.0;
        }
        for part in walk(from, to) {
            self.e.add(part.hour, part.hours);
            if ordinary > 0.0 {
                self.c.add(part.hour, changes * part.ordinary_hours(weights) / ordinary);
            }
        }
        self.fresh = short(self.fresh);
        for number in self.c.0.iter_mut().chain(&mut self.e.0) {
            *number = short(*number);
        }
    }
}

/// Three decimals are enough, and a stored number is paid for by its digits.
fn short(number: f64) -> f64 {
    (bounded(number) * 1e3).round() / 1e3
}

/// A number for each hour. Stored as a list; what is missing in it is zero.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hours([f64; HOURS]);

impl Default for Hours {
    fn default() -> Self {
        Self([0.0; HOURS])
    }
}

impl Hours {
    pub(super) fn at(&self, hour: usize) -> f64 {
        self.0.get(hour).copied().map_or(0.0, bounded)
    }

    fn add(&mut self, hour: usize, number: f64) {
        if let Some(at) = self.0.get_mut(hour) {
            *at = bounded(*at + number);
        }
    }

    fn sum(&self) -> f64 {
        self.0.iter().copied().map(bounded).sum()
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> de::Visitor<'de> for List {
            type Value = Hours;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of numbers")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Hours, A::Error> {
                let mut hours = Hours::default();
                let mut places = hours.0.iter_mut();
                while let Some(number) = list.next_element::<f64>()? {
                    if let Some(place) = places.next() {
                        *place = bounded(number);
                    }
                }
                Ok(hours)
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// A stretch of time within one hour of the clock.
pub(super) struct Part {
    /// The index among the 48 hours.
    pub(super) hour: usize,
    /// The length in hours.
    pub(super) hours: f64,
}

impl Part {
    /// As long as it would be if all hours were alike.
    pub(super) fn ordinary_hours(&self, weights: &Hours) -> f64 {
        self.hours * weights.at(self.hour)
    }
}

/// The index among the 48 hours of a time in seconds since 1970 UTC.
pub(super) fn hour_of(second: i64) -> usize {
    let day = second.div_euclid(24 * HOUR);
    let hour = usize::try_from(second.rem_euclid(24 * HOUR) / HOUR).unwrap_or(0);
    // 1 January 1970 was a Thursday.
    let weekend = (day + 3).rem_euclid(7) >= 5;
    if weekend { 24 + hour } else { hour }
}

/// Cuts a stretch of time at the full hours of the clock.
pub(super) fn walk(from: Timestamp, to: Timestamp) -> impl Iterator<Item = Part> {
    let mut at = from;
    std::iter::from_fn(move || {
        if at >= to {
            return None;
        }
        let second = at.as_second();
        let next = second.saturating_add(HOUR - second.rem_euclid(HOUR));
        let end = Timestamp::from_second(next).map_or(to, |next| next.min(to));
        let part = Part { hour: hour_of(second), hours: end.duration_since(at).as_secs_f64() / 3600.0 };
        at = end;
        Some(part)
    })
}
