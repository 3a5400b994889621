//! The fleet: what is known of each device at one moment, from the tables alone.
//!
//! [`gather`] is the pure core; [`Reader`] asks the tables by a number of queries that does not
//! depend on how many readings there are. What is not known is `None`: a device whose agent does
//! not tell of its queue has no depth of it, rather than one of 0.

mod gather;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

pub use gather::{Known, gather, increase};
pub use read::Reader;

/// How long a device may say nothing before it counts as silent, where its profile has no
/// `silence`, in milliseconds (15 minutes).
pub const SILENCE_MS: i64 = 15 * 60 * 1000;

/// How far [`FleetDevice::last_seen`] may be behind, in milliseconds: the function tells the table
/// of a sensor once a minute at the most.
pub const SEEN_WITHIN_MS: i64 = 60 * 1000;

/// How much older than its device's last word a word of a sensor may be to say something of the device as it
/// is, in milliseconds (an hour): sensors are replaced, and what they said stays.
pub const TOGETHER_MS: i64 = 60 * 60 * 1000;

/// The span over which faults and refusals are counted, in milliseconds (an hour).
pub const RECENT_MS: i64 = 60 * 60 * 1000;

/// All devices at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fleet {
    /// When it was looked at.
    pub at: UnixMillis,
    /// The devices: those with an alert first, then the silent, then those with another trouble,
    /// then the others; each group by name.
    pub devices: Vec<FleetDevice>,
    /// What was refused in the last hour, of all senders.
    pub quarantined_hour: u64,
    /// Whether more was refused than was counted: then the counts are the least that it was.
    pub quarantine_capped: bool,
}

/// What is known of a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetDevice {
    /// Its name.
    pub device: DeviceId,
    /// Where it stands, as the operator says.
    pub site: Option<String>,
    /// What else the operator says.
    pub labels: BTreeMap<String, String>,
    /// How it is, in a word.
    pub state: State,
    /// When the rule saw its last reading, up to [`SEEN_WITHIN_MS`] too early; `None` for a device
    /// that is known by its profile, an alert or a refusal alone.
    pub last_seen: Option<UnixMillis>,
    /// Time since then, in milliseconds.
    pub age_ms: Option<i64>,
    /// From when its newest reading was taken to when the rule saw it, in milliseconds; negative
    /// where its clock is ahead.
    pub lag_ms: Option<i64>,
    /// After how many milliseconds without a reading it counts as silent.
    pub silence_ms: i64,
    /// Whether it is silent for certain, or was never heard.
    pub silent: bool,
    /// Whether its newest readings carry a time.
    pub clock: Option<ClockState>,
    /// Readings that waited in its queue, as its agent said last.
    pub waiting: Option<u64>,
    /// Readings that its queue has lost since it was made, for whatever reason.
    pub lost: Option<u64>,
    /// Whether the queue's disk failed when its agent said last.
    pub disk_failing: Option<bool>,
    /// The agent's version, such as `0.1.0`.
    pub agent_version: Option<String>,
    /// Readings that were faults in the last hour, as its agent counts them.
    pub faults_hour: Option<u64>,
    /// What was refused of it in the last hour.
    pub quarantined_hour: u64,
    /// Alerts that are raised.
    pub alerts: Vec<Alert>,
    /// Its sensors, by name.
    pub sensors: Vec<FleetSensor>,
}

/// How a device is; the first that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// An alert is raised.
    Alert,
    /// It says nothing.
    Silent,
    /// Its disk fails, its clock is not set, or some of its readings were faults or refused within
    /// the last hour.
    Trouble,
    /// None of these.
    Well,
}

impl State {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Silent => "silent",
            Self::Trouble => "trouble",
            Self::Well => "well",
        }
    }
}

/// Whether readings carry a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockState {
    /// They do.
    Set,
    /// The device did not know the time.
    Unset,
}

/// An alert that is raised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: UnixMillis,
    /// The value that raised it, in the quantity's canonical unit.
    pub value: Option<f64>,
    /// The limit that was passed.
    pub limit: Option<f64>,
    /// The same for a person.
    pub text: String,
}

impl FleetDevice {
    /// Its sensors whose last word was a fault, but for those that said it long before the device's last.
    pub fn failing(&self) -> impl Iterator<Item = &FleetSensor> {
        let oldest = self.age_ms.unwrap_or(0).saturating_add(TOGETHER_MS);
        let is_of_now = move |sensor: &&FleetSensor| sensor.age_ms <= oldest;
        self.sensors.iter().filter(|sensor| sensor.fault.is_some()).filter(is_of_now)
    }
}

/// A sensor of a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetSensor {
    /// Its name.
    pub sensor: SensorId,
    /// When the rule saw its last reading, up to [`SEEN_WITHIN_MS`] too early.
    pub last_seen: UnixMillis,
    /// Time since then, in milliseconds.
    pub age_ms: i64,
    /// When its newest reading was taken, in milliseconds since 1970, or since the device was
    /// switched on where it did not know the time.
    pub at: Option<UnixMillis>,
    /// Which of the two.
    pub clock: Option<ClockState>,
    /// The newest values by quantity.
    pub values: BTreeMap<String, FleetValue>,
    /// Why there are none.
    pub fault: Option<String>,
}

/// A value and its unit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetValue {
    /// The number.
    pub value: f64,
    /// A SenML unit, where one is known.
    pub unit: Option<String>,
}
