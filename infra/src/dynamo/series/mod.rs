//! A sensor over time, at a cost that does not grow with the time: by readings, or by the rollups of
//! hours and days ([`tidings_ingest::rollup`]). Hours of which a rollup may not be true yet are read
//! themselves, the newest of them first.

mod curve;

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::try_join_all;
use tidings_ingest::item::DUE_PARTITION;
use tidings_ingest::rollup::{Archive as _, DAY_MS, HOUR_MS, Hour, Level, Rollup, begin};
use tidings_ingest::store::read_due;
use tidings_schema::limits::EARLIEST_MS;
use tidings_schema::{Clock, DeviceId, SensorId, UnixMillis, key};

pub use self::curve::{FaultAt, Line, Series, Unset};
use self::curve::{Resolution, of_readings, of_rollups};
use super::{Database, StoredReading, Window};
use crate::Trouble;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    /// The device.
    pub device: DeviceId,
    /// The sensor.
    pub sensor: SensorId,
    /// The earliest time.
    pub from: UnixMillis,
    /// The latest time.
    pub to: UnixMillis,
    /// The most points, about.
    pub points: usize,
}

/// The most readings that a window is shown by.
const MAX_READINGS: usize = 20_000;

/// Hours that are not summed up yet and are read themselves. The hour that it is, and the one before
/// it for half an hour, always are among them.
const MAX_DUE: usize = 6;

/// Readings without a time that are looked through, and those that are shown.
const LOOKED_THROUGH: usize = 500;
const MAX_UNSET: usize = 100;

