//! The reads and writes of a table, apart from what carries them out.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use resilience::work::Fenced;

use crate::table::item::{Item, number};

/// The primary key of an item.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Partition key: begins with the organisation.
    pub pk: String,
    pub sk: String,
}

#[derive(Debug, Clone)]
pub struct Write {
    pub(super) condition: &'static str,
    pub(super) values: Vec<(&'static str, AttributeValue)>,
    pub(super) set: Item,
    pub(super) set_once: Item,
    pub(super) append: Vec<(&'static str, AttributeValue)>,
    pub(super) add: Vec<(&'static str, AttributeValue)>,
    pub(super) remove: Vec<&'static str>,
}

/// The result of a conditional write.
#[derive(Debug)]
pub enum Written {
    /// The write was made; the item as the caller requested it.
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

    #[must_use]
    pub fn remove(mut self, name: &'static str) -> Self {
        self.remove.push(name);
        self
    }

    /// The update expression with all values of the write.
    pub(super) fn expression(&self) -> (String, Item) {
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
pub(super) fn names_in(expression: &str) -> HashMap<String, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    expression
        .split('#')
        .skip(1)
        .map(|rest| rest.split(|c| !is_part(c)).next().unwrap_or_default())
        .map(|name| (format!("#{name}"), name.to_owned()))
        .collect()
}

/// A page-wise read of an index or the table itself.
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
    /// The most items of the page.
    pub limit: u16,
    /// The key at which the former page ended.
    pub after: Option<Item>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::item::text;

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
