//! The dialects that a device may speak, told apart by the payload itself.
//!
//! Version 1 of our own wire names each reading by boot and number. The others do not, so a hash of
//! what a sample says stands for its number: the same sample has the same name however often it
//! comes, and two samples of one millisecond that say different things are two.

use sha2::{Digest as _, Sha256};
use tidings_schema::wire::dialect::{Dialect, recognise};
use tidings_schema::wire::foreign::{self, Sample};
use tidings_schema::wire::{plain, senml, v1};
use tidings_schema::{BootId, Clock, Seq, UnixMillis};

use crate::refusal::Refusal;

/// A message that could be read.
#[derive(Debug)]
pub(crate) enum Message {
    /// Version 1 of our own wire.
    V1(v1::Decoded),
    /// A dialect without boot and numbers.
    Foreign {
        /// Stands for the boot in the readings' names: the dialect.
        boot: BootId,
        /// What it says.
        decoded: foreign::Decoded,
    },
}

/// What names a reading beside its sensor and time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'a> {
    pub(crate) boot: &'a BootId,
    pub(crate) seq: Seq,
}

impl Message {
    /// What its times count from.
    pub(crate) const fn clock(&self) -> Clock {
        match self {
            Self::V1(decoded) => decoded.clock,
            Self::Foreign { .. } => Clock::Set,
        }
    }

    /// The device that it says it is from.
    pub(crate) fn device(&self) -> Option<&str> {
        match self {
            Self::V1(decoded) => Some(decoded.device.as_str()),
            Self::Foreign { decoded, .. } => decoded.device.as_deref(),
        }
    }
}

/// Reads a payload that came at `now`.
pub(crate) fn decode(payload: &[u8], now: UnixMillis) -> Result<Message, Refusal> {
    let foreign = |name: &str, decoded| {
        let boot = BootId::try_from(name).expect("the dialects' names are boot ids");
        Message::Foreign { boot, decoded }
    };
    Ok(match recognise(payload)? {
        Dialect::V1 => Message::V1(v1::decode(payload)?),
        Dialect::SenmlJson => foreign("senml", senml::decode_json(payload, now)?),
        Dialect::SenmlCbor => foreign("senml", senml::decode_cbor(payload, now)?),
        Dialect::Plain => foreign("plain", plain::decode(payload, now)?),
    })
}

/// What stands for the number of a sample: a hash of its quantities, units and values.
pub(crate) fn number(sample: &Sample) -> Seq {
    let mut hash = Sha256::new();
    for one in &sample.values {
        let unit = one.unit.map_or("", |unit| unit.name());
        for text in [one.quantity.as_str(), unit] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(one.value.get().to_be_bytes());
    }
    let mut bits = [0; 8];
    bits.copy_from_slice(&hash.finalize()[..8]);
    let number = u64::from_be_bytes(bits) % (Seq::MAX.get() + 1);
    Seq::try_from(number).expect("a remainder is within the bounds")
}
