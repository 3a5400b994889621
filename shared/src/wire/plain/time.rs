//! Timestamps as tutorials write them.

use crate::time::UnixMillis;
use crate::wire::foreign::whole_millis;

/// Milliseconds in one of the unit that a number of that magnitude is in: half-open ranges with gaps
/// between them, so that no time of this century can be taken for one in another unit.
const MAGNITUDES: [(f64, f64, f64); 4] =
    [(1e9, 1e11, 1e3), (1e12, 1e14, 1.0), (1e15, 1e17, 1e-3), (1e18, 1e20, 1e-6)];

/// A number as time; `None` where it is none.
pub(super) fn of_number(number: f64) -> Option<UnixMillis> {
    let (.., scale) = MAGNITUDES.iter().find(|(from, to, _)| (*from..*to).contains(&number))?;
    // Division by a power of ten is exact where multiplication by its inverse is not.
    let millis = if *scale < 1.0 { number / (1.0 / scale) } else { number * scale };
    UnixMillis::new(whole_millis(millis)).ok()
}

/// A text of RFC 3339 as time; `None` where it is none.
///
/// A space may stand for the `T`, seconds may have a fraction of any length, and the offset may be
/// left out (then it is UTC) or written without its colon.
pub(super) fn of_text(text: &str) -> Option<UnixMillis> {
    let mut rest = Cursor(text.trim().as_bytes());
    let year = rest.number(4)?;
    rest.one_of(b"-")?;
    let month = rest.number(2)?;
    rest.one_of(b"-")?;
    let day = rest.number(2)?;
    rest.one_of(b"Tt ")?;
    let hour = rest.number(2)?;
    rest.one_of(b":")?;
    let minute = rest.number(2)?;
    rest.one_of(b":")?;
    let second = rest.number(2)?;
    let fraction = if rest.one_of(b".").is_some() { rest.fraction()? } else { 0 };
    let offset = rest.offset()?;
    if !rest.0.is_empty() || !(1..=12).contains(&month) || hour > 23 || minute > 59 {
        return None;
    }
    // A leap second is where the next minute begins, as POSIX counts.
    let last_second = if minute == 59 { 60 } else { 59 };
    if !(1..=days_of(year, month)).contains(&day) || second > last_second {
        return None;
    }
    let minutes = (days_since_1970(year, month, day) * 24 + hour) * 60 + minute - offset;
    UnixMillis::new((minutes * 60 + second) * 1000 + fraction).ok()
}

struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn one_of(&mut self, allowed: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        if !allowed.contains(first) {
            return None;
        }
        self.0 = rest;
        Some(*first)
    }

    fn digit(&mut self) -> Option<i64> {
        self.one_of(b"0123456789").map(|byte| i64::from(byte - b'0'))
    }

    fn number(&mut self, digits: usize) -> Option<i64> {
        let mut number = 0;
        for _ in 0..digits {
            number = number * 10 + self.digit()?;
        }
        Some(number)
    }

    /// Digits after the point, as milliseconds, rounded.
    fn fraction(&mut self) -> Option<i64> {
        let mut tenths = self.digit()? * 1000;
        for scale in [100, 10, 1] {
            tenths += self.digit().unwrap_or(0) * scale;
        }
        while self.digit().is_some() {}
        Some((tenths + 5) / 10)
    }

    /// Minutes that the text is ahead of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.one_of(b"Zz+-") {
            None | Some(b'Z' | b'z') => return Some(0),
            Some(b'-') => -1,
            Some(_) => 1,
        };
        let hours = self.number(2)?;
        self.one_of(b":");
        let minutes = self.number(2)?;
        (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes))
    }
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `days_from_civil` of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms"
/// (<https://howardhinnant.github.io/date_algorithms.html>), for years from 0.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_times_by_their_magnitude() {
        for (number, millis) in [
            (1_795_456_115.0, 1_795_456_115_000),
            (1_795_456_115.802, 1_795_456_115_802),
            (1_795_456_115_802.0, 1_795_456_115_802),
            (1_795_456_115_802_499.0, 1_795_456_115_802),
            (1_795_456_115_802_499_000.0, 1_795_456_115_802),
            (1e9, 1_000_000_000_000),
        ] {
            assert_eq!(of_number(number).map(UnixMillis::get), Some(millis), "{number}");
        }
        // Below, between and above the ranges; and later than a time can be.
        for number in
            [0.0, 21.5, -1.8e9, 9.99e8, 1e11, 5e11, 1e14, 1e17, 1e20, 2e10, 9e13, f64::NAN]
        {
            assert_eq!(of_number(number), None, "{number}");
        }
    }

    #[test]
    fn texts_of_rfc_3339_are_times() {
        for (text, millis) in [
            ("1970-01-01T00:00:00Z", 0),
            // RFC 3339 section 5.8.
            ("1985-04-12T23:20:50.52Z", 482_196_050_520),
            ("1996-12-19T16:39:57-08:00", 851_042_397_000),
            ("1990-12-31T23:59:60Z", 662_688_000_000),
            ("1990-12-31T15:59:60-08:00", 662_688_000_000),
            ("1937-01-01T12:00:27.87+00:20", -1),
            ("2000-02-29T00:00:00Z", 951_782_400_000),
            ("2026-11-23T17:48:35.802Z", 1_795_456_115_802),
            ("2026-11-23 17:48:35.802", 1_795_456_115_802),
            ("2026-11-23t17:48:35.8019999z", 1_795_456_115_802),
            ("2026-11-23T18:48:35.9999+0100", 1_795_456_116_000),
            (" 2100-03-01T00:00:00Z ", 4_107_542_400_000),
        ] {
            let expected = (millis >= 0).then_some(millis);
            assert_eq!(of_text(text).map(UnixMillis::get), expected, "{text}");
        }
        for text in [
            "",
            "now",
            "2026-11-23",
            "2026-11-23T17:48Z",
            "2026-11-23T17:48:35.Z",
            "2026-11-23T17:48:35+1",
            "2026-11-23T17:48:35Zx",
            "2026-11-23T17:48:35+24:00",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-11-00T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T00:60:00Z",
            "2026-11-23T00:00:60Z",
            "23.11.2026 17:48:35",
            "2026-11-23T17:48:35\u{661}",
        ] {
            assert_eq!(of_text(text), None, "{text}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_the_day_after() {
        let mut day = days_since_1970(1970, 1, 1);
        assert_eq!(day, 0);
        for year in 1970..2370 {
            for month in 1..=12 {
                for of_month in 1..=days_of(year, month) {
                    assert_eq!(days_since_1970(year, month, of_month), day);
                    day += 1;
                }
            }
        }
    }
}
