//! The Lambda Runtime API, as a function sees it
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), with one real function
//! process behind it.

use std::process::Stdio;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

use crate::{eventually, program};

/// What the function answered.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// A response.
    Response(Value),
    /// An error: `{"errorType": …, "errorMessage": …}`.
    Error(Value),
}

/// The emulator with its function.
#[derive(Debug)]
pub struct RuntimeApi {
    events: mpsc::Sender<String>,
    answers: mpsc::Receiver<Answer>,
    server: JoinHandle<()>,
    child: Child,
    log: std::path::PathBuf,
    started: Instant,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// When the function first asked for an event.
    ready: OnceLock<Instant>,
    events: Mutex<mpsc::Receiver<String>>,
    answers: mpsc::Sender<Answer>,
    timeout: Duration,
}

impl RuntimeApi {
    /// Starts the real `tidings-ingest`, against the DynamoDB at `endpoint`. Each invocation has
    /// `timeout` until its deadline.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(endpoint: &str, timeout: Duration, log: &std::path::Path) -> Self {
        Self::with(endpoint, timeout, log, &[]).await
    }

    /// The same with more in its environment.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn with(
        endpoint: &str,
        timeout: Duration,
        log: &std::path::Path,
        environment: &[(&str, &str)],
    ) -> Self {
        Self::of(&program("tidings-ingest"), endpoint, timeout, log, environment).await
    }

    /// The same with a function of your own.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn of(
        function: &std::path::Path,
        endpoint: &str,
        timeout: Duration,
        log: &std::path::Path,
        environment: &[(&str, &str)],
    ) -> Self {
        let (events, inbox) = mpsc::channel(8);
        let (outbox, answers) = mpsc::channel(8);
        let shared = Arc::new(Shared {
            ready: OnceLock::new(),
            events: Mutex::new(inbox),
            answers: outbox,
            timeout,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let invocation = "/2018-06-01/runtime/invocation";
        let router = Router::new()
            .route(&format!("{invocation}/next"), get(next))
            .route(&format!("{invocation}/{{id}}/response"), post(response))
            .route(&format!("{invocation}/{{id}}/error"), post(error))
            .with_state(shared.clone());
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("the emulator serves");
        });
        let file = std::fs::File::create(log).expect("a log can be written");
        let started = Instant::now();
        let child = Command::new(function)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "tidings-ingest")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "g")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "local")
            .env("AWS_SECRET_ACCESS_KEY", "local")
            .env("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(file)
            .kill_on_drop(true)
            .spawn()
            .expect("the function can be started");
        Self { events, answers, server, child, log: log.to_owned(), started, shared }
    }

    /// Invokes the function and waits for its answer.
    ///
    /// # Panics
    /// When none comes within a minute.
    pub async fn invoke(&mut self, event: String) -> Answer {
        self.events.send(event).await.expect("the emulator runs");
        let patience = Duration::from_secs(60);
        let answer = tokio::time::timeout(patience, self.answers.recv()).await;
        answer.expect("the function answers in time").expect("the emulator runs")
    }

    /// How long the function took from its start to its first request for an event.
    pub async fn ready_after(&self) -> Duration {
        let ready =
            eventually("the function asks for an event", async || self.shared.ready.get().copied());
        ready.await - self.started
    }

    /// The function's process.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the function runs")
    }

    /// The lines that the function has logged.
    ///
    /// # Panics
    /// When one is no JSON.
    #[must_use]
    pub fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.log).expect("the log can be read");
        text.lines().map(|line| serde_json::from_str(line).expect("a log line is JSON")).collect()
    }

    /// Ends both.
    ///
    /// # Panics
    /// When the function cannot be killed.
    pub async fn stop(mut self) {
        self.child.kill().await.expect("the function can be killed");
        self.server.abort();
        self.server.await.ok();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.ready.get_or_init(Instant::now);
    let Some(event) = shared.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let deadline = (now + shared.timeout).as_millis().to_string();
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", deadline.as_str()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:us-east-1:123456789012:function:tidings-ingest",
        ),
        ("content-type", "application/json"),
    ] {
        headers.insert(name, value.parse().expect("a header"));
    }
    (headers, event).into_response()
}

async fn response(
    State(shared): State<Arc<Shared>>,
    Path(_): Path<String>,
    body: Bytes,
) -> StatusCode {
    answer(&shared, Answer::Response(json(&body))).await
}

async fn error(
    State(shared): State<Arc<Shared>>,
    Path(_): Path<String>,
    body: Bytes,
) -> StatusCode {
    answer(&shared, Answer::Error(json(&body))).await
}

async fn answer(shared: &Shared, answer: Answer) -> StatusCode {
    shared.answers.send(answer).await.expect("the test waits for the answer");
    StatusCode::ACCEPTED
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("the function answers with JSON")
}
