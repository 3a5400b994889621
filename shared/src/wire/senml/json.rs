//! A pack in JSON, record by record (RFC 8428 section 5).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::PackError;
use super::record::{Label, Record, pass_over};

/// Gives each record to `each`, in order. Nothing of a pack is held but the record at hand.
///
/// # Errors
/// When the bytes are no such pack, and the first error of `each`.
pub(super) fn read(
    bytes: &[u8],
    each: &mut dyn FnMut(Record) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let mut refusal = None;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let pack = Pack { each, refusal: &mut refusal };
    let outcome = deserializer.deserialize_seq(pack).and_then(|()| deserializer.end());
    // serde can carry texts alone through its errors: ours come by the side.
    match (refusal, outcome) {
        (Some(error), _) => Err(error),
        (None, Err(error)) => Err(PackError::Json(error)),
        (None, Ok(())) => Ok(()),
    }
}

struct Pack<'a> {
    each: &'a mut dyn FnMut(Record) -> Result<(), PackError>,
    refusal: &'a mut Option<PackError>,
}

impl<'de> Visitor<'de> for Pack<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of SenML records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pack: A) -> Result<(), A::Error> {
        let mut position = 0;
        while let Some(record) =
            pack.next_element_seed(Fields { position, refusal: &mut *self.refusal })?
        {
            (self.each)(record).map_err(|error| stop(self.refusal, error))?;
            position += 1;
        }
        Ok(())
    }
}

struct Fields<'a> {
    position: usize,
    refusal: &'a mut Option<PackError>,
}

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = Record;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Record, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = Record;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a SenML record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
        let mut record = Record::default();
        while let Some(key) = map.next_key::<String>()? {
            let taken = match Label::from_text(&key) {
                Some(label) => record.set(self.position, label, map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                    pass_over(self.position, &key)
                }
            };
            taken.map_err(|error| stop(self.refusal, error))?;
        }
        Ok(record)
    }
}

fn stop<E: serde::de::Error>(refusal: &mut Option<PackError>, error: PackError) -> E {
    *refusal = Some(error);
    E::custom("refused")
}
