//! The files of one sensor: readings in, whole files out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tidings_schema::{DeviceId, SensorId};

use super::columns::{Columns, Share, shares};
use super::place::{self, Bucket};
use super::sheet::Sheet;
use super::state::{self, Done, MONTHS, Months};
use super::zone::Zone;
use super::{Format, disk};
use crate::Trouble;
use crate::dynamo::StoredReading;

/// Readings that are held before they are written: the columns of a file are those that stand in the
/// first of them, and a row group of Parquet is as large. Some 20 MB.
const MAX_HELD: usize = 20_000;

/// Of wide readings, fewer: so many values with their names and units are as large.
const MAX_CELLS: usize = 100_000;

/// Files of one month that are written at once: one for each unit of a quantity that comes and goes.
/// Beyond that, the oldest is ended.
const MAX_OPEN: usize = 16;

/// What the files of an export share.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// The id of the export.
    pub(super) export: String,
    pub(super) format: Format,
    pub(super) zone: Zone,
    /// The window, for what a file says of itself.
    pub(super) window: (Option<String>, String),
}

/// The folder of one sensor.
pub(super) struct Files<'a> {
    folder: PathBuf,
    style: &'a Style,
    /// Who it is, for what a file says of itself.
    names: (DeviceId, SensorId),
    months: Months,
    /// The month that is being read.
    current: Option<Bucket>,
    /// What stands in that month: its own readings, and those of a device that did not know the time.
    piles: BTreeMap<Bucket, Pile>,
    /// Readings in all piles that are held, and their values.
    held: usize,
    cells: usize,
    /// Readings of the month so far.
    readings: u64,
}

/// Readings that share files.
#[derive(Default)]
struct Pile {
    held: Vec<StoredReading>,
    /// The files that are being written, the newest last.
    open: Vec<Open>,
    /// Files of this month that were begun, and those of them that are whole.
    begun: usize,
    files: Vec<String>,
}

/// A file that is being written.
struct Open {
    sheet: Sheet,
    name: String,
    columns: Columns,
}

impl<'a> Files<'a> {
    /// Opens the folder of a sensor, and takes away what was not whole in it.
    ///
    /// # Errors
    /// When it cannot be used, or holds what is of another export.
    pub(super) fn open(
        root: &Path,
        (device, sensor): (&DeviceId, &SensorId),
        style: &'a Style,
    ) -> Result<Self, Trouble> {
        let folder = place::folder(root, device, sensor);
        let wrong = |source| Trouble::File { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(wrong)?;
        let months = months(&folder, &style.export)?;
        let months = months.standing(|file| folder.join(file).is_file());
        let kept =
            |name: &str| months.months.iter().any(|done| done.files.iter().any(|one| one == name));
        for entry in std::fs::read_dir(&folder).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name();
            let name = name.to_string_lossy();
            if place::bucket_of(&name, style.format).is_some() && !kept(&name) {
                std::fs::remove_file(folder.join(&*name)).map_err(wrong)?;
            }
        }
        Ok(Self {
            folder,
            style,
            names: (device.clone(), sensor.clone()),
            months,
            current: None,
            piles: BTreeMap::new(),
            held: 0,
            cells: 0,
            readings: 0,
        })
    }

    /// How far it is.
    pub(super) const fn months(&self) -> &Months {
        &self.months
    }

    /// The month that is being written.
    pub(super) const fn current(&self) -> Option<&Bucket> {
        self.current.as_ref()
    }

