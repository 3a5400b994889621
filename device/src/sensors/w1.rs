//! Thermometers on the 1-Wire bus (DS18B20, DS18S20, DS1822), through the kernel's driver `w1_therm`.
//!
//! Its file `w1_slave` has the nine bytes of the scratchpad twice: once with `crc=… YES` or `NO`, and
//! once with `t=` and thousandths of a degree (kernel `Documentation/w1/slaves/w1_therm.rst`).

use std::path::{Path, PathBuf};

use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Sensor, own, sysfs};

/// Where the kernel has them.
pub(super) const FOLDER: &str = "sys/bus/w1/devices";

/// The scratchpad after power-on says 85 °C (data sheet DS18B20, "Power-on reset value"): no
/// conversion has taken place.
const POWER_ON: f64 = 85.0;

/// 85 °C is believed where the last value was as close to it, in degrees.
const CLOSE: f64 = 5.0;

/// What the chip can measure (data sheet DS18B20), in degrees Celsius.
const RANGE: std::ops::RangeInclusive<f64> = -55.0..=125.0;

/// One thermometer.
pub(super) struct Thermometer {
    file: PathBuf,
    last: Option<f64>,
}

impl Thermometer {
    pub(super) fn new(root: &Path, id: &str) -> Self {
        Self { file: root.join(FOLDER).join(id).join("w1_slave"), last: None }
    }
}

impl Sensor for Thermometer {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let celsius = parse(&sysfs::text(&self.file)?)?;
        let is_close = self.last.is_some_and(|last| (last - POWER_ON).abs() <= CLOSE);
        if !RANGE.contains(&celsius) || (celsius == POWER_ON && !is_close) {
            return Err(Fault::OutOfRange);
        }
        self.last = Some(celsius);
        let value = own("temperature", "Cel", celsius).ok_or(Fault::OutOfRange)?;
        Measurements::new(vec![value]).map_err(|_| Fault::NotPresent)
    }
}

fn parse(text: &str) -> Result<f64, Fault> {
    let crc = text.lines().next().ok_or(Fault::NotPresent)?;
    if !crc.trim_end().ends_with("YES") {
        return Err(Fault::Checksum);
    }
    // A bus that is pulled to ground reads as zeros, whose checksum is right.
    if text.starts_with("00 00 00 00 00 00 00 00 00") {
        return Err(Fault::BusError);
    }
    let (_, millis) = text.rsplit_once("t=").ok_or(Fault::BusError)?;
    millis
        .trim()
        .parse::<i32>()
        .map(|millis| f64::from(millis) / 1000.0)
        .map_err(|_| Fault::BusError)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tree, shown};
    use super::*;

    const FILE: &str = "sys/bus/w1/devices/28-000005e2fdc3/w1_slave";

    fn scratchpad(bytes: &str, crc: &str, millis: i32) -> String {
        format!("{bytes} : crc=c7 {crc}\n{bytes} t={millis}\n")
    }

    #[test]
    fn a_temperature_is_read_and_every_kind_of_failure_has_its_reason() {
        let tree = Tree::new();
        let mut sensor = Thermometer::new(tree.root(), "28-000005e2fdc3");
        assert_eq!(sensor.read(), Err(Fault::NotPresent));
        let bytes = "59 01 4b 46 7f ff 0c 10 c7";
        for (text, expected) in [
            (scratchpad(bytes, "YES", 21_562), "temperature 21.562 Cel"),
            (scratchpad("a2 ff 4b 46 7f ff 0e 10 d8", "YES", -5_875), "temperature -5.875 Cel"),
            (scratchpad(bytes, "NO", 21_562), "checksum"),
            (scratchpad("00 00 00 00 00 00 00 00 00", "YES", 0), "bus-error"),
            (scratchpad(bytes, "YES", 127_937), "out-of-range"),
            (scratchpad("50 05 4b 46 7f ff 0c 10 1c", "YES", 85_000), "out-of-range"),
            ("59 01 YES\nnothing".to_owned(), "bus-error"),
            (String::new(), "not-present"),
        ] {
            tree.file(FILE, &text);
            assert_eq!(shown(&sensor.read()), expected, "{text}");
        }
    }

    #[test]
    fn eighty_five_degrees_are_believed_where_it_was_hot_before() {
        let tree = Tree::new();
        let mut sensor = Thermometer::new(tree.root(), "28-000005e2fdc3");
        let bytes = "50 05 4b 46 7f ff 0c 10 1c";
        tree.file(FILE, &scratchpad(bytes, "YES", 84_500));
        sensor.read().unwrap();
        tree.file(FILE, &scratchpad(bytes, "YES", 85_000));
        assert_eq!(shown(&sensor.read()), "temperature 85 Cel");
    }
}
