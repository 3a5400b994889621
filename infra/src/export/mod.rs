//! `export`: readings out of the table into files that other programs read.
//!
//! ```text
//! <out>/_export.json                                what was asked for
//! <out>/device=<device>/sensor=<sensor>/_months.json   which months are whole
//! <out>/device=<device>/sensor=<sensor>/<YYYY-MM>.csv  a month in UTC
//!                                       <YYYY-MM>.2.csv  the rest of it, where a quantity or a unit came up that the first has no column for
//!                                       unset.csv      readings of which nobody knows the time
//!                                       unset.2.csv    those of them that stand among the real times of a month, and are whole with it
//!                                       _<YYYY-MM>.csv.part  what is being written
//! ```
//!
//! A page of the table is in memory, and as many readings as a row group has; never a whole month. A
//! file gets its name when it is whole and synced. So an export may be interrupted anywhere, and the
//! same command goes on with the month that was not whole.

mod columns;
mod disk;
mod files;
mod folder;
mod manifest;
mod parquet;
mod place;
pub(crate) mod progress;
pub(crate) mod rows;
mod sheet;
mod state;
mod stdout;
mod sums;
pub(crate) mod zone;

use std::collections::BTreeSet;
use std::fmt;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidings_agent::clock;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

use self::manifest::Asked;
use self::progress::Progress;
use self::sums::Sums;
use self::zone::Zone;
use crate::Trouble;
use crate::dynamo::{Between, Database, StoredReading, Window};
use crate::query::time;
use crate::target::Target;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct ExportArguments {
    /// The devices [default: all that the table devices lists].
    devices: Vec<DeviceId>,
    /// Only this sensor of each device.
    #[arg(long)]
    sensor: Option<SensorId>,
    /// From when: a span before now (90s, 10m, 2h, 7d) or a time (2026-11-23T08:00:00Z) [default: the
    /// beginning].
    #[arg(long)]
    since: Option<Asked>,
    /// Until when, likewise [default: now].
    #[arg(long)]
    until: Option<Asked>,
    /// How they are written.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// A folder for files device=DEVICE/sensor=SENSOR/YYYY-MM.FORMAT, one for each month in UTC. Run
    /// again, the same command goes on with what is not whole. A file has a column for each quantity
    /// of the first 20,000 readings of its month (fewer of many quantities); where another comes up, or
    /// another unit, the month goes on in YYYY-MM.2.FORMAT. Readings of which nobody knows the time are in unset.FORMAT, with
    /// the uptime of their device and when they came [default: standard output].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The time zone of the times, such as Europe/Berlin. Months are those of UTC in any case.
    #[arg(long, default_value = "UTC")]
    zone: Zone,
    /// The summary as JSON, for machines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// How readings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Apache Parquet, for a folder.
    Parquet,
}

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

impl Format {
    /// What of a reading is written, for what is held until then.
    fn needed(self, mut reading: StoredReading) -> StoredReading {
        match self {
            Self::Jsonl => {}
            Self::Csv | Self::Parquet => {
                reading.site = None;
                reading.labels.clear();
            }
        }
        reading
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

/// Exports, and says at the end what it was.
///
/// # Errors
/// When the table cannot be read, the files not be written, or the folder holds another export.
pub async fn export(arguments: ExportArguments, out: &mut impl Write) -> Result<(), Trouble> {
    if arguments.out.is_none() && arguments.format == Format::Parquet {
        return Err(Trouble::Usage(
            "a file of Parquet cannot be written as a stream: give a folder with --out".to_owned(),
        ));
    }
    let database = arguments.target.connect().await;
    let until = arguments.until.clone().unwrap_or_else(|| Asked::now(clock::now()));
    match &arguments.out {
        Some(folder) => folder::export(&arguments, &database, folder, until, out).await,
        None => {
            let between = between(arguments.since.as_ref(), &until)?;
            let sensors = sensors(&arguments, &database).await?;
            let mut sums = Sums::of(&sensors, until.at);
            let mut progress = Progress::beside_output();
            let as_what = (arguments.format, &arguments.zone);
            let written =
                stdout::export(&database, &sensors, between, as_what, &mut progress, out).await;
            progress.end();
            (sums.readings, sums.unreadable) = match written {
                // Whoever reads it has enough, as `head` has.
                Err(Trouble::Output(error)) if error.kind() == ErrorKind::BrokenPipe => {
                    return Ok(());
                }
                written => written?,
            };
            sums.milliseconds = progress.millis();
            sums.print(arguments.json, &mut std::io::stderr())
        }
    }
}

fn between(since: Option<&Asked>, until: &Asked) -> Result<Between, Trouble> {
    let between = Between { from: since.map_or(UnixMillis::MIN, |since| since.at), to: until.at };
    if between.from > between.to {
        return Err(Trouble::Usage(format!(
            "--since {} is later than --until {}: nothing can lie between",
            time(between.from),
            time(between.to)
        )));
    }
    Ok(between)
}

/// The sensors that are asked for, in order.
async fn sensors(
    arguments: &ExportArguments,
    database: &Database,
) -> Result<Vec<(DeviceId, SensorId)>, Trouble> {
    let mut list = BTreeSet::new();
    if arguments.devices.is_empty() {
        let heard = database.sensors(None).await?.into_iter();
        list.extend(heard.map(|heard| (heard.device, heard.sensor)));
    }
    for device in &arguments.devices {
        if let Some(sensor) = &arguments.sensor {
            if !is_known(database, device, sensor).await? {
                return Err(Trouble::Transfer(format!(
                    "nobody knows a sensor {sensor} of {device}: the table {} does not list it, and the table {} has no reading of it; see `tidings query` for those that are there",
                    database.tables().devices,
                    database.tables().readings
                )));
            }
            list.insert((device.clone(), sensor.clone()));
            continue;
        }
        let heard = database.sensors(Some(device)).await?;
        if heard.is_empty() {
            return Err(Trouble::Transfer(format!(
                "the table {} lists no sensor of {device}: see `tidings query`, or name it with --sensor",
                database.tables().devices
            )));
        }
        list.extend(heard.into_iter().map(|heard| (heard.device, heard.sensor)));
    }
    if let Some(wanted) = &arguments.sensor {
        list.retain(|(_, sensor)| wanted == sensor);
        if list.is_empty() {
            return Err(Trouble::Transfer(format!(
                "the table {} lists no device with a sensor {wanted}: see `tidings query` for those that are there, or name the device too",
                database.tables().devices
            )));
        }
    }
    Ok(list.into_iter().collect())
}

/// Whether a sensor is listed, or was so once and left readings.
async fn is_known(
    database: &Database,
    device: &DeviceId,
    sensor: &SensorId,
) -> Result<bool, Trouble> {
    if database.sensors(Some(device)).await?.iter().any(|heard| heard.sensor == *sensor) {
        return Ok(true);
    }
    let any = Window { from: UnixMillis::MIN, to: UnixMillis::MAX, limit: 1, newest_first: true };
    Ok(!database.readings(device, sensor, any).await?.is_empty())
}
