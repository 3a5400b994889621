//! The forms in which messages that failed are kept. Pure.
//!
//! | form | from |
//! | --- | --- |
//! | `{"requestPayload":…,"responsePayload":…}` | Lambda, when an event has failed for good (on-failure destination) |
//! | `{"detail":{"requestPayload":…}}` | the same by way of EventBridge |
//! | `{"base64OriginalPayload":…,"failures":[…]}` | AWS IoT, when the rule's action has failed (error action) |
//! | `{"Body":"…"}`, `{"body":"…"}` | any of these in a message of SQS |
//! | `{"job":"tick"}` in one of these | the schedule: nothing in it needs to be done again |
//! | an event of the rule, of SQS or of Kinesis | a dead-letter queue, a log, `tests/events` |

use serde_json::Value as Json;
use tidings_ingest::Envelope;
use tidings_ingest::envelope::VERSION;
use tidings_ingest::source;
use tidings_schema::UnixMillis;
use tidings_schema::topic::basic_ingest;

/// A message that may be sent again.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    /// As the rule gave it, or would have given it.
    pub(super) envelope: Envelope,
    /// Its payload.
    pub(super) payload: Vec<u8>,
    /// Whether [`Envelope::received_at`] is when it came. AWS IoT's error action does not say.
    pub(super) has_arrival: bool,
    /// Why it failed.
    pub(super) reason: String,
}

