//! Fewer readings where less says as much: a dead band, or one reading for a window. Pure.
//!
//! What is left out here was never accepted by the queue; what a window holds when the power fails is
//! gone with it.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_schema::limits::MAX_QUANTITIES;
use tidings_schema::measurement::Measurements;
use tidings_schema::{Measurement, Outcome, Quantity, Value};
use tokio::time::Instant;

use crate::clock::Stamp;

/// How a sensor's readings are thinned.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Reduce {
    /// Not at all.
    #[default]
    Nothing,
    /// Only what differs from what was told last.
    OnChange {
        /// By how much it must differ, for each quantity; where none is given, at all.
        dead_band: BTreeMap<Quantity, f64>,
        /// The longest that nothing is told.
        heartbeat: Duration,
    },
    /// Least, mean and greatest of each quantity, once for each window.
    Window(Duration),
}

/// The readings of one sensor on their way to the queue.
#[derive(Debug)]
pub(crate) struct Reducer {
    reduce: Reduce,
    /// What was told last, and when.
    told: Option<(Outcome, Instant)>,
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    last: Stamp,
    quantities: Vec<Spread>,
}

#[derive(Debug)]
struct Spread {
    first: Measurement,
    least: f64,
    greatest: f64,
    sum: f64,
    count: u32,
}

impl Reducer {
    pub(crate) const fn new(reduce: Reduce) -> Self {
        Self { reduce, told: None, window: None }
    }

    /// Takes a reading; gives what is to be told now.
    pub(crate) fn push(
        &mut self,
        stamp: Stamp,
        outcome: Outcome,
        now: Instant,
    ) -> Vec<(Stamp, Outcome)> {
        match &self.reduce {
            Reduce::Nothing => vec![(stamp, outcome)],
            Reduce::OnChange { dead_band, heartbeat } => {
                let same = self.told.as_ref().is_some_and(|(told, then)| {
                    now.duration_since(*then) < *heartbeat && is_same(told, &outcome, dead_band)
                });
                if same {
                    return Vec::new();
                }
                self.told = Some((outcome.clone(), now));
                vec![(stamp, outcome)]
            }
            Reduce::Window(length) => {
                let length = *length;
                let mut told = Vec::new();
                let open = self.window.as_ref();
                // A clock that is set meanwhile, or other quantities, end a window too.
                if open.is_some_and(|window| {
                    now.duration_since(window.begun) >= length || !window.takes(stamp, &outcome)
                }) {
                    told.extend(self.close());
                }
                match outcome {
                    Outcome::Measured(values) => {
                        let window = self.window.get_or_insert_with(|| Window::new(stamp, now));
                        window.add(stamp, &values);
                    }
                    // A broken sensor is not to be averaged away.
                    Outcome::Failed(_) => told.push((stamp, outcome)),
                }
                told
            }
        }
    }

    /// What a window holds, at its end or at the sensor's.
    pub(crate) fn close(&mut self) -> Option<(Stamp, Outcome)> {
        let window = self.window.take()?;
        // A reading has room for so many: where they are too many, the last quantities go without.
        let values =
            window.quantities.into_iter().flat_map(Spread::told).take(MAX_QUANTITIES).collect();
        Some((window.last, Outcome::Measured(Measurements::new(values).ok()?)))
    }
}

fn is_same(told: &Outcome, now: &Outcome, dead_band: &BTreeMap<Quantity, f64>) -> bool {
    match (told, now) {
        (Outcome::Failed(told), Outcome::Failed(now)) => told == now,
        (Outcome::Measured(told), Outcome::Measured(now)) => {
            let (told, now) = (told.as_slice(), now.as_slice());
            told.len() == now.len()
                && told.iter().zip(now).all(|(told, now)| {
                    let band = dead_band.get(&now.quantity).copied().unwrap_or(0.0);
                    told.quantity == now.quantity
                        && told.unit == now.unit
                        && (told.value.get() - now.value.get()).abs() <= band
                })
        }
        (Outcome::Failed(_), Outcome::Measured(_)) | (Outcome::Measured(_), Outcome::Failed(_)) => {
            false
        }
    }
}

impl Window {
    const fn new(stamp: Stamp, now: Instant) -> Self {
        Self { begun: now, last: stamp, quantities: Vec::new() }
    }

    fn takes(&self, stamp: Stamp, outcome: &Outcome) -> bool {
        let Outcome::Measured(values) = outcome else { return true };
        let values = values.as_slice();
        stamp.clock == self.last.clock
            && values.len() == self.quantities.len()
            && values.iter().zip(&self.quantities).all(|(value, spread)| {
                (&value.quantity, value.unit) == (&spread.first.quantity, spread.first.unit)
            })
    }

    fn add(&mut self, stamp: Stamp, values: &Measurements) {
        self.last = stamp;
        if self.quantities.is_empty() {
            self.quantities = values.as_slice().iter().map(Spread::of).collect();
            return;
        }
        for (spread, value) in self.quantities.iter_mut().zip(values.as_slice()) {
            let number = value.value.get();
            spread.least = spread.least.min(number);
            spread.greatest = spread.greatest.max(number);
            spread.sum += number;
            spread.count += 1;
        }
    }
}

