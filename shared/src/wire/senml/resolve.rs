//! Records with base fields to measurements that stand alone (RFC 8428 section 4).

use super::PackError;
use super::base::{Base, Common};
use super::record::Record;
use super::render::{Part, pack};
use crate::measurement::Value;
use crate::quantity::Quantity;
use crate::time::UnixMillis;
use crate::unit::Unit;
use crate::wire::foreign::{Decoded, MAX_RECORDS, PartError, Refused, Sampled, Samples};

/// Units and what they are once they are multiplied by seconds.
#[rustfmt::skip]
static SUMS: &[(&str, &str)] = &[
    ("W", "J"), ("A", "C"), ("VA", "VAs"), ("var", "vars"), ("m/s", "m"), ("m3/s", "m3"),
    ("l/s", "l"), ("1/s", "count"), ("Hz", "count"), ("bit/s", "bit"), ("B/s", "B"), ("/", "s"),
];

/// Takes one record of a pack after the other.
#[derive(Debug)]
pub(super) struct Resolver {
    now: UnixMillis,
    base: Base,
    records: usize,
    samples: Samples<Part>,
    refused: Vec<Refused>,
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
