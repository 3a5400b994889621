//! What the owner of the queue does with what it is given: commits it to the disk, or keeps it in
//! memory for as long as the disk fails. No threads; the time is given.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_schema::{BootId, SensorId};
use tokio::sync::watch;
use tokio::time::Instant;

use super::chunk::{Chunk, ChunkId, Count, Packed, Packer, Sample, Shape};
use super::commit::{Commit, Committed};
use super::error::QueueError;
use super::loss::{Loss, Losses};
use super::room::{Limits, WhenFull};
use super::salvage;
use super::store::{Boot, Store};
use crate::clock;
use crate::config::QueueConfig;
use crate::status::{Counters, add};
use crate::terminal::causes;

/// Bytes that may wait in memory while the disk fails.
const MEMORY_BYTES: u64 = 8 * 1024 * 1024;

/// The wait before a disk that could not even be opened is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// One database and our boot in it.
#[derive(Debug)]
struct Place {
    store: Store,
    boot: Boot,
}

impl Place {
    fn new(mut store: Store, boot: &BootId) -> Result<Self, QueueError> {
        Ok(Self { boot: store.begin_boot(boot)?, store })
    }

    fn commit(&mut self, commit: &Commit<'_>) -> Result<Committed, QueueError> {
        self.store.commit(&self.boot, commit)
    }
}

/// The owner's state.
#[derive(Debug)]
pub(super) struct Task {
    config: QueueConfig,
    boot: BootId,
    packer: Packer,
    next_id: ChunkId,
    disk: Option<Place>,
    retry_at: Option<Instant>,
    /// What the disk did not take, and the counts that it will have to take with it.
    memory: Option<(Place, BTreeMap<SensorId, Count>)>,
    counters: Arc<Counters>,
    /// The last row that was committed.
    commits: watch::Sender<ChunkId>,
    samples: Vec<Sample>,
    removals: Vec<RangeInclusive<ChunkId>>,
    dead: Vec<(ChunkId, Loss)>,
    /// Losses that the disk has not counted yet.
    losses: Losses,
}

impl Task {
    /// Opens the queue. A damaged one is set aside; where the disk fails, the queue begins in
    /// memory.
    pub(super) fn open(
        config: QueueConfig,
        shape: Shape,
        boot: &BootId,
        counters: Arc<Counters>,
    ) -> Result<Self, QueueError> {
        let mut task = Self {
            packer: Packer::new(shape, boot.clone()),
            boot: boot.clone(),
            next_id: 1,
            disk: None,
            retry_at: None,
            memory: None,
            counters,
            commits: watch::Sender::new(0),
            samples: Vec::new(),
            removals: Vec::new(),
            dead: Vec::new(),
            losses: Losses::default(),
            config,
        };
        match task.open_disk() {
            Ok(()) => {}
            Err(error) if error.is_of_the_disk() => task.degrade(&causes(&error, ": "))?,
            Err(error) => return Err(error),
        }
        Ok(task)
    }

    /// To be told of commits.
    pub(super) fn watch(&self) -> watch::Receiver<ChunkId> {
        self.commits.subscribe()
    }

    /// Whether there is nothing to commit, and nothing to try again.
    pub(super) fn is_settled(&self) -> bool {
        self.is_clean() && self.memory.is_none()
    }

    fn is_clean(&self) -> bool {
        self.samples.is_empty()
            && self.removals.is_empty()
            && self.dead.is_empty()
            && self.losses.is_empty()
    }

    /// How many samples are gathered.
    pub(super) fn gathered(&self) -> usize {
        self.samples.len()
    }

