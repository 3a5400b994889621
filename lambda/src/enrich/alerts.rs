//! The part of a profile that says of what people want to be told.

use std::time::Duration;

use serde_json::{Map, Value as Json};
use tidings_schema::Value;

use super::profile::{Named, named};
use crate::alert::Limits;

/// Limits of one device: each may stand for every sensor, and all are looked at with every reading.
const MAX_LIMITS: usize = 100;

/// The table is told of a sensor once a minute, and looked at every five: below, nothing is certain.
const SHORTEST_SILENCE: Duration = Duration::from_secs(5 * 60);
const LONGEST_SILENCE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Limits by sensor and quantity.
pub(super) fn limits(item: &Map<String, Json>, problems: &mut Vec<String>) -> Named<Limits> {
    let mut all = named(item, "alerts", problems, |fields| {
        if fields.keys().any(|name| !["above", "below", "clear"].contains(&name.as_str())) {
            return Err("expected above, below and clear alone");
        }
        let number = |name| match fields.get(name) {
            None => Ok(None),
            // Only what a table can hold.
            Some(value) => {
                let value = value.as_f64().and_then(|number| Value::new(number).ok());
                value.map(|value| Some(value.get())).ok_or("expected numbers")
            }
        };
        let limits =
            Limits { above: number("above")?, below: number("below")?, clear: number("clear")? };
        limits.check().map(|()| limits)
    });
    if all.len() > MAX_LIMITS {
        problems.push(format!("alerts: expected up to {MAX_LIMITS}, but found {}", all.len()));
        all.clear();
    }
    all
}

/// How long a device may be silent.
pub(super) fn silence(item: &Map<String, Json>, problems: &mut Vec<String>) -> Option<Duration> {
    let value = item.get("silence")?;
    let found = value.as_str().and_then(duration);
    let found = found.filter(|length| (SHORTEST_SILENCE..=LONGEST_SILENCE).contains(length));
    if found.is_none() {
        problems.push(format!(
            "silence: expected a time from \"5m\" to \"30d\" (s, m, h, d), but found {value}"
        ));
    }
    found
}

fn duration(text: &str) -> Option<Duration> {
    let (number, seconds) = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    number.parse::<u64>().ok()?.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<T>(
        item: &Json,
        read: impl Fn(&Map<String, Json>, &mut Vec<String>) -> T,
    ) -> (T, String) {
        let mut problems = Vec::new();
        let found = read(item.as_object().unwrap(), &mut problems);
        (found, problems.join("\n"))
    }

    #[test]
    fn limits_are_read_and_every_wrong_one_is_named() {
        let (found, problems) = read(
            &json!({"alerts": {"bme280.temperature": {"above": 35, "clear": 33},
                "temperature": {"below": -5, "above": 60}, "soil.soil_moisture": {"below": 0.2, "clear": 0.25}}}),
            limits,
        );
        assert_eq!((found.len(), problems.as_str()), (3, ""));
        let (found, problems) = read(
            &json!({"alerts": {"a": {}, "b": {"clear": 3}, "c": {"above": "high"},
                "d": {"above": 35, "clear": 36}, "e": {"below": 3, "clear": 2.9}, "f": {"above": 1, "below": 1},
                "g": {"above": 1, "for": "5m"}, "h.i.j": {"above": 1}, "k": 3, "l": {"above": 1e300},
                "fine": {"above": 9, "below": 1, "clear": 5}}}),
            limits,
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(problems.lines().count(), 10, "{problems}");
        for name in ["a", "b", "c", "d", "e", "f", "g", "h.i.j", "k", "l"] {
            assert!(problems.contains(&format!("alerts.{name}: ")), "{name} in {problems}");
        }
        let many: Map<String, Json> =
            (0..=MAX_LIMITS).map(|number| (format!("q{number}"), json!({"above": 1}))).collect();
        let (found, problems) = read(&json!({"alerts": many}), limits);
        assert!(found.is_empty() && problems.contains("up to 100"), "{problems}");
    }

    #[test]
    fn silence_is_a_time() {
        for (text, seconds) in [("300s", 300), ("15m", 900), ("2h", 7200), ("30d", 2_592_000)] {
            let (found, problems) = read(&json!({"silence": text}), silence);
            assert_eq!((found, problems.as_str()), (Some(Duration::from_secs(seconds)), ""));
        }
        let wrong = [
            json!("4m"),
            json!("31d"),
            json!(900),
            json!("m"),
            json!("+9m"),
            json!("1w"),
            json!("99999999999999999999d"),
            json!(null),
        ];
        for text in wrong {
            let (found, problems) = read(&json!({"silence": text}), silence);
            assert!(found.is_none() && problems.starts_with("silence: "), "{text}");
        }
        assert_eq!(read(&json!({}), silence), (None, String::new()));
    }
}
