//! The agent on its own machine: `/healthz`, `/metrics` and `/queue`, on a socket beside the queue, and
//! on a loopback port where one is configured.

mod report;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::Clock;
use crate::queue::Queue;
use crate::status::Counters;

/// Connections that are served at once.
const CONNECTIONS: usize = 16;

/// How long a client may take to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is told about.
#[derive(Debug, Clone)]
pub(crate) struct Desk {
    pub(crate) queue: Queue,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Arc<Clock>,
}

/// Where the socket of a queue is.
pub(crate) fn socket(queue: &Path) -> PathBuf {
    queue.with_extension("sock")
}

/// Serves until `stop` says true. Where a socket or port cannot be had, the agent goes on without it.
pub(crate) async fn serve(
    desk: Desk,
    socket: PathBuf,
    port: Option<SocketAddr>,
    mut stop: watch::Receiver<bool>,
) {
    // Whoever has the queue's lock has its socket: what is there is left from an earlier start.
    std::fs::remove_file(&socket).ok();
    let unix = UnixListener::bind(&socket).and_then(|listener| {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o660))?;
        Ok(listener)
    });
    let unix = unix.inspect_err(|error| {
        tracing::warn!(socket = %socket.display(), %error, "no local socket");
    });
    let tcp = match port {
        Some(address) => TcpListener::bind(address).await.map(Some),
        None => Ok(None),
    };
    let tcp = tcp.inspect_err(|error| {
        let address = port.map(|address| address.to_string());
        tracing::warn!(address, %error, "no local port");
    });
    let mut serving = JoinSet::new();
    loop {
        let room = serving.len() < CONNECTIONS;
        tokio::select! {
            Ok((stream, _)) = accept_unix(unix.as_ref().ok()), if room => {
                serving.spawn(answer(stream, desk.clone()));
            }
            Ok((stream, _)) = accept_tcp(tcp.as_ref().ok().and_then(Option::as_ref)), if room => {
                serving.spawn(answer(stream, desk.clone()));
            }
            Some(_) = serving.join_next(), if !serving.is_empty() => {}
            // An error means that whoever could stop us is gone.
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    serving.shutdown().await;
    std::fs::remove_file(&socket).ok();
}

async fn accept_unix(
    listener: Option<&UnixListener>,
) -> std::io::Result<(UnixStream, tokio::net::unix::SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn accept_tcp(
    listener: Option<&TcpListener>,
) -> std::io::Result<(tokio::net::TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, desk: Desk) {
    let service = service_fn(|request: Request<Incoming>| {
        let desk = desk.clone();
        async move { Ok::<_, Infallible>(respond(&request, &desk).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a local connection failed");
    }
}

async fn respond(request: &Request<Incoming>, desk: &Desk) -> Response<Full<Bytes>> {
    const JSON: &str = "application/json";
    let clock_is_set = desk.clock.offset().is_some();
    let (status, kind, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/healthz") => {
            let (healthy, said) = report::health(&desk.counters, clock_is_set);
            let status = if healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, JSON, said.to_string())
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let text = report::metrics(&desk.counters, clock_is_set);
            (StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text)
        }
        (&Method::GET, "/queue") => match desk.queue.summary().await {
            Ok(summary) => {
                (StatusCode::OK, JSON, serde_json::to_string(&summary).unwrap_or_default())
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
        },
        (_, "/healthz" | "/metrics" | "/queue") => {
            (StatusCode::METHOD_NOT_ALLOWED, "text/plain", "expected GET\n".to_owned())
        }
        _ => {
            let expected = "expected /healthz, /metrics or /queue\n".to_owned();
            (StatusCode::NOT_FOUND, "text/plain", expected)
        }
    };
    Response::builder()
        .status(status)
        .header("content-type", kind)
        .body(Full::new(Bytes::from(body)))
        .expect("a status and a constant header are a response")
}

/// Asks the agent that has a queue; gives the body of a good answer.
///
/// # Errors
/// When there is no such agent, or it does not answer.
pub(crate) async fn ask(queue: &Path, path: &str) -> std::io::Result<String> {
    let work = async {
        let mut stream = UnixStream::connect(socket(queue)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        Ok(body.to_owned())
    };
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| late())?
}
