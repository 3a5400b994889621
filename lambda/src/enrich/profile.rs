//! What an operator says of a device, in the table `devices` under `pk = "device"`, `sk = <device>`:
//!
//! ```json
//! {"site": "greenhouse 3", "labels": {"crop": "tomato"}, "altitude": 34,
//!  "calibration": {"bme280.temperature": {"gain": 1.02, "offset": -0.4}},
//!  "ranges": {"temperature": {"min": -10, "max": 60}, "soil.soil_moisture": {"max": 0.6}},
//!  "derive": ["dew_point", "absolute_humidity", "sea_level_pressure"],
//!  "alerts": {"bme280.temperature": {"above": 35, "clear": 33}, "soil_moisture": {"below": 0.2}},
//!  "silence": "15m"}
//! ```
//!
//! A name is `<sensor>.<quantity>`, or `<quantity>` for every sensor; the former goes before the
//! latter. Values are in the quantity's canonical unit, and `value * gain + offset` is what is stored.
//! `altitude` is in metres. Whatever is wrong in it is said in the log and left out; the rest holds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tidings_schema::{Quantity, SensorId};

use super::alerts;
use super::derive::Derived;
use crate::alert::Limits;
use crate::item::Said;

/// What an operator says of a device.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Profile {
    pub(crate) said: Arc<Said>,
    calibration: Named<Line>,
    ranges: Named<Range>,
    pub(crate) derive: Vec<Derived>,
    /// Metres above the sea.
    pub(crate) altitude: Option<f64>,
    alerts: Named<Limits>,
    /// How long it may be silent.
    pub(crate) silence: Option<Duration>,
    /// What is wrong with it.
    pub(crate) problems: Vec<String>,
}

/// `value * gain + offset`
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Line {
    pub(crate) gain: f64,
    pub(crate) offset: f64,
}

/// What is plausible for a device, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// By quantity, for one sensor or (`None`) for all.
pub(super) type Named<T> = HashMap<(Option<SensorId>, Quantity), T>;

/// Attributes of the item, its keys left out.
pub(super) const KNOWN: [&str; 8] =
    ["site", "labels", "altitude", "calibration", "ranges", "derive", "alerts", "silence"];

/// Labels go with every reading, and every reading pays for them.
const MAX_LABELS: usize = 32;
const MAX_LABEL_BYTES: usize = 256;

impl Profile {
    /// Reads the item.
    pub(crate) fn read(item: &Json) -> Self {
        let mut profile = Self::default();
        let Some(item) = item.as_object() else { return profile };
        let mut problems = Vec::new();
        for name in item.keys().filter(|name| !["pk", "sk"].contains(&name.as_str())) {
            if !KNOWN.contains(&name.as_str()) {
                problems.push(format!("{name}: expected one of {}", KNOWN.join(", ")));
            }
        }
        let site = item.get("site").and_then(|value| match value.as_str() {
            Some(text) if text.len() <= MAX_LABEL_BYTES => Some(text.to_owned()),
            Some(_) | None => {
                problems.push(format!("site: expected a text of up to {MAX_LABEL_BYTES} bytes"));
                None
            }
        });
        let labels = labels(item, &mut problems);
        profile.said = Arc::new(Said { site, labels, unknown: false });
        profile.altitude = item.get("altitude").and_then(|value| {
            // From the Dead Sea to beyond any mountain.
            let altitude = value.as_f64().filter(|metres| (-500.0..=10_000.0).contains(metres));
            if altitude.is_none() {
                problems.push(format!(
                    "altitude: expected metres from -500 to 10000, but found {value}"
                ));
            }
            altitude
        });
        profile.calibration = named(item, "calibration", &mut problems, |fields| {
            let line =
                Line { gain: field(fields, "gain", 1.0)?, offset: field(fields, "offset", 0.0)? };
            (line.gain != 0.0).then_some(line).ok_or("expected a gain other than 0")
        });
        profile.ranges = named(item, "ranges", &mut problems, |fields| {
            let min = field(fields, "min", f64::NEG_INFINITY)?;
            let max = field(fields, "max", f64::INFINITY)?;
            (min <= max).then_some(Range { min, max }).ok_or("expected min up to max")
        });
        profile.derive = derive(item, &mut problems);
        if profile.derive.contains(&Derived::SeaLevelPressure) && profile.altitude.is_none() {
            problems.push("derive: sea_level_pressure needs the altitude".to_owned());
        }
        profile.alerts = alerts::limits(item, &mut problems);
        profile.silence = alerts::silence(item, &mut problems);
        profile.problems = problems;
        profile
    }

