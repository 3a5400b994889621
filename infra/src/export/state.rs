//! What an export keeps in its folder beside the readings: what was asked for, and which months of a
//! sensor are whole. By this it goes on where it stopped.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tidings_schema::UnixMillis;

use super::place::Bucket;
use super::{Format, disk};
use crate::Trouble;
use crate::query::parse_time;

/// The file in the export's folder. What reads a folder of files as one table (pyarrow, pandas, Spark)
/// passes over names that begin with `_`, and would take any other for a broken file of readings.
pub(super) const MANIFEST: &str = "_export.json";

/// The file in the folder of a sensor.
pub(super) const MONTHS: &str = "_months.json";

/// The number of this layout of folders and files.
const LAYOUT: u32 = 1;

/// A time on the command line, with the words in which it was said: `7d` means another time on
/// another day, and an export that goes on means the one that it began with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    asked: String,
    pub(super) at: UnixMillis,
}

impl Asked {
    pub(super) fn now(at: UnixMillis) -> Self {
        Self { asked: "now".to_owned(), at }
    }

    fn means(&self, other: &Self) -> bool {
        self.asked == other.asked || self.at == other.at
    }
}

impl FromStr for Asked {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self { asked: text.to_owned(), at: parse_time(text)? })
    }
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    export: u32,
    /// The release that wrote it.
    version: String,
    table: String,
    /// Empty for all.
    devices: Vec<String>,
    sensor: Option<String>,
    pub(super) since: Option<Asked>,
    pub(super) until: Asked,
    format: Format,
    zone: String,
    /// Whether all of it is there.
    pub(super) whole: bool,
}

impl Manifest {
    /// What the arguments ask for; the order of the devices means nothing.
    pub(super) fn new(
        table: &str,
        mut devices: Vec<String>,
        sensor: Option<String>,
        (since, until): (Option<Asked>, Asked),
        format: Format,
        zone: String,
    ) -> Self {
        devices.sort_unstable();
        devices.dedup();
        Self {
            export: LAYOUT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            table: table.to_owned(),
            devices,
            sensor,
            since,
            until,
            format,
            zone,
            whole: false,
        }
    }

    /// What is to be done in a folder where `before` was asked for: the same, with the times that it
    /// had then.
    ///
    /// # Errors
    /// With each thing that was asked for otherwise.
    pub(super) fn go_on(self, before: &Self) -> Result<Self, String> {
        let mut others = Vec::new();
        let mut compare = |name: &str, then: String, now: String| {
            if then != now {
                others.push(format!("{name} {then} then, {now} now"));
            }
        };
        let list = |devices: &[String]| match devices {
            [] => "all".to_owned(),
            some => some.join(", "),
        };
        let or_all = |sensor: &Option<String>| sensor.clone().unwrap_or_else(|| "all".to_owned());
        compare("layout", before.export.to_string(), self.export.to_string());
        compare("table", before.table.clone(), self.table);
        compare("devices", list(&before.devices), list(&self.devices));
        compare("sensor", or_all(&before.sensor), or_all(&self.sensor));
        compare("format", before.format.to_string(), self.format.to_string());
        compare("zone", before.zone.clone(), self.zone);
        let beginning = || Asked { asked: "the beginning".to_owned(), at: UnixMillis::MIN };
        let (since_then, since_now) = (
            before.since.clone().unwrap_or_else(beginning),
            self.since.clone().unwrap_or_else(beginning),
        );
        for (name, then, now) in
            [("since", since_then, since_now), ("until", before.until.clone(), self.until)]
        {
            if !then.means(&now) {
                compare(name, then.asked, now.asked);
            }
        }
        if others.is_empty() { Ok(before.clone()) } else { Err(others.join("; ")) }
    }
}

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
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Months {
    pub(super) months: Vec<Done>,
    /// Whether there are no more.
    pub(super) whole: bool,
}

impl Months {
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

    fn asked(text: &str, at: i64) -> Asked {
        Asked { asked: text.to_owned(), at: UnixMillis::new(at).unwrap() }
    }

    fn manifest(devices: &[&str], since: Option<Asked>, format: Format) -> Manifest {
        let devices = devices.iter().map(|name| (*name).to_owned()).collect();
        Manifest::new("readings", devices, None, (since, asked("now", 9)), format, "UTC".to_owned())
    }

    #[test]
    fn an_export_goes_on_with_the_times_that_it_began_with() {
        let before = manifest(&["b", "a"], Some(asked("7d", 5)), Format::Csv);
        let mut now = manifest(&["a", "b", "b"], Some(asked("7d", 6)), Format::Csv);
        now.until = asked("now", 10);
        assert_eq!(now.go_on(&before).unwrap(), before);
        // The same time in other words.
        let now = manifest(&["a", "b"], Some(asked("1970-01-01T00:00:00.005Z", 5)), Format::Csv);
        assert!(now.go_on(&before).is_ok());
    }

    #[test]
    fn whatever_is_asked_otherwise_is_named_at_once() {
        let before = manifest(&["a"], Some(asked("7d", 5)), Format::Csv);
        let now = manifest(&[], None, Format::Parquet);
        assert_eq!(
            now.go_on(&before).unwrap_err(),
            "devices a then, all now; format csv then, parquet now; since 7d then, the beginning now"
        );
    }

    fn months(names: &[&str], whole: bool) -> Months {
        let done = |name: &&str| Done {
            month: (*name).to_owned(),
            files: vec![format!("{name}.csv"), format!("{name}.2.csv")],
            readings: 3,
        };
        Months { months: names.iter().map(done).collect(), whole }
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
        assert_eq!(nothing, Months::default());
        assert_eq!(nothing.after(), UnixMillis::MIN);
        let sensor_without_readings = Months { months: Vec::new(), whole: true };
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
