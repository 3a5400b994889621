//! `event`: from a payload to the event that the function gets, and back to a readable form.

use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use tidings_agent::clock;
use tidings_agent::terminal::causes;
use tidings_ingest::Envelope;
use tidings_ingest::envelope::VERSION;
use tidings_ingest::source;
use tidings_schema::wire::dialect::{Dialect, recognise};
use tidings_schema::wire::foreign::Decoded;
use tidings_schema::wire::{plain, senml, v1};
use tidings_schema::{DeviceId, Topic, UnixMillis, topic};

use crate::Trouble;
use crate::query::{parse_time, time};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct EventArguments {
    /// The payload as a device sends it, or with --unwrap an event (- for standard input).
    file: PathBuf,
    /// The device that sends it.
    #[arg(long, required_unless_present_any = ["unwrap", "topic"])]
    device: Option<DeviceId>,
    /// The topic that it is sent on [default: sensors/DEVICE/readings].
    #[arg(long)]
    topic: Option<String>,
    /// The MQTT client id [default: the device of the topic].
    #[arg(long)]
    client_id: Option<String>,
    /// When the rule sees it: a span before now or a time [default: now].
    #[arg(long, value_parser = parse_time)]
    received_at: Option<UnixMillis>,
    /// Its name in the logs of AWS IoT [default: none].
    #[arg(long)]
    trace_id: Option<String>,
    /// By which way it comes to the function.
    #[arg(long, value_enum, default_value_t = Via::Rule)]
    via: Via,
    /// Show what is in an event instead.
    #[arg(long)]
    unwrap: bool,
}

/// The ways to the function.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Via {
    /// The rule's Lambda action.
    Rule,
    /// A queue of SQS.
    Sqs,
    /// A stream of Kinesis.
    Kinesis,
}

/// Prints an event, or what is in one.
///
/// # Errors
/// When the file cannot be read, or holds no event.
pub fn event(arguments: &EventArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let bytes = read(&arguments.file)?;
    if arguments.unwrap {
        let text = String::from_utf8(bytes)
            .map_err(|_| Trouble::Usage("an event is JSON, and this is not text".to_owned()))?;
        return unwrap(&text, out);
    }
    let envelope = wrap(arguments, &bytes)?;
    let event = match arguments.via {
        Via::Rule => json!(envelope),
        Via::Sqs => json!({"Records": [sqs(&json!(envelope))]}),
        Via::Kinesis => json!({"Records": [kinesis(&json!(envelope), envelope.received_at)]}),
    };
    let text = serde_json::to_string_pretty(&event)
        .map_err(|error| Trouble::Internal(error.to_string()))?;
    Ok(writeln!(out, "{text}")?)
}

fn read(path: &Path) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|found| bytes = found)
    };
    read.map_err(|source| Trouble::File { path: path.to_owned(), source })?;
    Ok(bytes)
}

fn wrap(arguments: &EventArguments, payload: &[u8]) -> Result<Envelope, Trouble> {
    let topic = match (&arguments.topic, &arguments.device) {
        (Some(topic), _) => topic.clone(),
        (None, Some(device)) => Topic::readings(device, topic::Route::Broker).to_string(),
        (None, None) => {
            return Err(Trouble::Usage("expected --device or --topic".to_owned()));
        }
    };
    // As `topic()` of the rule gives it.
    let topic = topic::basic_ingest(&topic).map_or(topic.clone(), |(_, rest)| rest.to_owned());
    let on_topic = topic::parse(&topic).map(|(device, _)| device.to_string());
    let client_id = arguments.client_id.clone().or(on_topic);
    Ok(Envelope {
        payload: Envelope::encode_payload(payload),
        client_id: client_id.ok_or_else(|| {
            Trouble::Usage(format!("no device in the topic {topic:?}: say --client-id"))
        })?,
        topic,
        principal: None,
        received_at: arguments.received_at.unwrap_or_else(clock::now),
        trace_id: arguments.trace_id.clone(),
        envelope: VERSION,
    })
}

