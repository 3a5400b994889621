//! A file of CSV, row by row.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use tidings_schema::Clock;

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

/// The marks between cells that are known, the first of which is the usual one.
const DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// A mark that some programs set before the text of a file.
const BYTE_ORDER_MARK: &str = "\u{feff}";

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
        let mut first = String::new();
        BufReader::new(File::open(path).map_err(wrong)?).read_line(&mut first).map_err(wrong)?;
        let delimiter = delimiter(&first);
        let mut reader = reader(path, delimiter)?;
        let headings = reader.headers().map_err(|error| unreadable(path, &error))?;
        let headings = headings
            .iter()
            .map(|one| without_return(one.trim_start_matches(BYTE_ORDER_MARK)).to_owned());
        let header = Header::read(&headings.collect::<Vec<_>>(), units, skip);
        Ok(header.map(|header| Self { path: path.to_owned(), header, delimiter }))
    }

    /// The lines after the first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn rows(&self) -> Result<Rows<'_>, Trouble> {
        let mut reader = reader(&self.path, self.delimiter)?;
        reader.headers().map_err(|error| unreadable(&self.path, &error))?;
        Ok(Rows { table: self, reader, record: csv::StringRecord::new(), order: Order::default() })
    }
}

/// The lines of a file after the first.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    table: &'a Table,
    reader: csv::Reader<Lines>,
    record: csv::StringRecord,
    order: Order,
}

impl Rows<'_> {
    /// The next line and its number.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn next(&mut self, said: &Said) -> Result<Option<(u64, Line)>, Trouble> {
        loop {
            let more = self.reader.read_record(&mut self.record);
            if !more.map_err(|error| unreadable(&self.table.path, &error))? {
                return Ok(None);
            }
            // An empty line of Windows.
            if self.record.len() != 1 || !without_return(&self.record[0]).is_empty() {
                break;
            }
        }
        // Its own beginning would be that of the empty lines before it.
        let within: usize = self.record.iter().map(|cell| cell.matches('\n').count()).sum();
        let number = self.reader.position().line().saturating_sub(1 + within as u64);
        let cells: Vec<&str> = self.record.iter().map(without_return).collect();
        // Between cells that a comma parts, none can stand in a number.
        let decimal_comma = self.table.delimiter != b',';
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
type Lines = std::io::Chain<File, &'static [u8]>;

fn reader(path: &Path, delimiter: u8) -> Result<csv::Reader<Lines>, Trouble> {
    let file =
        File::open(path).map_err(|source| Trouble::File { path: path.to_owned(), source })?;
    let lines = file.chain(b"\n".as_slice());
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

fn unreadable(path: &Path, error: &csv::Error) -> Trouble {
    Trouble::Transfer(format!("{} is no table of CSV in UTF-8: {error}", path.display()))
}

/// The mark that stands in the first line; commas go before others, which may stand in a name.
fn delimiter(first: &str) -> u8 {
    let found = DELIMITERS.into_iter().find(|mark| first.as_bytes().contains(mark));
    found.unwrap_or(DELIMITERS[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_between_cells_is_told_by_the_first_line() {
        for (line, mark) in
            [("time,a;b", b','), ("time;temp", b';'), ("time\ttemp", b'\t'), ("time", b',')]
        {
            assert_eq!(delimiter(line), mark, "{line}");
        }
    }

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
        std::fs::write(&path, b"time,temp\n1795456115,\xff\n").unwrap();
        let table = Table::open(&path, &units, &skip).unwrap().unwrap();
        let error = table.rows().unwrap().next(&Said::default()).unwrap_err();
        assert!(error.to_string().contains("UTF-8"));
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
