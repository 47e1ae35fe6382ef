//! A model of the service in this process: the same conditions, the same updates, one writer at a time.
//!
//! For proofs that make millions of writes. What it does not know of the service's grammar fails the proof that uses it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_dynamodb::types::AttributeValue;
use resilience::condition::Condition;

use super::request::{Key, Query, Write, Written};
use crate::table::item::Item;

#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    items: Arc<Mutex<BTreeMap<(String, String), Item>>>,
    writes: Arc<AtomicU64>,
}

/// A value as conditions and sort keys compare it; values of different types compare as neither.
#[derive(PartialEq)]
struct Comparable<'a>(&'a AttributeValue);

impl PartialOrd for Comparable<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match (self.0, other.0) {
            (AttributeValue::S(left), AttributeValue::S(right)) => left.partial_cmp(right),
            (AttributeValue::N(left), AttributeValue::N(right)) => number(left).partial_cmp(&number(right)),
            _ => None,
        }
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

impl Memory {
    fn items(&self) -> MutexGuard<'_, BTreeMap<(String, String), Item>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Executes a call: its caller may be dropped before it, or after it without its response, as with the service.
    pub(super) async fn carry_out<T>(&self, call: impl FnOnce(&Self) -> T) -> T {
        tokio::task::yield_now().await;
        let answer = call(self);
        tokio::task::yield_now().await;
        answer
    }

    pub(super) fn writes(&self) -> u64 {
        self.writes.load(Relaxed)
    }

    pub(super) fn all(&self) -> Vec<Item> {
        self.items().values().cloned().collect()
    }

    pub(super) fn item(&self, key: &Key) -> Option<Item> {
        self.items().get(&(key.pk.clone(), key.sk.clone())).cloned()
    }

    pub(super) fn remove(&self, key: &Key) {
        self.items().remove(&(key.pk.clone(), key.sk.clone()));
    }

