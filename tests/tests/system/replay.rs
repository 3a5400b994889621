//! What was refused, or has failed, comes home by `tidings replay`.

use std::path::Path;
use std::time::SystemTime;

use serde_json::{Value, json};
use tidings_ingest::config::Rules;
use tidings_ingest::{Envelope, Ingest};
use tidings_tests::{Rig, eventually, output};

/// A message with a unit that no registry knows, as the rule sends it.
fn event(device: &str, seq: u64, unit: &str) -> Value {
    let now = tidings_agent::clock::now().get();
    let payload = format!(
        r#"{{"v":1,"device":"{device}","boot":"b","t0":{now},"series":[{{"sensor":"s","fields":[["temperature","{unit}"]],"rows":[[0,{seq},21.5]]}}]}}"#
    );
    json!({"payload": Envelope::encode_payload(payload.as_bytes()),
           "topic": format!("sensors/{device}/readings"), "client_id": device,
           "trace_id": format!("t-{seq}"), "received_at": now, "envelope": 1})
}

async fn ingest(rig: &Rig, event: &Value) {
    let ingest = Ingest::new(rig.database.store(), Rules::default());
    let (answer, _) = ingest.handle(&event.to_string(), SystemTime::UNIX_EPOCH).await;
    answer.unwrap();
}

/// What `tidings replay … --json` says of all messages, and its exit code.
async fn replay(rig: &Rig, arguments: &[&str]) -> (Value, Option<i32>) {
    let (said, code) = said(rig, &[arguments, &["--json"]].concat()).await;
    let last = said.lines().last().unwrap_or_default().to_owned();
    (serde_json::from_str(&last).unwrap_or_else(|_| panic!("{said}")), code)
}

