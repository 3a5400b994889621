//! A pack in CBOR, record by record (RFC 8428 section 6, RFC 8949).
//!
//! Values become what they would be in JSON, so that one resolver serves both. Nothing is allocated
//! by a length that the input claims, and nesting is bounded.

use minicbor::data::Type;
use minicbor::decode::{Decoder, Error};
use serde_json::{Map, Number, Value as Json};

use super::PackError;
use super::record::{Label, Record, pass_over};

/// How deep arrays, maps and tags may be nested within a field. SenML has no nesting at all; fields
/// of later documents may have some.
const MAX_DEPTH: usize = 16;

/// Gives each record to `each`, in order. Nothing of a pack is held but the record at hand.
///
/// # Errors
/// When the bytes are no such pack, and the first error of `each`.
pub(super) fn read(
    bytes: &[u8],
    each: &mut dyn FnMut(Record) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let mut decoder = Decoder::new(bytes);
    let mut records = decoder.array().map(Items::new).map_err(PackError::Cbor)?;
    let mut position = 0;
    while records.another(&mut decoder).map_err(PackError::Cbor)? {
        each(record(&mut decoder, position)?)?;
        position += 1;
    }
    if decoder.position() < bytes.len() {
        let error = Error::message("bytes after the pack").at(decoder.position());
        return Err(PackError::Cbor(error));
    }
    Ok(())
}

fn record(decoder: &mut Decoder<'_>, position: usize) -> Result<Record, PackError> {
    let mut record = Record::default();
    let mut fields = decoder.map().map(Items::new).map_err(PackError::Cbor)?;
    while fields.another(decoder).map_err(PackError::Cbor)? {
        let key = item(decoder, Bytes::Marked, 0).map_err(PackError::Cbor)?;
        let label = match &key {
            Json::String(text) => Label::from_text(text),
            Json::Number(number) => number.as_i64().and_then(Label::from_integer),
            Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
        };
        let bytes = match label {
            Some(Label::DataValue) => Bytes::Text,
            _ => Bytes::Marked,
        };
        let value = item(decoder, bytes, 0).map_err(PackError::Cbor)?;
        match (label, key) {
            (Some(label), _) => record.set(position, label, value)?,
            (None, Json::String(text)) => pass_over(position, &text)?,
            (None, _) => {}
        }
    }
    Ok(record)
}

/// What is left of an array or map: so many items, or as many as come before the break.
#[derive(Clone, Copy)]
struct Items(Option<u64>);

impl Items {
    fn new(length: Option<u64>) -> Self {
        Self(length)
    }

    /// Whether another item follows; takes the break where one ends.
    fn another(&mut self, decoder: &mut Decoder<'_>) -> Result<bool, Error> {
        match &mut self.0 {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None if decoder.datatype()? == Type::Break => {
                decoder.set_position(decoder.position() + 1);
                Ok(false)
            }
            None => Ok(true),
        }
    }
}

/// What becomes of bytes, which JSON does not have.
#[derive(Clone, Copy)]
enum Bytes {
    /// A text in base64url, as the field `vd` has it in JSON.
    Text,
    /// An object with that text, which can be mistaken for no text.
    Marked,
}

