//! What the topic rule sends: the payload as it came, and what only the broker can vouch for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tidings_schema::UnixMillis;
use tidings_schema::limits::MAX_PAYLOAD_BYTES;

/// The number in the field `envelope` that this version reads.
pub const VERSION: u64 = 1;

/// The rule's SQL, of which [`Envelope`] is the result. SQL version `2016-03-23`.
pub const RULE_SQL: &str = "SELECT encode(*, 'base64') AS payload, topic() AS topic, \
     clientid() AS client_id, principal() AS principal, timestamp() AS received_at, \
     traceid() AS trace_id, 1 AS envelope FROM 'sensors/+/readings'";

/// One message as the rule hands it over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The MQTT payload in base64: whatever bytes came, JSON or not.
    pub payload: String,
    /// The topic, without a Basic Ingest prefix.
    pub topic: String,
    /// The MQTT client id, which the device policy ties to the thing's name.
    pub client_id: String,
    /// The certificate's thumbprint. Emulators may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// When the rule saw the message.
    pub received_at: UnixMillis,
    /// Names the message in the logs of AWS IoT. Emulators may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Number of this layout.
    pub envelope: u64,
}

/// Why an event cannot be taken apart.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The event has another shape.
    #[error(
        "expected an event of the topic rule (payload, topic, client_id, received_at, envelope), or of SQS or Kinesis with such, but found {found}"
    )]
    Shape {
        /// The keys or the type of what came.
        found: String,
        /// What is missing or wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The records are of a service that this function does not serve.
    #[error(
        "expected records of \"aws:sqs\" or \"aws:kinesis\", but found {records} with {found:?} among them"
    )]
    Source {
        /// A record's `eventSource`.
        found: String,
        /// How many records there are.
        records: usize,
    },
    /// A record is not as its service makes it.
    #[error("a record is not of its service's shape")]
    Record {
        /// What is missing or wrong.
        #[source]
        source: serde_json::Error,
    },
    /// A record has no id by which it could be delivered again.
    #[error("a record has no messageId or sequenceNumber")]
    Unidentified,
    /// A record of a stream is not text.
    #[error("a record's data is not UTF-8")]
    Text {
        /// Where it stops being text.
        #[source]
        source: std::str::Utf8Error,
    },
    /// The rule has another version.
    #[error(
        "expected envelope {VERSION}, but found {found}: deploy rule and function of one release"
    )]
    Version {
        /// The number in the field `envelope`.
        found: u64,
    },
    /// The field `payload` is not base64.
    #[error("field payload is not base64: the rule must use encode(*, 'base64')")]
    Payload(#[source] base64::DecodeError),
    /// The payload is larger than any that MQTT can bring here, and than quarantine could hold.
    #[error("payload is too large: {found} bytes, limit is {MAX_PAYLOAD_BYTES}")]
    TooLarge {
        /// Its size in bytes.
        found: usize,
    },
}

impl Envelope {
    /// Reads an event, and gives the envelope with the payload's bytes.
    ///
    /// # Errors
    /// When the event is none of the rule's.
    pub fn read(event: &str) -> Result<(Self, Vec<u8>), EnvelopeError> {
        let envelope: Self = serde_json::from_str(event)
            .map_err(|source| EnvelopeError::Shape { found: describe(event), source })?;
        if envelope.envelope != VERSION {
            return Err(EnvelopeError::Version { found: envelope.envelope });
        }
        let payload = STANDARD.decode(&envelope.payload).map_err(EnvelopeError::Payload)?;
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(EnvelopeError::TooLarge { found: payload.len() });
        }
        Ok((envelope, payload))
    }

    /// Text of a payload as the rule writes it.
    #[must_use]
    pub fn encode_payload(payload: &[u8]) -> String {
        STANDARD.encode(payload)
    }
}

/// Says what an event looks like, without its content.
fn describe(event: &str) -> String {
    match serde_json::from_str(event) {
        Ok(serde_json::Value::Object(map)) => {
            let keys: Vec<&str> = map.keys().take(12).map(String::as_str).collect();
            format!(
                "an object with the keys [{}]",
                keys.join(", ").chars().take(200).collect::<String>()
            )
        }
        Ok(serde_json::Value::Array(_)) => "an array".to_owned(),
        Ok(serde_json::Value::Null) => "null".to_owned(),
        Ok(
            serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_),
        ) => "a bare value".to_owned(),
        Err(_) => "what is not JSON".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event() -> serde_json::Value {
        json!({"payload": "aGk=", "topic": "sensors/pi-1/readings", "client_id": "pi-1",
               "received_at": 1_795_456_115_802_i64, "envelope": 1})
    }

    #[test]
    fn an_emulator_may_leave_out_principal_and_trace_id() {
        let (envelope, payload) = Envelope::read(&event().to_string()).unwrap();
        assert_eq!(payload, b"hi");
        assert_eq!((envelope.principal, envelope.trace_id), (None, None));
    }

    #[test]
    fn what_is_no_envelope_is_named() {
        let read = |event: &serde_json::Value| Envelope::read(&event.to_string());
        let error = read(&json!({"Records": []})).unwrap_err();
        assert!(error.to_string().contains("keys [Records]"), "{error}");
        let mut other = event();
        other["envelope"] = json!(2);
        assert!(matches!(read(&other), Err(EnvelopeError::Version { found: 2 })));
        let mut other = event();
        other["payload"] = json!("{}");
        assert!(matches!(read(&other), Err(EnvelopeError::Payload(_))));
        let mut other = event();
        other["payload"] = json!(Envelope::encode_payload(&vec![b' '; MAX_PAYLOAD_BYTES + 1]));
        assert!(matches!(read(&other), Err(EnvelopeError::TooLarge { found: 131_073 })));
        for event in [json!(null), json!([1]), json!("x")] {
            assert!(read(&event).is_err());
        }
        assert!(Envelope::read("{").unwrap_err().to_string().contains("not JSON"));
    }
}
