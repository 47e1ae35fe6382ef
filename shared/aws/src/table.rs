//! One DynamoDB table: get, conditional put and update, page-wise query. There is no scan, and no write without a condition.
//! The calls in flight are bounded; one that finds no room in time fails like one that the service did not answer.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
pub use aws_sdk_dynamodb::types::AttributeValue;
use resilience::work::Fenced;
use serde::de::DeserializeOwned;

use crate::bulkhead::Bulkhead;
use crate::error::AwsError;

mod calls;
#[cfg(debug_assertions)]
mod memory;

pub use crate::item::{Item, flag, from_item, map, null, number, text, to_item};

/// The primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Partition key: begins with the organisation.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

/// A conditional write.
#[derive(Debug, Clone)]
pub struct Write {
    condition: &'static str,
    values: Vec<(&'static str, AttributeValue)>,
    set: Item,
    set_once: Item,
    append: Vec<(&'static str, AttributeValue)>,
    add: Vec<(&'static str, AttributeValue)>,
    remove: Vec<&'static str>,
}

/// The result of a conditional write.
#[derive(Debug)]
pub enum Written {
    /// The write was made; the item as the caller asked for it.
    Applied(Item),
    /// The condition did not hold; the item as it was found, if there is one.
    Refused(Option<Item>),
}

impl From<Written> for Fenced {
    /// The result of a write whose condition is the fence of a lease.
    fn from(written: Written) -> Self {
        match written {
            Written::Applied(_) => Self::Written,
            Written::Refused(_) => Self::LeaseLost,
        }
    }
}

impl Write {
    /// A write under a condition. In the condition `#name` means an attribute and `:name` a value given with `value`.
    #[must_use]
    pub fn when(condition: &'static str) -> Self {
        let (set, set_once) = (Item::new(), Item::new());
        Self { condition, values: vec![], set, set_once, append: vec![], add: vec![], remove: vec![] }
    }

    /// A value of the condition.
    #[must_use]
    pub fn value(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.values.push((name, value));
        self
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.insert(name.to_owned(), value);
        self
    }

    /// Sets all attributes of an item.
    #[must_use]
    pub fn set_all(mut self, item: Item) -> Self {
        self.set.extend(item);
        self
    }

    /// Sets an attribute unless it is there.
    #[must_use]
    pub fn set_once(mut self, name: &str, value: AttributeValue) -> Self {
        self.set_once.insert(name.to_owned(), value);
        self
    }

    /// Sets all attributes of an item that are not there.
    #[must_use]
    pub fn set_all_once(mut self, item: Item) -> Self {
        self.set_once.extend(item);
        self
    }

    /// Appends to a list, which is made where it is missing.
    #[must_use]
    pub fn append(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.append.push((name, value));
        self
    }

    /// Adds to a number.
    #[must_use]
    pub fn add(mut self, name: &'static str, amount: i64) -> Self {
        self.add.push((name, number(amount)));
        self
    }

    /// Adds a text to a set of texts.
    #[must_use]
    pub fn add_text(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.add.push((name, AttributeValue::Ss(vec![value.into()])));
        self
    }

    /// Adds texts, of which there must be one, to a set of texts.
    #[must_use]
    pub fn add_texts(mut self, name: &'static str, values: Vec<String>) -> Self {
        self.add.push((name, AttributeValue::Ss(values)));
        self
    }

    /// Removes an attribute.
    #[must_use]
    pub fn remove(mut self, name: &'static str) -> Self {
        self.remove.push(name);
        self
    }

    fn expression(&self) -> (String, Item) {
        let mut values: Item = self.values.iter().map(|(n, v)| (format!(":{n}"), v.clone())).collect();
        let mut parts = Vec::new();
        let mut sets: Vec<String> = Vec::new();
        for (name, value) in &self.set {
            sets.push(format!("#{name} = :new_{name}"));
            values.insert(format!(":new_{name}"), value.clone());
        }
        for (name, value) in &self.set_once {
            sets.push(format!("#{name} = if_not_exists(#{name}, :new_{name})"));
            values.insert(format!(":new_{name}"), value.clone());
        }
        for (name, value) in &self.append {
            sets.push(format!("#{name} = list_append(if_not_exists(#{name}, :none), :new_{name})"));
            values.insert(":none".to_owned(), AttributeValue::L(vec![]));
            values.insert(format!(":new_{name}"), AttributeValue::L(vec![value.clone()]));
        }
        if !sets.is_empty() {
            sets.sort();
            parts.push(format!("SET {}", sets.join(", ")));
        }
        let adds: Vec<String> = self.add.iter().map(|(name, _)| format!("#{name} :add_{name}")).collect();
        values.extend(self.add.iter().map(|(n, by)| (format!(":add_{n}"), by.clone())));
        if !adds.is_empty() {
            parts.push(format!("ADD {}", adds.join(", ")));
        }
        if !self.remove.is_empty() {
            let names: Vec<String> = self.remove.iter().map(|name| format!("#{name}")).collect();
            parts.push(format!("REMOVE {}", names.join(", ")));
        }
        (parts.join(" "), values)
    }
}

/// The attribute names that an expression uses: DynamoDB refuses names that are given and not used.
fn names_in(expression: &str) -> HashMap<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    expression
        .split('#')
        .skip(1)
        .map(|rest| rest.split(|c| !is_part(c)).next().unwrap_or_default())
        .map(|name| (format!("#{name}"), name.to_owned()))
        .collect()
}

/// One table.
#[derive(Debug, Clone)]
pub struct Table {
    store: Store,
}

/// What carries a table out.
#[derive(Debug, Clone)]
enum Store {
    /// The service.
    Service(calls::Calls),
    /// A model of it in this process, for proofs that make millions of writes. A release has none.
    #[cfg(debug_assertions)]
    Memory(memory::Memory),
}

/// A page of items and where the next begins.
#[derive(Debug)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The key to continue after; none on the last page.
    pub next: Option<Item>,
}

/// A page-wise read along an index or the table itself.
#[derive(Debug)]
pub struct Query {
    /// The index; none for the table.
    pub index: Option<&'static str>,
    /// Partition attribute and its value.
    pub partition: (&'static str, String),
    /// Upper bound of a sort attribute, included.
    pub up_to: Option<(&'static str, String)>,
    /// Oldest first, or newest first.
    pub ascending: bool,
    /// Most items of the page.
    pub limit: u16,
    /// Where a former page ended.
    pub after: Option<Item>,
}

impl Table {
    pub(crate) fn new(client: Client, name: String, bulkhead: Bulkhead) -> Self {
        Self { store: Store::Service(calls::Calls::new(client, name, bulkhead)) }
    }

    /// A table in this process that keeps conditions as the service does.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn in_memory() -> Self {
        Self { store: Store::Memory(memory::Memory::default()) }
    }

    /// How many writes a table in this process has carried out and refused; none for the service.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn writes(&self) -> Option<u64> {
        match &self.store {
            Store::Service(_) => None,
            Store::Memory(memory) => Some(memory.writes()),
        }
    }