    pub(super) fn put(
        &self,
        item: Item,
        condition: &'static str,
        values: &[(&'static str, AttributeValue)],
    ) -> Written {
        self.writes.fetch_add(1, Relaxed);
        let text = |name: &str| item.get(name).and_then(|v| v.as_s().ok()).cloned().unwrap_or_default();
        let key = (text("pk"), text("sk"));
        let mut items = self.items();
        let before = items.get(&key);
        if !holds(condition, values, before) {
            return Written::Refused(before.cloned());
        }
        items.insert(key, item);
        Written::Applied(Item::new())
    }

    pub(super) fn update(&self, key: &Key, write: &Write, all_new: bool) -> Written {
        self.writes.fetch_add(1, Relaxed);
        let mut items = self.items();
        let place = (key.pk.clone(), key.sk.clone());
        let before = items.get(&place);
        if !holds(write.condition, &write.values, before) {
            return Written::Refused(before.cloned());
        }
        let old = before.cloned().unwrap_or_default();
        let mut item = old.clone();
        item.insert("pk".to_owned(), AttributeValue::S(key.pk.clone()));
        item.insert("sk".to_owned(), AttributeValue::S(key.sk.clone()));
        // As the service does it, all values are of the item as it was.
        for (name, value) in &write.set_once {
            item.entry(name.clone()).or_insert_with(|| value.clone());
        }
        for (name, value) in &write.append {
            let mut list = old.get(*name).and_then(|v| v.as_l().ok()).cloned().unwrap_or_default();
            list.push(value.clone());
            item.insert((*name).to_owned(), AttributeValue::L(list));
        }
        for (name, value) in &write.set {
            item.insert(name.clone(), value.clone());
        }
        for (name, by) in &write.add {
            let sum = added(old.get(*name), by);
            item.insert((*name).to_owned(), sum);
        }
        for name in &write.remove {
            item.remove(*name);
        }
        items.insert(place, item.clone());
        Written::Applied(if all_new { item } else { old })
    }

    /// A page of the table or an index; an item without the attributes of an index is not in it.
    pub(super) fn query(&self, query: &Query) -> (Vec<Item>, Option<Item>) {
        let (partition, wanted) = &query.partition;
        let sort = match (query.index, &query.up_to) {
            (None, _) => "sk",
            (Some(_), Some((attribute, _))) => attribute,
            (Some("by_time"), None) => "listed_at",
            (Some(_), None) => "sk",
        };
        let order = |item: &Item| {
            let text = |name: &str| item.get(name).and_then(|v| v.as_s().ok()).cloned();
            Some((text(sort)?, text("pk")?, text("sk")?))
        };
        let items = self.items();
        let of = |item: &&Item| item.get(*partition).and_then(|v| v.as_s().ok()) == Some(wanted);
        let mut found: Vec<((String, String, String), Item)> = if *partition == "pk" {
            let from = (wanted.clone(), String::new());
            let range = items.range(from..).take_while(|((pk, _), _)| pk == wanted);
            range.filter_map(|(_, item)| Some((order(item)?, item.clone()))).collect()
        } else {
            items.values().filter(of).filter_map(|item| Some((order(item)?, item.clone()))).collect()
        };
        drop(items);
        if let Some((_, bound)) = &query.up_to {
            found.retain(|((sort, ..), _)| sort <= bound);
        }
        found.sort_by(|(left, _), (right, _)| if query.ascending { left.cmp(right) } else { right.cmp(left) });
        if let Some(after) = query.after.as_ref().and_then(order) {
            let later = |at: &(String, String, String)| if query.ascending { *at > after } else { *at < after };
            found.retain(|(at, _)| later(at));
        }
        let limit = usize::from(query.limit);
        let more = found.len() > limit;
        found.truncate(limit);
        let items: Vec<Item> = found.into_iter().map(|(_, item)| item).collect();
        let next = items.last().filter(|_| more).cloned();
        (items, next)
    }
}

fn holds(condition: &str, values: &[(&'static str, AttributeValue)], item: Option<&Item>) -> bool {
    let of = |name: &str| -> Option<Comparable<'_>> {
        match (name.strip_prefix(':'), name.strip_prefix('#')) {
            (Some(value), _) => values.iter().find(|(known, _)| *known == value).map(|(_, v)| Comparable(v)),
            (None, Some(attribute)) => item.and_then(|item| item.get(attribute)).map(Comparable),
            (None, None) => item.and_then(|item| item.get(name)).map(Comparable),
        }
    };
    Condition::read(condition).holds(&of)
}

fn added(before: Option<&AttributeValue>, by: &AttributeValue) -> AttributeValue {
    match (before, by) {
        (Some(AttributeValue::N(before)), AttributeValue::N(by)) => {
            let whole = |text: &str| text.parse::<i64>().unwrap_or(0);
            AttributeValue::N(whole(before).saturating_add(whole(by)).to_string())
        }
        (Some(AttributeValue::Ss(before)), AttributeValue::Ss(by)) => {
            let mut set = before.clone();
            set.extend(by.iter().filter(|text| !before.contains(text)).cloned());
            AttributeValue::Ss(set)
        }
        (_, by) => by.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::item::{number, text};

    #[test]
    fn conditions_updates_and_pages_are_as_the_service_has_them() {
        let table = Memory::default();
        let key = Key { pk: "p".into(), sk: "1".into() };
        let write = || Write::when("attribute_not_exists(pk) OR #n < :max").value("max", number(2)).add("n", 1);
        let applied = |written: Written| matches!(written, Written::Applied(_));
        assert!(applied(table.update(&key, &write(), false)));
        assert!(applied(table.update(&key, &write().set_once("x", text("a")).append("log", text("l")), false)));
        let Written::Refused(Some(item)) = table.update(&key, &write(), false) else { panic!("refused at 2") };
        assert_eq!((item.get("n"), item.get("x")), (Some(&number(2)), Some(&text("a"))));
        let item = |sk: &str, at: &str| {
            Item::from([("pk", "p"), ("sk", sk), ("listed_at", at)].map(|(k, v)| (k.to_owned(), text(v))))
        };
        for (sk, at) in [("2", "b"), ("3", "a"), ("4", "c")] {
            assert!(applied(table.put(item(sk, at), "attribute_not_exists(pk)", &[])));
        }
        assert!(!applied(table.put(item("4", "c"), "attribute_not_exists(pk)", &[])));
        let page = |after: Option<Item>| {
            let query = Query {
                index: Some("by_time"),
                partition: ("pk", "p".into()),
                up_to: None,
                ascending: false,
                limit: 2,
                after,
            };
            table.query(&query)
        };
        let (first, next) = page(None);
        assert_eq!(first, [item("4", "c"), item("2", "b")]);
        let (second, end) = page(next);
        assert_eq!((second, end), (vec![item("3", "a")], None), "what has no time is not in the index");
    }
}
