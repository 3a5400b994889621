//! How alerts stand, in the table `devices`.

use std::collections::HashMap;
use std::ops::ControlFlow;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value as Json;
use tidings_schema::{DeviceId, UnixMillis};

use super::archive::Consistency;
use super::{DynamoStore, named, plain_json, text, was_allowed};
use crate::alert::{ALERT_PARTITION, Record};
use crate::item::{PROFILE_PARTITION, SEEN_PARTITION};
use crate::store::{AlertStore, StoreError};

type Item = HashMap<String, AttributeValue>;

impl AlertStore for DynamoStore {
    async fn alerts(&self, device: &DeviceId) -> Result<Record, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.devices);
        let get = get.set_key(Some(key(ALERT_PARTITION, device))).consistent_read(true);
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
        item.extend(key(ALERT_PARTITION, device));
        let put = self.client.put_item().table_name(&self.tables.devices).set_item(Some(item));
        // `version` is not among DynamoDB's reserved words, but a name is never mistaken for one.
        let put = put.expression_attribute_names("#version", "version");
        let put = match version {
            0 => put.condition_expression("attribute_not_exists(#version)"),
            version => put
                .condition_expression("#version = :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        was_allowed(put.send().await)
    }

    async fn all_alerts(&self) -> Result<Vec<(DeviceId, Record)>, StoreError> {
        let mut list = Vec::new();
        let take = |item: Item| {
            let device = text(&item, "sk").and_then(|device| DeviceId::try_from(device).ok());
            list.extend(device.map(|device| (device, read(item))));
        };
        self.each_of(ALERT_PARTITION, None, take).await?;
        Ok(list)
    }

    async fn profile(&self, device: &DeviceId) -> Result<Option<Json>, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.devices);
        let get = get.set_key(Some(key(PROFILE_PARTITION, device))).consistent_read(true);
        let item = get.send().await.map_err(named)?.item;
        Ok(item.map(|item| plain_json(&AttributeValue::M(item))))
    }

    async fn all_profiles(&self) -> Result<Vec<(DeviceId, Json)>, StoreError> {
        let mut list = Vec::new();
        let take = |item: Item| {
            let device = text(&item, "sk").and_then(|device| DeviceId::try_from(device).ok());
            list.extend(device.map(|device| (device, plain_json(&AttributeValue::M(item)))));
        };
        self.each_of(PROFILE_PARTITION, None, take).await?;
        Ok(list)
    }

    async fn last_heard(&self) -> Result<HashMap<DeviceId, UnixMillis>, StoreError> {
        let mut heard: HashMap<DeviceId, UnixMillis> = HashMap::new();
        let take = |item: Item| {
            let read = || {
                let at = item.get("last_seen")?.as_n().ok()?.parse().ok()?;
                let device = DeviceId::try_from(text(&item, "device")?).ok()?;
                Some((device, UnixMillis::new(at).ok()?))
            };
            let Some((device, at)) = read() else { return };
            let newest = heard.entry(device).or_insert(at);
            *newest = at.max(*newest);
        };
        // Of each sensor, and so of many: what it said last is not wanted.
        self.each_of(SEEN_PARTITION, Some("device, last_seen"), take).await?;
        Ok(heard)
    }
}

impl DynamoStore {
    /// Tells `each` all items of a partition of the table `devices`, or these attributes of them.
    async fn each_of(
        &self,
        pk: &str,
        attributes: Option<&str>,
        mut each: impl FnMut(Item) + Send,
    ) -> Result<(), StoreError> {
        let table = (self.tables.devices.as_str(), Consistency::Eventual, attributes);
        let take = |item| {
            each(item);
            ControlFlow::Continue(())
        };
        self.each_item(table, pk, None, take).await
    }
}

fn key(partition: &str, device: &DeviceId) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([("pk".to_owned(), text(partition)), ("sk".to_owned(), text(device.as_str()))])
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
