//! `query`: readings of a device or a sensor over a time range, one by one, in steps, or as charts.

mod chart;
mod fold;
mod steps;

use std::collections::BTreeSet;
use std::io::Write;

use jiff::Timestamp;
use tidings_agent::clock;
use tidings_schema::{Clock, DeviceId, Quantity, SensorId, UnixMillis};

use crate::Trouble;
use crate::dynamo::{Database, StoredReading, Window};
use crate::target::Target;

/// The most readings, where nothing is said of it.
const LIMIT: usize = 20;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct QueryArguments {
    /// The device.
    device: DeviceId,
    /// The sensor [default: all that the device has].
    sensor: Option<SensorId>,
    /// From when: a span before now (90s, 10m, 2h, 7d) or a time (2026-11-23T08:00:00Z).
    #[arg(long, value_parser = parse_time)]
    since: Option<UnixMillis>,
    /// Until when, likewise [default: now].
    #[arg(long, value_parser = parse_time)]
    until: Option<UnixMillis>,
    /// The most readings, or rows of --step [default: 20 readings, and all steps].
    #[arg(long, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    limit: Option<usize>,
    /// How they are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Mean, least and greatest of each step of time instead of single readings: as quick for a year
    /// as for an hour.
    #[arg(long, value_enum)]
    step: Option<Step>,
    /// Charts in the terminal; of the last hour, unless --since says more. The agent's own sensor is
    /// among them where it is named.
    #[arg(long, conflicts_with_all = ["format", "limit"])]
    plot: bool,
    /// Times at the charts in UTC, and not as the clock on the wall says.
    #[arg(long, requires = "plot")]
    utc: bool,
    #[command(flatten)]
    target: Target,
}

/// How readings are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people, newest first.
    Table,
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    Json,
}

/// The steps of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Step {
    /// Some 200 steps, or as many as there are columns in a chart.
    Auto,
    /// Single readings.
    Raw,
    /// Five minutes.
    #[value(name = "5m")]
    FiveMinutes,
    /// An hour.
    #[value(name = "1h")]
    Hour,
    /// A day, in UTC.
    #[value(name = "1d")]
    Day,
}

/// Prints readings, newest first.
///
/// # Errors
/// When DynamoDB cannot be asked.
pub async fn query(arguments: QueryArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let database = arguments.target.connect().await;
    if arguments.plot {
        return chart::print(&database, &arguments, out).await;
    }
    match arguments.step {
        None | Some(Step::Raw) => single(&database, &arguments, out).await,
        Some(step @ (Step::Auto | Step::FiveMinutes | Step::Hour | Step::Day)) => {
            steps::print(&database, &arguments, step, out).await
        }
    }
}

/// The sensor that is asked for, or all that the device has.
async fn sensors(
    database: &Database,
    arguments: &QueryArguments,
) -> Result<Vec<SensorId>, Trouble> {
    if let Some(sensor) = &arguments.sensor {
        return Ok(vec![sensor.clone()]);
    }
    let known = database.sensors(Some(&arguments.device)).await?;
    Ok(known.into_iter().map(|heard| heard.sensor).collect())
}

async fn single(
    database: &Database,
    arguments: &QueryArguments,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let limit = arguments.limit.unwrap_or(LIMIT);
    if arguments.since.zip(arguments.until).is_some_and(|(since, until)| since >= until) {
        return Err(Trouble::Usage("--since must be before --until".to_owned()));
    }
    let window = Window {
        from: arguments.since.unwrap_or(UnixMillis::MIN),
        to: arguments.until.unwrap_or(UnixMillis::MAX),
        limit,
        newest_first: true,
    };
    let mut readings = Vec::new();
    for sensor in &sensors(database, arguments).await? {
        readings.extend(database.readings(&arguments.device, sensor, window).await?);
    }
    readings
        .sort_by(|one, other| other.at.cmp(&one.at).then_with(|| one.sensor.cmp(&other.sensor)));
    readings.truncate(limit);
    print(&readings, arguments.format, out)
}

fn print(readings: &[StoredReading], format: Format, out: &mut impl Write) -> Result<(), Trouble> {
    match format {
        Format::Json => {
            for reading in readings {
                let line = serde_json::to_string(reading)
                    .map_err(|error| Trouble::Internal(error.to_string()))?;
                writeln!(out, "{line}")?;
            }
        }
        Format::Csv => {
            let (header, rows) = cells(readings, false);
            let mut csv = csv::Writer::from_writer(out);
            let wrong = |error: csv::Error| Trouble::Output(error.into());
            csv.write_record(&header).map_err(wrong)?;
            for row in rows {
                csv.write_record(&row).map_err(wrong)?;
            }
            csv.flush()?;
        }
        Format::Table if readings.is_empty() => writeln!(out, "no readings")?,
        Format::Table => {
            let (header, rows) = cells(readings, true);
            writeln!(out, "{}", table(header, rows))?;
        }
    }
    Ok(())
}

