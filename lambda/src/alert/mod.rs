//! Alerts that a person set: a value beyond its limit, or a device that is not heard.

mod evaluate;
#[cfg(test)]
pub(crate) mod fake;
mod newest;
mod notify;
mod sns;
mod standing;
mod watch;
mod words;

pub(crate) use self::evaluate::samples;
pub use self::evaluate::{Changed, Limits, STALE_MS, Sample, TAKEN_MS, evaluate};
pub(crate) use self::newest::Newest;
pub use self::notify::{Logged, Note, Notifier, NotifyError};
pub use self::sns::{SnsSettings, SnsTopic};
pub use self::standing::{Kind, MAX_ALERTS, MAX_UNTOLD, Record, SILENCE, Standing, Untold};
pub(crate) use self::watch::watch;
pub use self::watch::{Alerted, tick};
pub use self::words::{sentence, subject};

/// Partition key of what stands of alerts in the table `devices`: one partition, so that one query lists all.
pub const ALERT_PARTITION: &str = "alert";
