//! What is written: our own types, which no SDK knows.

use tidings_schema::{
    Clock, DeviceId, Fault, Quantity, ReadingKey, SensorId, Unit, UnixMillis, Value,
};

/// One item for one of the tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Put {
    /// For `readings`.
    Reading(ReadingItem),
    /// For `quarantine`.
    Quarantine(QuarantineItem),
    /// For `devices`.
    Seen(SeenItem),
}

/// Partition key of what the function has seen in the table `devices`: one partition, so that one
/// query lists the fleet. It is written once a minute per sensor at the most, which leaves room for
/// some 60,000 sensors (1,000 writes a second and partition).
pub const SEEN_PARTITION: &str = "seen";

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
}

/// A reading as the table holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadingItem {
    /// Where it stands.
    pub key: ReadingKey,
    /// The device.
    pub device: DeviceId,
    /// The sensor.
    pub sensor: SensorId,
    /// When it was taken, counted by [`ReadingItem::clock`].
    pub at: UnixMillis,
    /// Whether the device knew the time.
    pub clock: Clock,
    /// What was measured, or why it could not be.
    pub content: Content,
    /// When the rule saw its message.
    pub received_at: UnixMillis,
    /// Its message's name in the logs of AWS IoT.
    pub trace_id: Option<String>,
    /// When the table may forget it, in seconds since 1970 (DynamoDB's TTL).
    pub expires_at: i64,
}

/// What a reading says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Values, each in its quantity's canonical unit; with a unit where there is none such.
    Values(Vec<(Quantity, Value, Option<Unit>)>),
    /// No values, and why.
    Fault(Fault),
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
        match self {
            Self::Reading(item) => (Table::Readings, &item.key.pk, &item.key.sk),
            Self::Quarantine(item) => (Table::Quarantine, &item.pk, &item.sk),
            Self::Seen(item) => (Table::Devices, SEEN_PARTITION, &item.sk),
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
