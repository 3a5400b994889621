//! `query --plot`: a chart for each quantity.

use std::io::Write;

use jiff::tz::TimeZone;
use tidings_agent::{clock, terminal};
use tidings_ingest::rollup::quantity_and_unit;
use tidings_schema::UnixMillis;

use super::{QueryArguments, Step, sensors, steps};
use crate::Trouble;
use crate::dynamo::{Database, Series};
use crate::plot::{self, Chart, Curve, day, zone_name};

/// What is shown where nothing is said of it, in milliseconds (an hour).
const HOUR_MS: i64 = 60 * 60 * 1000;

/// Columns where there is no terminal.
const COLUMNS: usize = 80;

/// The least columns of a chart.
const LEAST_COLUMNS: usize = 40;

/// Rows of one chart alone, and of each of several.
const ROWS: (usize, usize) = (18, 11);

/// The sensor that an agent is itself.
const AGENT: &str = "agent";

/// How charts are drawn.
#[derive(Debug, Clone, Copy)]
struct Look<'a> {
    columns: usize,
    colour: bool,
    zone: &'a TimeZone,
    /// From when to when, in milliseconds since 1970.
    span: (i64, i64),
}

/// Draws what is asked for.
pub(super) async fn print(
    database: &Database,
    arguments: &QueryArguments,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let to = arguments.until.unwrap_or_else(clock::now);
    let hour_ago = || to.offset(-HOUR_MS).unwrap_or(UnixMillis::MIN);
    let from = arguments.since.unwrap_or_else(hour_ago);
    if from >= to {
        return Err(Trouble::Usage("--since must be before --until".to_owned()));
    }
    let stdout = std::io::stdout();
    let columns = terminal_size::terminal_size_of(&stdout)
        .map_or(COLUMNS, |(width, _)| usize::from(width.0))
        .max(LEAST_COLUMNS);
    let zone = if arguments.utc { TimeZone::UTC } else { TimeZone::system() };
    let look = Look {
        columns,
        colour: terminal::takes_colour(&stdout),
        zone: &zone,
        span: (from.get(), to.get()),
    };
    let mut found = Vec::new();
    for sensor in sensors(database, arguments).await? {
        if arguments.sensor.is_none() && sensor.as_str() == AGENT {
            continue;
        }
        let step = arguments.step.unwrap_or(Step::Auto);
        // A character is two dots wide.
        let points = columns * 2;
        let name = (&arguments.device, &sensor);
        let series = steps::read(database, name, (from, to), step, points).await?;
        if let Some(incomplete) = &series.incomplete {
            tracing::warn!(sensor = sensor.as_str(), "{incomplete}");
        }
        found.push((sensor.to_string(), series));
    }
    draw(arguments.device.as_str(), &found, look, out)
}

fn draw(
    device: &str,
    found: &[(String, Series)],
    look: Look<'_>,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let (from, to) = look.span;
    writeln!(
        out,
        "{device}  {} to {} {}",
        day(look.zone, from),
        day(look.zone, to),
        zone_name(look.zone, to)
    )?;
    let charts: usize = found.iter().map(|(_, series)| series.lines.len()).sum();
    let is_empty = |series: &Series| series.faults.is_empty() && series.unset.is_empty();
    if charts == 0 && found.iter().all(|(_, series)| is_empty(series)) {
        return Ok(writeln!(out, "no readings")?);
    }
    let rows = if charts == 1 { ROWS.0 } else { ROWS.1 };
    for (sensor, series) in found {
        let faults: Vec<(i64, u64)> =
            series.faults.iter().map(|fault| (fault.at, fault.times)).collect();
        if series.lines.is_empty() && !faults.is_empty() {
            let times: u64 = faults.iter().map(|(_, times)| times).sum();
            writeln!(out, "\n{sensor}: {times} faults and no value")?;
        }
        for (name, line) in &series.lines {
            let title = format!("{sensor} {}", quantity_and_unit(name).0);
            let curve = Curve {
                at: &series.at,
                step_ms: series.step_ms,
                min: &line.min,
                mean: &line.mean,
                max: &line.max,
            };
            let unit = line.unit.as_deref();
            let chart = Chart {
                title: &title,
                unit,
                curve,
                span: look.span,
                faults: &faults,
                zone: look.zone,
            };
            writeln!(out)?;
            for line in plot::draw(&chart, look.columns, rows).lines(look.colour) {
                writeln!(out, "{line}")?;
            }
        }
        if !series.unset.is_empty() {
            writeln!(
                out,
                "\n{sensor}: {} readings without a time came meanwhile, and are in no chart",
                series.unset.len()
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamo::{FaultAt, Line};

    const FROM: i64 = 1_795_456_080_000; // 2026-11-23T17:48:00Z

    fn drawn(found: &[(String, Series)]) -> String {
        let zone = TimeZone::UTC;
        let look = Look { columns: 60, colour: false, zone: &zone, span: (FROM, FROM + HOUR_MS) };
        let mut out = Vec::new();
        draw("pi-1", found, look, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_quantity_has_a_chart_under_one_line_that_says_when() {
        let values = vec![Some(20.0), Some(22.0)];
        let line = |unit: &str| Line {
            unit: Some(unit.to_owned()),
            min: values.clone(),
            mean: values.clone(),
            max: values.clone(),
            count: vec![1, 1],
        };
        let lines = [("humidity".to_owned(), line("%RH")), ("temperature".to_owned(), line("Cel"))];
        let series = Series {
            at: vec![FROM, FROM + HOUR_MS / 2],
            lines: lines.into(),
            readings: 2,
            ..Series::default()
        };
        let text = drawn(&[("bme280".to_owned(), series)]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "pi-1  2026-11-23 17:48 to 2026-11-23 18:48 UTC");
        assert_eq!(lines.len(), 1 + 2 * (1 + ROWS.1), "{text}");
        assert!(lines[2].starts_with("bme280 humidity % RH"), "{text}");
        assert!(lines[14].starts_with("bme280 temperature °C"), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 60), "{text}");
    }

    #[test]
    fn faults_alone_and_nothing_are_said() {
        let fault = FaultAt { at: FROM + 1, fault: "timeout".to_owned(), times: 2 };
        let series = Series { faults: vec![fault.clone(), fault], ..Series::default() };
        assert!(drawn(&[("w1".to_owned(), series)]).ends_with("\nw1: 4 faults and no value\n"));
        assert!(drawn(&[("w1".to_owned(), Series::default())]).ends_with("no readings\n"));
    }
}
