//! `query --step`: least, mean and greatest of each step of time.

use std::io::Write;

use serde::Serialize;
use tidings_agent::clock;
use tidings_ingest::rollup::quantity_and_unit;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

use super::fold::fold;
use super::{Format, QueryArguments, Step, sensors, time};
use crate::Trouble;
use crate::dynamo::{Database, Series, SeriesQuery};

/// What is shown where nothing is said of it, in milliseconds (a day).
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Steps of `auto`, about.
const POINTS: usize = 200;

/// The longest stretches that are read in one go as steps of five minutes and of hours: somewhat less
/// than what the tables give so fine (8 and 62 days), in whole days.
const MINUTES_MS: i64 = 7 * DAY_MS;
const HOURS_MS: i64 = 60 * DAY_MS;

impl Step {
    /// Its length, and the longest stretch to be read in one go, in milliseconds; `None` where it is
    /// as it comes.
    const fn millis(self) -> Option<(i64, i64)> {
        match self {
            Self::Auto | Self::Raw => None,
            Self::FiveMinutes => Some((5 * 60 * 1000, MINUTES_MS)),
            Self::Hour => Some((60 * 60 * 1000, HOURS_MS)),
            Self::Day => Some((DAY_MS, i64::MAX)),
        }
    }
}

/// A sensor over time, in these steps, or in about so many.
pub(super) async fn read(
    database: &Database,
    (device, sensor): (&DeviceId, &SensorId),
    (from, to): (UnixMillis, UnixMillis),
    step: Step,
    points: usize,
) -> Result<Series, Trouble> {
    let ask = |from, to, points| SeriesQuery {
        device: device.clone(),
        sensor: sensor.clone(),
        from,
        to,
        points,
    };
    let Some((millis, longest)) = step.millis() else {
        let points = if step == Step::Raw { usize::MAX } else { points };
        return database.series(&ask(from, to, points)).await;
    };
    let mut parts = Vec::new();
    // Whole steps, or a step would be read in two parts.
    let mut begin = from.get() - from.get().rem_euclid(millis);
    while begin <= to.get() {
        let next = begin.saturating_add(longest);
        let within = |at: i64| UnixMillis::new(at).unwrap_or(UnixMillis::MAX);
        let (first, last) = (within(begin), within(next - 1).min(to));
        parts.push(database.series(&ask(first, last, usize::MAX)).await?);
        begin = next;
    }
    Ok(fold(parts, Some(millis)))
}

/// One step of one quantity.
#[derive(Debug, Serialize)]
struct Row<'a> {
    at: UnixMillis,
    step_ms: i64,
    sensor: &'a str,
    quantity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
    count: u64,
    min: f64,
    mean: f64,
    max: f64,
}

/// Prints the steps, newest first.
pub(super) async fn print(
    database: &Database,
    arguments: &QueryArguments,
    step: Step,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let to = arguments.until.unwrap_or_else(clock::now);
    let from = arguments.since.unwrap_or_else(|| to.offset(-DAY_MS).unwrap_or(UnixMillis::MIN));
    if from >= to {
        return Err(Trouble::Usage("--since must be before --until".to_owned()));
    }
    let mut found = Vec::new();
    for sensor in sensors(database, arguments).await? {
        let name = (&arguments.device, &sensor);
        let series = read(database, name, (from, to), step, POINTS).await?;
        if let Some(incomplete) = &series.incomplete {
            tracing::warn!(sensor = sensor.as_str(), "{incomplete}");
        }
        found.push((sensor.to_string(), series));
    }
    let mut rows: Vec<Row<'_>> =
        found.iter().flat_map(|(sensor, series)| rows(sensor, series)).collect();
    // Those of one time stay in the order of sensors and quantities.
    rows.sort_by_key(|row| std::cmp::Reverse(row.at));
    rows.truncate(arguments.limit.unwrap_or(usize::MAX));
    write(&rows, arguments.format, out)
}

fn rows<'a>(sensor: &'a str, series: &'a Series) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for (quantity, line) in &series.lines {
        let values = line.count.iter().zip(&line.min).zip(&line.mean).zip(&line.max);
        for (at, (((count, min), mean), max)) in series.at.iter().zip(values) {
            let (Ok(at), Some(min), Some(mean), Some(max)) =
                (UnixMillis::new(*at), *min, *mean, *max)
            else {
                continue;
            };
            let unit = line.unit.as_deref();
            let (count, step_ms) = (*count, series.step_ms);
            let (quantity, _) = quantity_and_unit(quantity);
            rows.push(Row { at, step_ms, sensor, quantity, unit, count, min, mean, max });
        }
    }
    rows
}

fn write(rows: &[Row<'_>], format: Format, out: &mut impl Write) -> Result<(), Trouble> {
    const HEADER: [&str; 8] = ["time", "sensor", "quantity", "unit", "count", "min", "mean", "max"];
    /// Columns of text before those of numbers.
    const TEXTS: usize = 4;
    let cells = |row: &Row<'_>, number: fn(f64) -> String| {
        vec![
            time(row.at),
            row.sensor.to_owned(),
            row.quantity.to_owned(),
            row.unit.unwrap_or_default().to_owned(),
            row.count.to_string(),
            number(row.min),
            number(row.mean),
            number(row.max),
        ]
    };
    match format {
        Format::Json => {
            for row in rows {
                let line = serde_json::to_string(row)
                    .map_err(|error| Trouble::Internal(error.to_string()))?;
                writeln!(out, "{line}")?;
            }
        }
        Format::Csv => {
            let mut csv = csv::Writer::from_writer(out);
            let wrong = |error: csv::Error| Trouble::Output(error.into());
            csv.write_record(HEADER).map_err(wrong)?;
            for row in rows {
                csv.write_record(cells(row, |value| value.to_string())).map_err(wrong)?;
            }
            csv.flush()?;
        }
        Format::Table if rows.is_empty() => writeln!(out, "no readings")?,
        Format::Table => {
            let header = HEADER.map(str::to_owned).to_vec();
            let rows = rows.iter().map(|row| cells(row, crate::plot::number)).collect();
            writeln!(out, "{}", super::table_with(header, rows, TEXTS))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamo::Line;

    fn series() -> Series {
        let line = Line {
            unit: Some("Cel".to_owned()),
            count: vec![30, 0, 28],
            min: vec![Some(1.0), None, Some(3.0)],
            mean: vec![Some(1.5), None, Some(3.25)],
            max: vec![Some(2.0), None, Some(4.0)],
        };
        Series {
            step_ms: 300_000,
            at: vec![0, 300_000, 600_000],
            lines: [("temperature".to_owned(), line)].into(),
            readings: 60,
            ..Series::default()
        }
    }

    fn written(format: Format) -> String {
        let series = series();
        let mut out = Vec::new();
        write(&rows("bme280", &series), format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_step_without_values_has_no_row() {
        assert_eq!(
            written(Format::Csv),
            "time,sensor,quantity,unit,count,min,mean,max\n\
             1970-01-01T00:00:00.000Z,bme280,temperature,Cel,30,1,1.5,2\n\
             1970-01-01T00:10:00.000Z,bme280,temperature,Cel,28,3,3.25,4\n"
        );
        let json = written(Format::Json);
        assert_eq!(json.lines().count(), 2);
        assert!(json.starts_with(
            r#"{"at":0,"step_ms":300000,"sensor":"bme280","quantity":"temperature","unit":"Cel","count":30,"min":1.0,"mean":1.5,"max":2.0}"#
        ), "{json}");
        assert!(written(Format::Table).contains("temperature"));
    }
}
