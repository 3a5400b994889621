//! The database: one connection, no threads, no clock.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Transaction};
use tidings_schema::wire::latest;
use tidings_schema::{BootId, UnixMillis};

use super::chunk::{Chunk, ChunkId, Count, Packed};
use super::commit::{Commit, Committed};
use super::error::{QueueError, named};
use super::inspect::{Accepted, Summary, losses, summary};
use super::layout::{Boot, LAYOUT, PAGE_BYTES, READINGS, ROW, layout, make_layout, read};
use super::loss::Losses;
use super::room::{Limits, Room};
use crate::clock::KernelBoot;

/// Boots whose counts are kept after their last reading has left: enough to compare what was sent
/// with what was stored across many restarts, few enough to stay small.
const BOOTS_KEPT: i64 = 1000;

/// The queue's database.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    connection: Connection,
    room: Room,
}

impl Store {
    /// Opens the queue or makes an empty one.
    pub(super) fn open(path: &Path, limits: Limits) -> Result<Self, QueueError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|source| QueueError::Folder { path: path.to_owned(), source })?;
        }
        let connection = Connection::open(path).map_err(|error| named(path, error))?;
        Self::set_up(path, connection, limits)
    }

    fn set_up(path: &Path, connection: Connection, limits: Limits) -> Result<Self, QueueError> {
        let named = |error| named(path, error);
        connection.busy_timeout(std::time::Duration::ZERO).map_err(named)?;
        // EXCLUSIVE first: in WAL mode it keeps the index in memory and the lock from the first
        // access on. FULL syncs each commit. The log is checkpointed at 1 MiB.
        connection
            .execute_batch(&format!(
                "PRAGMA page_size={PAGE_BYTES};
                 PRAGMA locking_mode=EXCLUSIVE;
                 PRAGMA journal_mode=WAL;
                 PRAGMA synchronous=FULL;
                 PRAGMA wal_autocheckpoint=2048;
                 PRAGMA journal_size_limit=1048576;
                 PRAGMA temp_store=MEMORY;
                 PRAGMA cache_size=-1024;
                 PRAGMA max_page_count={};",
                limits.hard_pages()
            ))
            .map_err(named)?;
        let store = Self { path: path.to_owned(), connection, room: Room::new(limits) };
        store.make_layout()?;
        Ok(store)
    }

    fn make_layout(&self) -> Result<(), QueueError> {
        let named = |error| named(&self.path, error);
        let found = layout(&self.connection).map_err(named)?;
        if found == 0 {
            self.connection.execute_batch(&make_layout()).map_err(named)?;
        } else if found != LAYOUT {
            return Err(QueueError::Layout { path: self.path.clone(), found });
        }
        Ok(())
    }

    /// Begins a boot.
    pub(super) fn begin_boot(&mut self, name: &BootId) -> Result<Boot, QueueError> {
        let id = self.transaction(|transaction, _| {
            transaction.execute("INSERT INTO boot (name) VALUES (?1)", [name.as_str()])?;
            let id = transaction.last_insert_rowid();
            transaction.execute(
                "DELETE FROM anchor WHERE id <= (SELECT max(id) FROM anchor) - ?1",
                [BOOTS_KEPT],
            )?;
            let unused = "<= ?1 AND boot.id NOT IN (SELECT boot FROM chunk)";
            transaction.execute(
                &format!(
                    "DELETE FROM accepted WHERE boot IN (SELECT id FROM boot WHERE id {unused})"
                ),
                [id - BOOTS_KEPT],
            )?;
            transaction
                .execute(&format!("DELETE FROM boot WHERE id {unused}"), [id - BOOTS_KEPT])?;
            Ok(id)
        })?;
        Ok(Boot { id, name: name.clone() })
    }

    /// Does all of it in one transaction: when this returns it is durable, and on an error nothing
    /// has happened.
    pub(super) fn commit(
        &mut self,
        boot: &Boot,
        commit: &Commit<'_>,
    ) -> Result<Committed, QueueError> {
        self.transaction(|transaction, room| commit.run(transaction, boot, room))
    }

    /// Up to `limit` rows after `after`, oldest first. Rows that are damaged are passed over and do
    /// not count: fewer than `limit` tells the caller that there is no more.
    ///
    /// Readings of the start of the kernel `now` whose place in time is not known yet are held back.
    pub(super) fn fetch(
        &self,
        after: ChunkId,
        limit: usize,
        now: KernelBoot,
    ) -> Result<Fetched, QueueError> {
        let work = || -> rusqlite::Result<Fetched> {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT {ROW} WHERE chunk.id > ?1 AND (since IS NULL OR since IS NOT ?2
                         OR EXISTS (SELECT * FROM anchor WHERE kernel = since))
                     ORDER BY chunk.id"
            ))?;
            let mut fetched = Fetched::default();
            let mut rows = statement.query([after, now.0])?;
            while fetched.chunks.len() < limit
                && let Some(row) = rows.next()?
            {
                match read(row)? {
                    Ok(chunk) => {
                        let offset = match chunk.since {
                            Some(kernel) => anchor(&self.connection, kernel)?,
                            None => None,
                        };
                        fetched.chunks.push(match offset {
                            Some(offset) => chunk.place(offset),
                            None => chunk,
                        });
                    }
                    Err(damaged) => fetched.damaged.push(damaged),
                }
            }
            Ok(fetched)
        };
        work().map_err(|error| named(&self.path, error))
    }

    /// From time since the start of the kernel to time since 1970, in milliseconds, where it is known.
    pub(super) fn anchor(&self, kernel: KernelBoot) -> Result<Option<i64>, QueueError> {
        anchor(&self.connection, kernel).map_err(|error| named(&self.path, error))
    }

    /// Keeps that offset, unless there is one already: readings may have been sent by it.
    pub(super) fn keep_anchor(
        &mut self,
        kernel: KernelBoot,
        offset: i64,
    ) -> Result<(), QueueError> {
        self.transaction(|transaction, _| {
            transaction
                .execute(
                    "INSERT OR IGNORE INTO anchor (kernel, millis) VALUES (?1, ?2)",
                    [kernel.0, offset],
                )
                .map(|_| ())
        })
    }

    /// The queue in a few numbers.
    pub(super) fn summary(&self) -> Result<Summary, QueueError> {
        summary(&self.connection).map_err(|error| named(&self.path, error))
    }

    /// What was lost since the queue was made.
    pub(super) fn losses(&self) -> Result<Losses, QueueError> {
        losses(&self.connection).map_err(|error| named(&self.path, error))
    }

    /// How many rows and readings wait, and the highest id.
    pub(super) fn depth(&self) -> Result<Depth, QueueError> {
        self.connection
            .query_row(
                &format!(
                    "SELECT count(*), coalesce(sum({READINGS}), 0), coalesce(max(id), 0) FROM chunk"
                ),
                [],
                |row| Ok(Depth { chunks: row.get(0)?, readings: row.get(1)?, last: row.get(2)? }),
            )
            .map_err(|error| named(&self.path, error))
    }

    /// Writes something that changes nothing, to see whether the disk takes it.
    pub(super) fn probe(&mut self) -> Result<(), QueueError> {
        self.transaction(|transaction, _| {
            transaction.execute_batch("INSERT OR REPLACE INTO loss VALUES ('', 0)")
        })
    }

    /// Takes in what was salvaged of another file.
    pub(super) fn restore(
        &mut self,
        chunks: &[Chunk],
        accepted: &[Accepted],
        anchors: &[(KernelBoot, i64)],
    ) -> Result<(), QueueError> {
        for (kernel, offset) in anchors {
            self.keep_anchor(*kernel, *offset)?;
        }
        let mut names: Vec<&BootId> = Vec::new();
        for name in accepted.iter().map(|one| &one.boot).chain(chunks.iter().map(|one| &one.boot)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        for name in names {
            let boot = self.begin_boot(name)?;
            let counts = accepted.iter().filter(|one| one.boot == *name).map(|one| {
                (one.sensor.clone(), Count { readings: one.count, first_at: one.first_at })
            });
            let rows: Vec<(ChunkId, Packed)> = chunks
                .iter()
                .filter(|chunk| chunk.boot == *name)
                .map(|chunk| {
                    let (readings, message) = (chunk.readings, chunk.message.clone());
                    (
                        chunk.id,
                        Packed { readings, newest: newest(&message), since: chunk.since, message },
                    )
                })
                .collect();
            let commit = Commit {
                chunks: &rows,
                counts: &counts.collect(),
                removals: &[],
                dead: &[],
                expired: None,
                losses: Losses::default(),
            };
            self.commit(&boot, &commit)?;
        }
        Ok(())
    }

    /// The connection, for a look from outside.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn transaction<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut Room) -> rusqlite::Result<T>,
    ) -> Result<T, QueueError> {
        let (path, room) = (&self.path, &mut self.room);
        let connection = &mut self.connection;
        let whole = || {
            let transaction = connection.transaction()?;
            let value = work(&transaction, room)?;
            transaction.commit()?;
            Ok(value)
        };
        whole().map_err(|error| named(path, error))
    }
}

/// The latest time in a message.
fn newest(message: &[u8]) -> UnixMillis {
    let decoded = latest::decode(message);
    let times = decoded.iter().flat_map(|decoded| decoded.readings.iter().map(|one| one.at));
    times.max().unwrap_or(UnixMillis::MIN)
}

/// What a fetch found.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) chunks: Vec<Chunk>,
    /// Rows whose content is damaged, with the readings that they claim to hold.
    pub(super) damaged: Vec<(ChunkId, u64)>,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Depth {
    pub(super) chunks: u64,
    pub(super) readings: u64,
    pub(super) last: ChunkId,
}

fn anchor(connection: &Connection, kernel: KernelBoot) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT millis FROM anchor WHERE kernel = ?1")?
        .query_row([kernel.0], |row| row.get(0))
        .optional()
}
