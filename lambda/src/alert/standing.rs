//! What stands of the alerts of one device: when each was raised or cleared, and of what nobody has been
//! told yet. It is one item of the table `devices`, under `pk = "alert"`, `sk = <device>`:
//!
//! ```json
//! {"version": 2,
//!  "alerts": {"bme280.temperature": {"raised": true, "kind": "above", "since": 1795456115802,
//!             "value": 36.2, "limit": 35, "unit": "Cel"}},
//!  "untold": [{"name": "bme280.temperature", "taken": 1795456116100, "raised": true, ...}]}
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidings_schema::UnixMillis;

/// The alert for a device that is not heard any more: no sensor's and no quantity's.
pub const SILENCE: &str = "silence";

/// Alerts that are kept of one device. Each is some 150 bytes, and an item holds 400 KB.
pub const MAX_ALERTS: usize = 200;

/// Untold transitions that are kept of one device: whoever was not told of more than these looks at the page.
pub const MAX_UNTOLD: usize = 50;

/// Everything that stands of a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Record {
    /// Counts the writes, so that no two writers can undo each other; 0 where nothing was written yet.
    pub version: u64,
    /// By name: `<sensor>.<quantity>`, or [`SILENCE`].
    pub alerts: BTreeMap<String, Standing>,
    /// Transitions that nobody has been told of, in the order in which they came.
    pub untold: Vec<Untold>,
}

/// Where one alert stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether it is raised.
    pub raised: bool,
    /// What it is, or was until it was cleared.
    pub kind: Kind,
    /// The time of the reading that raised or cleared it; of silence, when the device was last heard.
    pub since: UnixMillis,
    /// What that reading said, in the quantity's canonical unit; silence has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The limit that was crossed; of silence, its length in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// The unit of both, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A value above its limit.
    Above,
    /// A value below its limit.
    Below,
    /// A device that is not heard.
    Silent,
}

/// A transition that nobody has been told of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Untold {
    /// The alert.
    pub name: String,
    /// Until a minute after this time, the invocation that wrote it is telling it.
    pub taken: UnixMillis,
    /// What became of it.
    #[serde(flatten)]
    pub standing: Standing,
}

impl Untold {
    /// Whether they are the same transition, whoever has taken it.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        let what = |one: &Self| (one.standing.raised, one.standing.kind, one.standing.since);
        self.name == other.name && what(self) == what(other)
    }
}

impl Record {
    /// Reads the item. What is damaged in it is left out: the next reading says it anew.
    #[must_use]
    pub fn read(item: &Json) -> Self {
        let alerts = item["alerts"].as_object().into_iter().flatten();
        let alert = |(name, value): (&String, &Json)| {
            Some((name.clone(), Standing::deserialize(value).ok()?))
        };
        let untold = item["untold"].as_array().into_iter().flatten();
        Self {
            version: item["version"].as_u64().unwrap_or(0),
            alerts: alerts.filter_map(alert).collect(),
            untold: untold.filter_map(|value| Untold::deserialize(value).ok()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_is_read_as_it_was_written_and_damage_is_left_out() {
        let standing = Standing {
            raised: true,
            kind: Kind::Below,
            since: UnixMillis::new(1_795_456_115_802).unwrap(),
            value: Some(0.15),
            limit: Some(0.2),
            unit: Some("m3/m3".to_owned()),
        };
        let untold = Untold {
            name: "soil.soil_moisture".to_owned(),
            taken: UnixMillis::new(1_795_456_116_000).unwrap(),
            standing: standing.clone(),
        };
        let record = Record {
            version: 3,
            alerts: [("soil.soil_moisture".to_owned(), standing)].into(),
            untold: vec![untold],
        };
        let mut item = serde_json::to_value(&record).unwrap();
        assert_eq!(Record::read(&item), record);
        item["alerts"]["x.y"] = json!({"raised": "perhaps"});
        item["untold"].as_array_mut().unwrap().push(json!(7));
        assert_eq!(Record::read(&item), record);
        assert_eq!(
            Record::read(&json!({"alerts": 1, "untold": {}, "version": -1})),
            Record::default()
        );
    }
}
