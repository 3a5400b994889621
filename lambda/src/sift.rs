//! One message to what is to be written of it: good readings for one table, the others with their
//! reasons for the other.

use std::collections::btree_map::{BTreeMap, Entry};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tidings_schema::wire::v1;
use tidings_schema::{
    Clock, Content, DeviceId, Outcome, Reading, ReadingKey, SensorId, Seq, UnixMillis, key, topic,
};

use crate::alert::{Sample, samples};
use crate::config::{Layout, Rules};
use crate::dialect::{self, Message, Named};
use crate::enrich::Profile;
use crate::envelope::Envelope;
use crate::item::{Common, Item, Latest, Put, QuarantineItem, ReadingItem};
use crate::pack::pack;
use crate::refusal::Refusal;
use crate::rollup;
use crate::store::size;
use crate::validate;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The longest text of a refusal that is kept, in bytes: a payload's own words may stand in it.
const MAX_DETAIL_BYTES: usize = 2000;

/// Everything that is to be written of a message, and what it was made of.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    /// What is to be written.
    pub puts: Vec<Put>,
    /// Readings among it, faults included.
    pub accepted: usize,
    /// Of those, readings that are faults.
    pub faults: usize,
    /// Readings that stood twice in the message, saying the same.
    pub duplicates: usize,
    /// The reasons of what goes to quarantine, one for each item.
    pub refused: Vec<&'static str>,
    /// The hours of their sensors in which accepted readings are.
    pub hours: BTreeSet<(SensorId, UnixMillis)>,
    /// The newest accepted reading of each sensor.
    pub latest: BTreeMap<SensorId, Latest>,
    /// Accepted values for which somebody has set an alert.
    pub samples: Vec<Sample>,
}

impl Sifted {
    /// So many of its readings stand in another message of the invocation.
    pub(crate) fn repeat(&mut self, readings: usize) {
        self.accepted -= readings.min(self.accepted);
        self.duplicates += readings;
    }
}

/// The device that a message claims to be from by its topic and its client id, where they agree.
pub(crate) fn sender(envelope: &Envelope) -> Option<DeviceId> {
    topic::parse(&envelope.topic)
        .filter(|(_, purpose)| *purpose == topic::Purpose::Readings)
        .map(|(device, _)| device)
        .filter(|device| device.as_str() == envelope.client_id)
}

/// Sifts one message, the `origin`-th of its invocation.
pub(crate) fn sift(
    envelope: &Envelope,
    payload: &[u8],
    origin: usize,
    rules: &Rules,
    profile: &Profile,
) -> Sifted {
    let sieve = Sieve { envelope, origin, rules, profile };
    let message = dialect::decode(payload, envelope.received_at).and_then(|message| {
        let device = sieve.verify_identity(&message)?;
        Ok((message, device))
    });
    let (message, device) = match message {
        Ok(message) => message,
        Err(refusal) => {
            let mut sifted = Sifted::default();
            sieve.refuse(&mut sifted, &refusal, None, payload.to_vec());
            return sifted;
        }
    };
    let common = Arc::new(Common {
        device,
        clock: message.clock(),
        received_at: envelope.received_at,
        trace_id: envelope.trace_id.clone(),
        said: profile.said.clone(),
    });
    let mut accepted = Accepted { common, readings: Vec::new(), named: HashMap::new() };
    let mut sifted = Sifted::default();
    match message {
        Message::V1(decoded) => {
            for reading in &decoded.readings {
                let named = Named { boot: &decoded.boot, seq: reading.seq };
                let content = sieve.content_of(reading, decoded.clock);
                if let Err(refusal) = sieve.take(
                    &mut sifted,
                    &mut accepted,
                    &reading.sensor,
                    reading.at,
                    named,
                    content,
                ) {
                    let payload = alone(&decoded, reading);
                    sieve.refuse(&mut sifted, &refusal, Some(reading.sensor.to_string()), payload);
                }
            }
            for refused in decoded.refused {
                let refusal = Refusal::from(refused.error);
                let payload = refused.message.into_bytes();
                sieve.refuse(&mut sifted, &refusal, Some(refused.sensor), payload);
            }
        }
        Message::Foreign { boot, decoded } => {
            for sample in decoded.samples {
                let named = Named { boot: &boot, seq: dialect::number(&sample) };
                let content = sieve.time(sample.at, Clock::Set).and_then(|()| {
                    let values = sample.values.iter();
                    let values = values.map(|one| (&one.quantity, one.unit, one.value));
                    validate::values(&sample.sensor, values, profile)
                });
                if let Err(refusal) = sieve.take(
                    &mut sifted,
                    &mut accepted,
                    &sample.sensor,
                    sample.at,
                    named,
                    content,
                ) {
                    let sensor = Some(sample.sensor.to_string());
                    sieve.refuse(&mut sifted, &refusal, sensor, sample.alone);
                }
            }
            for refused in decoded.refused {
                let refusal = Refusal::from(refused.error);
                sieve.refuse(&mut sifted, &refusal, refused.sensor, refused.message);
            }
        }
    }
    sieve.lay_out(&mut sifted, accepted.readings);
    sifted
}

