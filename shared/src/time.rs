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
