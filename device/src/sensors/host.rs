//! This machine itself, from the kernel's own files: real readings on any Linux.
//!
//! One reading holds all that could be read; what a machine does not have (a thermal zone in a
//! virtual machine) is left out. Nothing readable at all is [`Fault::NotPresent`].

use std::path::{Path, PathBuf};

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Measurement};

use super::{Sensor, measurement};

pub(super) struct Host {
    /// `/`, or a tree of the same shape in tests.
    root: PathBuf,
    disk: PathBuf,
    /// Busy and total ticks at the last reading: the load is what came since.
    ticks: Option<Ticks>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticks {
    busy: u64,
    total: u64,
}

impl Host {
    pub(super) fn new(disk: PathBuf) -> Self {
        Self::at(Path::new("/"), disk)
    }

    fn at(root: &Path, disk: PathBuf) -> Self {
        let mut host = Self { root: root.to_owned(), disk, ticks: None };
        host.ticks = host.text("proc/stat").as_deref().and_then(ticks);
        host
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.root.join(path)).ok()
    }

    fn cpu_load(&mut self) -> Option<f64> {
        let now = self.text("proc/stat").as_deref().and_then(ticks)?;
        let before = self.ticks.replace(now)?;
        let total = now.total.checked_sub(before.total).filter(|total| *total > 0)?;
        let busy = now.busy.checked_sub(before.busy)?;
        Some((count(busy) / count(total)).clamp(0.0, 1.0))
    }

    /// The first thermal zone that names itself after the processor, else the first of all.
    fn cpu_temperature(&self) -> Option<f64> {
        let mut zones: Vec<PathBuf> = std::fs::read_dir(self.root.join("sys/class/thermal"))
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.as_encoded_bytes().starts_with(b"thermal_zone"))
            })
            .collect();
        zones.sort();
        let kind = |zone: &Path| std::fs::read_to_string(zone.join("type")).unwrap_or_default();
        let is_cpu = |zone: &&PathBuf| {
            let kind = kind(zone);
            kind.contains("cpu") || kind.contains("x86_pkg") || kind.contains("soc")
        };
        let zone = zones.iter().find(is_cpu).or(zones.first())?;
        // Millidegrees Celsius (Documentation/ABI/testing/sysfs-class-thermal).
        let millis: i32 = std::fs::read_to_string(zone.join("temp")).ok()?.trim().parse().ok()?;
        Some(f64::from(millis) / 1000.0)
    }

    fn disk(&self) -> Option<(f64, f64)> {
        let stat = rustix::fs::statvfs(&self.disk).ok()?;
        let total = stat.f_blocks.checked_mul(stat.f_frsize).filter(|total| *total > 0)?;
        let free = stat.f_bavail.checked_mul(stat.f_frsize)?;
        Some((1.0 - count(free) / count(total), count(free)))
    }
}

impl Sensor for Host {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let mut values: Vec<Option<Measurement>> = Vec::new();
        let mut take = |quantity: &str, number: Option<f64>| {
            values.push(number.and_then(|number| measurement(quantity, number)));
        };
        take("cpu_temperature", self.cpu_temperature());
        take("cpu_load", self.cpu_load());
        take("load_average", self.text("proc/loadavg").as_deref().and_then(load_average));
        let (used, available) = self.text("proc/meminfo").as_deref().and_then(memory).unzip();
        take("memory_used", used);
        take("memory_available", available);
        let (used, free) = self.disk().unzip();
        take("disk_used", used);
        take("disk_free", free);
        let (received, sent) = self.text("proc/net/dev").as_deref().and_then(network).unzip();
        take("network_received", received);
        take("network_sent", sent);
        let uptime = self.text("proc/uptime");
        take("uptime", uptime.and_then(|text| text.split_whitespace().next()?.parse().ok()));
        let values: Vec<Measurement> = values.into_iter().flatten().collect();
        Measurements::new(values).map_err(|_| Fault::NotPresent)
    }
}

/// A counter as a number; above 2^53 the last digits are lost, which no reader of bytes will miss.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn count(number: u64) -> f64 {
    number as f64
}

/// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal
/// (proc_stat(5)); guest times are within user time already.
fn ticks(stat: &str) -> Option<Ticks> {
    let line = stat.lines().find(|line| line.starts_with("cpu "))?;
    let times: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map(|time| time.parse().ok())
        .collect::<Option<_>>()?;
    let total = times.iter().try_fold(0_u64, |sum, time| sum.checked_add(*time))?;
    let idle = times.get(3)?.checked_add(times.get(4).copied().unwrap_or(0))?;
    Some(Ticks { busy: total.checked_sub(idle)?, total })
}

fn load_average(loadavg: &str) -> Option<f64> {
    loadavg.split_whitespace().next()?.parse().ok()
}

/// Used (total less available) and available bytes of `/proc/meminfo`, whose lines are in KiB.
fn memory(meminfo: &str) -> Option<(f64, f64)> {
    let bytes = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let (total, available) = (bytes("MemTotal:")?, bytes("MemAvailable:")?);
    Some((count(total.checked_sub(available)?), count(available)))
}

/// Bytes received and sent by all interfaces but the loopback, from `/proc/net/dev`.
fn network(dev: &str) -> Option<(f64, f64)> {
    let mut sum = (0_u64, 0_u64);
    let mut any = false;
    for (name, counters) in dev.lines().filter_map(|line| line.split_once(':')) {
        if name.trim() == "lo" {
            continue;
        }
        let counters: Vec<&str> = counters.split_whitespace().collect();
        let (received, sent) = (counters.first()?.parse().ok()?, counters.get(8)?.parse().ok()?);
        sum = (sum.0.checked_add(received)?, sum.1.checked_add(sent)?);
        any = true;
    }
    any.then(|| (count(sum.0), count(sum.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn value(values: &Measurements, quantity: &str) -> Option<f64> {
        let one = values.as_slice().iter().find(|one| one.quantity.as_str() == quantity);
        one.map(|one| one.value.get())
    }

    #[test]
    fn the_kernels_files_are_read_as_their_manual_says() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "proc/stat", "cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n");
        write(root, "proc/loadavg", "0.52 0.40 0.30 1/200 4242\n");
        write(root, "proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:    250 kB\n");
        write(root, "proc/uptime", "12345.67 1.0\n");
        write(
            root,
            "proc/net/dev",
            "Inter-| Receive | Transmit\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0\n  eth0: 1000 1 0 0 0 0 0 0 2000 1 0 0 0 0 0 0\n wlan0: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n",
        );
        write(root, "sys/class/thermal/thermal_zone0/type", "gpu-thermal\n");
        write(root, "sys/class/thermal/thermal_zone0/temp", "1000\n");
        write(root, "sys/class/thermal/thermal_zone1/type", "cpu-thermal\n");
        write(root, "sys/class/thermal/thermal_zone1/temp", "48312\n");
        let mut host = Host::at(root, root.to_owned());
        write(root, "proc/stat", "cpu  125 0 100 750 125 0 0 0 0 0\n");
        let values = host.read().unwrap();
        for (quantity, expected) in [
            ("cpu_load", 0.25),
            ("load_average", 0.52),
            ("memory_used", 768_000.0),
            ("memory_available", 256_000.0),
            ("uptime", 12346.0),
            ("network_received", 1010.0),
            ("network_sent", 2020.0),
            ("cpu_temperature", 48.3),
        ] {
            assert_eq!(value(&values, quantity), Some(expected), "{quantity}");
        }
        assert!(value(&values, "disk_used").is_some());
    }

    #[test]
    fn what_a_machine_does_not_have_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "proc/loadavg", "garbage\n");
        write(root.path(), "proc/uptime", "5 5\n");
        let mut host = Host::at(root.path(), root.path().join("no such place"));
        let values = host.read().unwrap();
        assert_eq!(values.as_slice().len(), 1);
        assert_eq!(value(&values, "uptime"), Some(5.0));
    }

    #[test]
    fn a_machine_without_any_of_the_files_is_not_present() {
        let root = tempfile::tempdir().unwrap();
        let mut host = Host::at(root.path(), root.path().join("no such place"));
        assert_eq!(host.read(), Err(Fault::NotPresent));
    }

    #[test]
    fn this_very_machine_gives_plausible_values() {
        let mut host = Host::new(PathBuf::from("/"));
        let values = host.read().unwrap();
        assert!(values.as_slice().len() >= 5);
        for one in values.as_slice() {
            assert!(one.quantity.known().unwrap().contains(one.value.get()), "{one:?}");
        }
    }
}