/// Why a line is none of the forms.
#[derive(Debug, thiserror::Error)]
pub(super) enum RecordError {
    /// It is no JSON object.
    #[error("expected a JSON object")]
    Json(#[source] serde_json::Error),
    /// It is an event of nothing that is known.
    #[error(transparent)]
    Event(#[from] tidings_ingest::envelope::EnvelopeError),
    /// A field that must be there is not, or is of another type.
    #[error("field {0} is missing or wrong")]
    Field(&'static str),
    /// A message in a message in a message.
    #[error("messages within messages more than {MAX_DEPTH} deep")]
    Depth,
}

/// A record of Lambda in a message of SQS in an exported file is three.
const MAX_DEPTH: usize = 4;

/// Reads one line. `arrival` is when its messages came, where it does not say itself.
///
/// # Errors
/// When it is in none of the forms.
pub(super) fn read(line: &str, arrival: Option<UnixMillis>) -> Result<Vec<Message>, RecordError> {
    let json = serde_json::from_str(line).map_err(RecordError::Json)?;
    read_json(&json, arrival, MAX_DEPTH)
}

fn read_json(
    json: &Json,
    arrival: Option<UnixMillis>,
    depth: usize,
) -> Result<Vec<Message>, RecordError> {
    let depth = depth.checked_sub(1).ok_or(RecordError::Depth)?;
    if json.get("base64OriginalPayload").is_some() {
        return Ok(vec![error_action(json, arrival)?]);
    }
    if let Some(request) = json.get("requestPayload") {
        let reason = json
            .pointer("/responsePayload/errorType")
            .or_else(|| json.pointer("/requestContext/condition"))
            .and_then(Json::as_str);
        return event(&request.to_string(), reason.unwrap_or("failed"));
    }
    if let Some(detail) = json.get("detail").filter(|detail| detail.is_object()) {
        return read_json(detail, arrival, depth);
    }
    let body = ["Body", "body"].iter().find_map(|name| json.get(*name)?.as_str());
    if let Some(body) = body {
        let sent = ["/Attributes/SentTimestamp", "/attributes/SentTimestamp"]
            .iter()
            .find_map(|path| json.pointer(path)?.as_str()?.parse::<i64>().ok())
            .and_then(|millis| UnixMillis::new(millis).ok());
        let body = serde_json::from_str(body).map_err(RecordError::Json)?;
        return read_json(&body, sent.or(arrival), depth);
    }
    event(&json.to_string(), "event")
}

fn event(event: &str, reason: &str) -> Result<Vec<Message>, RecordError> {
    // The next tick has done it.
    if tidings_ingest::job::is_job(event) {
        return Ok(Vec::new());
    }
    let (_, deliveries) = source::read(event)?;
    let messages = deliveries.into_iter().map(|delivery| {
        let (envelope, payload) = delivery.message?;
        Ok(Message { envelope, payload, has_arrival: true, reason: reason.to_owned() })
    });
    messages.collect()
}

fn error_action(json: &Json, arrival: Option<UnixMillis>) -> Result<Message, RecordError> {
    use base64::Engine as _;
    let text = |name: &'static str| json.get(name).and_then(Json::as_str);
    let base64 =
        text("base64OriginalPayload").ok_or(RecordError::Field("base64OriginalPayload"))?;
    let payload = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .map_err(|_| RecordError::Field("base64OriginalPayload"))?;
    let topic = text("topic").ok_or(RecordError::Field("topic"))?;
    // As `topic()` gives it.
    let topic = basic_ingest(topic).map_or(topic, |(_, rest)| rest);
    let reason = json.pointer("/failures/0/errorMessage").and_then(Json::as_str);
    let envelope = Envelope {
        payload: Envelope::encode_payload(&payload),
        topic: topic.to_owned(),
        client_id: text("clientId").ok_or(RecordError::Field("clientId"))?.to_owned(),
        principal: None,
        received_at: arrival.unwrap_or(UnixMillis::MIN),
        trace_id: text("cloudwatchTraceId").map(str::to_owned),
        envelope: VERSION,
    };
    let reason = format!("rule: {}", reason.unwrap_or("action failed"));
    Ok(Message { envelope, payload, has_arrival: arrival.is_some(), reason })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope() -> Json {
        json!({"payload": "aGk=", "topic": "sensors/pi-1/readings", "client_id": "pi-1",
               "received_at": 1_795_456_115_802_i64, "trace_id": "t", "envelope": 1})
    }

    fn one(json: &Json) -> Message {
        let messages = read(&json.to_string(), None).unwrap();
        assert_eq!(messages.len(), 1);
        messages.into_iter().next().unwrap()
    }

    #[test]
    fn every_form_gives_the_message_and_why_it_failed() {
        let lambda = json!({"version": "1.0", "requestContext": {"condition": "RetriesExhausted"},
            "requestPayload": envelope(), "responsePayload": {"errorType": "WriteIncomplete"}});
        for (form, reason) in [
            (envelope(), "event"),
            (lambda.clone(), "WriteIncomplete"),
            (json!({"detail-type": "x", "detail": lambda.clone()}), "WriteIncomplete"),
            (json!({"MessageId": "m", "Body": lambda.to_string()}), "WriteIncomplete"),
            (json!({"body": json!({"detail": lambda}).to_string()}), "WriteIncomplete"),
            (
                json!({"requestPayload": envelope(), "requestContext": {"condition": "EventAgeExceeded"}}),
                "EventAgeExceeded",
            ),
        ] {
            let message = one(&form);
            assert_eq!((message.payload.as_slice(), message.reason.as_str()), (&b"hi"[..], reason));
            assert!(message.has_arrival);
            assert_eq!(message.envelope.received_at.get(), 1_795_456_115_802);
        }
    }

    #[test]
    fn an_error_action_has_no_arrival_but_what_a_queue_says() {
        let record = json!({"ruleName": "tidings_ingest",
            "topic": "$aws/rules/tidings_ingest/sensors/pi-1/readings",
            "cloudwatchTraceId": "t", "clientId": "pi-1", "base64OriginalPayload": "aGk=",
            "failures": [{"failedAction": "LambdaAction", "errorMessage": "no permission"}]});
        let message = one(&record);
        assert!(!message.has_arrival);
        assert_eq!(message.envelope.topic, "sensors/pi-1/readings");
        assert_eq!(message.reason, "rule: no permission");
        let sent =
            json!({"Attributes": {"SentTimestamp": "1795456115802"}, "Body": record.to_string()});
        let message = one(&sent);
        assert!(message.has_arrival);
        assert_eq!(message.envelope.received_at.get(), 1_795_456_115_802);
    }

    #[test]
    fn a_batch_gives_each_of_its_messages() {
        let record =
            json!({"messageId": "m", "eventSource": "aws:sqs", "body": envelope().to_string()});
        let batch = json!({"requestPayload": {"Records": [record, record]}});
        assert_eq!(read(&batch.to_string(), None).unwrap().len(), 2);
    }

    #[test]
    fn a_tick_of_the_schedule_that_failed_has_nothing_to_send_again() {
        for job in [json!({"job": "tick"}), json!({"requestPayload": {"job": "tick"}})] {
            assert_eq!(read(&json!({"Body": job.to_string()}).to_string(), None).unwrap(), []);
        }
    }

    #[test]
    fn what_is_none_of_the_forms_is_an_error() {
        let deep = (0..6).fold(json!({}), |inner, _| json!({"detail": inner}));
        for bad in [
            json!({"Records": []}),
            json!({"base64OriginalPayload": "!", "topic": "t", "clientId": "c"}),
            json!({"base64OriginalPayload": "aGk=", "clientId": "c"}),
            json!({"Body": "not json"}),
            deep,
        ] {
            assert!(read(&bad.to_string(), None).is_err(), "{bad}");
        }
        assert!(read("{", None).is_err());
    }
}
