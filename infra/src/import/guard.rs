//! The bytes of a file of CSV, which never go on without an end to a record: a quote that is opened
//! and not closed would swallow all that comes after it.

use std::io::{self, Read};

/// The most bytes of a record: some thousand cells.
pub(super) const MAX_RECORD: usize = 64 * 1024;

/// A file that is read through, and its records measured.
#[derive(Debug)]
pub(super) struct Guard<R> {
    file: R,
    delimiter: u8,
    within: Within,
    /// The line that is being read, and the one where its record began.
    line: u64,
    began: u64,
    /// Bytes of the record so far.
    bytes: usize,
}

/// Where the next byte stands, as the reader of CSV sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    /// At the beginning of a cell: a quote opens here and nowhere else.
    Beginning,
    Cell,
    Quotes,
    /// After a quote within quotes, which closes them or is the first of two.
    Quote,
}

/// What is wrong with a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub(super) struct TooLong {
    pub(super) line: u64,
    pub(super) why: String,
}

impl<R: Read> Guard<R> {
    pub(super) const fn new(file: R, delimiter: u8) -> Self {
        Self { file, delimiter, within: Within::Beginning, line: 1, began: 1, bytes: 0 }
    }

    fn take(&mut self, byte: u8) -> Result<(), TooLong> {
        // A mark before the text of a file is none of its first cell.
        let is_mark = self.line == 1 && super::table::BYTE_ORDER_MARK.as_bytes().contains(&byte);
        self.bytes += 1;
        if byte == b'\n' {
            self.line += 1;
        }
        self.within = match (self.within, byte) {
            (Within::Beginning, _) if is_mark => Within::Beginning,
            (Within::Beginning, b'"') | (Within::Quote, b'"') => Within::Quotes,
            (Within::Quotes, b'"') => Within::Quote,
            (Within::Quotes, _) => Within::Quotes,
            (_, b'\n') => {
                self.bytes = 0;
                self.began = self.line;
                Within::Beginning
            }
            (_, other) if other == self.delimiter => Within::Beginning,
            _ => Within::Cell,
        };
        if self.bytes <= MAX_RECORD { Ok(()) } else { Err(self.too_long()) }
    }

    fn too_long(&self) -> TooLong {
        let why = match self.within {
            Within::Quotes => {
                "a quote is opened and not closed: close it, or take it away".to_owned()
            }
            Within::Beginning | Within::Cell | Within::Quote => format!(
                "it has more than {MAX_RECORD} bytes: expected lines of cells that commas, semicolons or tabs part"
            ),
        };
        TooLong { line: self.began, why }
    }
}

impl<R: Read> Read for Guard<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count == 0 && self.within == Within::Quotes && !buffer.is_empty() {
            return Err(io::Error::other(self.too_long()));
        }
        for byte in buffer.iter().take(count) {
            self.take(*byte).map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<usize, String> {
        let mut all = Vec::new();
        let read = Guard::new(text.as_bytes(), b',').read_to_end(&mut all);
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn a_quote_that_is_not_closed_is_told_with_the_line_where_its_record_begins() {
        let good = "\u{feff}\"ti\nme\",a\n1,\"a \"\"b\"\"\n\nc\"\n2,5\" pipe\n\"\",\"x\"\n";
        assert_eq!(read(good), Ok(good.len()));
        let expected = |line: u64| {
            Err(format!("line {line}: a quote is opened and not closed: close it, or take it away"))
        };
        assert_eq!(read("time,a\n1,2\n2,\"two\n3,4\n"), expected(3));
        let more = "5,6\n".repeat(MAX_RECORD);
        assert_eq!(read(&format!("time,a\n\"1\n\",2\n2,\"two\n{more}\"\n")), expected(4));
    }

    #[test]
    fn a_record_has_an_end() {
        assert!(read(&format!("time\n{}\n", "x".repeat(MAX_RECORD))).is_ok());
        let error = read(&format!("time\n{}\n", "x".repeat(MAX_RECORD + 1))).unwrap_err();
        assert!(error.starts_with("line 2: it has more than 65536 bytes"), "{error}");
    }
}
