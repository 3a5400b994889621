//! A sensor over time, in steps.

use std::collections::BTreeMap;

use tidings_schema::{DeviceId, Quantity, SensorId, UnixMillis};

use super::{Database, Window};
use crate::Trouble;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct SeriesQuery {
    /// The device.
    pub device: DeviceId,
    /// The sensor.
    pub sensor: SensorId,
    /// From when.
    pub from: UnixMillis,
    /// Until when.
    pub to: UnixMillis,
    /// Steps, about.
    pub points: usize,
}

/// What there is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// Milliseconds from one step to the next, 0 for readings.
    pub step_ms: i64,
    /// Beginnings of the steps.
    pub at: Vec<i64>,
    /// By quantity.
    pub lines: BTreeMap<String, Line>,
    /// Faults.
    pub faults: Vec<FaultAt>,
    /// How many readings.
    pub readings: u64,
}

/// A quantity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// Its unit.
    pub unit: Option<String>,
    /// Least.
    pub min: Vec<Option<f64>>,
    /// Mean.
    pub mean: Vec<Option<f64>>,
    /// Greatest.
    pub max: Vec<Option<f64>>,
}

/// A fault.
#[derive(Debug, Clone, PartialEq)]
pub struct FaultAt {
    /// When.
    pub at: i64,
    /// Which.
    pub fault: String,
}

impl Database {
    /// A sensor over time.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn series(&self, query: &SeriesQuery) -> Result<Series, Trouble> {
        let window =
            Window { from: query.from, to: query.to, limit: usize::MAX, newest_first: false };
        let readings = self.readings(&query.device, &query.sensor, window).await?;
        let mut series = Series { readings: readings.len() as u64, ..Series::default() };
        for (number, reading) in readings.iter().enumerate() {
            series.at.push(reading.at.get());
            for (name, value) in &reading.values {
                let line = series.lines.entry(name.clone()).or_insert_with(|| Line {
                    unit: reading.units.get(name).cloned().or_else(|| {
                        Some(Quantity::try_from(name.as_str()).ok()?.known()?.unit().to_string())
                    }),
                    ..Line::default()
                });
                for list in [&mut line.min, &mut line.mean, &mut line.max] {
                    list.resize(number, None);
                    list.push(Some(*value));
                }
            }
            if let Some(fault) = &reading.fault {
                series.faults.push(FaultAt { at: reading.at.get(), fault: fault.clone() });
            }
        }
        for line in series.lines.values_mut() {
            for list in [&mut line.min, &mut line.mean, &mut line.max] {
                list.resize(series.at.len(), None);
            }
        }
        Ok(series)
    }
}
