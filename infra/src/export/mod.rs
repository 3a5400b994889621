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
mod parquet;
mod place;
pub(crate) mod progress;
pub(crate) mod rows;
mod sheet;
mod state;
mod stdout;
pub(crate) mod zone;

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tidings_agent::clock;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

use self::files::{Files, Style};
use self::progress::Progress;
use self::state::{Asked, MANIFEST, Manifest};
use self::zone::Zone;
use crate::Trouble;
use crate::dynamo::{Between, Database};
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
    /// of the first 20,000 readings of its month; where another quantity or unit comes up, the month
    /// goes on in YYYY-MM.2.FORMAT. Readings of which nobody knows the time are in unset.FORMAT, with
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

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.extension())
    }
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Sums {
    devices: usize,
    sensors: usize,
    /// Readings written by this run.
    readings: u64,
    /// Readings that were there from an earlier run.
    #[serde(skip_serializing_if = "is_nothing")]
    skipped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<usize>,
    /// Items of the table that are no readings.
    unreadable: u64,
    milliseconds: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<PathBuf>,
    until: UnixMillis,
}

// By reference, because serde calls it so.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_nothing(number: &u64) -> bool {
    *number == 0
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
        Some(folder) => to_folder(&arguments, &database, folder, until, out).await,
        None => {
            let between = between(arguments.since.as_ref(), &until)?;
            let sensors = sensors(&arguments, &database).await?;
            let mut sums = Sums::of(&sensors, until.at);
            let progress = Progress::start();
            let (format, zone) = (arguments.format, &arguments.zone);
            (sums.readings, sums.unreadable) =
                stdout::export(&database, &sensors, between, format, zone, out).await?;
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
    list.retain(|(_, sensor)| arguments.sensor.as_ref().is_none_or(|wanted| wanted == sensor));
    Ok(list.into_iter().collect())
}

async fn to_folder(
    arguments: &ExportArguments,
    database: &Database,
    folder: &Path,
    until: Asked,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let _lock = lock(folder)?;
    let path = folder.join(MANIFEST);
    let asked = Manifest::new(
        &database.tables().readings,
        arguments.devices.iter().map(ToString::to_string).collect(),
        arguments.sensor.as_ref().map(ToString::to_string),
        (arguments.since.clone(), until),
        arguments.format,
        arguments.zone.name().to_owned(),
    );
    let mut manifest = match state::read::<Manifest>(&path)? {
        None => asked,
        Some(before) => asked.go_on(&before).map_err(|others| {
            Trouble::Transfer(format!(
                "{} holds another export ({others}): choose another --out, or ask for the same to go on with it",
                folder.display()
            ))
        })?,
    };
    let between = between(manifest.since.as_ref(), &manifest.until)?;
    state::write(&path, &manifest)?;
    let sensors = sensors(arguments, database).await?;
    let style = Style {
        format: arguments.format,
        zone: arguments.zone.clone(),
        window: (manifest.since.as_ref().map(|since| time(since.at)), time(manifest.until.at)),
    };
    let mut sums = Sums::of(&sensors, manifest.until.at);
    sums.out = Some(folder.to_owned());
    let mut progress = Progress::start();
    for (device, sensor) in &sensors {
        let mut files = Files::open(folder, (device, sensor), &style)?;
        sums.skipped += files.months().readings();
        let read = one(database, (device, sensor), between, &mut files, &mut progress);
        let read = tokio::select! {
            read = read => read,
            stopped = tokio::signal::ctrl_c() => Err(match stopped {
                Ok(()) => Trouble::Transfer(
                    "interrupted: the same command goes on with the month that is not whole".to_owned(),
                ),
                Err(error) => Trouble::Output(error),
            }),
        };
        if read.is_err() {
            progress.end();
        }
        sums.unreadable += read?;
        let of_sensor = files.months().months.iter().map(|done| done.files.len());
        sums.files = Some(sums.files.unwrap_or(0) + of_sensor.sum::<usize>());
    }
    progress.end();
    manifest.whole = true;
    state::write(&path, &manifest)?;
    sums.readings = progress.readings();
    sums.milliseconds = progress.millis();
    sums.print(arguments.json, out)
}

/// Exports what is left of one sensor. Returns how many items could not be read.
async fn one(
    database: &Database,
    (device, sensor): (&DeviceId, &SensorId),
    between: Between,
    files: &mut Files<'_>,
    progress: &mut Progress,
) -> Result<u64, Trouble> {
    if files.months().whole {
        return Ok(0);
    }
    let mut stream = database.stream(device, sensor, between, files.months().after());
    let mut told = files.months().months.len();
    loop {
        let page = stream.next().await?;
        let (is_last, page) = (page.is_none(), page.unwrap_or_default());
        let readings = page.len();
        for reading in page {
            files.add(reading)?;
        }
        if is_last {
            files.finish()?;
        }
        let month = files.current().map(ToString::to_string).unwrap_or_default();
        progress.count(readings, &format_args!("{device}/{sensor} {month}"));
        for done in files.months().months.iter().skip(told) {
            let (month, readings) = (&done.month, done.readings);
            progress.month(&format_args!("{device}/{sensor} {month}: {readings} readings"));
        }
        told = files.months().months.len();
        if is_last {
            return Ok(stream.unreadable());
        }
    }
}

/// Makes the folder, and keeps others out of it for as long as the handle lives.
fn lock(folder: &Path) -> Result<File, Trouble> {
    use rustix::fs::{FlockOperation, flock};
    let wrong = |source| Trouble::File { path: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(wrong)?;
    let handle = File::open(folder).map_err(wrong)?;
    match flock(&handle, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(handle),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Trouble::Transfer(format!(
            "{} is in use by another `tidings export`: wait for it, or choose another --out",
            folder.display()
        ))),
        Err(error) => Err(wrong(error.into())),
    }
}

impl Sums {
    fn of(sensors: &[(DeviceId, SensorId)], until: UnixMillis) -> Self {
        let devices: BTreeSet<&DeviceId> = sensors.iter().map(|(device, _)| device).collect();
        Self {
            devices: devices.len(),
            sensors: sensors.len(),
            readings: 0,
            skipped: 0,
            files: None,
            unreadable: 0,
            milliseconds: 0,
            out: None,
            until,
        }
    }

    fn print(&self, json: bool, out: &mut impl Write) -> Result<(), Trouble> {
        if json {
            let line = serde_json::to_string(self)
                .map_err(|error| Trouble::Internal(error.to_string()))?;
            return Ok(writeln!(out, "{line}")?);
        }
        let Self { devices, sensors, readings, skipped, milliseconds, unreadable, .. } = self;
        let rate = u128::from(*readings) * 1000 / (*milliseconds).max(1);
        write!(
            out,
            "{readings} readings of {sensors} sensors and {devices} devices until {}",
            time(self.until)
        )?;
        if let (Some(files), Some(folder)) = (self.files, &self.out) {
            write!(out, " in {}", folder.display())?;
            if *skipped > 0 {
                write!(out, "; {skipped} were there already")?;
            }
            write!(out, "; {files} files")?;
        }
        if *unreadable > 0 {
            write!(out, "; {unreadable} items of the table are no readings and were left out")?;
        }
        Ok(writeln!(out, "; {rate} readings/s")?)
    }
}
