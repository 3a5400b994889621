//! SenML (RFC 8428), in JSON and in CBOR: what LwM2M clients and many libraries for
//! microcontrollers send.
//!
//! ```json
//! [{"bn":"urn:dev:ow:10e2073a01080063:","bt":1.320067464e+09,"n":"temp","u":"Cel","v":23.1},
//!  {"n":"humidity","u":"%RH","t":-5,"v":40}]
//! ```
//!
//! # Records
//!
//! - Base fields hold from their record on until another one replaces them. `t + bt` below 2^28 s
//!   is relative to `now`, else absolute; both are rounded to milliseconds.
//! - Fields of table 1 are read; other labels are passed over unless they end in `_`, which refuses
//!   the pack, as does a `bver` above 10. A label of table 1 that stands twice in a record, and a
//!   base field of the wrong type, make the pack malformed: the records after it would mean
//!   anything. A regular field of the wrong type refuses its record alone.
//! - A record with base fields alone is no measurement. `bv` is added to `v` where there is one;
//!   a `bs` in force gives each record with a `v` a sum, as section 4.5.4 has it.
//! - `vb` is 1 or 0 in the unit `/`, whatever unit is in force. `vs` and `vd` are no measurements
//!   and refuse their record.
//! - `s` is a further quantity `<quantity>_sum` in the unit times seconds: `W` to `J`, `A` to `C`,
//!   `VA` to `VAs`, `var` to `vars`, `m/s` to `m`, `m3/s` to `m3`, `l/s` to `l`, `1/s` and `Hz` to
//!   `count`, `bit/s` to `bit`, `B/s` to `B`, `/` to `s`. Any other unit refuses the sum alone.
//! - Records of one sensor and millisecond make one sample. Two that say the same of a quantity are
//!   one; of two that differ the first stays.
//!
//! # Names
//!
//! | resolved name | sensor | quantity |
//! | --- | --- | --- |
//! | `greenhouse/bed-1:soil-moisture` | `greenhouse-bed-1` | `soil_moisture`: what follows the last `:`, `/` or `.` |
//! | `temp` (no separator) | `senml` | `temperature` |
//! | `urn:dev:ow:10e2073a01080063:temp` | `urn-dev-ow-10e2073a01080063` | `temperature` |
//! | `urn:dev:ow:10e2073a01080063_temp` (RFC 9039) | `urn-dev-ow-10e2073a01080063` | `temperature` |
//! | `urn:dev:mac:a1b2c3d4e5f60708` | the whole | that of the unit |
//! | `2001:db8::3`, `plant/`, a record without `n` | the whole | that of the unit |
//!
//! - The quantity is lower-cased, `-` becomes `_`, and short names become known ones (`temp`,
//!   `hum`, `rh`, `press`, `volt`, `lux`, `lat`…: `foreign/alias.rs`) where the unit fits.
//! - The sensor is lower-cased, `:`, `/` and `.` become `-`, and `-` at its ends falls away.
//! - Never a quantity: the first four segments of `urn:dev:<kind>:<id>`, the first three of any other
//!   `urn:<namespace>:<id>`, and a segment of 12 or more hexadecimal digits (MAC, EUI-64, UUID).
//! - Where no segment is one, the unit names the quantity: `Cel`, `K` temperature; `%RH` humidity;
//!   `Pa`, `hPa` pressure; `lx` illuminance; `pH` ph; `V`, `mV` voltage; `A`, `mA` current; `W`,
//!   `kW` power; `J`, `Wh`, `kWh` energy; `m`, `cm`, `km` distance; `Hz`, `MHz` frequency;
//!   `m3/s`, `l/s` flow; `%EL` battery; `lat` latitude; `lon` longitude; `count` count; and a `vb` is the
//!   quantity state. Any other unit means too many things, and the record is refused.

mod base;
mod cbor;
mod json;
mod name;
mod record;
mod render;
mod resolve;

