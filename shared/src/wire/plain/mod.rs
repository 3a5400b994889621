//! The JSON object that tutorials publish.
//!
//! ```json
//! {"device":"pi-1","ts":1795456115,"sensor":"BME280","temperature":21.5,"humidity":"40.1"}
//! {"timestamp":"2026-11-23T17:48:35Z","bme280":{"temp":21.5,"press":1013.2},"door":{"open":true}}
//! {"temperature":{"value":70.7,"unit":"°F"}}
//! ```
//!
//! Nothing is dropped in silence: each field is a value, one of the names below, or refused.
//!
//! # Fields
//!
//! - Numbers, numeric texts (`"21.5"`) and booleans (1 or 0, in the unit `/`) are values. `null`, other
//!   texts, arrays and deeper objects are refused alone ("unsupported-value").
//! - An object with the field `value` and at most `unit` beside it is a value in that unit.
//! - An object named `data`, `values`, `readings`, `measurements`, `payload`, `state` or `reported`
//!   is as if its fields stood beside it; up to 3 may be within one another.
//! - Any other object is a sensor of that name with values of its own, and may have a timestamp of
//!   its own.
//! - All other values are of the sensor that `sensor`, `sensor_id` or `sensor_name` names, or of
//!   `plain` where none has a valid name. Names of sensors are lower-cased, and spaces and dots
//!   become `-`.
//! - `device`, `device_id`, `deviceid`, `thing`, `thing_name`, `thingname`, `client_id`, `clientid`: the
//!   first that is a text or a whole number, in this order, is who the message says it is from.
//! - Passed over with any value that is no object: these, `sensor_type`, `id`, `uuid`, `message_id`,
//!   `msg_id`, `packet_id`, `seq`, `sequence`, `version`, `firmware`, `fw`, `model`, `mac`, `ip`, `ssid`.
//! - Passed over where they are a text or `null`: `name`, `type`, `kind`, `msg`, `message`, `location`,
//!   `room`, `topic`, `host`, `hostname`, `status`, `description`, `comment`. Numbers there are values.
//!
//! # Quantities
//!
//! Keys are lower-cased, camelCase becomes snake_case, and `-`, spaces and dots become `_`; short
//! names become known ones (`temp`, `hum`, `rh`, `press`, `lux`…: `foreign/alias.rs`). `_c`, `_f` and
//! `_k` (`_celsius`, `_fahrenheit`, `_kelvin`) after a temperature are its unit. Fahrenheit becomes
//! `Cel`; beside the same in Celsius it may differ by 0.1 from rounding.
//!
//! Units are those of SenML, and beside them `°C` `degC` `celsius`, `°F` `degF` `fahrenheit`, `%` for
//! humidity and battery, `mbar`, `lux`, `µg/m3`. `C` is the coulomb and `F` the farad, as there.
//! Without a unit a value is in the canonical unit of a known quantity.
//!
//! Keys that become the same quantity must agree; of those that do not, the first stays.
//!
//! # Time
//!
//! The first that is there of `timestamp`, `time_stamp`, `ts`, `time`, `datetime`, `date_time`, `at`
//! and `t`; any other of them is passed over. Numbers, also as texts, by their magnitude: 1e9 to 1e11
//! seconds since 1970, 1e12 to 1e14 milliseconds, 1e15 to 1e17 microseconds, 1e18 to 1e20
//! nanoseconds. Other texts by RFC 3339, where a space may stand for the `T`, and UTC is meant without
//! an offset. What is none of these refuses the whole message, for a guessed time is worse than none.
//! `t` alone may be a temperature as well: where it does not read as a time it is refused alone
//! ("unnamed-quantity").
//! Without a timestamp the time is `now`.

mod field;
mod heading;
mod keys;
mod message;
mod time;

pub use heading::{Heading, HeadingError, normal};

use crate::time::UnixMillis;
use crate::wire::foreign::{Decoded, MAX_RECORDS};

/// Why no sample of a message can be told.
#[derive(Debug, thiserror::Error)]
pub enum PlainError {
    /// The bytes are not a JSON object.
    #[error("message is not a JSON object")]
    Malformed(#[source] serde_json::Error),
    /// There is a timestamp, and it cannot be told.
    #[error(
        "field {field}: expected a time from 1970 to 2286 as seconds (1e9 to 1e11), milliseconds (1e12 to 1e14), microseconds (1e15 to 1e17) or nanoseconds (1e18 to 1e20) since 1970 or as RFC 3339 text, but found {found}"
    )]
    Time {
        /// The key.
        field: String,
        /// What stands there, cut to 64 characters.
        found: String,
    },
    /// There are too many fields, those of objects included.
    #[error("expected at most {MAX_RECORDS} fields, but found more")]
    TooMany,
    /// There is nothing but names and a time.
    #[error("message has no quantities: expected a number as in {{\"temperature\":21.5}}")]
    NoQuantities,
}

impl PlainError {
    /// A stable name for tables, metrics and alarms.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-message",
            Self::Time { .. } => "bad-time",
            Self::TooMany => "too-many-records",
            Self::NoQuantities => "no-quantities",
        }
    }
}

/// Reads a message. One without a timestamp is of `now`.
///
/// # Errors
/// When nothing in the message can be told; fields that cannot be told alone are in
/// [`Decoded::refused`].
pub fn decode(bytes: &[u8], now: UnixMillis) -> Result<Decoded, PlainError> {
    let (mut message, fields) = message::Message::open(bytes, now)?;
    message.take(fields)?;
    message.finish()
}

#[cfg(test)]
mod tests;
