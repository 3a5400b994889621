//! What the columns of a table mean. Pure.
//!
//! A table with the columns `boot` and `seq` is one that `query` or `export` wrote: its names are
//! taken as they stand. The headings of any other are understood as people write them, and what is
//! not understood is not guessed.

use std::collections::BTreeMap;

use tidings_schema::wire::plain::{Heading, normal};

use super::row::quoted;
use super::table::BYTE_ORDER_MARK;
use crate::export::rows::{RECEIVED_AT, UPTIME};

/// The columns by their places.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Header {
    pub(super) time: Time,
    pub(super) uptime: Option<usize>,
    pub(super) device: Option<usize>,
    pub(super) sensor: Option<usize>,
    /// Boot and number.
    pub(super) name: Option<(usize, usize)>,
    pub(super) fault: Option<usize>,
    pub(super) quantities: Vec<(usize, Heading)>,
    /// How many columns there are.
    pub(super) width: usize,
}

/// Where the time stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Time {
    /// In one column.
    Whole(usize),
    /// Date and time of day in two.
    Parts(usize, usize),
}

/// Names of a column that says when, in normal form.
const TIMES: [&str; 7] = ["time", "timestamp", "datetime", "date_time", "date", "time_stamp", "ts"];

/// Names of the others that measure nothing.
const DEVICE: &str = "device";
const SENSOR: &str = "sensor";
const BOOT: &str = "boot";
const SEQ: &str = "seq";
const FAULT: &str = "fault";

impl Header {
    /// Reads the headings. `units` are those that the user says of quantities, `skip` the columns
    /// that are to be passed over.
    ///
    /// # Errors
    /// With all that is not understood, a column each.
    pub(super) fn read(
        headings: &[String],
        units: &BTreeMap<String, String>,
        skip: &[String],
    ) -> Result<Self, Vec<String>> {
        let width = headings.len();
        let mut problems = Vec::new();
        let wanted = |heading: &&str| !skip.iter().any(|skipped| skipped.trim() == *heading);
        let headings: Vec<(usize, &str)> = headings
            .iter()
            .map(|heading| heading.trim())
            .enumerate()
            .filter(|(_, heading)| wanted(heading))
            .collect();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut measures = Vec::new();
        for (place, heading) in &headings {
            let (name, unit) = apart(heading);
            let fixed = unit.is_none().then(|| normal(name)).filter(|name| is_fixed(name));
            match fixed {
                Some(name) if places.contains_key(&name) => {
                    problems.push(format!("column {} stands twice", quoted(heading)));
                }
                Some(name) => {
                    places.insert(name, *place);
                }
                None => measures.push((*place, *heading, name, unit)),
            }
        }
        let at = |name: &str| places.get(name).copied();
        let time = time(&places).unwrap_or_else(|problem| {
            problems.push(problem);
            Time::Whole(0)
        });
        let name = match (at(BOOT), at(SEQ)) {
            (Some(boot), Some(seq)) => Some((boot, seq)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                problems.push(format!(
                    "columns {BOOT:?} and {SEQ:?} stand together or not at all: pass one over with --skip"
                ));
                None
            }
        };
        let mut quantities: Vec<(usize, Heading)> = Vec::new();
        for (place, heading, measure, unit) in measures {
            match quantity(measure, unit, units, name.is_some()) {
                Err(problem) => problems.push(format!("column {}: {problem}", quoted(heading))),
                Ok(found) => {
                    let is_same =
                        |(_, other): &&(usize, Heading)| other.quantity() == found.quantity();
                    if quantities.iter().any(|one| is_same(&one)) {
                        problems.push(format!(
                            "column {}: {} stands twice: pass one over with --skip",
                            quoted(heading),
                            found.quantity()
                        ));
                    }
                    quantities.push((place, found));
                }
            }
        }
        if quantities.is_empty() && at(FAULT).is_none() && problems.is_empty() {
            problems.push("no column measures anything".to_owned());
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            time,
            uptime: at(UPTIME),
            device: at(DEVICE),
            sensor: at(SENSOR),
            name,
            fault: at(FAULT),
            quantities,
            width,
        })
    }
}

/// Whether one of these headings is that of a column that says when.
pub(super) fn says_when(headings: &[String]) -> bool {
    let name = |heading: &String| normal(heading.trim_start_matches(BYTE_ORDER_MARK).trim());
    headings.iter().map(name).any(|name| TIMES.contains(&name.as_str()))
}

fn is_fixed(name: &str) -> bool {
    // When a reading came is told anew when it is imported.
    TIMES.contains(&name) || [UPTIME, RECEIVED_AT, DEVICE, SENSOR, BOOT, SEQ, FAULT].contains(&name)
}

fn time(places: &BTreeMap<String, usize>) -> Result<Time, String> {
    let found: Vec<(&str, usize)> =
        TIMES.iter().filter_map(|name| Some((*name, *places.get(*name)?))).collect();
    match found.as_slice() {
        [(_, place)] => Ok(Time::Whole(*place)),
        [("time", time), ("date", date)] => Ok(Time::Parts(*date, *time)),
        [] => Err(format!("no column says when: expected one of {}", TIMES.join(", "))),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            Err(format!(
                "columns {} all say when: pass over all but one with --skip",
                names.join(", ")
            ))
        }
    }
}

