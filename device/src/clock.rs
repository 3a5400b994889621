//! The wall clock: for labels only. Waiting is done on the monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

use tidings_schema::UnixMillis;

/// The wall clock now, held to the bounds of [`UnixMillis`] (a clock before 1970 reads as 1970).
#[must_use]
pub fn now() -> UnixMillis {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
    i64::try_from(millis)
        .ok()
        .and_then(|millis| UnixMillis::new(millis).ok())
        .unwrap_or(UnixMillis::MAX)
}
