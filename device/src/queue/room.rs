//! Keeps the queue within its bytes, by the policy that the operator chose.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Transaction, params};
use tidings_schema::Reading;
use tidings_schema::limits::METERING_UNIT_BYTES;
use tidings_schema::wire::latest;

use super::chunk::{Packed, checksum};
use super::layout::PAGE_BYTES;
use super::loss::{Loss, Losses};

/// What a full queue does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest readings make room for the newest.
    DropOldest,
    /// The newest are not taken.
    DropNewest,
    /// Every second reading is dropped, the oldest first; then every second of what is left.
    Thin,
}

/// How much the queue may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the database file.
    pub max_bytes: u64,
    /// What happens beyond.
    pub when_full: WhenFull,
    /// Readings that have waited longer are dropped.
    pub max_age: Option<Duration>,
}

/// Pages above the limit: removing and counting needs some, also when the queue is full.
const RESERVE_PAGES: u64 = 128;

/// Pages that a commit needs beside those of its rows.
const OVERHEAD_PAGES: u64 = 16;

/// Bytes of a row beside its message.
const ROW_BYTES: u64 = 64;

/// The longest message that two thinned rows are joined to: with any topic it is metered as one.
const MESSAGE_BYTES: usize = METERING_UNIT_BYTES - 320;

/// After so many halvings a row is dropped rather than thinned: 1 of 1,024 readings is left.
const MOST_THINNED: i64 = 10;

impl Limits {
    const fn pages(&self) -> u64 {
        self.max_bytes / PAGE_BYTES
    }

    /// The pages that the database refuses to exceed.
    pub(super) const fn hard_pages(&self) -> u64 {
        self.pages() + RESERVE_PAGES
    }
}

/// What making room came to.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) enough: bool,
    pub(super) losses: Losses,
}

/// The limits, and how far thinning has come.
#[derive(Debug)]
pub(super) struct Room {
    limits: Limits,
    /// Halvings that a row has been through to be next.
    thinned: i64,
    /// The last row that was thinned.
    after: i64,
}

impl Room {
    pub(super) const fn new(limits: Limits) -> Self {
        Self { limits, thinned: 0, after: 0 }
    }

