//! The real function behind the Runtime API.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_tests::runtime_api::{Answer, RuntimeApi};
use tidings_tests::{Rig, output};

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
    assert_eq!((&lines[0]["ColdStart"], &lines[1]["ColdStart"]), (&json!(1), &Value::Null));
    assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"], "Tidings");
    assert_eq!((&lines[4]["level"], &lines[4]["name"]), (&json!("ERROR"), &json!("InvalidEvent")));
    assert_eq!(lines[0]["trace_id"], "0f1c2a6e-5d55-4c1e-9c1f-6a5d7f3f8a01");
    function.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_event_gives_what_is_expected_of_it() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("events");
    let expected = event("expected.json");
    let readme = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let rig = Rig::start().await;
    let logs = tempfile::tempdir().unwrap();
    let (endpoint, log) = (rig.cloud.dynamodb.endpoint.clone(), logs.path().join("log"));
    let mut function = RuntimeApi::start(&endpoint, Duration::from_secs(30), &log).await;
    let mut events = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".json") || name == "expected.json" {
            continue;
        }
        events += 1;
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
        let expected = &expected[&name];
        match function.invoke(event(&name).to_string()).await {
            Answer::Response(answer) => {
                let wanted = expected["answer"].as_object();
                let wanted = wanted.unwrap_or_else(|| panic!("{name}: {answer}"));
                for (field, value) in wanted {
                    assert_eq!(&answer[field], value, "{name} {field}: {answer}");
                }
                let line = function.log().pop().unwrap();
                let reasons: Vec<Value> = line
                    .as_object()
                    .unwrap()
                    .keys()
                    .filter_map(|key| key.strip_prefix("Quarantined."))
                    .map(Value::from)
                    .collect();
                assert_eq!(Value::from(reasons), expected["reasons"], "{name}: {line}");
            }
            Answer::Error(error) => assert_eq!(error["errorType"], expected["error"], "{name}"),
        }
    }
    assert_eq!(events, expected.as_object().unwrap().len());

    // What nobody keeps in a repository: more than MQTT can bring.
    let mut large = event("batch.json");
    large["payload"] = Value::from("e30g".repeat(50_000));
    let Answer::Error(error) = function.invoke(large.to_string()).await else { panic!() };
    assert_eq!(error["errorType"], "PayloadTooLarge");
    function.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_says_of_a_device_is_with_its_readings() {
    let rig = Rig::start().await;
    let logs = tempfile::tempdir().unwrap();
    let file = logs.path().join("pi-1.json");
    let device = async |more: &[&str]| {
        let mut all: Vec<String> = ["device", "pi-1", "--endpoint-url"].map(str::to_owned).into();
        all.push(rig.cloud.dynamodb.endpoint.clone());
        all.extend(more.iter().map(|one| (*one).to_owned()));
        let run = move || output("tidings", &all.iter().map(String::as_str).collect::<Vec<_>>());
        let end = tokio::task::spawn_blocking(run).await.unwrap();
        let said = [end.stdout, end.stderr].concat();
        (end.status.code(), String::from_utf8_lossy(&said).into_owned())
    };
    let path = file.display().to_string();
    std::fs::write(&file, r#"{"sites":"north","derive":["luck"]}"#).unwrap();
    let (code, said) = device(&["--set", &path]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("sites") && said.contains("luck"), "every mistake at once: {said}");
    std::fs::write(
        &file,
        r#"{"site":"north","labels":{"crop":"tomato"},
            "calibration":{"bme280.temperature":{"offset":-0.53}},"derive":["dew_point"]}"#,
    )
    .unwrap();
    let (code, said) = device(&["--set", &path]).await;
    assert_eq!(code, Some(0), "{said}");
    assert!(device(&[]).await.1.contains("tomato"));
    let (endpoint, log) = (rig.cloud.dynamodb.endpoint.clone(), logs.path().join("log"));
    let mut function = RuntimeApi::start(&endpoint, Duration::from_secs(30), &log).await;
    let good = event("batch.json").to_string();
    assert!(matches!(function.invoke(good).await, Answer::Response(_)));
    let stored = rig.stored("pi-1", "bme280").await;
    assert_eq!(stored[0].values["temperature"], 21.0);
    assert_eq!(stored[0].site.as_deref(), Some("north"));
    assert_eq!(stored[0].labels["crop"], "tomato");
    assert!((stored[0].values["dew_point"] - 6.9).abs() < 0.2, "{:?}", stored[0]);
    assert_eq!(device(&["--clear"]).await.0, Some(0));
    assert!(device(&[]).await.1.contains("nothing is said"));
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
    // Three readings and their hour; when the sensor was heard goes apart, for the event is of the past.
    assert!(message.starts_with("4 of 4 items were not written"), "{message}");
    function.stop().await;
}