impl Spread {
    fn of(first: &Measurement) -> Self {
        let number = first.value.get();
        Self { first: first.clone(), least: number, greatest: number, sum: number, count: 1 }
    }

    /// The mean under the quantity's own name, and the others under names made of it, as far as there is
    /// room in a name.
    fn told(self) -> Vec<Measurement> {
        let Measurement { quantity, unit, .. } = &self.first;
        let decimals = quantity.known().map_or(6, |known| known.decimals + 1);
        let factor = 10_f64.powi(i32::from(decimals));
        let rounded = |number: f64| (number * factor).round() / factor;
        let mean = rounded(self.sum / f64::from(self.count));
        let named = |end: &str| Quantity::try_from(format!("{quantity}{end}").as_str()).ok();
        [
            (Some(quantity.clone()), mean),
            (named("_min"), self.least),
            (named("_max"), self.greatest),
        ]
        .into_iter()
        .filter_map(|(quantity, number)| {
            let value = Value::new(number).ok()?;
            Some(Measurement { quantity: quantity?, unit: *unit, value })
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use tidings_schema::{self as schema, Fault, Unit, UnixMillis};

    use super::*;

    fn stamp(at: i64) -> Stamp {
        Stamp { at: UnixMillis::new(at).unwrap(), clock: schema::Clock::Set }
    }

    fn measured(temperature: f64, humidity: f64) -> Outcome {
        let one = |name: &str, unit: &str, number: f64| Measurement {
            quantity: Quantity::try_from(name).unwrap(),
            unit: Unit::try_from(unit).unwrap(),
            value: Value::new(number).unwrap(),
        };
        let values = vec![one("temperature", "Cel", temperature), one("humidity", "%RH", humidity)];
        Outcome::Measured(Measurements::new(values).unwrap())
    }

    fn shown(told: &[(Stamp, Outcome)]) -> Vec<String> {
        told.iter()
            .map(|(stamp, outcome)| match outcome {
                Outcome::Failed(fault) => format!("{} {fault}", stamp.at),
                Outcome::Measured(values) => {
                    let values = values.as_slice().iter();
                    let values: Vec<String> =
                        values.map(|one| format!("{} {}", one.quantity, one.value)).collect();
                    format!("{} {}", stamp.at, values.join(", "))
                }
            })
            .collect()
    }

    #[test]
    fn only_changes_and_heartbeats_are_told() {
        let dead_band = [(Quantity::try_from("temperature").unwrap(), 0.2)].into();
        let heartbeat = Duration::from_secs(60);
        let mut reducer = Reducer::new(Reduce::OnChange { dead_band, heartbeat });
        let begun = Instant::now();
        let mut told = Vec::new();
        for (second, outcome) in [
            (0, measured(20.0, 40.0)),
            (1, measured(20.2, 40.0)),
            // Slowly away from what was told, not from what was measured before it.
            (2, measured(20.3, 40.0)),
            (3, measured(20.3, 40.1)),
            (4, Outcome::Failed(Fault::Timeout)),
            (5, Outcome::Failed(Fault::Timeout)),
            (6, Outcome::Failed(Fault::Checksum)),
            (7, measured(20.3, 40.1)),
            (66, measured(20.3, 40.1)),
            (67, measured(20.3, 40.1)),
        ] {
            let now = begun + Duration::from_secs(second);
            let second = i64::try_from(second).unwrap();
            told.extend(reducer.push(stamp(second), outcome, now).iter().map(|one| one.0.at.get()));
        }
        assert_eq!(told, [0, 2, 3, 4, 6, 7, 67]);
        assert_eq!(reducer.close(), None);
    }

    #[test]
    fn a_window_is_told_as_mean_least_and_greatest_and_faults_as_they_come() {
        let mut reducer = Reducer::new(Reduce::Window(Duration::from_secs(10)));
        let begun = Instant::now();
        let mut told = Vec::new();
        for (second, outcome) in [
            (0, measured(20.0, 40.0)),
            (3, measured(21.0, 40.0)),
            (4, Outcome::Failed(Fault::Timeout)),
            (9, measured(20.5, 43.0)),
            (10, measured(30.0, 50.0)),
        ] {
            let now = begun + Duration::from_secs(second);
            told.extend(reducer.push(stamp(i64::try_from(second).unwrap()), outcome, now));
        }
        told.extend(reducer.close());
        assert_eq!(
            shown(&told),
            [
                "4 timeout",
                "9 temperature 20.5, temperature_min 20, temperature_max 21, humidity 41, humidity_min 40, humidity_max 43",
                "10 temperature 30, temperature_min 30, temperature_max 30, humidity 50, humidity_min 50, humidity_max 50",
            ]
        );
    }
}
