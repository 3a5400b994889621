//! One row of a table to one reading. Pure.

use sha2::{Digest as _, Sha256};
use tidings_schema::measurement::Measurements;
use tidings_schema::{
    BootId, Clock, DeviceId, Fault, Measurement, Outcome, Reading, SensorId, Seq, UnixMillis, Value,
};

use super::header::{Header, Time};
use super::time::{self, TimeError};
use crate::export::zone::{Shown, Zone};

/// What the user says of rows that do not say it themselves, and must agree with those that do.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) device: Option<DeviceId>,
    pub(super) sensor: Option<SensorId>,
    pub(super) zone: Option<Zone>,
}

/// A reading, and what its message says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) device: DeviceId,
    pub(super) boot: BootId,
    pub(super) clock: Clock,
    /// The later of two times where a clock showed one twice, of which the reading has the earlier.
    pub(super) or_later: Option<UnixMillis>,
    pub(super) reading: Reading,
}

/// Why a row is no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum RowError {
    /// Nothing of the table can be placed in time before somebody says where it was.
    #[error("{0}")]
    NoZone(String),
    /// It makes no sense.
    #[error("{0}")]
    Nonsense(String),
}

/// The boot of readings that come without one, and the sensor of those that come without.
pub(super) const IMPORT: &str = "import";

/// What stands where there is no value.
const NOTHING: [&str; 6] = ["", "nan", "na", "n/a", "null", "none"];

/// Reads a row; `None` where it has neither values nor a fault. With `decimal_comma` a comma may
/// stand for the point in a value.
pub(super) fn read(
    cells: &[&str],
    header: &Header,
    said: &Said,
    decimal_comma: bool,
) -> Result<Option<Row>, RowError> {
    let nonsense = |text: String| RowError::Nonsense(text);
    if cells.len() != header.width {
        return Err(nonsense(format!(
            "expected {} cells as in the first line, but found {}",
            header.width,
            cells.len()
        )));
    }
    let cell = |place: usize| cells.get(place).map_or("", |cell| cell.trim());
    let text = |place: Option<usize>| place.map(cell).filter(|text| !text.is_empty());
    let mut values = Vec::new();
    for (place, heading) in &header.quantities {
        let found = cell(*place);
        if NOTHING.contains(&found.to_ascii_lowercase().as_str()) {
            continue;
        }
        let number = number(found, decimal_comma).ok_or_else(|| {
            let (quantity, found) = (heading.quantity(), quoted(found));
            nonsense(format!("{quantity}: expected a number, but found {found}"))
        })?;
        let value = Value::new(heading.value(number))
            .map_err(|error| nonsense(format!("{}: {error}", heading.quantity())))?;
        let unit = heading
            .unit()
            .ok_or_else(|| nonsense(format!("{} has no unit", heading.quantity())))?;
        values.push(Measurement { quantity: heading.quantity().clone(), unit, value });
    }
    let outcome = match (text(header.fault), values.is_empty()) {
        (None, true) => return Ok(None),
        (None, false) => Outcome::Measured(
            Measurements::new(values).map_err(|error| nonsense(error.to_string()))?,
        ),
        (Some(fault), true) => Outcome::Failed(Fault::from_name(fault).ok_or_else(|| {
            let names = Fault::ALL.map(Fault::name).join(", ");
            nonsense(format!("expected a fault ({names}), but found {}", quoted(fault)))
        })?),
        (Some(_), false) => return Err(nonsense("a fault has no values beside it".to_owned())),
    };
    let (shown, clock) = when(header, &cell, said.zone.as_ref())?;
    let device = agreed("device", text(header.device), said.device.as_ref())?;
    let device = device
        .ok_or_else(|| nonsense("nothing says of which device it is: say --device".to_owned()))?;
    let sensor = match agreed("sensor", text(header.sensor), said.sensor.as_ref())? {
        Some(sensor) => sensor,
        None => SensorId::try_from(IMPORT).map_err(|error| nonsense(error.to_string()))?,
    };
    let named = header.name.map(|(boot, seq)| (cell(boot), cell(seq)));
    let (boot, seq) = match named {
        Some((boot, seq)) if !(boot.is_empty() && seq.is_empty()) => {
            let seq = seq.parse::<u64>().map_err(|_| {
                nonsense(format!("expected a number in seq, but found {}", quoted(seq)))
            })?;
            (BootId::try_from(boot), Seq::try_from(seq))
        }
        Some(_) | None => (BootId::try_from(IMPORT), number_of(&outcome)),
    };
    let boot = boot.map_err(|error| nonsense(error.to_string()))?;
    let seq = seq.map_err(|error| nonsense(error.to_string()))?;
    let (at, or_later) = match shown {
        Shown::Once(at) => (at, None),
        Shown::Twice(earlier, later) => (earlier, Some(later)),
    };
    let reading = Reading { sensor, at, seq, outcome };
    Ok(Some(Row { device, boot, clock, or_later, reading }))
}

