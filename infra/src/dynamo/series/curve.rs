//! From readings and rollups to the points of a chart. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use tidings_ingest::rollup::{DAY_MS, HOUR_MS, PART_MS, Rollup, Sum, begin, quantity_and_unit};
use tidings_schema::{Clock, Quantity, UnixMillis};

use crate::dynamo::StoredReading;

/// From what points are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Resolution {
    /// From the readings themselves.
    Readings,
    /// From sums of five minutes.
    Parts,
    /// Of hours.
    Hours,
    /// Of days.
    Days,
}

/// The longest window that is shown by readings, in milliseconds: two hours of a reading each second
/// are two megabytes of the table, which DynamoDB gives in two pages.
const READINGS_MS: i64 = 2 * HOUR_MS;

/// By five minutes: 8 days are 192 items of hours and 2304 points.
const PARTS_MS: i64 = 8 * DAY_MS;

/// By hours: 62 days are 1488 items, some two megabytes.
const HOURS_MS: i64 = 62 * DAY_MS;

impl Resolution {
    /// What a window of this length is shown by, so that it costs a handful of pages however long it
    /// is.
    pub(super) const fn of_window(span_ms: i64) -> Self {
        if span_ms <= READINGS_MS {
            Self::Readings
        } else if span_ms <= PARTS_MS {
            Self::Parts
        } else if span_ms <= HOURS_MS {
            Self::Hours
        } else {
            Self::Days
        }
    }

    /// Milliseconds of a point; 0 where it is a reading.
    pub(super) const fn step_ms(self) -> i64 {
        match self {
            Self::Readings => 0,
            Self::Parts => PART_MS,
            Self::Hours => HOUR_MS,
            Self::Days => DAY_MS,
        }
    }
}

/// A sensor over time.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Series {
    /// Milliseconds that a point stands for; 0 where each is one reading.
    pub step_ms: i64,
    /// When the points begin, in milliseconds since 1970, in order.
    pub at: Vec<i64>,
    /// The quantities by name. One that was measured in two units has a line for each.
    pub lines: BTreeMap<String, Line>,
    /// Faults, in order of time.
    pub faults: Vec<FaultAt>,
    /// Readings that came within the window and have no time of their own.
    pub unset: Vec<Unset>,
    /// Readings that the points stand for, faults included.
    pub readings: u64,
    /// What is not shown, and why.
    pub incomplete: Option<String>,
}

/// One quantity, with an entry for each point: none where it was not measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Line {
    /// Its unit, as SenML names it.
    pub unit: Option<String>,
    /// How many values.
    pub count: Vec<u64>,
    /// The least.
    pub min: Vec<Option<f64>>,
    /// Their mean.
    pub mean: Vec<Option<f64>>,
    /// The greatest.
    pub max: Vec<Option<f64>>,
}

/// Faults of one kind in a point's time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FaultAt {
    /// When, in milliseconds since 1970: of a fault by itself, or of the point.
    pub at: i64,
    /// Its name.
    pub fault: String,
    /// How many.
    pub times: u64,
}

/// A reading whose device did not know the time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Unset {
    /// When the rule saw it, in milliseconds since 1970.
    pub received_at: i64,
    /// When it was taken, in milliseconds since the device was switched on.
    pub uptime_ms: i64,
    /// The values by quantity.
    pub values: BTreeMap<String, f64>,
}

/// The points of readings in order of time: themselves, or, where they are more than `points`,
/// what those of each of so many equal stretches come to.
pub(super) fn of_readings(
    readings: &[StoredReading],
    from: UnixMillis,
    to: UnixMillis,
    points: usize,
) -> Series {
    let readings = readings.iter().filter(|reading| reading.clock == Clock::Set);
    let readings: Vec<_> =
        readings.filter_map(|reading| Some((reading.at, reading.content()?))).collect();
    if readings.len() <= points {
        let alone = readings.iter().map(|(at, content)| {
            let mut rollup = Rollup::new(*at);
            rollup.add(content);
            rollup
        });
        return series(alone.collect(), 0);
    }
    let span = (to.get() - from.get()).max(1);
    let step = span.unsigned_abs().div_ceil(points.max(1) as u64).cast_signed().max(1);
    let mut stretches: Vec<Rollup> = Vec::new();
    for (at, content) in &readings {
        let at = begin(*at, step);
        if stretches.last().is_none_or(|last| last.at != at) {
            stretches.push(Rollup::new(at));
        }
        if let Some(last) = stretches.last_mut() {
            last.add(content);
        }
    }
    series(stretches, step)
}

/// The points of rollups of `step` milliseconds in order of time: as many to a point as make them
/// `points` or fewer.
pub(super) fn of_rollups(
    rollups: Vec<Rollup>,
    step: i64,
    from: UnixMillis,
    to: UnixMillis,
    points: usize,
) -> Series {
    let steps = u64::try_from((to.get() - from.get()) / step.max(1)).unwrap_or(0) + 1;
    let together = steps.div_ceil(points.max(1) as u64).cast_signed();
    let wide = step * together;
    let mut stretches: Vec<Rollup> = Vec::new();
    for rollup in rollups {
        let at = begin(rollup.at, wide);
        match stretches.last_mut().filter(|last| last.at == at) {
            Some(last) => last.merge(&rollup),
            None => stretches.push(Rollup { at, ..rollup }),
        }
    }
    series(stretches, wide)
}

