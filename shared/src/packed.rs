//! Several readings of one sensor in one item of the table `readings`: the layout `packed`.
//!
//! DynamoDB charges a write for each started kilobyte of an item, and one reading fills a fifth of
//! that. So readings of one sensor and boot that came in one message share an item, as text:
//!
//! ```text
//! pk      <device>#<sensor>
//! sk      <13-digit ms>#<boot>#<12-digit seq>#<16 hex digits>
//!         time, boot and number of the first reading; a hash of the text
//! packed  {"series":[{"fields":[["temperature"],["leaf_wetness","%"]],"rows":[[0,1042,21.53,40]]}],
//!          "faults":[[2000,1044,"timeout"]]}
//!         rows as on the wire: milliseconds after the first reading, number, values; a unit stands
//!         only beside a quantity that has no canonical one
//! ```
//!
//! A retry of a message makes the same items again. The same reading may yet stand in two packs,
//! when a device has sent it in two messages: the hash keeps one pack from replacing another that
//! begins alike and holds other readings, and readers take each (time, boot, number) once.
//!
//! A pack spans less than [`SPAN_MS`], so that a window of time needs to look only so far before its
//! beginning.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::content::Content;
use crate::fault::Fault;
use crate::ids::Seq;
use crate::key;
use crate::measurement::Value;
use crate::quantity::Quantity;
use crate::time::UnixMillis;
use crate::unit::Unit;

/// What one pack spans at the most, in milliseconds: an hour.
pub const SPAN_MS: i64 = 60 * 60 * 1000;

/// One reading of a pack.
#[derive(Debug, Clone, PartialEq)]
pub struct PackedReading {
    /// When it was taken.
    pub at: UnixMillis,
    /// Its number within the boot.
    pub seq: Seq,
    /// What it says.
    pub content: Content,
}

/// Why a text is no pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It is not JSON of this shape.
    #[error("the item's text is no pack of readings")]
    Malformed(#[from] serde_json::Error),
    /// One of its rows is no reading.
    #[error("a row of the pack is no reading: {0}")]
    Row(String),
}

/// Puts readings of one sensor and boot into a text, until it is full.
#[derive(Debug)]
pub struct Packer {
    first: UnixMillis,
    last: UnixMillis,
    series: Vec<(String, String)>,
    faults: String,
    limit: usize,
    length: usize,
}

const EMPTY: usize = r#"{"series":[],"faults":[]}"#.len();

impl Packer {
    /// A pack that begins with a reading of this time, and has room for `limit` bytes of text. The
    /// first reading always fits.
    #[must_use]
    pub fn new(first: UnixMillis, limit: usize) -> Self {
        Self { first, last: first, series: Vec::new(), faults: String::new(), limit, length: EMPTY }
    }

    /// Takes a reading, or says by `false` that it belongs into the next pack.
    pub fn add(&mut self, at: UnixMillis, seq: Seq, content: &Content) -> bool {
        let offset = at.get() - self.first.get();
        // In order of time, so that the key is that of the earliest.
        if !(0..SPAN_MS).contains(&offset) || at < self.last {
            return false;
        }
        let mut row = format!("[{offset},{seq}");
        let fields = match content {
            Content::Fault(fault) => {
                let _infallible = write!(row, ",\"{fault}\"]");
                None
            }
            Content::Values(values) => {
                let mut fields = String::from("[");
                for (index, (quantity, value, unit)) in values.iter().enumerate() {
                    let _infallible = write!(row, ",{value}");
                    let comma = if index == 0 { "" } else { "," };
                    let _infallible = match unit {
                        Some(unit) => write!(fields, "{comma}[\"{quantity}\",\"{unit}\"]"),
                        None => write!(fields, "{comma}[\"{quantity}\"]"),
                    };
                }
                row.push(']');
                fields.push(']');
                Some(fields)
            }
        };
        let is_first = self.length == EMPTY;
        let known = fields
            .as_ref()
            .and_then(|fields| self.series.iter().position(|(these, _)| these == fields));
        let head = match (&fields, known) {
            (Some(fields), None) => r#"{"fields":,"rows":[]},"#.len() + fields.len(),
            (Some(_), Some(_)) | (None, _) => 1,
        };
        if !is_first && self.length + head + row.len() > self.limit {
            return false;
        }
        self.length += head + row.len();
        self.last = at;
        let rows = match (fields, known) {
            (None, _) => &mut self.faults,
            (Some(_), Some(index)) => &mut self.series[index].1,
            (Some(fields), None) => {
                self.series.push((fields, String::new()));
                &mut self.series.last_mut().expect("it was just pushed").1
            }
        };
        if !rows.is_empty() {
            rows.push(',');
        }
        rows.push_str(&row);
        true
    }

