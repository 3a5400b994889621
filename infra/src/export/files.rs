//! The files of one sensor: readings in, whole files out.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use tidings_schema::{DeviceId, SensorId};

use super::columns::{Columns, runs};
use super::parquet::ParquetFile;
use super::place::{self, Bucket};
use super::state::{self, Done, MONTHS, Months};
use super::zone::Zone;
use super::{Format, rows};
use crate::Trouble;
use crate::dynamo::StoredReading;

/// Readings that are held before they are written: the columns of a file are those that stand in the
/// first of them, and a row group of Parquet is as large. Some 20 MB.
pub(super) const GROUP: usize = 20_000;

/// What the files of an export share.
#[derive(Debug, Clone)]
pub(super) struct Style {
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
    current: Option<Bucket>,
    /// Files of the current month that are whole.
    files: Vec<String>,
    readings: u64,
    open: Option<Open>,
    held: Vec<StoredReading>,
}

/// The file that is being written.
struct Open {
    sheet: Sheet,
    name: String,
    columns: Columns,
}

enum Sheet {
    Csv { csv: Box<csv::Writer<File>>, with_uptime: bool },
    Lines(BufWriter<File>),
    Parquet(Box<ParquetFile>),
}

impl<'a> Files<'a> {
    /// Opens the folder of a sensor, and takes away what was not whole in it.
    ///
    /// # Errors
    /// When it cannot be used.
    pub(super) fn open(
        root: &Path,
        (device, sensor): (&DeviceId, &SensorId),
        style: &'a Style,
    ) -> Result<Self, Trouble> {
        let folder = place::folder(root, device, sensor);
        let wrong = |source| Trouble::File { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(wrong)?;
        let months: Months = state::read(&folder.join(MONTHS))?.unwrap_or_default();
        let months = months.standing(|file| folder.join(file).is_file());
        let kept =
            |name: &str| months.months.iter().any(|done| done.files.iter().any(|one| one == name));
        for entry in std::fs::read_dir(&folder).map_err(wrong)? {
            let name = entry.map_err(wrong)?.file_name();
            let name = name.to_string_lossy();
            if place::is_ours(&name, style.format) && !kept(&name) {
                std::fs::remove_file(folder.join(&*name)).map_err(wrong)?;
            }
        }
        Ok(Self {
            folder,
            style,
            names: (device.clone(), sensor.clone()),
            months,
            current: None,
            files: Vec::new(),
            readings: 0,
            open: None,
            held: Vec::new(),
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

    /// Takes the next reading.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn add(&mut self, reading: StoredReading) -> Result<(), Trouble> {
        let bucket = Bucket::of(&reading);
        if self.current.as_ref() != Some(&bucket) {
            self.end_month()?;
            self.current = Some(bucket);
        }
        self.held.push(reading);
        if self.held.len() >= GROUP { self.flush() } else { Ok(()) }
    }

    /// Ends the last month: there are no more readings.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn finish(&mut self) -> Result<(), Trouble> {
        self.end_month()?;
        self.months.whole = true;
        state::write(&self.folder.join(MONTHS), &self.months)
    }

    fn end_month(&mut self) -> Result<(), Trouble> {
        let Some(bucket) = self.current.take() else { return Ok(()) };
        self.flush_into(&bucket)?;
        self.end_file()?;
        self.months.months.push(Done {
            month: bucket.to_string(),
            files: std::mem::take(&mut self.files),
            readings: std::mem::take(&mut self.readings),
        });
        state::write(&self.folder.join(MONTHS), &self.months)
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        match self.current.clone() {
            Some(bucket) => self.flush_into(&bucket),
            None => Ok(()),
        }
    }

    fn flush_into(&mut self, bucket: &Bucket) -> Result<(), Trouble> {
        let held = std::mem::take(&mut self.held);
        let runs = match self.style.format {
            // A line says itself what is in it.
            Format::Jsonl => {
                let is_new = self.open.is_none();
                let columns = Columns::default();
                vec![super::columns::Run { range: 0..held.len(), columns, is_new }]
            }
            Format::Csv | Format::Parquet => {
                runs(self.open.as_ref().map(|open| &open.columns), &held)
            }
        };
        for run in runs {
            if run.is_new {
                self.end_file()?;
                self.begin_file(bucket, run.columns)?;
            }
            let readings = held.get(run.range).unwrap_or_default();
            self.readings += readings.len() as u64;
            if let Some(open) = &mut self.open {
                let written = open.sheet.write(readings, &open.columns, &self.style.zone);
                written.map_err(|error| self.wrong(error))?;
            }
        }
        // The room is used again.
        self.held = held;
        self.held.clear();
        Ok(())
    }

    fn begin_file(&mut self, bucket: &Bucket, columns: Columns) -> Result<(), Trouble> {
        // A month may come twice where a device put its clock back and forth.
        let before = self.months.months.iter().filter(|done| done.month == bucket.to_string());
        let number = before.map(|done| done.files.len()).sum::<usize>() + self.files.len() + 1;
        let name = bucket.file(number, self.style.format);
        let begun = self.begin_sheet(&name, &columns, *bucket == Bucket::Unset);
        let sheet = begun.map_err(|error| self.wrong(error))?;
        self.open = Some(Open { sheet, name, columns });
        Ok(())
    }

    fn begin_sheet(
        &self,
        name: &str,
        columns: &Columns,
        with_uptime: bool,
    ) -> Result<Sheet, Wrong> {
        let file = File::create(self.folder.join(place::part(name)))?;
        Ok(match self.style.format {
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(file);
                csv.write_record(rows::header(columns, with_uptime))?;
                Sheet::Csv { csv: Box::new(csv), with_uptime }
            }
            Format::Jsonl => Sheet::Lines(BufWriter::new(file)),
            Format::Parquet => {
                let (since, until) = &self.style.window;
                let mut said = vec![
                    ("tidings.version", env!("CARGO_PKG_VERSION").to_owned()),
                    ("tidings.device", self.names.0.to_string()),
                    ("tidings.sensor", self.names.1.to_string()),
                    ("tidings.until", until.clone()),
                ];
                said.extend(since.clone().map(|since| ("tidings.since", since)));
                let zone = &self.style.zone;
                let file = ParquetFile::begin(file, columns, zone, with_uptime, &said)?;
                Sheet::Parquet(Box::new(file))
            }
        })
    }

    /// Syncs the open file and gives it its name.
    fn end_file(&mut self) -> Result<(), Trouble> {
        let Some(Open { sheet, name, .. }) = self.open.take() else { return Ok(()) };
        let (part, path) = (self.folder.join(place::part(&name)), self.folder.join(&name));
        let ended = sheet.finish().and_then(|file| {
            file.sync_all()?;
            Ok(state::settle(&part, &path)?)
        });
        ended.map_err(|error| self.wrong(error))?;
        self.files.push(name);
        Ok(())
    }

    fn wrong(&self, error: Wrong) -> Trouble {
        let path = self.folder.clone();
        match error {
            Wrong::File(source) => Trouble::File { path, source },
            Wrong::Trouble(trouble) => trouble,
            Wrong::Format(error) => {
                Trouble::Transfer(format!("{} cannot be written: {error}", path.display()))
            }
        }
    }
}

/// What a format says went wrong.
enum Wrong {
    File(std::io::Error),
    Format(String),
    Trouble(Trouble),
}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl From<csv::Error> for Wrong {
    fn from(error: csv::Error) -> Self {
        Self::File(error.into())
    }
}

impl From<super::parquet::WriteError> for Wrong {
    fn from(error: super::parquet::WriteError) -> Self {
        Self::Format(error.to_string())
    }
}

impl From<Trouble> for Wrong {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl Sheet {
    fn write(
        &mut self,
        readings: &[StoredReading],
        columns: &Columns,
        zone: &Zone,
    ) -> Result<(), Wrong> {
        match self {
            Self::Csv { csv, with_uptime } => {
                for reading in readings {
                    csv.write_record(rows::row(reading, columns, zone, *with_uptime))?;
                }
            }
            Self::Lines(file) => {
                for reading in readings {
                    writeln!(file, "{}", rows::line(reading, zone)?)?;
                }
            }
            Self::Parquet(file) => file.write(readings)?,
        }
        Ok(())
    }

    /// All bytes handed to the file.
    fn finish(self) -> Result<File, Wrong> {
        match self {
            Self::Csv { csv, .. } => {
                csv.into_inner().map_err(|error| Wrong::File(error.into_error()))
            }
            Self::Lines(file) => file.into_inner().map_err(|error| Wrong::File(error.into_error())),
            Self::Parquet(file) => Ok(file.finish()?),
        }
    }
}

#[cfg(test)]
mod tests;
