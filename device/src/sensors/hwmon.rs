//! Chips that the kernel's hardware monitoring drivers read: SHT3x, SHT4x, SHTC3, INA219, LM75, and
//! the board's own.
//!
//! Names and units are those of the kernel's `Documentation/hwmon/sysfs-interface.rst`.

use std::path::{Path, PathBuf};

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Measurement};

use super::sysfs::{self, Kind, kind};
use super::{Sensor, own};

/// Where the kernel has them.
pub(super) const FOLDER: &str = "sys/class/hwmon";

/// The prefix of their folders.
pub(super) const PREFIX: &str = "hwmon";

/// The kinds of values.
const VALUES: &[Kind] = &[
    // Millidegrees Celsius, thousandths of a percent, millivolts, milliamperes, microwatts,
    // microjoules, revolutions a minute.
    kind("temp", "temperature", "Cel", 1e-3),
    kind("humidity", "humidity", "%RH", 1e-3),
    kind("in", "voltage", "V", 1e-3),
    kind("curr", "current", "A", 1e-3),
    kind("power", "power", "W", 1e-6),
    kind("energy", "energy", "Wh", 1.0 / 3.6e9),
    kind("fan", "fan_speed", "1/min", 1.0),
];

/// One chip.
pub(super) struct Hwmon {
    /// `/`, or a tree of the same shape in tests.
    root: PathBuf,
    device: String,
}

impl Hwmon {
    pub(super) fn new(root: &Path, device: String) -> Self {
        Self { root: root.to_owned(), device }
    }
}

impl Sensor for Hwmon {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let device = sysfs::find(&self.root.join(FOLDER), PREFIX, &self.device)?;
        read(&device)
    }
}

/// All values of a chip that have a meaning here.
pub(super) fn read(device: &Path) -> Result<Measurements, Fault> {
    let files: Vec<String> =
        sysfs::devices(device, "").iter().map(|path| sysfs::name(path)).collect();
    let mut values: Vec<Measurement> = Vec::new();
    for Kind { name, quantity, unit, factor } in VALUES {
        let numbers: Vec<&str> = files
            .iter()
            .filter_map(|file| file.strip_prefix(name)?.strip_suffix("_input"))
            .filter(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
            .collect();
        for number in &numbers {
            // The chip's own word that this value means nothing.
            let fault = device.join(format!("{name}{number}_fault"));
            if sysfs::number(&fault).is_ok_and(|fault| fault != 0.0) {
                return Err(Fault::OutOfRange);
            }
            let value = sysfs::number(&device.join(format!("{name}{number}_input")))?;
            let index = if numbers.len() > 1 { number } else { "" };
            let value = own(&format!("{quantity}{index}"), unit, value * factor);
            values.push(value.ok_or(Fault::OutOfRange)?);
        }
    }
    Measurements::new(values).map_err(|_| Fault::NotPresent)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tree, shown};
    use super::*;

    #[test]
    fn an_sht4x_and_a_power_monitor_are_read_in_the_kernels_units() {
        let tree = Tree::new();
        for (file, text) in [
            ("hwmon0/name", "sht4x\n"),
            ("hwmon0/temp1_input", "21530\n"),
            ("hwmon0/humidity1_input", "40110\n"),
            ("hwmon1/name", "ina219\n"),
            ("hwmon1/in0_input", "12\n"),
            ("hwmon1/in1_input", "5021\n"),
            ("hwmon1/curr1_input", "310\n"),
            ("hwmon1/power1_input", "1560000\n"),
        ] {
            tree.file(&format!("{FOLDER}/{file}"), text);
        }
        let read = |device: &str| Hwmon::new(tree.root(), device.to_owned()).read();
        assert_eq!(shown(&read("sht4x")), "temperature 21.53 Cel, humidity 40.11 %RH");
        let ina = "voltage0 0.012 V, voltage1 5.021 V, current 0.31 A, power 1.56 W";
        assert_eq!(shown(&read("hwmon1")), ina);
    }

    #[test]
    fn a_value_that_the_chip_calls_faulty_is_out_of_range() {
        let tree = Tree::new();
        for (file, text) in [("name", "max31722"), ("temp1_input", "0"), ("temp1_fault", "1")] {
            tree.file(&format!("{FOLDER}/hwmon0/{file}"), text);
        }
        let read = Hwmon::new(tree.root(), "max31722".to_owned()).read();
        assert_eq!(read, Err(Fault::OutOfRange));
    }
}