/// The good readings of a message.
struct Accepted {
    common: Arc<Common>,
    readings: Vec<ReadingItem>,
    /// Where each stands: two readings of one message under one name are one where they say the
    /// same; where they do not, the first stays and each other goes to quarantine.
    named: HashMap<(SensorId, UnixMillis, Seq), usize>,
}

struct Sieve<'a> {
    envelope: &'a Envelope,
    origin: usize,
    rules: &'a Rules,
    profile: &'a Profile,
}

impl Sieve<'_> {
    /// Topic, client id and payload must name one device: the policy ties certificate and topic
    /// together, and this ties the payload to them.
    fn verify_identity(&self, message: &Message) -> Result<DeviceId, Refusal> {
        let on_topic = topic::parse(&self.envelope.topic)
            .filter(|(_, purpose)| *purpose == topic::Purpose::Readings)
            .map(|(device, _)| device);
        let in_payload = message.device();
        match on_topic {
            Some(device)
                if self.envelope.client_id == device.as_str()
                    && in_payload.is_none_or(|payload| payload == device.as_str()) =>
            {
                Ok(device)
            }
            on_topic => Err(Refusal::Identity {
                topic: on_topic.map(|device| device.to_string()),
                client_id: self.envelope.client_id.clone(),
                payload: in_payload.map(str::to_owned),
            }),
        }
    }

    fn time(&self, at: UnixMillis, clock: Clock) -> Result<(), Refusal> {
        validate::time(at, clock, self.envelope.received_at, self.rules.retention)
    }

    fn content_of(&self, reading: &Reading, clock: Clock) -> Result<Content, Refusal> {
        self.time(reading.at, clock)?;
        match &reading.outcome {
            Outcome::Failed(fault) => Ok(Content::Fault(*fault)),
            Outcome::Measured(values) => {
                let values = values.as_slice().iter();
                let values = values.map(|one| (&one.quantity, Some(one.unit), one.value));
                validate::values(&reading.sensor, values, self.profile)
            }
        }
    }

    fn take(
        &self,
        sifted: &mut Sifted,
        accepted: &mut Accepted,
        sensor: &SensorId,
        at: UnixMillis,
        Named { boot, seq }: Named<'_>,
        content: Result<Content, Refusal>,
    ) -> Result<(), Refusal> {
        let common = &accepted.common;
        // Of a reading that nobody can place in time, only its arrival is known.
        let known_at = match common.clock {
            Clock::Set => at,
            Clock::Unset => common.received_at,
        };
        let days = i64::from(self.rules.retention.reading_days);
        let item = ReadingItem {
            key: ReadingKey::new(&common.device, sensor, at, boot, seq),
            sensor: sensor.clone(),
            at,
            seq,
            content: content?,
            expires_at: known_at.seconds() + days * DAY_SECONDS,
            common: common.clone(),
        };
        let found = size::of_reading_at_most(&item);
        if found > size::MAX_ITEM_BYTES {
            return Err(Refusal::ItemTooLarge { found });
        }
        let place = accepted.readings.len();
        let first = *accepted.named.entry((sensor.clone(), at, seq)).or_insert(place);
        match accepted.readings.get(first) {
            None => accepted.readings.push(item),
            Some(first) if first.content == item.content => sifted.duplicates += 1,
            Some(_) => return Err(Refusal::Conflict),
        }
        Ok(())
    }

    /// Makes the items of the good readings.
    fn lay_out(&self, sifted: &mut Sifted, readings: Vec<ReadingItem>) {
        sifted.accepted = readings.len();
        sifted.samples = samples(&readings, self.profile);
        for reading in &readings {
            sifted.faults += usize::from(matches!(reading.content, Content::Fault(_)));
        }
        sifted.latest = latest(&readings);
        sifted.hours = hours(&readings);
        let put = |item| Put { origin: Some(self.origin), item };
        match self.rules.layout {
            Layout::Each => sifted.puts.extend(readings.into_iter().map(Item::Reading).map(put)),
            Layout::Packed => {
                sifted.puts.extend(pack(readings).into_iter().map(Item::Packed).map(put));
            }
        }
    }

    fn refuse(
        &self,
        sifted: &mut Sifted,
        refusal: &Refusal,
        sensor: Option<String>,
        payload: Vec<u8>,
    ) {
        let Envelope { topic, client_id, principal, received_at, trace_id, .. } = self.envelope;
        let mut hash = Sha256::new();
        for part in [refusal.code().as_bytes(), topic.as_bytes(), client_id.as_bytes(), &payload] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let short: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let mut detail = refusal.detail();
        detail.truncate(detail.floor_char_boundary(MAX_DETAIL_BYTES));
        let days = i64::from(self.rules.retention.quarantine_days);
        let item = QuarantineItem {
            pk: received_at.date(),
            sk: format!("{}#{short}", key::time_prefix(*received_at)),
            reason: refusal.code(),
            detail,
            topic: topic.clone(),
            client_id: client_id.clone(),
            principal: principal.clone(),
            trace_id: trace_id.clone(),
            sensor,
            received_at: *received_at,
            payload,
            expires_at: received_at.seconds() + days * DAY_SECONDS,
        };
        sifted.refused.push(item.reason);
        sifted.puts.push(Put { origin: Some(self.origin), item: Item::Quarantine(item) });
    }
}

