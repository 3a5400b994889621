//! Which hours of which sensors are to be summed up again, told to the table `devices` in the same
//! calls as the readings themselves.
//!
//! A rollup is a function of the readings in the table, and is made anew whenever some may have come
//! ([`crate::rollup`]). So all that ingest has to say is: of this sensor, in this hour. To say it with
//! every message would cost as many writes as the readings of slow sensors. It is said at most once in
//! [`INTERVAL`] by one warm function, and taken up no earlier than [`SETTLE`] after it was said: by
//! then, whatever relied on it is written.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::item::DueItem;
use crate::moment::Moment;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

/// Time for which a warm function does not say the same again.
pub(crate) const INTERVAL: Duration = Duration::from_secs(15 * 60);

/// "Maximum: 900" seconds (Lambda developer guide, "Configure Lambda function timeout").
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

/// What the clocks of two functions may differ by, and more.
const SKEW: Duration = Duration::from_secs(60);

/// How long after it was said that an hour is due it is summed up. Who has said it within
/// [`INTERVAL`] writes without saying it again, and may take as long as an invocation can.
pub(crate) const SETTLE: Duration =
    Duration::from_secs(INTERVAL.as_secs() + LONGEST_INVOCATION.as_secs() + SKEW.as_secs());

/// A sensor's hour: device, sensor, and when the hour begins.
pub(crate) type Hour = (DeviceId, SensorId, UnixMillis);

/// What this warm function has said, and when.
#[derive(Debug, Default)]
pub(crate) struct Dues(Mutex<HashMap<Hour, Moment>>);

impl Dues {
    /// Of these hours, those that are to be said, each once.
    pub(crate) fn news(&self, hours: impl IntoIterator<Item = Hour>, now: Moment) -> Vec<DueItem> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told =
            |hour: &Hour| told.get(hour).is_some_and(|then| now.is_within(INTERVAL, then));
        let mut news: Vec<Hour> = hours.into_iter().filter(|hour| !is_told(hour)).collect();
        news.sort_unstable();
        news.dedup();
        let item = |(device, sensor, hour)| DueItem::new(device, sensor, hour, now.wall());
        news.into_iter().map(item).collect()
    }

    /// The table has been told.
    pub(crate) fn told(&self, items: impl IntoIterator<Item = DueItem>, now: Moment) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is older than the interval says nothing any more.
        told.retain(|_, then| now.is_within(INTERVAL, then));
        told.extend(items.into_iter().map(|item| ((item.device, item.sensor, item.hour), now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_said_once_in_a_while_and_again_where_it_was_not_written() {
        let (dues, start) = (Dues::default(), Moment::now(UnixMillis::new(0).unwrap()));
        let hour = |hour: i64| {
            let at = UnixMillis::new(hour * 3_600_000).unwrap();
            ("pi-1".try_into().unwrap(), "s".try_into().unwrap(), at)
        };
        let news = |hours: &[i64], minutes: u64| {
            let now = start.after(Duration::from_secs(60 * minutes));
            dues.news(hours.iter().map(|one| hour(*one)), now)
        };
        let first = news(&[7, 7, 8], 0);
        assert_eq!(first.len(), 2);
        assert_eq!(first[0].sk, "pi-1#s#0000025200000");
        let again = news(&[7, 8], 1);
        assert_eq!(again.len(), 2, "it was not written");
        assert_eq!(again[0].marked_at.get(), 60_000);
        dues.told(first, start);
        assert_eq!(news(&[7, 8], 14), []);
        assert_eq!(news(&[7, 8, 9], 14).len(), 1);
        assert_eq!(news(&[7, 8], 15).len(), 2);
        // The job goes by the wall clock, and so a machine that was asleep has to say it again.
        let hours = || [hour(7), hour(8)].into_iter();
        let asleep = start.after_sleep(Duration::from_secs(60), Duration::from_secs(3600));
        assert_eq!(dues.news(hours(), asleep).len(), 2);
    }
}
