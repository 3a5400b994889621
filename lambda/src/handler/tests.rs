use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::store::{Stands, StoreError};

mod alerts;

#[derive(Default)]
struct Memory {
    puts: Mutex<Vec<Put>>,
    /// Those that were put where what stands allows it.
    conditions: Mutex<Vec<Item>>,
    refuses: bool,
    /// What has this at the end of its sort key is never processed.
    leaves: Option<&'static str>,
    /// What the operator says, and how alerts stand.
    alerts: crate::alert::fake::Table,
}

impl Store for Memory {
    async fn write(&self, puts: &[Put]) -> Result<Vec<usize>, StoreError> {
        if self.refuses {
            let code = "ResourceNotFoundException".to_owned();
            return Err(StoreError::Lasting { code, message: "no such table".to_owned() });
        }
        self.puts.lock().unwrap().extend_from_slice(puts);
        let is_left = |put: &Put| self.leaves.is_some_and(|text| put.address().2.ends_with(text));
        Ok(puts.iter().enumerate().filter(|(_, put)| is_left(put)).map(|(at, _)| at).collect())
    }

    async fn put_where(&self, item: &Item, _: Stands) -> Result<bool, StoreError> {
        self.conditions.lock().unwrap().push(item.clone());
        let left = self.write(&[Put { origin: None, item: item.clone() }]).await?;
        if left.is_empty() { Ok(true) } else { Err(StoreError::Deadline) }
    }

    async fn profiles(
        &self,
        devices: &[DeviceId],
    ) -> Result<Vec<(DeviceId, serde_json::Value)>, StoreError> {
        let profiles = self.alerts.profiles.lock().unwrap();
        let said = |device: &DeviceId| Some((device.clone(), profiles.get(device)?.clone()));
        Ok(devices.iter().filter_map(said).collect())
    }
}

fn event(payload: &str) -> serde_json::Value {
    json!({"payload": Envelope::encode_payload(payload.as_bytes()),
           "topic": "sensors/pi-1/readings", "client_id": "pi-1",
           "received_at": 1_795_456_115_802_i64, "envelope": 1})
}

const MESSAGE: &str = r#"{"v":1,"device":"pi-1","boot":"b","t0":1795456115802,"series":[{"sensor":"s","fields":[["temperature","Cel"]],"rows":[[0,1,21.5],[0,1,21.5],[0,2,9999]],"faults":[[0,3,"timeout"]]}]}"#;

async fn handle(ingest: &Ingest<Memory>, event: &serde_json::Value) -> Summary {
    let (answer, _) = ingest.handle(&event.to_string(), SystemTime::UNIX_EPOCH).await;
    let Ok(Answer::Message(summary)) = answer else { panic!("{answer:?}") };
    summary
}

#[tokio::test]
async fn the_summary_counts_what_was_written() {
    let ingest = Ingest::new(Memory::default(), Rules::default());
    let summary = handle(&ingest, &event(MESSAGE)).await;
    let expected = Summary { accepted: 2, faults: 1, quarantined: 1, duplicates: 1, retries: 0 };
    assert_eq!(summary, expected);
    // Two readings, one in quarantine, the sensor that was heard of, and its hour that is due.
    assert_eq!(ingest.store.puts.lock().unwrap().len(), 5);
    handle(&ingest, &event(MESSAGE)).await;
    assert_eq!(ingest.store.puts.lock().unwrap().len(), 8, "the sensor is told of once a minute");
}

#[tokio::test]
async fn a_deadline_in_the_past_means_unknown_and_one_in_the_future_is_kept() {
    let ingest = Ingest::new(Memory::default(), Rules::default());
    let left = |deadline| ingest.until(deadline).duration_since(Instant::now());
    assert!(left(SystemTime::UNIX_EPOCH + Duration::from_secs(600)) > Duration::from_secs(20));
    let soon = left(SystemTime::now() + Duration::from_secs(5));
    assert!(soon <= Duration::from_millis(3500), "{soon:?}");
    assert_eq!(left(SystemTime::now() + Duration::from_millis(100)), Duration::ZERO);
}

