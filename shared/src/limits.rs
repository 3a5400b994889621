//! Limits of the outside world that decide something in this code, each with its reason.

/// What AWS IoT Core meters as one message, rule evaluation or action: payload and topic together,
/// in bytes. ("5 KB increments", AWS IoT Core pricing; 1 KB = 1,024 bytes.)
pub const METERING_UNIT_BYTES: usize = 5 * 1024;

/// The largest MQTT payload that AWS IoT Core takes, in bytes ("128 KB", AWS IoT Core message
/// broker quotas). A larger publish ends the connection, so it must never enter a queue.
pub const MAX_PAYLOAD_BYTES: usize = 128 * 1024;

/// The longest topic that AWS IoT Core takes, in bytes of UTF-8, without the
/// `$aws/rules/<rule>/` prefix of Basic Ingest.
pub const MAX_TOPIC_BYTES: usize = 256;

/// The most slashes in a topic, the Basic Ingest prefix not counted.
pub const MAX_TOPIC_SLASHES: usize = 7;

/// The most quantities in one reading. A BME280 has 3, a power meter some 30.
pub const MAX_QUANTITIES: usize = 64;

/// The earliest time a reading can have, in Unix milliseconds: 2020-01-01T00:00:00Z. Earlier ones
/// come from a clock that was never set.
pub const EARLIEST_MS: i64 = 1_577_836_800_000;

/// How far a reading's time may lie after the rule's, in milliseconds (5 minutes): more is a wrong
/// clock, not a slow one.
pub const MAX_FUTURE_MS: i64 = 5 * 60 * 1000;
