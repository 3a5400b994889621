//! The names of folders and files, and which reading belongs into which.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use clap::ValueEnum as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tidings_schema::limits::EARLIEST_MS;
use tidings_schema::{Clock, DeviceId, SensorId, UnixMillis};

use super::Format;
use super::state::MONTHS;
use crate::dynamo::StoredReading;

/// What shares a file: the readings of one month in UTC, or those of which nobody knows the time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Bucket {
    /// The device did not know the time.
    Unset,
    /// A month, as `YYYY-MM`.
    Month(String),
}

/// The name of [`Bucket::Unset`].
const UNSET: &str = "unset";

impl Bucket {
    pub(super) fn of(reading: &StoredReading) -> Self {
        match reading.clock {
            Clock::Unset => Self::Unset,
            Clock::Set => Self::month(reading.at),
        }
    }

    /// What is whole together with a reading of this time, for an export to go on after it: its month,
    /// or all that stands before any real time. Another than [`of`](Self::of) where a device that did
    /// not know the time says one that is real.
    pub(super) fn spanning(at: UnixMillis) -> Self {
        if at.get() < EARLIEST_MS { Self::Unset } else { Self::month(at) }
    }

    fn month(at: UnixMillis) -> Self {
        let mut date = at.date();
        date.truncate("YYYY-MM".len());
        Self::Month(date)
    }

    /// The bucket of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        if name == UNSET {
            return Some(Self::Unset);
        }
        first_of(name).map(|_| Self::Month(name.to_owned()))
    }

    /// The first moment after it; after what has no time, the first that is real.
    pub(super) fn end(&self) -> UnixMillis {
        let next = |month: &str| {
            let next = first_of(month)?.checked_add(1.month()).ok()?;
            let at = next.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp();
            UnixMillis::new(at.as_millisecond()).ok()
        };
        match self {
            Self::Unset => UnixMillis::new(EARLIEST_MS).unwrap_or(UnixMillis::MIN),
            Self::Month(month) => next(month).unwrap_or(UnixMillis::MAX),
        }
    }

    /// Its first file, or the next one, counted from 1.
    pub(super) fn file(&self, number: usize, format: Format) -> String {
        let extension = format.extension();
        match number {
            1 => format!("{self}.{extension}"),
            number => format!("{self}.{number}.{extension}"),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str(UNSET),
            Self::Month(month) => f.write_str(month),
        }
    }
}

fn first_of(month: &str) -> Option<Date> {
    let is_month = month.len() == "YYYY-MM".len();
    is_month.then(|| format!("{month}-01").parse().ok()).flatten()
}

/// The name of a file while it is written. What reads a folder of files passes over names that begin
/// with `_`.
pub(super) fn part(file: &str) -> String {
    format!("_{file}.part")
}

/// Which bucket a file of that name is of, whole or not, if it is one of an export.
pub(super) fn bucket_of(name: &str, format: Format) -> Option<Bucket> {
    let whole = name.strip_prefix('_').and_then(|rest| rest.strip_suffix(".part")).unwrap_or(name);
    let stem = whole.strip_suffix(format.extension())?.strip_suffix('.')?;
    let (bucket, number) = stem.split_once('.').unwrap_or((stem, "1"));
    number.parse::<usize>().ok()?;
    Bucket::named(bucket)
}

/// A name in the folder of a sensor as an export of any format gives it.
pub(super) fn first_of_ours(folder: &Path) -> io::Result<Option<String>> {
    let formats = Format::value_variants();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name == MONTHS || formats.iter().any(|format| bucket_of(&name, *format).is_some()) {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// `device=<device>/sensor=<sensor>`, as Hive names the parts of a table. Of what a device's name may
/// have, `:` alone is not safe in a path; those who read such folders decode it.
pub(super) fn folder(root: &Path, device: &DeviceId, sensor: &SensorId) -> PathBuf {
    let device = device.as_str().replace(':', "%3A");
    root.join(format!("device={device}")).join(format!("sensor={sensor}"))
}

#[cfg(test)]
mod tests {
    use super::super::columns::tests::reading;
    use super::*;

    #[test]
    fn readings_go_by_their_month_in_utc() {
        for (at, month) in [
            (1_795_456_115_802, "2026-11"),
            (1_796_083_200_000 - 1, "2026-11"),
            (1_796_083_200_000, "2026-12"),
        ] {
            assert_eq!(Bucket::of(&reading(at, &[])).to_string(), month, "{at}");
        }
        let unset = StoredReading { clock: Clock::Unset, ..reading(5, &[]) };
        assert_eq!(
            (Bucket::of(&unset), Bucket::spanning(unset.at)),
            (Bucket::Unset, Bucket::Unset)
        );
        // A device that does not know the time may say one that is real: the file is that of those
        // without a time, and it is whole with its month.
        let odd = StoredReading { clock: Clock::Unset, ..reading(1_795_456_115_802, &[]) };
        assert_eq!(Bucket::of(&odd), Bucket::Unset);
        assert_eq!(Bucket::spanning(odd.at).to_string(), "2026-11");
        assert!(
            Bucket::Unset < Bucket::Month("2026-01".to_owned()),
            "they stand first in the table"
        );
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        let end = |name: &str| Bucket::named(name).unwrap().end().get();
        assert_eq!(end("2026-11"), 1_796_083_200_000);
        assert_eq!(end("1999-12"), 946_684_800_000);
        assert_eq!(end("unset"), EARLIEST_MS);
        assert_eq!((Bucket::named("2026-13"), Bucket::named("2026")), (None, None));
    }

    #[test]
    fn files_and_folders_have_the_names_that_others_expect() {
        let month = Bucket::named("2026-11").unwrap();
        assert_eq!(month.file(1, Format::Csv), "2026-11.csv");
        assert_eq!(month.file(2, Format::Parquet), "2026-11.2.parquet");
        assert_eq!(part("2026-11.csv"), "_2026-11.csv.part");
        for ours in ["2026-11.csv", "2026-11.12.csv", "_2026-11.csv.part", "unset.csv"] {
            assert!(bucket_of(ours, Format::Csv).is_some(), "{ours}");
        }
        for other in ["_months.json", "notes.csv", "2026-11.parquet", "2026-11.x.csv", "2026.csv"] {
            assert_eq!(bucket_of(other, Format::Csv), None, "{other}");
        }
        let folder = folder(Path::new("out"), &"a:b".try_into().unwrap(), &"s".try_into().unwrap());
        assert_eq!(folder, Path::new("out/device=a%3Ab/sensor=s"));
    }
}
