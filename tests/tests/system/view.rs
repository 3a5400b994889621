//! `tidings view` as a user runs it, over tables that count what they are asked.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tidings_tests::{eventually, program};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

/// A DynamoDB whose tables are empty. Says where it is, and what it was asked.
async fn tables() -> (String, Counts) {
    let counts = Counts::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let answer = |State(counts): State<Counts>, headers: HeaderMap| async move {
        let target = headers["x-amz-target"].to_str().unwrap().to_owned();
        *counts.lock().unwrap().entry(target).or_default() += 1;
        axum::Json(json!({ "Items": [], "Count": 0, "ScannedCount": 0 }))
    };
    let router = Router::new().fallback(answer).with_state(counts.clone());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (endpoint, counts)
}

fn asked(counts: &Counts) -> u64 {
    counts.lock().unwrap().values().sum()
}

/// A running `view`, and its host and port.
fn view(endpoint: &str) -> (Child, String) {
    use std::io::BufRead as _;
    let mut child = Command::new(program("tidings"))
        .args(["view", "--port", "0", "--json", "--endpoint-url", endpoint])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let place: Value = serde_json::from_str(&line).unwrap();
    (child, place["page"].as_str().unwrap().trim_start_matches("http://").to_owned())
}

/// An open page that hears of the fleet, once it has.
async fn page(host: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /api/live HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while line.trim() != "event: fleet" {
        line.clear();
        assert!(reader.read_line(&mut line).await.unwrap() > 0, "the stream ended");
    }
    reader
}

async fn get(host: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_asked_only_while_somebody_looks_and_five_pages_cost_as_much_as_one() {
    let (endpoint, counts) = tables().await;
    let (mut child, host) = view(&endpoint);
    assert!(get(&host, "/").await.contains("<title>Tidings</title>"));
    assert_eq!(asked(&counts), 0, "nobody has looked");

    let first = page(&host).await;
    let look = asked(&counts);
    assert!((1..=12).contains(&look), "{:?}", counts.lock().unwrap());
    let mut pages = vec![first];
    for _ in 0..4 {
        pages.push(page(&host).await);
    }
    for _ in 0..5 {
        let answer = get(&host, "/api/fleet").await;
        assert!(answer.contains(r#""devices":[]"#), "{answer}");
        let series = "/api/series?device=pi-1&sensor=s&last=3600000";
        assert!(get(&host, series).await.contains(r#""at":[]"#));
    }
    // The series was asked for once, or twice where it was old by then; a look may have come meanwhile.
    let five = asked(&counts);
    assert!(five < 3 * look + 12, "{five} after {look}");
    let names: Vec<String> = counts.lock().unwrap().keys().cloned().collect();
    assert!(names.iter().all(|name| !name.ends_with("Scan")), "{names:?}");

    // All pages are closed: a look is every five seconds, so after some of them there is none.
    drop(pages);
    let mut last = (asked(&counts), Instant::now());
    eventually("nothing is asked any more", async || {
        let now = asked(&counts);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_secs(11)).then_some(())
    })
    .await;

    // An open page does not keep it from ending.
    let mut open = page(&host).await;
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    assert_eq!(status.code(), Some(0));
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).await.unwrap();
}