    /// Makes room for rows, as far as the policy allows.
    pub(super) fn make<'a>(
        &mut self,
        transaction: &Transaction<'_>,
        chunks: impl Iterator<Item = &'a Packed>,
    ) -> rusqlite::Result<Made> {
        let rows: u64 = chunks
            .map(|chunk| (chunk.message.len() as u64 + ROW_BYTES).div_ceil(PAGE_BYTES - 4) + 1)
            .sum();
        let mut made = Made::default();
        if rows == 0 {
            made.enough = true;
            return Ok(made);
        }
        while free_pages(transaction, &self.limits)? < rows + OVERHEAD_PAGES {
            let dropped = match self.limits.when_full {
                WhenFull::DropNewest => return Ok(made),
                WhenFull::DropOldest => drop_oldest(transaction)?.map(|n| (Loss::Oldest, n)),
                WhenFull::Thin => match self.thin_one(transaction)? {
                    Some(readings) => Some((Loss::Thinned, readings)),
                    None => drop_oldest(transaction)?.map(|n| (Loss::Oldest, n)),
                },
            };
            // An empty queue that is too small for one commit takes nothing.
            let Some((reason, readings)) = dropped else { return Ok(made) };
            made.losses.add(reason, readings);
        }
        made.enough = true;
        Ok(made)
    }

    /// Drops every second reading of the next row, and joins it with its neighbour where the two
    /// halves make one message. `None` where no row can be thinned any more.
    fn thin_one(&mut self, transaction: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
        loop {
            let mut rows = self.next_rows(transaction)?.into_iter();
            let Some(first) = rows.next() else {
                // The end of a pass: the next one begins with what has been thinned least.
                let least: Option<i64> = transaction.query_row(
                    "SELECT min(thinned) FROM chunk WHERE thinned < ?1",
                    [MOST_THINNED],
                    |row| row.get(0),
                )?;
                let Some(least) = least else { return Ok(None) };
                (self.thinned, self.after) = (least, 0);
                continue;
            };
            let thinned = self.thinned + 1;
            let mut kept = halved(&first.message, thinned);
            let (mut before, mut last) = (first.readings, &first);
            let second = rows
                .next()
                .filter(|second| (&second.boot, second.since) == (&first.boot, first.since));
            if let Some(second) = &second {
                let both = [kept.clone(), halved(&second.message, thinned)].concat();
                if message(&first.message, &both)
                    .is_some_and(|joined| joined.len() <= MESSAGE_BYTES)
                {
                    transaction.execute("DELETE FROM chunk WHERE id = ?1", [second.id])?;
                    (kept, before, last) = (both, before + second.readings, second);
                }
            }
            self.after = last.id;
            match message(&first.message, &kept) {
                Some(message) => transaction
                    .prepare_cached(
                        "UPDATE chunk SET readings = ?2, thinned = ?3, checksum = ?4, message = ?5,
                         upto = ?6, newest = ?7 WHERE id = ?1",
                    )?
                    .execute(params![
                        first.id,
                        i64::try_from(kept.len()).unwrap_or(i64::MAX),
                        thinned,
                        checksum(&first.boot, &message),
                        message,
                        last.upto,
                        last.newest,
                    ])?,
                None => transaction.execute("DELETE FROM chunk WHERE id = ?1", [first.id])?,
            };
            return Ok(Some(before.saturating_sub(kept.len() as u64)));
        }
    }

    /// The next two rows of this pass.
    fn next_rows(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Vec<Row>> {
        transaction
            .prepare_cached(
                "SELECT chunk.id, boot.name, readings, message, upto, newest, since
                 FROM chunk JOIN boot ON boot.id = chunk.boot
                 WHERE chunk.id > ?1 AND thinned = ?2 ORDER BY chunk.id LIMIT 2",
            )?
            .query_map([self.after, self.thinned], |row| {
                Ok(Row {
                    id: row.get(0)?,
                    boot: row.get(1)?,
                    readings: row.get(2)?,
                    message: row.get(3)?,
                    upto: row.get(4)?,
                    newest: row.get(5)?,
                    since: row.get(6)?,
                })
            })?
            .collect()
    }
}

struct Row {
    id: i64,
    boot: String,
    readings: u64,
    message: Vec<u8>,
    upto: i64,
    newest: i64,
    since: Option<i64>,
}

/// The readings of a message whose number is a multiple of 2 to the power of `thinned`.
fn halved(message: &[u8], thinned: i64) -> Vec<Reading> {
    let step = u32::try_from(thinned).ok().and_then(|shift| 1_u64.checked_shl(shift));
    let (Ok(decoded), Some(step)) = (latest::decode(message), step) else { return Vec::new() };
    decoded.readings.into_iter().filter(|one| one.seq.get().is_multiple_of(step)).collect()
}

/// Some readings under the device and boot of another message; `None` where there are none.
fn message(of: &[u8], readings: &[Reading]) -> Option<Vec<u8>> {
    let decoded = latest::decode(of).ok()?;
    latest::encode(&decoded.device, &decoded.boot, decoded.clock, readings).ok()?
}

fn drop_oldest(transaction: &Transaction<'_>) -> rusqlite::Result<Option<u64>> {
    transaction
        .prepare_cached(
            "DELETE FROM chunk WHERE id = (SELECT min(id) FROM chunk) RETURNING readings",
        )?
        .query_row([], |row| row.get(0))
        .optional()
}

fn free_pages(transaction: &Transaction<'_>, limits: &Limits) -> rusqlite::Result<u64> {
    let pragma = |name: &str| -> rusqlite::Result<u64> {
        transaction.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
    };
    let used = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
    Ok(limits.pages().saturating_sub(used))
}
