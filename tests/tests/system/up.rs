//! `tidings up` as a user runs it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tidings_tests::{eventually, output, program};

fn start(data: &Path, arguments: &[&str]) -> Child {
    Command::new(program("tidings"))
        .args([
            "up",
            "--json",
            "--mqtt-port",
            "0",
            "--http-port",
            "0",
            "--dynamodb-port",
            "0",
            "--data",
        ])
        .arg(data)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// What `up` says at its end, and that it ended well.
async fn verdict(child: Child) -> Value {
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().expect("a last line")).unwrap()
}

fn tell(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Readings in the table, as `query` prints them.
fn stored(data: &Path) -> usize {
    let Ok(text) = std::fs::read_to_string(data.join("up.json")) else { return 0 };
    let place: Value = serde_json::from_str(&text).unwrap();
    let endpoint = place["dynamodb"].as_str().unwrap();
    let arguments = [
        "query",
        "this-machine",
        "--endpoint-url",
        endpoint,
        "--format",
        "json",
        "--limit",
        "1000",
    ];
    String::from_utf8_lossy(&output("tidings", &arguments).stdout).lines().count()
}

fn assert_whole(verdict: &Value) {
    for nothing in ["quarantined", "lost", "duplicates", "waiting"] {
        assert_eq!(verdict[nothing], 0, "{verdict}");
    }
    assert_eq!(verdict["published"], verdict["stored"], "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn up_runs_for_a_while_and_says_what_became_of_every_reading() {
    let data = tempfile::tempdir().unwrap();
    let verdict = verdict(start(data.path(), &["--for", "8s"])).await;
    assert_whole(&verdict);
    assert!(verdict["published"].as_u64().unwrap() > 10, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_loses_nothing_and_neither_does_a_kill() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path();
    let up = start(path, &[]);
    eventually("readings are stored", async || (stored(path) > 5).then_some(())).await;
    tell(&up, Signal::INT);
    assert_whole(&verdict(up).await);

    let before = {
        let mut up = start(path, &[]);
        let first =
            eventually("the place is known", async || Some(stored(path)).filter(|n| *n > 0)).await;
        eventually("more readings are stored", async || (stored(path) > first).then_some(())).await;
        tell(&up, Signal::KILL);
        up.wait().unwrap();
        let queue = path.join("agent/queue.db");
        // The agent hears of it and leaves its queue.
        eventually("the queue is free", async || tidings_agent::queue::inspect(&queue).ok()).await
    };
    let up = start(path, &["--for", "3s"]);
    let verdict = verdict(up).await;
    assert_whole(&verdict);
    assert!(verdict["published"].as_u64().unwrap() >= before.waiting.len() as u64, "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_folder_is_for_one_up() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path();
    let up = start(path, &[]);
    eventually("the first one runs", async || (stored(path) > 0).then_some(())).await;
    let second = output("tidings", &["up", "--for", "1s", "--data", path.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("in use by another `tidings up`"), "{said}");
    tell(&up, Signal::TERM);
    assert_whole(&verdict(up).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cost_of_a_fleet_is_worked_out_from_what_a_running_up_measures() {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().to_str().unwrap();
    let cost = |more: &[&str]| {
        let fleet = ["cost", "--json", "--devices", "40", "--every", "10s"];
        let done = output("tidings", &[&fleet, more].concat());
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        (serde_json::from_slice::<Value>(&done.stdout).ok(), told)
    };
    assert!(cost(&["--from-live", path]).1.contains("up.json"), "there is no up");
    let up = start(data.path(), &[]);
    let measured =
        eventually("something is measured", async || cost(&["--from-live", path]).0).await;
    let estimated = cost(&[]).0.unwrap();
    assert_eq!(measured["message_is"], "measured");
    assert_eq!(estimated["message_is"], "estimated");
    // One bill of the tutorial, whatever was measured; and ours by what a message holds.
    assert_eq!(measured["tutorial"], estimated["tutorial"]);
    for report in [&measured, &estimated] {
        let readings = report["message"]["readings"].as_f64().unwrap();
        assert!(readings >= 1.0, "{report}");
        let lines = report["tidings"]["lines"].as_array().unwrap();
        let sum: f64 = lines.iter().map(|line| line["dollars"].as_f64().unwrap()).sum();
        assert!((sum - report["tidings"]["total"].as_f64().unwrap()).abs() < 1e-9);
        let rule = lines.iter().find(|line| line["what"] == "rule and action").unwrap();
        // 40 devices with 5 sensors, every 10 s, for 730 hours; 0.30 dollars a million.
        let expected = 20.0 * 730.0 * 3600.0 / readings * 0.3e-6;
        assert!((rule["dollars"].as_f64().unwrap() / expected - 1.0).abs() < 1e-6, "{report}");
    }
    tell(&up, Signal::TERM);
    assert_whole(&verdict(up).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_was_named_and_is_taken_is_an_error_that_says_so() {
    let data = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let data = data.path().to_str().unwrap();
    let up = output("tidings", &["up", "--for", "1s", "--data", data, "--mqtt-port", &port]);
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("MQTT cannot listen on 127.0.0.1:{port}")), "{said}");
}
