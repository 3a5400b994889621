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

/// When a clock on the wall showed a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// At one moment.
    Once(UnixMillis),
    /// At two, the earlier one first, because it was put back.
    Twice(UnixMillis, UnixMillis),
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

    /// When the clock on the wall showed a time; where it was put back over it, both times.
    pub(crate) fn read(&self, civil: DateTime) -> Result<Shown, CivilError> {
        let ambiguous = self.zone.to_ambiguous_timestamp(civil);
        let out_of_bounds = || CivilError::OutOfBounds(civil);
        let at = |timestamp: Result<Timestamp, jiff::Error>| {
            let timestamp = timestamp.map_err(|_| out_of_bounds())?;
            UnixMillis::new(timestamp.as_millisecond()).map_err(|_| out_of_bounds())
        };
        match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => Err(CivilError::Skipped(civil, self.name.clone())),
            AmbiguousOffset::Unambiguous { .. } => Ok(Shown::Once(at(ambiguous.compatible())?)),
            AmbiguousOffset::Fold { .. } => {
                Ok(Shown::Twice(at(ambiguous.earlier())?, at(ambiguous.later())?))
            }
        }
    }
}

impl FromStr for Zone {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        // Its other names are files of the database, which others may not know.
        let is_utc = |name: &str| UTC_NAMES.iter().any(|utc| utc.eq_ignore_ascii_case(name));
        if is_utc(name) {
            return Ok(Self::utc());
        }
        let zone = TimeZone::get(name).map_err(|error| {
            format!(
                "expected a time zone of this machine's database such as Europe/Berlin, but found {name:?} ({error}): `timedatectl list-timezones` lists them, the package tzdata has them"
            )
        })?;
        // However it is typed, it is written as the database does: others tell upper from lower case.
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Ok(Self { name, zone })
    }
}

/// What UTC is called, in the database and by people.
const UTC_NAMES: [&str; 8] =
    ["UTC", "Etc/UTC", "UCT", "Etc/UCT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"];

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
        for (typed, name) in [
            ("europe/berlin", "Europe/Berlin"),
            ("utc", "UTC"),
            ("etc/utc", "UTC"),
            ("Zulu", "UTC"),
        ] {
            assert_eq!(typed.parse::<Zone>().unwrap().name(), name, "{typed}");
        }
        let error = "Europe/Atlantis".parse::<Zone>().unwrap_err();
        assert!(error.contains("Atlantis") && error.contains("tzdata"), "{error}");
    }

    #[test]
    fn the_wall_clock_is_read_but_for_the_hour_that_was_not() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        let read = |text: &str| berlin.read(text.parse().unwrap());
        let at = |millis| UnixMillis::new(millis).unwrap();
        assert_eq!(read("2026-11-23 18:48:35.802"), Ok(Shown::Once(at(1_795_456_115_802))));
        let Ok(Shown::Twice(summer, winter)) = read("2026-10-25 02:30") else { panic!() };
        assert_eq!(berlin.write(summer), "2026-10-25T02:30:00.000+02:00");
        assert_eq!(berlin.write(winter), "2026-10-25T02:30:00.000+01:00");
        assert!(matches!(read("2026-03-29 02:30"), Err(CivilError::Skipped(..))));
        assert!(matches!(read("1960-01-01 00:00"), Err(CivilError::OutOfBounds(_))));
    }
}
