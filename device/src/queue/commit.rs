//! What one transaction does: removals, dead letters, room, new rows, and the counts of it all.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use rusqlite::{OptionalExtension as _, Transaction, params};
use tidings_schema::{SensorId, UnixMillis};

use super::chunk::{ChunkId, Count, Packed, checksum};
use super::layout::{Boot, READINGS};
use super::loss::{Loss, Losses};
use super::room::Room;

/// Dead letters that are kept; older ones make room.
const DEAD_KEPT: i64 = 256;

/// The boot under which `accepted` counts the readings that ever came to the disk: how many a damaged
/// file has lost can be told from it. It stands beside the other counts so that a commit touches one page.
pub(super) const TOTAL_BOOT: i64 = 0;

/// What one transaction is to do.
#[derive(Debug)]
pub(super) struct Commit<'a> {
    /// Rows to keep, under these ids.
    pub(super) chunks: &'a [(ChunkId, Packed)],
    /// What is added to the counts of the boot.
    pub(super) counts: &'a BTreeMap<SensorId, Count>,
    /// Rows to remove.
    pub(super) removals: &'a [RangeInclusive<ChunkId>],
    /// Rows to put among the dead letters, and why: they count as lost.
    pub(super) dead: &'a [(ChunkId, Loss)],
    /// Rows whose latest reading is older are dropped.
    pub(super) expired: Option<UnixMillis>,
    /// Losses to count that happened elsewhere.
    pub(super) losses: Losses,
}

/// What one transaction did.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Committed {
    /// Readings that were dropped, those of [`Commit::losses`] left out.
    pub(super) losses: Losses,
    /// Readings in the rows that were removed or dropped, those that were not taken included.
    pub(super) gone: u64,
}

impl Commit<'_> {
    /// Does all of it within a transaction.
    pub(super) fn run(
        &self,
        transaction: &Transaction<'_>,
        boot: &Boot,
        room: &mut Room,
    ) -> rusqlite::Result<Committed> {
        let mut done = Committed::default();
        remove(transaction, self.removals, &mut done)?;
        bury(transaction, self.dead, &mut done)?;
        expire(transaction, self.expired, &mut done)?;
        let made = room.make(transaction, self.chunks.iter().map(|(_, chunk)| chunk))?;
        done.gone += made.losses.total();
        done.losses.extend(&made.losses);
        count(transaction, boot, self.counts)?;
        if made.enough {
            insert(transaction, boot, self.chunks)?;
        } else {
            let refused: u64 = self.chunks.iter().map(|(_, chunk)| chunk.readings as u64).sum();
            done.losses.add(Loss::Newest, refused);
            done.gone += refused;
        }
        for (reason, readings) in self.losses.iter().chain(done.losses.iter()) {
            transaction
                .prepare_cached(
                    "INSERT INTO loss (reason, readings) VALUES (?1, ?2)
                     ON CONFLICT DO UPDATE SET readings = readings + ?2",
                )?
                .execute(params![reason.name(), readings])?;
        }
        Ok(done)
    }
}

fn remove(
    transaction: &Transaction<'_>,
    ranges: &[RangeInclusive<ChunkId>],
    done: &mut Committed,
) -> rusqlite::Result<()> {
    let mut remove = transaction.prepare_cached(&format!(
        "DELETE FROM chunk WHERE id BETWEEN ?1 AND ?2 RETURNING {READINGS}"
    ))?;
    for range in ranges {
        let rows = remove.query_map([range.start(), range.end()], |row| row.get::<_, u64>(0))?;
        for readings in rows {
            done.gone += readings?;
        }
    }
    Ok(())
}

fn bury(
    transaction: &Transaction<'_>,
    dead: &[(ChunkId, Loss)],
    done: &mut Committed,
) -> rusqlite::Result<()> {
    for (id, reason) in dead {
        transaction
            .prepare_cached(
                "INSERT INTO dead (reason, boot, readings, message)
                 SELECT ?2, boot.name, readings, message
                 FROM chunk LEFT JOIN boot ON boot.id = chunk.boot WHERE chunk.id = ?1",
            )?
            .execute(params![id, reason.name()])?;
        let mut delete = transaction
            .prepare_cached(&format!("DELETE FROM chunk WHERE id = ?1 RETURNING {READINGS}"))?;
        for readings in delete.query_map([id], |row| row.get::<_, u64>(0))? {
            let readings = readings?;
            done.gone += readings;
            done.losses.add(*reason, readings);
        }
        transaction
            .prepare_cached("DELETE FROM dead WHERE id <= (SELECT max(id) FROM dead) - ?1")?
            .execute([DEAD_KEPT])?;
    }
    Ok(())
}

fn expire(
    transaction: &Transaction<'_>,
    before: Option<UnixMillis>,
    done: &mut Committed,
) -> rusqlite::Result<()> {
    let Some(before) = before else { return Ok(()) };
    // The oldest rows stand first: where the first is young enough, all are.
    let mut delete = transaction.prepare_cached(&format!(
        "DELETE FROM chunk WHERE id = (SELECT min(id) FROM chunk) AND newest < ?1
         AND since IS NULL
         RETURNING {READINGS}"
    ))?;
    while let Some(readings) =
        delete.query_row([before.get()], |row| row.get::<_, u64>(0)).optional()?
    {
        done.gone += readings;
        done.losses.add(Loss::Age, readings);
    }
    Ok(())
}

const COUNT: &str = "INSERT INTO accepted (boot, sensor, count, first_at) VALUES (?1, ?2, ?3, ?4)
     ON CONFLICT DO UPDATE SET count = count + ?3, first_at = min(first_at, ?4)
     RETURNING count";

/// Adds to the counts of a boot.
fn count(
    transaction: &Transaction<'_>,
    boot: &Boot,
    counts: &BTreeMap<SensorId, Count>,
) -> rusqlite::Result<()> {
    let mut count = transaction.prepare_cached(COUNT)?;
    for (sensor, one) in counts {
        let readings = i64::try_from(one.readings).unwrap_or(i64::MAX);
        let values = params![boot.id, sensor.as_str(), readings, one.first_at.get()];
        count.query_row(values, |_| Ok(()))?;
    }
    Ok(())
}

fn insert(
    transaction: &Transaction<'_>,
    boot: &Boot,
    chunks: &[(ChunkId, Packed)],
) -> rusqlite::Result<()> {
    if chunks.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO chunk (id, boot, readings, upto, newest, checksum, message, since)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    let all: usize = chunks.iter().map(|(_, chunk)| chunk.readings).sum();
    let all = i64::try_from(all).unwrap_or(i64::MAX);
    let total: i64 = transaction
        .prepare_cached(COUNT)?
        .query_row(params![TOTAL_BOOT, "", all, 0], |row| row.get(0))?;
    let mut upto = total - all;
    for (id, chunk) in chunks {
        let readings = i64::try_from(chunk.readings).unwrap_or(i64::MAX);
        upto += readings;
        let checksum = checksum(boot.name.as_str(), &chunk.message);
        let newest = chunk.newest.get();
        let since = chunk.since.map(|kernel| kernel.0);
        insert.execute(params![
            id,
            boot.id,
            readings,
            upto,
            newest,
            checksum,
            chunk.message,
            since
        ])?;
    }
    Ok(())
}