/// A heading's name, and what stands in brackets behind it.
fn apart(heading: &str) -> (&str, Option<&str>) {
    let of = |open: char, close: char| {
        let (name, unit) = heading.strip_suffix(close)?.split_once(open)?;
        Some((name.trim(), Some(unit.trim())))
    };
    of('(', ')').or_else(|| of('[', ']')).unwrap_or((heading, None))
}

fn quantity(
    name: &str,
    unit: Option<&str>,
    units: &BTreeMap<String, String>,
    is_ours: bool,
) -> Result<Heading, String> {
    // Empty brackets only tell a quantity from another column of that name.
    let unit = unit.filter(|unit| !unit.is_empty());
    let read = |unit| if is_ours { Heading::exact(name, unit) } else { Heading::read(name, unit) };
    // What the user says goes before what the table says, which may be no unit at all.
    let said = read(None).ok().and_then(|heading| units.get(heading.quantity().as_str()));
    let heading = read(said.map(String::as_str).or(unit)).map_err(|error| {
        format!("{error}: rename it, say its unit with --unit, or pass it over with --skip")
    })?;
    if heading.unit().is_none() {
        let quantity = heading.quantity();
        return Err(format!(
            "{quantity} is a quantity of your own, and its unit is not known: say it with --unit {quantity}=UNIT (SenML; / for a ratio, count for a number of things), or pass the column over with --skip"
        ));
    }
    Ok(heading)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(headings: &[&str], units: &[(&str, &str)]) -> Result<Header, Vec<String>> {
        let headings: Vec<String> = headings.iter().map(|one| (*one).to_owned()).collect();
        let units = units.iter().map(|(name, unit)| ((*name).to_owned(), (*unit).to_owned()));
        Header::read(&headings, &units.collect(), &["note".to_owned()])
    }

    fn quantities(header: &Header) -> Vec<String> {
        let text = |(place, one): &(usize, Heading)| {
            format!("{place} {} {}", one.quantity(), one.unit().unwrap())
        };
        header.quantities.iter().map(text).collect()
    }

    #[test]
    fn what_export_and_query_write_is_taken_as_it_stands() {
        let header = read(
            &[
                "time",
                "uptime_ms",
                "received_at",
                "device",
                "sensor",
                "boot",
                "seq",
                "fault",
                "temp [Cel]",
                "seq [count]",
                "temperature",
            ],
            &[],
        )
        .unwrap();
        assert_eq!(
            (header.time, header.uptime, header.name),
            (Time::Whole(0), Some(1), Some((5, 6)))
        );
        assert_eq!((header.device, header.sensor, header.fault), (Some(3), Some(4), Some(7)));
        assert_eq!(quantities(&header), ["8 temp Cel", "9 seq count", "10 temperature Cel"]);
        assert_eq!(header.width, 11);
    }

    #[test]
    fn people_s_tables_are_understood() {
        let header = read(
            &["Timestamp", "note", "Temperature (°C)", "RH [%]", "Pressure", "Leaf wetness"],
            &[("leaf_wetness", "%"), ("pressure", "Pa")],
        )
        .unwrap();
        assert_eq!(header.time, Time::Whole(0));
        assert_eq!(
            quantities(&header),
            ["2 temperature Cel", "3 humidity %RH", "4 pressure Pa", "5 leaf_wetness %"]
        );
        let header = read(&["Date", "Time", "temp [F]"], &[]).unwrap();
        assert_eq!(header.time, Time::Parts(0, 1));
        assert_eq!(header.quantities[0].1.value(70.7), 21.5);
    }

    #[test]
    fn all_that_is_not_understood_is_named_at_once() {
        let problems =
            read(&["ts", "comment", "Größe", "temp", "temperature", "boot", "ph [hPa]"], &[]);
        let problems = problems.unwrap_err();
        for (problem, part) in problems.iter().zip([
            "\"boot\" and \"seq\"",
            "--unit comment=UNIT",
            "\"Größe\"",
            "temperature stands twice",
            "\"ph [hPa]\"",
        ]) {
            assert!(problem.contains(part), "{part} in {problem}");
        }
        assert_eq!(problems.len(), 5, "{problems:?}");
        assert!(read(&["temperature"], &[]).unwrap_err()[0].contains("no column says when"));
        assert!(read(&["ts", "time", "temp"], &[]).unwrap_err()[0].contains("all say when"));
        assert!(read(&["time", "note"], &[]).unwrap_err()[0].contains("measures"));
    }

    #[test]
    fn a_name_of_ours_is_no_short_name() {
        let ours = ["time", "boot", "seq", "temp"];
        assert!(read(&ours, &[]).unwrap_err()[0].contains("--unit temp=UNIT"));
        assert_eq!(quantities(&read(&ours, &[("temp", "Cel")]).unwrap()), ["3 temp Cel"]);
    }
}
