//! The function as it is deployed: how fast it starts, what it holds, what an invocation costs.
//!
//! `cargo bench -p tidings-tests --bench function [-- PROGRAM]` builds `tidings-ingest` in the profile
//! `dist` (or takes the program named), starts it again and again behind a Runtime API, and then
//! invokes it a thousand times against a DynamoDB that stores nothing. Time, CPU and memory are what
//! the kernel says of that process alone.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use serde_json::json;
use tidings_ingest::Envelope;
use tidings_tests::runtime_api::{Answer, RuntimeApi};
use tokio::net::TcpListener;

/// Starts of which the median is told.
const STARTS: usize = 25;

const INVOCATIONS: u64 = 1000;

const TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() {
    let named = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let program = named.map_or_else(build, PathBuf::from);
    let size = std::fs::metadata(&program).expect("the program is there").len();
    println!("{}: {size} bytes", program.display());
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("log");
    let endpoint = null_dynamodb().await;

    // With TLS to set up, as on AWS, and without, as before an emulator.
    for (name, endpoint) in
        [("https", "https://dynamodb.us-east-1.amazonaws.com"), ("http", endpoint.as_str())]
    {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            let function = RuntimeApi::of(&program, endpoint, TIMEOUT, &log, &[]).await;
            starts.push(function.ready_after().await.as_secs_f64() * 1000.0);
            function.stop().await;
        }
        starts.sort_by(f64::total_cmp);
        let (least, median, most) = (starts[0], starts[STARTS / 2], starts[STARTS - 1]);
        println!(
            "start, {name}: {least:.1} / {median:.1} / {most:.1} ms (least, median, most of {STARTS})"
        );
    }

    for readings in [1, 25, 100] {
        let mut function = RuntimeApi::of(&program, &endpoint, TIMEOUT, &log, &[]).await;
        let started = function.ready_after().await;
        function.invoke(event(readings, INVOCATIONS)).await;
        let before = cpu(function.pid());
        for number in 0..INVOCATIONS {
            let answer = function.invoke(event(readings, number)).await;
            let Answer::Response(summary) = answer else { panic!("{answer:?}") };
            assert_eq!(summary["accepted"], readings);
        }
        let used = (cpu(function.pid()) - before).as_secs_f64() * 1e6;
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let (each, reading) = (used / INVOCATIONS as f64, used / (INVOCATIONS * readings) as f64);
        println!(
            "{readings} readings: {each:.0} µs of CPU an invocation, {reading:.2} µs a reading; at the most {} KiB resident (started in {:.1} ms)",
            peak_resident_kib(function.pid()),
            started.as_secs_f64() * 1000.0
        );
        function.stop().await;
    }
}

fn build() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["build", "--profile", "dist", "-p", "tidings-ingest", "--locked", "--quiet"];
    let status = Command::new(cargo).args(arguments).current_dir(&root).status();
    assert!(status.expect("cargo can be run").success(), "the function does not build");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join("lambda/tidings-ingest").canonicalize().expect("it was just built")
}

/// Takes whatever is written, and has no devices.
async fn null_dynamodb() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = || async {
        let body = json!({"UnprocessedItems": {}, "Responses": {}, "UnprocessedKeys": {}});
        ([(CONTENT_TYPE, "application/x-amz-json-1.0")], body.to_string())
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn cpu(pid: u32) -> Duration {
    // Of its only thread: time on the CPU in nanoseconds (Linux, Documentation/scheduler/sched-stats).
    let stat = std::fs::read_to_string(format!("/proc/{pid}/schedstat")).expect("it runs");
    let nanoseconds = stat.split(' ').next().and_then(|text| text.parse().ok());
    Duration::from_nanos(nanoseconds.expect("the first is time on the CPU"))
}

fn peak_resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("VmHWM is a number of kB")
}

fn event(readings: u64, number: u64) -> String {
    let rows: Vec<String> = (0..readings)
        .map(|row| {
            let seq = number * readings + row;
            format!(
                "[{},{seq},2{}.{:02},4{}.1,1013.{}]",
                seq * 1000,
                seq % 7,
                seq % 100,
                seq % 9,
                seq % 10
            )
        })
        .collect();
    let payload = format!(
        r#"{{"v":1,"device":"pi-{}","boot":"k3v9x2qd","t0":1795456115802,"series":[{{"sensor":"bme280","fields":[["temperature","Cel"],["humidity","%RH"],["pressure","hPa"]],"rows":[{}]}}]}}"#,
        number % 10,
        rows.join(",")
    );
    let device = format!("pi-{}", number % 10);
    let received_at = 1_795_456_200_000 + number * readings * 1000 + readings * 1000;
    json!({"payload": Envelope::encode_payload(payload.as_bytes()),
           "topic": format!("sensors/{device}/readings"), "client_id": device,
           "principal": "3f0c5b1c7f2f4b4e9a9f8d0d3c1b2a49586776859403a2b1c0d9e8f7a6b5c4d3",
           "trace_id": "0f1c2a6e-5d55-4c1e-9c1f-6a5d7f3f8a01",
           "received_at": received_at, "envelope": 1})
    .to_string()
}
