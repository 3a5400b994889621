//! What a reading costs the function, from the event's bytes to the bodies of BatchWriteItem.
//!
//! `cargo bench -p tidings-tests --bench ingest` prints CPU time per reading for events of growing
//! size, in both layouts, and beside it two floors for the same bytes: to parse event and payload as
//! JSON, and to write the same bodies from values that are there already. What grows faster than the
//! number of readings would show in the last lines.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value as Json;
use tidings_ingest::alert::Record;
use tidings_ingest::config::Rules;
use tidings_ingest::item::{Item, Put};
use tidings_ingest::store::{AlertStore, Stands, Store, StoreError, Tables, body};
use tidings_ingest::{Answer, Envelope, Ingest, Layout};
use tidings_schema::{DeviceId, UnixMillis};

/// Readings in an event.
const SIZES: [usize; 6] = [1, 25, 100, 500, 1000, 3000];

/// A store that makes the bodies and sends them nowhere.
#[derive(Default)]
struct Bodies {
    tables: Tables,
    /// The bodies of the last event, where they are wanted.
    kept: Option<Mutex<Vec<Vec<u8>>>>,
}

impl Store for Bodies {
    async fn write(&self, puts: &[Put]) -> Result<Vec<usize>, StoreError> {
        let body = black_box(body::batch_write_item(puts, &self.tables));
        if let Some(kept) = &self.kept {
            kept.lock().expect("one thread").push(body);
        }
        Ok(Vec::new())
    }

    async fn put_where(&self, item: &Item, stands: Stands) -> Result<bool, StoreError> {
        black_box(body::put_item(item, &self.tables, stands));
        Ok(true)
    }

    async fn profiles(&self, _: &[DeviceId]) -> Result<Vec<(DeviceId, Json)>, StoreError> {
        Ok(Vec::new())
    }
}

/// Nobody has set alerts.
impl AlertStore for Bodies {
    async fn alerts(&self, _: &DeviceId) -> Result<Record, StoreError> {
        Ok(Record::default())
    }

    async fn put_alerts(&self, _: &DeviceId, _: &Record, _: u64) -> Result<bool, StoreError> {
        Ok(true)
    }

    async fn all_alerts(&self) -> Result<Vec<(DeviceId, Record)>, StoreError> {
        Ok(Vec::new())
    }

    async fn profile(&self, _: &DeviceId) -> Result<Option<Json>, StoreError> {
        Ok(None)
    }

    async fn all_profiles(&self) -> Result<Vec<(DeviceId, Json)>, StoreError> {
        Ok(Vec::new())
    }

    async fn last_heard(&self) -> Result<HashMap<DeviceId, UnixMillis>, StoreError> {
        Ok(HashMap::new())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!(
        "{:>8} {:>10} {:>10} {:>12} {:>12} {:>12}",
        "readings", "bytes", "each µs", "packed µs", "parse µs", "write µs"
    );
    for size in SIZES {
        let event = event(size);
        let each = ingest(&event, size, Layout::Each).await;
        let packed = ingest(&event, size, Layout::Packed).await;

        let store = Bodies { kept: Some(Mutex::default()), ..Bodies::default() };
        let function = Ingest::new(store, Rules::default());
        let (answer, _) = function.handle(&event, SystemTime::UNIX_EPOCH).await;
        assert!(matches!(answer, Ok(Answer::Message(summary)) if summary.accepted == size));
        let requests = bodies(function);
        let payload = Envelope::read(&event).expect("an envelope").1;
        let parse = cpu(size, || {
            black_box(serde_json::from_str::<Json>(&event).expect("JSON"));
            black_box(serde_json::from_slice::<Json>(&payload).expect("JSON"));
        });
        let write = cpu(size, || {
            for request in &requests {
                black_box(serde_json::to_vec(request).expect("JSON"));
            }
        });
        println!(
            "{size:>8} {:>10} {each:>10.2} {packed:>12.2} {parse:>12.2} {write:>12.2}",
            event.len()
        );
    }
}

fn bodies(function: Ingest<Bodies>) -> Vec<Json> {
    let kept = function.into_store().kept.expect("they were wanted").into_inner();
    let kept = kept.expect("one thread");
    kept.iter().map(|body| serde_json::from_slice(body).expect("a body is JSON")).collect()
}

/// CPU time per reading in microseconds.
async fn ingest(event: &str, readings: usize, layout: Layout) -> f64 {
    let rules = Rules { layout, ..Rules::default() };
    let function = Ingest::new(Bodies::default(), rules);
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let runs = runs(readings);
        let start = now();
        for _ in 0..runs {
            let (answer, report) = function.handle(event, SystemTime::UNIX_EPOCH).await;
            assert!(answer.is_ok() && report.accepted == readings);
        }
        best = best.min(per_reading(now() - start, runs * readings));
    }
    best
}

fn cpu(readings: usize, work: impl Fn()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let runs = runs(readings);
        let start = now();
        for _ in 0..runs {
            work();
        }
        best = best.min(per_reading(now() - start, runs * readings));
    }
    best
}

/// The best of some rounds: what another program takes of the machine is not ours.
const ROUNDS: usize = 7;

fn runs(readings: usize) -> usize {
    (60_000 / readings).clamp(1, 5_000)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn per_reading(time: Duration, readings: usize) -> f64 {
    time.as_secs_f64() * 1e6 / readings as f64
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("CPU time is not negative")
}

/// An event of the rule with readings of a BME280.
fn event(readings: usize) -> String {
    let rows: Vec<String> = (0..readings)
        .map(|k| {
            format!(
                "[{},{k},{}.{:02},{}.{:02},10{:02}.{}]",
                k * 1000,
                20 + k % 7,
                k % 100,
                35 + k % 13,
                k * 7 % 100,
                k % 25,
                k % 10
            )
        })
        .collect();
    let payload = format!(
        r#"{{"v":1,"device":"pi-1","boot":"k3v9x2qd","t0":1795456115802,"series":[{{"sensor":"bme280","fields":[["temperature","Cel"],["humidity","%RH"],["pressure","hPa"]],"rows":[{}]}}]}}"#,
        rows.join(",")
    );
    let envelope = Envelope {
        payload: Envelope::encode_payload(payload.as_bytes()),
        topic: "sensors/pi-1/readings".to_owned(),
        client_id: "pi-1".to_owned(),
        principal: Some("3f0c5b1c7f2f4b4e9a9f8d0d3c1b2a49586776859403a2b1c0d9e8f7a6b5c4d3".into()),
        received_at: 1_795_459_200_000.try_into().expect("a time"),
        trace_id: Some("0f1c2a6e-5d55-4c1e-9c1f-6a5d7f3f8a01".to_owned()),
        envelope: 1,
    };
    serde_json::to_string(&envelope).expect("an envelope is JSON")
}
