//! A file of CSV, row by row.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use tidings_schema::Clock;

use super::decimal::Decimals;
use super::first;
use super::guard::{Guard, MAX_RECORD, TooLong};
use super::header::Header;
use super::order::Order;
use super::row::{self, Row, RowError, Said};
use crate::Trouble;
use crate::export::zone::Shown;
use crate::query::time;

/// A file whose header is understood.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) path: PathBuf,
    pub(super) headings: Vec<String>,
    pub(super) header: Header,
    delimiter: u8,
}

/// What a line is.
#[derive(Debug)]
pub(super) enum Line {
    /// A reading.
    Reading(Box<Row>),
    /// A time and nothing else.
    Empty,
    /// No reading, and why.
    Bad(RowError),
}

/// A mark that some programs set before the text of a file.
pub(super) const BYTE_ORDER_MARK: &str = "\u{feff}";

impl Table {
    /// Opens a file and reads its first line.
    ///
    /// # Errors
    /// The outer one when it cannot be read; the inner one with all in its header that is not
    /// understood.
    pub(super) fn open(
        path: &Path,
        units: &BTreeMap<String, String>,
        skip: &[String],
    ) -> Result<Result<Self, Vec<String>>, Trouble> {
        let wrong = |source| Trouble::File { path: path.to_owned(), source };
        if !path.metadata().map_err(wrong)?.is_file() {
            return Err(Trouble::Transfer(format!(
                "{} is no file: an import reads it twice, once to see whether all is understood",
                path.display()
            )));
        }
        let mut first = Vec::new();
        let mut begin = File::open(path).map_err(wrong)?.take(MAX_RECORD as u64);
        BufReader::new(&mut begin).read_until(b'\n', &mut first).map_err(wrong)?;
        let delimiter = match first::text(&first) {
            Ok(first) => first::delimiter(first),
            Err(why) => return Ok(Err(vec![format!("line 1: {why}")])),
        };
        let mut reader = reader(path, delimiter)?;
        let headings = reader.headers().map_err(|error| unreadable(path, 1, &error))?;
        let headings: Vec<String> = headings
            .iter()
            .map(|one| without_return(one.trim_start_matches(BYTE_ORDER_MARK)).to_owned())
            .collect();
        let header = Header::read(&headings, units, skip);
        Ok(header.map(|header| Self { path: path.to_owned(), headings, header, delimiter }))
    }

    /// The lines after the first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn rows(&self) -> Result<Rows<'_>, Trouble> {
        let mut reader = reader(&self.path, self.delimiter)?;
        reader.headers().map_err(|error| unreadable(&self.path, 1, &error))?;
        Ok(Rows {
            table: self,
            reader,
            record: csv::ByteRecord::new(),
            order: Order::default(),
            decimals: Decimals::default(),
        })
    }
}

/// The lines of a file after the first.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    table: &'a Table,
    reader: csv::Reader<Lines>,
    record: csv::ByteRecord,
    order: Order,
    decimals: Decimals,
}

impl Rows<'_> {
    /// The next line and its number.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self, said: &Said) -> Result<Option<(u64, Line)>, Trouble> {
        let table = self.table;
        loop {
            let more = self.reader.read_byte_record(&mut self.record);
            let line = self.reader.position().line();
            if !more.map_err(|error| unreadable(&table.path, line, &error))? {
                return Ok(None);
            }
            // An empty line of Windows.
            if self.record.len() != 1 || self.record.get(0).is_some_and(|cell| cell != b"\r") {
                break;
            }
        }
        // Its own beginning would be that of the empty lines before it.
        let ends = |cell: &[u8]| cell.iter().filter(|byte| **byte == b'\n').count();
        let within: usize = self.record.iter().map(ends).sum();
        let number = self.reader.position().line().saturating_sub(1 + within as u64);
        let cells: Result<Vec<&str>, _> = self.record.iter().map(std::str::from_utf8).collect();
        let cells = cells.map_err(|_| {
            let bytes: Vec<u8> = self.record.iter().flatten().copied().collect();
            not_understood(&table.path, number, &first::encoding(&bytes))
        })?;
        let cells: Vec<&str> = cells.into_iter().map(without_return).collect();
        // Between cells that a comma parts, none can stand in a number.
        let decimal_comma = table.delimiter != b',';
        for cell in table.header.quantities.iter().filter_map(|(place, _)| cells.get(*place)) {
            let seen = if decimal_comma { self.decimals.see(number, cell.trim()) } else { Ok(()) };
            seen.map_err(|why| not_understood(&table.path, number, &why))?;
        }
        let line = match row::read(&cells, &self.table.header, said, decimal_comma) {
            Ok(Some(row)) => self.placed(row),
            Ok(None) => Line::Empty,
            Err(error) => Line::Bad(error),
        };
        Ok(Some((number, line)))
    }

    /// A row whose time is known, by the rows before where its own cell leaves two.
    fn placed(&mut self, mut row: Row) -> Line {
        let earlier = row.reading.at;
        if row.clock == Clock::Unset {
            return Line::Reading(Box::new(row));
        }
        let shown = match row.or_later {
            Some(later) => Shown::Twice(earlier, later),
            None => Shown::Once(earlier),
        };
        match (self.order.place(&row.device, &row.reading.sensor, shown), row.or_later) {
            (Some(at), _) => {
                row.reading.at = at;
                Line::Reading(Box::new(row))
            }
            (None, later) => {
                let (earlier, later) = (time(earlier), time(later.unwrap_or(earlier)));
                Line::Bad(RowError::Nonsense(format!(
                    "a clock that was put back showed this time twice, at {earlier} and at {later}, and the rows before do not tell which is meant: write it as one of these"
                )))
            }
        }
    }
}

