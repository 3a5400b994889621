//! An hour of a sensor, in parts of five minutes. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tidings_schema::{Content, UnixMillis, Value};

use super::sum::{Rollup, Sum};

/// An hour, in milliseconds.
pub const HOUR_MS: i64 = 3_600_000;

/// A part of it, in milliseconds: a day is then as many points as a chart is wide, or fewer.
pub const PART_MS: i64 = 300_000;

/// A day, in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

const PARTS: usize = 12;

const _: () = assert!(PART_MS * 12 == HOUR_MS && PARTS == 12, "the parts fill the hour");

/// The beginning of the hour, or of any other stretch, that a time is in.
#[must_use]
pub fn begin(at: UnixMillis, stretch_ms: i64) -> UnixMillis {
    at.offset(-(at.get() % stretch_ms)).unwrap_or(UnixMillis::MIN)
}

/// The readings of an hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Hour {
    /// When it begins.
    pub at: UnixMillis,
    parts: BTreeMap<usize, Rollup>,
}

impl Hour {
    /// Of no readings.
    #[must_use]
    pub const fn new(at: UnixMillis) -> Self {
        Self { at, parts: BTreeMap::new() }
    }

    /// Adds a reading, or says by `false` that it is of another hour.
    pub fn add(&mut self, at: UnixMillis, content: &Content) -> bool {
        let since = at.get() - self.at.get();
        if !(0..HOUR_MS).contains(&since) {
            return false;
        }
        let part = usize::try_from(since / PART_MS).unwrap_or(0);
        self.part(part).add(content);
        true
    }

    /// All of its readings.
    #[must_use]
    pub fn whole(&self) -> Rollup {
        let mut whole = Rollup::new(self.at);
        self.parts.values().for_each(|part| whole.merge(part));
        whole
    }

    /// The parts in which there are readings, in order.
    pub fn parts(&self) -> impl Iterator<Item = &Rollup> {
        self.parts.values()
    }

    /// The parts as the table holds them.
    #[must_use]
    pub fn text(&self) -> String {
        let mut parts = Parts::default();
        for (part, rollup) in &self.parts {
            parts.readings.push((*part, rollup.readings));
            for (fault, times) in &rollup.faults {
                parts.faults.entry(fault.clone()).or_default().push((*part, *times));
            }
            for (name, sum) in &rollup.sums {
                let Sum { n, min, mean, max } = sum.rounded();
                let row = (*part, n, min.get(), mean.get(), max.get());
                parts.sums.entry(name.clone()).or_default().push(row);
            }
        }
        serde_json::to_string(&parts).expect("numbers and texts are JSON")
    }

    /// Reads them back; `None` where it is no such text.
    #[must_use]
    pub fn read(at: UnixMillis, text: &str) -> Option<Self> {
        let parts: Parts = serde_json::from_str(text).ok()?;
        let mut hour = Self::new(at);
        let is_part = |part: usize| (part < PARTS).then_some(part);
        for (part, readings) in parts.readings {
            hour.part(is_part(part)?).readings = readings;
        }
        for (fault, rows) in parts.faults {
            for (part, times) in rows {
                hour.part(is_part(part)?).faults.insert(fault.clone(), times);
            }
        }
        for (name, rows) in parts.sums {
            for (part, n, min, mean, max) in rows {
                let value = |number| Value::new(number).ok();
                let sum = Sum { n, min: value(min)?, mean: value(mean)?, max: value(max)? };
                hour.part(is_part(part)?).sums.insert(name.clone(), sum);
            }
        }
        Some(hour)
    }

    fn part(&mut self, part: usize) -> &mut Rollup {
        let offset = i64::try_from(part).unwrap_or(0) * PART_MS;
        let at = self.at.offset(offset).unwrap_or(self.at);
        self.parts.entry(part).or_insert_with(|| Rollup::new(at))
    }
}

/// A part's number, how many values, the least, their mean, the greatest.
type Row = (usize, u64, f64, f64, f64);

/// The text `parts` of an hour's item: rows of a part's number from 0 to 11 and, by name, number,
/// least, mean and greatest.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Parts {
    readings: Vec<(usize, u64)>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    faults: BTreeMap<String, Vec<(usize, u64)>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sums: BTreeMap<String, Vec<Row>>,
}

#[cfg(test)]
mod tests {
    use tidings_schema::Fault;

    use super::*;

    #[test]
    fn an_hour_comes_back_from_its_text_and_its_parts_come_to_the_whole() {
        let at = begin(UnixMillis::new(1_795_456_115_802).unwrap(), HOUR_MS);
        assert_eq!(at.get() % HOUR_MS, 0);
        let mut hour = Hour::new(at);
        for minute in 0..60 {
            let value = Value::new(20.0 + f64::from(minute) / 8.0).unwrap();
            let content = Content::Values(vec![("temperature".try_into().unwrap(), value, None)]);
            let when = at.offset(i64::from(minute) * 60_000).unwrap();
            assert!(hour.add(when, &content));
        }
        assert!(hour.add(at.offset(HOUR_MS - 1).unwrap(), &Content::Fault(Fault::Checksum)));
        assert!(!hour.add(at.offset(HOUR_MS).unwrap(), &Content::Fault(Fault::Checksum)));
        assert!(!hour.add(at.offset(-1).unwrap(), &Content::Fault(Fault::Checksum)));
        assert_eq!(hour.parts().count(), 12);
        let last = hour.parts().last().unwrap();
        assert_eq!((last.at.get() - at.get(), last.readings), (55 * 60_000, 6));
        assert_eq!(Hour::read(at, &hour.text()).unwrap(), hour);
        let whole = hour.whole();
        assert_eq!((whole.readings, whole.faults["checksum"]), (61, 1));
        assert_eq!(whole.sums["temperature"].n, 60);
        for bad in ["", "{}", r#"{"readings":[[12,1]]}"#, r#"{"readings":[[0,-1]]}"#] {
            assert_eq!(Hour::read(at, bad), None, "{bad}");
        }
    }
}
