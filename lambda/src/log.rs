//! JSON logs, one line each, for CloudWatch.

use tracing_subscriber::EnvFilter;

/// Starts the logs of this process. `TIDINGS_LOG` sets what is logged (default `info`).
pub fn start() {
    let filter = EnvFilter::try_from_env("TIDINGS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
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
