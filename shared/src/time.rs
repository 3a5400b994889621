//! The one timestamp type.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, from 0 to 13 digits (the year 2286), so that a table
/// key of 13 digits sorts by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct UnixMillis(i64);

/// A time outside of what [`UnixMillis`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("time out of bounds: {found} ms, expected 0 to {} ms", UnixMillis::MAX.0)]
pub struct TimeError {
    /// What was to become a time, in milliseconds.
    pub found: i64,
}

impl UnixMillis {
    /// Digits in a table key.
    pub const DIGITS: usize = 13;
    /// The latest time.
    pub const MAX: Self = Self(9_999_999_999_999);
    /// The earliest time.
    pub const MIN: Self = Self(0);

    /// Takes milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// When `millis` is negative or has more than 13 digits.
    pub const fn new(millis: i64) -> Result<Self, TimeError> {
        if millis >= 0 && millis <= Self::MAX.0 {
            Ok(Self(millis))
        } else {
            Err(TimeError { found: millis })
        }
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn get(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down: the unit of DynamoDB's TTL.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0 / 1000
    }

    /// The day in UTC, as `YYYY-MM-DD`.
    ///
    /// The algorithm is `civil_from_days` of Howard Hinnant's "chrono-Compatible Low-Level Date
    /// Algorithms" (<https://howardhinnant.github.io/date_algorithms.html>), for days since 1970.
    #[must_use]
    pub fn date(self) -> String {
        let z = self.0 / 86_400_000 + 719_468;
        let era = z / 146_097;
        let day_of_era = z % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        format!("{year:04}-{month:02}-{day:02}")
    }

    /// This time moved by `millis` (which may be negative).
    ///
    /// # Errors
    /// When the result is out of bounds.
    pub const fn offset(self, millis: i64) -> Result<Self, TimeError> {
        Self::new(self.0.saturating_add(millis))
    }
}

impl TryFrom<i64> for UnixMillis {
    type Error = TimeError;
    fn try_from(millis: i64) -> Result<Self, TimeError> {
        Self::new(millis)
    }
}

impl From<UnixMillis> for i64 {
    fn from(time: UnixMillis) -> i64 {
        time.0
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, date) in [
            (0, "1970-01-01"),
            (951_782_399_999, "2000-02-28"),
            (951_782_400_000, "2000-02-29"),
            (951_868_800_000, "2000-03-01"),
            (1_577_836_800_000, "2020-01-01"),
            (1_795_456_115_802, "2026-11-23"),
            (4_107_542_400_000, "2100-03-01"),
            (9_999_999_999_999, "2286-11-20"),
        ] {
            assert_eq!(UnixMillis::new(millis).unwrap().date(), date);
        }
    }

    #[test]
    fn times_out_of_bounds_are_refused() {
        assert!(UnixMillis::new(-1).is_err());
        assert!(UnixMillis::MAX.offset(1).is_err());
        assert!(UnixMillis::MIN.offset(i64::MIN).is_err());
        assert!(UnixMillis::MAX.offset(i64::MAX).is_err());
    }
}
