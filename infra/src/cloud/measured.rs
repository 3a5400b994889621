//! What the local pipeline has cost so far in messages, bytes and time: `tidings cost --from-live`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings_ingest::Report;

/// Sums since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Messages that the function was invoked for.
    pub messages: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Readings in them that were accepted.
    pub readings: u64,
    /// Bytes of what the function said of them in its log.
    pub log_bytes: u64,
    /// What the function took, in milliseconds.
    pub function_ms: f64,
    /// Since the start, in seconds.
    pub seconds: f64,
}

/// The sums, as they grow.
#[derive(Debug, Clone)]
pub struct Measured {
    totals: Arc<Mutex<Totals>>,
    since: std::time::Instant,
}

impl Default for Measured {
    fn default() -> Self {
        Self { totals: Arc::default(), since: std::time::Instant::now() }
    }
}

impl Measured {
    /// Adds an invocation.
    pub(super) fn add(&self, report: &Report, log_bytes: usize, took: Duration) {
        let mut totals = self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        totals.messages += report.messages as u64;
        totals.payload_bytes += report.bytes as u64;
        totals.readings += report.accepted as u64;
        totals.log_bytes += log_bytes as u64;
        totals.function_ms += took.as_secs_f64() * 1000.0;
    }

    /// The sums now.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let totals = *self.totals.lock().unwrap_or_else(PoisonError::into_inner);
        Totals { seconds: self.since.elapsed().as_secs_f64(), ..totals }
    }
}
