//! How alerts stand, in the table `devices`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value as Json;
use tidings_schema::{DeviceId, UnixMillis};

use super::{DynamoStore, named, plain_json, text};
use crate::alert::{ALERT_PARTITION, Record};
use crate::item::{PROFILE_PARTITION, SEEN_PARTITION};
use crate::store::{AlertStore, StoreError};

type Item = HashMap<String, AttributeValue>;

impl AlertStore for DynamoStore {
    async fn alerts(&self, device: &DeviceId) -> Result<Record, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.devices);
        let get = get.set_key(Some(key(device))).consistent_read(true);
        let item = get.send().await.map_err(named)?.item;
        Ok(item.map(read).unwrap_or_default())
    }

    async fn put_alerts(
        &self,
        device: &DeviceId,
        record: &Record,
        version: u64,
    ) -> Result<bool, StoreError> {
        let json = serde_json::to_value(record).unwrap_or_default();
        let Some(AttributeValue::M(mut item)) = attribute(&json) else { return Ok(false) };
        item.extend(key(device));
        let put = self.client.put_item().table_name(&self.tables.devices).set_item(Some(item));
        // `version` is not among DynamoDB's reserved words, but a name is never mistaken for one.
        let put = put.expression_attribute_names("#version", "version");
        let put = match version {
            0 => put.condition_expression("attribute_not_exists(#version)"),
            version => put
                .condition_expression("#version = :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::put_item::PutItemError::is_conditional_check_failed_exception,
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(named(error)),
        }
    }

    async fn all_alerts(&self) -> Result<Vec<(DeviceId, Record)>, StoreError> {
        let items = self.partition(ALERT_PARTITION).await?;
        let device = |item: Item| Some((DeviceId::try_from(text(&item, "sk")?).ok()?, read(item)));
        Ok(items.into_iter().filter_map(device).collect())
    }

    async fn all_profiles(&self) -> Result<Vec<(DeviceId, Json)>, StoreError> {
        let items = self.partition(PROFILE_PARTITION).await?;
        let device = |item: Item| {
            let device = DeviceId::try_from(text(&item, "sk")?).ok()?;
            Some((device, plain_json(&AttributeValue::M(item))))
        };
        Ok(items.into_iter().filter_map(device).collect())
    }

    async fn last_heard(&self) -> Result<HashMap<DeviceId, UnixMillis>, StoreError> {
        let mut heard: HashMap<DeviceId, UnixMillis> = HashMap::new();
        for item in self.partition(SEEN_PARTITION).await? {
            let read = || {
                let at = item.get("last_seen")?.as_n().ok()?.parse().ok()?;
                let device = DeviceId::try_from(text(&item, "device")?).ok()?;
                Some((device, UnixMillis::new(at).ok()?))
            };
            let Some((device, at)) = read() else { continue };
            let newest = heard.entry(device).or_insert(at);
            *newest = at.max(*newest);
        }
        Ok(heard)
    }
}

impl DynamoStore {
    /// All items of a partition of the table `devices`.
    async fn partition(&self, pk: &str) -> Result<Vec<Item>, StoreError> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.tables.devices)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(named)?;
            items.extend(page.items.unwrap_or_default());
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(items);
            }
        }
    }
}

fn key(device: &DeviceId) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([
        ("pk".to_owned(), text(ALERT_PARTITION)),
        ("sk".to_owned(), text(device.as_str())),
    ])
}

fn read(item: Item) -> Record {
    Record::read(&plain_json(&AttributeValue::M(item)))
}

/// JSON as attributes; `null` is none.
fn attribute(json: &Json) -> Option<AttributeValue> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => AttributeValue::Bool(*value),
        Json::Number(number) => AttributeValue::N(number.to_string()),
        Json::String(text) => AttributeValue::S(text.clone()),
        Json::Array(list) => AttributeValue::L(list.iter().filter_map(attribute).collect()),
        Json::Object(map) => AttributeValue::M(
            map.iter()
                .filter_map(|(name, value)| Some((name.clone(), attribute(value)?)))
                .collect(),
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let item = json!({"version": 2, "alerts": {"a.b": {"raised": true, "kind": "above",
            "since": 1_795_456_115_802_i64, "value": -0.000_001_5, "limit": 1e20}}, "untold": []});
        let record = Record::read(&item);
        assert_eq!(record.alerts.len(), 1);
        let Some(AttributeValue::M(item)) = attribute(&item) else { panic!("no item") };
        assert_eq!(read(item), record);
    }
}
