//! One record as it came: the labels of RFC 8428 with their values, in one form for JSON and CBOR.

use serde_json::Value as Json;

use super::PackError;
use crate::wire::foreign::cut;

/// A label of table 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    BaseName,
    BaseTime,
    BaseUnit,
    BaseValue,
    BaseSum,
    BaseVersion,
    Name,
    Unit,
    Value,
    StringValue,
    BooleanValue,
    DataValue,
    Sum,
    Time,
    UpdateTime,
}

impl Label {
    /// Tables 1 and 4: the label in JSON and the one in CBOR. In the order of declaration.
    const ALL: [(Self, &'static str, i64); 15] = [
        (Self::BaseName, "bn", -2),
        (Self::BaseTime, "bt", -3),
        (Self::BaseUnit, "bu", -4),
        (Self::BaseValue, "bv", -5),
        (Self::BaseSum, "bs", -6),
        (Self::BaseVersion, "bver", -1),
        (Self::Name, "n", 0),
        (Self::Unit, "u", 1),
        (Self::Value, "v", 2),
        (Self::StringValue, "vs", 3),
        (Self::BooleanValue, "vb", 4),
        (Self::DataValue, "vd", 8),
        (Self::Sum, "s", 5),
        (Self::Time, "t", 6),
        (Self::UpdateTime, "ut", 7),
    ];

    /// The fields that are a value, of which a record may have one.
    pub(super) const VALUES: [Self; 4] =
        [Self::Value, Self::BooleanValue, Self::StringValue, Self::DataValue];

    pub(super) fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(label, ..)| *label)
    }

    pub(super) fn from_integer(integer: i64) -> Option<Self> {
        Self::ALL.iter().find(|(.., number)| *number == integer).map(|(label, ..)| *label)
    }

    pub(super) const fn text(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    const fn is_base(self) -> bool {
        (self as usize) < Self::Name as usize
    }
}

/// A record as it came.
#[derive(Debug, Default)]
pub(super) struct Record {
    fields: [Option<Json>; Label::ALL.len()],
}

impl Record {
    /// Takes a field of the record at that position of the pack.
    pub(super) fn set(
        &mut self,
        position: usize,
        label: Label,
        value: Json,
    ) -> Result<(), PackError> {
        let field = &mut self.fields[label as usize];
        if field.is_some() {
            return Err(PackError::Repeated { record: position, field: label.text() });
        }
        *field = Some(value);
        Ok(())
    }

    pub(super) fn get(&self, label: Label) -> Option<&Json> {
        self.fields[label as usize].as_ref()
    }

    /// Whether it says nothing by itself.
    pub(super) fn is_base_only(&self) -> bool {
        Label::ALL.iter().all(|(label, ..)| label.is_base() || self.get(*label).is_none())
    }
}

/// A label of another document than RFC 8428.
///
/// # Errors
/// When it ends in `_`: such a field must be understood (section 4.4).
pub(super) fn pass_over(position: usize, label: &str) -> Result<(), PackError> {
    if label.ends_with('_') {
        return Err(PackError::NotUnderstood { record: position, label: cut(label, 64) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_where_their_number_says_and_known_by_both_names() {
        for (index, (label, text, integer)) in Label::ALL.into_iter().enumerate() {
            assert_eq!((label as usize, label.text()), (index, text));
            assert_eq!(Label::from_text(text), Some(label));
            assert_eq!(Label::from_integer(integer), Some(label));
            assert_eq!(label.is_base(), text.starts_with('b') && integer < 0);
        }
    }
}
