//! Writes puts to the store.
//!
//! # Contract
//!
//! - Calls hold at most [`plan::CHUNK`](crate::plan) puts, no key twice, and at most
//!   [`CONCURRENCY`] are under way.
//! - What a call leaves unprocessed (an HTTP 200 that no SDK retries), and whole calls that failed
//!   for a passing reason, are tried again after a backoff with full jitter, for as long as it ends
//!   before `until`.
//! - What fails for a lasting reason is not tried again.
//! - It returns before `until` passes, and what was not written is in [`Written::left`]: nothing is
//!   forgotten, and nothing is written that was not asked for.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep, timeout_at};

use crate::item::{Item, Put};
use crate::plan;
use crate::store::{Store, StoreError};

/// Calls under way at once: enough that 100 readings take the time of one call.
const CONCURRENCY: usize = 4;

/// The first ceiling of the wait before another try; it doubles up to the second.
const BACKOFF_BASE: Duration = Duration::from_millis(50);
const BACKOFF_CAP: Duration = Duration::from_secs(5);

/// What came of it.
#[derive(Debug, Default)]
pub struct Written {
    /// Puts that the store has.
    pub written: usize,
    /// Puts that were tried more than once, counted each time.
    pub retries: usize,
    /// Calls made.
    pub calls: usize,
    /// Puts that the store may not have.
    pub left: Vec<Put>,
    /// The last thing that went wrong.
    pub last_error: Option<StoreError>,
}

/// Writes `puts`, which must not hold a key twice, until all are written or `until` comes near.
pub async fn write<S: Store>(store: &S, puts: Vec<Put>, until: Instant) -> Written {
    let mut outcome = Written::default();
    let mut pending = puts;
    for failures in 0_u32.. {
        let chunks: Vec<Vec<Put>> = into_chunks(std::mem::take(&mut pending));
        let results = stream::iter(chunks)
            .map(|chunk| async move {
                let result = timeout_at(until, store.write(&chunk)).await;
                (chunk, result)
            })
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
        for (chunk, result) in results {
            outcome.calls += 1;
            let total = chunk.len();
            match result {
                Ok(Ok(unprocessed)) => {
                    let back = chunk
                        .into_iter()
                        .enumerate()
                        .filter(|(index, _)| unprocessed.contains(index))
                        .map(|(_, put)| put);
                    pending.extend(back);
                    outcome.written += total - unprocessed.len();
                }
                Ok(Err(error)) => {
                    let list = if error.is_lasting() { &mut outcome.left } else { &mut pending };
                    list.extend(chunk);
                    outcome.last_error = Some(error);
                }
                Err(_) => {
                    pending.extend(chunk);
                    outcome.last_error = Some(StoreError::Deadline);
                }
            }
        }
        if pending.is_empty() {
            break;
        }
        let ceiling = BACKOFF_BASE.saturating_mul(2_u32.saturating_pow(failures)).min(BACKOFF_CAP);
        let delay = ceiling.mul_f64(fastrand::f64());
        if Instant::now() + delay >= until {
            break;
        }
        outcome.retries += pending.len();
        sleep(delay).await;
    }
    outcome.left.extend(pending);
    outcome
}

/// Writes one item of the function's own.
///
/// # Errors
/// When it was not written by then.
pub async fn write_one<S: Store>(store: &S, item: Item, until: Instant) -> Result<(), StoreError> {
    let written = write(store, vec![Put { origin: None, item }], until).await;
    match (written.left.is_empty(), written.last_error) {
        (true, _) => Ok(()),
        (false, error) => Err(error.unwrap_or(StoreError::Deadline)),
    }
}

fn into_chunks(puts: Vec<Put>) -> Vec<Vec<Put>> {
    let mut chunks = Vec::with_capacity(puts.len().div_ceil(plan::CHUNK));
    let mut puts = puts.into_iter().peekable();
    while puts.peek().is_some() {
        chunks.push(puts.by_ref().take(plan::CHUNK).collect());
    }
    chunks
}

#[cfg(test)]
mod tests;
