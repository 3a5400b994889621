//! Where an invocation comes from: the topic rule itself, a queue or a stream between the two. All
//! of them carry envelopes of the rule.

use aws_lambda_events::event::kinesis::KinesisEvent;
use aws_lambda_events::event::sqs::SqsEvent;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::envelope::{Envelope, EnvelopeError};

/// What invoked the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The rule's Lambda action: one message.
    #[default]
    Rule,
    /// An SQS queue that the rule fills: up to 10,000 messages.
    Sqs,
    /// A Kinesis stream that the rule fills.
    Kinesis,
    /// A schedule ([`crate::job`]).
    Job,
}

impl Source {
    /// Its name in logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Sqs => "sqs",
            Self::Kinesis => "kinesis",
            Self::Job => "job",
        }
    }
}

/// One message of an invocation.
#[derive(Debug)]
pub struct Delivery {
    /// By which a queue or a stream knows it, so that it alone can be delivered again.
    pub id: Option<String>,
    /// The message, with the payload's bytes.
    pub message: Result<(Envelope, Vec<u8>), EnvelopeError>,
}

/// `eventSource` of the records that a queue and a stream give.
const SQS: &str = "aws:sqs";
const KINESIS: &str = "aws:kinesis";

#[derive(Deserialize)]
struct Probe {
    envelope: Option<IgnoredAny>,
    #[serde(rename = "Records", default)]
    records: Vec<RecordProbe>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordProbe {
    event_source: Option<String>,
}

/// Takes an event apart.
///
/// # Errors
/// When it comes from nowhere that this function knows, or when the rule's own event is wrong. A
/// wrong record of a queue or a stream is an error of that record alone.
pub fn read(event: &str) -> Result<(Source, Vec<Delivery>), EnvelopeError> {
    // Nearly every event is the rule's.
    let error = match Envelope::read(event) {
        Ok(message) => {
            return Ok((Source::Rule, vec![Delivery { id: None, message: Ok(message) }]));
        }
        Err(error) => error,
    };
    let Ok(Probe { envelope: None, records }) = serde_json::from_str(event) else {
        return Err(error);
    };
    let is_all = |source: &str| {
        !records.is_empty()
            && records.iter().all(|record| record.event_source.as_deref() == Some(source))
    };
    if is_all(SQS) {
        let SqsEvent { records, .. } = parsed(event)?;
        let deliveries = records.into_iter().map(|record| {
            let body = record.body.unwrap_or_default();
            Delivery { id: record.message_id, message: Envelope::read(&body) }
        });
        return Ok((Source::Sqs, identified(deliveries.collect())?));
    }
    if is_all(KINESIS) {
        let KinesisEvent { records, .. } = parsed(event)?;
        let deliveries = records.into_iter().map(|record| {
            let message = std::str::from_utf8(&record.kinesis.data.0)
                .map_err(|source| EnvelopeError::Text { source })
                .and_then(Envelope::read);
            Delivery { id: Some(record.kinesis.sequence_number), message }
        });
        return Ok((Source::Kinesis, identified(deliveries.collect())?));
    }
    match records.iter().find_map(|record| record.event_source.clone()) {
        Some(found) => Err(EnvelopeError::Source {
            found: found.chars().take(64).collect(),
            records: records.len(),
        }),
        None => Err(error),
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(event: &str) -> Result<T, EnvelopeError> {
    serde_json::from_str(event).map_err(|source| EnvelopeError::Record { source })
}

/// A record without an id could fail and would be taken for done.
fn identified(deliveries: Vec<Delivery>) -> Result<Vec<Delivery>, EnvelopeError> {
    if deliveries.iter().all(|delivery| delivery.id.as_ref().is_some_and(|id| !id.is_empty())) {
        Ok(deliveries)
    } else {
        Err(EnvelopeError::Unidentified)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;
    use serde_json::json;

    use super::*;

    fn envelope() -> serde_json::Value {
        json!({"payload": "aGk=", "topic": "sensors/pi-1/readings", "client_id": "pi-1",
               "received_at": 1_795_456_115_802_i64, "envelope": 1})
    }

    fn sqs(body: &str) -> serde_json::Value {
        json!({"messageId": "m-1", "receiptHandle": "r", "body": body, "attributes": {},
               "messageAttributes": {}, "md5OfBody": "x", "eventSource": "aws:sqs",
               "eventSourceARN": "arn:aws:sqs:us-east-1:1:q", "awsRegion": "us-east-1"})
    }

    fn read_json(event: &serde_json::Value) -> Result<(Source, Vec<Delivery>), EnvelopeError> {
        read(&event.to_string())
    }

    #[test]
    fn the_rule_a_queue_and_a_stream_give_the_same_message() {
        let (source, list) = read_json(&envelope()).unwrap();
        assert_eq!((source, list.len()), (Source::Rule, 1));
        let expected = list[0].message.as_ref().unwrap();

        let event = json!({"Records": [sqs(&envelope().to_string()), sqs("no envelope")]});
        let (source, list) = read_json(&event).unwrap();
        assert_eq!((source, list.len()), (Source::Sqs, 2));
        assert_eq!(list[0].message.as_ref().unwrap(), expected);
        assert_eq!(list[0].id.as_deref(), Some("m-1"));
        assert!(list[1].message.is_err(), "that record alone is wrong");

        use base64::Engine as _;
        let data = base64::engine::general_purpose::STANDARD.encode(envelope().to_string());
        let event = json!({"Records": [{"eventSource": "aws:kinesis", "eventID": "shard:1",
            "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": "p",
                        "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
                        "data": data, "approximateArrivalTimestamp": 1_545_084_650.987}}]});
        let (source, list) = read_json(&event).unwrap();
        assert_eq!(source, Source::Kinesis);
        assert_eq!(list[0].message.as_ref().unwrap(), expected);
        assert!(list[0].id.as_ref().unwrap().starts_with("4959"));
    }

    #[test]
    fn what_comes_from_elsewhere_is_named() {
        for (event, expected) in [
            (json!({"Records": [{"eventSource": "aws:s3"}]}), "\"aws:s3\""),
            (json!({"Records": []}), "keys [Records]"),
            (json!({"detail-type": "x", "source": "aws.events"}), "keys [detail-type, source]"),
            (json!(null), "null"),
            (json!([1]), "an array"),
            (json!("x"), "a bare value"),
        ] {
            let text = read_json(&event).unwrap_err().to_string();
            assert!(text.contains(expected), "{event}: {text}");
        }
        let mut nameless = sqs("{}");
        nameless["messageId"] = json!(null);
        let error = read_json(&json!({"Records": [nameless]})).unwrap_err();
        assert!(matches!(error, EnvelopeError::Unidentified));
        let mixed = json!({"Records": [sqs("{}"), {"eventSource": "aws:sns"}]});
        assert!(matches!(read_json(&mixed), Err(EnvelopeError::Source { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 256,
            rng_seed: RngSeed::Fixed(25),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn a_damaged_event_is_taken_apart_or_named(
            which in 0..3_usize,
            at in any::<prop::sample::Index>(),
            with in prop::sample::select(vec!["", "{", "}", "[", "\"", "null", "-1", "1e999", "\u{0}", "ä"]),
        ) {
            let record = sqs(&envelope().to_string());
            let events = [envelope(), json!({"Records": [record, record]}),
                json!({"Records": [{"eventSource": "aws:kinesis", "kinesis": {"sequenceNumber": "1",
                    "partitionKey": "p", "data": "e30=", "approximateArrivalTimestamp": 1.5}}]})];
            let mut text = events[which].to_string();
            let at = text.floor_char_boundary(at.index(text.len()));
            text.replace_range(at..text.ceil_char_boundary(at + 1), with);
            match read(&text) {
                Ok((_, deliveries)) => prop_assert!(!deliveries.is_empty()),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}
