//! A file of one format that is being written.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use tidings_schema::{DeviceId, SensorId};

use super::columns::Columns;
use super::files::Style;
use super::parquet::ParquetFile;
use super::zone::Zone;
use super::{Format, rows};
use crate::Trouble;
use crate::dynamo::StoredReading;

/// A file that is being written.
pub(super) enum Sheet {
    Csv { csv: Box<csv::Writer<File>>, with_uptime: bool },
    Lines(BufWriter<File>),
    Parquet(Box<ParquetFile>),
}

impl Sheet {
    /// Begins a file of a sensor.
    pub(super) fn begin(
        path: &Path,
        style: &Style,
        (device, sensor): (&DeviceId, &SensorId),
        columns: &Columns,
        with_uptime: bool,
    ) -> Result<Self, Wrong> {
        let file = File::create(path)?;
        Ok(match style.format {
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(file);
                csv.write_record(rows::header(columns, with_uptime))?;
                Self::Csv { csv: Box::new(csv), with_uptime }
            }
            Format::Jsonl => Self::Lines(BufWriter::new(file)),
            Format::Parquet => {
                let (since, until) = &style.window;
                let mut said = vec![
                    ("tidings.version", env!("CARGO_PKG_VERSION").to_owned()),
                    ("tidings.device", device.to_string()),
                    ("tidings.sensor", sensor.to_string()),
                    ("tidings.until", until.clone()),
                ];
                said.extend(since.clone().map(|since| ("tidings.since", since)));
                let file = ParquetFile::begin(file, columns, &style.zone, with_uptime, &said)?;
                Self::Parquet(Box::new(file))
            }
        })
    }

    /// Writes readings, whose quantities all have columns.
    pub(super) fn write(
        &mut self,
        readings: &[&StoredReading],
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
    pub(super) fn finish(self) -> Result<File, Wrong> {
        match self {
            Self::Csv { csv, .. } => {
                csv.into_inner().map_err(|error| Wrong::File(error.into_error()))
            }
            Self::Lines(file) => file.into_inner().map_err(|error| Wrong::File(error.into_error())),
            Self::Parquet(file) => Ok(file.finish()?),
        }
    }
}

/// What a format says went wrong.
pub(super) enum Wrong {
    File(std::io::Error),
    Format(String),
    Trouble(Trouble),
}

impl Wrong {
    /// The same of a folder.
    pub(super) fn of(self, folder: &Path) -> Trouble {
        let path = folder.to_owned();
        match self {
            Self::File(source) => Trouble::File { path, source },
            Self::Trouble(trouble) => trouble,
            Self::Format(error) => {
                Trouble::Transfer(format!("{} cannot be written: {error}", path.display()))
            }
        }
    }
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
