//! Properties for any input: random states, policies, histories and nonsense.

use serde_json::{Value, json};

use super::*;

struct Chance(u64);

impl Chance {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.draw() % u64::try_from(bound).expect("a bound")).expect("below the bound")
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.draw()).expect("64 bits") % list.len()].clone()
    }

    fn number(&mut self) -> f64 {
        let odd = [0.0, -1.0, 0.3, 1.0, 7.0, 1e5, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE];
        self.of(&odd)
    }

    fn duration(&mut self) -> SignedDuration {
        let odd = [-5, 0, 1, 59, 300, 1_800, 3_600, 86_400, 40 * 86_400, i64::MAX, i64::MIN];
        SignedDuration::from_secs(self.of(&odd))
    }

    fn policy(&mut self) -> Policy {
        let contract = SignedDuration::from_mins(self.of(&[30, 60, 60, 7, 1_440]));
        let policy = Policy::new(contract);
        if self.below(3) > 0 {
            return policy;
        }
        let (k_seconds, prior_per_day) = (self.number(), self.number());
        Policy {
            k_seconds,
            prior_per_day,
            keep: self.duration(),
            floor: self.duration(),
            reconcile: self.duration(),
            ..policy
        }
    }

    /// A time around now, sometimes long before or after.
    fn around(&mut self, now: Timestamp) -> Timestamp {
        match self.below(12) {
            0 => Timestamp::MIN,
            1 => Timestamp::MAX,
            2 => now,
            3 => now - SignedDuration::from_hours(self.below(5_000)),
            _ => now + SignedDuration::from_millis(self.below(7_200_000) - 3_600_000),
        }
    }

    fn step(&mut self, rate: &mut Rate, policy: &Policy, now: Timestamp) {
        let (from, to) = (self.around(now), if self.below(20) == 0 { self.around(now) } else { now });
        let changed = self.of(&[0, 0, 0, 1, 3, 40, 90_000, u64::MAX]);
        match self.below(10) {
            0 => rate.record_webhooks(policy, to, changed),
            _ => rate.learn(policy, from, to, changed),
        }
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Number(number) => vec![number.as_f64().expect("a number")],
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        Value::Object(map) => map.values().flat_map(numbers).collect(),
        Value::Null => panic!("not a finite number"),
        _ => vec![],
    }
}

/// Everything that a plan promises.
fn check(rate: &Rate, policy: &Policy, now: Timestamp, chance: &mut Chance) {
    let jitter = if chance.below(4) == 0 {
        chance.number()
    } else {
        f64::from(u16::try_from(chance.below(1_000)).expect("small")) / 1e3
    };
    let plan = rate.plan(now, policy, jitter);
    let context = format!("{jitter} {plan:?}\n{policy:?}\n{rate:?} at {now}");
    assert!(plan.at > now && plan.at.subsec_nanosecond() == 0, "later, in whole seconds: {context}");
    let per_day = rate.per_day(policy);
    assert!(per_day.is_finite() && per_day > 0.0, "{context}");
    if rate.feed() == Feed::Webhooks {
        assert!(plan.interval <= SignedDuration::from_hours(24), "{context}");
    } else {
        assert!(plan.at <= now.saturating_add(policy.contract).unwrap_or(Timestamp::MAX), "{context}");
    }
}

#[test]
fn plans_keep_the_contract_and_numbers_stay_sound() {
    let mut chance = Chance(1);
    for _ in 0..300 {
        let policy = chance.policy();
        let mut rate = Rate::default();
        let mut now = Timestamp::from_millisecond(1_767_000_000_123 + chance.below(600_000_000)).expect("a time");
        for _ in 0..40 {
            chance.step(&mut rate, &policy, now);
            let stored = serde_json::to_value(&rate).expect("it can be stored");
            assert!(numbers(&stored).iter().all(|number| (0.0..=MOST).contains(number)), "{stored}");
            let read: Rate = serde_json::from_value(stored).expect("it can be read");
            assert_eq!(read, rate, "what is stored is what is known");
            check(&rate, &policy, now, &mut chance);
            // Clocks stop, run, jump forward and back.
            let seconds = chance.of(&[0, 1, 60, 1_800, 1_800, 3_600, 90_000, -30, -7_200, -400_000]);
            now += SignedDuration::from_secs(seconds);
        }
    }
}

