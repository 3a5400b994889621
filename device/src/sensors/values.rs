//! Readings as people and programs write them: a line of `quantity=value[:unit]`, a JSON object, or a
//! SenML pack.

use serde_json::Value as Json;
use tidings_schema::measurement::Measurements;
use tidings_schema::{Measurement, Quantity, Unit, Value};

/// Reads a line.
///
/// # Errors
/// With what is wrong, in words.
pub(crate) fn parse_line(line: &str) -> Result<Measurements, String> {
    let line = line.trim();
    if line.starts_with(['{', '[']) {
        let values = match serde_json::from_str(line).map_err(|error| error.to_string())? {
            Json::Array(records) => records.iter().map(senml).collect::<Result<Vec<_>, _>>()?,
            Json::Object(object) => {
                object.iter().map(|(name, value)| member(name, value)).collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        return Measurements::new(values).map_err(|error| error.to_string());
    }
    parse_values(&line.split_whitespace().collect::<Vec<_>>())
}

/// Reads words such as `temperature=21.5` and `leaf_wetness=0.4:/`.
///
/// # Errors
/// With what is wrong, in words.
pub(crate) fn parse_values(values: &[&str]) -> Result<Measurements, String> {
    let values: Result<Vec<Measurement>, String> = values
        .iter()
        .map(|text| {
            let wrong =
                || format!("expected quantity=value or quantity=value:unit, but found {text:?}");
            let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
            let (number, unit) = match rest.split_once(':') {
                Some((number, unit)) => (number, Some(unit)),
                None => (rest, None),
            };
            measurement(name, number.parse().map_err(|_| wrong())?, unit)
        })
        .collect();
    Measurements::new(values?).map_err(|error| error.to_string())
}

/// A member of a JSON object: a number, or `{"value": 0.4, "unit": "/"}`.
fn member(name: &str, value: &Json) -> Result<Measurement, String> {
    let wrong =
        || format!("{name}: expected a number or {{\"value\":…,\"unit\":…}}, but found {value}");
    match value {
        Json::Object(parts) => {
            let number = parts.get("value").and_then(Json::as_f64).ok_or_else(wrong)?;
            let unit = match parts.get("unit") {
                Some(unit) => Some(unit.as_str().ok_or_else(wrong)?),
                None => None,
            };
            measurement(name, number, unit)
        }
        other => measurement(name, other.as_f64().ok_or_else(wrong)?, None),
    }
}

/// A record of a SenML pack (RFC 8428) with name, value and, where the quantity is our own, unit.
/// Base fields, times and sums are for whole devices: they are refused here, not passed over.
fn senml(record: &Json) -> Result<Measurement, String> {
    let object =
        record.as_object().ok_or_else(|| format!("expected a record, but found {record}"))?;
    if let Some(other) = object.keys().find(|key| !["n", "u", "v"].contains(&key.as_str())) {
        return Err(format!("a record of a sensor has n, u and v, but found {other:?}"));
    }
    let name = object.get("n").and_then(Json::as_str).ok_or("a record without n")?;
    let number = object.get("v").and_then(Json::as_f64).ok_or("a record without a number v")?;
    measurement(name, number, object.get("u").and_then(Json::as_str))
}

fn measurement(name: &str, number: f64, unit: Option<&str>) -> Result<Measurement, String> {
    let quantity = Quantity::try_from(name).map_err(|error| error.to_string())?;
    let unit = match (unit, quantity.known()) {
        (Some(unit), _) => Unit::try_from(unit).map_err(|error| error.to_string())?,
        (None, Some(known)) => known.unit(),
        (None, None) => {
            return Err(format!(
                "{name} is no known quantity, so it needs a unit: {name}={number}:UNIT"
            ));
        }
    };
    let value = Value::new(number).map_err(|error| error.to_string())?;
    Ok(Measurement { quantity, unit, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_words_from_json_and_from_senml() {
        let words = parse_line("temperature=21.5 pressure=101325:Pa leaf_wetness=0.4:/").unwrap();
        let units: Vec<&str> = words.as_slice().iter().map(|one| one.unit.name()).collect();
        assert_eq!(units, ["Cel", "Pa", "/"]);
        for same in [
            r#"{"temperature":21.5,"pressure":{"value":101325,"unit":"Pa"},"leaf_wetness":{"value":0.4,"unit":"/"}}"#,
            r#"[{"n":"temperature","v":21.5},{"n":"pressure","u":"Pa","v":101325},{"n":"leaf_wetness","u":"/","v":0.4}]"#,
        ] {
            let mut found = parse_line(same).unwrap().as_slice().to_vec();
            found.sort_by(|a, b| b.quantity.cmp(&a.quantity));
            let mut expected = words.as_slice().to_vec();
            expected.sort_by(|a, b| b.quantity.cmp(&a.quantity));
            assert_eq!(found, expected, "{same}");
        }
        for bad in [
            "temperature",
            "temperature=warm",
            "leaf_wetness=1",
            "temperature=1:F0",
            "{\"a\":\"b\"}",
            "{",
            "[]",
            "{}",
            "[1]",
            "[{\"n\":\"temperature\",\"v\":1,\"t\":5}]",
            "temperature=1 temperature=2",
            "",
        ] {
            assert!(parse_line(bad).is_err(), "{bad}");
        }
    }
}
