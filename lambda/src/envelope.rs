//! What the topic rule sends: the payload as it came, and what only the broker can vouch for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use tidings_schema::UnixMillis;

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

/// Why an event is no envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// The event has another shape.
    #[error(
        "expected an event of the topic rule (payload, topic, client_id, received_at, envelope), but found {found}"
    )]
    Shape {
        /// The keys or the type of what came.
        found: String,
        /// What is missing or wrong.
        #[source]
        source: serde_json::Error,
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
}

impl Envelope {
    /// Reads an event, and gives the envelope with the payload's bytes.
    ///
    /// # Errors
    /// When the event is none of the rule's.
    pub fn read(event: serde_json::Value) -> Result<(Self, Vec<u8>), EnvelopeError> {
        let found = describe(&event);
        let envelope: Self = serde_json::from_value(event)
            .map_err(|source| EnvelopeError::Shape { found, source })?;
        if envelope.envelope != VERSION {
            return Err(EnvelopeError::Version { found: envelope.envelope });
        }
        let payload = STANDARD.decode(&envelope.payload).map_err(EnvelopeError::Payload)?;
        Ok((envelope, payload))
    }

    /// Text of a payload as the rule writes it.
    #[must_use]
    pub fn encode_payload(payload: &[u8]) -> String {
        STANDARD.encode(payload)
    }
}

/// Says what an event looks like, without its content.
fn describe(event: &serde_json::Value) -> String {
    match event {
        serde_json::Value::Object(map) => {
            let keys: Vec<&str> = map.keys().take(12).map(String::as_str).collect();
            format!(
                "an object with the keys [{}]",
                keys.join(", ").chars().take(200).collect::<String>()
            )
        }
        serde_json::Value::Array(_) => "an array".to_owned(),
        serde_json::Value::Null => "null".to_owned(),
        serde_json::Value::Bool(_)
        | serde_json::Value::Number(_)
        | serde_json::Value::String(_) => "a bare value".to_owned(),
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
        let (envelope, payload) = Envelope::read(event()).unwrap();
        assert_eq!(payload, b"hi");
        assert_eq!((envelope.principal, envelope.trace_id), (None, None));
    }

    #[test]
    fn what_is_no_envelope_is_named() {
        let error = Envelope::read(json!({"Records": []})).unwrap_err();
        assert!(error.to_string().contains("keys [Records]"), "{error}");
        let mut other = event();
        other["envelope"] = json!(2);
        assert!(matches!(Envelope::read(other), Err(EnvelopeError::Version { found: 2 })));
        let mut other = event();
        other["payload"] = json!("{}");
        assert!(matches!(Envelope::read(other), Err(EnvelopeError::Payload(_))));
        for event in [json!(null), json!([1]), json!("x")] {
            assert!(Envelope::read(event).is_err());
        }
    }
}