    pub(super) fn append(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    pub(super) fn remove(&mut self, ranges: Vec<RangeInclusive<ChunkId>>) {
        self.removals.extend(ranges);
    }

    pub(super) fn bury(&mut self, ids: impl IntoIterator<Item = ChunkId>, reason: Loss) {
        self.dead.extend(ids.into_iter().map(|id| (id, reason)));
    }

    /// Up to `limit` rows after `after`, oldest first.
    pub(super) fn fetch(
        &mut self,
        after: ChunkId,
        limit: usize,
        now: Instant,
    ) -> Result<Vec<Chunk>, QueueError> {
        // Removals first: what was acknowledged must not be fetched again.
        if !self.removals.is_empty() || !self.dead.is_empty() {
            self.commit(now);
        }
        let mut chunks = Vec::new();
        let mut damaged = Vec::new();
        if let Some(disk) = &self.disk {
            match disk.store.fetch(after, limit) {
                Ok(fetched) => {
                    chunks = fetched.chunks;
                    damaged = fetched.damaged;
                }
                Err(error @ QueueError::Damaged { .. }) => {
                    self.set_aside(&error)?;
                    return self.fetch(after, limit, now);
                }
                Err(error) => return Err(error),
            }
        }
        if let Some((memory, _)) = &self.memory {
            // Ids are of one count, so those of both places sort together.
            chunks.extend(memory.store.fetch(after, limit)?.chunks);
            chunks.sort_unstable_by_key(|chunk| chunk.id);
            chunks.truncate(limit);
        }
        // What is acknowledged and cannot be removed yet, because the disk fails.
        chunks.retain(|chunk| !self.removals.iter().any(|range| range.contains(&chunk.id)));
        if !damaged.is_empty() {
            let readings: u64 = damaged.iter().map(|(_, readings)| readings).sum();
            tracing::error!(
                messages = damaged.len(),
                readings,
                "damaged rows of the queue are put among the dead letters"
            );
            self.bury(damaged.into_iter().map(|(id, _)| id), Loss::Damaged);
            self.commit(now);
        }
        Ok(chunks)
    }

    /// Commits what was gathered, to the disk or, while that fails, to memory.
    pub(super) fn commit(&mut self, now: Instant) {
        if self.disk.is_none() && self.retry_at.is_some_and(|then| now >= then) {
            match self.open_disk() {
                Ok(()) => tracing::info!("the queue is on its disk again"),
                Err(_) => self.retry_at = Some(now + RETRY),
            }
        }
        if self.is_clean() {
            self.move_home();
            return;
        }
        let pack = self.packer.pack(&std::mem::take(&mut self.samples));
        self.lose(Loss::TooLarge, pack.too_large as u64);
        let readings = pack.readings();
        self.packer.accept(&pack);
        let rows: Vec<(ChunkId, Packed)> = (self.next_id..).zip(pack.chunks).collect();
        self.next_id = rows.last().map_or(self.next_id, |(id, _)| id + 1);

        let committed = match self.commit_to_disk(&rows, &pack.counts) {
            Ok(committed) => {
                if committed.taken {
                    add(&self.counters.accepted, readings);
                }
                self.move_home();
                Some(committed)
            }
            Err(error) => self.commit_to_memory(&error, &rows, pack.counts),
        };
        let taken = committed.as_ref().is_some_and(|committed| committed.taken);
        if taken && readings > 0 {
            self.counters.waiting.fetch_add(readings as u64, Ordering::Relaxed);
            self.commits.send_replace(self.next_id - 1);
        }
        if let Some(committed) = committed {
            self.note(&committed);
        }
    }

    fn commit_to_disk(
        &mut self,
        rows: &[(ChunkId, Packed)],
        counts: &BTreeMap<SensorId, Count>,
    ) -> Result<Committed, Option<QueueError>> {
        let mut result = self.try_disk(rows, counts);
        if let Err(Some(error @ QueueError::Damaged { .. })) = &result {
            self.set_aside(error)?;
            result = self.try_disk(rows, counts);
        }
        let committed = result?;
        if let Some((memory, _)) = &mut self.memory {
            // A row is in one place or the other.
            let removed = memory.commit(&Commit { removals: &self.removals, ..Commit::default() });
            if let Ok(removed) = removed {
                self.counters.waiting.fetch_sub(removed.gone, Ordering::Relaxed);
            }
        }
        self.removals.clear();
        self.dead.clear();
        self.losses = Losses::default();
        Ok(committed)
    }

    /// `Err(None)` where there is no disk to try.
    fn try_disk(
        &mut self,
        rows: &[(ChunkId, Packed)],
        counts: &BTreeMap<SensorId, Count>,
    ) -> Result<Committed, Option<QueueError>> {
        let expired = self.config.limits.max_age.and_then(|age| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            clock::now().offset(-age).ok()
        });
        let Some(disk) = &mut self.disk else { return Err(None) };
        let commit = Commit {
            chunks: rows,
            counts: Some(counts),
            removals: &self.removals,
            dead: &self.dead,
            expired,
            losses: self.losses.clone(),
        };
        disk.commit(&commit).map_err(Some)
    }

