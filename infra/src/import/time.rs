//! Times as they stand in tables. Pure.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use tidings_schema::UnixMillis;

use super::row::quoted;
use crate::export::zone::{Shown, Zone};

/// Why a text is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TimeError {
    /// It is by the clock on some wall, and nobody says on which.
    #[error("the time {} has no offset: say with --zone where it was (UTC, Europe/Berlin, …)", quoted(.0))]
    NoZone(String),
    /// It is none.
    #[error("{0}")]
    None(String),
}

/// Reads a time: RFC 3339, the same without an offset by the clock of `zone` (seconds may be left
/// out, or all of the time of day) or of the one that it says itself in brackets, or seconds or
/// milliseconds since 1970, told apart by their magnitude.
pub(super) fn read(text: &str, zone: Option<&Zone>) -> Result<Shown, TimeError> {
    let text = text.trim();
    let none = |why: String| TimeError::None(why);
    if let Ok(number) = text.parse::<f64>() {
        return of_number(number).map(Shown::Once).ok_or_else(|| {
            none(format!(
                "expected seconds (1e9 to 1e11) or milliseconds (1e12 to 1e14) since 1970, but found {}",
                quoted(text)
            ))
        });
    }
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        // Finer than a millisecond is rounded as elsewhere.
        let micros = timestamp.as_microsecond();
        let millis = (micros + 500).div_euclid(1000);
        return UnixMillis::new(millis).map(Shown::Once).map_err(|error| none(error.to_string()));
    }
    if let Some((civil, named)) = text.strip_suffix(']').and_then(|text| text.split_once('[')) {
        let zone = named.trim_start_matches('!');
        let zone = zone.get(..64).unwrap_or(zone).parse().map_err(none)?;
        return read(civil, Some(&zone));
    }
    let date = || text.parse::<Date>().ok().filter(|_| text.len() == "YYYY-MM-DD".len());
    let civil = match date() {
        Some(date) => date.to_datetime(jiff::civil::Time::midnight()),
        None => text.parse::<DateTime>().map_err(|_| {
            none(format!(
                "expected a time such as 2026-11-23T08:00:00Z, 2026-11-23 08:00 or seconds since 1970, but found {}",
                quoted(text)
            ))
        })?,
    };
    let zone = zone.ok_or_else(|| TimeError::NoZone(text.to_owned()))?;
    zone.read(civil).map_err(|error| none(error.to_string()))
}

/// The uptime that `query` prints in place of a time that nobody knows; earlier versions printed whole
/// seconds.
pub(super) fn uptime(text: &str) -> Option<UnixMillis> {
    let text = text.trim().strip_prefix("uptime ")?.strip_suffix(" s")?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "000"));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(seconds) || !is_number(fraction) || fraction.len() != 3 {
        return None;
    }
    let (seconds, millis): (i64, i64) = (seconds.parse().ok()?, fraction.parse().ok()?);
    UnixMillis::new(seconds.checked_mul(1000)?.checked_add(millis)?).ok()
}

fn of_number(number: f64) -> Option<UnixMillis> {
    let millis = if (1e9..1e11).contains(&number) {
        number * 1000.0
    } else if (1e12..1e14).contains(&number) {
        number
    } else {
        return None;
    };
    #[expect(clippy::cast_possible_truncation, reason = "it is below 1e14")]
    let millis = millis.round() as i64;
    UnixMillis::new(millis).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_and_programs_write_them() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        for (text, millis) in [
            ("2026-11-23T17:48:35.802Z", 1_795_456_115_802),
            ("2026-11-23T18:48:35.802+01:00", 1_795_456_115_802),
            ("2026-11-23 17:48:35.802400+00:00", 1_795_456_115_802),
            ("2026-11-23 18:48:35.802", 1_795_456_115_802),
            ("2026-11-23T18:48:35", 1_795_456_115_000),
            (" 2026-11-23 18:48 ", 1_795_456_080_000),
            ("2026-11-23", 1_795_388_400_000),
            ("1795456115", 1_795_456_115_000),
            ("1795456115.802", 1_795_456_115_802),
            ("1795456115802", 1_795_456_115_802),
        ] {
            let at = Shown::Once(UnixMillis::new(millis).unwrap());
            assert_eq!(read(text, Some(&berlin)), Ok(at), "{text}");
        }
        // What it says itself goes before what is said of the table.
        let of_tokyo = read("2026-11-24T02:48:35.802[Asia/Tokyo]", Some(&berlin));
        assert_eq!(of_tokyo, Ok(Shown::Once(UnixMillis::new(1_795_456_115_802).unwrap())));
        for text in ["2026-11-23T08:00[Europe/Atlantis]", "2026-11-23T08:00[u-ca=gregory]"] {
            assert!(matches!(read(text, Some(&berlin)), Err(TimeError::None(_))), "{text}");
        }
    }

    #[test]
    fn what_can_be_taken_for_two_times_is_none() {
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        for text in ["", "now", "23.11.2026 17:48", "11/23/2026", "12", "1e15", "2026-02-30", "NaN"]
        {
            assert!(matches!(read(text, Some(&berlin)), Err(TimeError::None(_))), "{text}");
        }
        assert!(matches!(read("2026-11-23 17:48", None), Err(TimeError::NoZone(_))));
        assert!(read("2026-11-23 17:48Z", None).is_ok());
        assert!(matches!(read("2026-03-29 02:30", Some(&berlin)), Err(TimeError::None(_))));
    }

    #[test]
    fn an_uptime_is_as_query_prints_it() {
        for (text, millis) in [("uptime 12 s", 12_000), (" uptime 754.023 s", 754_023)] {
            assert_eq!(uptime(text).map(UnixMillis::get), Some(millis), "{text}");
        }
        assert_eq!((uptime("uptime 1.5 s"), uptime("uptime 1.-05 s")), (None, None));
        assert_eq!(
            (uptime("12 s"), uptime("uptime x s"), uptime("uptime -1 s")),
            (None, None, None)
        );
    }
}