/// One item of any type as JSON. What JSON has no word for becomes something that is no number,
/// text or boolean where one is expected: `NaN` a text, an unknown tag an object.
fn item(decoder: &mut Decoder<'_>, bytes: Bytes, depth: usize) -> Result<Json, Error> {
    let at = decoder.position();
    if depth > MAX_DEPTH {
        return Err(Error::message("nested more than 16 deep").at(at));
    }
    Ok(match decoder.datatype()? {
        Type::Bool => Json::Bool(decoder.bool()?),
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => Json::from(decoder.u64()?),
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => Json::from(decoder.i64()?),
        Type::Int => number(float_of(decoder.int()?)),
        Type::F16 => number(half(decoder)?),
        Type::F32 => number(f64::from(decoder.f32()?)),
        Type::F64 => number(decoder.f64()?),
        Type::Null => {
            decoder.null()?;
            Json::Null
        }
        Type::Undefined => {
            decoder.undefined()?;
            Json::Null
        }
        Type::Simple => marked("simple", Json::from(decoder.simple()?)),
        Type::String | Type::StringIndef => {
            let mut text = String::new();
            for piece in decoder.str_iter()? {
                text.push_str(piece?);
            }
            Json::String(text)
        }
        Type::Bytes | Type::BytesIndef => {
            let mut all = Vec::new();
            for piece in decoder.bytes_iter()? {
                all.extend_from_slice(piece?);
            }
            let text = Json::String(base64url(&all));
            match bytes {
                Bytes::Text => text,
                Bytes::Marked => marked("bytes", text),
            }
        }
        Type::Array | Type::ArrayIndef => {
            let mut items = Items::new(decoder.array()?);
            let mut list = Vec::new();
            while items.another(decoder)? {
                list.push(item(decoder, Bytes::Marked, depth + 1)?);
            }
            Json::Array(list)
        }
        Type::Map | Type::MapIndef => {
            let mut items = Items::new(decoder.map()?);
            let mut map = Map::new();
            while items.another(decoder)? {
                let key = match item(decoder, Bytes::Marked, depth + 1)? {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                map.insert(key, item(decoder, Bytes::Marked, depth + 1)?);
            }
            Json::Object(map)
        }
        Type::Tag => {
            let tag = decoder.tag()?.as_u64();
            let content = item(decoder, Bytes::Marked, depth + 1)?;
            match (tag, fraction(&content)) {
                (4, Some((exponent, mantissa))) => number(decimal(mantissa, exponent)),
                (5, Some((exponent, mantissa))) => number(binary(mantissa, exponent)),
                _ => marked(&format!("tag {tag}"), content),
            }
        }
        Type::Break | Type::Unknown(_) => {
            return Err(Error::message("expected an item").at(at));
        }
    })
}

fn marked(name: &str, content: Json) -> Json {
    Json::Object(Map::from_iter([(name.to_owned(), content)]))
}

/// Infinities and NaN have no number in JSON; as texts they are refused by what expects a number,
/// and can be seen in what was refused.
fn number(number: f64) -> Json {
    Number::from_f64(number).map_or_else(|| Json::String(number.to_string()), Json::Number)
}

fn float_of(int: minicbor::data::Int) -> f64 {
    // Integers beyond 64 bits: RFC 8428 section 6 makes doubles of all numbers.
    #[expect(clippy::cast_precision_loss, reason = "the nearest double is what SenML means")]
    let float = i128::from(int) as f64;
    float
}

/// A float of 16 bits. minicbor has it by the crate `half`, for these few lines.
fn half(decoder: &mut Decoder<'_>) -> Result<f64, Error> {
    let at = decoder.position();
    let Some(&[high, low]) = decoder.input().get(at + 1..at + 3) else {
        return Err(Error::end_of_input().at(at));
    };
    decoder.set_position(at + 3);
    let bits = u16::from_be_bytes([high, low]);
    let (exponent, fraction) = (bits >> 10 & 0x1f, f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1024.0 + fraction) * 2f64.powi(i32::from(exponent) - 25),
    };
    Ok(if bits >> 15 == 1 { -magnitude } else { magnitude })
}

/// Exponent and mantissa of a tag 4 or 5: an array of two integers.
fn fraction(content: &Json) -> Option<(i64, &Number)> {
    match content.as_array()?.as_slice() {
        [Json::Number(exponent), Json::Number(mantissa)] if !mantissa.is_f64() => {
            Some((exponent.as_i64()?, mantissa))
        }
        _ => None,
    }
}

/// `mantissa * 10^exponent`, correctly rounded, because it is read as text. An exponent of any size
/// is a short text.
fn decimal(mantissa: &Number, exponent: i64) -> f64 {
    format!("{mantissa}e{exponent}").parse().expect("an integer, e and an integer are a float")
}

