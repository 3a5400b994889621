//! Records with base fields to measurements that stand alone (RFC 8428 section 4).

use serde_json::Value as Json;

use super::name::Name;
use super::record::{Label, Record};
use super::render::{Part, pack};
use super::{MAX_BASE_BYTES, PackError, VERSION};
use crate::ids::SensorId;
use crate::measurement::Value;
use crate::quantity::Quantity;
use crate::time::UnixMillis;
use crate::unit::Unit;
use crate::wire::foreign::{
    Decoded, MAX_RECORDS, PartError, Refused, Sampled, Samples, cut, whole_millis,
};

/// Below it a time in seconds is relative to now: 2^28 (RFC 8428 section 4.5.3).
const ABSOLUTE_FROM_SECONDS: i32 = 1 << 28;

/// Units and what they are once they are multiplied by seconds.
#[rustfmt::skip]
static SUMS: &[(&str, &str)] = &[
    ("W", "J"), ("A", "C"), ("VA", "VAs"), ("var", "vars"), ("m/s", "m"), ("m3/s", "m3"),
    ("l/s", "l"), ("1/s", "count"), ("Hz", "count"), ("bit/s", "bit"), ("B/s", "B"), ("/", "s"),
];

/// The base fields in force.
#[derive(Debug, Default)]
pub(super) struct Base {
    pub(super) name: String,
    pub(super) time: f64,
    pub(super) unit: Option<String>,
    pub(super) value: f64,
    pub(super) sum: Option<f64>,
}

/// Takes one record of a pack after the other.
#[derive(Debug)]
pub(super) struct Resolver {
    now: UnixMillis,
    base: Base,
    records: usize,
    samples: Samples<Part>,
    refused: Vec<Refused>,
}

/// What value and sum of a record share.
struct Common {
    name: Name,
    sensor: SensorId,
    at: UnixMillis,
    unit: Option<Unit>,
}

impl Resolver {
    pub(super) fn new(now: UnixMillis) -> Self {
        Self {
            now,
            base: Base::default(),
            records: 0,
            samples: Samples::new(),
            refused: Vec::new(),
        }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// When the pack ends with it.
    pub(super) fn take(&mut self, record: Record) -> Result<(), PackError> {
        if self.records == MAX_RECORDS {
            return Err(PackError::TooMany);
        }
        self.base.take(self.records, &record)?;
        self.records += 1;
        if !record.is_base_only() {
            self.tell(&record);
        }
        Ok(())
    }

    /// What all records said.
    ///
    /// # Errors
    /// When none said anything.
    pub(super) fn finish(self) -> Result<Decoded, PackError> {
        let samples = self.samples.finish(|held| pack(&held.parts));
        if samples.is_empty() && self.refused.is_empty() {
            return Err(PackError::Empty);
        }
        Ok(Decoded { device: None, samples, refused: self.refused })
    }

    fn tell(&mut self, record: &Record) {
        let at = self.base.at(record, self.now);
        let head = Part::head(record, &self.base, at.as_ref().ok().copied());
        let value = self.base.value(record);
        let sum = self.base.sum(record);
        let nothing = || PartError::unsupported("v", "one of v, vb, vs, vd, s", "none of them");
        let common = self.base.common(record, at).and_then(|common| {
            if value.is_none() && sum.is_none() { Err(nothing()) } else { Ok(common) }
        });
        let common = match common {
            Ok(common) => common,
            Err(error) => {
                let whole = head.with_value(record, &self.base).with_sum(record, &self.base);
                return self.refuse(&whole, self.base.sensor(record), error);
            }
        };
        if let Some(value) = value {
            let sampled = value.and_then(|(number, is_boolean)| {
                let unit = if is_boolean { Some(Unit::named("/")) } else { common.unit };
                let quantity = common.name.quantity(unit, is_boolean)?;
                Ok(Sampled { quantity, unit, value: Value::new(number)? })
            });
            self.add(&common, sampled, head.clone().with_value(record, &self.base));
        }
        if let Some(sum) = sum {
            let sampled = sum.and_then(|number| {
                let name = format!("{}_sum", common.name.quantity(common.unit, false)?);
                let quantity = Quantity::try_from(name.as_str())?;
                let unit = common.unit.map(times_seconds).transpose()?;
                Ok(Sampled { quantity, unit, value: Value::new(number)? })
            });
            self.add(&common, sampled, head.with_sum(record, &self.base));
        }
    }

    fn add(&mut self, common: &Common, sampled: Result<Sampled, PartError>, part: Part) {
        let Common { sensor, at, .. } = common;
        let taken =
            sampled.and_then(|sampled| self.samples.add(sensor, *at, sampled, 0.0, part.clone()));
        if let Err(error) = taken {
            self.refuse(&part, Some(sensor.to_string()), error);
        }
    }

    fn refuse(&mut self, part: &Part, sensor: Option<String>, error: PartError) {
        let message = pack(std::slice::from_ref(part));
        self.refused.push(Refused { message, sensor, error });
    }
}

impl Base {
    /// Takes the base fields of a record, which hold from it on.
    fn take(&mut self, position: usize, record: &Record) -> Result<(), PackError> {
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

    fn at(&self, record: &Record, now: UnixMillis) -> Result<UnixMillis, PartError> {
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

    fn common(
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
    fn sensor(&self, record: &Record) -> Option<String> {
        let (name, is_nameless) = self.name(record)?;
        let sensor = Name::new(&name, is_nameless).ok().and_then(|name| name.sensor.ok());
        Some(sensor.map_or_else(|| cut(&name, 64), |sensor| sensor.to_string()))
    }

    /// The value of a record that has one, and whether it is a boolean.
    fn value(&self, record: &Record) -> Option<Result<(f64, bool), PartError>> {
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
    fn sum(&self, record: &Record) -> Option<Result<f64, PartError>> {
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

fn times_seconds(unit: Unit) -> Result<Unit, PartError> {
    let product = SUMS.iter().find(|(factor, _)| *factor == unit.name());
    product.map(|(_, product)| Unit::named(product)).ok_or_else(|| {
        let expected = "a unit whose product with seconds has a name (W, A, VA, var, m/s, m3/s, l/s, 1/s, Hz, bit/s, B/s, /)";
        PartError::unsupported("s", expected, unit.name())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_in_units_of_the_registry() {
        for (factor, product) in SUMS {
            let product = Unit::try_from(*product).unwrap();
            assert_eq!(times_seconds(Unit::try_from(*factor).unwrap()).unwrap(), product);
        }
        let error = times_seconds(Unit::named("Cel")).unwrap_err();
        assert_eq!(error.code(), "unsupported-value");
    }
}
