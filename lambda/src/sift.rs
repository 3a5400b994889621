//! One message to what is to be written of it: good readings for one table, the others with their
//! reasons for the other.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use tidings_schema::wire::v1::{self, Decoded};
use tidings_schema::{Clock, DeviceId, Reading, ReadingKey, key, topic};

use crate::config::Retention;
use crate::envelope::Envelope;
use crate::item::{Content, Put, QuarantineItem, ReadingItem};
use crate::refusal::Refusal;
use crate::validate::validate;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Everything that is to be written of a message, and what it was made of.
#[derive(Debug, Default)]
pub(crate) struct Sifted {
    pub(crate) puts: Vec<Put>,
    pub(crate) faults: usize,
}

/// Sifts one message.
pub(crate) fn sift(envelope: &Envelope, payload: &[u8], retention: Retention) -> Sifted {
    let context = Context { envelope, retention };
    let decoded = v1::decode(payload).map_err(Refusal::from).and_then(|decoded| {
        verify_identity(envelope, &decoded.device)?;
        Ok(decoded)
    });
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(refusal) => {
            let put = context.quarantine(&refusal, None, payload.to_vec());
            return Sifted { puts: vec![put], faults: 0 };
        }
    };
    let mut sifted = Sifted::default();
    // Two readings of one message under one name: where they say the same, the plan drops one;
    // where they do not, the first stays and each other goes to quarantine.
    let mut named: HashMap<ReadingKey, Content> = HashMap::new();
    for reading in &decoded.readings {
        let key = reading.key(&decoded.device, &decoded.boot);
        let content =
            validate(reading, decoded.clock, envelope.received_at, retention).and_then(|content| {
                let first = named.entry(key.clone()).or_insert_with(|| content.clone());
                if *first == content { Ok(content) } else { Err(Refusal::Conflict) }
            });
        // Of a reading that nobody can place in time, only its arrival is known.
        let known_at = match decoded.clock {
            Clock::Set => reading.at,
            Clock::Unset => envelope.received_at,
        };
        match content {
            Ok(content) => {
                sifted.faults += usize::from(matches!(content, Content::Fault(_)));
                sifted.puts.push(Put::Reading(ReadingItem {
                    key,
                    device: decoded.device.clone(),
                    sensor: reading.sensor.clone(),
                    at: reading.at,
                    clock: decoded.clock,
                    content,
                    received_at: envelope.received_at,
                    trace_id: envelope.trace_id.clone(),
                    expires_at: known_at.seconds()
                        + i64::from(retention.reading_days) * DAY_SECONDS,
                }));
            }
            Err(refusal) => {
                sifted.puts.push(context.refuse(&refusal, &decoded, reading));
            }
        }
    }
    for refused in decoded.refused {
        let refusal = Refusal::from(refused.error);
        let payload = refused.message.into_bytes();
        sifted.puts.push(context.quarantine(&refusal, Some(refused.sensor), payload));
    }
    sifted
}

/// Topic, client id and payload must name one device: the policy ties certificate and topic
/// together, and this ties the payload to them.
fn verify_identity(envelope: &Envelope, device: &DeviceId) -> Result<(), Refusal> {
    let on_topic = topic::parse(&envelope.topic)
        .filter(|(_, purpose)| *purpose == topic::Purpose::Readings)
        .map(|(device, _)| device);
    if on_topic.as_ref() == Some(device) && envelope.client_id == device.as_str() {
        return Ok(());
    }
    Err(Refusal::Identity {
        topic: on_topic.map(|device| device.to_string()),
        client_id: envelope.client_id.clone(),
        payload: device.to_string(),
    })
}

struct Context<'a> {
    envelope: &'a Envelope,
    retention: Retention,
}

impl Context<'_> {
    fn refuse(&self, refusal: &Refusal, from: &Decoded, reading: &Reading) -> Put {
        let alone = v1::encode(&from.device, &from.boot, from.clock, std::slice::from_ref(reading));
        let payload = alone.ok().flatten().expect("a reading that came in a message fits into one");
        self.quarantine(refusal, Some(reading.sensor.to_string()), payload)
    }

    fn quarantine(&self, refusal: &Refusal, sensor: Option<String>, payload: Vec<u8>) -> Put {
        let Envelope { topic, client_id, principal, received_at, trace_id, .. } = self.envelope;
        let mut hash = Sha256::new();
        for part in [refusal.code().as_bytes(), topic.as_bytes(), client_id.as_bytes(), &payload] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let hash = hash.finalize();
        let short: String = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Put::Quarantine(QuarantineItem {
            pk: received_at.date(),
            sk: format!("{}#{short}", key::time_prefix(*received_at)),
            reason: refusal.code(),
            detail: refusal.detail(),
            topic: topic.clone(),
            client_id: client_id.clone(),
            principal: principal.clone(),
            trace_id: trace_id.clone(),
            sensor,
            received_at: *received_at,
            payload,
            expires_at: received_at.seconds()
                + i64::from(self.retention.quarantine_days) * DAY_SECONDS,
        })
    }
}

#[cfg(test)]
mod tests;
