//! Rollups: number, least, mean and greatest of each sensor's hours and days, so that a year can be
//! looked at without reading it.
//!
//! # Contract
//!
//! - A rollup is a function of the readings in the table and of nothing else: to make it again is
//!   harmless, and whatever came twice, late or out of order, it comes out right.
//! - Ingest says of which hours readings have come ([`crate::due`]), in the calls that write them: a
//!   message is not done before that is said. The job ([`run`]) sums these hours up from the readings,
//!   each for itself, makes their days anew from the hours, and takes back what was said, unless it was
//!   said again.
//! - Two runs at once (EventBridge delivers "at least once") and a run that ends anywhere leave no wrong
//!   day: a day is written over the version that stood before its hours were read, or read again; and
//!   what was said is taken back last.
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
pub use self::run::run;
pub use self::sum::{Rollup, Sum, name, quantity_and_unit};
use crate::item::{DueItem, Item, RollupItem};
use crate::store::{Store, StoreError, size};

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
    /// Of a day, how many times it was written.
    pub version: u64,
}

/// What is to be summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dues {
    /// Hours of which everything is written.
    pub ripe: Vec<DueItem>,
    /// How many others wait until it is.
    pub waiting: usize,
    /// Whether there are more than were asked for.
    pub is_cut: bool,
}

/// What the job reads, beside what a function writes.
pub trait Archive: Store {
    /// The hours that are due and were said to be so up to then, up to some number of them.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn dues(
        &self,
        marked_until: UnixMillis,
        limit: usize,
    ) -> impl Future<Output = Result<Dues, StoreError>> + Send;

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

/// A rollup as it is written, to be kept for so many days from the time that it is of. What an item has
/// no room for is left out: the parts first, and then what has the fewest values, which is counted.
#[must_use]
pub fn item(
    level: Level,
    device: &DeviceId,
    sensor: &SensorId,
    rollup: Rollup,
    parts: Option<String>,
    keep_days: u32,
) -> RollupItem {
    let item = RollupItem {
        pk: level.partition(device, sensor),
        sk: key::time_prefix(rollup.at),
        device: device.clone(),
        sensor: sensor.clone(),
        expires_at: rollup.at.seconds() + i64::from(keep_days) * DAY_MS / 1000,
        rollup: rollup.rounded(),
        parts,
        version: 0,
    };
    let is_too_large = |item: &Item| size::of(item) > size::MAX_ITEM_BYTES;
    let mut item = Item::Rollup(item);
    if is_too_large(&item)
        && let Item::Rollup(rollup) = &mut item
    {
        rollup.parts = None;
    }
    while is_too_large(&item)
        && let Item::Rollup(rollup) = &mut item
        && rollup.rollup.omit()
    {}
    let Item::Rollup(item) = item else { unreachable!("it was made above") };
    if item.rollup.omitted > 0 {
        let values = item.rollup.omitted;
        tracing::warn!(%device, %sensor, values, "a rollup has no room for all names of a sensor");
    }
    item
}

#[cfg(test)]
mod tests {
    use tidings_schema::{Content, Value};

    use super::*;

    #[test]
    fn what_an_item_has_no_room_for_is_left_out_and_counted() {
        let at = UnixMillis::new(1_795_456_800_000).unwrap();
        let (device, sensor) = ("pi-1".try_into().unwrap(), "s".try_into().unwrap());
        let hour = |names: usize| {
            let mut hour = Hour::new(at);
            for (number, minute) in (0..names).flat_map(|number| [(number, 1), (number, 31)]) {
                let name = format!("rssi_of_somebody_{number}").as_str().try_into().unwrap();
                let value = Value::new(-60.123_456).unwrap();
                let content = Content::Values(vec![(name, value, None)]);
                hour.add(at.offset(minute * 60_000).unwrap(), &content);
            }
            item(Level::Hour, &device, &sensor, hour.whole(), Some(hour.text()), 30)
        };
        let of = |item: RollupItem| {
            let size = size::of(&Item::Rollup(item.clone()));
            assert!(size <= size::MAX_ITEM_BYTES, "{size}");
            let summed: u64 = item.rollup.sums.values().map(|sum| sum.n).sum();
            assert_eq!(summed + item.rollup.omitted, item.rollup.readings);
            (item.parts.is_some(), item.rollup.omitted)
        };
        assert_eq!(of(hour(1000)), (true, 0));
        assert_eq!(of(hour(1900)), (true, 0));
        let (_, omitted) = of(hour(4000));
        assert_eq!(omitted, 2 * 2000, "names beyond the most");
    }
}
