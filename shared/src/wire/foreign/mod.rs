//! What the dialects have in common that know neither boots nor sequence numbers: what one
//! message says, and what is wrong with a part of it.
//!
//! [`super::senml`] and [`super::plain`] give these types; [`super::dialect`] tells them apart.

mod alias;
mod samples;

pub(crate) use alias::well_known;
pub(crate) use samples::{Held, Samples};

use crate::ids::{IdError, SensorId};
use crate::measurement::{MeasurementsError, Value, ValueError};
use crate::quantity::Quantity;
use crate::time::{TimeError, UnixMillis};
use crate::unit::{Unit, UnknownUnit};

/// The most records (in a plain message: fields) of one message. What AWS IoT Core carries has
/// room for some 25,000 of the shortest; no sensor sends so many, and each of them costs many times
/// its bytes once it is told.
pub const MAX_RECORDS: usize = 10_000;

/// What a message said.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Who the message says it is from, where it does. Neither checked nor cut: who sent it is for
    /// the caller to know.
    pub device: Option<String>,
    /// The samples that could be told, each sensor and time once, in the order of the message.
    pub samples: Vec<Sample>,
    /// The parts that could not, each with its reason.
    pub refused: Vec<Refused>,
}

/// One sample in a dialect that has no boot and no sequence numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The sensor that was asked.
    pub sensor: SensorId,
    /// When it was asked.
    pub at: UnixMillis,
    /// What it answered: 1 to [`crate::limits::MAX_QUANTITIES`] values, each quantity once.
    pub values: Vec<Sampled>,
    /// A message of the same dialect that holds this sample alone, so that it can be quarantined
    /// and replayed by itself. It decodes to the same sample, in the same order of values (a plain
    /// one without a timestamp: with the same `now`).
    pub alone: Vec<u8>,
}

/// One value of a sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sampled {
    /// What was measured.
    pub quantity: Quantity,
    /// The unit that `value` is in. `None` where the message names none: then it is the canonical
    /// unit of a known quantity, and not known for any other.
    pub unit: Option<Unit>,
    /// The number.
    pub value: Value,
}

/// A part of a message that cannot be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// A message of the same dialect that holds this part alone. Where nothing but its neighbours
    /// was in the way ("conflicting-duplicate", too many quantities), it can be told by itself.
    pub message: Vec<u8>,
    /// The sensor that it names, as far as it names one.
    pub sensor: Option<String>,
    /// What is wrong with it.
    pub error: PartError,
}

/// Why one part of a message (a record, a field) cannot be told.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PartError {
    /// It names a sensor or quantity that is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// It has a unit that no registry knows.
    #[error(transparent)]
    Unit(#[from] UnknownUnit),
    /// Its time is out of bounds.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// Its time is one that no absolute time of its dialect can say, so that it could not be
    /// replayed.
    #[error("time out of bounds: {found} ms, expected at least {earliest} ms in this dialect")]
    TooEarly {
        /// Its time.
        found: UnixMillis,
        /// The earliest that the dialect can say, in milliseconds since 1970.
        earliest: i64,
    },
    /// Its value cannot be stored.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The sample that it belongs to has as many quantities as a reading can have.
    #[error(transparent)]
    Quantities(#[from] MeasurementsError),
    /// It has a value of a kind that is no measurement.
    #[error("field {field}: expected {expected}, but found {found}")]
    Unsupported {
        /// The field.
        field: String,
        /// What could be told.
        expected: &'static str,
        /// What stands there, cut to 200 characters.
        found: String,
    },
    /// Nothing says which quantity it is.
    #[error("quantity unnamed: expected {expected}, but found {found}")]
    Unnamed {
        /// What would name it.
        expected: &'static str,
        /// What stands there, cut to 200 characters.
        found: String,
    },
    /// An earlier part says something else of the same sensor, time and quantity. The earlier one
    /// stays; parts that say the same are taken as one.
    #[error("quantity {quantity} stands twice: expected {first} again, but found {found}")]
    Conflict {
        /// The quantity.
        quantity: Quantity,
        /// Value and unit of the earlier part.
        first: String,
        /// Value and unit of this one.
        found: String,
    },
}

impl PartError {
    /// A stable name for tables, metrics and alarms. The names are those of
    /// [`crate::wire::v1::RowError`] where they mean the same.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Id(_) => "bad-id",
            Self::Unit(_) => "unknown-unit",
            Self::Time(_) | Self::TooEarly { .. } => "bad-time",
            Self::Value(_) => "bad-value",
            Self::Quantities(_) => "bad-quantities",
            Self::Unsupported { .. } => "unsupported-value",
            Self::Unnamed { .. } => "unnamed-quantity",
            Self::Conflict { .. } => "conflicting-duplicate",
        }
    }

    /// A value that is none, with what was found cut to 200 characters.
    pub(crate) fn unsupported(field: &str, expected: &'static str, found: &str) -> Self {
        Self::Unsupported { field: cut(field, 64), expected, found: cut(found, 200) }
    }
}

/// The first `length` characters of a text, for errors.
pub(crate) fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

/// A text as JSON.
pub(crate) fn json_text(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// Milliseconds, rounded to whole ones. Out of bounds for an integer is out of bounds for a time as
/// well: such ones become the nearest integer there is.
pub(crate) fn whole_millis(millis: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    let whole = millis.round() as i64;
    whole
}
