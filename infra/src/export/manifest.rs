//! What an export was asked for, kept in its folder: what goes on there is the same export.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidings_schema::UnixMillis;

use super::Format;
use crate::query::parse_time;

/// The file in the export's folder. What reads a folder of files as one table (pyarrow, pandas, Spark)
/// passes over names that begin with `_`, and would take any other for a broken file of readings.
pub(super) const MANIFEST: &str = "_export.json";

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
    /// The name of this export, which stands in the folder of each sensor too: what has another is of
    /// another export, and nothing of it is taken over or away.
    pub(super) id: String,
    /// The release that wrote it.
    version: String,
    table: String,
    /// What tells the table from another of that name, where it can be asked.
    table_id: Option<String>,
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

/// What the arguments ask for, of which table.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) table: String,
    pub(super) table_id: Option<String>,
    /// Empty for all.
    pub(super) devices: Vec<String>,
    pub(super) sensor: Option<String>,
    pub(super) since: Option<Asked>,
    pub(super) until: Asked,
    pub(super) format: Format,
    pub(super) zone: String,
}

impl Manifest {
    /// What is asked for, under a new name; the order of the devices means nothing.
    pub(super) fn new(id: String, asked: Wanted) -> Self {
        let Wanted { table, table_id, mut devices, sensor, since, until, format, zone } = asked;
        devices.sort_unstable();
        devices.dedup();
        Self {
            export: LAYOUT,
            id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            table,
            table_id,
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
        // Where a table of that name is, no URL says: a local one is at another port each time.
        if let (Some(then), Some(now)) = (&before.table_id, self.table_id) {
            compare("id of the table", then.clone(), now);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str, at: i64) -> Asked {
        Asked { asked: text.to_owned(), at: UnixMillis::new(at).unwrap() }
    }

    fn manifest(devices: &[&str], since: Option<Asked>, format: Format) -> Manifest {
        let wanted = Wanted {
            table: "readings".to_owned(),
            table_id: Some("1".to_owned()),
            devices: devices.iter().map(|name| (*name).to_owned()).collect(),
            sensor: None,
            since,
            until: asked("now", 9),
            format,
            zone: "UTC".to_owned(),
        };
        Manifest::new("id".to_owned(), wanted)
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

    #[test]
    fn another_table_of_that_name_is_another_export() {
        let before = manifest(&[], None, Format::Csv);
        let mut now = Manifest { table_id: Some("2".to_owned()), ..before.clone() };
        let error = now.clone().go_on(&before).unwrap_err();
        assert_eq!(error, "id of the table 1 then, 2 now");
        // Nobody may say which it is.
        now.table_id = None;
        assert_eq!(now.go_on(&before).unwrap(), before);
    }
}
