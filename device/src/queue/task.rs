//! What the owner of the queue does with what it is given: packs it in memory, and writes to the disk
//! what has not been acknowledged before long. No threads; the time is given.

mod disk;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_schema::{BootId, Outcome, SensorId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::chunk::{Chunk, ChunkId, Count, News, Packed, Packer, Sample, Shape};
use super::commit::{Commit, Committed};
use super::error::QueueError;
use super::inspect::Summary;
use super::layout::Boot;
use super::loss::{Loss, Losses};
use super::store::Store;
use crate::clock::Clock;
use crate::config::QueueConfig;
use crate::status::{Counters, add};

/// Bytes in memory at which they are written to the disk, however young they are.
const EARLY_BYTES: usize = 1024 * 1024;

/// Bytes that may wait in memory while the disk fails.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The longest that a removal waits for others. A crash before sends those readings again, which is
/// harmless and yet is not to be much.
const REMOVE_WITHIN: Duration = Duration::from_secs(2);

/// The wait before the clock is looked at again, while it is not set.
const LOOK: Duration = Duration::from_secs(1);

/// The wait before a disk that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// The owner's state.
#[derive(Debug)]
pub(super) struct Task {
    config: QueueConfig,
    clock: Arc<Clock>,
    /// Whether the queue knows where this start of the kernel stands in time; until then, when it looks
    /// again.
    anchored: Result<i64, Instant>,
    /// The longest that a sample waits for others to share its row.
    age: Duration,
    boot: BootId,
    packer: Packer,
    packing_since: Option<Instant>,
    next_id: ChunkId,
    /// Rows that are in memory alone, and when they came there.
    memory: BTreeMap<ChunkId, (Packed, Instant)>,
    memory_bytes: usize,
    /// What was accepted since the disk was told.
    counts: BTreeMap<SensorId, Count>,
    disk: Option<(Store, Boot)>,
    /// The disk failed, and is tried again then.
    retry_at: Option<Instant>,
    removals: Vec<RangeInclusive<ChunkId>>,
    dead: Vec<(ChunkId, Loss)>,
    /// Losses that the disk has not counted yet.
    losses: Losses,
    /// When the oldest of these three came.
    news_since: Option<Instant>,
    counters: Arc<Counters>,
    /// What the queue has.
    news: watch::Sender<News>,
}

impl Task {
    /// Opens the queue. A damaged one is set aside; where the disk fails, the queue begins in
    /// memory.
    pub(super) fn open(
        config: QueueConfig,
        shape: Shape,
        boot: &BootId,
        clock: Arc<Clock>,
        counters: Arc<Counters>,
        now: Instant,
    ) -> Result<Self, QueueError> {
        let mut task = Self {
            config,
            age: shape.age,
            packer: Packer::new(shape, boot.clone(), clock.kernel_boot()),
            anchored: Err(now),
            clock,
            packing_since: None,
            boot: boot.clone(),
            next_id: 1,
            memory: BTreeMap::new(),
            memory_bytes: 0,
            counts: BTreeMap::new(),
            disk: None,
            retry_at: None,
            removals: Vec::new(),
            dead: Vec::new(),
            losses: Losses::default(),
            news_since: None,
            counters,
            news: watch::Sender::default(),
        };
        match task.open_disk() {
            Ok(()) => {}
            Err(error) if error.is_of_the_disk() => task.degrade(&error, now),
            Err(error) => return Err(error),
        }
        task.anchor(now);
        Ok(task)
    }

    /// To be told of new rows.
    pub(super) fn watch(&self) -> watch::Receiver<News> {
        self.news.subscribe()
    }

    /// When [`Task::tick`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let pack = self.packing_since.map(|since| since + self.age);
        pack.into_iter().chain(self.commit_due()).chain(self.anchored.err()).min()
    }

    fn commit_due(&self) -> Option<Instant> {
        // A disk that failed is tried again, whether or not there is something for it.
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        let oldest = self.memory.first_key_value().map(|(_, (_, since))| *since);
        let oldest = oldest.into_iter().chain(self.packing_since).min();
        let patience =
            if self.memory_bytes >= EARLY_BYTES { Duration::ZERO } else { self.config.commit };
        let write = oldest.map(|oldest| oldest + patience);
        let remove = self.news_since.map(|since| since + REMOVE_WITHIN.min(self.config.commit));
        write.into_iter().chain(remove).min()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Instant) {
        self.anchor(now);
        if self.packing_since.is_some_and(|since| now >= since + self.age) {
            self.pack(now);
        }
        if self.commit_due().is_some_and(|due| now >= due) {
            self.commit(now);
        }
    }

