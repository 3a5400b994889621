//! One field of a plain message, and what stands in it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::keys::{self, Scale};
use super::{PlainError, time};
use crate::measurement::Value;
use crate::quantity::Quantity;
use crate::time::UnixMillis;
use crate::unit::{Unit, UnknownUnit};
use crate::wire::foreign::{PartError, Sampled, cut};

/// The longest text of a timestamp, of a device's and of a sensor's name that is repeated in what
/// stands alone, in bytes. Each field may come to stand alone, and a long name in each would make
/// gigabytes of a message; no time is longer, and no thing's name either (128).
pub(super) const MAX_REPEATED_BYTES: usize = 130;

/// By how much a temperature in Fahrenheit may differ from the same in Celsius, in Cel: both were
/// rounded to a tenth or finer.
const FAHRENHEIT_TOLERANCE: f64 = 0.1;

/// What gives a value.
pub(super) const EXPECTED: &str =
    "a number, a boolean, a numeric text or an object {\"value\": number, \"unit\": text}";

/// A field as it came, and its key in its normal form.
pub(super) struct Field<'a> {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) raw: &'a RawValue,
}

/// The fields of an object, in their order, with those that stand twice.
pub(super) struct Fields<'a>(pub(super) Vec<Field<'a>>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
                let mut fields = Vec::new();
                while let Some((key, raw)) = map.next_entry::<String, &RawValue>()? {
                    let name = keys::normal(&key);
                    fields.push(Field { key, name, raw });
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// What stands in a field.
pub(super) enum Content<'a> {
    Number(f64),
    Boolean(bool),
    /// A text that is no number.
    Text(String),
    Null,
    List,
    Object(Vec<Field<'a>>),
}

/// What stands in a field. Objects are opened, but not what is in them.
///
/// A raw value is whole, but not all of it need be readable: half of a surrogate pair
/// (`"\ud800"`) is passed over where nobody reads it. It is a text that means nothing.
pub(super) fn content(raw: &RawValue) -> Content<'_> {
    let text = raw.get();
    let unreadable = || Content::Text(text.to_owned());
    match text.bytes().next() {
        Some(b'{') => match serde_json::from_str::<Fields<'_>>(text) {
            Ok(Fields(fields)) => Content::Object(fields),
            Err(_) => unreadable(),
        },
        Some(b'[') => Content::List,
        Some(b't') => Content::Boolean(true),
        Some(b'f') => Content::Boolean(false),
        Some(b'n') => Content::Null,
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(text) => number(text.trim()).map_or(Content::Text(text), Content::Number),
            Err(_) => unreadable(),
        },
        _ => number(text).map_or_else(unreadable, Content::Number),
    }
}

/// A number in digits; a magnitude that no float has is infinite. Words for numbers are none.
fn number(text: &str) -> Option<f64> {
    let allowed = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(allowed).then(|| text.parse().ok()).flatten()
}

/// The field `value` of an object that has nothing but it and `unit`.
pub(super) fn measured<'a, 'b>(object: &'b [Field<'a>]) -> Option<&'b Field<'a>> {
    let is_unit = |field: &&Field<'_>| field.name == "unit";
    let value = object.iter().find(|field| field.name == "value")?;
    (object.iter().filter(is_unit).count() + 1 == object.len()).then_some(value)
}

/// The texts (and whole numbers, which are names as well) in the fields of these names.
pub(super) fn texts(fields: &[Field<'_>], names: &[&str]) -> impl Iterator<Item = String> {
    let of = |name: &&str| fields.iter().find(|field| field.name == **name);
    let text = |field: &Field<'_>| {
        let raw = field.raw.get();
        let is_whole = raw.bytes().all(|byte| byte.is_ascii_digit());
        if is_whole { Some(raw.to_owned()) } else { serde_json::from_str(raw).ok() }
    };
    names.iter().filter_map(of).filter_map(text).collect::<Vec<String>>().into_iter()
}

/// The time of an object and the field that says it, with a comma after it; `None` where it has no
/// timestamp. `path` stands before the key in errors.
pub(super) fn timestamp(
    fields: &[Field<'_>],
    path: &str,
) -> Result<Option<(UnixMillis, String)>, PlainError> {
    let readable = |field: &Field<'_>| time_of(&content(field.raw));
    let found = keys::TIMES.iter().find_map(|name| {
        let may = |field: &&Field<'_>| {
            field.name == *name && (*name != keys::AMBIGUOUS_TIME || readable(field).is_some())
        };
        fields.iter().find(may).map(|field| (name, field))
    });
    let Some((name, field)) = found else {
        return Ok(None);
    };
    let raw = field.raw.get();
    match readable(field) {
        Some(at) if raw.len() <= MAX_REPEATED_BYTES => Ok(Some((at, format!("\"{name}\":{raw},")))),
        _ => Err(PlainError::Time {
            field: format!("{path}{}", cut(&field.key, 64)),
            found: cut(raw, 64),
        }),
    }
}

/// What stands in a field as time.
pub(super) fn time_of(content: &Content<'_>) -> Option<UnixMillis> {
    match content {
        Content::Number(number) => time::of_number(*number),
        Content::Text(text) => time::of_text(text),
        Content::Boolean(_) | Content::Null | Content::List | Content::Object(_) => None,
    }
}

/// What a field measures, and how far off another field may be that says the same.
pub(super) fn sampled(field: &Field<'_>, outer: &Content<'_>) -> Result<(Sampled, f64), PartError> {
    let (value, unit) = match outer {
        Content::Object(inner) => match measured(inner) {
            Some(value) => {
                let unit = inner.iter().find(|field| field.name == "unit");
                (content(value.raw), unit.map(|unit| content(unit.raw)))
            }
            None => return Err(unsupported(field)),
        },
        Content::Number(number) => (Content::Number(*number), None),
        Content::Boolean(boolean) => (Content::Boolean(*boolean), None),
        Content::Text(_) | Content::Null | Content::List => return Err(unsupported(field)),
    };
    let (number, of_value) = match value {
        Content::Number(number) => (number, None),
        Content::Boolean(boolean) => {
            (f64::from(u8::from(boolean)), Some(Scale::Unit(Unit::named("/"))))
        }
        Content::Text(_) | Content::Null | Content::List | Content::Object(_) => {
            return Err(unsupported(field));
        }
    };
    let (name, of_key) = keys::quantity(&field.name);
    let quantity = Quantity::try_from(name)?;
    let of_unit = match unit {
        None | Some(Content::Null) => None,
        Some(Content::Text(text)) => Some(keys::scale(&text, name)?),
        Some(_) => return Err(UnknownUnit { found: cut(field.raw.get(), 64) }.into()),
    };
    let scale = of_unit.or(of_key).or(of_value);
    let (number, unit) = match scale {
        Some(scale) => {
            let (number, unit) = scale.convert(number);
            (number, Some(unit))
        }
        None => (number, None),
    };
    let tolerance = if scale == Some(Scale::Fahrenheit) { FAHRENHEIT_TOLERANCE } else { 0.0 };
    Ok((Sampled { quantity, unit, value: Value::new(number)? }, tolerance))
}

fn unsupported(field: &Field<'_>) -> PartError {
    PartError::unsupported(&field.key, EXPECTED, field.raw.get())
}
