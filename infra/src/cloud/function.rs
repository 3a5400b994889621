//! What the invoker invokes: the function built in, or one behind the Invoke API.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tidings_agent::clock;
use tidings_ingest::Ingest;
use tidings_ingest::store::DynamoStore;
use tokio::net::TcpStream;

use super::measured::Measured;
use crate::Trouble;

/// The timeout that the templates give the function.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The function.
#[derive(Debug, Clone)]
pub enum Function {
    /// In this process.
    BuiltIn(Arc<Ingest<DynamoStore>>, Measured),
    /// Behind `POST /2015-03-31/functions/…/invocations`, as `cargo lambda watch` serves it.
    Url(Uri),
}

/// The name under which the function is deployed.
pub const NAME: &str = crate::account::names::FUNCTION;

impl Function {
    /// The function in this process, and where it is told what it took.
    #[must_use]
    pub fn built_in(ingest: Ingest<DynamoStore>, measured: Measured) -> Self {
        Self::BuiltIn(Arc::new(ingest), measured)
    }

    /// A function behind a URL: that of `cargo lambda watch`, with or without the path.
    ///
    /// # Errors
    /// When it is no `http` URL.
    pub fn at_url(url: &str) -> Result<Self, Trouble> {
        let wrong = || Trouble::InvokeUrl(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        if uri.scheme_str() != Some("http") || uri.host().is_none() {
            return Err(wrong());
        }
        if uri.path() != "/" {
            return Ok(Self::Url(uri));
        }
        let whole =
            format!("{}/2015-03-31/functions/{NAME}/invocations", url.trim_end_matches('/'));
        whole.parse().map(Self::Url).map_err(|_| wrong())
    }

    /// Invokes it once. An error is what Lambda puts into an on-failure record as the response:
    /// `{"errorType": …, "errorMessage": …}`.
    ///
    /// # Errors
    /// When the function fails, or cannot be reached.
    pub async fn invoke(&self, event: &str) -> Result<Value, Value> {
        match self {
            Self::BuiltIn(ingest, measured) => {
                let (ingest, measured) = (ingest.clone(), measured.clone());
                let event = event.to_owned();
                // In a task of its own: a panic is the function's failure, as on Lambda.
                let run = tokio::spawn(async move {
                    let begun = Instant::now();
                    let (answer, report) = ingest.invoke(&event, SystemTime::now() + TIMEOUT).await;
                    measured.add(&report, report.line(clock::now()).len(), begun.elapsed());
                    answer
                });
                match run.await {
                    Ok(Ok(answer)) => Ok(json!(answer)),
                    Ok(Err(error)) => Err(failure(error.name(), &error.message())),
                    Err(error) => Err(failure("Runtime.Panic", &error.to_string())),
                }
            }
            Self::Url(uri) => match tokio::time::timeout(TIMEOUT, post(uri, event)).await {
                Ok(Ok((StatusCode::OK, body))) if body.get("errorType").is_none() => Ok(body),
                Ok(Ok((_, body))) => Err(body),
                Ok(Err(error)) => Err(failure("Unreachable", &error)),
                Err(_) => Err(failure("Sandbox.Timedout", "no answer in time")),
            },
        }
    }
}

fn failure(kind: &str, message: &str) -> Value {
    json!({"errorType": kind, "errorMessage": message})
}

/// One request on a connection of its own: `cargo lambda watch` is not called often enough for
/// more.
async fn post(uri: &Uri, event: &str) -> Result<(StatusCode, Value), String> {
    let host = uri.host().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(80);
    let text = |error: &dyn std::error::Error| format!("{host}:{port}: {error}");
    let stream = TcpStream::connect((host, port)).await.map_err(|error| text(&error))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| text(&error))?;
    let driving = tokio::spawn(connection);
    let request = Request::post(uri.path())
        .header("host", format!("{host}:{port}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(event.as_bytes())))
        .map_err(|error| text(&error))?;
    let response = sender.send_request(request).await.map_err(|error| text(&error))?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| text(&error))?.to_bytes();
    drop(sender);
    driving.abort();
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| failure("InvalidResponse", &String::from_utf8_lossy(&body)));
    Ok((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_url_gets_the_path_of_the_invoke_api() {
        let Ok(Function::Url(uri)) = Function::at_url("http://127.0.0.1:9000") else { panic!() };
        assert_eq!(uri.path(), "/2015-03-31/functions/tidings-ingest/invocations");
        let Ok(Function::Url(uri)) = Function::at_url("http://127.0.0.1:9000/other") else {
            panic!()
        };
        assert_eq!(uri.path(), "/other");
        for bad in ["https://x", "x", ""] {
            assert!(Function::at_url(bad).is_err(), "{bad}");
        }
    }
}
