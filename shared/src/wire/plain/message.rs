//! A plain message, field by field.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use super::PlainError;
use super::field::{
    Content, EXPECTED, Field, Fields, MAX_REPEATED_BYTES, content, measured, sampled, texts,
    time_of, timestamp,
};
use super::keys::{self, Role};
use crate::ids::SensorId;
use crate::time::UnixMillis;
use crate::wire::foreign::{
    Decoded, Held, MAX_RECORDS, PartError, Refused, Samples, cut, json_text,
};

/// How many containers may be within one another: `{"state":{"reported":{"data":{…}}}}`.
const MAX_CONTAINERS: usize = 3;

/// A message as it is taken apart.
pub(super) struct Message<'a> {
    device: Option<String>,
    /// The message itself, then each object that is a sensor.
    scopes: Vec<Scope>,
    samples: Samples<Part<'a>>,
    refused: Vec<Refused>,
    /// Containers within too many others. They are refused once the time of the message is known.
    too_deep: Vec<Field<'a>>,
    fields: usize,
}

/// What the fields of one object share.
#[derive(Clone)]
struct Scope {
    /// The object's key; `None` for the message itself.
    key: Option<String>,
    sensor: SensorId,
    at: UnixMillis,
    /// Fields that go with each of its own when they stand alone, each with a comma after it.
    head: String,
}

/// A field that gave a value.
struct Part<'a> {
    scope: usize,
    key: String,
    raw: &'a RawValue,
}

impl<'a> Message<'a> {
    /// Reads the fields of a message, those of containers among them, and what they share.
    pub(super) fn open(
        bytes: &'a [u8],
        now: UnixMillis,
    ) -> Result<(Self, Vec<Field<'a>>), PlainError> {
        let Fields(outer) = serde_json::from_slice(bytes).map_err(PlainError::Malformed)?;
        let plain = SensorId::try_from(keys::SENSOR).expect("it keeps the alphabet");
        let scope = Scope { key: None, sensor: plain, at: now, head: String::new() };
        let mut message = Self {
            device: None,
            scopes: vec![scope],
            samples: Samples::new(),
            refused: Vec::new(),
            too_deep: Vec::new(),
            fields: 0,
        };
        let mut fields = Vec::new();
        message.flatten(outer, 0, &mut fields)?;
        message.device = texts(&fields, &keys::DEVICES).next();
        let scope = &mut message.scopes[0];
        if let Some((at, pair)) = timestamp(&fields, "")? {
            scope.at = at;
            scope.head = pair;
        }
        let mut repeat = |key: &str, text: &str| {
            if text.len() <= MAX_REPEATED_BYTES {
                write!(scope.head, "\"{key}\":{},", json_text(text))
                    .expect("writing to a string succeeds");
            }
        };
        if let Some(device) = &message.device {
            repeat("device", device);
        }
        if let Some(sensor) = texts(&fields, &keys::SENSORS).find_map(|one| keys::sensor(&one).ok())
        {
            repeat("sensor", sensor.as_str());
            scope.sensor = sensor;
        }
        Ok((message, fields))
    }

    /// The fields of an object, with those of containers in place of these.
    fn flatten(
        &mut self,
        object: Vec<Field<'a>>,
        depth: usize,
        into: &mut Vec<Field<'a>>,
    ) -> Result<(), PlainError> {
        self.count(object.len())?;
        for field in object {
            let is_container = keys::CONTAINERS.contains(&field.name.as_str());
            match content(field.raw) {
                Content::Object(inner) if is_container && measured(&inner).is_none() => {
                    if depth < MAX_CONTAINERS {
                        self.flatten(inner, depth + 1, into)?;
                    } else {
                        self.too_deep.push(field);
                    }
                }
                _ => into.push(field),
            }
        }
        Ok(())
    }

    fn count(&mut self, fields: usize) -> Result<(), PlainError> {
        self.fields += fields;
        if self.fields > MAX_RECORDS { Err(PlainError::TooMany) } else { Ok(()) }
    }

    /// Takes all fields of the message.
    pub(super) fn take(&mut self, fields: Vec<Field<'a>>) -> Result<(), PlainError> {
        for field in std::mem::take(&mut self.too_deep) {
            // In as many containers again: alone it is as deep as it was here.
            let (open, close) = ("{\"data\":".repeat(MAX_CONTAINERS), "}".repeat(MAX_CONTAINERS));
            let error = PartError::unsupported(&field.key, EXPECTED, field.raw.get());
            self.refuse(0, &field.key, &format!("{open}{}{close}", field.raw), error);
        }
        for field in fields {
            match content(field.raw) {
                Content::Object(inner) if measured(&inner).is_none() => {
                    self.take_sensor(field, inner)?;
                }
                content => self.take_field(0, field, content),
            }
        }
        Ok(())
    }

