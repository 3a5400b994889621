//! What the page's server takes to answer: a chart of a year beside one of an hour, and the fleet, over the
//! tables of [`tidings_tests::seed`].
//!
//! `cargo bench -p tidings-tests --bench page` fills a DynamoDB in a folder of its own (a minute or so), starts
//! `tidings view` over it, and prints for each question the median time of an answer that nobody has asked for
//! before, its size, and how many times an hour's it takes. What of it is DynamoDB is this machine's emulator.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tidings::cloud::dynamodb::DynamoDb;
use tidings::dynamo::Database;
use tidings_ingest::store::Tables;
use tidings_tests::{program, seed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Answers that a median is of.
const ROUNDS: u64 = 15;

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let dynamodb =
        DynamoDb::start(&folder.path().join("dynamodb.db"), listener).expect("a DynamoDB");
    let settings = tidings::cloud::local_settings(&dynamodb.endpoint);
    let client = tidings_ingest::store::client(&settings);
    tidings::tables::create(&client, &Tables::default()).await.expect("tables");
    let database = Database::local(&dynamodb.endpoint, Tables::default());
    let seeded = seed::seed(&database, tidings_agent::clock::now()).await;
    println!(
        "{} readings, in {} items, of which {} are single readings",
        seeded.summed + seeded.readings,
        seeded.items,
        seeded.readings
    );

    let mut view = Command::new(program("tidings"))
        .args(["view", "--port", "0", "--json", "--endpoint-url", &dynamodb.endpoint])
        .stdout(Stdio::piped())
        .spawn()
        .expect("tidings view starts");
    let mut line = String::new();
    let out = view.stdout.take().expect("it is a pipe");
    BufReader::new(out).read_line(&mut line).expect("it says where it is");
    let place: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let host = place["page"].as_str().expect("an address").trim_start_matches("http://").to_owned();

    let (device, sensor) = (seed::device(0), seed::sensor());
    println!("{:<28} {:>9} {:>9} {:>8}", "", "ms", "bytes", "× hour");
    let mut hour = None;
    for (name, span) in [
        ("a chart of an hour", HOUR_MS),
        ("of a day", DAY_MS),
        ("of a week", 7 * DAY_MS),
        ("of a month", 30 * DAY_MS),
        ("of a year", 365 * DAY_MS),
    ] {
        // Each of another length by a millisecond: the page gives an answer again for some seconds.
        let path = |round| {
            format!("/api/series?device={device}&sensor={sensor}&points=900&last={}", span + round)
        };
        let (took, bytes) = median(&host, path).await;
        let first = *hour.get_or_insert(took);
        println!("{name:<28} {took:>9.1} {bytes:>9} {:>8.1}", took / first);
    }
    let lines: Vec<String> =
        (0..seed::DEVICES).map(|number| format!("{}/{sensor}", seed::device(number))).collect();
    let sparks = format!("/api/sparks?quantity=temperature&sensors={}", lines.join(","));
    let (took, bytes) = get(&host, &sparks).await;
    println!("{:<28} {:>9.1} {bytes:>9}", "forty small lines, once", millis(took));
    let (took, bytes) = get(&host, "/api/fleet").await;
    println!("{:<28} {:>9.1} {bytes:>9}", "the fleet, the first time", millis(took));
    let (took, bytes) = get(&host, "/api/fleet").await;
    println!("{:<28} {:>9.1} {bytes:>9}", "the fleet, again", millis(took));

    view.kill().expect("it is our process");
    view.wait().expect("it ends");
    dynamodb.stop().await;
}

async fn median(host: &str, path: impl Fn(u64) -> String) -> (f64, usize) {
    let mut times = Vec::new();
    let mut bytes = 0;
    // The first opens connections, and is not counted.
    for round in 0..=ROUNDS {
        let (took, size) = get(host, &path(round)).await;
        bytes = size;
        if round > 0 {
            times.push(took);
        }
    }
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    (millis(middle), bytes)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The time until the whole answer is there, and its bytes without its head.
async fn get(host: &str, path: &str) -> (Duration, usize) {
    let start = Instant::now();
    let mut stream = TcpStream::connect(host).await.expect("the page listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it takes a question");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("it answers");
    let took = start.elapsed();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0);
    (took, answer.len() - head - 4)
}