    /// Takes the next reading: none that stands under an earlier time comes after it.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn add(&mut self, reading: StoredReading) -> Result<(), Trouble> {
        let month = Bucket::spanning(reading.at);
        if self.current.as_ref() != Some(&month) {
            if self.end_month()? {
                state::write(&self.folder.join(MONTHS), &self.months)?;
            }
            self.current = Some(month);
        }
        self.readings += 1;
        let reading = self.style.format.needed(reading);
        self.held += 1;
        self.cells += 1 + reading.values.len() + reading.units.len() + reading.labels.len();
        self.piles.entry(Bucket::of(&reading)).or_default().held.push(reading);
        if self.held >= MAX_HELD || self.cells >= MAX_CELLS { self.flush() } else { Ok(()) }
    }

    /// Ends the last month: there are no more readings.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn finish(&mut self) -> Result<(), Trouble> {
        self.end_month()?;
        // At once with the last month: of one that is whole and does not say that it is the last,
        // what comes after would be asked for.
        self.months.whole = true;
        state::write(&self.folder.join(MONTHS), &self.months)
    }

    /// Ends the files of the month that is being read, and says whether there was one.
    fn end_month(&mut self) -> Result<bool, Trouble> {
        let Some(month) = self.current.take() else { return Ok(false) };
        self.flush()?;
        let mut files = Vec::new();
        for pile in std::mem::take(&mut self.piles).into_values() {
            files.extend(pile.files);
            for open in pile.open {
                files.push(self.end_file(open)?);
            }
        }
        let readings = std::mem::take(&mut self.readings);
        self.months.months.push(Done { month: month.to_string(), files, readings });
        Ok(true)
    }

    /// Writes what is held.
    fn flush(&mut self) -> Result<(), Trouble> {
        let mut piles = std::mem::take(&mut self.piles);
        for (bucket, pile) in &mut piles {
            self.flush_pile(bucket, pile)?;
        }
        self.piles = piles;
        (self.held, self.cells) = (0, 0);
        Ok(())
    }

    fn flush_pile(&self, bucket: &Bucket, pile: &mut Pile) -> Result<(), Trouble> {
        let shares = match self.style.format {
            // A line says itself what is in it.
            Format::Jsonl => {
                let (rows, is_new) = ((0..pile.held.len()).collect(), pile.open.is_empty());
                vec![Share { rows, columns: Columns::default(), is_new }]
            }
            Format::Csv | Format::Parquet => {
                shares(pile.open.iter().map(|open| &open.columns), &pile.held)
            }
        };
        // Those that are open come first, and in their order; so the oldest is written already.
        let mut ended = 0;
        for (place, share) in shares.into_iter().enumerate() {
            if share.is_new {
                let open = self.begin_file(bucket, pile.begun, share.columns)?;
                pile.begun += 1;
                pile.open.push(open);
            }
            let Some(open) = pile.open.get_mut(place - ended) else { continue };
            let readings = share.rows.iter().filter_map(|place| pile.held.get(*place));
            let readings: Vec<&StoredReading> = readings.collect();
            if !readings.is_empty() {
                let written = open.sheet.write(&readings, &open.columns, &self.style.zone);
                written.map_err(|error| error.of(&self.folder))?;
            }
            if pile.open.len() > MAX_OPEN {
                pile.files.push(self.end_file(pile.open.remove(0))?);
                ended += 1;
            }
        }
        // The room is used again.
        pile.held.clear();
        Ok(())
    }

    /// Begins a file of a bucket that has so many of this month.
    fn begin_file(&self, bucket: &Bucket, have: usize, columns: Columns) -> Result<Open, Trouble> {
        // What has no time may stand in several months.
        let format = self.style.format;
        let files = self.months.months.iter().flat_map(|done| &done.files);
        let before = files.filter(|name| place::bucket_of(name, format).as_ref() == Some(bucket));
        let name = bucket.file(before.count() + have + 1, format);
        let path = self.folder.join(place::part(&name));
        let (device, sensor) = &self.names;
        let with_uptime = *bucket == Bucket::Unset;
        let sheet = Sheet::begin(&path, self.style, (device, sensor), &columns, with_uptime)
            .map_err(|error| error.of(&self.folder))?;
        Ok(Open { sheet, name, columns })
    }

    /// Syncs a file and gives it its name.
    fn end_file(&self, Open { sheet, name, .. }: Open) -> Result<String, Trouble> {
        let (part, path) = (self.folder.join(place::part(&name)), self.folder.join(&name));
        let ended = sheet.finish().and_then(|file| {
            disk::sync(&file)?;
            Ok(disk::settle(&part, &path)?)
        });
        ended.map_err(|error| error.of(&self.folder))?;
        Ok(name)
    }
}

/// How far an export is in the folder of a sensor. Before there is any file, it is written there whose
/// they will be: what nobody says to be of this export is not touched.
fn months(folder: &Path, export: &str) -> Result<Months, Trouble> {
    let path = folder.join(MONTHS);
    let of_others = |name: &str| {
        Trouble::Transfer(format!(
            "{} is not of this export: choose another --out, or take it away",
            folder.join(name).display()
        ))
    };
    match state::read::<Months>(&path)? {
        Some(months) if months.export == export => Ok(months),
        Some(_) => Err(of_others(MONTHS)),
        None => {
            let wrong = |source| Trouble::File { path: folder.to_owned(), source };
            if let Some(name) = place::first_of_ours(folder).map_err(wrong)? {
                return Err(of_others(&name));
            }
            let months = Months::begin(export);
            state::write(&path, &months)?;
            Ok(months)
        }
    }
}

#[cfg(test)]
mod tests;
