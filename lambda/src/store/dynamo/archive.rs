//! What the job that sums up asks of DynamoDB.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use aws_sdk_dynamodb::types::AttributeValue;
use tidings_schema::{Clock, Content, DeviceId, SensorId, UnixMillis, Value, key, packed};

use super::stored::{Item, number, stored, text};
use super::{DynamoStore, named, was_allowed};
use crate::item::{DUE_PARTITION, DueItem};
use crate::rollup::{Archive, Dues, HOUR_MS, Hour, Level, Rollup, StoredRollup, Sum};
use crate::store::StoreError;

/// How a query reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Consistency {
    /// For half the price, and behind by "one second or less" as a rule (DynamoDB developer guide,
    /// "Read consistency"): what is summed up was written half an hour ago.
    Eventual,
    /// What another run has written a moment ago is seen.
    Strong,
}

impl DynamoStore {
    /// Tells `each` the items of a partition whose sort keys lie between, both included, or these attributes
    /// of them, page by page, until it has enough.
    pub(super) async fn each_item(
        &self,
        (table, consistency, attributes): (&str, Consistency, Option<&str>),
        pk: &str,
        between: Option<(String, String)>,
        mut each: impl FnMut(Item) -> ControlFlow<()> + Send,
    ) -> Result<(), StoreError> {
        let s = |text: String| AttributeValue::S(text);
        let mut start = None;
        loop {
            let query = self.client.query().table_name(table);
            let query = query.consistent_read(consistency == Consistency::Strong);
            let query = query.set_projection_expression(attributes.map(str::to_owned));
            let query = query.expression_attribute_values(":pk", s(pk.to_owned()));
            let query = match &between {
                None => query.key_condition_expression("pk = :pk"),
                Some((from, to)) => query
                    .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                    .expression_attribute_values(":from", s(from.clone()))
                    .expression_attribute_values(":to", s(to.clone())),
            };
            let page = query.set_exclusive_start_key(start).send().await.map_err(named)?;
            let flow = page.items.unwrap_or_default().into_iter().try_for_each(&mut each);
            start = page.last_evaluated_key;
            if start.is_none() || flow.is_break() {
                return Ok(());
            }
        }
    }
}

/// Sort keys of items that hold a time from then until before then.
fn between(from: UnixMillis, until: UnixMillis) -> Option<(String, String)> {
    Some((key::time_prefix(from), key::time_prefix(until)))
}

impl Archive for DynamoStore {
    async fn dues(&self, marked_until: UnixMillis, limit: usize) -> Result<Dues, StoreError> {
        let mut dues = Dues::default();
        let table = (self.tables.devices.as_str(), Consistency::Eventual, None);
        let take = |item: Item| {
            let Some(due) = due(&item) else { return ControlFlow::Continue(()) };
            if due.marked_at > marked_until {
                dues.waiting += 1;
            } else if dues.ripe.len() < limit {
                dues.ripe.push(due);
            } else {
                dues.is_cut = true;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        };
        self.each_item(table, DUE_PARTITION, None, take).await?;
        Ok(dues)
    }

    async fn hour(
        &self,
        device: &DeviceId,
        sensor: &SensorId,
        hour: UnixMillis,
        mut each: impl FnMut(UnixMillis, &Content) + Send,
    ) -> Result<(), StoreError> {
        let until = hour.offset(HOUR_MS).unwrap_or(UnixMillis::MAX);
        // A pack stands under its first reading, and its others may be of this hour.
        let from = hour.offset(-packed::SPAN_MS).unwrap_or(UnixMillis::MIN);
        let mut names = HashSet::new();
        let pk = key::partition(device, sensor);
        let take = |item: Item| {
            for reading in stored(&item).map(|(_, readings)| readings).unwrap_or_default() {
                let is_of_it = reading.clock == Clock::Set && (hour..until).contains(&reading.at);
                let Some(content) = reading.content().filter(|_| is_of_it) else { continue };
                if names.insert((reading.at, reading.boot, reading.seq)) {
                    each(reading.at, &content);
                }
            }
            ControlFlow::Continue(())
        };
        let table = (self.tables.readings.as_str(), Consistency::Eventual, None);
        self.each_item(table, &pk, between(from, until), take).await
    }

    async fn rollups(
        &self,
        level: Level,
        device: &DeviceId,
        sensor: &SensorId,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<StoredRollup>, StoreError> {
        let mut list = Vec::new();
        let pk = level.partition(device, sensor);
        let take = |item: Item| {
            list.extend(rollup(&item));
            ControlFlow::Continue(())
        };
        let table = (self.tables.readings.as_str(), Consistency::Strong, None);
        self.each_item(table, &pk, between(from, to), take).await?;
        Ok(list)
    }

    async fn settle(&self, due: &DueItem) -> Result<(), StoreError> {
        let marked_at = AttributeValue::N(due.marked_at.to_string());
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.tables.devices)
            .key("pk", AttributeValue::S(DUE_PARTITION.to_owned()))
            .key("sk", AttributeValue::S(due.sk.clone()))
            .condition_expression("marked_at = :at")
            .expression_attribute_values(":at", marked_at)
            .send()
            .await;
        // If not: said again meanwhile, or taken back by another run.
        was_allowed(deleted).map(drop)
    }
}

/// An hour that is due, as its item says.
pub fn due(item: &Item) -> Option<DueItem> {
    Some(DueItem::new(
        DeviceId::try_from(text(item, "device")?).ok()?,
        SensorId::try_from(text(item, "sensor")?).ok()?,
        UnixMillis::new(number(item, "hour")?).ok()?,
        UnixMillis::new(number(item, "marked_at")?).ok()?,
    ))
}

/// A rollup, as its item says.
pub fn rollup(item: &Item) -> Option<StoredRollup> {
    let at = UnixMillis::new(number(item, "at")?).ok()?;
    let map = |item: &Item, name: &str| -> Option<HashMap<String, AttributeValue>> {
        item.get(name)?.as_m().ok().cloned()
    };
    let count = |value: &AttributeValue| value.as_n().ok()?.parse().ok();
    let mut whole = Rollup::new(at);
    whole.readings = number(item, "readings").and_then(|number| u64::try_from(number).ok())?;
    for (fault, times) in map(item, "faults").unwrap_or_default() {
        whole.faults.insert(fault, count(&times)?);
    }
    for (name, sum) in map(item, "sums").unwrap_or_default() {
        let sum = sum.as_m().ok()?;
        let value = |name: &str| Value::new(sum.get(name)?.as_n().ok()?.parse().ok()?).ok();
        let n = count(sum.get("n")?)?;
        let sum = Sum { n, min: value("min")?, mean: value("mean")?, max: value("max")? };
        whole.sums.insert(name, sum);
    }
    let parts = text(item, "parts").map(|text| Hour::read(at, text));
    let count = |name| number(item, name).and_then(|number| u64::try_from(number).ok());
    whole.omitted = count("omitted").unwrap_or(0);
    // Of an hour whose parts cannot be read, the whole still holds.
    let version = count("version").unwrap_or(0);
    Some(StoredRollup { whole, parts: parts.flatten(), version })
}
