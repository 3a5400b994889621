//! Readings as lines of text: CSV as `query` prints it, with the device, and JSON. Pure.

use serde::Serialize;
use tidings_schema::{Clock, UnixMillis};

use super::columns::Columns;
use super::zone::Zone;
use crate::Trouble;
use crate::dynamo::StoredReading;

/// The columns that every reading has. `uptime_ms` and `received_at` stand only where there are
/// readings without a time: when they came is all that anybody knows of when they were taken.
pub(crate) const FIXED: [&str; 8] =
    ["time", UPTIME, RECEIVED_AT, "device", "sensor", "boot", "seq", "fault"];

/// Milliseconds since a device was switched on, of a reading of which nobody knows the time. Not
/// `uptime`, which is a quantity.
pub(crate) const UPTIME: &str = "uptime_ms";

/// When a reading came.
pub(crate) const RECEIVED_AT: &str = "received_at";

/// The heading of a quantity: its name, and in brackets the unit that its values say themselves, or
/// nothing where only the brackets tell it from a column that every reading has.
pub(crate) fn heading(quantity: &str, unit: Option<&str>) -> String {
    match unit {
        Some(unit) => format!("{quantity} [{unit}]"),
        None if FIXED.contains(&quantity) => format!("{quantity} []"),
        None => quantity.to_owned(),
    }
}

/// The headings of a file.
pub(super) fn header(columns: &Columns, with_uptime: bool) -> Vec<String> {
    let fixed =
        FIXED.into_iter().filter(|name| with_uptime || ![UPTIME, RECEIVED_AT].contains(name));
    let quantities = columns.iter().map(|(name, unit)| heading(name, unit));
    fixed.map(str::to_owned).chain(quantities).collect()
}

/// A reading under [`header`]; a quantity that it does not have is empty.
pub(super) fn row(
    reading: &StoredReading,
    columns: &Columns,
    zone: &Zone,
    with_uptime: bool,
) -> Vec<String> {
    let (time, uptime) = match reading.clock {
        Clock::Set => (zone.write(reading.at), String::new()),
        Clock::Unset => (String::new(), reading.at.to_string()),
    };
    let mut row = vec![time];
    if with_uptime {
        let came = reading.received_at.and_then(|at| UnixMillis::new(at).ok());
        row.push(uptime);
        row.push(came.map(|at| zone.write(at)).unwrap_or_default());
    }
    row.push(reading.device.clone());
    row.push(reading.sensor.clone());
    row.push(reading.boot.to_string());
    row.push(reading.seq.to_string());
    row.push(reading.fault.clone().unwrap_or_default());
    let value = |name: &str| reading.values.get(name).map(f64::to_string).unwrap_or_default();
    row.extend(columns.iter().map(|(name, _)| value(name)));
    row
}

/// A reading as one line of JSON: as `query --format json`, with its time to read.
pub(super) fn line(reading: &StoredReading, zone: &Zone) -> Result<String, Trouble> {
    #[derive(Serialize)]
    struct Line<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<String>,
        #[serde(flatten)]
        reading: &'a StoredReading,
    }
    let time = (reading.clock == Clock::Set).then(|| zone.write(reading.at));
    serde_json::to_string(&Line { time, reading })
        .map_err(|error| Trouble::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::columns::shares;
    use super::super::columns::tests::reading;
    use super::*;

    #[test]
    fn a_row_stands_under_its_header() {
        let readings = [
            reading(1_795_456_115_802, &[("temperature", 21.5, None), ("seq", 1e-7, None)]),
            reading(1_795_456_115_803, &[("leaf", 3.0, Some("%"))]),
        ];
        let columns = shares([].iter(), &readings).remove(0).columns;
        let header = header(&columns, false).join(",");
        assert_eq!(header, "time,device,sensor,boot,seq,fault,leaf [%],seq [],temperature");
        let berlin: Zone = "Europe/Berlin".parse().unwrap();
        assert_eq!(
            row(&readings[0], &columns, &berlin, false).join(","),
            "2026-11-23T18:48:35.802+01:00,pi:1,s,b,7,,,0.0000001,21.5"
        );
        assert_eq!(
            line(&readings[1], &berlin).unwrap(),
            r#"{"time":"2026-11-23T18:48:35.803+01:00","device":"pi:1","sensor":"s","at":1795456115803,"boot":"b","seq":7,"values":{"leaf":3.0},"units":{"leaf":"%"},"received_at":1795456115808}"#
        );
    }

    #[test]
    fn a_reading_without_a_time_has_its_uptime() {
        let fault = StoredReading { clock: Clock::Unset, ..reading(12, &[]) };
        let columns = Columns::default();
        assert_eq!(
            header(&columns, true).join(","),
            "time,uptime_ms,received_at,device,sensor,boot,seq,fault"
        );
        let row = row(&fault, &columns, &Zone::utc(), true).join(",");
        assert_eq!(row, ",12,1970-01-01T00:00:00.017Z,pi:1,s,b,7,timeout");
        let line = line(&fault, &Zone::utc()).unwrap();
        assert!(
            line.starts_with(r#"{"device":"pi:1","sensor":"s","at":12,"clock":"unset""#),
            "{line}"
        );
    }
}
