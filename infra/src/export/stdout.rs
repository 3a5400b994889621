//! An export to standard output: one table of CSV, or JSON lines.

use std::io::{BufWriter, Write};

use tidings_schema::{DeviceId, SensorId, UnixMillis};

use super::columns::Columns;
use super::progress::Progress;
use super::zone::Zone;
use super::{Format, rows};
use crate::Trouble;
use crate::dynamo::{Between, Database, StoredReading, Window};

/// Readings at either end of a sensor's window by which the columns are known beforehand.
const LOOK: i32 = 1000;

/// Writes the readings of these sensors, one sensor after the other. Returns how many they are, and
/// how many items could not be read.
///
/// # Errors
/// When the table cannot be read or the stream not be written, and when a quantity comes up that
/// neither the first nor the last readings have: a stream's header cannot be mended.
pub(super) async fn export(
    database: &Database,
    sensors: &[(DeviceId, SensorId)],
    between: Between,
    (format, zone): (Format, &Zone),
    progress: &mut Progress,
    out: &mut impl Write,
) -> Result<(u64, u64), Trouble> {
    let mut sheet = match format {
        Format::Jsonl => Sheet::Lines(BufWriter::new(out)),
        Format::Csv => {
            let mut columns = Columns::default();
            for (device, sensor) in sensors {
                look(database, (device, sensor), between, &mut columns).await?;
            }
            let mut csv = csv::Writer::from_writer(out);
            csv.write_record(rows::header(&columns, true)).map_err(wrong)?;
            Sheet::Csv(Box::new(csv), columns)
        }
        Format::Parquet => {
            return Err(Trouble::Usage(
                "a file of Parquet cannot be written as a stream: give a folder with --out"
                    .to_owned(),
            ));
        }
    };
    let mut unreadable = 0;
    for (device, sensor) in sensors {
        let mut stream = database.stream(device, sensor, between, UnixMillis::MIN);
        while let Some(page) = stream.next().await? {
            for reading in &page {
                sheet.write(reading, zone)?;
            }
            progress.count(page.len(), &format_args!("{device}/{sensor}"));
        }
        unreadable += stream.unreadable();
    }
    match sheet {
        Sheet::Csv(mut csv, _) => csv.flush()?,
        Sheet::Lines(mut lines) => lines.flush()?,
    }
    Ok((progress.readings(), unreadable))
}

enum Sheet<W: Write> {
    Csv(Box<csv::Writer<W>>, Columns),
    Lines(BufWriter<W>),
}

impl<W: Write> Sheet<W> {
    fn write(&mut self, reading: &StoredReading, zone: &Zone) -> Result<(), Trouble> {
        match self {
            Self::Lines(lines) => writeln!(lines, "{}", rows::line(reading, zone)?)?,
            Self::Csv(csv, columns) => {
                if !columns.fit(reading) {
                    csv.flush()?;
                    return Err(misfit(reading, zone));
                }
                csv.write_record(rows::row(reading, columns, zone, true)).map_err(wrong)?;
            }
        }
        Ok(())
    }
}

async fn look(
    database: &Database,
    (device, sensor): (&DeviceId, &SensorId),
    between: Between,
    columns: &mut Columns,
) -> Result<(), Trouble> {
    let mut stream = database.stream(device, sensor, between, UnixMillis::MIN).by(LOOK);
    let mut readings = stream.next().await?.unwrap_or_default();
    // What the page leaves waiting is settled by the next.
    readings.extend(stream.next().await?.unwrap_or_default());
    let Between { from, to } = between;
    let limit = usize::try_from(LOOK).unwrap_or(1);
    let window = Window { from, to, limit, newest_first: true };
    readings.extend(database.readings(device, sensor, window).await?);
    // One that has a unit of its own is found again when it comes.
    for reading in &readings {
        columns.widen(reading);
    }
    Ok(())
}

fn misfit(reading: &StoredReading, zone: &Zone) -> Trouble {
    let quantities: Vec<&str> = reading.values.keys().map(String::as_str).collect();
    Trouble::Transfer(format!(
        "the reading {} of {}/{} at {} has quantities or units that the header of this stream does not have ({}): give a folder with --out, where a new file begins there, or --format jsonl",
        reading.seq,
        reading.device,
        reading.sensor,
        zone.write(reading.at),
        quantities.join(", "),
    ))
}

fn wrong(error: csv::Error) -> Trouble {
    match error.into_kind() {
        // As it is: a closed pipe is no trouble.
        csv::ErrorKind::Io(error) => Trouble::Output(error),
        other => Trouble::Internal(format!("a row of CSV that is none: {other:?}")),
    }
}
