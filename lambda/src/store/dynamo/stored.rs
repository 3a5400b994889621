//! From an item of the table `readings`, in either layout, to its readings. Pure.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use tidings_schema::{
    BootId, Clock, Content, Fault, Quantity, Seq, Unit, UnixMillis, Value, key, packed,
};

/// A reading as the table gives it back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredReading {
    /// The device.
    pub device: String,
    /// The sensor.
    pub sensor: String,
    /// When it was taken, in milliseconds since 1970, or since the device was switched on.
    pub at: UnixMillis,
    /// Which of the two.
    #[serde(skip_serializing_if = "is_set")]
    pub clock: Clock,
    /// The boot that it was taken in.
    pub boot: BootId,
    /// Its sequence number.
    pub seq: Seq,
    /// The values by quantity.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// The units of those that are not canonical.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// Why there are no values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// When the rule saw its message, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<i64>,
    /// Where the device stood, as the operator says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// What else the operator says of the device.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl StoredReading {
    /// What it says; `None` where the table holds what is no reading.
    #[must_use]
    pub fn content(&self) -> Option<Content> {
        if let Some(fault) = &self.fault {
            return Some(Content::Fault(Fault::from_name(fault)?));
        }
        let value = |(name, value): (&String, &f64)| {
            let unit = self.units.get(name).map(|unit| Unit::try_from(unit.as_str()).ok());
            let unit = unit.map_or(Some(None), |unit| unit.map(Some))?;
            Some((Quantity::try_from(name.as_str()).ok()?, Value::new(*value).ok()?, unit))
        };
        self.values.iter().map(value).collect::<Option<_>>().map(Content::Values)
    }
}

/// An item.
pub type Item = HashMap<String, AttributeValue>;

/// An attribute that is a text.
#[must_use]
pub fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// An attribute that is a whole number.
#[must_use]
pub fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

/// The time of an item's first reading, and its readings.
#[must_use]
pub fn stored(item: &Item) -> Option<(UnixMillis, Vec<StoredReading>)> {
    let sk = text(item, "sk")?;
    if let Some(pack) = text(item, "packed") {
        let (first, boot) = packed::parse_sort_key(sk)?;
        let readings = packed::read(pack, first).ok()?;
        let readings = readings.into_iter().map(|one| {
            let mut reading = common(item, one.at, boot.clone(), one.seq)?;
            match one.content {
                Content::Fault(fault) => reading.fault = Some(fault.name().to_owned()),
                Content::Values(values) => {
                    for (quantity, value, unit) in values {
                        let name = quantity.to_string();
                        reading.units.extend(unit.map(|unit| (name.clone(), unit.to_string())));
                        reading.values.insert(name, value.get());
                    }
                }
            }
            Some(reading)
        });
        return Some((first, readings.collect::<Option<_>>()?));
    }
    let (at, boot, seq) = key::parse_sort_key(sk)?;
    let mut reading = common(item, at, boot, seq)?;
    reading.values = numbers(item, "values");
    reading.units = texts(item, "units");
    reading.fault = text(item, "fault").map(str::to_owned);
    Some((at, vec![reading]))
}

/// What all readings of an item share.
fn common(item: &Item, at: UnixMillis, boot: BootId, seq: Seq) -> Option<StoredReading> {
    Some(StoredReading {
        device: text(item, "device")?.to_owned(),
        sensor: text(item, "sensor")?.to_owned(),
        at,
        boot,
        seq,
        clock: if text(item, "clock") == Some(Clock::UNSET) { Clock::Unset } else { Clock::Set },
        values: BTreeMap::new(),
        units: BTreeMap::new(),
        fault: None,
        received_at: number(item, "received_at"),
        site: text(item, "site").map(str::to_owned),
        labels: texts(item, "labels"),
    })
}

/// An attribute that is a map of numbers.
#[must_use]
pub fn numbers(item: &Item, name: &str) -> BTreeMap<String, f64> {
    let map = item.get(name).and_then(|value| value.as_m().ok()).into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), value.as_n().ok()?.parse().ok()?))).collect()
}

/// An attribute that is a map of texts.
#[must_use]
pub fn texts(item: &Item, name: &str) -> BTreeMap<String, String> {
    let map = item.get(name).and_then(|value| value.as_m().ok()).into_iter().flatten();
    map.filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone()))).collect()
}

// By reference, because serde calls it so.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_set(clock: &Clock) -> bool {
    *clock == Clock::Set
}
