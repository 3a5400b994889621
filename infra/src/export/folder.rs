//! An export to a folder, which goes on where it stopped.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tidings_schema::{DeviceId, SensorId};

use super::files::{Files, Style};
use super::manifest::{Asked, MANIFEST, Manifest, Wanted};
use super::progress::Progress;
use super::sums::Sums;
use super::{ExportArguments, between, place, sensors, state};
use crate::Trouble;
use crate::dynamo::{Between, Database};
use crate::query::time;

/// Exports to a folder, or goes on there.
pub(super) async fn export(
    arguments: &ExportArguments,
    database: &Database,
    folder: &Path,
    until: Asked,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let _lock = lock(folder)?;
    let path = folder.join(MANIFEST);
    let wanted = Wanted {
        table: database.tables().readings.clone(),
        table_id: database.readings_identity().await?,
        devices: arguments.devices.iter().map(ToString::to_string).collect(),
        sensor: arguments.sensor.as_ref().map(ToString::to_string),
        since: arguments.since.clone(),
        until,
        format: arguments.format,
        zone: arguments.zone.name().to_owned(),
    };
    let mut manifest = manifest(folder, wanted)?;
    let between = between(manifest.since.as_ref(), &manifest.until)?;
    state::write(&path, &manifest)?;
    let sensors = sensors(arguments, database).await?;
    let style = Style {
        export: manifest.id.clone(),
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

/// What is to be done in the folder: what was begun there, or something new where nothing is.
fn manifest(folder: &Path, wanted: Wanted) -> Result<Manifest, Trouble> {
    let id = getrandom::u64().map_err(|error| {
        Trouble::Internal(format!("the machine has no random numbers to give ({error})"))
    })?;
    let asked = Manifest::new(format!("{id:016x}"), wanted);
    let Some(before) = state::read::<Manifest>(&folder.join(MANIFEST))? else {
        let wrong = |source| Trouble::File { path: folder.to_owned(), source };
        return match first_of_ours(folder).map_err(wrong)? {
            None => Ok(asked),
            Some(found) => Err(Trouble::Transfer(format!(
                "{} has no {MANIFEST} that says what it holds, but {}, as an export would: choose another --out",
                folder.display(),
                found.display()
            ))),
        };
    };
    asked.go_on(&before).map_err(|others| {
        Trouble::Transfer(format!(
            "{} holds another export ({others}): choose another --out, or ask for the same to go on with it",
            folder.display()
        ))
    })
}

/// A file below a folder that has a name as an export gives it.
fn first_of_ours(folder: &Path) -> std::io::Result<Option<PathBuf>> {
    let below = |folder: &Path, key: &str| -> std::io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(key) && entry.path().is_dir() {
                found.push(entry.path());
            }
        }
        Ok(found)
    };
    for device in below(folder, "device=")? {
        for sensor in below(&device, "sensor=")? {
            if let Some(name) = place::first_of_ours(&sensor)? {
                return Ok(Some(sensor.join(name)));
            }
        }
    }
    Ok(None)
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
