//! What DynamoDB counts as the size of an item.
//!
//! "The size of an attribute is the length of the attribute name + the length of the value": a
//! string's UTF-8 bytes; a number's "approximately (1 byte per two significant digits) + (1 byte)",
//! and one more where it is negative; binary data's raw bytes; for a map "3 bytes + the size of the
//! contents", and "each … Map element also requires 1 byte of overhead". (DynamoDB developer guide,
//! "DynamoDB item sizes and formats".)

use std::fmt::{self, Display, Write};

use super::attributes::{Sink, describe, reading};
use crate::item::{Item, ReadingItem};

/// "The maximum item size in DynamoDB is 400 KB", names and values together.
pub const MAX_ITEM_BYTES: usize = 400 * 1024;

/// What a write is charged by: an item of up to this size is one write unit.
pub const WRITE_UNIT_BYTES: usize = 1024;

/// "up to 38 digits of precision": 19 bytes, one for the sign, one for the exponent.
const MAX_NUMBER_BYTES: usize = 21;

/// Size of an item in bytes, never less than DynamoDB counts.
#[must_use]
pub fn of(item: &Item) -> usize {
    let number = |value: &dyn Display| {
        let mut digits = Digits(0);
        let _infallible = write!(digits, "{value}");
        (digits.0.div_ceil(2) + 2).min(MAX_NUMBER_BYTES)
    };
    let mut size = Size { bytes: 0, depth: 0, number };
    describe(item, &mut size);
    size.bytes
}

/// A size in bytes that the reading's item does not exceed, found without looking at its numbers.
#[must_use]
pub fn of_reading_at_most(item: &ReadingItem) -> usize {
    let mut size = Size { bytes: 0, depth: 0, number: |_: &dyn Display| MAX_NUMBER_BYTES };
    reading(item, &mut size);
    size.bytes
}

struct Size<F> {
    bytes: usize,
    depth: usize,
    number: F,
}

impl<F> Size<F> {
    fn add(&mut self, name: &str, value: usize) {
        self.bytes += name.len() + value + usize::from(self.depth > 0);
    }
}

impl<F: Fn(&dyn Display) -> usize> Sink for Size<F> {
    fn text(&mut self, name: &str, value: &str) {
        self.add(name, value.len());
    }

    fn number(&mut self, name: &str, value: impl Display) {
        let bytes = (self.number)(&value);
        self.add(name, bytes);
    }

    fn binary(&mut self, name: &str, value: &[u8]) {
        self.add(name, value.len());
    }

    fn begin_map(&mut self, name: &str) {
        self.add(name, 3);
        self.depth += 1;
    }

    fn end_map(&mut self) {
        self.depth -= 1;
    }
}

struct Digits(usize);

impl fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.bytes().filter(u8::is_ascii_digit).count();
        Ok(())
    }
}