    /// The text.
    #[must_use]
    pub fn finish(self) -> String {
        let mut text = String::with_capacity(self.length);
        text.push_str("{\"series\":[");
        for (index, (fields, rows)) in self.series.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            let _infallible = write!(text, "{comma}{{\"fields\":{fields},\"rows\":[{rows}]}}");
        }
        let _infallible = write!(text, "],\"faults\":[{}]}}", self.faults);
        text
    }
}

#[derive(Deserialize)]
struct Text {
    series: Vec<Series>,
    faults: Vec<(i64, u64, String)>,
}

#[derive(Deserialize)]
struct Series {
    fields: Vec<Vec<String>>,
    rows: Vec<Vec<serde_json::Number>>,
}

/// Reads a pack whose first reading is of this time. The readings are in order of their time.
///
/// # Errors
/// When the text is none that [`Packer`] writes.
pub fn read(text: &str, first: UnixMillis) -> Result<Vec<PackedReading>, PackError> {
    let text: Text = serde_json::from_str(text)?;
    let mut readings = Vec::new();
    let bad = |what: &dyn std::fmt::Display| PackError::Row(what.to_string());
    for series in &text.series {
        let mut fields = Vec::with_capacity(series.fields.len());
        for field in &series.fields {
            let (name, unit) = match field.as_slice() {
                [name] => (name, None),
                [name, unit] => (name, Some(unit)),
                _ => return Err(bad(&"a field is a quantity, or a quantity and a unit")),
            };
            let quantity = Quantity::try_from(name.as_str()).map_err(|error| bad(&error))?;
            let unit = unit
                .map(|unit| Unit::try_from(unit.as_str()))
                .transpose()
                .map_err(|error| bad(&error))?;
            fields.push((quantity, unit));
        }
        for row in &series.rows {
            let [offset, seq, values @ ..] = row.as_slice() else {
                return Err(bad(&"it is too short"));
            };
            let whole = offset.as_i64().zip(seq.as_u64());
            let (offset, seq) = whole.ok_or_else(|| bad(&"it begins with two whole numbers"))?;
            if values.len() != fields.len() {
                return Err(bad(&"it has not as many values as there are fields"));
            }
            let values = values.iter().zip(&fields).map(|(number, (quantity, unit))| {
                let value = number.as_f64().unwrap_or(f64::NAN);
                let value = Value::new(value).map_err(|error| bad(&error))?;
                Ok((quantity.clone(), value, *unit))
            });
            let content = Content::Values(values.collect::<Result<_, PackError>>()?);
            readings.push(reading(first, offset, seq, content)?);
        }
    }
    for (offset, seq, name) in &text.faults {
        let fault = Fault::from_name(name).ok_or_else(|| bad(&format!("no fault {name:?}")))?;
        readings.push(reading(first, *offset, *seq, Content::Fault(fault))?);
    }
    readings.sort_by_key(|reading| (reading.at, reading.seq));
    Ok(readings)
}

fn reading(
    first: UnixMillis,
    offset: i64,
    seq: u64,
    content: Content,
) -> Result<PackedReading, PackError> {
    let at = first.offset(offset).map_err(|error| PackError::Row(error.to_string()))?;
    let seq = Seq::try_from(seq).map_err(|error| PackError::Row(error.to_string()))?;
    Ok(PackedReading { at, seq, content })
}

/// The sort key of a pack: that of its first reading, and a hash of its text.
#[must_use]
pub fn sort_key(first_reading: &str, hash: [u8; 8]) -> String {
    format!("{first_reading}#{:016x}", u64::from_be_bytes(hash))
}

