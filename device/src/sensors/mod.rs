//! The sensors: each kind is one small file behind one trait.

mod host;
mod simulated;
mod worker;

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Measurement, Quantity, Unit, Value};

use crate::config::{SensorConfig, SensorKind};

pub(crate) use worker::Worker;

/// Something that can be asked for a value. It may block: each runs on a thread of its own.
pub(crate) trait Sensor: Send {
    /// Asks once.
    fn read(&mut self) -> Result<Measurements, Fault>;
}

/// Makes the sensor that a configuration names.
pub(crate) fn build(config: &SensorConfig) -> Box<dyn Sensor> {
    match &config.kind {
        SensorKind::Host { disk } => Box::new(host::Host::new(disk.clone())),
        SensorKind::Simulated { seed, quantities, fault_rate } => {
            Box::new(simulated::Simulated::new(*seed, quantities.clone(), *fault_rate))
        }
    }
}

/// A measurement of a known quantity in its canonical unit, rounded to what a good sensor of its
/// kind can tell apart; `None` where the number is no value.
fn measurement(quantity: &str, number: f64) -> Option<Measurement> {
    let quantity = Quantity::try_from(quantity).ok()?;
    let known = quantity.known()?;
    let factor = 10_f64.powi(i32::from(known.decimals));
    let rounded = (number * factor).round() / factor;
    let unit: Unit = known.unit();
    Some(Measurement { unit, value: Value::new(rounded).ok()?, quantity })
}
