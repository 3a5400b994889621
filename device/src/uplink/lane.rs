//! A part of the queue on its way out: what was fetched of it and is not yet published. Pure.

use std::collections::VecDeque;

use tidings_schema::wire::batch::BatchBuilder;
use tidings_schema::wire::latest;
use tidings_schema::{Clock, DeviceId};

use crate::queue::{Chunk, ChunkId};

/// How messages are filled.
#[derive(Debug, Clone)]
pub(super) struct Filling {
    pub(super) device: DeviceId,
    pub(super) topic_len: usize,
    /// Bytes of a message, topic included.
    pub(super) bytes: usize,
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
}

impl Lane {
    pub(super) const fn new(after: ChunkId, end: Option<ChunkId>) -> Self {
        Self { cursor: after, end, more: true, ready: VecDeque::new() }
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

    /// Takes what a fetch found; `whole` says that it found as many rows as were asked for. Rows that
    /// `keep_back` does not give back are left to it.
    pub(super) fn take(
        &mut self,
        mut chunks: Vec<Chunk>,
        whole: bool,
        keep_back: impl FnMut(Chunk) -> Option<Chunk>,
    ) {
        if let Some(end) = self.end {
            chunks.retain(|chunk| chunk.id <= end);
        }
        self.more |= whole;
        if let Some(last) = chunks.last() {
            self.cursor = last.id;
        }
        if self.end.is_some_and(|end| self.cursor >= end) {
            self.more = false;
        }
        self.ready.extend(chunks.into_iter().filter_map(keep_back));
    }

    /// Takes the next message out: as many rows as fit one. They have waited for each other in the
    /// queue already.
    pub(super) fn message(&mut self, filling: &Filling) -> Option<Message> {
        let first = self.ready.front()?;
        let (rows, payload) = match fill(&self.ready, filling) {
            (rows, Some(payload)) if rows > 1 => (rows, payload),
            // Alone it goes as it was written: also where it does not fit, because the topic has
            // grown since.
            _ => (1, first.message.clone()),
        };
        let rows: Vec<Chunk> = self.ready.drain(..rows).collect();
        Some(Message {
            ids: rows.iter().map(|row| row.id).collect(),
            readings: rows.iter().map(|row| row.readings).sum(),
            payload,
        })
    }
}

/// How many of the first rows make one message, whole rows only, and that message.
fn fill(ready: &VecDeque<Chunk>, filling: &Filling) -> (usize, Option<Vec<u8>>) {
    let room = filling.bytes.saturating_sub(filling.topic_len);
    let (Some(first), Some(second)) = (ready.front(), ready.get(1)) else { return (1, None) };
    // Where even the second cannot be joined there is nothing to decode.
    if !share(second, first) || first.message.len() + LEAST > room {
        return (1, None);
    }
    let Filling { device, topic_len, bytes } = filling;
    let clock = if first.since.is_some() { Clock::Unset } else { Clock::Set };
    let mut batch = BatchBuilder::new(device, &first.boot, *topic_len, *bytes).with_clock(clock);
    let mut rows = 0;
    for row in ready.iter().take_while(|row| share(row, first)) {
        let mut with = batch.clone();
        if row.message.len() > room || !push_all(&mut with, row) {
            break;
        }
        batch = with;
        rows += 1;
    }
    (rows, batch.finish())
}

/// Whether two rows can be of one message.
fn share(one: &Chunk, other: &Chunk) -> bool {
    one.boot == other.boot && one.since == other.since
}

/// Bytes that a reading needs at the least beside others: a message with less room is full.
const LEAST: usize = 16;

/// Adds a row's readings; `false` where not all of them fit.
fn push_all(batch: &mut BatchBuilder, row: &Chunk) -> bool {
    // What is no message cannot be merged; alone it reaches the quarantine.
    latest::decode(&row.message).is_ok_and(|decoded| {
        decoded.refused.is_empty()
            && decoded.readings.iter().all(|reading| batch.push(reading).is_ok())
    })
}