/// Takes the sort key of a pack apart into time and boot of its first reading; `None` where it is
/// that of a single reading, or none of ours.
#[must_use]
pub fn parse_sort_key(sk: &str) -> Option<(UnixMillis, crate::BootId)> {
    let (first, hash) = sk.rsplit_once('#')?;
    let (at, boot, _) = key::parse_sort_key(first)?;
    (hash.len() == 16).then_some((at, boot))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> UnixMillis {
        UnixMillis::new(millis).unwrap()
    }

    fn values(list: &[(&str, f64, Option<&str>)]) -> Content {
        let value = |(name, value, unit): &(&str, f64, Option<&str>)| {
            let unit = unit.map(|unit| Unit::try_from(unit).unwrap());
            (Quantity::try_from(*name).unwrap(), Value::new(*value).unwrap(), unit)
        };
        Content::Values(list.iter().map(value).collect())
    }

    #[test]
    fn a_pack_is_what_the_header_says() {
        let mut packer = Packer::new(at(1_795_456_115_802), 1000);
        let one = values(&[("temperature", 21.53, None), ("leaf_wetness", 40.0, Some("%"))]);
        assert!(packer.add(at(1_795_456_115_802), Seq::try_from(1042).unwrap(), &one));
        let fault = Content::Fault(Fault::Timeout);
        assert!(packer.add(at(1_795_456_117_802), Seq::try_from(1044).unwrap(), &fault));
        assert_eq!(
            packer.finish(),
            r#"{"series":[{"fields":[["temperature"],["leaf_wetness","%"]],"rows":[[0,1042,21.53,40]]}],"faults":[[2000,1044,"timeout"]]}"#
        );
        let sk = sort_key("1795456115802#k3v9x2qd#000000001042", [0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(sk, "1795456115802#k3v9x2qd#000000001042#0000000000000102");
        assert_eq!(parse_sort_key(&sk).unwrap().0, at(1_795_456_115_802));
        assert_eq!(key::parse_sort_key(&sk), None, "none of a single reading");
        assert_eq!(parse_sort_key("1795456115802#k3v9x2qd#000000001042"), None);
    }

    #[test]
    fn a_pack_ends_with_the_hour_and_with_its_room() {
        let mut packer = Packer::new(at(0), 1000);
        let one = values(&[("temperature", 21.5, None)]);
        assert!(packer.add(at(0), Seq::default(), &one));
        assert!(!packer.add(at(SPAN_MS), Seq::default(), &one));
        assert!(packer.add(at(SPAN_MS - 1), Seq::default(), &one));
        assert!(!packer.add(at(5), Seq::default(), &one), "not before the last");
        let mut small = Packer::new(at(0), 1);
        assert!(small.add(at(0), Seq::default(), &one), "the first always fits");
        assert!(!small.add(at(1), Seq::default(), &one));
    }

    #[test]
    fn what_is_no_pack_is_an_error() {
        for bad in [
            "",
            "[]",
            r#"{"series":[{"fields":[["T"]],"rows":[]}],"faults":[]}"#,
            r#"{"series":[{"fields":[["a","b","c"]],"rows":[]}],"faults":[]}"#,
            r#"{"series":[{"fields":[["a"]],"rows":[[0,1]]}],"faults":[]}"#,
            r#"{"series":[{"fields":[["a"]],"rows":[[0]]}],"faults":[]}"#,
            r#"{"series":[{"fields":[["a"]],"rows":[[0.5,1,2]]}],"faults":[]}"#,
            r#"{"series":[],"faults":[[0,1,"tired"]]}"#,
            r#"{"series":[],"faults":[[-1,1,"timeout"]]}"#,
        ] {
            assert!(read(bad, at(0)).is_err(), "{bad}");
        }
    }

    fn any_content() -> impl Strategy<Value = Content> {
        prop_oneof![
            prop::sample::select(Fault::ALL.as_slice()).prop_map(Content::Fault),
            (-1e9..1e9_f64).prop_map(|value| values(&[("temperature", value, None)])),
            (-1e9..1e9_f64, -1.0..1.0_f64)
                .prop_map(|(one, two)| values(&[("a", one, Some("%")), ("humidity", two, None)])),
        ]
    }

    proptest! {
        #[test]
        fn what_was_packed_is_read_again_and_never_larger_than_the_room(
            contents in prop::collection::vec((0..2000_i64, any_content()), 1..60),
            limit in 60..1500_usize,
        ) {
            let first = at(1_795_456_115_802);
            let mut packer = Packer::new(first, limit);
            let mut packed = Vec::new();
            let mut now = first;
            for (seq, (step, content)) in contents.into_iter().enumerate() {
                now = if seq == 0 { now } else { now.offset(step).unwrap() };
                let seq = Seq::try_from(seq as u64).unwrap();
                if packer.add(now, seq, &content) {
                    packed.push(PackedReading { at: now, seq, content });
                }
            }
            let text = packer.finish();
            prop_assert!(packed.len() == 1 || text.len() <= limit, "{} of {limit}", text.len());
            prop_assert_eq!(read(&text, first).unwrap(), packed);
        }
    }
}
