//! Items of a table: between types and attributes.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::FORMAT_VERSION;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::AwsError;

/// An item as the SDK has it.
pub type Item = HashMap<String, AttributeValue>;

/// Reads an item as a type; attributes that the type does not have are ignored.
///
/// # Errors
/// When an attribute is missing or of another type, or the item was written in a newer format.
pub fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, AwsError> {
    let version = item.get("v").and_then(|v| v.as_n().ok()).and_then(|n| n.parse::<u64>().ok());
    if let Some(version) = version.filter(|version| *version > u64::from(FORMAT_VERSION)) {
        let detail = format!("its format version {version} is newer than {FORMAT_VERSION}");
        return Err(AwsError::unreadable("read the table", detail));
    }
    serde_dynamo::from_item(item).map_err(|e| AwsError::unreadable("read the table", e))
}

/// Writes a value as an item.
///
/// # Errors
/// When the value is not a struct or map.
pub fn to_item<T: Serialize>(value: &T) -> Result<Item, AwsError> {
    serde_dynamo::to_item(value).map_err(|e| AwsError::refused("write the table", e))
}

#[must_use]
pub fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

#[must_use]
pub fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An attribute that says yes or no.
#[must_use]
pub const fn flag(value: bool) -> AttributeValue {
    AttributeValue::Bool(value)
}

#[must_use]
pub fn map(item: Item) -> AttributeValue {
    AttributeValue::M(item)
}

/// An attribute that says that there is nothing.
#[must_use]
pub const fn null() -> AttributeValue {
    AttributeValue::Null(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_formats_are_refused_and_unknown_attributes_ignored() {
        let item = |v: i64| Item::from([("v".to_owned(), number(v)), ("new".to_owned(), text("x"))]);
        assert!(from_item::<serde_json::Value>(item(1)).is_ok());
        assert!(matches!(from_item::<serde_json::Value>(item(2)), Err(AwsError::Unreadable { .. })));
    }
}
