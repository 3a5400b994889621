//! JSON logs, one line each, for CloudWatch.

use tracing_subscriber::EnvFilter;

/// The handler logs its errors itself, with name and trace id: the runtime's layer that catches
/// panics would log each once more, in Rust's own notation. (A panic still reaches the log by
/// Rust's own hook, and Lambda's answer by that layer.)
const DEFAULT: &str = "info,lambda_runtime::layers::panic=off";

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
