//! What an export keeps of a sensor beside its readings: which months are whole. By this it goes on
//! where it stopped.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidings_schema::UnixMillis;

use super::disk;
use super::place::Bucket;
use crate::Trouble;

/// The file in the folder of a sensor.
pub(super) const MONTHS: &str = "_months.json";

/// A month of a sensor that is whole: whatever stands in the table under its times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Done {
    /// The month as `YYYY-MM`, or `unset`.
    pub(super) month: String,
    /// Its files.
    pub(super) files: Vec<String>,
    pub(super) readings: u64,
}

/// How far a sensor is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Months {
    /// The id of the export that they are of.
    pub(super) export: String,
    pub(super) months: Vec<Done>,
    /// Whether there are no more.
    pub(super) whole: bool,
}

impl Months {
    /// Of a sensor with which an export begins.
    pub(super) fn begin(export: &str) -> Self {
        Self { export: export.to_owned(), months: Vec::new(), whole: false }
    }

    /// What of it still stands, where a file may have been taken away: the months before the first
    /// that is not whole.
    pub(super) fn standing(mut self, is_there: impl Fn(&str) -> bool) -> Self {
        let stands = |done: &Done| {
            Bucket::named(&done.month).is_some() && done.files.iter().all(|file| is_there(file))
        };
        let kept = self.months.iter().take_while(|done| stands(done)).count();
        self.whole &= kept == self.months.len();
        self.months.truncate(kept);
        self
    }

    /// The time before which all is there, whatever a reading's clock.
    pub(super) fn after(&self) -> UnixMillis {
        let ends = self.months.iter().filter_map(|done| Some(Bucket::named(&done.month)?.end()));
        ends.fold(UnixMillis::MIN, Ord::max)
    }

    /// How many readings it has.
    pub(super) fn readings(&self) -> u64 {
        self.months.iter().map(|done| done.readings).sum()
    }
}

/// Reads a file of ours, if it is there.
///
/// # Errors
/// When it cannot be read, or is none of ours.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Trouble> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(Trouble::File { path: path.to_owned(), source }),
    };
    serde_json::from_str(&text).map(Some).map_err(|error| {
        Trouble::Transfer(format!(
            "{} is not as `tidings export` writes it ({error}): choose another --out",
            path.display()
        ))
    })
}

/// Puts a file of ours in the place of the one before, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write(path: &Path, value: &impl Serialize) -> Result<(), Trouble> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Trouble::Internal(error.to_string()))?;
    let part = path.with_extension("json.part");
    let done = File::create(&part).and_then(|mut file| {
        writeln!(file, "{text}")?;
        disk::sync(&file)?;
        disk::settle(&part, path)
    });
    done.map_err(|source| Trouble::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn months(names: &[&str], whole: bool) -> Months {
        let done = |name: &&str| Done {
            month: (*name).to_owned(),
            files: vec![format!("{name}.csv"), format!("{name}.2.csv")],
            readings: 3,
        };
        Months { months: names.iter().map(done).collect(), whole, ..Months::begin("id") }
    }

    #[test]
    fn it_goes_on_after_the_last_month_before_which_all_is_there() {
        let whole = months(&["unset", "2026-10", "2026-11"], true);
        assert_eq!(whole.clone().standing(|_| true), whole);
        assert_eq!(whole.readings(), 9);
        assert_eq!(whole.after().get(), 1_796_083_200_000);
        // Without one of its files October is begun again, and all after it.
        let rest = whole.clone().standing(|file| file != "2026-10.2.csv");
        assert_eq!(rest, months(&["unset"], false));
        assert_eq!(rest.after().get(), tidings_schema::limits::EARLIEST_MS);
        let nothing = whole.standing(|_| false);
        assert_eq!(nothing, Months::begin("id"));
        assert_eq!(nothing.after(), UnixMillis::MIN);
        let sensor_without_readings = Months { whole: true, ..Months::begin("id") };
        assert!(sensor_without_readings.standing(|_| true).whole);
    }

    #[test]
    fn files_of_ours_are_read_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(MONTHS);
        assert_eq!(read::<Months>(&path).unwrap(), None);
        let written = months(&["2026-10"], false);
        write(&path, &written).unwrap();
        assert_eq!(read(&path).unwrap(), Some(written));
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing is left beside it");
        std::fs::write(&path, "{").unwrap();
        assert!(read::<Months>(&path).unwrap_err().to_string().contains("--out"));
    }
}
