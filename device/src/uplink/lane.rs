//! A part of the queue on its way out: what was fetched of it and is not yet published. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use tidings_schema::DeviceId;
use tidings_schema::wire::batch::BatchBuilder;
use tidings_schema::wire::latest;
use tokio::time::Instant;

use crate::queue::{Chunk, ChunkId};

/// How messages are filled.
#[derive(Debug, Clone)]
pub(super) struct Filling {
    pub(super) device: DeviceId,
    pub(super) topic_len: usize,
    /// Bytes of a message, topic included.
    pub(super) bytes: usize,
    /// How long a message waits for more.
    pub(super) age: Duration,
}

/// A message to publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) ids: Vec<ChunkId>,
    pub(super) readings: usize,
    pub(super) payload: Vec<u8>,
}

/// Rows after `cursor`, up to `end`.
#[derive(Debug)]
pub(super) struct Lane {
    /// The last row that was fetched.
    cursor: ChunkId,
    /// The last row that is of this lane; `None` where it goes on for ever.
    end: Option<ChunkId>,
    /// Whether the queue may have rows of this lane after `cursor`.
    more: bool,
    ready: VecDeque<Chunk>,
    /// When the oldest of `ready` came.
    ready_since: Instant,
}

impl Lane {
    pub(super) const fn new(after: ChunkId, end: Option<ChunkId>, now: Instant) -> Self {
        Self { cursor: after, end, more: true, ready: VecDeque::new(), ready_since: now }
    }

    /// Whether nothing is left in it, as far as is known.
    pub(super) fn is_empty(&self) -> bool {
        !self.more && self.ready.is_empty()
    }

    /// The queue may have more.
    pub(super) fn look_again(&mut self) {
        self.more = self.end.is_none_or(|end| self.cursor < end);
    }

    /// Whether more should be fetched; and where from.
    pub(super) fn wants(&self, limit: usize) -> Option<ChunkId> {
        (self.more && self.ready.len() < limit).then_some(self.cursor)
    }

    /// A fetch has begun. News from now on may come too late for it, and says so.
    pub(super) fn asked(&mut self) {
        self.more = false;
    }

    /// Takes what a fetch found; `whole` says that it found as many rows as were asked for.
    pub(super) fn take(&mut self, now: Instant, mut chunks: Vec<Chunk>, whole: bool) {
        if let Some(end) = self.end {
            chunks.retain(|chunk| chunk.id <= end);
        }
        self.more |= whole;
        if let Some(last) = chunks.last() {
            self.cursor = last.id;
            if self.ready.is_empty() {
                self.ready_since = now;
            }
        }
        if self.end.is_some_and(|end| self.cursor >= end) {
            self.more = false;
        }
        self.ready.extend(chunks);
    }

    /// When what is here is sent though it does not fill a message.
    pub(super) fn due_at(&self, age: Duration) -> Option<Instant> {
        (!self.ready.is_empty()).then(|| self.ready_since + age)
    }

    /// Takes the next message out. `None`, and nothing is taken, where there is none, or where it
    /// is neither full nor due. Rows that `alone` names are left for it to have.
    pub(super) fn message(
        &mut self,
        now: Instant,
        filling: &Filling,
        due: bool,
        alone: &mut dyn FnMut(Chunk) -> Option<Chunk>,
    ) -> Option<Message> {
        while let Some(first) = self.ready.pop_front() {
            if let Some(first) = alone(first) {
                self.ready.push_front(first);
                break;
            }
        }
        let due = due || self.due_at(filling.age).is_some_and(|then| now >= then);
        let (message, rows) = fill(&self.ready, filling, due)?;
        self.ready.drain(..rows);
        self.ready_since = now;
        Some(message)
    }
}

/// A message of the first rows, whole rows only, and how many they are.
fn fill(ready: &VecDeque<Chunk>, filling: &Filling, due: bool) -> Option<(Message, usize)> {
    let first = ready.front()?;
    let room = filling.bytes.saturating_sub(filling.topic_len);
    let full = |rows: &[&Chunk], payload: Vec<u8>| {
        let message = Message {
            ids: rows.iter().map(|row| row.id).collect(),
            readings: rows.iter().map(|row| row.readings).sum(),
            payload,
        };
        Some((message, rows.len()))
    };
    // The next row cannot make a message that is nearly full any fuller.
    let joins = |row: &Chunk| row.boot == first.boot && row.message.len() < room;
    let second = ready.get(1);
    if first.message.len() >= room - room / 16 || second.is_some_and(|row| !joins(row)) {
        return full(&[first], first.message.clone());
    }
    if second.is_none() {
        return if due { full(&[first], first.message.clone()) } else { None };
    }
    let new = || BatchBuilder::new(&filling.device, &first.boot, filling.topic_len, filling.bytes);
    let mut batch = new();
    let mut rows: Vec<&Chunk> = Vec::new();
    let mut closed = false;
    for row in ready {
        let mut with = batch.clone();
        if !joins(row) || !push_all(&mut with, row) {
            closed = true;
            break;
        }
        batch = with;
        rows.push(row);
    }
    if rows.is_empty() {
        // The first row does not fit as it was written (the topic has grown since): it goes alone.
        return full(&[first], first.message.clone());
    }
    if !closed && !due && batch.len() < room - room / 16 {
        return None;
    }
    let payload = batch.finish()?;
    full(&rows, payload)
}

/// Adds a row's readings; `false` where not all of them fit.
fn push_all(batch: &mut BatchBuilder, row: &Chunk) -> bool {
    // What is no message cannot be merged; alone it reaches the quarantine.
    latest::decode(&row.message).is_ok_and(|decoded| {
        decoded.refused.is_empty()
            && decoded.readings.iter().all(|reading| batch.push(reading).is_ok())
    })
}