fn series(stretches: Vec<Rollup>, step_ms: i64) -> Series {
    let points = stretches.len();
    let mut series = Series { step_ms, ..Series::default() };
    for (index, stretch) in stretches.into_iter().enumerate() {
        let at = stretch.at.get();
        series.at.push(at);
        series.readings += stretch.readings;
        let fault = |(fault, times)| FaultAt { at, fault, times };
        series.faults.extend(stretch.faults.into_iter().map(fault));
        for (name, Sum { n, min, mean, max }) in stretch.sums {
            let line = series.lines.entry(name).or_insert_with_key(|name| line(name, points));
            line.count[index] = n;
            line.min[index] = Some(min.get());
            line.mean[index] = Some(mean.get());
            line.max[index] = Some(max.get());
        }
    }
    series
}

fn line(name: &str, points: usize) -> Line {
    let (quantity, unit) = quantity_and_unit(name);
    let canonical = || {
        let known = Quantity::try_from(quantity).ok()?.known()?;
        Some(known.unit().name().to_owned())
    };
    Line {
        unit: unit.map(str::to_owned).or_else(canonical),
        count: vec![0; points],
        min: vec![None; points],
        mean: vec![None; points],
        max: vec![None; points],
    }
}

#[cfg(test)]
mod tests {
    use tidings_schema::{BootId, Seq};

    use super::*;

    const T0: i64 = 1_795_456_080_000;

    fn at(ms: i64) -> UnixMillis {
        UnixMillis::new(T0 + ms).unwrap()
    }

    fn reading(ms: i64, value: Option<f64>) -> StoredReading {
        StoredReading {
            device: "pi-1".to_owned(),
            sensor: "s".to_owned(),
            at: at(ms),
            clock: Clock::Set,
            boot: BootId::try_from("b").unwrap(),
            seq: Seq::default(),
            values: value.map(|value| ("temperature".to_owned(), value)).into_iter().collect(),
            units: BTreeMap::new(),
            fault: value.is_none().then(|| "timeout".to_owned()),
            received_at: None,
            site: None,
            labels: BTreeMap::new(),
        }
    }

    #[test]
    fn few_readings_are_points_and_many_are_summed_up() {
        let readings: Vec<_> = (0..100)
            .map(|second| {
                let value = f64::from(i32::try_from(second % 10).unwrap());
                reading(second * 1000, (second != 42).then_some(value))
            })
            .collect();
        let all = of_readings(&readings, at(0), at(100_000), 100);
        assert_eq!((all.step_ms, all.at.len(), all.readings), (0, 100, 100));
        assert_eq!(all.lines["temperature"].mean[3], Some(3.0));
        assert_eq!(all.lines["temperature"].mean[42], None, "a fault is a gap");
        let fault = FaultAt { at: T0 + 42_000, fault: "timeout".to_owned(), times: 1 };
        assert_eq!(all.faults, [fault]);
        let few = of_readings(&readings, at(0), at(100_000), 10);
        assert_eq!((few.step_ms, few.at.len(), few.readings), (10_000, 10, 100));
        let line = &few.lines["temperature"];
        assert_eq!((line.min[0], line.mean[0], line.max[0]), (Some(0.0), Some(4.5), Some(9.0)));
        assert_eq!((line.count[4], line.unit.as_deref()), (9, Some("Cel")));
    }

    #[test]
    fn rollups_are_put_together_until_they_fit() {
        let rollups: Vec<Rollup> = (0..48)
            .map(|part| {
                let mut rollup = Rollup::new(begin(at(0), HOUR_MS).offset(part * PART_MS).unwrap());
                rollup.add(&reading(0, Some(1.0)).content().unwrap());
                rollup
            })
            .collect();
        let (from, to) = (rollups[0].at, rollups[47].at);
        let all = of_rollups(rollups.clone(), PART_MS, from, to, 48);
        assert_eq!((all.step_ms, all.at.len()), (PART_MS, 48));
        let few = of_rollups(rollups, PART_MS, from, to, 12);
        assert_eq!((few.step_ms, few.at.len(), few.readings), (4 * PART_MS, 12, 48));
    }

    #[test]
    fn a_window_of_any_length_is_a_bounded_number_of_items() {
        for days in 1..4000 {
            let span = days * DAY_MS;
            let resolution = Resolution::of_window(span);
            let item = match resolution {
                Resolution::Readings => panic!("a day is not shown by readings"),
                Resolution::Parts | Resolution::Hours => HOUR_MS,
                Resolution::Days => DAY_MS,
            };
            assert!(span / item <= 4000, "{days} days are {} items", span / item);
            assert!(resolution.step_ms() > 0);
        }
        assert_eq!(Resolution::of_window(HOUR_MS), Resolution::Readings);
    }
}