    /// Keeps rows in memory because the disk does not take them. Removals stay for the disk.
    fn commit_to_memory(
        &mut self,
        error: &Option<QueueError>,
        rows: &[(ChunkId, Packed)],
        counts: BTreeMap<SensorId, Count>,
    ) -> Option<Committed> {
        let reason =
            error.as_ref().map_or_else(|| "no disk".to_owned(), |error| causes(error, ": "));
        let result = self.degrade(&reason);
        let readings: usize = rows.iter().map(|(_, chunk)| chunk.readings).sum();
        let Some((memory, waiting_counts)) = self.memory.as_mut().filter(|_| result.is_ok()) else {
            self.lose(Loss::Disk, readings as u64);
            return None;
        };
        let commit =
            Commit { chunks: rows, counts: None, removals: &self.removals, ..Commit::default() };
        match memory.commit(&commit) {
            Ok(mut committed) => {
                if committed.taken {
                    for (sensor, count) in counts {
                        let all =
                            waiting_counts.entry(sensor).or_insert(Count { readings: 0, ..count });
                        all.readings += count.readings;
                        all.first_at = all.first_at.min(count.first_at);
                    }
                }
                // Whatever is lost here is lost because of the disk.
                let lost = committed.losses.total();
                committed.losses = Losses::default();
                committed.losses.add(Loss::Disk, lost);
                self.losses.extend(&committed.losses);
                Some(committed)
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "no memory for the queue"
                );
                self.lose(Loss::Disk, readings as u64);
                None
            }
        }
    }

    /// Takes what waits in memory to the disk, if it is taken there.
    fn move_home(&mut self) {
        let (Some(disk), Some((memory, counts))) = (&mut self.disk, &mut self.memory) else {
            return;
        };
        if disk.store.probe().is_err() {
            // It was reported when it began, and the status says that it lasts.
            return;
        }
        let Ok(fetched) = memory.store.fetch(0, usize::MAX) else { return };
        match disk.store.take_over(&disk.boot, &fetched.chunks, counts) {
            Ok(committed) => {
                if committed.taken {
                    let readings: u64 = counts.values().map(|count| count.readings).sum();
                    self.counters.accepted.fetch_add(readings, Ordering::Relaxed);
                } else {
                    let waited = fetched.chunks.iter().map(|chunk| chunk.readings as u64).sum();
                    self.counters.waiting.fetch_sub(waited, Ordering::Relaxed);
                }
                self.memory = None;
                self.counters.degraded.store(false, Ordering::Relaxed);
                tracing::warn!(
                    messages = fetched.chunks.len(),
                    "the disk takes the queue again, and what waited in memory is on it"
                );
                self.note(&committed);
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "what waits in memory is not on the disk yet"
            ),
        }
    }

    /// Counts a loss that the disk has still to be told of.
    fn lose(&mut self, reason: Loss, readings: u64) {
        if readings > 0 {
            tracing::error!(reason = reason.name(), readings, "readings lost");
            self.losses.add(reason, readings);
            self.counters.lost.fetch_add(readings, Ordering::Relaxed);
        }
    }

    fn note(&mut self, committed: &Committed) {
        self.counters.waiting.fetch_sub(committed.gone, Ordering::Relaxed);
        self.counters.lost.fetch_add(committed.losses.total(), Ordering::Relaxed);
        for (reason, readings) in committed.losses.iter() {
            tracing::warn!(reason = reason.name(), readings, "readings dropped by the queue");
        }
    }

    /// Opens the database on the disk; one that is damaged is set aside and what can be read of it
    /// carried over.
    fn open_disk(&mut self) -> Result<(), QueueError> {
        let (path, limits) = (self.config.path.clone(), self.config.limits);
        let store = match Store::open(&path, limits) {
            Ok(store) if salvage::is_sound(store.connection()) => Ok(store),
            Ok(store) => {
                drop(store);
                self.carry_over()
            }
            Err(QueueError::Damaged { .. }) => self.carry_over(),
            Err(error) => Err(error),
        }?;
        let place = Place::new(store, &self.boot)?;
        let depth = place.store.depth()?;
        self.next_id = self.next_id.max(depth.last + 1);
        self.commits.send_replace(self.next_id - 1);
        self.counters.waiting.fetch_add(depth.readings, Ordering::Relaxed);
        self.disk = Some(place);
        self.retry_at = None;
        Ok(())
    }

    fn carry_over(&mut self) -> Result<Store, QueueError> {
        let salvaged = salvage::salvage(&self.config.path)?;
        let mut store = Store::open(&self.config.path, self.config.limits)?;
        store.restore(&salvaged.chunks, &salvaged.accepted)?;
        tracing::error!(
            aside = %salvaged.aside.display(),
            messages = salvaged.chunks.len(),
            missing_readings = salvaged.missing,
            "the queue's file is damaged: it was set aside, and what could be read of it goes on"
        );
        self.lose(Loss::Damaged, salvaged.missing);
        Ok(store)
    }

    /// Goes on with a new file in place of one that turned out to be damaged.
    fn set_aside(&mut self, error: &QueueError) -> Result<(), QueueError> {
        tracing::error!(error = error as &dyn std::error::Error, "the queue is damaged");
        self.disk = None;
        self.counters.waiting.store(0, Ordering::Relaxed);
        if let Some((memory, _)) = &self.memory {
            let readings = memory.store.depth()?.readings;
            self.counters.waiting.store(readings, Ordering::Relaxed);
        }
        drop(self.carry_over()?);
        self.open_disk()
    }

    /// From here on readings wait in memory until the disk takes them again.
    fn degrade(&mut self, reason: &str) -> Result<(), QueueError> {
        if self.memory.is_some() {
            return Ok(());
        }
        tracing::error!(
            reason,
            limit_bytes = MEMORY_BYTES,
            "the queue's disk fails: readings wait in memory, where a power cut takes them"
        );
        let limits =
            Limits { max_bytes: MEMORY_BYTES, when_full: WhenFull::DropOldest, max_age: None };
        let store = Store::in_memory(&self.config.path, limits)?;
        self.memory = Some((Place::new(store, &self.boot)?, BTreeMap::new()));
        self.counters.degraded.store(true, Ordering::Relaxed);
        if self.disk.is_none() {
            self.retry_at = Some(Instant::now() + RETRY);
        }
        Ok(())
    }
}

#[cfg(test)]
impl Task {
    /// Sets something of the disk's database that only tests set.
    pub(super) fn pragma(&self, name: &str, value: u64) {
        let disk = self.disk.as_ref().unwrap();
        disk.store.connection().execute_batch(&format!("PRAGMA {name}={value}")).unwrap();
    }
}
