//! One DynamoDB table: get, conditional put and update, page-wise query. There is no scan, and no write without a
//! condition. The calls in flight are bounded; one that finds no room in time fails like one to which the service did
//! not respond.

use aws_sdk_dynamodb::Client;
pub use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

use crate::bulkhead::Bulkhead;
use crate::error::AwsError;

mod calls;
mod item;
#[cfg(debug_assertions)]
mod memory;
mod request;

pub use self::item::{Item, flag, from_item, map, null, number, text, to_item};
pub use self::request::{Key, Query, Write, Written};

#[derive(Debug, Clone)]
pub struct Table {
    store: Store,
}

/// The store of a table's items.
#[derive(Debug, Clone)]
enum Store {
    Service(calls::Calls),
    /// A model of it in this process, for proofs that make millions of writes. A release has none.
    #[cfg(debug_assertions)]
    Memory(memory::Memory),
}

/// A page of items and where the next begins.
#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The key to continue after; none on the last page.
    pub next: Option<Item>,
}

impl Table {
    pub(crate) fn new(client: Client, name: String, bulkhead: Bulkhead) -> Self {
        Self { store: Store::Service(calls::Calls::new(client, name, bulkhead)) }
    }

    /// A table in this process, with the conditions of the service.
    #[cfg(debug_assertions)]
    #[must_use]
    pub fn in_memory() -> Self {
        Self { store: Store::Memory(memory::Memory::default()) }
    }

    /// The numbers of writes that a table in this process has applied and refused; none for the service.
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

    /// Reads items by key, strongly consistent, in any order; missing ones are left out. `only` names the attributes
    /// that are wanted; none for all. One call for each hundred keys.
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
