//! What a sensor's section means: each kind with keys of its own.

use std::collections::BTreeSet;
use std::path::Path;

use tidings_schema::{Quantity, SensorId};

use super::hardware;
use super::problems::Problems;
use super::raw::RawSensor;
use super::read::{Durations, required};
use super::{SensorConfig, SensorKind};
use crate::reduce::Reduce;

/// The keys that every sensor has.
const COMMON: [&str; 7] =
    ["name", "kind", "interval", "deadline", "dead_band", "heartbeat", "window"];

/// The kinds, and the keys that each has beside the common ones.
const KINDS: [(&str, &[&str]); 16] = [
    ("host", &["disk"]),
    ("simulated", &["seed", "quantities", "fault_rate"]),
    ("iio", &["device"]),
    ("hwmon", &["device"]),
    ("w1", &["device"]),
    ("command", &["program", "keep_running", "stale"]),
    ("file", &["path", "stale"]),
    ("csv", &["path"]),
    ("bme280", &["bus", "address"]),
    ("sht3x", &["bus", "address"]),
    ("sht4x", &["bus", "address"]),
    ("bh1750", &["bus", "address"]),
    ("scd4x", &["bus", "address"]),
    ("ads1115", &["bus", "address", "channels"]),
    ("gpio", &["pin", "chip", "pull", "active", "quantity", "unit"]),
    ("pulses", &["pin", "chip", "pull", "edge", "debounce", "quantity", "unit", "scale"]),
];

/// Resolves one sensor; `None` where it is too wrong for that.
pub(super) fn sensor(
    raw: RawSensor,
    base: &Path,
    problems: &Problems,
    durations: &Durations<'_>,
) -> Option<SensorConfig> {
    let key = |name: &str| format!("{}.{name}", raw.at);
    let name = required(raw.name.clone(), &key("name"), problems)
        .and_then(|text| problems.note(&key("name"), SensorId::try_from(text.as_str())));
    let interval = durations.read(&key("interval"), raw.interval.clone(), "10s", ("10ms", "24h"));
    // That one has a new value every five seconds.
    let default = if raw.kind.as_deref() == Some("scd4x") { "10s" } else { "5s" };
    let deadline = durations.read(&key("deadline"), raw.deadline.clone(), default, ("10ms", "5m"));
    let reduce = reduce(&raw, problems, durations);
    let kind = required(raw.kind.clone(), &key("kind"), problems)?;
    let Some((kind, own)) = KINDS.into_iter().find(|(name, _)| *name == kind) else {
        let kinds: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        problems
            .add(&key("kind"), format!("expected one of {}, but found {kind:?}", kinds.join(", ")));
        return None;
    };
    let all_keys: BTreeSet<&str> = KINDS.iter().flat_map(|(_, own)| own.iter().copied()).collect();
    for given in raw.keys.iter().map(String::as_str) {
        if all_keys.contains(given) && !own.contains(&given) && !COMMON.contains(&given) {
            problems.add(&key(given), format!("is not for a sensor of kind {kind:?}"));
        }
    }
    // A folder of the kernel's, not a path: it must not lead elsewhere.
    let device = || {
        let device = required(raw.device.clone(), &key("device"), problems)?;
        if device.is_empty() || device.contains('/') || device.starts_with('.') {
            problems.add(&key("device"), format!("expected a name, but found {device:?}"));
        }
        Some(device)
    };
    let kind = match kind {
        "host" => SensorKind::Host { disk: base.join(raw.disk.unwrap_or_else(|| "/".to_owned())) },
        "bme280" | "sht3x" | "sht4x" | "bh1750" | "scd4x" | "ads1115" => {
            SensorKind::I2c(hardware::i2c(kind, &raw, problems)?)
        }
        "gpio" | "pulses" => SensorKind::Gpio(hardware::gpio(kind, &raw, problems, durations)?),
        "iio" => SensorKind::Iio { device: device()? },
        "hwmon" => SensorKind::Hwmon { device: device()? },
        "w1" => SensorKind::W1 { device: device()? },
        "command" => {
            let program = required(raw.program, &key("program"), problems)?;
            if program.first().is_none_or(String::is_empty) {
                problems.add(&key("program"), "expected [\"program\", \"argument\", …]");
            }
            if raw.keep_running.unwrap_or(false) {
                let stale = durations.read(&key("stale"), raw.stale, "5m", ("1s", "24h"));
                SensorKind::Stream { program, stale }
            } else {
                SensorKind::Command { program }
            }
        }
        "csv" => SensorKind::Csv { path: base.join(required(raw.path, &key("path"), problems)?) },
        "file" => SensorKind::File {
            path: base.join(required(raw.path, &key("path"), problems)?),
            stale: durations.read(&key("stale"), raw.stale, "5m", ("1s", "24h")),
        },
        _ => {
            let fault_rate = raw.fault_rate.unwrap_or(0.0);
            if !(0.0..=1.0).contains(&fault_rate) {
                problems
                    .add(&key("fault_rate"), format!("expected 0 to 1, but found {fault_rate}"));
            }
            SensorKind::Simulated {
                seed: raw.seed.unwrap_or(1).unsigned_abs(),
                quantities: simulated(raw.quantities, &key("quantities"), problems),
                fault_rate,
            }
        }
    };
    Some(SensorConfig { name: name?, interval, deadline, reduce, kind })
}

/// What of a sensor is told.
fn reduce(raw: &RawSensor, problems: &Problems, durations: &Durations<'_>) -> Reduce {
    let key = |name: &str| format!("{}.{name}", raw.at);
    match (&raw.dead_band, &raw.window) {
        (Some(_), Some(_)) => {
            problems.add(&key("window"), "expected either dead_band or window, but found both");
            Reduce::Nothing
        }
        (Some(bands), None) => {
            let bands = bands.iter().filter_map(|(name, band)| {
                let at = key(&format!("dead_band.{name}"));
                if *band < 0.0 {
                    problems.add(&at, format!("expected 0 or more, but found {band}"));
                }
                Some((problems.note(&at, Quantity::try_from(name.as_str()))?, *band))
            });
            let dead_band = bands.collect();
            let heartbeat = raw.heartbeat.clone();
            let heartbeat = durations.read(&key("heartbeat"), heartbeat, "10m", ("1s", "24h"));
            Reduce::OnChange { dead_band, heartbeat }
        }
        (None, window) => {
            if raw.heartbeat.is_some() {
                problems.add(&key("heartbeat"), "is for a sensor with a dead_band");
            }
            match window {
                Some(text) => {
                    let window = Some(text.clone());
                    Reduce::Window(durations.read(&key("window"), window, "5m", ("1s", "24h")))
                }
                None => Reduce::Nothing,
            }
        }
    }
}

/// The quantities of a simulated sensor.
fn simulated(names: Option<Vec<String>>, key: &str, problems: &Problems) -> Vec<Quantity> {
    let names = names.unwrap_or_else(|| vec!["temperature".to_owned(), "humidity".to_owned()]);
    let quantities: Vec<Quantity> = names
        .iter()
        .filter_map(|name| {
            let quantity = problems.note(key, Quantity::try_from(name.as_str()))?;
            if quantity.known().is_none() {
                let message =
                    format!("{name:?} is not a known quantity, which a simulated sensor needs");
                problems.add(key, message);
            }
            Some(quantity)
        })
        .collect();
    let distinct: BTreeSet<&Quantity> = quantities.iter().collect();
    if quantities.is_empty() || distinct.len() < quantities.len() {
        problems.add(key, "expected at least one quantity, each once");
    }
    quantities
}
