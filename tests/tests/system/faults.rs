//! The real function, with true deadlines, before a DynamoDB that leaves items unprocessed,
//! throttles, fails and hangs; retried as Lambda retries.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use tidings_ingest::Envelope;
use tidings_tests::Rig;
use tidings_tests::faults::Faults;
use tidings_tests::runtime_api::{Answer, RuntimeApi};

/// Programs at once, and the invocations of each.
const PROGRAMS: u64 = 4;
const INVOCATIONS: u64 = 250;

/// Tries of an asynchronous event on Lambda: the first and two more.
const TRIES: usize = 3;

const T0: i64 = 1_795_456_000_000;

/// What one message holds.
struct Message {
    event: String,
    /// Sensor, time and number of its good readings.
    good: Vec<(&'static str, i64, u64)>,
    bad: usize,
}

fn message(device: &str, number: u64, random: &mut fastrand::Rng) -> Message {
    let (mut good, mut bad, mut series) = (Vec::new(), 0, Vec::new());
    for sensor in ["air", "soil"] {
        let rows: Vec<String> = (0..random.u64(1..20))
            .map(|row| {
                let seq = number * 100 + row;
                let offset = i64::try_from(seq).unwrap() * 1000;
                let value = if random.u32(0..50) == 0 {
                    bad += 1;
                    9999.0
                } else {
                    good.push((sensor, T0 + offset, seq));
                    value(seq)
                };
                format!("[{offset},{seq},{value}]")
            })
            .collect();
        series.push(format!(
            r#"{{"sensor":"{sensor}","fields":[["temperature","Cel"]],"rows":[{}]}}"#,
            rows.join(",")
        ));
    }
    let payload = format!(
        r#"{{"v":1,"device":"{device}","boot":"b","t0":{T0},"series":[{}]}}"#,
        series.join(",")
    );
    let event = json!({
        "payload": Envelope::encode_payload(payload.as_bytes()),
        "topic": format!("sensors/{device}/readings"), "client_id": device,
        "received_at": T0 + 86_400_000 + i64::try_from(number).unwrap(), "envelope": 1,
    });
    Message { event: event.to_string(), good, bad }
}

/// The value of a reading, so that its content can be compared too.
fn value(seq: u64) -> f64 {
    f64::from(u32::try_from(seq % 400).unwrap()) / 10.0
}

#[derive(Default)]
struct Outcome {
    good: BTreeMap<&'static str, BTreeSet<(i64, u64)>>,
    bad: usize,
    retried: usize,
    /// Events that failed three times: what the on-failure queue would hold.
    failed: Vec<String>,
}

async fn run(endpoint: &str, number: u64, folder: &std::path::Path, layout: &str) -> Outcome {
    let device = format!("pi-{number}");
    let mut random = fastrand::Rng::with_seed(number);
    let log = folder.join(format!("log-{number}"));
    let environment = [("TIDINGS_LAYOUT", layout)];
    let timeout = Duration::from_secs(3);
    let mut function = RuntimeApi::with(endpoint, timeout, &log, &environment).await;
    let mut outcome = Outcome::default();
    for number in 0..INVOCATIONS {
        let message = message(&device, number, &mut random);
        for (sensor, at, seq) in message.good {
            outcome.good.entry(sensor).or_default().insert((at, seq));
        }
        outcome.bad += message.bad;
        let mut tries = 0;
        loop {
            tries += 1;
            match function.invoke(message.event.clone()).await {
                Answer::Response(_) => break,
                Answer::Error(error) => {
                    assert_eq!(error["errorType"], "WriteIncomplete", "{error}");
                    outcome.retried += 1;
                }
            }
            if tries == TRIES {
                outcome.failed.push(message.event);
                break;
            }
        }
    }
    function.stop().await;
    outcome
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_invocations_through_faults_end_with_every_reading_once() {
    let rig = Rig::start().await;
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::start(&rig.cloud.dynamodb.endpoint, 0.3, 7).await;
    let mut running = tokio::task::JoinSet::new();
    let endpoint = faults.endpoint.clone();
    for number in 0..PROGRAMS {
        let (endpoint, folder) = (endpoint.clone(), folder.path().to_owned());
        // Both layouts stand the same.
        let layout = if number % 2 == 0 { "each" } else { "packed" };
        running.spawn(async move { (number, run(&endpoint, number, &folder, layout).await) });
    }
    let mut outcomes: Vec<(u64, Outcome)> = running.join_all().await;
    outcomes.sort_by_key(|(number, _)| *number);

    // What failed three times waits in the on-failure queue, and is replayed when all is well.
    let log = folder.path().join("log-replay");
    let timeout = Duration::from_secs(30);
    let mut replay = RuntimeApi::start(&rig.cloud.dynamodb.endpoint, timeout, &log).await;
    for event in outcomes.iter().flat_map(|(_, outcome)| &outcome.failed) {
        assert!(matches!(replay.invoke(event.clone()).await, Answer::Response(_)));
    }
    replay.stop().await;

    let (calls, harmed) = faults.counts();
    assert!(harmed * 5 > calls, "{harmed} of {calls} calls were harmed");
    let retried: usize = outcomes.iter().map(|(_, outcome)| outcome.retried).sum();
    assert!(retried > 0, "no invocation failed: the faults were too mild to prove anything");
    let mut bad = 0;
    for (number, outcome) in &outcomes {
        bad += outcome.bad;
        for (sensor, expected) in &outcome.good {
            let stored = rig.stored(&format!("pi-{number}"), sensor).await;
            let mut found = BTreeSet::new();
            for reading in &stored {
                assert_eq!(reading.values["temperature"], value(reading.seq.get()));
                let is_new = found.insert((reading.at.get(), reading.seq.get()));
                assert!(is_new, "{sensor} {:?} is seen twice", reading.seq);
            }
            assert_eq!(&found, expected, "pi-{number} {sensor}");
        }
    }
    let window = (T0, T0 + 2 * 86_400_000);
    let from = |at: i64| at.try_into().unwrap();
    let refused = rig.database.quarantined_since(from(window.0), from(window.1)).await.unwrap();
    assert_eq!(refused.len(), bad);
    assert!(refused.iter().all(|one| one.reason == "out-of-range"));
    faults.stop().await;
    rig.stop().await;
}
