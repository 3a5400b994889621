//! Why something was not written to `readings`: enumerated, with stable names.

use tidings_schema::limits::{EARLIEST_MS, MAX_FUTURE_MS};
use tidings_schema::wire::v1::{MessageError, RowError};
use tidings_schema::{Quantity, Unit};

/// The reason of a quarantine item.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Nothing in the message can be told.
    #[error(transparent)]
    Message(#[from] MessageError),
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
        /// Device in the payload.
        payload: String,
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
            Self::Message(error) => error.code(),
            Self::Row(error) => error.code(),
            Self::Identity { .. } => "identity-mismatch",
            Self::WrongUnit { .. } => "wrong-unit",
            Self::OutOfRange { .. } => "out-of-range",
            Self::Future { .. } => "time-in-future",
            Self::BeforeClock { .. } => "time-before-2020",
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
