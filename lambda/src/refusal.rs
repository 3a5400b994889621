//! Why something was not written to `readings`: enumerated, with stable names.

use tidings_schema::limits::{EARLIEST_MS, MAX_FUTURE_MS};
use tidings_schema::wire::dialect::Unrecognised;
use tidings_schema::wire::foreign::PartError;
use tidings_schema::wire::plain::PlainError;
use tidings_schema::wire::senml::PackError;
use tidings_schema::wire::v1::{MessageError, RowError};
use tidings_schema::{Quantity, SensorId, Unit};

use crate::store::size::MAX_ITEM_BYTES;

/// The reason of a quarantine item.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is in none of the dialects.
    #[error(transparent)]
    Unrecognised(#[from] Unrecognised),
    /// Nothing in the message can be told.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// It is no SenML pack that can be read.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// It is no plain object with readings.
    #[error(transparent)]
    Plain(#[from] PlainError),
    /// One record or field of a SenML pack or a plain object cannot be told.
    #[error(transparent)]
    Part(#[from] PartError),
    /// One row cannot be told.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Topic, client id and payload do not name the same device.
    #[error(
        "topic says {topic:?}, client id says {client_id:?}, payload says {payload:?}: they must be one device"
    )]
    Identity {
        /// Device in the topic.
        topic: Option<String>,
        /// MQTT client id.
        client_id: String,
        /// Device in the payload, where the dialect has one.
        payload: Option<String>,
    },
    /// The unit cannot be converted to the quantity's own.
    #[error("{quantity} is measured in {expected}, which {found} cannot be converted to")]
    WrongUnit {
        /// The quantity.
        quantity: Quantity,
        /// Its canonical unit.
        expected: Unit,
        /// The unit that came.
        found: Unit,
    },
    /// The value is not plausible.
    #[error("{quantity} is {found} {unit}, expected {min} to {max}")]
    OutOfRange {
        /// The quantity.
        quantity: Quantity,
        /// The value in the canonical unit.
        found: f64,
        /// The canonical unit.
        unit: Unit,
        /// The least plausible value.
        min: f64,
        /// The greatest plausible value.
        max: f64,
    },
    /// The value is plausible, but not for this device, says its operator.
    #[error(
        "{quantity} of {sensor} is {found} after calibration, expected {min} to {max} for this device (table devices, ranges)"
    )]
    OutOfDeviceRange {
        /// The sensor.
        sensor: SensorId,
        /// The quantity.
        quantity: Quantity,
        /// The value in the canonical unit, calibrated.
        found: f64,
        /// The least that the operator expects.
        min: f64,
        /// The greatest that the operator expects.
        max: f64,
    },
    /// The item would be larger than DynamoDB takes.
    #[error("the reading's item would have {found} bytes, limit is {MAX_ITEM_BYTES}")]
    ItemTooLarge {
        /// Its size in bytes.
        found: usize,
    },
    /// The reading's time lies after the message's.
    #[error("time is {} ms after the message came, limit is {MAX_FUTURE_MS} ms: is the device's clock wrong?", found - received_at)]
    Future {
        /// The reading's time in milliseconds.
        found: i64,
        /// When the message came, in milliseconds.
        received_at: i64,
    },
    /// The reading's time is that of a clock that was never set.
    #[error(
        "time is {found} ms, expected {EARLIEST_MS} ms (2020) or later: was the device's clock ever set?"
    )]
    BeforeClock {
        /// The reading's time in milliseconds.
        found: i64,
    },
    /// The reading counts from when its device was switched on, and says a time that is none.
    #[error(
        "the clock is said to be unset, so the time counts from when the device was switched on, but it is {found} ms, expected less than {EARLIEST_MS} ms (50 years): leave \"clock\" away where the time is right"
    )]
    Uptime {
        /// The reading's time in milliseconds.
        found: i64,
    },
    /// The reading would expire at once.
    #[error(
        "reading is {age_days} days old, which is more than the {limit_days} days that readings are kept"
    )]
    TooOld {
        /// Its age in days.
        age_days: i64,
        /// The retention in days.
        limit_days: u32,
    },
    /// Another reading of the same message has the same name and other content.
    #[error(
        "another reading of this message has the same sensor, time and sequence number, but other content"
    )]
    Conflict,
}

impl Refusal {
    /// A stable name for tables, metrics and alarms.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unrecognised(error) => error.code(),
            Self::Message(error) => error.code(),
            Self::Pack(error) => error.code(),
            Self::Plain(error) => error.code(),
            Self::Part(error) => error.code(),
            Self::Row(error) => error.code(),
            Self::Identity { .. } => "identity-mismatch",
            Self::WrongUnit { .. } => "wrong-unit",
            Self::OutOfRange { .. } => "out-of-range",
            Self::OutOfDeviceRange { .. } => "out-of-device-range",
            Self::ItemTooLarge { .. } => "item-too-large",
            Self::Future { .. } => "time-in-future",
            Self::BeforeClock { .. } => "time-before-2020",
            Self::Uptime { .. } => "uptime-too-long",
            Self::TooOld { .. } => "too-old",
            Self::Conflict => "conflicting-duplicate",
        }
    }

    /// The reason with its causes, for a person.
    #[must_use]
    pub fn detail(&self) -> String {
        causes(self)
    }
}

/// An error and its causes on one line.
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
