//! How the fleet is said in a few characters. What is not known is a dash.

use crate::fleet::{ClockState, FleetDevice, FleetSensor};
use crate::plot::{number, unit_name};

/// What stands for something that is not known.
pub(super) const UNKNOWN: &str = "–";

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A span of time by its largest unit.
pub(super) fn span(millis: i64) -> String {
    match millis {
        // A clock that is a little ahead of ours.
        millis if millis < SECOND => "now".to_owned(),
        millis if millis < 2 * MINUTE => format!("{} s", millis / SECOND),
        millis if millis < 2 * HOUR => format!("{} min", millis / MINUTE),
        millis if millis < 2 * DAY => format!("{} h", millis / HOUR),
        millis => format!("{} d", millis / DAY),
    }
}

/// How far behind, to a tenth of a second where that says something.
pub(super) fn lag(millis: i64) -> String {
    if millis.abs() < 10 * SECOND {
        let sign = if millis < 0 { "-" } else { "" };
        let tenths = millis.abs() / 100;
        format!("{sign}{}.{} s", tenths / 10, tenths % 10)
    } else if millis < 0 {
        format!("-{}", span(-millis))
    } else {
        span(millis)
    }
}

pub(super) fn count(count: Option<u64>) -> String {
    count.map_or_else(|| UNKNOWN.to_owned(), |count| count.to_string())
}

/// Why a device is not well; empty where it is.
pub(super) fn why(device: &FleetDevice) -> String {
    let mut parts: Vec<String> = Vec::new();
    for alert in &device.alerts {
        let said = if alert.text.is_empty() { &alert.name } else { &alert.text };
        parts.push(said.clone());
    }
    match (device.silent, device.age_ms) {
        // An alert says it already.
        _ if device.alerts.iter().any(|alert| alert.name == "silence") => {}
        (true, Some(age)) => parts.push(format!("silent for {}", span(age))),
        (true, None) => parts.push("never heard".to_owned()),
        (false, _) => {}
    }
    if device.disk_failing == Some(true) {
        parts.push("its disk fails".to_owned());
    }
    if device.clock == Some(ClockState::Unset) {
        parts.push("its clock is not set".to_owned());
    }
    for sensor in device.failing() {
        parts.extend(sensor.fault.as_ref().map(|fault| format!("{}: {fault}", sensor.sensor)));
    }
    let counted = |count: u64, what: &str| (count > 0).then(|| format!("{count} {what}"));
    parts.extend(counted(device.quarantined_hour, "refused"));
    parts.extend(counted(device.faults_hour.unwrap_or(0), "faults"));
    parts.join(", ")
}

/// The latest values of a sensor, or its fault.
pub(super) fn values(sensor: &FleetSensor) -> String {
    if let Some(fault) = &sensor.fault {
        return format!("fault: {fault}");
    }
    let said = sensor.values.iter().map(|(name, one)| {
        let unit = one.unit.as_deref().map(unit_name).unwrap_or_default();
        let gap = if unit.is_empty() { "" } else { " " };
        format!("{name} {}{gap}{unit}", number(one.value))
    });
    said.collect::<Vec<_>>().join("   ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_by_their_largest_unit() {
        for (millis, text) in [
            (-400, "now"),
            (999, "now"),
            (1000, "1 s"),
            (119_999, "119 s"),
            (120_000, "2 min"),
            (2 * HOUR, "2 h"),
            (50 * HOUR, "2 d"),
        ] {
            assert_eq!(span(millis), text);
        }
        for (millis, text) in
            [(1540, "1.5 s"), (-250, "-0.2 s"), (45_000, "45 s"), (-200_000, "-3 min")]
        {
            assert_eq!(lag(millis), text);
        }
    }
}