/// When a reading was taken, and from what its time counts.
fn when<'a>(
    header: &Header,
    cell: &impl Fn(usize) -> &'a str,
    zone: Option<&Zone>,
) -> Result<(Shown, Clock), RowError> {
    let nonsense = |text: String| RowError::Nonsense(text);
    let written = match header.time {
        Time::Whole(place) => cell(place).to_owned(),
        Time::Parts(date, time) => format!("{} {}", cell(date), cell(time)).trim().to_owned(),
    };
    let uptime = header.uptime.map(cell).filter(|text| !text.is_empty());
    match (written.is_empty(), uptime) {
        (true, Some(uptime)) => {
            let at = uptime.parse().ok().and_then(|millis| UnixMillis::new(millis).ok());
            let at = at.ok_or_else(|| {
                nonsense(format!("expected milliseconds of uptime, but found {}", quoted(uptime)))
            })?;
            Ok((Shown::Once(at), Clock::Unset))
        }
        (true, None) => Err(nonsense("it has no time".to_owned())),
        (false, Some(_)) => Err(nonsense("it has both a time and an uptime".to_owned())),
        (false, None) => match time::uptime(&written) {
            Some(at) => Ok((Shown::Once(at), Clock::Unset)),
            None => match time::read(&written, zone) {
                Ok(shown) => Ok((shown, Clock::Set)),
                Err(error @ TimeError::NoZone(_)) => Err(RowError::NoZone(error.to_string())),
                Err(TimeError::None(why)) => Err(nonsense(why)),
            },
        },
    }
}

/// What a row says of itself, which must be what the user says where both do.
fn agreed<T>(what: &str, written: Option<&str>, said: Option<&T>) -> Result<Option<T>, RowError>
where
    T: for<'a> TryFrom<&'a str, Error = tidings_schema::IdError>
        + PartialEq
        + Clone
        + std::fmt::Display,
{
    let nonsense = |text: String| RowError::Nonsense(text);
    let Some(written) = written else { return Ok(said.cloned()) };
    let written = T::try_from(written).map_err(|error| nonsense(error.to_string()))?;
    match said {
        Some(said) if *said != written => {
            Err(nonsense(format!("expected {what} {said} as --{what} says, but found {written}")))
        }
        Some(_) | None => Ok(Some(written)),
    }
}

/// What stands in a cell, cut to 64 characters, for a message.
pub(super) fn quoted(cell: &str) -> String {
    match cell.char_indices().nth(64) {
        Some((end, _)) => format!("{:?}…", cell.get(..end).unwrap_or_default()),
        None => format!("{cell:?}"),
    }
}

fn number(text: &str, decimal_comma: bool) -> Option<f64> {
    // Words for numbers, such as `inf`, are none.
    let allowed = |byte: u8| byte.is_ascii_digit() || b"+-.,eE".contains(&byte);
    if !text.bytes().all(allowed) {
        return None;
    }
    if decimal_comma { text.replacen(',', ".", 1).parse().ok() } else { text.parse().ok() }
}