#[tokio::test]
async fn errors_have_stable_names_and_say_why() {
    let ingest = Ingest::new(Memory { refuses: true, ..Memory::default() }, Rules::default());
    let fail = async |event: serde_json::Value| {
        let (answer, report) = ingest.handle(&event.to_string(), SystemTime::UNIX_EPOCH).await;
        let error = answer.unwrap_err();
        assert_eq!(report.error, Some((error.name(), error.message())));
        assert!(HandlerError::NAMES.contains(&error.name()));
        assert_eq!((report.failed, report.accepted), (1, 0), "nothing is counted twice");
        Diagnostic::from(error)
    };
    let diagnostic = fail(event(MESSAGE)).await;
    assert_eq!(diagnostic.error_type, "WriteIncomplete");
    assert_eq!(
        diagnostic.error_message,
        "4 of 4 items were not written: DynamoDB refuses: ResourceNotFoundException: no such table"
    );
    let diagnostic = fail(json!({"Records": []})).await;
    assert_eq!(diagnostic.error_type, "InvalidEvent");
    let mut large = event("");
    large["payload"] = json!(Envelope::encode_payload(&vec![b'{'; 200_000]));
    assert_eq!(fail(large).await.error_type, "PayloadTooLarge");
}

fn message(device: &str, seq: u64) -> serde_json::Value {
    let payload = format!(
        r#"{{"v":1,"device":"{device}","boot":"b","t0":1795456115802,"series":[{{"sensor":"s","fields":[["temperature","Cel"]],"rows":[[0,{seq},21.5]]}}]}}"#
    );
    let mut event = event(&payload);
    event["client_id"] = json!(device);
    event["topic"] = json!(format!("sensors/{device}/readings"));
    event["trace_id"] = json!(format!("t-{seq}"));
    event
}

fn sqs(bodies: &[serde_json::Value]) -> serde_json::Value {
    let record = |(number, body): (usize, &serde_json::Value)| {
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        json!({"messageId": format!("m-{number}"), "body": body, "eventSource": "aws:sqs"})
    };
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()})
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_failed_comes_again() {
    let store = Memory { leaves: Some("000000000002"), ..Memory::default() };
    let ingest = Ingest::new(store, Rules::default());
    let batch =
        sqs(&[message("pi-1", 1), message("pi-1", 2), json!("no envelope"), message("pi-2", 3)]);
    let (answer, report) = ingest.handle(&batch.to_string(), SystemTime::UNIX_EPOCH).await;
    let Ok(Answer::Sqs(response)) = &answer else { panic!("{answer:?}") };
    let failed: Vec<&str> =
        response.batch_item_failures.iter().map(|one| one.item_identifier.as_str()).collect();
    assert_eq!(failed, ["m-1", "m-2"]);
    assert_eq!(
        serde_json::to_value(answer.unwrap()).unwrap(),
        json!({"batchItemFailures": [{"itemIdentifier": "m-1"}, {"itemIdentifier": "m-2"}]})
    );
    assert_eq!((report.source, report.messages, report.failed), (Source::Sqs, 4, 2));
    assert_eq!(report.accepted, 2);
    assert_eq!(report.error.as_ref().unwrap().0, "WriteIncomplete");
    let named: Vec<_> = report.named.iter().map(|one| one.trace_id.as_deref().unwrap()).collect();
    assert_eq!(named, ["t-2"]);
}

