//! Which dialect a message is in, by its first bytes and, where these are `{`, its keys.

use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

/// What a device may send readings in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Version 1 of our own ([`super::v1`]).
    V1,
    /// SenML in JSON ([`super::senml::decode_json`]).
    SenmlJson,
    /// SenML in CBOR ([`super::senml::decode_cbor`]).
    SenmlCbor,
    /// The JSON object that tutorials publish ([`super::plain`]).
    Plain,
}

impl Dialect {
    /// All dialects, in the order of declaration.
    pub const ALL: [Self; 4] = [Self::V1, Self::SenmlJson, Self::SenmlCbor, Self::Plain];

    /// A stable name for tables and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::SenmlJson => "senml+json",
            Self::SenmlCbor => "senml+cbor",
            Self::Plain => "plain",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a message is in no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unrecognised {
    /// There is not a byte.
    #[error("message is empty: expected readings in JSON or SenML CBOR")]
    Empty,
    /// It begins as no dialect does.
    #[error(
        "expected a JSON object, or a SenML pack (a JSON array, or a CBOR array with a first byte from 0x80 to 0x9f), but found {found}"
    )]
    Payload {
        /// What it looks like, with its first bytes.
        found: String,
    },
}

impl Unrecognised {
    /// A stable name for tables, metrics and alarms.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty-message",
            Self::Payload { .. } => "unrecognised-payload",
        }
    }
}

/// Tells which dialect a message is in.
///
/// - `[` begins SenML in JSON, a byte from 0x80 to 0x9f SenML in CBOR. White space may stand before
///   JSON and not before CBOR.
/// - `{` begins version 1 where the object has the key `series`, or both `v` and `boot`; otherwise
///   a plain message. An object that is not valid JSON is of version 1 where `"series"` stands
///   somewhere in it or both keys came before its end, so that the error is that of its decoder.
///
/// A message is read once at most, and nothing of it is kept.
///
/// # Errors
/// When it begins as no dialect does. What follows is for its decoder to judge.
pub fn recognise(bytes: &[u8]) -> Result<Dialect, Unrecognised> {
    let Some(first) = bytes.first() else {
        return Err(Unrecognised::Empty);
    };
    if (0x80..=0x9f).contains(first) {
        return Ok(Dialect::SenmlCbor);
    }
    match bytes.iter().find(|byte| !b" \t\r\n".contains(byte)) {
        Some(b'[') => Ok(Dialect::SenmlJson),
        Some(b'{') if is_v1(bytes) => Ok(Dialect::V1),
        Some(b'{') => Ok(Dialect::Plain),
        _ => Err(Unrecognised::Payload { found: looks_like(bytes) }),
    }
}

fn is_v1(bytes: &[u8]) -> bool {
    const SERIES: &[u8] = b"\"series\"";
    let mut keys = Keys::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let outcome = json.deserialize_map(&mut keys).and_then(|()| json.end());
    keys.has_series
        || (keys.has_v && keys.has_boot)
        || (outcome.is_err() && bytes.windows(SERIES.len()).any(|window| window == SERIES))
}

/// The keys that version 1 is known by.
#[derive(Default)]
struct Keys {
    has_series: bool,
    has_v: bool,
    has_boot: bool,
}

