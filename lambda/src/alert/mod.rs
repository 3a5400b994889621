//! Alerts that a person set: a value beyond its limit, or a device that is not heard.

mod standing;
mod words;

pub use self::standing::{Kind, MAX_ALERTS, MAX_UNTOLD, Record, SILENCE, Standing, Untold};
pub use self::words::{sentence, subject};

/// Partition key of what stands of alerts in the table `devices`: one partition, so that one query lists all.
pub const ALERT_PARTITION: &str = "alert";
