//! The disk comes, fails, is damaged, and comes back; and what it remembers of the clock.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::super::error::QueueError;
use super::super::loss::Loss;
use super::super::salvage;
use super::super::store::Store;
use super::{LOOK, MOST_BYTES, RETRY, Task};
use crate::terminal::causes;

impl Task {
    /// Looks whether the clock is set by now, and keeps that; readings that were held back can be sent
    /// then.
    pub(super) fn anchor(&mut self, now: Instant) {
        let Err(due) = self.anchored else { return };
        if now < due {
            return;
        }
        self.anchored = Err(now + LOOK);
        let Some(offset) = self.clock.offset() else { return };
        if let Some((store, _)) = &mut self.disk
            && let Err(error) = store.keep_anchor(self.clock.kernel_boot(), offset)
        {
            // Without it on the disk, another start of the agent would send them under another time.
            self.degrade(&error, now);
            return;
        }
        self.anchored = Ok(offset);
        self.news.send_modify(|news| news.placed += 1);
    }

    /// Opens the database on the disk; one that is damaged is set aside and what can be read of it
    /// carried over.
    pub(super) fn open_disk(&mut self) -> Result<(), QueueError> {
        match self.try_open_disk() {
            // It opened, and then something was wrong with what is in it.
            Err(QueueError::Damaged { .. }) => {
                drop(self.carry_over()?);
                self.try_open_disk()
            }
            result => result,
        }
    }

    fn try_open_disk(&mut self) -> Result<(), QueueError> {
        let mut store = match Store::open(&self.config.path, self.config.limits) {
            Ok(store) if salvage::is_sound(store.connection()) => store,
            Ok(store) => {
                drop(store);
                self.carry_over()?
            }
            Err(QueueError::Damaged { .. }) => self.carry_over()?,
            Err(error) => return Err(error),
        };
        if let Some(offset) = store.anchor(self.clock.kernel_boot())? {
            self.clock.remember(offset);
            self.anchored = Ok(offset);
        } else if let Ok(offset) = self.anchored {
            store.keep_anchor(self.clock.kernel_boot(), offset)?;
        }
        let boot = store.begin_boot(&self.boot)?;
        let depth = store.depth()?;
        for (reason, readings) in store.losses()?.iter() {
            // What the disk has not been told of yet is added to it.
            let here = self.losses.of(reason);
            self.counters.lost_ever(reason).store(readings + here, Ordering::Relaxed);
        }
        self.counters.waiting.fetch_add(depth.readings, Ordering::Relaxed);
        if self.memory.is_empty() {
            self.next_id = self.next_id.max(depth.last + 1);
        } else if let Some((first, _)) = self.memory.first_key_value()
            && *first <= depth.last
        {
            // What began in memory before the disk was there takes its place after it.
            let rows = std::mem::take(&mut self.memory);
            self.next_id = self.next_id.max(depth.last + 1);
            for (_, row) in rows {
                self.memory.insert(self.next_id, row);
                self.next_id += 1;
            }
        }
        self.news.send_modify(|news| news.last = self.next_id - 1);
        self.disk = Some((store, boot));
        Ok(())
    }

    /// Sets a damaged file aside, and makes a new one of what can be read of it.
    pub(super) fn carry_over(&mut self) -> Result<Store, QueueError> {
        let salvaged = salvage::salvage(&self.config.path)?;
        let mut store = Store::open(&self.config.path, self.config.limits)?;
        store.restore(&salvaged.chunks, &salvaged.accepted, &salvaged.anchors)?;
        tracing::error!(
            aside = %salvaged.aside.display(),
            rows = salvaged.chunks.len(),
            missing_readings = salvaged.missing,
            "the queue's file is damaged: it was set aside, and what could be read of it goes on"
        );
        self.losses.add(Loss::Damaged, salvaged.missing);
        self.counters.lost.fetch_add(salvaged.missing, Ordering::Relaxed);
        self.counters.lost_ever(Loss::Damaged).fetch_add(salvaged.missing, Ordering::Relaxed);
        Ok(store)
    }

    /// Goes on with a new file in place of one that turned out to be damaged.
    pub(super) fn set_aside(&mut self, error: &QueueError) -> Result<(), QueueError> {
        tracing::error!(error = causes(error, ": "), "the queue is damaged");
        self.disk = None;
        let memory: u64 = self.memory.values().map(|(row, _)| row.readings as u64).sum();
        let open = self.packer.len() as u64;
        self.counters.waiting.store(memory + open, Ordering::Relaxed);
        drop(self.carry_over()?);
        self.open_disk()
    }

    /// The disk fails: readings wait in memory until it takes them again.
    pub(super) fn degrade(&mut self, error: &QueueError, now: Instant) {
        if self.retry_at.replace(now + RETRY).is_none() {
            tracing::error!(
                error = causes(error, ": "),
                limit_bytes = MOST_BYTES,
                "the queue's disk fails: readings wait in memory, where a power cut takes them"
            );
            self.counters.degraded.store(true, Ordering::Relaxed);
        }
        self.stay_within_memory(now);
    }

    pub(super) fn stay_within_memory(&mut self, now: Instant) {
        while self.memory_bytes > MOST_BYTES
            && let Some((id, _)) = self.memory.first_key_value()
        {
            let readings = self.forget(*id);
            self.lose(Loss::Disk, readings, now);
        }
    }
}
