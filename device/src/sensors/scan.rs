//! What is wired to this machine, as far as the kernel knows, with what it says now and a
//! configuration to paste.

use std::path::Path;

use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Sensor as _, hwmon, iio, sysfs, w1};

/// A sensor that was found.
#[derive(Debug)]
pub(crate) struct Found {
    /// The kind of its configuration.
    pub(crate) kind: &'static str,
    /// Its name for the kernel.
    pub(crate) device: String,
    /// What it says now.
    pub(crate) says: Result<Measurements, Fault>,
}

impl Found {
    /// A name that a sensor may have.
    pub(crate) fn name(&self) -> String {
        let allowed =
            |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        self.device.chars().map(allowed).take(64).collect()
    }
}

/// Looks at the kernel's folders below `root`.
pub(crate) fn scan(root: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for (kind, folder, prefix, read) in [
        ("iio", iio::FOLDER, iio::PREFIX, iio::read as fn(&Path) -> Result<Measurements, Fault>),
        ("hwmon", hwmon::FOLDER, hwmon::PREFIX, hwmon::read),
    ] {
        let devices = sysfs::devices(&root.join(folder), prefix);
        let names: Vec<String> = devices
            .iter()
            .map(|device| sysfs::text(&device.join("name")).unwrap_or_default())
            .collect();
        for (device, name) in devices.iter().zip(&names) {
            // The chip's name stays when another chip is added; its folder's may not.
            let alone = names.iter().filter(|other| *other == name).count() == 1;
            let device_name =
                if alone && !name.is_empty() { name.clone() } else { sysfs::name(device) };
            found.push(Found { kind, device: device_name, says: read(device) });
        }
    }
    // Family codes of thermometers: 10 DS18S20, 22 DS1822, 28 DS18B20, 3b DS1825, 42 DS28EA00.
    for device in sysfs::devices(&root.join(w1::FOLDER), "") {
        let id = sysfs::name(&device);
        if ["10-", "22-", "28-", "3b-", "42-"].iter().any(|family| id.starts_with(family)) {
            let says = w1::Thermometer::new(root, &id).read();
            found.push(Found { kind: "w1", device: id, says });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tree, shown};
    use super::*;

    #[test]
    fn what_is_wired_is_found_named_and_read() {
        let tree = Tree::new();
        for (file, text) in [
            ("sys/bus/iio/devices/iio:device0/name", "bme280"),
            ("sys/bus/iio/devices/iio:device0/in_temp_input", "21530"),
            ("sys/bus/iio/devices/trigger0/name", "x"),
            ("sys/class/hwmon/hwmon0/name", "lm75"),
            ("sys/class/hwmon/hwmon0/temp1_input", "20000"),
            ("sys/class/hwmon/hwmon1/name", "lm75"),
            ("sys/bus/w1/devices/28-0000/w1_slave", "1 : crc=1 YES\n1 t=20500"),
            ("sys/bus/w1/devices/w1_bus_master1/x", ""),
        ] {
            tree.file(file, text);
        }
        let found: Vec<String> = scan(tree.root())
            .iter()
            .map(|one| format!("{} {} {}: {}", one.kind, one.device, one.name(), shown(&one.says)))
            .collect();
        assert_eq!(
            found,
            [
                "iio bme280 bme280: temperature 21.53 Cel",
                "hwmon hwmon0 hwmon0: temperature 20 Cel",
                "hwmon hwmon1 hwmon1: not-present",
                "w1 28-0000 28-0000: temperature 20.5 Cel",
            ]
        );
    }
}
