//! The job: sums up what is due.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use tidings_schema::{DeviceId, SensorId, UnixMillis};
use tokio::time::{Instant, timeout_at};

use super::{Archive, DAY_MS, HOUR_MS, Hour, Level, Rollup, begin, item};
use crate::config::Retention;
use crate::due::SETTLE;
use crate::item::{DueItem, Item, Put};
use crate::job::JobSummary;
use crate::refusal::causes;
use crate::store::StoreError;
use crate::writer;

/// Days of sensors that are summed up at once.
const CONCURRENCY: usize = 4;

/// Days before the end of readings' life from which on an hour is not summed up again: DynamoDB
/// "typically deletes expired items within a few days", and what is gone would be missing.
const MARGIN_DAYS: i64 = 2;

/// Sums up what is due at `now`, in order of time, until all is done or `until` comes.
///
/// # Errors
/// When the table cannot be asked what is due.
pub async fn run<S: Archive>(
    store: &S,
    retention: Retention,
    now: UnixMillis,
    until: Instant,
) -> Result<JobSummary, StoreError> {
    let mut due = store.dues().await?;
    let settle = i64::try_from(SETTLE.as_millis()).unwrap_or(i64::MAX);
    let all = due.len();
    due.retain(|due| due.marked_at.get().saturating_add(settle) <= now.get());
    let mut done = JobSummary { waiting: all - due.len(), ..JobSummary::default() };
    let mut days: BTreeMap<(UnixMillis, DeviceId, SensorId), Vec<DueItem>> = BTreeMap::new();
    for due in due {
        let day = begin(due.hour, DAY_MS);
        days.entry((day, due.device.clone(), due.sensor.clone())).or_default().push(due);
    }
    let work = stream::iter(days).map(|((day, device, sensor), due)| async move {
        if Instant::now() >= until {
            return (due.len(), Ok(0));
        }
        let hours: Vec<UnixMillis> = due.iter().map(|due| due.hour).collect();
        let summed = async {
            sum_up(store, retention, &device, &sensor, day, &hours, now, until).await?;
            for due in &due {
                store.settle(due).await?;
            }
            Ok(due.len())
        };
        let summed = timeout_at(until, summed).await.unwrap_or(Err(StoreError::Deadline));
        (due.len(), summed)
    });
    let mut work = work.buffer_unordered(CONCURRENCY);
    while let Some((hours, summed)) = work.next().await {
        match summed {
            Ok(0) => done.left += hours,
            Ok(hours) => {
                done.hours += hours;
                done.days += 1;
            }
            Err(error) => {
                tracing::warn!(error = causes(&error), "hours were not summed up");
                done.left += hours;
            }
        }
    }
    Ok(done)
}

/// Sums up these hours of a sensor from its readings, and the day that they are of from its hours.
///
/// # Errors
/// When the tables cannot be read or written; then it is to be done again.
#[expect(clippy::too_many_arguments)]
pub async fn sum_up<S: Archive>(
    store: &S,
    retention: Retention,
    device: &DeviceId,
    sensor: &SensorId,
    day: UnixMillis,
    hours: &[UnixMillis],
    now: UnixMillis,
    until: Instant,
) -> Result<(), StoreError> {
    let oldest = (i64::from(retention.reading_days) - MARGIN_DAYS).max(1) * DAY_MS;
    let mut summed: BTreeMap<UnixMillis, Hour> = BTreeMap::new();
    for at in hours.iter().copied().filter(|at| now.get() - at.get() < oldest) {
        let mut hour = Hour::new(at);
        let add = |at, content: &_| {
            hour.add(at, content);
        };
        store.hour(device, sensor, at, add).await?;
        summed.insert(at, hour);
    }
    let last = day.offset(DAY_MS - HOUR_MS).unwrap_or(UnixMillis::MAX);
    let before = store.rollups(Level::Hour, device, sensor, day, last).await?;
    let mut whole = Rollup::new(day);
    let others = before.iter().filter(|stored| !summed.contains_key(&stored.whole.at));
    others.for_each(|stored| whole.merge(&stored.whole));
    let keep = retention.rollup_days;
    let mut items = Vec::new();
    for hour in summed.into_values() {
        let sums = hour.whole();
        whole.merge(&sums);
        if sums.readings > 0 {
            items.push(item(Level::Hour, device, sensor, sums, Some(hour.text()), keep));
        }
    }
    if whole.readings > 0 {
        items.push(item(Level::Day, device, sensor, whole, None, keep));
    }
    let puts = items.into_iter().map(|item| Put { origin: None, item: Item::Rollup(item) });
    let written = writer::write(store, puts.collect(), until).await;
    match (written.left.is_empty(), written.last_error) {
        (true, _) => Ok(()),
        (false, error) => Err(error.unwrap_or(StoreError::Deadline)),
    }
}
