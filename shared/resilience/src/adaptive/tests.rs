use jiff::tz::TimeZone;

use super::*;

/// Monday, 5 January 2026, 00:00 UTC.
const MONDAY: &str = "2026-01-05T00:00:00Z";
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn hourly() -> Policy {
    Policy::new(HOUR)
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// A connection after some weeks in which something changed every quarter of an hour on working days from 9 to 17, and that
/// was polled twice an hour.
fn learned(policy: &Policy, weeks: i32) -> (Rate, Timestamp) {
    let mut rate = Rate::default();
    let mut now = at(MONDAY);
    rate.learn(policy, now, now, 4_000);
    let end = now + 24 * 7 * weeks * HOUR;
    while now < end {
        let from = now;
        now += 30 * MINUTE;
        let local = from.to_zoned(TimeZone::UTC);
        let working = (9..17).contains(&local.hour()) && local.weekday().to_monday_zero_offset() < 5;
        rate.learn(policy, from, now, if working { 2 } else { 0 });
    }
    (rate, now)
}

fn planned(rate: &Rate, now: Timestamp, policy: &Policy) -> (i64, String) {
    let plan = rate.plan(now, policy, 0.5);
    assert_eq!(plan.interval, plan.at.duration_since(now));
    (plan.interval.as_mins(), plan.reason)
}

#[test]
fn busy_hours_are_learned() {
    let policy = hourly();
    let (mut rate, midnight) = learned(&policy, 3);
    let idle = |rate: &mut Rate, until: Timestamp| {
        let last = rate.polled_at.expect("a poll");
        rate.learn(&policy, last, until, 0);
    };
    idle(&mut rate, midnight + 3 * HOUR);
    let night = planned(&rate, midnight + 3 * HOUR, &policy);
    assert_eq!(night, (59, "quiet, at most every 60 min".to_owned()));
    idle(&mut rate, midnight + 10 * HOUR);
    let morning = planned(&rate, midnight + 10 * HOUR, &policy);
    assert!((10..25).contains(&morning.0) && morning.1 == "busy hours", "{morning:?}");
    let per_day = rate.per_day(&policy);
    assert!((12.0..30.0).contains(&per_day), "32 changes on five days of seven: {per_day}");
}

#[test]
fn a_burst_shortens_the_interval_and_passes() {
    let policy = hourly();
    let (mut rate, now) = learned(&policy, 3);
    let saturday = now + 5 * 24 * HOUR + 11 * HOUR;
    rate.learn(&policy, now, saturday, 0);
    let quiet = planned(&rate, saturday, &policy).0;
    let mut busy = rate.clone();
    busy.learn(&policy, saturday, saturday + 30 * MINUTE, 6);
    let burst = planned(&busy, saturday + 30 * MINUTE, &policy).0;
    assert!(burst < 40 && quiet == 59, "{burst} {quiet}");
    busy.learn(&policy, saturday + 30 * MINUTE, saturday + 6 * HOUR, 0);
    assert!(planned(&busy, saturday + 6 * HOUR, &policy).0 > 55);
}

#[test]
fn what_was_there_before_and_an_import_are_no_rate() {
    let policy = hourly();
    let mut rate = Rate::default();
    let now = at(MONDAY);
    rate.learn(&policy, now - HOUR, now, 80_000);
    assert!((rate.per_day(&policy) - 5.0).abs() < 1e-9, "the first poll reads what there is");
    assert_eq!(planned(&rate, now, &policy).1, "new, its busy hours are being learned");
    let (mut rate, now) = learned(&policy, 2);
    let before = rate.per_day(&policy);
    rate.learn(&policy, now, now + HOUR, 80_000);
    assert!(rate.per_day(&policy) < before + 50.0 / 4.0);
}

#[test]
fn a_long_run_does_not_stretch_the_contract() {
    let policy = hourly();
    let (mut rate, now) = learned(&policy, 1);
    let night = now + HOUR;
    rate.learn(&policy, now, night, 0);
    let after = |minutes: i32| {
        let plan = rate.plan(night + minutes * MINUTE, &policy, 0.0);
        plan.at.duration_since(night).as_mins()
    };
    assert_eq!(
        [after(0), after(20), after(58)],
        [60, 60, 63],
        "counted from the beginning, after a pause at the least"
    );
    assert_eq!(after(90), 150, "a poll that is not on record does not shorten the interval");
}

#[test]
fn working_webhooks_are_reconciled_and_silence_is_noticed() {
    let policy = hourly();
    let (mut rate, now) = learned(&policy, 3);
    rate.record_webhooks(&policy, now, 1);
    assert_eq!(rate.feed(), Feed::Webhooks);
    // From Sunday at midnight nothing is expected until the morning.
    let plan = rate.plan(now, &policy, 0.0);
    let said = format!("webhooks work; checked at {} UTC unless one comes", plan.at.strftime("%H:%M"));
    assert_eq!(plan.reason, said);
    let alarm = plan.at.duration_since(now);
    assert!((8 * HOUR..11 * HOUR).contains(&alarm), "{alarm}");
    assert!(!rate.wants_poll(now + 3 * HOUR, &policy) && rate.wants_poll(plan.at, &policy));

    let mut punctual = rate.clone();
    punctual.record_webhooks(&policy, plan.at - MINUTE, 1);
    assert!(!punctual.wants_poll(plan.at, &policy), "a webhook came in time");
    assert!(punctual.plan(plan.at, &policy, 0.0).at > plan.at + 30 * MINUTE);

    let mut silent = rate.clone();
    assert_eq!(silent.plan(plan.at, &policy, 0.0).reason, "no webhook for longer than expected");
    silent.learn(&policy, now, plan.at, 0);
    assert_eq!(silent.feed(), Feed::Webhooks, "nothing happened, and no webhook came");
    let next = silent.plan(plan.at, &policy, 0.0);
    assert!(next.at > plan.at + 30 * MINUTE, "an alarm that found nothing begins anew: {next:?}");
    rate.learn(&policy, now, plan.at, 3);
    assert_eq!(rate.feed(), Feed::Suspect);
    let polled = rate.plan(plan.at, &policy, 0.5);
    assert!(polled.interval <= HOUR, "{polled:?}");
    assert_eq!(polled.reason, "no webhook for longer than expected, so it is polled");
    rate.record_webhooks(&policy, plan.at + MINUTE, 1);
    assert_eq!(rate.feed(), Feed::Webhooks);
}

#[test]
fn a_quiet_connection_with_webhooks_is_checked_twice_a_day() {
    let policy = Policy { prior_per_day: 0.1, ..hourly() };
    let mut rate = Rate::default();
    let now = at(MONDAY);
    rate.learn(&policy, now, now, 10);
    rate.record_webhooks(&policy, now, 1);
    let plan = rate.plan(now, &policy, 0.0);
    assert_eq!((plan.interval, plan.reason.as_str()), (12 * HOUR, "webhooks work; checked every 12 h"));
    assert!(rate.wants_poll(now + 12 * HOUR, &policy));
    // A found change proves nothing while silence is no wonder: not all kinds of records have webhooks.
    rate.learn(&policy, now, now + 12 * HOUR, 1);
    assert_eq!(rate.feed(), Feed::Webhooks);
}
