//! The real function behind the Runtime API.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_tests::Rig;
use tidings_tests::runtime_api::{Answer, RuntimeApi};

fn event(name: &str) -> Value {
    let path = format!("{}/events/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_function_writes_what_the_rule_sends_and_logs_one_line_each() {
    let rig = Rig::start().await;
    let folder = tempfile::tempdir().unwrap();
    let endpoint = rig.cloud.dynamodb.endpoint.clone();
    let log = folder.path().join("log");
    let mut function = RuntimeApi::start(&endpoint, Duration::from_secs(30), &log).await;

    let good = event("batch.json").to_string();
    let Answer::Response(summary) = function.invoke(good.clone()).await else { panic!("an error") };
    assert_eq!(summary["accepted"], 3);
    assert_eq!(summary["faults"], 1);
    // Lambda delivers at least once: the second time changes nothing.
    assert_eq!(function.invoke(good).await, Answer::Response(summary));
    let stored = rig.stored("pi-1", "bme280").await;
    assert_eq!(stored.len(), 3);
    assert_eq!(stored[0].values["temperature"], 21.53);

    let Answer::Response(summary) = function.invoke(event("garbage.json").to_string()).await else {
        panic!("an error")
    };
    assert_eq!(summary["quarantined"], 1);
    let Answer::Response(summary) = function.invoke(event("wrong-device.json").to_string()).await
    else {
        panic!("an error")
    };
    assert_eq!((&summary["accepted"], &summary["quarantined"]), (&json!(0), &json!(1)));

    let Answer::Error(error) = function.invoke(event("not-from-the-rule.json").to_string()).await
    else {
        panic!("a response")
    };
    assert_eq!(error["errorType"], "InvalidEvent");

    let lines = function.log();
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(lines[0]["message"], "ingested");
    assert_eq!(lines[0]["trace_id"], "0f1c2a6e-5d55-4c1e-9c1f-6a5d7f3f8a01");
    function.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_reached_is_an_error_before_the_deadline() {
    let folder = tempfile::tempdir().unwrap();
    // A port that nothing listens on: bound, and given back by the listener's end.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let log = folder.path().join("log");
    let mut function = RuntimeApi::start(&endpoint, Duration::from_secs(3), &log).await;
    let Answer::Error(error) = function.invoke(event("batch.json").to_string()).await else {
        panic!("a response")
    };
    assert_eq!(error["errorType"], "WriteIncomplete");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("4 of 4 items were not written"), "{message}");
    function.stop().await;
}
