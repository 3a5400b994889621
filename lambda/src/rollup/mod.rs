//! Rollups: number, least, mean and greatest of each sensor's hours and days, so that a year can be
//! looked at without reading it.
//!
//! # Contract
//!
//! - A rollup is a function of the readings in the table and of nothing else: to make it again is
//!   harmless, and whatever came twice, late or out of order, it comes out right.
//! - Ingest says of which hours readings have come ([`crate::due`]), in the calls that write them: a
//!   message is not done before that is said. The job ([`run`]) sums these hours up from the readings,
//!   makes their days anew from the hours, and takes back what was said, unless it was said again.
//! - What reads asks first which hours are due, and takes those from the readings themselves, or says
//!   how many it did not. So what it shows is exact, whether the job has run or not.
//!
//! # In the table `readings`
//!
//! ```text
//! pk   <device>#<sensor>#hour | <device>#<sensor>#day        sk   <13-digit ms>
//! at, readings, faults {name: n}, sums {quantity: {n, min, mean, max}}
//! parts (of an hour)  {"readings":[[0,30],…],"sums":{"temperature":[[0,30,21.1,21.3,21.6],…]}}
//!                     the same for each five minutes, by their number from 0 to 11
//! ```
//!
//! Days are those of UTC.

mod hour;
mod run;
mod sum;

use std::future::Future;

use tidings_schema::{Content, DeviceId, SensorId, UnixMillis, key};

pub use self::hour::{DAY_MS, HOUR_MS, Hour, PART_MS, begin};
pub use self::run::{run, sum_up};
pub use self::sum::{Rollup, Sum, name, quantity_and_unit};
use crate::item::{DueItem, RollupItem};
use crate::store::{Store, StoreError};

/// Which rollups a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Of hours.
    Hour,
    /// Of days.
    Day,
}

impl Level {
    /// The partition of a sensor's rollups.
    #[must_use]
    pub fn partition(self, device: &DeviceId, sensor: &SensorId) -> String {
        let name = match self {
            Self::Hour => "hour",
            Self::Day => "day",
        };
        format!("{}#{name}", key::partition(device, sensor))
    }
}

/// A rollup as the table gives it back.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRollup {
    /// The whole of it.
    pub whole: Rollup,
    /// Of an hour, its parts.
    pub parts: Option<Hour>,
}

/// What the job reads, beside what a function writes.
pub trait Archive: Store {
    /// All hours that are due.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn dues(&self) -> impl Future<Output = Result<Vec<DueItem>, StoreError>> + Send;

    /// Tells `each` the readings of a sensor's hour, as written by then, in any order, each once.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn hour(
        &self,
        device: &DeviceId,
        sensor: &SensorId,
        hour: UnixMillis,
        each: impl FnMut(UnixMillis, &Content) + Send,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A sensor's rollups that begin from then up to then, both included, in order.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn rollups(
        &self,
        level: Level,
        device: &DeviceId,
        sensor: &SensorId,
        from: UnixMillis,
        to: UnixMillis,
    ) -> impl Future<Output = Result<Vec<StoredRollup>, StoreError>> + Send;

    /// Takes back that an hour is due, unless that was said again meanwhile.
    ///
    /// # Errors
    /// When the table cannot be written.
    fn settle(&self, due: &DueItem) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// A rollup as it is written, to be kept for so many days from the time that it is of.
#[must_use]
pub fn item(
    level: Level,
    device: &DeviceId,
    sensor: &SensorId,
    rollup: Rollup,
    parts: Option<String>,
    keep_days: u32,
) -> RollupItem {
    RollupItem {
        pk: level.partition(device, sensor),
        sk: key::time_prefix(rollup.at),
        device: device.clone(),
        sensor: sensor.clone(),
        expires_at: rollup.at.seconds() + i64::from(keep_days) * DAY_MS / 1000,
        rollup: rollup.rounded(),
        parts,
    }
}
