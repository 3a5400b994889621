//! What an export of a million readings takes: memory and time of the real program.
//!
//! `cargo bench -p tidings-tests --bench export [-- READINGS]` puts readings of a BME280 into the
//! embedded DynamoDB by the function's own code, a tenth of them each as an item of its own and the
//! others packed, and exports them by the real `tidings export`, to Parquet and to CSV. It prints
//! readings a second and the most that was resident, as the kernel says of that process alone, and
//! fails beyond the bound. Packs are the harder case: a page of them holds twenty times the readings. A
//! fortieth as many are of a sensor with 40 quantities of its own, which weigh as much.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value as Json;
use tidings_ingest::config::Rules;
use tidings_ingest::store::DynamoStore;
use tidings_ingest::{Answer, Envelope, Ingest, Layout};
use tidings_tests::{Rig, program};

/// The most memory that an export may take, whatever it exports.
const BOUND_KIB: u64 = 100 * 1024;

/// Readings of one message.
const MESSAGE: u64 = 2000;

#[tokio::main]
async fn main() {
    let asked = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let readings: u64 = asked.unwrap_or(1_000_000);
    let rig = Rig::start().await;
    let (each, packed) = (readings / 10, readings - readings / 10);
    for (layout, sensor, readings) in
        [(Layout::Each, "each", each), (Layout::Packed, "packed", packed)]
    {
        let started = Instant::now();
        seed(&rig, layout, sensor, readings).await;
        println!("{sensor}: {readings} readings put in {:.0} s", started.elapsed().as_secs_f64());
    }
    let wide = readings / 40;
    let started = Instant::now();
    seed_wide(&rig, wide).await;
    println!("wide: {wide} readings put in {:.0} s", started.elapsed().as_secs_f64());
    for format in ["parquet", "csv"] {
        export(&rig, "pi-1", format, readings).await;
        export(&rig, "wide", format, wide).await;
    }
    rig.stop().await;
}

async fn export(rig: &Rig, device: &str, format: &str, readings: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = Command::new(program("tidings"))
        .args(["export", device, "--json", "--format", format, "--out"])
        .arg(folder.path())
        .args(["--until", "2100-01-01T00:00:00Z"])
        .args(["--endpoint-url", &rig.cloud.dynamodb.endpoint])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let pid = child.id();
    let mut peak = 0;
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    while child.try_wait().expect("a child").is_none() {
        looks.tick().await;
        // The mark only rises, so the last one that is seen is the highest.
        peak = peak_resident_kib(pid).unwrap_or(peak);
    }
    let output = child.wait_with_output().expect("its output");
    assert!(output.status.success(), "the export failed");
    let said: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(said["readings"], readings, "{said}");
    let millis = said["milliseconds"].as_u64().expect("a number").max(1);
    println!(
        "{device} to {format}: {readings} readings in {:.1} s, {} readings/s, at the most {:.1} MiB resident, {:.1} MB of files",
        f64::from(u32::try_from(millis).unwrap_or(u32::MAX)) / 1000.0,
        readings * 1000 / millis,
        f64::from(u32::try_from(peak).unwrap_or(u32::MAX)) / 1024.0,
        f64::from(u32::try_from(size(folder.path()) / 1000).unwrap_or(u32::MAX)) / 1000.0,
    );
    assert!(peak > 0 && peak < BOUND_KIB, "{peak} KiB, the bound is {BOUND_KIB}");
}

fn size(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| match entry.file_type().expect("a type").is_dir() {
            true => size(&entry.path()),
            false => entry.metadata().expect("metadata").len(),
        })
        .sum()
}

/// The highest that was resident, while the process runs.
fn peak_resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Readings of some months, ten seconds apart.
async fn seed(rig: &Rig, layout: Layout, sensor: &str, readings: u64) {
    let ingest = Ingest::new(rig.database.store(), Rules { layout, ..Rules::default() });
    let now = u64::try_from(tidings_agent::clock::now().get()).expect("a time");
    let begin = now - readings * 10_000;
    for first in (0..readings).step_by(usize::try_from(MESSAGE).expect("it fits")) {
        let rows: Vec<String> = (first..readings.min(first + MESSAGE))
            .map(|k| {
                let offset = (k - first) * 10_000;
                format!(
                    "[{offset},{k},{}.{:02},{}.{},10{:02}.{}]",
                    20 + k % 7,
                    k % 100,
                    35 + k % 13,
                    k % 10,
                    k % 25,
                    k % 10
                )
            })
            .collect();
        let payload = format!(
            r#"{{"v":1,"device":"pi-1","boot":"k3v9x2qd","t0":{},"series":[{{"sensor":"{sensor}","fields":[["temperature","Cel"],["humidity","%RH"],["pressure","hPa"]],"rows":[{}]}}]}}"#,
            begin + first * 10_000,
            rows.join(",")
        );
        send(&ingest, "pi-1", &payload, now, rows.len()).await;
    }
}

/// Readings of a sensor with many quantities of its own, ten seconds apart, each packed.
async fn seed_wide(rig: &Rig, readings: u64) {
    let rules = Rules { layout: Layout::Packed, ..Rules::default() };
    let ingest = Ingest::new(rig.database.store(), rules);
    let now = u64::try_from(tidings_agent::clock::now().get()).expect("a time");
    let fields: Vec<String> = (0..40).map(|one| format!(r#"["phase_{one}","V"]"#)).collect();
    for first in (0..readings).step_by(100) {
        let rows: Vec<String> = (first..readings.min(first + 100))
            .map(|k| {
                let values = (0..40).map(|one| format!(",{}.{}", 200 + (k + one) % 60, k % 10));
                format!("[{},{k}{}]", (k - first) * 10_000, values.collect::<String>())
            })
            .collect();
        let payload = format!(
            r#"{{"v":1,"device":"wide","boot":"k3v9x2qd","t0":{},"series":[{{"sensor":"meter","fields":[{}],"rows":[{}]}}]}}"#,
            now - (readings - first) * 10_000,
            fields.join(","),
            rows.join(",")
        );
        send(&ingest, "wide", &payload, now, rows.len()).await;
    }
}

async fn send(ingest: &Ingest<DynamoStore>, device: &str, payload: &str, now: u64, rows: usize) {
    let envelope = Envelope {
        payload: Envelope::encode_payload(payload.as_bytes()),
        topic: format!("sensors/{device}/readings"),
        client_id: device.to_owned(),
        principal: None,
        received_at: i64::try_from(now).expect("a time").try_into().expect("a time"),
        trace_id: None,
        envelope: 1,
    };
    let event = serde_json::to_string(&envelope).expect("an envelope is JSON");
    let deadline = SystemTime::now() + Duration::from_secs(600);
    let (answer, _) = ingest.handle(&event, deadline).await;
    let Ok(Answer::Message(summary)) = answer else { panic!("{answer:?}") };
    assert_eq!(summary.accepted, rows);
}
