//! What is written: our own types, which no SDK knows.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_schema::{Clock, Content, DeviceId, ReadingKey, SensorId, Seq, UnixMillis, key};

use crate::rollup::Rollup;

/// One item for one of the tables.
#[derive(Debug, Clone, PartialEq)]
pub struct Put {
    /// Which message of the invocation it comes from; `None` for what the function has to say of
    /// its own, without which nothing is lost.
    pub origin: Option<usize>,
    /// What is put.
    pub item: Item,
}

/// An item of one of the tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// For `readings`.
    Reading(ReadingItem),
    /// For `readings`, several in one.
    Packed(PackedItem),
    /// For `quarantine`.
    Quarantine(QuarantineItem),
    /// For `devices`.
    Seen(SeenItem),
    /// For `devices`.
    Due(DueItem),
    /// For `readings`.
    Rollup(RollupItem),
}

/// Partition key of what the function has seen in the table `devices`: one partition, so that one
/// query lists the fleet. It is written once a minute per sensor at the most, which leaves room for
/// some 60,000 sensors (1,000 writes a second and partition).
pub const SEEN_PARTITION: &str = "seen";

/// Partition key of what the operator says of devices in the table `devices`.
pub const PROFILE_PARTITION: &str = "device";

/// Partition key of the hours that are to be summed up in the table `devices`.
pub const DUE_PARTITION: &str = "due";

/// An hour of a sensor in which readings have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueItem {
    /// Sort key: `<device>#<sensor>#<13-digit ms of the hour's beginning>`.
    pub sk: String,
    /// The device.
    pub device: DeviceId,
    /// The sensor.
    pub sensor: SensorId,
    /// When the hour begins.
    pub hour: UnixMillis,
    /// When this was said last.
    pub marked_at: UnixMillis,
}

impl DueItem {
    /// Says of a sensor's hour that it is due.
    #[must_use]
    pub fn new(
        device: DeviceId,
        sensor: SensorId,
        hour: UnixMillis,
        marked_at: UnixMillis,
    ) -> Self {
        let sk = format!("{}#{}", key::partition(&device, &sensor), key::time_prefix(hour));
        Self { sk, device, sensor, hour, marked_at }
    }
}

/// What the readings of a sensor's hour or day come to ([`crate::rollup`]).
#[derive(Debug, Clone, PartialEq)]
pub struct RollupItem {
    /// Partition key: `<device>#<sensor>#hour`, or `#day`.
    pub pk: String,
    /// Sort key: when it begins, 13 digits.
    pub sk: String,
    /// The device.
    pub device: DeviceId,
    /// The sensor.
    pub sensor: SensorId,
    /// The sums.
    pub rollup: Rollup,
    /// Of an hour, the sums of each five minutes ([`crate::rollup::Parts`]).
    pub parts: Option<String>,
    /// Of a day, how many times it was written, so that no two writers can undo each other; 0 where
    /// that is not counted.
    pub version: u64,
    /// When the table may forget it, in seconds since 1970.
    pub expires_at: i64,
}

/// A sensor that has been heard of.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenItem {
    /// Sort key: `<device>#<sensor>`.
    pub sk: String,
    /// The device.
    pub device: DeviceId,
    /// The sensor.
    pub sensor: SensorId,
    /// When the rule saw its last message.
    pub last_seen: UnixMillis,
    /// The certificate that the device used for it, as `principal()` gives it: by this `tidings
    /// provision --rotate` knows that a new one has connected.
    pub principal: Option<String>,
    /// The newest of its readings that this function has seen, so that one query shows a fleet.
    pub latest: Latest,
}

/// What a sensor said last.
#[derive(Debug, Clone, PartialEq)]
pub struct Latest {
    /// When, counted by `clock`.
    pub at: UnixMillis,
    /// Whether the device knew the time.
    pub clock: Clock,
    /// What.
    pub content: Content,
}

impl Latest {
    /// Whether this was said after another: a time that is known goes before one that is not.
    #[must_use]
    pub fn is_after(&self, other: &Self) -> bool {
        (self.clock == Clock::Set, self.at) > (other.clock == Clock::Set, other.at)
    }
}

