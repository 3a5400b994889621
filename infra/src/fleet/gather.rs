//! From what the tables hold to the fleet. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use tidings_agent::{config::parse_duration, version};
use tidings_schema::{BootId, Clock, DeviceId, Quantity, UnixMillis};

use super::{
    Alert, ClockState, Fleet, FleetDevice, FleetSensor, FleetValue, SEEN_WITHIN_MS, SILENCE_MS,
    State, TOGETHER_MS,
};
use crate::dynamo::{Heard, Refusals};

/// The sensor under which an agent tells of itself.
pub(super) const AGENT: &str = "agent";

/// What the tables hold.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// The sensors that the function has heard of.
    pub heard: Vec<Heard>,
    /// What the operator says of devices.
    pub said: BTreeMap<DeviceId, Json>,
    /// Alerts that are raised.
    pub alerts: Vec<(DeviceId, Alert)>,
    /// What was refused in the last hour.
    pub refused: Refusals,
    /// Faults in the last hour, of the devices whose agents count them.
    pub faults: BTreeMap<DeviceId, u64>,
}

/// Puts it together.
#[must_use]
pub fn gather(now: UnixMillis, known: &Known) -> Fleet {
    let mut heard: BTreeMap<&DeviceId, Vec<&Heard>> = BTreeMap::new();
    for one in &known.heard {
        heard.entry(&one.device).or_default().push(one);
    }
    // A device that is refused in all it says was never heard, and is one that somebody looks for.
    let refused: BTreeMap<DeviceId, u64> = known
        .refused
        .by_sender
        .iter()
        .filter_map(|(sender, count)| Some((DeviceId::try_from(sender.as_str()).ok()?, *count)))
        .collect();
    let names: BTreeSet<&DeviceId> = heard
        .keys()
        .copied()
        .chain(known.said.keys())
        .chain(known.alerts.iter().map(|(device, _)| device))
        .chain(refused.keys())
        .collect();
    let one = |name: &DeviceId| {
        let alerts = known.alerts.iter().filter(|(device, _)| device == name);
        let mut device = device(
            now,
            name,
            heard.get(name).map_or(&[], Vec::as_slice),
            known.said.get(name).unwrap_or(&Json::Null),
            alerts.map(|(_, alert)| alert.clone()).collect(),
        );
        device.faults_hour = known.faults.get(name).copied();
        device.quarantined_hour = refused.get(name).copied().unwrap_or(0);
        device.state = state(&device);
        device
    };
    let mut devices: Vec<FleetDevice> = names.into_iter().map(one).collect();
    devices.sort_by(|one, other| (one.state, &one.device).cmp(&(other.state, &other.device)));
    Fleet {
        at: now,
        devices,
        quarantined_hour: known.refused.by_sender.values().sum(),
        quarantine_capped: known.refused.capped,
    }
}

fn device(
    now: UnixMillis,
    name: &DeviceId,
    heard: &[&Heard],
    said: &Json,
    alerts: Vec<Alert>,
) -> FleetDevice {
    let newest =
        heard.iter().max_by_key(|one| (one.last_seen, one.latest.as_ref().map(|latest| latest.at)));
    let last_seen = newest.map(|one| one.last_seen);
    let latest = newest.and_then(|one| one.latest.as_ref());
    let clock = latest.map(|latest| clock(latest.clock));
    let silence_ms = silence(said);
    let age_ms = last_seen.map(|at| now.get() - at.get());
    // What an agent said long before the device's last word is of another time, or of another agent.
    let is_of_now = |one: &&&Heard| {
        last_seen.is_none_or(|last| last.get() - one.last_seen.get() <= TOGETHER_MS)
    };
    let agent = heard.iter().filter(is_of_now).find(|one| one.sensor.as_str() == AGENT);
    let agent = agent.and_then(|one| one.latest.as_ref()).map(|latest| &latest.values);
    let counted = |name: &str| agent.and_then(|values| count(*values.get(name)?));
    // An agent that has lost nothing tells of no loss.
    let lost = agent.filter(|values| values.contains_key("waiting")).map(|values| {
        let lost = values.iter().filter(|(name, _)| name.starts_with("lost_"));
        lost.filter_map(|(_, value)| count(*value)).sum()
    });
    let mut sensors: Vec<FleetSensor> = heard.iter().map(|one| sensor(now, one)).collect();
    sensors.sort_by(|one, other| one.sensor.cmp(&other.sensor));
    FleetDevice {
        device: name.clone(),
        site: said.get("site").and_then(Json::as_str).map(str::to_owned),
        labels: labels(said),
        state: State::Well,
        last_seen,
        age_ms,
        lag_ms: last_seen
            .zip(latest.filter(|latest| latest.clock == Clock::Set))
            .map(|(seen, latest)| seen.get() - latest.at.get()),
        silence_ms,
        // What the table says may be that much too early, and nothing false is to be said.
        silent: age_ms.is_none_or(|age| age > silence_ms.saturating_add(SEEN_WITHIN_MS)),
        clock,
        waiting: counted("waiting"),
        lost,
        disk_failing: counted("disk_failing").map(|failing| failing > 0),
        agent_version: counted("agent_version").map(version::shown),
        faults_hour: None,
        quarantined_hour: 0,
        alerts,
        sensors,
    }
}