/// What stands for the number of a reading that came without one: a hash of what it says, so that
/// the same row is the same item, and two rows of one time that say different things are two.
fn number_of(outcome: &Outcome) -> Result<Seq, tidings_schema::IdError> {
    let mut hash = Sha256::new();
    let mut take = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    };
    match outcome {
        Outcome::Failed(fault) => take(fault.name()),
        Outcome::Measured(values) => {
            // The order of a table's columns means nothing.
            let mut values: Vec<&Measurement> = values.as_slice().iter().collect();
            values.sort_by(|one, other| one.quantity.cmp(&other.quantity));
            for one in values {
                take(one.quantity.as_str());
                take(one.unit.name());
                take(&one.value.to_string());
            }
        }
    }
    let mut bits = [0; 8];
    bits.copy_from_slice(&hash.finalize()[..8]);
    Seq::try_from(u64::from_be_bytes(bits) % (Seq::MAX.get() + 1))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn header(headings: &str) -> Header {
        let headings: Vec<String> = headings.split(',').map(str::to_owned).collect();
        Header::read(&headings, &BTreeMap::new(), &[]).unwrap()
    }

    fn said() -> Said {
        Said {
            device: Some("pi-1".try_into().unwrap()),
            sensor: None,
            zone: Some("Europe/Berlin".parse().unwrap()),
        }
    }

    fn row(headings: &str, cells: &str) -> Result<Option<Row>, RowError> {
        let cells: Vec<&str> = cells.split(',').collect();
        read(&cells, &header(headings), &said(), false)
    }

    const OURS: &str = "time,uptime_ms,device,sensor,boot,seq,fault,temperature";

    #[test]
    fn a_row_of_export_is_the_reading_that_it_was() {
        let row = |cells| row(OURS, cells).unwrap().unwrap();
        let set = row("2026-11-23T17:48:35.802Z,,pi-1,s,k3v9x2qd,7,,21.5");
        assert_eq!((set.clock, set.reading.at.get()), (Clock::Set, 1_795_456_115_802));
        assert_eq!((set.boot.as_str(), set.reading.seq.get()), ("k3v9x2qd", 7));
        assert!(
            matches!(&set.reading.outcome, Outcome::Measured(values) if values.as_slice()[0].value.get() == 21.5)
        );
        let unset = row(",12,pi-1,s,b,8,timeout,");
        assert_eq!((unset.clock, unset.reading.at.get()), (Clock::Unset, 12));
        assert_eq!(unset.reading.outcome, Outcome::Failed(Fault::Timeout));
        let of_query = row("uptime 12 s,,pi-1,s,b,8,timeout,");
        assert_eq!((of_query.clock, of_query.reading.at.get()), (Clock::Unset, 12_000));
    }

    #[test]
    fn a_row_of_people_gets_a_name_that_is_made_of_it() {
        let one = row("date,temp (C),RH", "2026-11-23 18:48,21.5,40").unwrap().unwrap();
        assert_eq!((one.boot.as_str(), one.reading.sensor.as_str()), (IMPORT, IMPORT));
        assert_eq!(one.reading.at.get(), 1_795_456_080_000);
        let again =
            row("date,humidity,temperature", "2026-11-23 18:48,40.0,21.50").unwrap().unwrap();
        assert_eq!(one.reading.seq, again.reading.seq);
        let other = row("date,temp,RH", "2026-11-23 18:48,21.6,40").unwrap().unwrap();
        assert_ne!(one.reading.seq, other.reading.seq);
        let half = row("date,temp,RH", "2026-11-23 18:48,21.6,NaN").unwrap().unwrap();
        assert!(
            matches!(&half.reading.outcome, Outcome::Measured(values) if values.as_slice().len() == 1)
        );
        assert_eq!(row("date,temp,RH", "2026-11-23 18:48,,").unwrap(), None);
    }

    #[test]
    fn a_row_that_makes_no_sense_says_why() {
        let why = |headings, cells| match row(headings, cells) {
            Err(RowError::Nonsense(why)) => why,
            other => panic!("{other:?}"),
        };
        let long = format!("2026-11-23T17:48:35Z,,pi-1,s,b,7,,{}", "x".repeat(1000));
        assert!(why(OURS, &long).ends_with(&format!("found \"{}\"…", "x".repeat(64))));
        let long = format!("{},,pi-1,s,b,7,,1", "x".repeat(1000));
        assert!(why(OURS, &long).len() < 200, "{}", why(OURS, &long));
        for (cells, part) in [
            ("2026-11-23T17:48:35Z,,pi-1,s,b,7,", "expected 8 cells"),
            ("2026-11-23T17:48:35Z,,pi-1,s,b,7,,warm", "expected a number, but found \"warm\""),
            ("2026-11-23T17:48:35Z,,pi-1,s,b,7,,inf", "expected a number"),
            ("2026-11-23T17:48:35Z,,pi-1,s,b,7,,1e200", "temperature"),
            ("2026-11-23T17:48:35Z,,pi-1,s,b,7,tired,", "expected a fault"),
            ("2026-11-23T17:48:35Z,,pi-1,s,b,7,timeout,1", "no values beside"),
            ("2026-11-23T17:48:35Z,,pi-2,s,b,7,,1", "expected device pi-1"),
            ("2026-11-23T17:48:35Z,,pi-1,S,b,7,,1", "sensor id"),
            ("2026-11-23T17:48:35Z,,pi-1,s,B,7,,1", "boot id"),
            ("2026-11-23T17:48:35Z,,pi-1,s,b,x,,1", "number in seq"),
            ("2026-11-23T17:48:35Z,5,pi-1,s,b,7,,1", "both"),
            (",,pi-1,s,b,7,,1", "no time"),
            (",x,pi-1,s,b,7,,1", "uptime"),
            ("soon,,pi-1,s,b,7,,1", "expected a time"),
        ] {
            assert!(why(OURS, cells).contains(part), "{part} in {}", why(OURS, cells));
        }
        let header = header("time,temp");
        let nobody = read(&["1795456115", "21"], &header, &Said::default(), false);
        assert!(nobody.unwrap_err().to_string().contains("--device"));
        let nowhere = read(&["2026-11-23 17:48", "21"], &header, &Said::default(), false);
        assert!(matches!(nowhere, Err(RowError::NoZone(_))));
    }

    #[test]
    fn a_comma_is_a_point_only_where_it_parts_no_cells() {
        let header = header("time,temp");
        let value = |text: &str, comma| read(&["1795456115", text], &header, &said(), comma);
        assert!(value("21,5", false).is_err());
        let row = value("21,5", true).unwrap().unwrap();
        assert!(
            matches!(&row.reading.outcome, Outcome::Measured(values) if values.as_slice()[0].value.get() == 21.5)
        );
        assert!(value("1.021,5", true).is_err(), "a point for thousands");
    }
}
