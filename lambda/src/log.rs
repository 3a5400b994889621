//! JSON logs, one line each, for CloudWatch.

use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use tidings_schema::UnixMillis;
use tracing_subscriber::EnvFilter;

use crate::metrics::Report;

/// The report has an invocation's error already, with name and trace id: the runtime's layer that catches
/// panics would log each once more, in Rust's own notation. (A panic still reaches the log by
/// Rust's own hook, and Lambda's answer by that layer.)
///
/// The runtime's span around each invocation is left out: the report has all that it would say.
const DEFAULT: &str = "info,lambda_runtime=warn,lambda_runtime::layers::panic=off";

/// Starts the logs of this process. `TIDINGS_LOG` sets what is logged (default `info`).
pub fn start() {
    let filter = EnvFilter::try_from_env("TIDINGS_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let logs = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter);
    // Logs may be set up already where this runs within another program.
    drop(logs.try_init());
}

/// Writes the one line of an invocation. It goes past `tracing`, whose fields cannot hold the nested
/// objects of CloudWatch's metric format.
pub fn report(report: &Report) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(now.as_millis()).ok().and_then(|now| UnixMillis::new(now).ok());
    let mut line = report.line(now.unwrap_or(UnixMillis::MIN));
    line.push('\n');
    // A closed standard output is no reason to fail an invocation whose readings are written.
    std::io::stdout().write_all(line.as_bytes()).ok();
}
