use std::sync::Mutex;

use serde_json::json;

use super::*;
use crate::store::StoreError;

#[derive(Default)]
struct Memory {
    puts: Mutex<Vec<Put>>,
    refuses: bool,
}

impl Store for Memory {
    async fn write(&self, puts: &[Put]) -> Result<Vec<usize>, StoreError> {
        if self.refuses {
            let code = "ResourceNotFoundException".to_owned();
            return Err(StoreError::Lasting { code, message: "no such table".to_owned() });
        }
        self.puts.lock().unwrap().extend_from_slice(puts);
        Ok(Vec::new())
    }
}

fn event(payload: &str) -> serde_json::Value {
    json!({"payload": Envelope::encode_payload(payload.as_bytes()),
           "topic": "sensors/pi-1/readings", "client_id": "pi-1",
           "received_at": 1_795_456_115_802_i64, "envelope": 1})
}

const MESSAGE: &str = r#"{"v":1,"device":"pi-1","boot":"b","t0":1795456115802,"series":[{"sensor":"s","fields":[["temperature","Cel"]],"rows":[[0,1,21.5],[0,1,21.5],[0,2,9999]],"faults":[[0,3,"timeout"]]}]}"#;

#[tokio::test]
async fn the_summary_counts_what_was_written() {
    let ingest = Ingest::new(Memory::default(), Rules::default());
    let summary = ingest.handle(event(MESSAGE), SystemTime::UNIX_EPOCH).await.unwrap();
    let expected = Summary { accepted: 2, faults: 1, quarantined: 1, duplicates: 1, retries: 0 };
    assert_eq!(summary, expected);
    // Two readings, one in quarantine, and the sensor that was heard of.
    assert_eq!(ingest.store.puts.lock().unwrap().len(), 4);
    ingest.handle(event(MESSAGE), SystemTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(ingest.store.puts.lock().unwrap().len(), 7, "the sensor is told of once a minute");
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
    let error = ingest.handle(event(MESSAGE), SystemTime::UNIX_EPOCH).await.unwrap_err();
    let diagnostic = Diagnostic::from(error);
    assert_eq!(diagnostic.error_type, "WriteIncomplete");
    assert_eq!(
        diagnostic.error_message,
        "4 of 4 items were not written: DynamoDB refuses: ResourceNotFoundException: no such table"
    );
    let error = ingest.handle(json!({"Records": []}), SystemTime::UNIX_EPOCH).await.unwrap_err();
    assert_eq!(Diagnostic::from(error).error_type, "InvalidEvent");
}