use crate::time::UnixMillis;
use crate::wire::foreign::{Decoded, MAX_RECORDS};

/// The highest version of SenML that is understood (RFC 8428 section 4.1).
pub const VERSION: u64 = 10;

/// The longest base name and base unit, in bytes. Every record repeats them once it is resolved, so
/// that without a limit a message of 100 KB would become gigabytes.
pub const MAX_BASE_BYTES: usize = 256;

/// Why no sample of a pack can be told.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The bytes are not JSON, or not an array of objects.
    #[error("message is not SenML in JSON")]
    Json(#[source] serde_json::Error),
    /// The bytes are not CBOR, or not an array of maps.
    #[error("message is not SenML in CBOR")]
    Cbor(#[source] minicbor::decode::Error),
    /// A field on which other records depend is not what it must be.
    #[error("record {record}, field {field}: expected {expected}, but found {found}")]
    Field {
        /// Position of the record in the pack, from 0.
        record: usize,
        /// The label.
        field: &'static str,
        /// What should stand there, with its limit.
        expected: String,
        /// What stands there, cut to 64 characters.
        found: String,
    },
    /// A label stands twice in one record.
    #[error("record {record}: expected the field {field} once, but found it twice")]
    Repeated {
        /// Position of the record in the pack, from 0.
        record: usize,
        /// The label.
        field: &'static str,
    },
    /// The field `bver` has a higher number.
    #[error("expected SenML version {VERSION} or lower in the field bver, but found {found}")]
    UnsupportedVersion {
        /// The number in the field `bver`.
        found: u64,
    },
    /// A field must be understood, says its sender, and it is not.
    #[error(
        "record {record}: expected only fields of RFC 8428 among those that must be understood, but found {label:?}"
    )]
    NotUnderstood {
        /// Position of the record in the pack, from 0.
        record: usize,
        /// The label, which ends in `_`, cut to 64 characters.
        label: String,
    },
    /// There are too many records.
    #[error("expected at most {MAX_RECORDS} records, but found more")]
    TooMany,
    /// There are no records, or none with anything but base fields.
    #[error("message has no measurements: expected a record with one of v, vb, vs, vd, s")]
    Empty,
}

impl PackError {
    /// A stable name for tables, metrics and alarms.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) | Self::Cbor(_) | Self::Field { .. } | Self::Repeated { .. } => {
                "malformed-message"
            }
            Self::UnsupportedVersion { .. } => "unsupported-version",
            Self::NotUnderstood { .. } => "not-understood",
            Self::TooMany => "too-many-records",
            Self::Empty => "empty-message",
        }
    }
}

/// Reads a pack in JSON (`application/senml+json`). Times that are relative are so to `now`.
///
/// # Errors
/// When nothing in the pack can be told; records that cannot be told alone are in
/// [`Decoded::refused`].
pub fn decode_json(bytes: &[u8], now: UnixMillis) -> Result<Decoded, PackError> {
    let mut resolver = resolve::Resolver::new(now);
    json::read(bytes, &mut |record| resolver.take(record))?;
    resolver.finish()
}

/// Reads a pack in CBOR (`application/senml+cbor`). Times that are relative are so to `now`.
///
/// Arrays, maps and texts of indefinite length are read as well as definite ones; numbers may be
/// integers, floats of 16, 32 or 64 bits, decimal fractions (tag 4) and bigfloats (tag 5).
/// [`crate::wire::foreign::Sample::alone`] and [`crate::wire::foreign::Refused::message`] are packs
/// in JSON: a person can read them in quarantine.
///
/// # Errors
/// As [`decode_json`].
pub fn decode_cbor(bytes: &[u8], now: UnixMillis) -> Result<Decoded, PackError> {
    let mut resolver = resolve::Resolver::new(now);
    cbor::read(bytes, &mut |record| resolver.take(record))?;
    resolver.finish()
}

#[cfg(test)]
mod tests;
