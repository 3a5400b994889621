//! The base fields in force, and what a record says with them (RFC 8428 section 4.1 and 4.5).

use serde_json::Value as Json;

use super::name::Name;
use super::record::{Label, Record};
use super::{MAX_BASE_BYTES, PackError, VERSION};
use crate::ids::SensorId;
use crate::time::UnixMillis;
use crate::unit::Unit;
use crate::wire::foreign::{PartError, cut, whole_millis};

/// Below it a time in seconds is relative to now: 2^28 (RFC 8428 section 4.5.3).
const ABSOLUTE_FROM_SECONDS: i32 = 1 << 28;

/// The base fields in force.
#[derive(Debug, Default)]
pub(super) struct Base {
    pub(super) name: String,
    pub(super) time: f64,
    pub(super) unit: Option<String>,
    pub(super) value: f64,
    pub(super) sum: Option<f64>,
}

/// What value and sum of a record share.
pub(super) struct Common {
    pub(super) name: Name,
    pub(super) sensor: SensorId,
    pub(super) at: UnixMillis,
    pub(super) unit: Option<Unit>,
}

impl Base {
    /// Takes the base fields of a record, which hold from it on.
    pub(super) fn take(&mut self, position: usize, record: &Record) -> Result<(), PackError> {
        let refuse = |label: Label, expected: &str| PackError::Field {
            record: position,
            field: label.text(),
            expected: expected.to_owned(),
            found: record.get(label).map_or_else(String::new, |json| cut(&json.to_string(), 64)),
        };
        let text = |label: Label| {
            record.get(label).map(|json| match json.as_str() {
                Some(text) if text.len() <= MAX_BASE_BYTES => Ok(text.to_owned()),
                _ => Err(refuse(label, &format!("a text of at most {MAX_BASE_BYTES} bytes"))),
            })
        };
        let number = |label: Label| {
            record
                .get(label)
                .map(|json| json.as_f64().ok_or_else(|| refuse(label, "a finite number")))
        };
        // The version first: in a higher one the other fields may be anything.
        if let Some(version) = record.get(Label::BaseVersion) {
            match version.as_u64() {
                Some(1..=VERSION) => {}
                Some(found) if found > VERSION => {
                    return Err(PackError::UnsupportedVersion { found });
                }
                _ => return Err(refuse(Label::BaseVersion, "a whole number from 1")),
            }
        }
        if let Some(name) = text(Label::BaseName) {
            self.name = name?;
        }
        if let Some(time) = number(Label::BaseTime) {
            self.time = time?;
        }
        if let Some(unit) = text(Label::BaseUnit) {
            self.unit = Some(unit?);
        }
        if let Some(value) = number(Label::BaseValue) {
            self.value = value?;
        }
        if let Some(sum) = number(Label::BaseSum) {
            self.sum = Some(sum?);
        }
        Ok(())
    }

    pub(super) fn at(&self, record: &Record, now: UnixMillis) -> Result<UnixMillis, PartError> {
        let seconds = self.time + number(record, Label::Time)?.unwrap_or(0.0);
        let millis = whole_millis(seconds * 1000.0);
        let at = if seconds < f64::from(ABSOLUTE_FROM_SECONDS) {
            now.offset(millis)?
        } else {
            UnixMillis::new(millis)?
        };
        let earliest = i64::from(ABSOLUTE_FROM_SECONDS) * 1000;
        if at.get() < earliest {
            return Err(PartError::TooEarly { found: at, earliest });
        }
        Ok(at)
    }

    /// The base name with the record's, and whether the record has none; `None` where that is no
    /// text.
    fn name(&self, record: &Record) -> Option<(String, bool)> {
        let own = record.get(Label::Name).map_or(Some(""), Json::as_str)?;
        Some((format!("{}{own}", self.name), own.is_empty()))
    }

    pub(super) fn common(
        &self,
        record: &Record,
        at: Result<UnixMillis, PartError>,
    ) -> Result<Common, PartError> {
        text(record, Label::Name)?;
        number(record, Label::UpdateTime)?;
        let (name, is_nameless) = self.name(record).expect("it is a text, as was seen above");
        let name = Name::new(&name, is_nameless)?;
        let sensor = name.sensor.clone()?;
        let unit = text(record, Label::Unit)?.or(self.unit.as_deref());
        let unit = unit.map(Unit::try_from).transpose()?;
        Ok(Common { name, sensor, at: at?, unit })
    }

    /// What a record is of, for people, whatever is wrong with it.
    pub(super) fn sensor(&self, record: &Record) -> Option<String> {
        let (name, is_nameless) = self.name(record)?;
        let sensor = Name::new(&name, is_nameless).ok().and_then(|name| name.sensor.ok());
        Some(sensor.map_or_else(|| cut(&name, 64), |sensor| sensor.to_string()))
    }

    /// The value of a record that has one, and whether it is a boolean.
    pub(super) fn value(&self, record: &Record) -> Option<Result<(f64, bool), PartError>> {
        let has = |label: &Label| record.get(*label).is_some();
        let present: Vec<Label> = Label::VALUES.into_iter().filter(has).collect();
        let (label, json) = match present.as_slice() {
            [] => return None,
            [label] => (*label, record.get(*label)?),
            labels => {
                let labels: Vec<&str> = labels.iter().map(|label| label.text()).collect();
                let found = labels.join(" and ");
                return Some(Err(PartError::unsupported("v", "one of v, vb, vs, vd", &found)));
            }
        };
        let refuse =
            |expected| Err(PartError::unsupported(label.text(), expected, &json.to_string()));
        Some(match (label, json) {
            (Label::BooleanValue, Json::Bool(boolean)) => Ok((f64::from(u8::from(*boolean)), true)),
            (Label::BooleanValue, _) => refuse("a boolean"),
            (Label::Value, _) => match json.as_f64() {
                Some(number) => Ok((self.value + number, false)),
                None => refuse("a finite number"),
            },
            _ => refuse("a number in v or a boolean in vb"),
        })
    }

    /// The sum of a record that has one.
    pub(super) fn sum(&self, record: &Record) -> Option<Result<f64, PartError>> {
        let own = number(record, Label::Sum);
        let has_number = record.get(Label::Value).is_some_and(Json::is_number);
        match (own, self.sum) {
            (Err(error), _) => Some(Err(error)),
            (Ok(Some(own)), base) => Some(Ok(base.unwrap_or(0.0) + own)),
            (Ok(None), Some(base)) if has_number => Some(Ok(base)),
            (Ok(None), _) => None,
        }
    }
}

fn number(record: &Record, label: Label) -> Result<Option<f64>, PartError> {
    record
        .get(label)
        .map(|json| json.as_f64().ok_or_else(|| wrong(label, "a finite number", json)))
        .transpose()
}

fn text(record: &Record, label: Label) -> Result<Option<&str>, PartError> {
    record
        .get(label)
        .map(|json| json.as_str().ok_or_else(|| wrong(label, "a text", json)))
        .transpose()
}

fn wrong(label: Label, expected: &'static str, found: &Json) -> PartError {
    PartError::unsupported(label.text(), expected, &found.to_string())
}
