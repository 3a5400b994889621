//! What stands of alerts, read for the page and the terminal.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use tidings_ingest::alert::{ALERT_PARTITION, Record, Standing, sentence};
use tidings_ingest::store::plain_json;
use tidings_schema::{DeviceId, UnixMillis};

use super::Database;
use super::stored::{Item, text};
use crate::Trouble;
use crate::account::aws_says;

/// Where one alert of one device stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertState {
    /// The device.
    pub device: DeviceId,
    /// `<sensor>.<quantity>`, or `silence`.
    pub name: String,
    /// Whether it is raised now.
    pub raised: bool,
    /// When it was raised, or cleared; a silent device was last heard then.
    pub since: UnixMillis,
    /// The value that raised or cleared it, in the quantity's canonical unit; silence has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The limit that was crossed; of silence, its length in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The same as a sentence.
    pub text: String,
}

impl Database {
    /// Every alert that was ever raised and whose rule still stands: those that are raised first, and of
    /// these the newest first.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn alerts(&self) -> Result<Vec<AlertState>, Trouble> {
        let mut start = None;
        let mut list = Vec::new();
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.tables.devices)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(ALERT_PARTITION.to_owned()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| Trouble::Query(aws_says(&error)))?;
            list.extend(page.items.unwrap_or_default().into_iter().flat_map(states));
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        list.sort_by_key(|one: &AlertState| (!one.raised, std::cmp::Reverse(one.since)));
        Ok(list)
    }
}

fn states(item: Item) -> Vec<AlertState> {
    let Some(device) = text(&item, "sk").and_then(|name| DeviceId::try_from(name).ok()) else {
        return Vec::new();
    };
    let record = Record::read(&plain_json(&AttributeValue::M(item)));
    let state = |(name, standing): (String, Standing)| AlertState {
        text: sentence(&device, &name, &standing),
        device: device.clone(),
        name,
        raised: standing.raised,
        since: standing.since,
        value: standing.value,
        limit: standing.limit,
    };
    record.alerts.into_iter().map(state).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dynamo::attribute;

    #[test]
    fn an_item_gives_a_state_for_each_alert() {
        let item = json!({"pk": "alert", "sk": "pi-1", "version": 1, "untold": [], "alerts": {
            "bme280.temperature": {"raised": true, "kind": "above", "since": 1_795_572_645_000_i64,
                                   "value": 36.2, "limit": 35, "unit": "Cel"},
            "silence": {"raised": false, "kind": "silent", "since": 1_795_572_645_000_i64, "limit": 900}}});
        let Some(AttributeValue::M(item)) = attribute(&item) else { panic!("no item") };
        let found = states(item);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].raised, found[0].value, found[0].limit),
            (true, Some(36.2), Some(35.0))
        );
        assert!(found[0].text.starts_with("pi-1 / bme280 temperature 36.2 °C is above 35 °C"));
        assert_eq!((found[1].name.as_str(), found[1].value), ("silence", None));
        assert_eq!(states(Item::new()), []);
    }
}
