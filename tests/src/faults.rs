//! What dynoxide never does and DynamoDB may: a layer between the SDK and the tables that leaves
//! items unprocessed, throttles, fails and hangs, on a share of the calls, by a seed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Some of its items are written, the others come back.
    Unprocessed,
    /// None of it is written.
    Throttled,
    /// None of it is written, or all of it.
    Failed { after: bool },
    /// It is never answered, and none of it is written, or all of it.
    Hangs { after: bool },
}

/// The running layer.
#[derive(Debug)]
pub struct Faults {
    /// Where it listens.
    pub endpoint: String,
    counts: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    share: f64,
    random: Mutex<fastrand::Rng>,
    calls: AtomicU64,
    faults: AtomicU64,
}

impl Faults {
    /// Starts before the DynamoDB at `upstream`, and harms `share` of the calls that write.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start(upstream: &str, share: f64, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            upstream: upstream.trim_start_matches("http://").to_owned(),
            share,
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
        });
        let router = Router::new().fallback(call).with_state(shared.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the layer serves");
        });
        Self { endpoint: format!("http://{address}"), counts: shared, server }
    }

    /// Calls that write, and how many of them were harmed.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.counts.calls.load(Ordering::Relaxed), self.counts.faults.load(Ordering::Relaxed))
    }

    /// Ends the layer.
    pub async fn stop(self) {
        self.server.abort();
        self.server.await.ok();
    }
}

impl Shared {
    fn fault(&self) -> Option<Fault> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut random = self.random.lock().expect("no test panics in here");
        if random.f64() >= self.share {
            return None;
        }
        self.faults.fetch_add(1, Ordering::Relaxed);
        let after = random.bool();
        Some(match random.u32(0..20) {
            0..9 => Fault::Unprocessed,
            9..14 => Fault::Throttled,
            14..19 => Fault::Failed { after },
            _ => Fault::Hangs { after },
        })
    }
}

async fn call(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or("");
    let fault = if target.ends_with(".BatchWriteItem") { shared.fault() } else { None };
    let forward = |body: Bytes| forward(&shared.upstream, &headers, body);
    match fault {
        None => forward(body).await,
        Some(Fault::Throttled) => error(
            StatusCode::BAD_REQUEST,
            "ProvisionedThroughputExceededException",
            "the level of configured provisioned throughput was exceeded",
        ),
        Some(Fault::Failed { after }) => {
            if after {
                forward(body).await;
            }
            error(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "internal error")
        }
        Some(Fault::Hangs { after }) => {
            if after {
                forward(body).await;
            }
            std::future::pending().await
        }
        Some(Fault::Unprocessed) => {
            let (taken, left) = split(&shared, &body);
            if taken["RequestItems"].as_object().is_some_and(|tables| !tables.is_empty()) {
                let answer = forward(taken.to_string().into()).await;
                if !answer.status().is_success() {
                    return answer;
                }
            }
            ([("content-type", JSON)], json!({"UnprocessedItems": left}).to_string())
                .into_response()
        }
    }
}

const JSON: &str = "application/x-amz-json-1.0";

fn error(status: StatusCode, kind: &str, message: &str) -> Response {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    let body = json!({"__type": kind, "message": message}).to_string();
    (status, [("content-type", JSON)], body).into_response()
}

/// A request with some of the items, and the others.
fn split(shared: &Shared, body: &[u8]) -> (Value, Value) {
    let request: Value = serde_json::from_slice(body).expect("the SDK sends JSON");
    let mut random = shared.random.lock().expect("no test panics in here");
    let (mut taken, mut left) = (json!({}), json!({}));
    for (table, items) in request["RequestItems"].as_object().expect("tables") {
        let (kept, back): (Vec<Value>, Vec<Value>) =
            items.as_array().expect("items").iter().cloned().partition(|_| random.bool());
        if !kept.is_empty() {
            taken[table] = Value::from(kept);
        }
        if !back.is_empty() {
            left[table] = Value::from(back);
        }
    }
    (json!({"RequestItems": taken}), left)
}

async fn forward(upstream: &str, headers: &HeaderMap, body: Bytes) -> Response {
    use http_body_util::{BodyExt as _, Full};
    let stream = TcpStream::connect(upstream).await.expect("the DynamoDB is there");
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.expect("it speaks HTTP");
    let driving = tokio::spawn(connection);
    let mut request = hyper::Request::post("/").body(Full::new(body)).expect("a request");
    for (name, value) in headers {
        if name != "content-length" && name != "host" {
            request.headers_mut().insert(name, value.clone());
        }
    }
    request.headers_mut().insert("host", upstream.parse().expect("a header"));
    let answer = sender.send_request(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    driving.abort();
    Response::from_parts(parts, Body::from(body))
}
