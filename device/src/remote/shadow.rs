//! The thing's named shadow `tidings`: what is wanted of the device, and what it does. Pure.
//!
//! ```json
//! {"desired": {"batch": {"age": "30s"},
//!              "sensors": {"bme280": {"interval": "60s"}, "door": {"enabled": false}}}}
//! ```
//!
//! What cannot be done is refused with its reason in `reported.refused`, key by key, and the rest is
//! done. A value that is taken out of `desired` is again what the file says.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::config::{SensorConfig, parse_duration};
use crate::plan::{Plan, shown};

/// The shadow's name.
const NAME: &str = "tidings";

/// The bounds of `batch.age` and of `interval`, as in the file.
const AGE: (Duration, Duration) = (Duration::ZERO, Duration::from_secs(3600));
const INTERVAL: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(24 * 3600));

/// The shadow's topics (AWS IoT Core developer guide, "Device Shadow MQTT topics").
#[derive(Debug, Clone)]
pub(super) struct Topics {
    prefix: String,
}

impl Topics {
    pub(super) fn of(device: &str) -> Self {
        Self { prefix: format!("$aws/things/{device}/shadow/name/{NAME}/") }
    }

    pub(super) fn get(&self) -> String {
        format!("{}get", self.prefix)
    }

    pub(super) fn update(&self) -> String {
        format!("{}update", self.prefix)
    }

    /// Where answers come.
    pub(super) fn filters(&self) -> [String; 4] {
        ["get/accepted", "get/rejected", "update/delta", "update/rejected"]
            .map(|end| format!("{}{end}", self.prefix))
    }

    /// The part of a topic that says what it is about.
    pub(super) fn part<'a>(&self, topic: &'a str) -> Option<&'a str> {
        topic.strip_prefix(&self.prefix)
    }
}

/// What a wish comes to.
#[derive(Debug, PartialEq)]
pub(super) struct Applied {
    /// What is done from now on.
    pub(super) plan: Plan,
    /// What is to stand in `reported`.
    pub(super) reported: Value,
}

/// Puts a wish on top of what the file says.
pub(super) fn apply(file: &Plan, desired: &Value) -> Applied {
    let mut refused = Map::new();
    let mut plan = file.clone();
    let mut enabled: Vec<bool> = vec![true; plan.sensors.len()];
    for (key, value) in members(desired, "", &mut refused) {
        match key.as_str() {
            "batch" => {
                for (key, value) in members(value, "batch", &mut refused) {
                    match key.as_str() {
                        "age" => {
                            take(&mut plan.age, duration(value, AGE), "batch.age", &mut refused);
                        }
                        _ => refuse(&mut refused, &format!("batch.{key}"), "expected age"),
                    }
                }
            }
            "sensors" => {
                for (name, wish) in members(value, "sensors", &mut refused) {
                    let at = format!("sensors.{name}");
                    let place = plan.sensors.iter().position(|one| one.name.as_str() == name);
                    match place {
                        Some(place) => {
                            let (sensor, on) = (&mut plan.sensors[place], &mut enabled[place]);
                            one(sensor, on, wish, &at, &mut refused);
                        }
                        None => refuse(&mut refused, &at, "the device has no sensor of this name"),
                    }
                }
            }
            _ => refuse(&mut refused, key, "expected batch or sensors"),
        }
    }
    let sensors: Map<String, Value> = plan
        .sensors
        .iter()
        .zip(&enabled)
        .map(|(sensor, enabled)| {
            let said = json!({"interval": shown(sensor.interval), "enabled": enabled});
            (sensor.name.to_string(), said)
        })
        .collect();
    let mut reported = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "batch": {"age": shown(plan.age)},
        "sensors": sensors,
    });
    if !refused.is_empty() {
        reported["refused"] = Value::Object(refused);
    }
    let mut on = enabled.into_iter();
    plan.sensors.retain(|_| on.next().unwrap_or(true));
    Applied { plan, reported }
}

fn one(
    sensor: &mut SensorConfig,
    enabled: &mut bool,
    wish: &Value,
    at: &str,
    refused: &mut Map<String, Value>,
) {
    for (key, value) in members(wish, at, refused) {
        let at = format!("{at}.{key}");
        match key.as_str() {
            "interval" => take(&mut sensor.interval, duration(value, INTERVAL), &at, refused),
            "enabled" => {
                let wanted = value.as_bool().ok_or_else(|| "expected true or false".to_owned());
                take(enabled, wanted, &at, refused);
            }
            _ => refuse(refused, &at, "expected interval or enabled"),
        }
    }
}

