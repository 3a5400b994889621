//! Which rows are to blame when connections end: poison is found without losing what is good.
//!
//! A row that was in flight at the end of a connection gets a strike. With [`SUSPECT`] of them it is
//! sent alone, with nothing else in flight, and only on a connection that has acknowledged something
//! before: where that connection ends too, the row is the reason, and with [`POISON`] such strikes it
//! is given up. A bad network makes suspects as well, but they are acknowledged in their turn, or
//! nothing is and nobody is blamed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::queue::{Chunk, ChunkId};

/// Connections that may end with a row in flight before it is sent alone.
pub(super) const SUSPECT: u32 = 3;

/// Proven connections that may end with a row alone in flight before it is given up.
pub(super) const POISON: u32 = 2;

/// The strikes so far.
#[derive(Debug, Default)]
pub(super) struct Strikes {
    strikes: BTreeMap<ChunkId, u32>,
    /// Strikes of rows that were alone on a connection that had acknowledged something.
    proven: BTreeMap<ChunkId, u32>,
    /// Suspects that were fetched on this connection and wait for their turn.
    waiting: VecDeque<Chunk>,
}

impl Strikes {
    /// Keeps a suspect back; gives any other row back.
    pub(super) fn keep_back(&mut self, chunk: Chunk) -> Option<Chunk> {
        if self.strikes.get(&chunk.id).is_some_and(|strikes| *strikes >= SUSPECT) {
            self.waiting.push_back(chunk);
            None
        } else {
            Some(chunk)
        }
    }

    /// The suspect whose turn it is: the one that was in flight least often when a connection ended,
    /// so that poison does not keep the others from proving that they are none.
    pub(super) fn next(&mut self) -> Option<Chunk> {
        let strikes = |chunk: &Chunk| self.strikes.get(&chunk.id).copied().unwrap_or(0);
        let least = (0..self.waiting.len()).min_by_key(|place| strikes(&self.waiting[*place]))?;
        self.waiting.remove(least)
    }

    /// Forgets the suspects that wait: they are fetched again.
    pub(super) fn start_over(&mut self) {
        self.waiting.clear();
    }

    /// Whether suspects wait.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// These rows have arrived.
    pub(super) fn clear(&mut self, ids: &[ChunkId]) {
        for id in ids {
            self.strikes.remove(id);
            self.proven.remove(id);
        }
    }

    /// The connection has ended with these rows in flight. Returns those that are to be given up.
    pub(super) fn ended(&mut self, in_flight: &BTreeSet<ChunkId>, proven: bool) -> Vec<ChunkId> {
        self.waiting.clear();
        for id in in_flight {
            *self.strikes.entry(*id).or_default() += 1;
        }
        let mut poison = Vec::new();
        if let (true, 1, Some(id)) = (proven, in_flight.len(), in_flight.first())
            && self.strikes.get(id).is_some_and(|strikes| *strikes > SUSPECT)
        {
            let strikes = self.proven.entry(*id).or_default();
            *strikes += 1;
            if *strikes >= POISON {
                poison.push(*id);
                self.clear(&poison);
            }
        }
        poison
    }
}
