//! Chips that the kernel's Industrial I/O drivers read: BME280, SHT3x, SCD4x, BH1750, ADS1115, DHT22
//! and some hundred more, whatever bus they are on.
//!
//! Names and units are those of the kernel's `Documentation/ABI/testing/sysfs-bus-iio`: a value is
//! `in_<channel>_input`, or `(in_<channel>_raw + offset) * scale`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Measurement};

use super::sysfs::{self, Kind, kind};
use super::{Sensor, own};

/// Where the kernel has them.
pub(super) const FOLDER: &str = "sys/bus/iio/devices";

/// The prefix of their folders.
pub(super) const PREFIX: &str = "iio:device";

/// The types of channels.
const CHANNELS: &[Kind] = &[
    // Millidegrees Celsius, thousandths of a percent, kilopascals, lux.
    kind("temp", "temperature", "Cel", 1e-3),
    kind("humidityrelative", "humidity", "%RH", 1e-3),
    kind("pressure", "pressure", "hPa", 10.0),
    kind("illuminance", "illuminance", "lx", 1.0),
    // Per cent.
    kind("concentration_co2", "co2", "ppm", 1e4),
    kind("massconcentration_pm1", "pm1", "ug/m3", 1.0),
    kind("massconcentration_pm2p5", "pm2_5", "ug/m3", 1.0),
    kind("massconcentration_pm10", "pm10", "ug/m3", 1.0),
    // Millivolts, milliamperes, milliwatts.
    kind("voltage", "voltage", "V", 1e-3),
    kind("current", "current", "A", 1e-3),
    kind("power", "power", "W", 1e-3),
    kind("distance", "distance", "m", 1.0),
    kind("ph", "ph", "pH", 1.0),
];

/// One chip.
pub(super) struct Iio {
    /// `/`, or a tree of the same shape in tests.
    root: PathBuf,
    device: String,
}

impl Iio {
    pub(super) fn new(root: &Path, device: String) -> Self {
        Self { root: root.to_owned(), device }
    }
}

impl Sensor for Iio {
    fn read(&mut self) -> Result<Measurements, Fault> {
        // Looked for each time: a chip that is plugged in again gets another number.
        let device = sysfs::find(&self.root.join(FOLDER), PREFIX, &self.device)?;
        read(&device)
    }
}

/// All channels of a chip that have a meaning here.
pub(super) fn read(device: &Path) -> Result<Measurements, Fault> {
    // By channel, so that the processed value wins over the raw one.
    let mut channels: BTreeMap<String, bool> = BTreeMap::new();
    for path in sysfs::devices(device, "in_") {
        let file = sysfs::name(&path);
        let Some((channel, kind)) = file.strip_prefix("in_").and_then(|rest| rest.rsplit_once('_'))
        else {
            continue;
        };
        match kind {
            "input" => drop(channels.insert(channel.to_owned(), true)),
            "raw" => drop(channels.entry(channel.to_owned()).or_insert(false)),
            _ => {}
        }
    }
    let known: Vec<Channel<'_>> = channels
        .iter()
        .filter_map(|(channel, processed)| Channel::new(channel, *processed))
        .collect();
    let mut values: Vec<Measurement> = Vec::new();
    for channel in &known {
        let Kind { name, quantity, unit, factor } = channel.kind;
        // One of several of a kind carries its number: voltage0, voltage1.
        let several = known.iter().filter(|other| other.kind.name == *name).count() > 1;
        let index = if several { channel.index } else { "" };
        let number = channel.read(device)? * factor;
        let value = own(&format!("{quantity}{index}"), unit, number);
        values.push(value.ok_or(Fault::OutOfRange)?);
    }
    Measurements::new(values).map_err(|_| Fault::NotPresent)
}

/// One channel of a chip.
struct Channel<'a> {
    kind: &'static Kind,
    /// Its name in the files, such as `voltage0`.
    name: &'a str,
    /// Its number, such as `0`; empty where it has none.
    index: &'a str,
    /// Whether the driver gives the value itself, or something to calculate it from.
    processed: bool,
}