#[test]
fn whatever_is_stored_can_be_read_and_planned_with() {
    let mut chance = Chance(2);
    let (policy, now) = (Policy::new(SignedDuration::from_mins(60)), Timestamp::UNIX_EPOCH);
    let nonsense = json!({
        "a": -1e300, "b": 1e308, "recent": 1e308, "expected": -5, "failures": u32::MAX, "unknown": {"field": 1},
        "last_at": "9999-12-30T22:00:00Z", "polled_at": "-009999-01-02T02:00:00Z", "heard_at": null, "feed": "webhooks",
        "profile": {"c": [1e308, -3, 1], "e": vec![1e308; 60], "fresh": 1e308},
    });
    let Value::Object(fields) = &nonsense else { unreachable!() };
    for mask in 0_u32..1 << fields.len() {
        let chosen = fields.iter().enumerate().filter(|(place, _)| mask & (1 << place) != 0);
        let part: Value =
            chosen.map(|(_, (name, value))| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into();
        let mut rate: Rate = serde_json::from_value(part).expect("it can be read");
        check(&rate, &policy, now, &mut chance);
        rate.learn(&policy, now, now + SignedDuration::from_mins(60), 3);
        assert!(
            numbers(&serde_json::to_value(&rate).expect("it can be stored"))
                .iter()
                .all(|number| *number <= MOST || *number == f64::from(u32::MAX))
        );
    }
    assert_eq!(serde_json::from_value::<Rate>(json!({})).expect("it can be read"), Rate::default());
}

#[test]
fn it_is_stored_within_a_kilobyte_or_two() {
    let policy = Policy::new(SignedDuration::from_mins(30));
    let mut rate = Rate::default();
    let mut now = Timestamp::from_second(1_767_571_217).expect("a time");
    for round in 0..2_000_u64 {
        let from = now;
        now += SignedDuration::from_secs(1_783);
        rate.learn(&policy, from, now, round % 3);
    }
    let text = serde_json::to_string(&rate).expect("it can be stored");
    assert!(text.len() < 1_200, "{} bytes: {text}", text.len());
}

/// From states that came about by themselves: what shows more changes is not polled later, and what costs more not sooner.
#[test]
fn more_changes_mean_sooner_and_dearer_requests_later() {
    let mut chance = Chance(3);
    for round in 0..150 {
        let policy = Policy::new(SignedDuration::from_mins(chance.of(&[30, 60])));
        let mut rate = Rate::default();
        let mut now = Timestamp::from_second(1_767_571_200 + chance.below(600_000)).expect("a time");
        let daily = chance.below(40);
        for _ in 0..chance.below(600) {
            let from = now;
            now += SignedDuration::from_secs(600 + chance.below(3_000));
            let changed = u64::try_from(i64::from(chance.below(60) < daily) * chance.below(6)).expect("a number");
            rate.learn(&policy, from, now, changed);
        }
        let next = now + SignedDuration::from_mins(20);
        let mut last: Option<(SignedDuration, f64)> = None;
        for changed in [0, 1, 2, 3, 5, 8, 20, 50] {
            let mut after = rate.clone();
            after.learn(&policy, now, next, changed);
            let plan = after.plan(next, &policy, 0.5);
            let rate_per_day = after.per_day(&policy);
            if let Some((interval, per_day)) = last {
                let context = format!("round {round}: {changed} changes, {interval} before, {plan:?}");
                assert!(plan.interval <= interval && rate_per_day >= per_day, "{context}");
            }
            last = Some((plan.interval, rate_per_day));
        }
        let mut shorter = SignedDuration::ZERO;
        for k_seconds in [10.0, 100.0, 375.0, 1_000.0, 10_000.0] {
            let plan = rate.plan(now, &Policy { k_seconds, ..policy.clone() }, 0.5);
            assert!(plan.interval >= shorter, "round {round}: {plan:?}");
            shorter = plan.interval;
        }
    }
}
