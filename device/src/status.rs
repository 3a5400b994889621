//! What the agent says of itself while it runs: counters that each task adds to, and the line
//! `run --status-every` prints of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::queue::Loss;

/// Counters since the start of the process. Each has one owner.
#[derive(Debug, Default)]
pub struct Counters {
    /// Readings committed to the queue.
    pub accepted: AtomicU64,
    /// Those of them that are faults.
    pub faults: AtomicU64,
    /// Readings lost, each logged with its reason: see [`crate::queue::Loss`].
    pub lost: AtomicU64,
    /// Readings lost since the queue was made, in the order of [`Loss::ALL`].
    lost_ever: [AtomicU64; Loss::ALL.len()],
    /// Whether the queue's disk fails and readings wait in memory.
    pub degraded: AtomicBool,
    /// Readings whose message the broker acknowledged.
    pub acknowledged: AtomicU64,
    /// Messages that the broker acknowledged.
    pub messages: AtomicU64,
    /// Payload and topic bytes of those messages.
    pub bytes: AtomicU64,
    /// Readings in the queue.
    pub waiting: AtomicU64,
    /// Connections made.
    pub connections: AtomicU64,
    /// Whether there is a connection now.
    pub online: AtomicBool,
    /// Since when there is none, after there was one, or after it was looked for.
    offline_since: Mutex<Option<Instant>>,
}

/// One look at [`Counters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Status {
    /// See [`Counters::accepted`].
    pub accepted: u64,
    /// See [`Counters::faults`].
    #[serde(default)]
    pub faults: u64,
    /// See [`Counters::lost`].
    pub lost: u64,
    /// See [`Counters::degraded`].
    pub degraded: bool,
    /// See [`Counters::acknowledged`].
    pub acknowledged: u64,
    /// See [`Counters::messages`].
    pub messages: u64,
    /// See [`Counters::bytes`].
    pub bytes: u64,
    /// See [`Counters::waiting`].
    pub waiting: u64,
    /// See [`Counters::connections`].
    pub connections: u64,
    /// See [`Counters::online`].
    pub online: bool,
}

impl Counters {
    /// Readings lost for this reason since the queue was made.
    #[must_use]
    pub fn lost_ever(&self, reason: Loss) -> &AtomicU64 {
        &self.lost_ever[reason as usize]
    }

    /// There is a connection now, or none any more.
    pub(crate) fn set_online(&self, online: bool) {
        self.online.store(online, Ordering::Relaxed);
        let mut since = self.offline_since.lock().unwrap_or_else(PoisonError::into_inner);
        if online {
            *since = None;
        } else {
            since.get_or_insert_with(Instant::now);
        }
    }

    /// How long there has been no connection.
    #[must_use]
    pub fn offline_for(&self) -> Option<Duration> {
        let since = self.offline_since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|then| then.elapsed())
    }

    /// Reads all counters. They may be some microseconds apart.
    #[must_use]
    pub fn look(&self) -> Status {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Status {
            accepted: of(&self.accepted),
            faults: of(&self.faults),
            lost: of(&self.lost),
            degraded: self.degraded.load(Ordering::Relaxed),
            acknowledged: of(&self.acknowledged),
            messages: of(&self.messages),
            bytes: of(&self.bytes),
            waiting: of(&self.waiting),
            connections: of(&self.connections),
            online: self.online.load(Ordering::Relaxed),
        }
    }
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, number: usize) {
    counter.fetch_add(number as u64, Ordering::Relaxed);
}
