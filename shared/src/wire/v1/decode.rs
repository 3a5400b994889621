//! Bytes to readings.

use std::fmt;

use serde::Deserialize;
use serde::de::{SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::clock::Clock;
use crate::fault::Fault;
use crate::ids::{BootId, DeviceId, IdError, SensorId, Seq};
use crate::measurement::{Measurement, Measurements, MeasurementsError, Value, ValueError};
use crate::quantity::Quantity;
use crate::reading::{Outcome, Reading};
use crate::time::{TimeError, UnixMillis};
use crate::unit::{Unit, UnknownUnit};

/// What a message said.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The device that the message claims to be from. Who sent it is for the caller to check.
    pub device: DeviceId,
    /// The boot of all its readings.
    pub boot: BootId,
    /// What the times of the readings count from.
    pub clock: Clock,
    /// The readings that could be told.
    pub readings: Vec<Reading>,
    /// The rows that could not, each with its reason.
    pub refused: Vec<Refused>,
}

/// A row that is no reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// A message of this version that holds this row alone, byte for byte as it came.
    pub message: String,
    /// The text in the field `sensor` of the row's series.
    pub sensor: String,
    /// What is wrong with it.
    pub error: RowError,
}

/// Why no reading of a message can be told.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The bytes are not JSON, or not of the shape of this version.
    #[error("message is not of version 1")]
    Malformed(#[source] serde_json::Error),
    /// The field `v` has another number.
    #[error("expected wire version 1, but found {found}")]
    UnsupportedVersion {
        /// The number in the field `v`.
        found: u64,
    },
    /// The field `device` or `boot` is no such id.
    #[error("message names no valid sender")]
    Id(#[from] IdError),
    /// The field `t0` is no time.
    #[error("message has no valid t0")]
    Time(#[from] TimeError),
    /// It says something of its clock that is not known.
    #[error("expected no clock or clock \"unset\", but found {found:?}")]
    Clock {
        /// What it says.
        found: String,
    },
    /// There are no rows and no faults.
    #[error("message has no readings")]
    Empty,
}

impl MessageError {
    /// A stable name for tables, metrics and alarms.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed-message",
            Self::UnsupportedVersion { .. } => "unsupported-version",
            Self::Id(_) => "bad-id",
            Self::Time(_) => "bad-time",
            Self::Clock { .. } => "bad-clock",
            Self::Empty => "empty-message",
        }
    }
}

/// Why one row is no reading.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RowError {
    /// The row is not an array of the right length and types.
    #[error("expected a row [milliseconds, sequence number, {expected}], but found {found}")]
    Shape {
        /// What should follow the first two numbers.
        expected: String,
        /// The row, cut to 200 characters.
        found: String,
    },
    /// The series or the row names a sensor, quantity or sequence number that is none.
    #[error(transparent)]
    Id(#[from] IdError),
    /// A field has a unit that no registry knows.
    #[error(transparent)]
    Unit(#[from] UnknownUnit),
    /// The reading's time is out of bounds.
    #[error(transparent)]
    Time(#[from] TimeError),
    /// A value cannot be stored.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The quantities do not make a reading.
    #[error(transparent)]
    Quantities(#[from] MeasurementsError),
    /// The fault has a name that this version does not have.
    #[error(
        "expected one of timeout, not-present, bus-error, checksum, out-of-range, but found {found:?}"
    )]
    Fault {
        /// The name, cut to 64 characters.
        found: String,
    },
}

impl RowError {
    /// A stable name for tables, metrics and alarms.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "malformed-row",
            Self::Id(_) => "bad-id",
            Self::Unit(_) => "unknown-unit",
            Self::Time(_) => "bad-time",
            Self::Value(_) => "bad-value",
            Self::Quantities(_) => "bad-quantities",
            Self::Fault { .. } => "unknown-fault",
        }
    }
}

/// The version alone, so that another version is named as such.
#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

#[derive(Deserialize)]
struct Message<'a> {
    v: u64,
    device: String,
    boot: String,
    clock: Option<String>,
    t0: i64,
    #[serde(borrow)]
    series: Vec<SeriesOnWire<'a>>,
}

#[derive(Deserialize)]
struct SeriesOnWire<'a> {
    sensor: String,
    #[serde(default)]
    fields: Vec<(String, String)>,
    #[serde(borrow, default)]
    rows: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    faults: Vec<&'a RawValue>,
}

/// Reads a message of version 1.
///
/// # Errors
/// When nothing in the message can be told; rows that cannot be told alone are in
/// [`Decoded::refused`].
pub fn decode(bytes: &[u8]) -> Result<Decoded, MessageError> {
    let message: Message<'_> =
        serde_json::from_slice(bytes).map_err(|error| not_ours(bytes, error))?;
    if message.v != super::VERSION {
        return Err(MessageError::UnsupportedVersion { found: message.v });
    }
    let device = DeviceId::try_from(message.device)?;
    let boot = BootId::try_from(message.boot)?;
    let clock = match message.clock {
        None => Clock::Set,
        Some(name) if name == Clock::UNSET => Clock::Unset,
        Some(found) => return Err(MessageError::Clock { found }),
    };
    let t0 = UnixMillis::new(message.t0)?;

    let mut decoded = Decoded { device, boot, clock, readings: Vec::new(), refused: Vec::new() };
    for series in &message.series {
        let head = Head::of(series);
        for (kind, rows) in [(Kind::Row, &series.rows), (Kind::Fault, &series.faults)] {
            for row in rows {
                let reading = head.as_ref().map_err(Clone::clone).and_then(|head| match kind {
                    Kind::Row => head.row(row, t0),
                    Kind::Fault => head.fault(row, t0),
                });
                match reading {
                    Ok(reading) => decoded.readings.push(reading),
                    Err(error) => {
                        let refused = Refused {
                            message: alone(&decoded, t0, series, kind, row),
                            sensor: series.sensor.clone(),
                            error,
                        };
                        decoded.refused.push(refused);
                    }
                }
            }
        }
    }
    if decoded.readings.is_empty() && decoded.refused.is_empty() {
        return Err(MessageError::Empty);
    }
    Ok(decoded)
}

