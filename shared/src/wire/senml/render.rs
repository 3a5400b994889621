//! Resolved records as JSON, so that each can stand alone.

use std::fmt::Write as _;

use serde_json::Value as Json;

use super::base::Base;
use super::record::{Label, Record};
use crate::measurement::Value;
use crate::time::UnixMillis;
use crate::wire::foreign::json_text;

/// A resolved record, or one measurement of it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    name: String,
    /// Whether the record had no name of its own. It is told by its unit then, and must be when it
    /// is read again: its name goes into `bn`.
    is_nameless: bool,
    /// All other fields, each with a comma before it.
    fields: String,
}

impl Part {
    /// The fields that value and sum share: name, unit, time and update time. `at`: the time of the
    /// record where it has a good one; another one stays as it came.
    pub(super) fn head(record: &Record, base: &Base, at: Option<UnixMillis>) -> Self {
        let name = record.get(Label::Name);
        let own = name.and_then(Json::as_str).unwrap_or_default();
        let mut part = Self {
            name: format!("{}{own}", base.name),
            is_nameless: own.is_empty(),
            fields: String::new(),
        };
        if name.is_some_and(|name| !name.is_string()) {
            part.keep(record, Label::Name);
        }
        match (record.get(Label::Unit), &base.unit) {
            (Some(_), _) => part.keep(record, Label::Unit),
            (None, Some(unit)) => part.push(Label::Unit, &json_text(unit)),
            (None, None) => {}
        }
        match (at, record.get(Label::Time).map_or(Some(0.0), Json::as_f64)) {
            (Some(at), _) => {
                let text = format!("{}.{:03}", at.seconds(), at.get() % 1000);
                part.push(Label::Time, &text);
            }
            (None, Some(time)) => part.sum((Label::BaseTime, base.time), (Label::Time, time)),
            (None, None) => part.keep(record, Label::Time),
        }
        part.keep(record, Label::UpdateTime);
        part
    }

    /// This with the fields of the record's value.
    pub(super) fn with_value(mut self, record: &Record, base: &Base) -> Self {
        for label in Label::VALUES {
            match record.get(label).and_then(Json::as_f64) {
                Some(own) if label == Label::Value => {
                    self.sum((Label::BaseValue, base.value), (label, own));
                }
                _ => self.keep(record, label),
            }
        }
        self
    }

    /// This with the record's sum, where it has one of its own, or a number that the base's goes with.
    pub(super) fn with_sum(mut self, record: &Record, base: &Base) -> Self {
        let own = record.get(Label::Sum);
        let has_number = record.get(Label::Value).is_some_and(Json::is_number);
        match own.map_or(Some(0.0), Json::as_f64) {
            Some(number) if own.is_some() || (has_number && base.sum.is_some()) => {
                self.sum((Label::BaseSum, base.sum.unwrap_or(0.0)), (Label::Sum, number));
            }
            _ => self.keep(record, Label::Sum),
        }
        self
    }

    /// A base field and its regular field as one number, or apart where their sum is out of a
    /// float's range: JSON has no word for infinity.
    fn sum(&mut self, base: (Label, f64), own: (Label, f64)) {
        let sum = base.1 + own.1;
        if sum.is_finite() {
            self.push(own.0, &number(sum));
        } else {
            self.push(base.0, &number(base.1));
            self.push(own.0, &number(own.1));
        }
    }

    /// A field as it came, if it did.
    fn keep(&mut self, record: &Record, label: Label) {
        if let Some(value) = record.get(label) {
            self.push(label, &value.to_string());
        }
    }

    fn push(&mut self, label: Label, value: &str) {
        write!(self.fields, ",\"{}\":{value}", label.text()).expect("writing to a string succeeds");
    }
}

/// A pack of these records alone.
pub(super) fn pack(parts: &[Part]) -> Vec<u8> {
    let mut text = String::from("[");
    let mut has_base = false;
    for (index, part) in parts.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // A base name holds until there is another one.
        let (start, label) = match (part.is_nameless, has_base) {
            (true, _) => ("", Label::BaseName),
            (false, true) => ("\"bn\":\"\",", Label::Name),
            (false, false) => ("", Label::Name),
        };
        has_base = part.is_nameless;
        let name = json_text(&part.name);
        write!(text, "{comma}{{{start}\"{}\":{name}{}}}", label.text(), part.fields)
            .expect("writing to a string succeeds");
    }
    text.push(']');
    text.into_bytes()
}

/// The shortest text that reads back as the same number.
fn number(number: f64) -> String {
    Value::new(number).map_or_else(|_| Json::from(number).to_string(), |value| value.to_string())
}