impl<'a> Channel<'a> {
    /// `None` where it has no meaning here.
    fn new(name: &'a str, processed: bool) -> Option<Self> {
        let index = |kind: &Kind| {
            let index = name.strip_prefix(kind.name)?;
            index.bytes().all(|byte| byte.is_ascii_digit()).then_some(index)
        };
        // An exact name first: `massconcentration_pm1` is no `massconcentration_pm` number 1.
        let exact = CHANNELS.iter().find(|kind| kind.name == name);
        let kind = exact.or_else(|| CHANNELS.iter().find(|kind| index(kind).is_some()))?;
        Some(Self { kind, name, index: index(kind)?, processed })
    }

    fn read(&self, device: &Path) -> Result<f64, Fault> {
        let Self { name, kind, .. } = self;
        if self.processed {
            return sysfs::number(&device.join(format!("in_{name}_input")));
        }
        let raw = sysfs::number(&device.join(format!("in_{name}_raw")))?;
        // A channel has its own, or all of its type have one.
        let shared = |what: &str, absent: f64| {
            [name, kind.name]
                .iter()
                .find_map(|of| sysfs::number(&device.join(format!("in_{of}_{what}"))).ok())
                .unwrap_or(absent)
        };
        Ok((raw + shared("offset", 0.0)) * shared("scale", 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tree, shown};
    use super::*;

    fn device(tree: &Tree, number: u8) -> String {
        tree.file(&format!("{FOLDER}/iio:device{number}/uevent"), "");
        format!("{FOLDER}/iio:device{number}")
    }

    #[test]
    fn a_bme280_is_read_in_the_kernels_units() {
        let tree = Tree::new();
        let folder = device(&tree, 0);
        // As the driver bmp280 gives them.
        for (file, text) in [
            ("name", "bme280\n"),
            ("in_temp_input", "21530\n"),
            ("in_humidityrelative_input", "40110\n"),
            ("in_pressure_input", "101.325\n"),
            ("in_temp_oversampling_ratio", "2\n"),
        ] {
            tree.file(&format!("{folder}/{file}"), text);
        }
        let mut sensor = Iio::new(tree.root(), "bme280".to_owned());
        assert_eq!(
            shown(&sensor.read()),
            "humidity 40.11 %RH, pressure 1013.25 hPa, temperature 21.53 Cel"
        );
        let mut gone = Iio::new(tree.root(), "sht3x".to_owned());
        assert_eq!(gone.read(), Err(Fault::NotPresent));
    }

    #[test]
    fn raw_channels_are_offset_and_scaled_and_several_are_numbered() {
        let tree = Tree::new();
        let folder = device(&tree, 1);
        for (file, text) in [
            ("name", "ads1115"),
            ("in_voltage0_raw", "13333"),
            ("in_voltage1_raw", "-10"),
            ("in_voltage_scale", "0.1875"),
            ("in_voltage1_scale", "1"),
            ("in_voltage1_offset", "20"),
        ] {
            tree.file(&format!("{folder}/{file}"), text);
        }
        let read = Iio::new(tree.root(), "iio:device1".to_owned()).read();
        assert_eq!(shown(&read), "voltage0 2.499938 V, voltage1 0.01 V");
    }

    #[test]
    fn an_scd4x_gives_parts_per_million() {
        let tree = Tree::new();
        let folder = device(&tree, 0);
        // The driver scd4x: percent, in steps of 0.0001.
        for (file, text) in [
            ("name", "scd41"),
            ("in_concentration_co2_raw", "612"),
            ("in_concentration_co2_scale", "0.000100000"),
            ("in_temp_raw", "25000"),
            ("in_temp_scale", "2.670328832"),
            ("in_temp_offset", "-16852"),
        ] {
            tree.file(&format!("{folder}/{file}"), text);
        }
        let read = Iio::new(tree.root(), "scd41".to_owned()).read();
        assert_eq!(shown(&read), "co2 612 ppm, temperature 21.758 Cel");
    }

    #[test]
    fn what_is_no_number_is_a_bus_error_and_what_has_no_channels_is_not_present() {
        let tree = Tree::new();
        let folder = device(&tree, 0);
        tree.file(&format!("{folder}/name"), "x");
        let mut sensor = Iio::new(tree.root(), "x".to_owned());
        assert_eq!(sensor.read(), Err(Fault::NotPresent));
        tree.file(&format!("{folder}/in_temp_input"), "twenty");
        assert_eq!(sensor.read(), Err(Fault::BusError));
    }
}