/// Bytes that are no message of this version may be one of another, with another shape.
fn not_ours(bytes: &[u8], error: serde_json::Error) -> MessageError {
    match serde_json::from_slice(bytes) {
        Ok(Versioned { v }) if v != super::VERSION => MessageError::UnsupportedVersion { found: v },
        Ok(_) | Err(_) => MessageError::Malformed(error),
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Row,
    Fault,
}

/// What all rows of a series share. An unknown quantity or unit refuses only the rows, since a
/// fault needs neither.
struct Head {
    sensor: SensorId,
    fields: Result<Vec<(Quantity, Unit)>, RowError>,
}

impl Head {
    fn of(series: &SeriesOnWire<'_>) -> Result<Self, RowError> {
        let sensor = SensorId::try_from(series.sensor.as_str())?;
        let fields = series
            .fields
            .iter()
            .map(|(name, unit)| {
                Ok((Quantity::try_from(name.as_str())?, Unit::try_from(unit.as_str())?))
            })
            .collect();
        Ok(Self { sensor, fields })
    }

    fn row(&self, raw: &RawValue, t0: UnixMillis) -> Result<Reading, RowError> {
        let fields = self.fields.as_ref().map_err(Clone::clone)?;
        let shape = || RowError::Shape {
            expected: format!("{} numbers", fields.len()),
            found: raw.get().chars().take(200).collect(),
        };
        let Numbers { offset, seq, values } =
            serde_json::from_str(raw.get()).map_err(|_| shape())?;
        if values.len() != fields.len() {
            return Err(shape());
        }
        let mut measurements = Vec::with_capacity(values.len());
        for (value, (quantity, unit)) in values.into_iter().zip(fields) {
            measurements.push(Measurement {
                quantity: quantity.clone(),
                unit: *unit,
                value: Value::new(value)?,
            });
        }
        Ok(Reading {
            sensor: self.sensor.clone(),
            at: t0.offset(offset)?,
            seq: Seq::try_from(seq)?,
            outcome: Outcome::Measured(Measurements::new(measurements)?),
        })
    }

    fn fault(&self, raw: &RawValue, t0: UnixMillis) -> Result<Reading, RowError> {
        let (offset, seq, name): (i64, u64, String) =
            serde_json::from_str(raw.get()).map_err(|_| RowError::Shape {
                expected: "the name of a fault".to_owned(),
                found: raw.get().chars().take(200).collect(),
            })?;
        let fault = Fault::from_name(&name)
            .ok_or_else(|| RowError::Fault { found: name.chars().take(64).collect() })?;
        Ok(Reading {
            sensor: self.sensor.clone(),
            at: t0.offset(offset)?,
            seq: Seq::try_from(seq)?,
            outcome: Outcome::Failed(fault),
        })
    }
}

/// A row: two whole numbers, and as many others as there are fields.
struct Numbers {
    offset: i64,
    seq: u64,
    values: Vec<f64>,
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Row;
        impl<'de> Visitor<'de> for Row {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row of numbers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut row: A) -> Result<Numbers, A::Error> {
                let too_short = || serde::de::Error::custom("too short");
                let offset = row.next_element()?.ok_or_else(too_short)?;
                let seq = row.next_element()?.ok_or_else(too_short)?;
                // Most rows are of a sensor with a few values.
                let mut values = Vec::with_capacity(4);
                while let Some(value) = row.next_element()? {
                    values.push(value);
                }
                Ok(Numbers { offset, seq, values })
            }
        }
        deserializer.deserialize_seq(Row)
    }
}

/// A message that holds one row, as it came, and no other.
fn alone(
    decoded: &Decoded,
    t0: UnixMillis,
    series: &SeriesOnWire<'_>,
    kind: Kind,
    row: &RawValue,
) -> String {
    let list = match kind {
        Kind::Row => "rows",
        Kind::Fault => "faults",
    };
    let Decoded { device, boot, clock, .. } = decoded;
    let clock = match clock {
        Clock::Set => "",
        Clock::Unset => "\"clock\":\"unset\",",
    };
    format!(
        "{{\"v\":1,\"device\":\"{device}\",\"boot\":\"{boot}\",{clock}\"t0\":{t0},\"series\":[{{\"sensor\":{},\"fields\":{},\"{list}\":[{row}]}}]}}",
        json(&series.sensor),
        json(&series.fields),
    )
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("texts and pairs of texts are JSON")
}