    fn take_sensor(&mut self, object: Field<'a>, fields: Vec<Field<'a>>) -> Result<(), PlainError> {
        self.count(fields.len())?;
        let sensor = match keys::sensor(&object.key) {
            Ok(sensor) => sensor,
            Err(error) => {
                let message =
                    alone(&self.scopes, [(0, &*object.key, object.raw.get())].into_iter());
                let sensor = Some(cut(&object.key, 64));
                self.refused.push(Refused { message, sensor, error: error.into() });
                return Ok(());
            }
        };
        let mut scope =
            Scope { key: Some(object.key), sensor, at: self.scopes[0].at, head: String::new() };
        if let Some((at, pair)) = timestamp(&fields, &format!("{}.", scope.sensor))? {
            scope.at = at;
            scope.head = pair;
        }
        self.scopes.push(scope);
        for field in fields {
            let content = content(field.raw);
            self.take_field(self.scopes.len() - 1, field, content);
        }
        Ok(())
    }

    fn take_field(&mut self, scope: usize, field: Field<'a>, content: Content<'a>) {
        let is_object = matches!(content, Content::Object(_));
        match (keys::role(&field.name), &content) {
            (Role::Time, _)
                if field.name == keys::AMBIGUOUS_TIME && time_of(&content).is_none() =>
            {
                let error = PartError::Unnamed {
                    expected: "the key temperature, or a time since 1970 in t",
                    found: format!("t: {}", cut(field.raw.get(), 190)),
                };
                return self.refuse(scope, &field.key, field.raw.get(), error);
            }
            (Role::Time, _) => return,
            (Role::Identity, _) if !is_object => return,
            (Role::Label, Content::Text(_) | Content::Null) => return,
            (Role::Identity | Role::Label | Role::Measure, _) => {}
        }
        match sampled(&field, &content) {
            Err(error) => self.refuse(scope, &field.key, field.raw.get(), error),
            Ok((sampled, tolerance)) => {
                let (sensor, at) = (self.scopes[scope].sensor.clone(), self.scopes[scope].at);
                let part = Part { scope, key: field.key.clone(), raw: field.raw };
                let taken = self.samples.add(&sensor, at, sampled, tolerance, part);
                if let Err(error) = taken {
                    self.refuse(scope, &field.key, field.raw.get(), error);
                }
            }
        }
    }

    fn refuse(&mut self, scope: usize, key: &str, raw: &str, error: PartError) {
        let message = alone(&self.scopes, [(scope, key, raw)].into_iter());
        let sensor = Some(self.scopes[scope].sensor.to_string());
        self.refused.push(Refused { message, sensor, error });
    }

    /// What all fields said.
    pub(super) fn finish(self) -> Result<Decoded, PlainError> {
        let scopes = self.scopes;
        let samples = self.samples.finish(|held: &Held<Part<'_>>| {
            alone(&scopes, held.parts.iter().map(|part| (part.scope, &*part.key, part.raw.get())))
        });
        if samples.is_empty() && self.refused.is_empty() {
            return Err(PlainError::NoQuantities);
        }
        Ok(Decoded { device: self.device, samples, refused: self.refused })
    }
}

/// A message that holds these fields (scope, key, JSON) alone, as they came and in their order.
fn alone<'b>(scopes: &[Scope], fields: impl Iterator<Item = (usize, &'b str, &'b str)>) -> Vec<u8> {
    let fields: Vec<_> = fields.collect();
    let mut text = format!("{{{}", scopes[0].head);
    for group in fields.chunk_by(|(scope, ..), (next, ..)| scope == next) {
        let scope = &scopes[group[0].0];
        if let Some(key) = &scope.key {
            write!(text, "{}:{{{}", json_text(key), scope.head)
                .expect("writing to a string succeeds");
            // Alone they would be one value in a unit, and the sensor a quantity: a name that is
            // passed over keeps them what they were.
            let is_value = |key: &str| matches!(keys::normal(key).as_str(), "value" | "unit");
            if scope.head.is_empty() && group.iter().all(|(_, key, _)| is_value(key)) {
                text.push_str("\"name\":null,");
            }
        }
        for (_, key, raw) in group {
            write!(text, "{}:{raw},", json_text(key)).expect("writing to a string succeeds");
        }
        if scope.key.is_some() {
            text.pop();
            text.push_str("},");
        }
    }
    text.pop();
    text.push('}');
    text.into_bytes()
}