/// The hours in which readings are, of those that have a time.
fn hours(readings: &[ReadingItem]) -> BTreeSet<(SensorId, UnixMillis)> {
    let mut hours = BTreeSet::new();
    let mut last: Option<(&SensorId, UnixMillis)> = None;
    for reading in readings.iter().filter(|reading| reading.common.clock == Clock::Set) {
        let hour = (&reading.sensor, rollup::begin(reading.at, rollup::HOUR_MS));
        // Nearly every reading is of the same hour as the one before.
        if last != Some(hour) {
            hours.insert((hour.0.clone(), hour.1));
            last = Some(hour);
        }
    }
    hours
}

/// The newest reading of each sensor.
fn latest(readings: &[ReadingItem]) -> BTreeMap<SensorId, Latest> {
    let mut newest: BTreeMap<&SensorId, &ReadingItem> = BTreeMap::new();
    for reading in readings {
        match newest.entry(&reading.sensor) {
            Entry::Vacant(entry) => {
                entry.insert(reading);
            }
            Entry::Occupied(mut entry) if entry.get().at < reading.at => {
                entry.insert(reading);
            }
            Entry::Occupied(_) => {}
        }
    }
    let latest = |reading: &ReadingItem| Latest {
        at: reading.at,
        clock: reading.common.clock,
        content: reading.content.clone(),
    };
    newest.into_iter().map(|(sensor, reading)| (sensor.clone(), latest(reading))).collect()
}

/// A message of version 1 with this reading alone.
fn alone(from: &v1::Decoded, reading: &Reading) -> Vec<u8> {
    let alone = v1::encode(&from.device, &from.boot, from.clock, std::slice::from_ref(reading));
    alone.ok().flatten().expect("a reading that came in a message fits into one")
}

#[cfg(test)]
mod tests;
