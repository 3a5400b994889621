//! A recorded file, played back with its own times: one row with each reading. What `tidings query
//! --format csv` prints can be played.
//!
//! How many rows have been played is kept beside the file (`<file>.played`), so that a new start of the
//! agent goes on where it was.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, UnixMillis};

use super::Sensor;
use super::values::parse_values;

/// Columns of a query's output that are not quantities.
const PASSED_OVER: [&str; 3] = ["sensor", "boot", "seq"];

/// A file.
pub(super) struct Replay {
    name: String,
    path: PathBuf,
    rows: Option<Rows>,
    at: Option<UnixMillis>,
    done: bool,
}

struct Rows {
    header: Vec<String>,
    records: csv::StringRecordsIntoIter<std::fs::File>,
    played: u64,
}

impl Replay {
    pub(super) fn new(name: &str, path: PathBuf) -> Self {
        Self { name: name.to_owned(), path, rows: None, at: None, done: false }
    }

    fn next(&mut self) -> Result<Measurements, Fault> {
        let mut rows = match self.rows.take() {
            Some(rows) => rows,
            None => open(&self.path).map_err(|error| self.complain(&error.to_string()))?,
        };
        let Some(record) = rows.records.next() else {
            tracing::info!(sensor = self.name, rows = rows.played, "the file is played");
            self.done = true;
            return Err(Fault::NotPresent);
        };
        rows.played += 1;
        let (row, played) = (rows.played + 1, rows.played.to_string());
        let read = record.map_err(|error| error.to_string()).and_then(|record| {
            let cells: Vec<(&str, &str)> =
                rows.header.iter().map(String::as_str).zip(record.iter()).collect();
            reading(&cells)
        });
        self.rows = Some(rows);
        if let Err(error) = std::fs::write(position(&self.path), played) {
            // Played again after a new start it would be there twice.
            return Err(self.complain(&format!("its place cannot be kept: {error}")));
        }
        let (at, said) = read.map_err(|error| self.complain(&format!("line {row}: {error}")))?;
        self.at = Some(at);
        said
    }

    fn complain(&self, detail: &str) -> Fault {
        tracing::warn!(sensor = self.name, file = %self.path.display(), detail, "no reading");
        Fault::BusError
    }
}

impl Sensor for Replay {
    fn read(&mut self) -> Result<Measurements, Fault> {
        self.at = None;
        self.next()
    }

    fn taken_at(&self) -> Option<UnixMillis> {
        self.at
    }

    fn is_done(&self) -> bool {
        self.done
    }
}

fn position(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".played");
    PathBuf::from(name)
}

fn open(path: &Path) -> Result<Rows, csv::Error> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path)?;
    let header = reader.headers()?.iter().map(str::to_owned).collect();
    let played: u64 = std::fs::read_to_string(position(path))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0);
    let mut records = reader.into_records();
    for _ in 0..played {
        if records.next().is_none() {
            break;
        }
    }
    Ok(Rows { header, records, played })
}

/// Reads a row: `time` (RFC 3339, or milliseconds since 1970), `fault`, and quantities as
/// `temperature` or `leaf_wetness:/`.
fn reading(cells: &[(&str, &str)]) -> Result<(UnixMillis, Result<Measurements, Fault>), String> {
    let cell = |name: &str| cells.iter().find(|(column, _)| *column == name).map(|(_, cell)| *cell);
    let time = cell("time").ok_or("there is no column time")?;
    let millis = match time.parse::<i64>() {
        Ok(millis) => millis,
        Err(_) => time
            .parse::<Timestamp>()
            .map_err(|_| {
                format!("expected a time such as 2026-11-23T08:00:00Z, but found {time:?}")
            })?
            .as_millisecond(),
    };
    let at = UnixMillis::new(millis).map_err(|error| error.to_string())?;
    if let Some(fault) = cell("fault").filter(|text| !text.is_empty()) {
        let fault = Fault::from_name(fault).ok_or(format!("{fault:?} is no fault"))?;
        return Ok((at, Err(fault)));
    }
    let words: Vec<String> = cells
        .iter()
        .filter(|(column, cell)| {
            !cell.is_empty() && !["time", "fault"].contains(column) && !PASSED_OVER.contains(column)
        })
        .map(|(column, cell)| match column.split_once(':') {
            Some((quantity, unit)) => format!("{quantity}={cell}:{unit}"),
            None => format!("{column}={cell}"),
        })
        .collect();
    let values = parse_values(&words.iter().map(String::as_str).collect::<Vec<_>>())?;
    Ok((at, Ok(values)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn a_file_is_played_with_its_own_times_once_also_across_a_new_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.csv");
        std::fs::write(
            &path,
            "time,sensor,boot,seq,fault,temperature,leaf_wetness:/\n\
             2026-11-23T17:48:35.802Z,a,b,7,,21.5,0.4\n\
             1795456116802,a,b,8,timeout,,\n\
             yesterday,a,b,9,,21,\n\
             1795456118802,a,b,10,,22,\n",
        )
        .unwrap();
        let mut replay = Replay::new("x", path.clone());
        let mut played = Vec::new();
        for restart in [false, false, true, false, false] {
            if restart {
                replay = Replay::new("x", path.clone());
            }
            let said = shown(&replay.read());
            played.push((said, replay.taken_at().map(UnixMillis::get), replay.is_done()));
        }
        let expected = [
            ("temperature 21.5 Cel, leaf_wetness 0.4 /", Some(1_795_456_115_802), false),
            ("timeout", Some(1_795_456_116_802), false),
            ("bus-error", None, false),
            ("temperature 22 Cel", Some(1_795_456_118_802), false),
            ("not-present", None, true),
        ];
        assert_eq!(played, expected.map(|(said, at, done)| (said.to_owned(), at, done)));
    }
}