#[tokio::test]
async fn a_message_that_stands_twice_in_a_batch_is_written_once() {
    let ingest = Ingest::new(Memory::default(), Rules::default());
    let batch = sqs(&[message("pi-1", 1), message("pi-1", 1), event("garbage"), event("garbage")]);
    let (answer, report) = ingest.handle(&batch.to_string(), SystemTime::UNIX_EPOCH).await;
    let Ok(Answer::Sqs(response)) = answer else { panic!("{answer:?}") };
    assert_eq!(response.batch_item_failures, []);
    assert_eq!((report.accepted, report.duplicates, report.quarantined()), (1, 1, 1));
    // A reading, a quarantined message, the sensor that was heard of, and its hour that is due.
    assert_eq!(ingest.store.puts.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_the_function_says_of_its_own_fails_nothing_and_is_said_again() {
    let store = Memory { leaves: Some("pi-1#s"), ..Memory::default() };
    let ingest = Ingest::new(store, Rules::default());
    let mut fresh = message("pi-1", 1);
    fresh["received_at"] = json!(wall_clock().get());
    for message in [message("pi-1", 1), fresh] {
        for _ in 0..2 {
            let before = ingest.store.puts.lock().unwrap().len();
            assert_eq!(handle(&ingest, &message).await.accepted, 1);
            let puts = ingest.store.puts.lock().unwrap();
            assert!(puts[before..].iter().any(|put| matches!(put.item, Item::Seen(_))));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_done_before_its_hours_are_said_to_be_due() {
    let ingest = Ingest::new(Memory::default(), Rules::default());
    let other_hour = {
        let mut event = event(&MESSAGE.replace("1795456115802", "1795450000000"));
        event["trace_id"] = json!("other");
        event
    };
    let batch = sqs(&[message("pi-1", 1), other_hour.clone(), message("pi-1", 2)]);
    let store = Memory { leaves: Some("#1795453200000"), ..Memory::default() };
    let failing = Ingest::new(store, Rules::default());
    let (answer, report) = failing.handle(&batch.to_string(), SystemTime::UNIX_EPOCH).await;
    let Ok(Answer::Sqs(response)) = &answer else { panic!("{answer:?}") };
    let failed: Vec<&str> =
        response.batch_item_failures.iter().map(|one| one.item_identifier.as_str()).collect();
    assert_eq!(failed, ["m-0", "m-2"], "all that have readings in that hour");
    assert_eq!(report.error.as_ref().unwrap().0, "WriteIncomplete");

    let (_, report) = ingest.handle(&batch.to_string(), SystemTime::UNIX_EPOCH).await;
    assert_eq!(report.failed, 0);
    let dues = |ingest: &Ingest<Memory>| {
        let puts = ingest.store.puts.lock().unwrap();
        puts.iter().filter(|put| matches!(put.item, Item::Due(_))).count()
    };
    assert_eq!(dues(&ingest), 2);
    handle(&ingest, &other_hour).await;
    assert_eq!(dues(&ingest), 2, "it has been said");
}

#[tokio::test(start_paused = true)]
async fn what_is_of_the_past_does_not_say_that_a_sensor_was_heard_now() {
    let seen = |ingest: &Ingest<Memory>| -> Vec<(bool, i64)> {
        let puts = ingest.store.puts.lock().unwrap();
        let conditions = ingest.store.conditions.lock().unwrap();
        puts.iter()
            .filter_map(|put| match &put.item {
                Item::Seen(item) => Some((conditions.contains(&put.item), item.last_seen.get())),
                _ => None,
            })
            .collect()
    };
    let now = wall_clock().get();
    let message = |t0: i64, received_at: i64| {
        let mut event = event(&MESSAGE.replace("1795456115802", &t0.to_string()));
        event["received_at"] = json!(received_at);
        event
    };
    let ingest = Ingest::new(Memory::default(), Rules::default());
    handle(&ingest, &message(now, now)).await;
    assert_eq!(seen(&ingest), [(false, now)]);
    // A message that waited in a queue for an hour, at a function that knows nothing newer.
    let late = now - 3_600_000;
    let ingest = Ingest::new(Memory::default(), Rules::default());
    handle(&ingest, &message(late, late)).await;
    assert_eq!(seen(&ingest), [(true, late)]);
    // One that is imported now.
    let ingest = Ingest::new(Memory::default(), Rules::default()).of_the_past(Past::Imported);
    handle(&ingest, &message(late, now)).await;
    assert_eq!(seen(&ingest), [(true, late)]);
    // One that is replayed says when it came.
    let ingest = Ingest::new(Memory::default(), Rules::default()).of_the_past(Past::Replayed);
    handle(&ingest, &message(late, late + 5)).await;
    assert_eq!(seen(&ingest), [(true, late + 5)]);
}
