//! The sensors: each kind is one small file behind one trait.

mod command;
mod file;
pub(crate) mod gpio;
mod health;
mod host;
mod hwmon;
pub(crate) mod i2c;
mod iio;
mod program;
mod replay;
pub(crate) mod scan;
mod simulated;
mod stream;
mod sysfs;
pub(crate) mod values;
mod w1;
mod worker;

use std::path::Path;
use std::sync::Arc;

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Measurement, Quantity, Unit, UnixMillis, Value};

use crate::config::{SensorConfig, SensorKind};

use crate::status::Counters;

pub(crate) use worker::Worker;

/// Something that can be asked for a value. It may block: each runs on a thread of its own.
pub(crate) trait Sensor: Send {
    /// Asks once.
    fn read(&mut self) -> Result<Measurements, Fault>;

    /// When the last answer was taken, where that is not when it was asked for.
    fn taken_at(&self) -> Option<UnixMillis> {
        None
    }

    /// Whether nothing more will come, and the last answer was none.
    fn is_done(&self) -> bool {
        false
    }
}

/// Makes the sensor that a configuration names.
pub(crate) fn build(config: &SensorConfig, counters: &Arc<Counters>) -> Box<dyn Sensor> {
    let root = Path::new("/");
    match &config.kind {
        SensorKind::Health => Box::new(health::Health::new(counters)),
        SensorKind::Host { disk } => Box::new(host::Host::new(disk.clone())),
        SensorKind::Simulated { seed, quantities, fault_rate } => {
            Box::new(simulated::Simulated::new(*seed, quantities.clone(), *fault_rate))
        }
        SensorKind::I2c(chip) => i2c::build(chip),
        SensorKind::Gpio(input) => gpio::build(input),
        SensorKind::Iio { device } => Box::new(iio::Iio::new(root, device.clone())),
        SensorKind::Hwmon { device } => Box::new(hwmon::Hwmon::new(root, device.clone())),
        SensorKind::W1 { device } => Box::new(w1::Thermometer::new(root, device)),
        SensorKind::Command { program } => {
            Box::new(command::Command::new(config.name.as_str(), program.clone(), config.deadline))
        }
        SensorKind::Stream { program, stale } => {
            Box::new(stream::Stream::new(config.name.as_str(), program.clone(), *stale))
        }
        SensorKind::Csv { path } => {
            Box::new(replay::Replay::new(config.name.as_str(), path.clone()))
        }
        SensorKind::File { path, stale } => {
            Box::new(file::File::new(config.name.as_str(), path.clone(), *stale))
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

/// A measurement of any quantity, in the unit that its source gives it in; a known quantity is rounded
/// to a tenth of what a good sensor of its kind can tell apart. `None` where the number is no value.
fn own(quantity: &str, unit: &str, number: f64) -> Option<Measurement> {
    let quantity = Quantity::try_from(quantity).ok()?;
    let decimals = quantity.known().map_or(6, |known| known.decimals + 1);
    let factor = 10_f64.powi(i32::from(decimals));
    let rounded = (number * factor).round() / factor;
    Some(Measurement {
        unit: Unit::try_from(unit).ok()?,
        value: Value::new(rounded).ok()?,
        quantity,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files in the shape of the kernel's.
    pub(super) struct Tree(tempfile::TempDir);

    impl Tree {
        pub(super) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        pub(super) fn root(&self) -> &Path {
            self.0.path()
        }

        pub(super) fn file(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }

    /// A reading as a person would write it.
    pub(super) fn shown(read: &Result<Measurements, Fault>) -> String {
        match read {
            Ok(values) => {
                let list: Vec<String> = values
                    .as_slice()
                    .iter()
                    .map(|one| format!("{} {} {}", one.quantity, one.value, one.unit))
                    .collect();
                list.join(", ")
            }
            Err(fault) => fault.name().to_owned(),
        }
    }
}
