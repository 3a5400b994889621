//! Puts the values of one sensor and time together.

use std::collections::HashMap;

use super::{PartError, Sample, Sampled};
use crate::ids::SensorId;
use crate::limits::MAX_QUANTITIES;
use crate::measurement::MeasurementsError;
use crate::time::UnixMillis;

/// Samples in the making. `P` is the part of the message that a value came from.
#[derive(Debug)]
pub(crate) struct Samples<P> {
    held: Vec<Held<P>>,
    /// Where in `held` a sensor and time is: thousands of records must not be looked through for
    /// each of them.
    places: HashMap<(SensorId, UnixMillis), usize>,
}

/// A sample in the making.
#[derive(Debug)]
pub(crate) struct Held<P> {
    pub(crate) sensor: SensorId,
    pub(crate) at: UnixMillis,
    values: Vec<(Sampled, f64)>,
    /// The part of each value.
    pub(crate) parts: Vec<P>,
}

impl<P> Samples<P> {
    pub(crate) fn new() -> Self {
        Self { held: Vec::new(), places: HashMap::new() }
    }

    /// Takes a value. One that says what an earlier one said, give or take the larger `tolerance`
    /// of both, is taken as the same.
    ///
    /// # Errors
    /// When an earlier one says something else, and when there are too many.
    pub(crate) fn add(
        &mut self,
        sensor: &SensorId,
        at: UnixMillis,
        sampled: Sampled,
        tolerance: f64,
        part: P,
    ) -> Result<(), PartError> {
        let place = *self.places.entry((sensor.clone(), at)).or_insert(self.held.len());
        if place == self.held.len() {
            let (values, parts) = (Vec::new(), Vec::new());
            self.held.push(Held { sensor: sensor.clone(), at, values, parts });
        }
        let held = &mut self.held[place];
        let same = |(one, _): &&(Sampled, f64)| one.quantity == sampled.quantity;
        if let Some((first, other)) = held.values.iter().find(same) {
            if agree(first, &sampled, tolerance.max(*other)) {
                return Ok(());
            }
            let quantity = sampled.quantity.clone();
            return Err(PartError::Conflict {
                quantity,
                first: text(first),
                found: text(&sampled),
            });
        }
        if held.values.len() == MAX_QUANTITIES {
            return Err(MeasurementsError::Count { found: MAX_QUANTITIES + 1 }.into());
        }
        held.values.push((sampled, tolerance));
        held.parts.push(part);
        Ok(())
    }

    /// The samples, each with the message that `alone` makes of its parts.
    pub(crate) fn finish(self, alone: impl Fn(&Held<P>) -> Vec<u8>) -> Vec<Sample> {
        self.held
            .into_iter()
            .map(|held| {
                let alone = alone(&held);
                let values = held.values.into_iter().map(|(sampled, _)| sampled).collect();
                Sample { sensor: held.sensor, at: held.at, values, alone }
            })
            .collect()
    }
}

fn agree(first: &Sampled, second: &Sampled, tolerance: f64) -> bool {
    let unit = |one: &Sampled| one.unit.or_else(|| Some(one.quantity.known()?.unit()));
    unit(first) == unit(second) && (first.value.get() - second.value.get()).abs() <= tolerance
}

fn text(one: &Sampled) -> String {
    one.unit.map_or_else(|| one.value.to_string(), |unit| format!("{} {unit}", one.value))
}