async fn said(rig: &Rig, arguments: &[&str]) -> (String, Option<i32>) {
    let mut all = vec!["replay".to_owned(), "--endpoint-url".to_owned()];
    all.push(rig.cloud.dynamodb.endpoint.clone());
    all.extend(arguments.iter().map(|one| (*one).to_owned()));
    let run = move || output("tidings", &all.iter().map(String::as_str).collect::<Vec<_>>());
    let end = tokio::task::spawn_blocking(run).await.unwrap();
    let said = [end.stdout, end.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), end.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_comes_home_once_its_unit_has_its_name() {
    let rig = Rig::start().await;
    for seq in 0..3 {
        ingest(&rig, &event("pi-1", seq, "degC")).await;
    }
    ingest(&rig, &event("pi-2", 9, "degC")).await;
    assert_eq!(rig.reasons().await["unknown-unit"], 4);

    // Without a correction nothing changes, and a dry run says so without writing.
    let (table, code) = said(&rig, &["--dry-run"]).await;
    assert_eq!(code, Some(0));
    assert!(table.contains("would be refused") && table.contains("unknown-unit"), "{table}");
    let (sums, _) = replay(&rig, &[]).await;
    assert_eq!((&sums["messages"], &sums["refused"]), (&json!(4), &json!(4)));
    assert_eq!(rig.reasons().await["unknown-unit"], 4);

    let map = ["--map", "unit:degC=Cel"];
    let (sums, _) = replay(&rig, &[&map[..], &["--dry-run", "--device", "pi-1"]].concat()).await;
    assert_eq!((&sums["messages"], &sums["readings"]), (&json!(3), &json!(3)));
    assert_eq!(rig.stored("pi-1", "s").await.len(), 0, "a dry run writes nothing");
    let (sums, _) = replay(&rig, &[&map[..], &["--trace-id", "t-9"]].concat()).await;
    assert_eq!((&sums["messages"], &sums["readings"]), (&json!(1), &json!(1)));
    let (sums, code) = replay(&rig, &map).await;
    assert_eq!(code, Some(0));
    assert_eq!((&sums["messages"], &sums["readings"]), (&json!(3), &json!(3)));
    // Again changes nothing, by what is marked and by the keys.
    assert_eq!(replay(&rig, &map).await.0["messages"], 0);
    assert_eq!(replay(&rig, &[&map[..], &["--again"]].concat()).await.0["readings"], 4);
    let stored = rig.stored("pi-1", "s").await;
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().all(|one| one.values["temperature"] == 21.5));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_records_is_replayed_and_gone_on_with_where_it_stopped() {
    let rig = Rig::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("failed.ndjson");
    let failed = json!({"version": "1.0", "requestContext": {"condition": "RetriesExhausted"},
        "requestPayload": event("pi-1", 1, "Cel"), "responsePayload": {"errorType": "WriteIncomplete"}});
    let envelope = event("pi-1", 2, "Cel");
    let by_rule = json!({"ruleName": "tidings_ingest", "topic": "$aws/rules/tidings_ingest/sensors/pi-1/readings",
        "clientId": "pi-1", "cloudwatchTraceId": "t", "base64OriginalPayload": envelope["payload"],
        "failures": [{"errorMessage": "denied"}]});
    let plain = json!({"topic": "sensors/pi-1/readings", "clientId": "pi-1",
        "base64OriginalPayload": Envelope::encode_payload(br#"{"temperature":21.5}"#)});
    let lines = [failed, by_rule, event("pi-1", 3, "Cel"), plain].map(|line| line.to_string());
    std::fs::write(&file, lines.join("\n") + "\n\nnot json\n").unwrap();
    let path = file.display().to_string();

    // The table cannot be reached: it stops with an error, and nothing is taken for done.
    let elsewhere = free_endpoint();
    let run = {
        let (path, elsewhere) = (path.clone(), elsewhere.clone());
        move || output("tidings", &["replay", &path, "--endpoint-url", &elsewhere])
    };
    let end = tokio::task::spawn_blocking(run).await.unwrap();
    assert_eq!(end.status.code(), Some(1));
    let mut progress = file.clone().into_os_string();
    progress.push(".replayed");
    assert!(!Path::new(&progress).exists());

    let (sums, code) = replay(&rig, &[&path]).await;
    assert_eq!(code, Some(0), "{sums}");
    assert_eq!((&sums["readings"], &sums["unreadable"]), (&json!(3), &json!(2)));
    assert_eq!(std::fs::read_to_string(&progress).unwrap(), "3");
    // What was done is done; the plain object has no time, and its arrival must be said.
    let (sums, _) = replay(&rig, &[&path, "--received-at", "1m"]).await;
    assert_eq!((&sums["messages"], &sums["readings"]), (&json!(2), &json!(1)));
    assert_eq!(rig.stored("pi-1", "s").await.len(), 3);
    assert_eq!(rig.stored("pi-1", "plain").await.len(), 1);
    rig.stop().await;
}

/// Nothing listens there: bound, and given back by the listener's end.
fn free_endpoint() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_failed_in_the_local_cloud_come_home() {
    // A function that cannot be reached fails every event.
    let rig = Rig::with(Some(free_endpoint())).await;
    for seq in 0..5 {
        let envelope = serde_json::from_value(event("pi-1", seq, "Cel")).unwrap();
        rig.cloud.invoker.accept(&envelope).unwrap();
    }
    eventually("all events have failed", async || {
        (rig.cloud.invoker.failed_events() == 5).then_some(())
    })
    .await;
    let data = rig.data().display().to_string();
    let (sums, code) = replay(&rig, &["--local", &data]).await;
    assert_eq!(code, Some(0), "{sums}");
    assert_eq!((&sums["messages"], &sums["readings"]), (&json!(5), &json!(5)));
    assert_eq!(rig.stored("pi-1", "s").await.len(), 5);
    assert_eq!(rig.cloud.invoker.failures().unwrap().len(), 0);
    assert_eq!(replay(&rig, &["--local", &data]).await.0["messages"], 0);
    rig.stop().await;
}