/// A file with an end to its last line, so that each line is as many as it has ends.
type Lines = std::io::Chain<Guard<File>, &'static [u8]>;

fn reader(path: &Path, delimiter: u8) -> Result<csv::Reader<Lines>, Trouble> {
    let file =
        File::open(path).map_err(|source| Trouble::File { path: path.to_owned(), source })?;
    let lines = Guard::new(file, delimiter).chain(b"\n".as_slice());
    Ok(csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .terminator(csv::Terminator::Any(b'\n'))
        .flexible(true)
        .from_reader(lines))
}

/// Lines of Windows end with a carriage return before the line feed.
fn without_return(cell: &str) -> &str {
    cell.trim_end_matches('\r')
}

fn unreadable(path: &Path, line: u64, error: &csv::Error) -> Trouble {
    match error.kind() {
        csv::ErrorKind::Io(error) => match error.get_ref().and_then(|one| one.downcast_ref()) {
            Some(TooLong { line, why }) => not_understood(path, *line, why),
            None => Trouble::Transfer(format!("{} cannot be read: {error}", path.display())),
        },
        csv::ErrorKind::Utf8 { .. } => not_understood(path, line, &first::encoding(&[])),
        _ => not_understood(path, line, &error.to_string()),
    }
}

/// What makes a whole file one that is not understood, which is seen before anything is written.
fn not_understood(path: &Path, line: u64, why: &str) -> Trouble {
    Trouble::Transfer(format!("nothing was written:\n  {}, line {line}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_with_their_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.csv");
        std::fs::write(
            &path,
            "\u{feff}Zeit;temp\n1795456115;21,5\n\n1795456116;warm\n1795456117;\n",
        )
        .unwrap();
        let (units, skip) = (BTreeMap::new(), []);
        let problems = Table::open(&path, &units, &skip).unwrap().unwrap_err();
        assert!(problems.concat().contains("column \"Zeit\""), "{problems:?}");
        let text = std::fs::read_to_string(&path).unwrap().replace("Zeit", "time");
        std::fs::write(&path, &text).unwrap();
        let told = numbered(&path);
        assert_eq!(told, EXPECTED);
        std::fs::write(&path, text.trim_end().replace('\n', "\r\n")).unwrap();
        assert_eq!(numbered(&path), EXPECTED, "of Windows, and without an end");
    }

    #[test]
    fn a_file_that_is_not_understood_is_told_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.csv");
        let said = Said { device: Some("pi-1".try_into().unwrap()), ..Said::default() };
        for (text, part) in [
            (b"time,temp\n\n1795456115,\xff\n".as_slice(), "line 3: expected text in UTF-8"),
            (b"time,temp\n1795456115,1\n1795456116,\"2\n\n", "line 3: a quote is opened"),
            (b"time;temp\n1795456115;1,013\n1795456116;950.5\n", "line 3: found \"1,013\""),
        ] {
            std::fs::write(&path, text).unwrap();
            let table = Table::open(&path, &BTreeMap::new(), &[]).unwrap().unwrap();
            let mut rows = table.rows().unwrap();
            let error = loop {
                if let Err(error) = rows.next(&said) {
                    break error.to_string();
                }
            };
            let file = format!("{}, {part}", path.display());
            assert!(error.contains(&file), "{error}");
        }
        std::fs::write(&path, b"time,Temp (\xb0C)\n").unwrap();
        let problems = Table::open(&path, &BTreeMap::new(), &[]).unwrap().unwrap_err();
        assert!(problems[0].starts_with("line 1: expected text in UTF-8"), "{problems:?}");
    }

    const EXPECTED: [&str; 3] =
        ["2 reading", "4 temperature: expected a number, but found \"warm\"", "5 empty"];

    fn numbered(path: &Path) -> Vec<String> {
        let (units, skip) = (BTreeMap::new(), []);
        let table = Table::open(path, &units, &skip).unwrap().unwrap();
        let said = Said { device: Some("pi-1".try_into().unwrap()), ..Said::default() };
        let mut rows = table.rows().unwrap();
        let mut told = Vec::new();
        while let Some((number, line)) = rows.next(&said).unwrap() {
            told.push(match line {
                Line::Reading(_) => format!("{number} reading"),
                Line::Empty => format!("{number} empty"),
                Line::Bad(error) => format!("{number} {error}"),
            });
        }
        told
    }
}