/// The members of an object; `null` and absence are an empty one.
fn members<'a>(
    value: &'a Value,
    at: &str,
    refused: &mut Map<String, Value>,
) -> Vec<(&'a String, &'a Value)> {
    match value {
        Value::Object(map) => map.iter().filter(|(_, value)| !value.is_null()).collect(),
        Value::Null => Vec::new(),
        _ => {
            refuse(refused, at, "expected an object");
            Vec::new()
        }
    }
}

fn duration(value: &Value, (min, max): (Duration, Duration)) -> Result<Duration, String> {
    let text = value.as_str().ok_or("expected a text such as \"30s\"")?;
    let duration = parse_duration(text)?;
    if (min..=max).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("expected {} to {}, but found {text}", shown(min), shown(max)))
    }
}

fn take<T>(place: &mut T, wanted: Result<T, String>, at: &str, refused: &mut Map<String, Value>) {
    match wanted {
        Ok(wanted) => *place = wanted,
        Err(reason) => refuse(refused, at, &reason),
    }
}

/// Of a wish that is all wrong only the first hundred reasons are told: a shadow holds 8 KB.
fn refuse(refused: &mut Map<String, Value>, at: &str, reason: &str) {
    if refused.len() < 100 {
        let at: String = at.chars().take(100).collect();
        refused.insert(at, json!(reason));
    }
}

/// What has to be sent to make `theirs` say what `ours` says: only what differs, with `null` where
/// something is to go. `None` where nothing differs, so that no answer ever answers itself.
pub(super) fn difference(ours: &Value, theirs: &Value) -> Option<Value> {
    let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else {
        return (ours != theirs).then(|| ours.clone());
    };
    let mut differs = Map::new();
    for (key, value) in ours {
        match theirs.get(key) {
            Some(their) => {
                if let Some(difference) = difference(value, their) {
                    differs.insert(key.clone(), difference);
                }
            }
            None => {
                differs.insert(key.clone(), value.clone());
            }
        }
    }
    for key in theirs.keys().filter(|key| !ours.contains_key(*key)) {
        differs.insert(key.clone(), Value::Null);
    }
    (!differs.is_empty()).then_some(Value::Object(differs))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    fn file() -> Plan {
        let text = r#"
            device = "pi-1"
            [mqtt]
            endpoint = "x"
            ca = "a"
            certificate = "b"
            key = "c"
            [health]
            interval = "off"
            [[sensor]]
            name = "air"
            kind = "simulated"
            interval = "10s"
            [[sensor]]
            name = "door"
            kind = "simulated"
            interval = "1s"
        "#;
        Plan::of(&Config::parse(text, Path::new("agent.toml")).unwrap())
    }

    #[test]
    fn a_wish_is_done_as_far_as_it_can_be_and_the_rest_is_refused_with_its_reason() {
        let desired = json!({
            "batch": {"age": "30s", "bytes": 7},
            "sensors": {
                "air": {"interval": "90s", "colour": "red"},
                "door": {"enabled": false, "interval": "1ms"},
                "cellar": {"interval": "1s"},
            },
            "reboot": true,
        });
        let Applied { plan, reported } = apply(&file(), &desired);
        assert_eq!(plan.age, Duration::from_secs(30));
        assert_eq!(plan.sensors.len(), 1);
        assert_eq!(plan.sensors[0].interval, Duration::from_secs(90));
        assert_eq!(
            reported,
            json!({
                "version": env!("CARGO_PKG_VERSION"),
                "batch": {"age": "30s"},
                "sensors": {
                    "air": {"interval": "90s", "enabled": true},
                    "door": {"interval": "1s", "enabled": false},
                },
                "refused": {
                    "batch.bytes": "expected age",
                    "reboot": "expected batch or sensors",
                    "sensors.air.colour": "expected interval or enabled",
                    "sensors.cellar": "the device has no sensor of this name",
                    "sensors.door.interval": "expected 10ms to 24h, but found 1ms",
                },
            })
        );
    }

    #[test]
    fn no_wish_is_what_the_file_says_and_nonsense_is_no_wish() {
        for desired in [json!(null), json!({}), json!({"sensors": null})] {
            let Applied { plan, reported } = apply(&file(), &desired);
            assert_eq!((plan, reported.get("refused")), (file(), None));
        }
        let Applied { plan, reported } = apply(&file(), &json!({"batch": [1], "sensors": 7}));
        assert_eq!(plan, file());
        assert_eq!(
            reported["refused"],
            json!({"batch": "expected an object", "sensors": "expected an object"})
        );
    }

    #[test]
    fn only_what_differs_is_told() {
        let ours = json!({"a": 1, "b": {"c": 2, "d": 3}});
        assert_eq!(difference(&ours, &ours), None);
        let theirs = json!({"a": 1, "b": {"c": 5, "x": 1}, "gone": {}});
        assert_eq!(
            difference(&ours, &theirs),
            Some(json!({"b": {"c": 2, "d": 3, "x": null}, "gone": null}))
        );
    }
}