    /// Accepts a sample.
    pub(super) fn append(&mut self, sample: Sample, now: Instant) {
        let (sensor, at) = (sample.sensor.clone(), sample.at);
        let is_fault = matches!(sample.outcome, Outcome::Failed(_));
        let pushed = self.packer.push(sample);
        if let Some(row) = pushed.full {
            self.packing_since = None;
            self.keep(row, now);
        }
        if pushed.numbered {
            self.packing_since.get_or_insert(now);
            add(&self.counters.accepted, 1);
            add(&self.counters.faults, usize::from(is_fault));
            add(&self.counters.waiting, 1);
            let count = self.counts.entry(sensor).or_insert(Count { readings: 0, first_at: at });
            count.readings += 1;
            count.first_at = count.first_at.min(at);
        } else {
            self.lose(Loss::TooLarge, 1, now);
        }
    }

    /// Removes rows that were acknowledged: at once from memory, and with the next commit from the
    /// disk.
    pub(super) fn remove(&mut self, ranges: Vec<RangeInclusive<ChunkId>>, now: Instant) {
        for range in ranges {
            let here: Vec<ChunkId> = self.memory.range(range.clone()).map(|(id, _)| *id).collect();
            for id in &here {
                self.forget(*id);
            }
            if (here.len() as u64) < range.end().abs_diff(*range.start()) + 1 {
                self.removals.push(range);
                self.news_since.get_or_insert(now);
            }
        }
    }

    /// Puts rows among the dead letters, with the next commit.
    pub(super) fn bury(
        &mut self,
        ids: impl IntoIterator<Item = ChunkId>,
        reason: Loss,
        now: Instant,
    ) {
        self.dead.extend(ids.into_iter().map(|id| (id, reason)));
        self.news_since.get_or_insert(now);
    }

    /// Up to `limit` rows after `after`, oldest first.
    pub(super) fn fetch(
        &mut self,
        after: ChunkId,
        limit: usize,
        now: Instant,
    ) -> Result<Vec<Chunk>, QueueError> {
        if !self.dead.is_empty() {
            // They are on their way, and must not be sent again.
            self.commit(now);
        }
        let mut fetched = match &self.disk {
            Some((store, _)) => match store.fetch(after, limit, self.clock.kernel_boot()) {
                Err(error @ QueueError::Damaged { .. }) => {
                    self.set_aside(&error)?;
                    return self.fetch(after, limit, now);
                }
                result => result?,
            },
            None => super::store::Fetched::default(),
        };
        // Ids are of one count, and a row comes to the disk before those that come after it, or
        // stays in memory beside them while the disk fails.
        let memory = self.memory.range(after + 1..).filter_map(|(id, (row, _))| {
            let chunk = Chunk {
                id: *id,
                boot: self.boot.clone(),
                readings: row.readings,
                since: row.since,
                message: row.message.clone(),
            };
            match (row.since, self.anchored) {
                (None, _) => Some(chunk),
                (Some(_), Ok(offset)) => Some(chunk.place(offset)),
                (Some(_), Err(_)) => None,
            }
        });
        fetched.chunks.extend(memory.take(limit));
        fetched.chunks.sort_unstable_by_key(|chunk| chunk.id);
        fetched.chunks.truncate(limit);
        // What is acknowledged and not yet removed.
        let gone = |chunk: &Chunk| self.removals.iter().any(|range| range.contains(&chunk.id));
        let whole = fetched.chunks.len() >= limit;
        let last = fetched.chunks.last().map(|chunk| chunk.id);
        fetched.chunks.retain(|chunk| !gone(chunk));
        if !fetched.damaged.is_empty() {
            let readings: u64 = fetched.damaged.iter().map(|(_, readings)| readings).sum();
            let rows = fetched.damaged.len();
            tracing::error!(rows, readings, "damaged rows are put among the dead letters");
            self.bury(fetched.damaged.into_iter().map(|(id, _)| id), Loss::Damaged, now);
            self.commit(now);
        }
        if let (true, Some(last)) = (whole && fetched.chunks.len() < limit, last) {
            // Fewer than asked for means that there is no more: what was passed over is made good.
            let more = self.fetch(last, limit - fetched.chunks.len(), now)?;
            fetched.chunks.extend(more);
        }
        Ok(fetched.chunks)
    }

    /// The queue in a few numbers.
    pub(super) fn summary(&self) -> Result<Summary, QueueError> {
        let mut summary = match &self.disk {
            Some((store, _)) => store.summary()?,
            None => Summary::default(),
        };
        let waiting = self.counters.waiting.load(Ordering::Relaxed);
        // What is in memory, removed since, or not yet a row.
        summary.readings = waiting;
        summary.messages += self.memory.len() as u64 + u64::from(self.packing_since.is_some());
        if self.anchored.is_err() {
            let held = self.memory.values().filter(|(row, _)| row.since.is_some());
            summary.held += held.map(|(row, _)| row.readings as u64).sum::<u64>();
        }
        let here = self.memory.values().find(|(row, _)| row.since.is_none());
        summary.oldest = summary.oldest.or(here.map(|(row, _)| row.newest));
        summary.losses.extend(&self.losses);
        Ok(summary)
    }

