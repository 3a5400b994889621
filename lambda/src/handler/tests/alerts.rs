//! Alerts beside readings: told once, and never the reason for a loss.

use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::*;
use crate::alert::fake::{Listener, Table};
use crate::alert::{self, Record};
use crate::store::AlertStore;

impl AlertStore for Memory {
    async fn alerts(&self, device: &DeviceId) -> Result<Record, StoreError> {
        self.alerts.alerts(device).await
    }

    async fn put_alerts(
        &self,
        device: &DeviceId,
        record: &Record,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.alerts.put_alerts(device, record, version).await
    }

    async fn all_alerts(&self) -> Result<Vec<(DeviceId, Record)>, StoreError> {
        self.alerts.all_alerts().await
    }

    async fn profile(&self, device: &DeviceId) -> Result<Option<serde_json::Value>, StoreError> {
        self.alerts.profile(device).await
    }

    async fn all_profiles(&self) -> Result<Vec<(DeviceId, serde_json::Value)>, StoreError> {
        self.alerts.all_profiles().await
    }

    async fn last_heard(&self) -> Result<HashMap<DeviceId, UnixMillis>, StoreError> {
        self.alerts.last_heard().await
    }
}

/// A device with a calibration and an alert on what it corrects.
fn store() -> Memory {
    let alerts = Table::default();
    alerts.say(
        "pi-1",
        json!({"alerts": {"s.temperature": {"above": 35}}, "calibration": {"temperature": {"offset": 1}}}),
    );
    Memory { alerts, ..Memory::default() }
}

/// A message of now, with one value.
fn warm(device: &str, seq: u64, value: f64) -> serde_json::Value {
    let t0 = wall_clock().get() + i64::try_from(seq).unwrap();
    let payload = format!(
        r#"{{"v":1,"device":"{device}","boot":"b","t0":{t0},"series":[{{"sensor":"s","fields":[["temperature","Cel"]],"rows":[[0,{seq},{value}]]}}]}}"#
    );
    let mut event = event(&payload);
    event["client_id"] = json!(device);
    event["topic"] = json!(format!("sensors/{device}/readings"));
    event["received_at"] = json!(t0);
    event
}

async fn alerted<N: Notifier>(
    ingest: &Ingest<Memory, N>,
    event: &serde_json::Value,
) -> (Result<Answer, HandlerError>, Alerted) {
    let (answer, report) = ingest.handle(&event.to_string(), SystemTime::UNIX_EPOCH).await;
    (answer, report.alerts)
}

#[tokio::test]
async fn a_value_beyond_its_limit_is_told_once_however_often_its_message_comes() {
    for layout in [crate::Layout::Each, crate::Layout::Packed] {
        let listener = Listener::default();
        let rules = Rules { layout, ..Rules::default() };
        let ingest = Ingest::new(store(), rules).with_notifier(&listener);
        let event = warm("pi-1", 1, 34.5);
        for expected in [1, 0, 0] {
            let (answer, found) = alerted(&ingest, &event).await;
            assert!(answer.is_ok());
            assert_eq!(found, Alerted { raised: expected, ..Alerted::default() });
        }
        let notes = listener.notes.lock().unwrap();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].text.starts_with("pi-1 / s temperature 35.5 °C is above 35 °C since"));
    }
}

#[tokio::test]
async fn a_device_without_alerts_costs_nothing() {
    let ingest = Ingest::new(store(), Rules::default());
    let (answer, found) = alerted(&ingest, &warm("pi-2", 1, 99.0)).await;
    assert!(answer.is_ok());
    assert_eq!(found, Alerted::default());
    assert_eq!(ingest.store.alerts.reads.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn alerts_that_cannot_be_kept_or_told_lose_no_reading() {
    let listener = Listener::default();
    let ingest = Ingest::new(store(), Rules::default()).with_notifier(&listener);
    ingest.store.alerts.failing.store(usize::MAX, Ordering::Relaxed);
    let (answer, found) = alerted(&ingest, &warm("pi-1", 1, 40.0)).await;
    let Ok(Answer::Message(summary)) = answer else { panic!("{answer:?}") };
    assert_eq!((summary.accepted, found.failures), (1, 1));
    ingest.store.alerts.failing.store(0, Ordering::Relaxed);
    listener.deaf.store(1, Ordering::Relaxed);
    let (answer, found) = alerted(&ingest, &warm("pi-1", 2, 40.0)).await;
    assert!(answer.is_ok());
    assert_eq!(found, Alerted { raised: 1, cleared: 0, failures: 1 });
    // The tick tells what the function could not.
    let later = wall_clock().offset(300_000).unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    alert::tick(&ingest.store, &listener, || later, until).await;
    assert_eq!(listener.told(), ["+s.temperature"]);
}

#[tokio::test]
async fn what_is_not_written_raises_nothing_yet() {
    let listener = Listener::default();
    let refusing = Memory { refuses: true, ..store() };
    let ingest = Ingest::new(refusing, Rules::default()).with_notifier(&listener);
    let (answer, found) = alerted(&ingest, &warm("pi-1", 1, 40.0)).await;
    assert!(answer.is_err());
    assert_eq!(found, Alerted::default());
    let old =
        Ingest::new(store(), Rules::default()).with_notifier(&listener).of_the_past(Past::Replayed);
    assert_eq!(alerted(&old, &warm("pi-1", 1, 40.0)).await.1, Alerted::default());
    assert_eq!(listener.told(), [] as [&str; 0]);
}

#[tokio::test]
async fn a_batch_is_looked_at_in_the_order_of_its_readings() {
    let listener = Listener::default();
    let ingest = Ingest::new(store(), Rules::default()).with_notifier(&listener);
    let batch = sqs(&[warm("pi-1", 900, 20.0), warm("pi-1", 1, 40.0), json!("no envelope")]);
    let (_, found) = alerted(&ingest, &batch).await;
    assert_eq!(found, Alerted { raised: 1, cleared: 1, failures: 0 });
    assert_eq!(listener.told(), ["+s.temperature", "-s.temperature"]);
}

#[tokio::test]
async fn a_device_that_was_heard_long_ago_is_silent() {
    let listener = Listener::default();
    let ingest = Ingest::new(store(), Rules::default()).with_notifier(&listener);
    ingest.store.alerts.say("pi-2", json!({"silence": "1h"}));
    let long_ago = wall_clock().offset(-3_700_000).unwrap();
    ingest.store.alerts.heard.lock().unwrap().insert("pi-2".try_into().unwrap(), long_ago);
    let until = Instant::now() + Duration::from_secs(20);
    let found = ingest.tick_alerts(until).await;
    assert_eq!(found, Alerted { raised: 1, ..Alerted::default() });
    assert_eq!(listener.notes.lock().unwrap()[0].subject, "Tidings: pi-2 is silent");
    assert_eq!(ingest.of_the_past(Past::Replayed).tick_alerts(until).await, Alerted::default());
}
