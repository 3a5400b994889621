//! The time zone in which times are written and read.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ZonedDateTime};
use tidings_schema::UnixMillis;

/// A time zone of the system's database.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    name: String,
    zone: TimeZone,
}

/// Why a time by the clock on the wall is none of a zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CivilError {
    /// The clocks were put forward over it.
    #[error("{0} did not exist in {1}: the clocks were put forward over it")]
    Skipped(DateTime, String),
    /// It is before 1970 or after 2286.
    #[error("{0} is no time from 1970 to 2286")]
    OutOfBounds(DateTime),
}

impl Zone {
    /// UTC, which needs no database.
    pub(crate) fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// Its name, such as `Europe/Berlin`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A time as RFC 3339 with milliseconds and the zone's offset at that time; `Z` for UTC.
    pub(crate) fn write(&self, at: UnixMillis) -> String {
        let Ok(timestamp) = Timestamp::from_millisecond(at.get()) else { return at.to_string() };
        if self.zone == TimeZone::UTC {
            return format!("{timestamp:.3}");
        }
        let zoned: ZonedDateTime = timestamp.to_zoned_datetime(self.zone.clone());
        zoned.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }

    /// What the clock on the wall showed as time. Of the two times that it showed when it was put
    /// back, the first is meant.
    pub(crate) fn read(&self, civil: DateTime) -> Result<UnixMillis, CivilError> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        if matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. }) {
            return Err(CivilError::Skipped(civil, self.name.clone()));
        }
        let out_of_bounds = || CivilError::OutOfBounds(civil);
        let timestamp = ambiguous.compatible().map_err(|_| out_of_bounds())?;
        UnixMillis::new(timestamp.as_millisecond()).map_err(|_| out_of_bounds())
    }
}

impl FromStr for Zone {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        if name == "UTC" {
            return Ok(Self::utc());
        }
        let zone = TimeZone::get(name).map_err(|error| {
            format!(
                "expected a time zone of this machine's database such as Europe/Berlin, but found {name:?} ({error}): `timedatectl list-timezones` lists them, the package tzdata has them"
            )
        })?;
        Ok(Self { name: name.to_owned(), zone })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_offset_of_their_day() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let at = |text: &str| {
            UnixMillis::new(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap()
        };
        let winter = at("2026-11-23T17:48:35.802Z");
        assert_eq!(berlin.write(winter), "2026-11-23T18:48:35.802+01:00");
        assert_eq!(berlin.write(at("2026-07-01T00:00:00Z")), "2026-07-01T02:00:00.000+02:00");
        assert_eq!(Zone::utc().write(winter), "2026-11-23T17:48:35.802Z");
        assert_eq!("UTC".parse::<Zone>().unwrap().write(winter), "2026-11-23T17:48:35.802Z");
        let error = "Europe/Atlantis".parse::<Zone>().unwrap_err();
        assert!(error.contains("Atlantis") && error.contains("tzdata"), "{error}");
    }

    #[test]
    fn the_wall_clock_is_read_but_for_the_hour_that_was_not() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let read = |text: &str| berlin.read(text.parse().unwrap());
        assert_eq!(read("2026-11-23 18:48:35.802").unwrap().get(), 1_795_456_115_802);
        // Twice: 00:30Z with summer time, 01:30Z without. The first is meant.
        assert_eq!(
            berlin.write(read("2026-10-25 02:30").unwrap()),
            "2026-10-25T02:30:00.000+02:00"
        );
        assert!(matches!(read("2026-03-29 02:30"), Err(CivilError::Skipped(..))));
        assert!(matches!(read("1960-01-01 00:00"), Err(CivilError::OutOfBounds(_))));
    }
}