    /// Everything in a table in this process, to be compared by a proof; nothing for the service.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn all(&self) -> Vec<Item> {
        match &self.store {
            Store::Service(_) => vec![],
            Store::Memory(memory) => memory.all(),
        }
    }

    /// Reads one item, strongly consistent. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, AwsError> {
        self.item(key).await?.map(from_item).transpose()
    }

    /// Reads one item as it is, strongly consistent. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn item(&self, key: &Key) -> Result<Option<Item>, AwsError> {
        match &self.store {
            Store::Service(calls) => calls.item(key).await,
            #[cfg(debug_assertions)]
            Store::Memory(memory) => Ok(memory.carry_out(|memory| memory.item(key)).await),
        }
    }

    /// Reads items by key, strongly consistent, in any order; what is not there is left out. `only` names the attributes that
    /// are wanted; none for all. One call for each hundred keys.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn items(&self, keys: &[Key], only: &[&'static str]) -> Result<Vec<Item>, AwsError> {
        match &self.store {
            Store::Service(calls) => calls.items(keys, only).await,
            #[cfg(debug_assertions)]
            Store::Memory(memory) => {
                Ok(memory.carry_out(|memory| keys.iter().filter_map(|key| memory.item(key)).collect()).await)
            }
        }
    }

    /// Opens the connection with the smallest read there is.
    pub async fn preconnect(&self) {
        let key = Key { pk: "-".to_owned(), sk: "-".to_owned() };
        // Whatever comes back, the connection is open; a real failure shows in the first event.
        let _ignored = self.item(&key).await;
    }

    /// Updates one item under a condition. One call. `all_new` returns the whole item after it, else the one before.
    ///
    /// # Errors
    /// When the table cannot be reached or refuses the write for another reason than its condition.
    pub async fn update(&self, key: &Key, write: Write, all_new: bool) -> Result<Written, AwsError> {
        match &self.store {
            Store::Service(calls) => calls.update(key, write, all_new).await,
            #[cfg(debug_assertions)]
            Store::Memory(memory) => Ok(memory.carry_out(|memory| memory.update(key, &write, all_new)).await),
        }
    }

    /// Puts a new item; refused when the key exists. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or refuses the write for another reason.
    pub async fn create(&self, item: Item) -> Result<Written, AwsError> {
        self.put(item, "attribute_not_exists(pk)", &[]).await
    }

    /// Puts an item in the place of what is there, under a condition with its values. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or refuses the write for another reason.
    pub async fn put(
        &self,
        item: Item,
        condition: &'static str,
        values: &[(&'static str, AttributeValue)],
    ) -> Result<Written, AwsError> {
        match &self.store {
            Store::Service(calls) => calls.put(item, condition, values).await,
            #[cfg(debug_assertions)]
            Store::Memory(memory) => Ok(memory.carry_out(|memory| memory.put(item, condition, values)).await),
        }
    }

    /// Removes an item. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn remove(&self, key: &Key) -> Result<(), AwsError> {
        match &self.store {
            Store::Service(calls) => calls.remove(key).await,
            #[cfg(debug_assertions)]
            Store::Memory(memory) => {
                memory.carry_out(|memory| memory.remove(key)).await;
                Ok(())
            }
        }
    }

    /// Reads one page. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or an item is not readable.
    pub async fn query<T: DeserializeOwned>(&self, query: Query) -> Result<Page<T>, AwsError> {
        let (items, next) = match &self.store {
            Store::Service(calls) => calls.query(query).await?,
            #[cfg(debug_assertions)]
            Store::Memory(memory) => memory.carry_out(|memory| memory.query(&query)).await,
        };
        let items = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_names_what_it_uses_and_nothing_else() {
        let write = Write::when("#state = :held AND #owner = :owner")
            .value("held", text("running"))
            .value("owner", text("me"))
            .set("state", text("done"))
            .set_once("created_at", text("now"))
            .append("history", text("done"))
            .add("attempts", 1)
            .add_text("event_ids", "e-1")
            .remove("lease_until");
        let (update, values) = write.expression();
        assert_eq!(
            update,
            "SET #created_at = if_not_exists(#created_at, :new_created_at), \
             #history = list_append(if_not_exists(#history, :none), :new_history), #state = :new_state \
             ADD #attempts :add_attempts, #event_ids :add_event_ids REMOVE #lease_until"
        );
        let mut names: Vec<_> = names_in(&format!("{update} {}", write.condition)).into_values().collect();
        names.sort();
        assert_eq!(names, ["attempts", "created_at", "event_ids", "history", "lease_until", "owner", "state"]);
        assert_eq!(values.len(), 8);
    }
}