impl Database {
    /// A sensor over time. Of a window that begins or ends within a point, the whole point is in.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn series(&self, query: &SeriesQuery) -> Result<Series, Trouble> {
        let span = query.to.get() - query.from.get();
        let resolution = Resolution::of_window(span);
        let (series, unset) = tokio::try_join!(
            async {
                match resolution {
                    Resolution::Readings => self.by_readings(query).await,
                    Resolution::Parts | Resolution::Hours | Resolution::Days => {
                        self.by_rollups(query, resolution).await
                    }
                }
            },
            self.without_time(query),
        )?;
        Ok(Series { unset, ..series })
    }

    async fn by_readings(&self, query: &SeriesQuery) -> Result<Series, Trouble> {
        let window =
            Window { from: query.from, to: query.to, limit: MAX_READINGS, newest_first: true };
        let mut readings = self.readings(&query.device, &query.sensor, window).await?;
        readings.reverse();
        let mut series = of_readings(&readings, query.from, query.to, query.points);
        if readings.len() == MAX_READINGS {
            series.incomplete = Some(format!(
                "only the newest {MAX_READINGS} readings are shown: choose a shorter time"
            ));
        }
        Ok(series)
    }

    async fn by_rollups(
        &self,
        query: &SeriesQuery,
        resolution: Resolution,
    ) -> Result<Series, Trouble> {
        let SeriesQuery { device, sensor, from, to, points } = query;
        let store = self.store();
        let rollups = async |level, from, to| {
            let found = store.rollups(level, device, sensor, from, to).await;
            found.map_err(|error| Trouble::Query(error.to_string()))
        };
        // The whole of the first and the last point.
        let step = resolution.step_ms().max(HOUR_MS);
        let (first, last) = (begin(*from, step), after(begin(*to, step), step - 1));
        let due = self.due(device, sensor, first, last).await?;
        let read: BTreeSet<UnixMillis> = due.iter().rev().take(MAX_DUE).copied().collect();
        let hours = read.iter().map(|at| async {
            let mut hour = Hour::new(*at);
            let add = |at, content: &_| {
                hour.add(at, content);
            };
            store.hour(device, sensor, *at, add).await?;
            Ok::<_, tidings_ingest::store::StoreError>((*at, hour))
        });
        let hours: BTreeMap<UnixMillis, Hour> = try_join_all(hours)
            .await
            .map_err(|error| Trouble::Query(error.to_string()))?
            .into_iter()
            .collect();

        let mut list: Vec<Rollup> = Vec::new();
        match resolution {
            Resolution::Days => {
                let days: BTreeSet<UnixMillis> = read.iter().map(|at| begin(*at, DAY_MS)).collect();
                let stored = rollups(Level::Day, first, last).await?.into_iter();
                list.extend(stored.map(|one| one.whole).filter(|day| !days.contains(&day.at)));
                for day in days {
                    let mut whole = Rollup::new(day);
                    let stored = rollups(Level::Hour, day, after(day, DAY_MS - 1)).await?;
                    let others = stored.iter().filter(|one| !hours.contains_key(&one.whole.at));
                    others.for_each(|one| whole.merge(&one.whole));
                    let of_day = hours.range(day..=after(day, DAY_MS - 1));
                    of_day.for_each(|(_, hour)| whole.merge(&hour.whole()));
                    list.push(whole);
                }
            }
            Resolution::Readings | Resolution::Parts | Resolution::Hours => {
                let by_parts = resolution == Resolution::Parts;
                let mut add = |whole: Rollup, parts: Option<&Hour>| match parts {
                    Some(hour) if by_parts => list.extend(hour.parts().cloned()),
                    Some(_) | None => list.push(whole),
                };
                for one in rollups(Level::Hour, first, last).await? {
                    if !hours.contains_key(&one.whole.at) {
                        add(one.whole, one.parts.as_ref());
                    }
                }
                hours.values().for_each(|hour| add(hour.whole(), Some(hour)));
            }
        }
        list.retain(|rollup| rollup.readings > 0);
        list.sort_by_key(|rollup| rollup.at);
        let mut series = of_rollups(list, resolution.step_ms(), *from, *to, *points);
        let not_read = due.len() - read.len();
        if not_read > 0 {
            series.incomplete = Some(format!(
                "{not_read} hours in which readings have come are not summed up yet: what is new in them is missing"
            ));
        }
        Ok(series)
    }

    /// The hours of a sensor that are due to be summed up, in order of time.
    async fn due(
        &self,
        device: &DeviceId,
        sensor: &SensorId,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<BTreeSet<UnixMillis>, Trouble> {
        let sensor = key::partition(device, sensor);
        let between = |at| format!("{sensor}#{}", key::time_prefix(at));
        let mut hours = BTreeSet::new();
        let take = |item: &_| {
            hours.extend(read_due(item).map(|due| due.hour));
            super::Flow::Continue
        };
        let keys = (between(from), between(to));
        self.each_between(&self.tables.devices, DUE_PARTITION, keys, None, true, take).await?;
        Ok(hours)
    }

    /// Readings that came within the window from a device that did not know the time.
    async fn without_time(&self, query: &SeriesQuery) -> Result<Vec<Unset>, Trouble> {
        let to = UnixMillis::new(EARLIEST_MS - 1).unwrap_or(UnixMillis::MIN);
        let window =
            Window { from: UnixMillis::MIN, to, limit: LOOKED_THROUGH, newest_first: true };
        let came = query.from.get()..=query.to.get();
        let unset = |reading: StoredReading| {
            let received_at = reading.received_at.filter(|at| came.contains(at))?;
            let uptime_ms = (reading.clock == Clock::Unset).then_some(reading.at.get())?;
            Some(Unset { received_at, uptime_ms, values: reading.values })
        };
        let readings = self.readings(&query.device, &query.sensor, window).await?;
        if readings.len() == LOOKED_THROUGH {
            tracing::debug!("more readings without a time than are looked through");
        }
        let mut list: Vec<Unset> = readings.into_iter().filter_map(unset).collect();
        list.sort_by_key(|one| one.received_at);
        list.reverse();
        list.truncate(MAX_UNSET);
        Ok(list)
    }
}

fn after(at: UnixMillis, millis: i64) -> UnixMillis {
    at.offset(millis).unwrap_or(UnixMillis::MAX)
}