/// `mantissa * 2^exponent`. In two steps, since 2^exponent alone may be out of a float's range where
/// the product is not.
fn binary(mantissa: &Number, exponent: i64) -> f64 {
    let mantissa = mantissa.as_f64().expect("every number of JSON has a float");
    // 2^64 * 2^-2300 is 0 and 2^2300 is infinite: further out nothing changes.
    let exponent = i32::try_from(exponent.clamp(-2300, 2300)).expect("clamped to few digits");
    let first = exponent / 2;
    mantissa * 2f64.powi(first) * 2f64.powi(exponent - first)
}

/// RFC 4648 section 5, without padding.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for shift in [18, 12, 6, 0].into_iter().take(chunk.len() + 1) {
            let digit = usize::try_from(bits >> shift & 0x3f).expect("6 bits fit");
            text.push(char::from(ALPHABET[digit]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_item(bytes: &[u8]) -> Result<Json, Error> {
        item(&mut Decoder::new(bytes), Bytes::Text, 0)
    }

    #[test]
    fn numbers_are_those_of_rfc_8949_appendix_a() {
        for (bytes, expected) in [
            (&[0xf9, 0x3c, 0x00][..], 1.0),
            (&[0xf9, 0x3e, 0x00], 1.5),
            (&[0xf9, 0x7b, 0xff], 65_504.0),
            (&[0xf9, 0x00, 0x01], 5.960_464_477_539_063e-8),
            (&[0xf9, 0x04, 0x00], 0.000_061_035_156_25),
            (&[0xf9, 0xc4, 0x00], -4.0),
            (&[0xfa, 0x47, 0xc3, 0x50, 0x00], 100_000.0),
            (
                &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                -18_446_744_073_709_551_616.0,
            ),
            (&[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 18_446_744_073_709_551_615.0),
            (&[0x39, 0x03, 0xe7], -1000.0),
            // RFC 8949 section 3.4.4: 273.15 and 1.5; then exponents that no float has.
            (&[0xc4, 0x82, 0x21, 0x19, 0x6a, 0xb3], 273.15),
            (&[0xc5, 0x82, 0x20, 0x03], 1.5),
            (&[0xc4, 0x82, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x01], 0.0),
            (&[0xc5, 0x82, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x01], 0.0),
            (&[0xc5, 0x82, 0x39, 0x04, 0x2f, 0x19, 0x08, 0x00], f64::from_bits(1 << 13)),
        ] {
            assert_eq!(read_item(bytes).unwrap().as_f64(), Some(expected), "{bytes:x?}");
        }
        for bytes in [
            &[0xf9, 0x7e, 0x00][..],
            &[0xf9, 0xfc, 0x00],
            &[0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
            &[0xc4, 0x82, 0x1a, 0xff, 0xff, 0xff, 0xff, 0x01],
            &[0xc4, 0x83, 0x01, 0x01, 0x01],
            &[0xc1, 0x01],
            &[0xf6],
            &[0xf7],
        ] {
            assert_eq!(read_item(bytes).unwrap().as_f64(), None, "{bytes:x?}");
        }
    }

    #[test]
    fn bytes_are_base64url_without_padding() {
        for (bytes, text) in
            [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg")]
        {
            assert_eq!(base64url(bytes.as_bytes()), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn texts_come_in_pieces_and_nesting_ends() {
        let pieces = [0x7f, 0x62, b'a', b'b', 0x61, b'c', 0xff];
        assert_eq!(read_item(&pieces).unwrap(), Json::from("abc"));
        assert!(read_item(&[0x81; 16]).unwrap_err().is_end_of_input());
        assert!(read_item(&[[0x9f; 16], [0xff; 16]].concat()).is_ok());
        let error = read_item(&vec![0x81; 100_000]).unwrap_err();
        assert!(error.to_string().contains("nested"), "{error}");
        let error = read_item(&vec![0xc4; 100_000]).unwrap_err();
        assert!(error.to_string().contains("nested"), "{error}");
    }

    #[test]
    fn a_length_that_is_only_claimed_costs_nothing() {
        for major in [0x5b, 0x7b, 0x9b, 0xbb] {
            let claims = [major, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
            assert!(read_item(&claims).is_err(), "{major:x}");
        }
    }
}