/// What all readings of one message have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Common {
    /// The device.
    pub device: DeviceId,
    /// Whether the device knew the time.
    pub clock: Clock,
    /// When the rule saw the message.
    pub received_at: UnixMillis,
    /// The message's name in the logs of AWS IoT.
    pub trace_id: Option<String>,
    /// What the operator says of the device.
    pub said: Arc<Said>,
}

/// What the operator says of a device that goes with each of its readings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// Where it stands.
    pub site: Option<String>,
    /// Anything else.
    pub labels: BTreeMap<String, String>,
    /// What the operator says could not be asked for: neither site and labels nor calibration are
    /// in these readings.
    pub unknown: bool,
}

/// A reading as the table holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingItem {
    /// Where it stands.
    pub key: ReadingKey,
    /// The sensor.
    pub sensor: SensorId,
    /// When it was taken, counted by [`Common::clock`].
    pub at: UnixMillis,
    /// Its number within the boot.
    pub seq: Seq,
    /// What was measured, or why it could not be.
    pub content: Content,
    /// When the table may forget it, in seconds since 1970 (DynamoDB's TTL).
    pub expires_at: i64,
    /// What its message says.
    pub common: Arc<Common>,
}

/// Several readings of one sensor and boot as the table holds them in the layout `packed`
/// ([`tidings_schema::packed`]).
#[derive(Debug, Clone, PartialEq)]
pub struct PackedItem {
    /// Partition key: `<device>#<sensor>`.
    pub pk: String,
    /// Sort key: that of the first reading, and a hash.
    pub sk: String,
    /// The sensor.
    pub sensor: SensorId,
    /// The readings.
    pub text: String,
    /// How many they are.
    pub readings: usize,
    /// When the table may forget the last of them, in seconds since 1970.
    pub expires_at: i64,
    /// What their message says.
    pub common: Arc<Common>,
}

/// Something that was refused, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct QuarantineItem {
    /// Partition key: the day on which it came, in UTC.
    pub pk: String,
    /// Sort key: the millisecond at which it came, and a hash of what it is. A retry of the same
    /// message writes the same item again.
    pub sk: String,
    /// The refusal's stable name.
    pub reason: &'static str,
    /// The refusal for a person.
    pub detail: String,
    /// The topic it came on.
    pub topic: String,
    /// The client that sent it.
    pub client_id: String,
    /// Thumbprint of that client's certificate.
    pub principal: Option<String>,
    /// Its message's name in the logs of AWS IoT.
    pub trace_id: Option<String>,
    /// The sensor, where one reading was refused.
    pub sensor: Option<String>,
    /// When the rule saw it.
    pub received_at: UnixMillis,
    /// The message as it came; for one reading, a message with that reading alone.
    pub payload: Vec<u8>,
    /// When the table may forget it, in seconds since 1970.
    pub expires_at: i64,
}

impl Put {
    /// What no two items of one call may share: the table and its key.
    #[must_use]
    pub fn address(&self) -> (Table, &str, &str) {
        self.item.address()
    }
}

impl Item {
    /// Its table and its key.
    #[must_use]
    pub fn address(&self) -> (Table, &str, &str) {
        match self {
            Self::Reading(item) => (Table::Readings, &item.key.pk, &item.key.sk),
            Self::Packed(item) => (Table::Readings, &item.pk, &item.sk),
            Self::Quarantine(item) => (Table::Quarantine, &item.pk, &item.sk),
            Self::Seen(item) => (Table::Devices, SEEN_PARTITION, &item.sk),
            Self::Due(item) => (Table::Devices, DUE_PARTITION, &item.sk),
            Self::Rollup(item) => (Table::Readings, &item.pk, &item.sk),
        }
    }
}

/// The tables that the function writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// Good readings.
    Readings,
    /// What was refused.
    Quarantine,
    /// Devices and sensors.
    Devices,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Readings, Self::Quarantine, Self::Devices];
}
