//! The names of devices, sensors and boots, and the sequence number.
//!
//! Each is a newtype with one door, [`TryFrom<&str>`], through which `Deserialize` goes as well.
//! None of the alphabets contains `#` or `/`, so table keys and topics can join them.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not the id that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a {what} ({rule}), but found {found:?}")]
pub struct IdError {
    /// The kind of id, for example `device id`.
    pub what: &'static str,
    /// The alphabet and the length that the id must have.
    pub rule: &'static str,
    /// What stood there, cut to 64 characters.
    pub found: String,
}

fn refuse(what: &'static str, rule: &'static str, found: &str) -> IdError {
    IdError { what, rule, found: found.chars().take(64).collect() }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $lengths:expr, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;
            fn try_from(text: &str) -> Result<Self, IdError> {
                let allowed: fn(u8) -> bool = $allowed;
                if $lengths.contains(&text.len()) && text.bytes().all(allowed) {
                    Ok(Self(text.into()))
                } else {
                    Err(refuse($what, $rule, text))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::try_from(text.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::try_from(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0.as_ref().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }
    };
}

id!(
    /// The name of a device: an AWS IoT thing name, which is also its MQTT client id.
    ///
    /// AWS: "Thing names … can contain only alphanumeric characters, `:`, `_` and `-`",
    /// at most 128 of them.
    DeviceId,
    "device id",
    "1 to 128 of A-Z a-z 0-9 : _ -",
    1..=128,
    |byte| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'_' | b'-')
);

id!(
    /// The name of a sensor, unique within its device.
    SensorId,
    "sensor id",
    "1 to 64 of a-z 0-9 _ -",
    1..=64,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
);

id!(
    /// The name of one start of an agent. With it, sequence numbers may begin anew at each start
    /// and no reading's name is ever given twice.
    BootId,
    "boot id",
    "1 to 16 of a-z 0-9",
    1..=16,
    |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()
);

impl BootId {
    /// Length of the ids that [`BootId::from_random`] makes.
    const RANDOM_LENGTH: usize = 8;

    /// Makes an id of 8 characters out of random bits, of which it uses about 41: among the
    /// thousand starts of one device in a few years the chance that two are alike is 1 in 5 million.
    #[must_use]
    pub fn from_random(bits: u64) -> Self {
        const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut rest = bits;
        let mut text = String::with_capacity(Self::RANDOM_LENGTH);
        for _ in 0..Self::RANDOM_LENGTH {
            let digit = usize::try_from(rest % 36).expect("a remainder of 36 fits");
            text.push(char::from(ALPHABET[digit]));
            rest /= 36;
        }
        Self(text.into())
    }
}

/// Position of a reading among those of its sensor within one boot, from 0. Without gaps, so that
/// a missing reading can be seen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(try_from = "u64", into = "u64")]
pub struct Seq(u64);

impl Seq {
    /// Digits in a table key. At 1,000 readings a second 12 digits last 31 years in one boot.
    pub const DIGITS: usize = 12;
    /// The largest sequence number.
    pub const MAX: Self = Self(999_999_999_999);

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number after this one.
    ///
    /// # Errors
    /// At [`Seq::MAX`]: a new boot id has to begin.
    pub fn next(self) -> Result<Self, IdError> {
        Self::try_from(self.0.saturating_add(1))
    }
}

impl TryFrom<u64> for Seq {
    type Error = IdError;
    fn try_from(number: u64) -> Result<Self, IdError> {
        if number <= Self::MAX.0 {
            Ok(Self(number))
        } else {
            Err(refuse("sequence number", "at most 12 digits", &number.to_string()))
        }
    }
}

impl From<Seq> for u64 {
    fn from(seq: Seq) -> u64 {
        seq.0
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_accept_their_alphabet_and_nothing_else() {
        for good in ["pi-1", "A:b_c-9", &"x".repeat(128)] {
            assert_eq!(DeviceId::try_from(good).unwrap().as_str(), good);
        }
        for bad in ["", "a#b", "a/b", "ä", "a b", &"x".repeat(129)] {
            assert!(DeviceId::try_from(bad).is_err(), "{bad}");
        }
        assert!(SensorId::try_from("Bme280").is_err());
        assert!(BootId::try_from("k3v9x2qd").is_ok());
        assert!(serde_json::from_str::<DeviceId>("\"a#b\"").is_err());
    }

    #[test]
    fn an_id_error_names_the_rule_and_what_was_found() {
        let error = SensorId::try_from("A b").unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a sensor id (1 to 64 of a-z 0-9 _ -), but found \"A b\""
        );
    }

    #[test]
    fn random_boot_ids_are_valid() {
        for bits in [0, 1, u64::MAX, 0x9E37_79B9_7F4A_7C15] {
            let boot = BootId::from_random(bits);
            assert_eq!(BootId::try_from(boot.as_str()).unwrap(), boot);
        }
    }

    #[test]
    fn the_sequence_ends_with_an_error_not_with_a_wrap() {
        assert!(Seq::MAX.next().is_err());
        assert_eq!(Seq::default().next().unwrap().get(), 1);
        assert_eq!(Seq::MAX.to_string().len(), Seq::DIGITS);
    }
}