impl<'de> Visitor<'de> for &mut Keys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "series" => self.has_series = true,
                "v" => self.has_v = true,
                "boot" => self.has_boot = true,
                _ => {}
            }
            if self.has_series || (self.has_v && self.has_boot) {
                // Nothing that follows can change it.
                return Err(A::Error::custom("known"));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// What a payload looks like, for people.
fn looks_like(bytes: &[u8]) -> String {
    let known: [(&[u8], &str); 9] = [
        (&[0x1f, 0x8b], "gzip"),
        (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
        (b"PK\x03\x04", "a zip archive"),
        (&[0xef, 0xbb, 0xbf], "a byte order mark, which JSON must not have"),
        (&[0xff, 0xfe], "UTF-16"),
        (&[0xfe, 0xff], "UTF-16"),
        (&[0xd9, 0xd9, 0xf7], "CBOR with a tag before it"),
        (b"<", "XML"),
        (b"\"", "a JSON text"),
    ];
    if let Some((_, name)) = known.iter().find(|(start, _)| bytes.starts_with(start)) {
        return format!("{name} ({})", hex(bytes));
    }
    // A text that ends amid a character is one as well.
    let start = bytes.get(..bytes.len().min(40)).unwrap_or_default();
    let is_text = |text: &str| {
        !text.is_empty() && !text.contains(|c: char| c.is_control() && !c.is_whitespace())
    };
    let text = match std::str::from_utf8(start) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            start.get(..error.valid_up_to()).and_then(|start| std::str::from_utf8(start).ok())
        }
        Err(_) => None,
    };
    match (text.filter(|text| is_text(text)), bytes.first()) {
        (Some(text), _) if text.trim().is_empty() => "white space alone".to_owned(),
        (Some(text), _) => format!("the text {text:?}"),
        (None, Some(0xa0..=0xbf)) => format!("a CBOR map ({})", hex(bytes)),
        (None, _) => format!("the bytes {}", hex(bytes)),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    digits.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_in_the_dialect_that_their_beginning_says() {
        for (message, dialect) in [
            (&b"[]"[..], Dialect::SenmlJson),
            (b"\r\n\t [{\"n\"", Dialect::SenmlJson),
            (b"\x80", Dialect::SenmlCbor),
            (b"\x9f\xff", Dialect::SenmlCbor),
            (b"{\"v\":1,\"device\":\"pi-1\",\"boot\":\"a\",\"t0\":0,\"series\":[]}", Dialect::V1),
            (b" {\"series\":1}", Dialect::V1),
            (b"{\"boot\":\"a\",\"v\":2}", Dialect::V1),
            (b"{\"s\\u0065ries\":1}", Dialect::V1),
            (b"{\"v\":21.5}", Dialect::Plain),
            (b"{\"boot\":3}", Dialect::Plain),
            (b"{}", Dialect::Plain),
            (b"{\"a\":{\"series\":1}}", Dialect::Plain),
            (b"{\"a\":\"series\"}", Dialect::Plain),
            // Not JSON, or not only.
            (b"{\"device\":\"pi-1\",\"series\":[", Dialect::V1),
            (b"{\"a\":[\"series\"", Dialect::V1),
            (b"{\"v\":1,\"boot\":\"k3", Dialect::V1),
            (b"{\"temperature\":", Dialect::Plain),
            (b"{", Dialect::Plain),
            (b"{\"a\":1} \"series\"", Dialect::V1),
        ] {
            let text = String::from_utf8_lossy(message);
            assert_eq!(recognise(message), Ok(dialect), "{text}");
        }
    }

    #[test]
    fn what_is_in_no_dialect_is_named() {
        assert_eq!(recognise(b"").unwrap_err().code(), "empty-message");
        for (payload, found) in [
            (&b"\x1f\x8b\x08\x00"[..], "gzip (1f 8b 08 00)"),
            (b"\x28\xb5\x2f\xfd\x04", "zstd (28 b5 2f fd 04)"),
            (b"<sensml/>", "XML (3c 73 65 6e 73 6d 6c 2f)"),
            (b"\xef\xbb\xbf{}", "a byte order mark, which JSON must not have (ef bb bf 7b 7d)"),
            (b"hello", "the text \"hello\""),
            (b"21.5", "the text \"21.5\""),
            (b"  \n", "white space alone"),
            (b" \x85", "the bytes 20 85"),
            (b"\xa1\x00\x01", "a CBOR map (a1 00 01)"),
            (b"\x00\x01", "the bytes 00 01"),
        ] {
            let error = recognise(payload).unwrap_err();
            assert_eq!(error.code(), "unrecognised-payload");
            assert!(error.to_string().ends_with(&format!("but found {found}")), "{error}");
        }
        // 40 bytes end within a character.
        assert!(recognise("ä".repeat(30).as_bytes()).unwrap_err().to_string().contains("äää"));
        assert!(
            recognise(format!("x{}", "ä".repeat(30)).as_bytes())
                .unwrap_err()
                .to_string()
                .contains("xää")
        );
    }

    #[test]
    fn dialects_have_names_of_their_own() {
        for (index, dialect) in Dialect::ALL.into_iter().enumerate() {
            assert_eq!(dialect as usize, index);
            assert!(Dialect::ALL[..index].iter().all(|other| other.name() != dialect.name()));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_dialect_or_a_reason(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Err(error) = recognise(&bytes) {
                prop_assert!(error.to_string().contains("expected"));
            }
        }
    }
}