fn sqs(body: &Json) -> Json {
    json!({
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
        "body": body.to_string(),
        "attributes": {"ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:tidings-readings",
        "awsRegion": "us-east-1",
    })
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
fn kinesis(data: &Json, at: UnixMillis) -> Json {
    json!({
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": data["client_id"],
            "sequenceNumber": "49590338271490256608559692538361571095921575989136588898",
            "data": STANDARD.encode(data.to_string()),
            "approximateArrivalTimestamp": at.get() as f64 / 1000.0,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shardId-000000000006:49590338271490256608559692538361571095921575989136588898",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::123456789012:role/tidings-ingest",
        "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/tidings-readings",
    })
}

fn unwrap(event: &str, out: &mut impl Write) -> Result<(), Trouble> {
    let (source, deliveries) = source::read(event)
        .map_err(|error| Trouble::Usage(format!("no event: {}", causes(&error, ": "))))?;
    for (number, delivery) in deliveries.iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        write!(out, "source       {}", source.name())?;
        match &delivery.id {
            Some(id) => writeln!(out, ", record {id}")?,
            None => writeln!(out)?,
        }
        match &delivery.message {
            Err(error) => writeln!(out, "no message   {}", causes(error, ": "))?,
            Ok((envelope, payload)) => show(envelope, payload, out)?,
        }
    }
    Ok(())
}

fn show(envelope: &Envelope, payload: &[u8], out: &mut impl Write) -> Result<(), Trouble> {
    writeln!(out, "topic        {}", envelope.topic)?;
    writeln!(out, "client id    {}", envelope.client_id)?;
    writeln!(out, "principal    {}", envelope.principal.as_deref().unwrap_or("-"))?;
    writeln!(out, "received at  {}", time(envelope.received_at))?;
    writeln!(out, "trace id     {}", envelope.trace_id.as_deref().unwrap_or("-"))?;
    writeln!(out, "payload      {} bytes, {}", payload.len(), says(payload, envelope.received_at))?;
    match serde_json::from_slice::<Json>(payload) {
        Ok(json) => {
            let text = serde_json::to_string_pretty(&json)
                .map_err(|error| Trouble::Internal(error.to_string()))?;
            writeln!(out, "{text}")?;
        }
        Err(_) => {
            for line in payload.chunks(32) {
                let hex: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
                writeln!(out, "{hex}")?;
            }
        }
    }
    Ok(())
}

/// Dialect and number of readings, or why it is none.
fn says(payload: &[u8], now: UnixMillis) -> String {
    let dialect = match recognise(payload) {
        Ok(dialect) => dialect,
        Err(error) => return error.to_string(),
    };
    let count = |good: usize, bad: usize| match bad {
        0 => format!("{good} readings"),
        bad => format!("{good} readings and {bad} that cannot be read"),
    };
    let foreign = |decoded: Decoded| count(decoded.samples.len(), decoded.refused.len());
    let (name, said) = match dialect {
        Dialect::V1 => (
            "Tidings version 1",
            v1::decode(payload)
                .map(|decoded| count(decoded.readings.len(), decoded.refused.len()))
                .map_err(|error| causes(&error, ": ")),
        ),
        Dialect::SenmlJson => (
            "SenML in JSON",
            senml::decode_json(payload, now).map(foreign).map_err(|error| causes(&error, ": ")),
        ),
        Dialect::SenmlCbor => (
            "SenML in CBOR",
            senml::decode_cbor(payload, now).map(foreign).map_err(|error| causes(&error, ": ")),
        ),
        Dialect::Plain => (
            "a plain object",
            plain::decode(payload, now).map(foreign).map_err(|error| causes(&error, ": ")),
        ),
    };
    format!("{name}: {}", said.unwrap_or_else(|error| error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOAD: &str = r#"{"v":1,"device":"pi-1","boot":"b","t0":1795456115802,"series":[{"sensor":"s","fields":[["temperature","Cel"]],"rows":[[0,1,21.5],[0,2]]}]}"#;

    fn arguments(via: Via) -> EventArguments {
        EventArguments {
            file: PathBuf::from("-"),
            device: Some(DeviceId::try_from("pi-1").unwrap()),
            topic: None,
            client_id: None,
            received_at: Some(UnixMillis::new(1_795_456_120_000).unwrap()),
            trace_id: Some("t-1".to_owned()),
            via,
            unwrap: false,
        }
    }

    #[test]
    fn an_event_by_any_way_holds_the_payload_and_shows_it_again() {
        for via in [Via::Rule, Via::Sqs, Via::Kinesis] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("payload");
            std::fs::write(&file, PAYLOAD).unwrap();
            let mut made = Vec::new();
            event(&EventArguments { file, ..arguments(via) }, &mut made).unwrap();
            let made = String::from_utf8(made).unwrap();
            let (_, deliveries) = source::read(&made).unwrap();
            let (envelope, payload) = deliveries[0].message.as_ref().unwrap();
            assert_eq!(payload, PAYLOAD.as_bytes());
            assert_eq!(
                (envelope.topic.as_str(), envelope.client_id.as_str()),
                ("sensors/pi-1/readings", "pi-1")
            );

            let mut shown = Vec::new();
            unwrap(&made, &mut shown).unwrap();
            let shown = String::from_utf8(shown).unwrap();
            for text in [
                "2026-11-23T17:48:40.000Z",
                "t-1",
                "1 readings and 1 that cannot be read",
                "\"temperature\"",
            ] {
                assert!(shown.contains(text), "{text} in {shown}");
            }
        }
    }

    #[test]
    fn a_payload_that_is_no_text_is_shown_in_hex() {
        let envelope = wrap(&arguments(Via::Rule), b"\xff\x00").unwrap();
        let mut shown = Vec::new();
        show(&envelope, b"\xff\x00", &mut shown).unwrap();
        assert!(String::from_utf8(shown).unwrap().ends_with("\nff00\n"));
        assert!(unwrap("{}", &mut Vec::new()).is_err());
    }

    #[test]
    fn a_basic_ingest_topic_is_as_the_rule_sees_it() {
        let topic = Some("$aws/rules/tidings_ingest/sensors/pi-9/readings".to_owned());
        let arguments = EventArguments { topic, ..arguments(Via::Rule) };
        let envelope = wrap(&arguments, b"x").unwrap();
        assert_eq!(
            (envelope.topic.as_str(), envelope.client_id.as_str()),
            ("sensors/pi-9/readings", "pi-9")
        );
        let topic = Some("else".to_owned());
        let unnamed = EventArguments { topic, ..arguments };
        assert!(wrap(&unnamed, b"x").is_err());
    }
}