fn state(device: &FleetDevice) -> State {
    let some = |count: Option<u64>| count.is_some_and(|count| count > 0);
    if !device.alerts.is_empty() {
        State::Alert
    } else if device.silent {
        State::Silent
    } else if device.disk_failing == Some(true)
        || device.clock == Some(ClockState::Unset)
        || some(device.faults_hour)
        || device.quarantined_hour > 0
        || device.failing().next().is_some()
    {
        State::Trouble
    } else {
        State::Well
    }
}

fn sensor(now: UnixMillis, heard: &Heard) -> FleetSensor {
    let latest = heard.latest.as_ref();
    let values = latest.into_iter().flat_map(|latest| {
        latest.values.iter().map(|(name, value)| {
            let unit = latest.units.get(name).cloned().or_else(|| canonical(name));
            (name.clone(), FleetValue { value: *value, unit })
        })
    });
    FleetSensor {
        sensor: heard.sensor.clone(),
        last_seen: heard.last_seen,
        age_ms: now.get() - heard.last_seen.get(),
        at: latest.map(|latest| latest.at),
        clock: latest.map(|latest| clock(latest.clock)),
        values: values.collect(),
        fault: latest.and_then(|latest| latest.fault.clone()),
    }
}

/// The unit in which the table holds a quantity that is known.
fn canonical(quantity: &str) -> Option<String> {
    let known = Quantity::try_from(quantity).ok()?.known()?;
    Some(known.unit().to_string())
}

const fn clock(clock: Clock) -> ClockState {
    match clock {
        Clock::Set => ClockState::Set,
        Clock::Unset => ClockState::Unset,
    }
}

/// A count that was stored as a number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and bounded")]
fn count(value: f64) -> Option<u64> {
    // Up to 2^53 every whole number is itself.
    ((0.0..=9_007_199_254_740_992.0).contains(&value)).then(|| value.round() as u64)
}

fn silence(said: &Json) -> i64 {
    let text = said.get("silence").and_then(Json::as_str);
    let duration = text.and_then(|text| parse_duration(text).ok());
    duration.and_then(|duration| i64::try_from(duration.as_millis()).ok()).unwrap_or(SILENCE_MS)
}

fn labels(said: &Json) -> BTreeMap<String, String> {
    let labels = said.get("labels").and_then(Json::as_object).into_iter().flatten();
    labels.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

/// By how much a counter has grown from the first of some looks to the last, which are in order of
/// time; it begins at 0 with each boot. `None` for fewer than two.
#[must_use]
pub fn increase<'a>(looks: impl IntoIterator<Item = (&'a BootId, f64)>) -> Option<u64> {
    let mut looks = looks.into_iter();
    let mut before = looks.next()?;
    let mut sum = None;
    for (boot, value) in looks {
        let grown = if boot == before.0 { value - before.1 } else { value };
        // A counter never falls; a look that says so is out of order.
        sum = Some(sum.unwrap_or(0) + count(grown).unwrap_or(0));
        before = (boot, value);
    }
    sum
}
