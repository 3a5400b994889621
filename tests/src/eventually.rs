//! Waiting for something to become true, with a limit.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Time between two looks. The one sleep of the tests: everything else waits for events.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The limit, from `TIDINGS_TEST_PATIENCE_SECONDS` (default 90: a slow machine is no failure).
fn patience() -> Duration {
    let seconds = std::env::var("TIDINGS_TEST_PATIENCE_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(90))
}

/// Looks until `look` gives a value.
///
/// # Panics
/// When the limit passes first; `what` says what was waited for.
pub async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let until = Instant::now() + patience();
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain for: {what}");
        sleep(LOOK_EVERY).await;
    }
}
