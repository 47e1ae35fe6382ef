//! The calls to the service.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::request::{Key, Query, Write, Written, names_in};
use crate::bulkhead::Bulkhead;
use crate::error::AwsError;
use crate::table::item::Item;

/// The largest number of keys of one read.
const MAX_KEYS: usize = 100;
/// The number of times that keys are read again which the service had no capacity for.
const REREADS: u32 = 5;
/// The pause before the first of these; each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// A table of the service.
#[derive(Debug, Clone)]
pub(super) struct Calls {
    client: Client,
    name: String,
    bulkhead: Bulkhead,
}

impl Calls {
    pub(super) fn new(client: Client, name: String, bulkhead: Bulkhead) -> Self {
        Self { client, name, bulkhead }
    }

    pub(super) async fn item(&self, key: &Key) -> Result<Option<Item>, AwsError> {
        let _slot = self.bulkhead.enter().await?;
        let answer = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| AwsError::from_sdk("read the table", e))?;
        Ok(answer.item)
    }

    pub(super) async fn items(&self, keys: &[Key], only: &[&'static str]) -> Result<Vec<Item>, AwsError> {
        let mut found = Vec::with_capacity(keys.len());
        for chunk in keys.chunks(MAX_KEYS) {
            let mut wanted: Vec<Item> = chunk.iter().map(attributes).collect();
            for reread in 0..=REREADS {
                let (items, left) = self.batch(wanted, only).await?;
                found.extend(items);
                wanted = left;
                if wanted.is_empty() {
                    break;
                }
                if reread == REREADS {
                    let detail = "the table had no capacity for all keys".to_owned();
                    return Err(AwsError::unavailable("read the table", detail));
                }
                tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(reread)).await;
            }
        }
        Ok(found)
    }

    /// Reads up to a hundred items; returns the items, and the keys for which there was no capacity.
    async fn batch(&self, keys: Vec<Item>, only: &[&'static str]) -> Result<(Vec<Item>, Vec<Item>), AwsError> {
        let mut requested = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
        if !only.is_empty() {
            let expression: Vec<String> = only.iter().map(|name| format!("#{name}")).collect();
            let expression = expression.join(", ");
            requested =
                requested.set_expression_attribute_names(Some(names_in(&expression))).projection_expression(expression);
        }
        let requested = requested.build().map_err(|e| AwsError::refused("read the table", e))?;
        let _slot = self.bulkhead.enter().await?;
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.name, requested)
            .send()
            .await
            .map_err(|e| AwsError::from_sdk("read the table", e))?;
        let items = answer.responses.unwrap_or_default().remove(&self.name).unwrap_or_default();
        let left = answer.unprocessed_keys.unwrap_or_default().remove(&self.name);
        Ok((items, left.map(|left| left.keys).unwrap_or_default()))
    }

    pub(super) async fn update(&self, key: &Key, write: Write, all_new: bool) -> Result<Written, AwsError> {
        let (update, values) = write.expression();
        let names = names_in(&format!("{update} {}", write.condition));
        let _slot = self.bulkhead.enter().await?;
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(attributes(key)))
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
                UpdateItemError::ConditionalCheckFailedException(failed) => Ok(Written::Refused(failed.item.clone())),
                _ => Err(AwsError::from_sdk("write the table", SdkError::ServiceError(service))),
            },
            Err(error) => Err(AwsError::from_sdk("write the table", error)),
        }
    }

    pub(super) async fn put(
        &self,
        item: Item,
        condition: &'static str,
        values: &[(&'static str, AttributeValue)],
    ) -> Result<Written, AwsError> {
        let names = Some(names_in(condition)).filter(|names| !names.is_empty());
        let values: Item = values.iter().map(|(name, value)| (format!(":{name}"), value.clone())).collect();
        let _slot = self.bulkhead.enter().await?;
        let sent = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(Some(values).filter(|values| !values.is_empty()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Written::Applied(Item::new())),
            Err(SdkError::ServiceError(service)) => match service.err() {
                PutItemError::ConditionalCheckFailedException(failed) => Ok(Written::Refused(failed.item.clone())),
                _ => Err(AwsError::from_sdk("write the table", SdkError::ServiceError(service))),
            },
            Err(error) => Err(AwsError::from_sdk("write the table", error)),
        }
    }

    pub(super) async fn remove(&self, key: &Key) -> Result<(), AwsError> {
        let _slot = self.bulkhead.enter().await?;
        let sent = self.client.delete_item().table_name(&self.name).set_key(Some(attributes(key))).send().await;
        sent.map(|_| ()).map_err(|e| AwsError::from_sdk("write the table", e))
    }

    pub(super) async fn query(&self, query: Query) -> Result<(Vec<Item>, Option<Item>), AwsError> {
        let (partition, value) = query.partition;
        let mut condition = format!("#{partition} = :partition");
        let mut values = Item::from([(":partition".to_owned(), AttributeValue::S(value))]);
        if let Some((attribute, bound)) = query.up_to {
            condition.push_str(&format!(" AND #{attribute} <= :bound"));
            values.insert(":bound".to_owned(), AttributeValue::S(bound));
        }
        let _slot = self.bulkhead.enter().await?;
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
            .map_err(|e| AwsError::from_sdk("list from the table", e))?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key))
    }
}

fn attributes(key: &Key) -> HashMap<String, AttributeValue> {
    let Key { pk, sk } = key;
    HashMap::from([("pk".to_owned(), AttributeValue::S(pk.clone())), ("sk".to_owned(), AttributeValue::S(sk.clone()))])
}