/// A line under the header and none besides; values to the right, where their digits align.
pub(crate) fn table(header: Vec<String>, rows: Vec<Vec<String>>) -> comfy_table::Table {
    table_with(header, rows, FIXED.len())
}

/// The same, with so many columns of text before those of values.
fn table_with(header: Vec<String>, rows: Vec<Vec<String>>, texts: usize) -> comfy_table::Table {
    use comfy_table::{CellAlignment, LineStyle, TableStyle};
    let mut table = comfy_table::Table::new();
    table.load_style(TableStyle::new().header_separator(LineStyle::new('─', '─', '─', '─')));
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The columns that every reading has.
const FIXED: [&str; 5] = ["time", "sensor", "boot", "seq", "fault"];

/// Header and rows: a column for each quantity that stands in any reading.
fn cells(readings: &[StoredReading], with_units: bool) -> (Vec<String>, Vec<Vec<String>>) {
    let quantities: BTreeSet<&str> =
        readings.iter().flat_map(|reading| reading.values.keys().map(String::as_str)).collect();
    let titled = |name: &str| {
        let known = Quantity::try_from(name).ok().and_then(|quantity| quantity.known());
        match known.filter(|_| with_units) {
            Some(known) => format!("{name} {}", known.unit()),
            None => name.to_owned(),
        }
    };
    let header = FIXED
        .map(str::to_owned)
        .into_iter()
        .chain(quantities.iter().map(|name| titled(name)))
        .collect();
    let rows = readings
        .iter()
        .map(|reading| {
            let value = |name: &&str| {
                let number = reading.values.get(*name).map(f64::to_string).unwrap_or_default();
                match reading.units.get(*name).filter(|_| with_units) {
                    Some(unit) => format!("{number} {unit}"),
                    None => number,
                }
            };
            let fixed = [
                taken(reading),
                reading.sensor.clone(),
                reading.boot.to_string(),
                reading.seq.to_string(),
                reading.fault.clone().unwrap_or_default(),
            ];
            fixed.into_iter().chain(quantities.iter().map(value)).collect()
        })
        .collect();
    (header, rows)
}

/// When a reading was taken, as far as anybody knows.
#[must_use]
pub fn taken(reading: &StoredReading) -> String {
    match reading.clock {
        Clock::Set => time(reading.at),
        // All of it, so that what is printed can be imported as what it was.
        Clock::Unset => {
            let (seconds, millis) = (reading.at.seconds(), reading.at.get() % 1000);
            format!("uptime {seconds}.{millis:03} s")
        }
    }
}

/// A time as RFC 3339 in UTC, with milliseconds.
#[must_use]
pub fn time(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.get())
        .map_or_else(|_| at.to_string(), |time| format!("{time:.3}"))
}

/// A time on the command line: a span before now, or a point.
pub(crate) fn parse_time(text: &str) -> Result<UnixMillis, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return UnixMillis::new(time.as_millisecond()).map_err(|error| error.to_string());
    }
    let wrong = || {
        format!(
            "expected a span such as 10m or 7d, or a time such as 2026-11-23T08:00:00Z, but found {text:?}"
        )
    };
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: i64 =
        text.strip_suffix(unit).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let millis = number.checked_mul(seconds * 1000).ok_or_else(wrong)?;
    Ok(clock::now().offset(-millis).unwrap_or(UnixMillis::MIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spans_before_now_or_points() {
        assert_eq!(parse_time("2026-11-23T17:48:35.802Z").unwrap().get(), 1_795_456_115_802);
        let hour = clock::now().get() - parse_time("1h").unwrap().get();
        assert!((3_600_000..3_660_000).contains(&hour), "{hour}");
        for bad in ["", "h", "1", "1w", "yesterday"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
        assert_eq!(time(UnixMillis::new(1_795_456_115_802).unwrap()), "2026-11-23T17:48:35.802Z");
    }

    #[test]
    fn csv_has_a_column_for_each_quantity() {
        let reading = |sensor: &str, values: &[(&str, f64)], fault: Option<&str>| StoredReading {
            device: "pi-1".to_owned(),
            sensor: sensor.to_owned(),
            at: UnixMillis::new(0).unwrap(),
            clock: if sensor == "c" { Clock::Unset } else { Clock::Set },
            boot: BootId::try_from("b").unwrap(),
            seq: Seq::try_from(7).unwrap(),
            values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            units: Default::default(),
            fault: fault.map(str::to_owned),
            received_at: None,
            site: None,
            labels: Default::default(),
        };
        let readings = [
            reading("a", &[("temperature", 21.5)], None),
            reading("b", &[], Some("timeout")),
            reading("c", &[], None),
        ];
        let mut out = Vec::new();
        print(&readings, Format::Csv, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "time,sensor,boot,seq,fault,temperature\n1970-01-01T00:00:00.000Z,a,b,7,,21.5\n1970-01-01T00:00:00.000Z,b,b,7,timeout,\nuptime 0.000 s,c,b,7,,\n"
        );
    }

    use tidings_schema::{BootId, Seq};
}