    /// Of a device that could not be asked for.
    pub(crate) fn unknown() -> Self {
        let said = Said { unknown: true, ..Said::default() };
        Self { said: Arc::new(said), ..Self::default() }
    }

    /// How values of this sensor and quantity are corrected.
    pub(crate) fn calibration(&self, sensor: &SensorId, quantity: &Quantity) -> Option<Line> {
        lookup(&self.calibration, sensor, quantity)
    }

    /// What is plausible for this sensor and quantity.
    pub(crate) fn range(&self, sensor: &SensorId, quantity: &Quantity) -> Option<Range> {
        lookup(&self.ranges, sensor, quantity)
    }

    /// Of which values of this sensor and quantity people want to be told.
    pub(crate) fn limits(&self, sensor: &SensorId, quantity: &Quantity) -> Option<Limits> {
        lookup(&self.alerts, sensor, quantity)
    }

    /// Whether they want to be told of any.
    pub(crate) fn has_limits(&self) -> bool {
        !self.alerts.is_empty()
    }
}

fn lookup<T: Copy>(named: &Named<T>, sensor: &SensorId, quantity: &Quantity) -> Option<T> {
    // Most devices have none: then nothing is cloned to be looked up.
    if named.is_empty() {
        return None;
    }
    named
        .get(&(Some(sensor.clone()), quantity.clone()))
        .or_else(|| named.get(&(None, quantity.clone())))
        .copied()
}

fn labels(item: &Map<String, Json>, problems: &mut Vec<String>) -> BTreeMap<String, String> {
    let Some(value) = item.get("labels") else { return BTreeMap::new() };
    let Some(map) = value.as_object() else {
        problems.push("labels: expected a map of texts".to_owned());
        return BTreeMap::new();
    };
    if map.len() > MAX_LABELS {
        problems.push(format!("labels: expected up to {MAX_LABELS}, but found {}", map.len()));
    }
    let mut labels = BTreeMap::new();
    for (name, value) in map.iter().take(MAX_LABELS) {
        match value.as_str() {
            Some(text) if text.len().max(name.len()) <= MAX_LABEL_BYTES && !name.is_empty() => {
                labels.insert(name.clone(), text.to_owned());
            }
            Some(_) | None => problems
                .push(format!("labels.{name}: expected a text of up to {MAX_LABEL_BYTES} bytes")),
        }
    }
    labels
}

fn derive(item: &Map<String, Json>, problems: &mut Vec<String>) -> Vec<Derived> {
    let Some(value) = item.get("derive") else { return Vec::new() };
    let mut list = Vec::new();
    for name in value.as_array().into_iter().flatten() {
        let found = name
            .as_str()
            .and_then(|name| Derived::ALL.into_iter().find(|one| one.quantity() == name));
        match found {
            Some(one) if !list.contains(&one) => list.push(one),
            Some(_) => {}
            None => {
                let names = Derived::ALL.map(Derived::quantity).join(", ");
                problems.push(format!("derive: expected some of {names}, but found {name}"));
            }
        }
    }
    if !value.is_array() {
        problems.push("derive: expected a list of names".to_owned());
    }
    list
}

/// A number among some fields, or what it is where it is left out.
fn field(fields: &Map<String, Json>, name: &str, default: f64) -> Result<f64, &'static str> {
    match fields.get(name) {
        None => Ok(default),
        Some(value) => value.as_f64().ok_or("expected numbers"),
    }
}

pub(super) fn named<T>(
    item: &Map<String, Json>,
    attribute: &str,
    problems: &mut Vec<String>,
    read: impl Fn(&Map<String, Json>) -> Result<T, &'static str>,
) -> Named<T> {
    let mut named = Named::new();
    let Some(value) = item.get(attribute) else { return named };
    let Some(map) = value.as_object() else {
        problems.push(format!("{attribute}: expected a map by sensor and quantity"));
        return named;
    };
    for (name, value) in map {
        let read = key(name).and_then(|key| {
            let fields = value.as_object().ok_or_else(|| "expected a map of numbers".to_owned())?;
            Ok((key, read(fields)?))
        });
        match read {
            Ok((key, value)) => {
                named.insert(key, value);
            }
            Err(problem) => problems.push(format!("{attribute}.{name}: {problem}")),
        }
    }
    named
}

