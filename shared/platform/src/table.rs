//! One DynamoDB table: get, conditional put and update, page-wise query. There is no scan, and no write without a condition.
//! The calls in flight are bounded; one that finds no room in time fails like one that the service did not answer.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use serde::de::DeserializeOwned;

use crate::bulkhead::Bulkhead;
use crate::error::PlatformError;

pub use crate::item::{Item, from_item, map, null, number, text, to_item};

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

/// What became of a conditional write.
#[derive(Debug)]
pub enum Written {
    /// It happened; the item as the caller asked for it.
    Applied(Item),
    /// The condition did not hold; the item that stood there, if any.
    Refused(Option<Item>),
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
    client: Client,
    name: String,
    calls: Bulkhead,
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
    pub(crate) fn new(client: Client, name: String, calls: Bulkhead) -> Self {
        Self { client, name, calls }
    }

    /// Reads one item, strongly consistent. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or the item is not readable.
    pub async fn get<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>, PlatformError> {
        self.item(key).await?.map(from_item).transpose()
    }

    /// Reads one item as it is, strongly consistent. One call.
    ///
    /// # Errors
    /// When the table cannot be reached.
    pub async fn item(&self, key: &Key) -> Result<Option<Item>, PlatformError> {
        let _slot = self.calls.enter().await?;
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(key.pk.clone()))
            .key("sk", AttributeValue::S(key.sk.clone()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| PlatformError::from_sdk("read the table", &e))?;
        Ok(answer.item)
    }

    /// Opens the connection with the smallest read there is.
    pub async fn preconnect(&self) {
        let key = Key { pk: "-".to_owned(), sk: "-".to_owned() };
        // Whatever comes back, the connection is open; a real failure shows in the first event.
        let _ignored: Result<Option<serde_json::Value>, PlatformError> = self.get(&key).await;
    }

    /// Updates one item under a condition. One call. `all_new` returns the whole item after it, else the one before.
    ///
    /// # Errors
    /// When the table cannot be reached or refuses the write for another reason than its condition.
    pub async fn update(&self, key: &Key, write: Write, all_new: bool) -> Result<Written, PlatformError> {
        let (update, values) = write.expression();
        let names = names_in(&format!("{update} {}", write.condition));
        let _slot = self.calls.enter().await?;
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(key.pk.clone()))
            .key("sk", AttributeValue::S(key.sk.clone()))
            .update_expression(update)
            .condition_expression(write.condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .return_values(if all_new { ReturnValue::AllNew } else { ReturnValue::AllOld })
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(Written::Applied(answer.attributes.unwrap_or_default())),
            Err(SdkError::ServiceError(service)) => match service.err() {
                aws_sdk_dynamodb::operation::update_item::UpdateItemError::ConditionalCheckFailedException(failed) => {
                    Ok(Written::Refused(failed.item.clone()))
                }
                _ => Err(PlatformError::from_sdk("write the table", &SdkError::ServiceError(service))),
            },
            Err(error) => Err(PlatformError::from_sdk("write the table", &error)),
        }
    }

    /// Puts a new item; refused when the key exists. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or refuses the write for another reason.
    pub async fn create(&self, item: Item) -> Result<Written, PlatformError> {
        let _slot = self.calls.enter().await?;
        let sent = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Written::Applied(Item::new())),
            Err(SdkError::ServiceError(service)) => match service.err() {
                aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(failed) => {
                    Ok(Written::Refused(failed.item.clone()))
                }
                _ => Err(PlatformError::from_sdk("write the table", &SdkError::ServiceError(service))),
            },
            Err(error) => Err(PlatformError::from_sdk("write the table", &error)),
        }
    }

    /// Reads one page. One call.
    ///
    /// # Errors
    /// When the table cannot be reached or an item is not readable.
    pub async fn query<T: DeserializeOwned>(&self, query: Query) -> Result<Page<T>, PlatformError> {
        let (partition, value) = query.partition;
        let mut condition = format!("#{partition} = :partition");
        let mut values = Item::from([(":partition".to_owned(), AttributeValue::S(value))]);
        if let Some((attribute, bound)) = query.up_to {
            condition.push_str(&format!(" AND #{attribute} <= :bound"));
            values.insert(":bound".to_owned(), AttributeValue::S(bound));
        }
        let _slot = self.calls.enter().await?;
        let answer = self
            .client
            .query()
            .table_name(&self.name)
            .set_index_name(query.index.map(str::to_owned))
            .set_expression_attribute_names(Some(names_in(&condition)))
            .key_condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .scan_index_forward(query.ascending)
            .limit(i32::from(query.limit))
            .set_exclusive_start_key(query.after)
            .send()
            .await
            .map_err(|e| PlatformError::from_sdk("list from the table", &e))?;
        let items = answer.items.unwrap_or_default().into_iter().map(from_item).collect::<Result<_, _>>()?;
        Ok(Page { items, next: answer.last_evaluated_key })
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
