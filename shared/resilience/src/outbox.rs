//! The outbox: accepted work whose message may be missing.
//!
//! A record that waits for a worker has the begin of its wait in a sparse index: the attributes are written with the
//! waiting state and removed by the claim, so the index holds waiting work only, at no extra call. A process that dies
//! between the record and its message leaves a record that waits for too long; maintenance sends its message again.
//!
//! Invariant: the message is sent before the time is pushed. A sweep that dies between the two sends twice, never not at
//! all; workers claim, so the second message finds nothing to do.

use jiff::{SignedDuration, Timestamp};

/// The partition of the index `waiting` that a waiting record is in.
pub const WAITING_SHARD: &str = "waiting_shard";
/// Since when it waits: whole seconds, because it is an index key and compared as text.
pub const WAITING_SINCE: &str = "waiting_since";

/// The number of partitions (`waiting#0`, `waiting#1`, …) of the index; maintenance reads each.
pub const WAITING_SHARDS: u8 = 4;

/// The time after which the message of a waiting record counts as missing. A message whose worker died before it
/// claimed comes back after the 180 s for which the queue hides it, and may then wait for a busy worker: only after
/// that is a second message better than patience. The delay of a retry does not count, because the time begins at its
/// end.
pub const OVERDUE: SignedDuration = SignedDuration::from_mins(5);

/// The push after a message was sent again. Guards: a record that was claimed or released meanwhile has its own time,
/// or none, which stays.
pub const PUSH_WAITING: &str = "#waiting_since = :seen";

/// The partition of a record: the sum of the characters of its id, which is the same for ever and spreads UUIDs evenly.
#[must_use]
pub fn shard_of(id: &str) -> u8 {
    id.bytes().fold(0_u8, u8::wrapping_add) % WAITING_SHARDS
}

/// Since when a record waits that its own message reaches after the given delay.
#[must_use]
pub fn waiting_since(now: Timestamp, delay: SignedDuration) -> Timestamp {
    whole_second(now.saturating_add(delay.max(SignedDuration::ZERO)).unwrap_or(now))
}

/// Records that wait since then, or longer, are overdue. A swept record waits from now on, so it is swept at most once in
/// this time, however often the sweep runs.
#[must_use]
pub fn overdue_since(now: Timestamp) -> Timestamp {
    whole_second(now.saturating_sub(OVERDUE).unwrap_or(Timestamp::MIN))
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millisecond).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_record_is_overdue_after_its_time_and_not_a_second_earlier() {
        let since = waiting_since(at(0), SignedDuration::ZERO);
        assert!(since <= overdue_since(at(0) + OVERDUE));
        assert!(since > overdue_since(at(0) + OVERDUE - SignedDuration::from_secs(1)));
    }

    #[test]
    fn the_delay_of_a_retry_does_not_count_as_waiting() {
        let delay = SignedDuration::from_mins(2);
        let since = waiting_since(at(0), delay);
        assert!(since > overdue_since(at(0) + OVERDUE));
        assert!(since <= overdue_since(at(0) + OVERDUE + delay));
    }

    #[test]
    fn a_swept_record_is_left_alone_for_the_same_time() {
        let swept = at(0) + OVERDUE + OVERDUE;
        let since = waiting_since(swept, SignedDuration::ZERO);
        assert!(since > overdue_since(swept + SignedDuration::from_secs(299)));
        assert!(since <= overdue_since(swept + OVERDUE));
    }

    #[test]
    fn times_are_texts_of_one_width_that_sort_as_times_do() {
        let texts: Vec<String> =
            [0, 999, 1_000, 60_001].iter().map(|ms| waiting_since(at(*ms), SignedDuration::ZERO).to_string()).collect();
        assert!(texts.is_sorted() && texts.iter().all(|text| text.len() == "2027-01-15T08:00:00Z".len()), "{texts:?}");
        assert_eq!(texts.first(), texts.get(1), "whole seconds");
        assert_eq!(waiting_since(at(0), SignedDuration::from_secs(-9)), at(0), "a wait never begins in the past");
    }

    #[test]
    fn the_partition_of_an_id_stays_and_ids_are_spread() {
        assert_eq!(shard_of("0190a1b2-0000-7000-8000-000000000000"), shard_of("0190a1b2-0000-7000-8000-000000000000"));
        let mut counts = [0_u32; 4];
        for n in 0_u64..4_000 {
            let id = format!("{:016x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            if let Some(count) = counts.get_mut(usize::from(shard_of(&id))) {
                *count += 1;
            }
        }
        assert_eq!(counts.iter().sum::<u32>(), 4_000);
        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
        assert!(shard_of("") < WAITING_SHARDS);
    }
}