    /// Makes a row of the samples that wait for others.
    fn pack(&mut self, now: Instant) {
        self.packing_since = None;
        if let Some(row) = self.packer.close() {
            self.keep(row, now);
        }
    }

    /// Takes a row into memory, and tells of it.
    fn keep(&mut self, row: Packed, now: Instant) {
        self.memory_bytes += row.message.len();
        self.memory.insert(self.next_id, (row, now));
        self.news.send_modify(|news| news.last = self.next_id);
        self.next_id += 1;
    }

    /// Takes a row out of memory.
    fn forget(&mut self, id: ChunkId) -> u64 {
        let Some((row, _)) = self.memory.remove(&id) else { return 0 };
        self.memory_bytes -= row.message.len();
        self.counters.waiting.fetch_sub(row.readings as u64, Ordering::Relaxed);
        row.readings as u64
    }

    /// Writes everything to the disk. Where that fails it stays in memory, within its limit.
    pub(super) fn commit(&mut self, now: Instant) {
        self.pack(now);
        if self.disk.is_none() {
            if self.retry_at.is_some_and(|then| now < then) {
                self.stay_within_memory(now);
                return;
            }
            if let Err(error) = self.open_disk() {
                self.degrade(&error, now);
                return;
            }
        }
        let rows: Vec<(ChunkId, Packed)> =
            self.memory.iter().map(|(id, (row, _))| (*id, row.clone())).collect();
        let mut result = self.try_disk(&rows);
        if let Err(error @ QueueError::Damaged { .. }) = &result {
            result = match self.set_aside(error) {
                Ok(()) => self.try_disk(&rows),
                Err(error) => Err(error),
            };
        }
        match result {
            Ok(committed) => self.settle(&committed),
            Err(error) => self.degrade(&error, now),
        }
    }

    fn try_disk(&mut self, rows: &[(ChunkId, Packed)]) -> Result<Committed, QueueError> {
        let expired = self.config.limits.max_age.and_then(|age| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            // Where the clock is not set, nobody knows how old anything is.
            self.anchored.ok().and_then(|_| self.clock.stamp().at.offset(-age).ok())
        });
        let Some((store, boot)) = &mut self.disk else { return Ok(Committed::default()) };
        let commit = Commit {
            chunks: rows,
            counts: &self.counts,
            removals: &self.removals,
            dead: &self.dead,
            expired,
            losses: self.losses.clone(),
        };
        if self.retry_at.is_some() {
            // A commit of nothing would succeed on a disk that takes nothing.
            store.probe()?;
        }
        store.commit(boot, &commit)
    }

    /// All is on the disk.
    fn settle(&mut self, committed: &Committed) {
        self.memory.clear();
        self.memory_bytes = 0;
        self.counts.clear();
        self.removals.clear();
        self.dead.clear();
        self.losses = Losses::default();
        self.news_since = None;
        if self.retry_at.take().is_some() {
            self.counters.degraded.store(false, Ordering::Relaxed);
            tracing::warn!("the disk takes the queue again");
        }
        self.counters.waiting.fetch_sub(committed.gone, Ordering::Relaxed);
        self.counters.lost.fetch_add(committed.losses.total(), Ordering::Relaxed);
        for (reason, readings) in committed.losses.iter() {
            self.counters.lost_ever(reason).fetch_add(readings, Ordering::Relaxed);
            tracing::warn!(reason = reason.name(), readings, "readings dropped by the queue");
        }
    }

    /// Counts a loss that the disk has still to be told of.
    fn lose(&mut self, reason: Loss, readings: u64, now: Instant) {
        if readings > 0 {
            tracing::error!(reason = reason.name(), readings, "readings lost");
            self.losses.add(reason, readings);
            self.news_since.get_or_insert(now);
            self.counters.lost.fetch_add(readings, Ordering::Relaxed);
            self.counters.lost_ever(reason).fetch_add(readings, Ordering::Relaxed);
        }
    }

    /// Changes the longest that a sample waits for others to share its row.
    pub(super) fn set_age(&mut self, age: Duration) {
        self.age = age;
    }
}

#[cfg(test)]
impl Task {
    /// Sets something of the disk's database that only tests set.
    pub(super) fn pragma(&self, name: &str, value: u64) {
        let (store, _) = self.disk.as_ref().unwrap();
        store.connection().execute_batch(&format!("PRAGMA {name}={value}")).unwrap();
    }
}