fn key(name: &str) -> Result<(Option<SensorId>, Quantity), String> {
    let (sensor, quantity) = match name.split_once('.') {
        None => (None, name),
        Some((sensor, quantity)) => {
            (Some(SensorId::try_from(sensor).map_err(|error| error.to_string())?), quantity)
        }
    };
    Ok((sensor, Quantity::try_from(quantity).map_err(|error| error.to_string())?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_profile_says_what_the_header_says() {
        let profile = Profile::read(&json!({"pk": "device", "sk": "pi-1",
            "site": "greenhouse 3", "labels": {"crop": "tomato"}, "altitude": 34,
            "calibration": {"bme280.temperature": {"gain": 1.02, "offset": -0.4}, "humidity": {"offset": 2}},
            "ranges": {"temperature": {"min": -10, "max": 60}, "soil.temperature": {"max": 40}},
            "derive": ["dew_point", "sea_level_pressure"],
            "alerts": {"temperature": {"above": 60}, "bme280.temperature": {"above": 35, "clear": 33}},
            "silence": "15m"}));
        assert_eq!(profile.problems, [] as [&str; 0]);
        assert_eq!(profile.said.site.as_deref(), Some("greenhouse 3"));
        let (bme, soil) = ("bme280".try_into().unwrap(), "soil".try_into().unwrap());
        let (temperature, humidity) =
            ("temperature".try_into().unwrap(), "humidity".try_into().unwrap());
        assert_eq!(
            profile.calibration(&bme, &temperature),
            Some(Line { gain: 1.02, offset: -0.4 })
        );
        assert_eq!(profile.calibration(&soil, &temperature), None);
        assert_eq!(profile.calibration(&soil, &humidity), Some(Line { gain: 1.0, offset: 2.0 }));
        assert_eq!(profile.range(&bme, &temperature), Some(Range { min: -10.0, max: 60.0 }));
        let only_max = Range { min: f64::NEG_INFINITY, max: 40.0 };
        assert_eq!(profile.range(&soil, &temperature), Some(only_max));
        assert_eq!(profile.derive, [Derived::DewPoint, Derived::SeaLevelPressure]);
        assert_eq!(profile.limits(&bme, &temperature).unwrap().clear, Some(33.0));
        assert_eq!(profile.limits(&soil, &temperature).unwrap().above, Some(60.0));
        assert_eq!(profile.limits(&soil, &humidity), None);
        assert_eq!(profile.silence, Some(Duration::from_secs(900)));
    }

    #[test]
    fn every_mistake_is_named_and_the_rest_holds() {
        let profile = Profile::read(&json!({"site": 3, "colour": "red", "altitude": "high",
            "labels": {"crop": "tomato", "row": 7},
            "calibration": {"a.b.c": {}, "temperature": {"gain": 0}, "humidity": {"gain": 2}},
            "ranges": {"temperature": {"min": 5, "max": 1}, "humidity": 3},
            "derive": ["dew_point", "happiness", "sea_level_pressure"],
            "alerts": {"humidity": {"above": 5, "clear": 6}}, "silence": "1w"}));
        let text = profile.problems.join("\n");
        for name in [
            "site:",
            "colour:",
            "altitude:",
            "labels.row:",
            "calibration.a.b.c:",
            "calibration.temperature:",
            "ranges.temperature:",
            "ranges.humidity:",
            "happiness",
            "needs the altitude",
            "alerts.humidity:",
            "silence:",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert_eq!(profile.problems.len(), 12);
        let humidity = "humidity".try_into().unwrap();
        assert!(profile.calibration(&"x".try_into().unwrap(), &humidity).is_some());
        assert_eq!(profile.said.labels.len(), 1);
        assert_eq!(profile.derive.len(), 2);
        assert_eq!(Profile::read(&json!(7)), Profile::default());
    }
}
