//! The job: sums up what is due.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tidings_schema::{DeviceId, SensorId, UnixMillis};
use tokio::time::{Instant, timeout_at};

use super::{Archive, DAY_MS, Dues, HOUR_MS, Hour, Level, Rollup, begin, item};
use crate::config::Retention;
use crate::due::SETTLE;
use crate::item::{DueItem, Item};
use crate::job::JobSummary;
use crate::refusal::causes;
use crate::store::{Stands, StoreError};
use crate::writer;

/// Days of sensors that are summed up at once.
const CONCURRENCY: usize = 4;

/// Hours that a run takes on: what it cannot do, the next one does. Each is some 200 bytes of memory.
const MOST: usize = 4000;

/// What is kept of the time to make days anew from hours that are written, and to take back what was said.
const ENDING: Duration = Duration::from_secs(5);

/// Tries to write a day. Each one more means that another run has written it meanwhile.
const TRIES: usize = 5;

/// Days before the end of readings' life from which on readings may be missing: DynamoDB "typically
/// deletes expired items within a few days", and clocks differ.
const MARGIN_DAYS: i64 = 2;

/// Sums up what is due at `now`, until all is done or `until` comes.
///
/// # Errors
/// When the table cannot be asked what is due.
pub async fn run<S: Archive>(
    store: &S,
    retention: Retention,
    now: UnixMillis,
    until: Instant,
) -> Result<JobSummary, StoreError> {
    let settle = i64::try_from(SETTLE.as_millis()).unwrap_or(i64::MAX);
    let marked_until = now.offset(-settle).unwrap_or(UnixMillis::MIN);
    let asked = timeout_at(until, store.dues(marked_until, MOST)).await;
    let Dues { ripe, waiting, is_cut } = asked.unwrap_or(Err(StoreError::Deadline))?;
    let mut done = JobSummary { waiting, left: usize::from(is_cut), ..JobSummary::default() };
    let mut days: BTreeMap<(UnixMillis, DeviceId, SensorId), Vec<DueItem>> = BTreeMap::new();
    for due in ripe {
        let day = begin(due.hour, DAY_MS);
        days.entry((day, due.device.clone(), due.sensor.clone())).or_default().push(due);
    }
    let mut days: Vec<_> = days.into_iter().collect();
    // Beginning anywhere: what cannot be done in the time of one run, or at all, never stands before the rest.
    if !days.is_empty() {
        let first = fastrand::usize(..days.len());
        days.rotate_left(first);
    }
    let work = days.into_iter().map(|((day, device, sensor), due)| async move {
        let day = Day { store, retention, device: &device, sensor: &sensor, day, now };
        (due.len(), timeout_at(until, day.sum_up(&due, until)).await)
    });
    let mut work = stream::iter(work).buffer_unordered(CONCURRENCY);
    while let Some((hours, summed)) = work.next().await {
        let (summed, error) = match summed.unwrap_or(Err(StoreError::Deadline)) {
            Ok(summed) => summed,
            Err(error) => (0, Some(error)),
        };
        if let Some(error) = error {
            tracing::warn!(error = causes(&error), "hours were not summed up");
        }
        done.hours += summed;
        done.days += usize::from(summed > 0);
        done.left += hours - summed;
    }
    Ok(done)
}

/// A day of a sensor that is being summed up.
struct Day<'a, S> {
    store: &'a S,
    retention: Retention,
    device: &'a DeviceId,
    sensor: &'a SensorId,
    day: UnixMillis,
    now: UnixMillis,
}

impl<S: Archive> Day<'_, S> {
    /// Sums up hours from their readings, each for itself, as long as there is time; then the day from its
    /// hours; and takes back that these were due. Returns how many were done, and what went wrong with others.
    ///
    /// # Errors
    /// When the day could not be made: then all is to be done again.
    async fn sum_up(
        &self,
        due: &[DueItem],
        until: Instant,
    ) -> Result<(usize, Option<StoreError>), StoreError> {
        let enough = until.checked_sub(ENDING).unwrap_or(until);
        let (mut summed, mut error) = (Vec::new(), None);
        for due in due {
            if Instant::now() >= enough {
                break;
            }
            match timeout_at(enough, self.hour(due.hour, enough)).await {
                Ok(Ok(())) => summed.push(due),
                // It may be something about this hour alone.
                Ok(Err(found)) => error = Some(found),
                Err(_) => break,
            }
        }
        if summed.is_empty() {
            return Ok((0, error));
        }
        self.day().await?;
        for due in &summed {
            self.store.settle(due).await?;
        }
        Ok((summed.len(), error))
    }

    async fn hour(&self, at: UnixMillis, until: Instant) -> Result<(), StoreError> {
        let Self { store, retention, device, sensor, now, .. } = self;
        let mut hour = Hour::new(at);
        let add = |at, content: &_| {
            hour.add(at, content);
        };
        store.hour(device, sensor, at, add).await?;
        let whole = hour.whole();
        let safe = (i64::from(retention.reading_days) - MARGIN_DAYS).max(1) * DAY_MS;
        if now.get() - at.get() >= safe {
            // What the table has begun to forget is in the sums of then.
            let before = store.rollups(Level::Hour, device, sensor, at, at).await?;
            if before.iter().any(|stored| stored.whole.readings > whole.readings) {
                return Ok(());
            }
        }
        if whole.readings == 0 {
            return Ok(());
        }
        let keep = retention.rollup_days;
        let item = item(Level::Hour, device, sensor, whole, Some(hour.text()), keep);
        writer::write_one(*store, Item::Rollup(item), until).await
    }

    /// Makes the day anew from its hours. Its version is read before them: whoever writes it in between
    /// has, or had not, read what they are now, and so they are read again.
    async fn day(&self) -> Result<(), StoreError> {
        let Self { store, retention, device, sensor, day, .. } = self;
        let last = day.offset(DAY_MS - HOUR_MS).unwrap_or(UnixMillis::MAX);
        for _ in 0..TRIES {
            let stands = store.rollups(Level::Day, device, sensor, *day, *day).await?;
            let version = stands.first().map_or(0, |day| day.version);
            let mut whole = Rollup::new(*day);
            let hours = store.rollups(Level::Hour, device, sensor, *day, last).await?;
            hours.iter().for_each(|hour| whole.merge(&hour.whole));
            if whole.readings == 0 {
                return Ok(());
            }
            let mut item = item(Level::Day, device, sensor, whole, None, retention.rollup_days);
            item.version = version.saturating_add(1);
            if store.put_where(&Item::Rollup(item), Stands::Version(version)).await? {
                return Ok(());
            }
        }
        let source = format!("{TRIES} times another run has written the same day").into();
        Err(StoreError::Passing { code: "Races".to_owned(), source })
    }
}
