//! What every part of Tidings agrees on: ids, quantities and units, readings, the wire format,
//! topics, table keys and limits.
//!
//! This crate is pure: no clock, no I/O, no async, no AWS, no MQTT. Types whose values are
//! restricted have one fallible constructor; whoever holds such a value need not check it again.
#![warn(missing_docs)]

pub mod clock;
pub mod content;
pub mod fault;
pub mod ids;
pub mod key;
pub mod limits;
pub mod measurement;
pub mod packed;
pub mod quantity;
pub mod reading;
pub mod time;
pub mod topic;
pub mod unit;
pub mod wire;

pub use clock::Clock;
pub use content::Content;
pub use fault::Fault;
pub use ids::{BootId, DeviceId, IdError, SensorId, Seq};
pub use key::ReadingKey;
pub use measurement::{Measurement, Value};
pub use quantity::Quantity;
pub use reading::{Outcome, Reading};
pub use time::UnixMillis;
pub use topic::Topic;
pub use unit::Unit;
