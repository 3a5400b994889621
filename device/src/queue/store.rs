//! The database: one connection, no threads, no clock.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, params};
use tidings_schema::measurement::Measurements;
use tidings_schema::{
    BootId, Fault, Measurement, Outcome, Quantity, Reading, SensorId, Seq, Unit, UnixMillis, Value,
};

use super::Sample;

/// Where a record stands in the queue. Never used twice.
pub type RecordId = i64;

/// One start of the agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Boot {
    id: i64,
    /// Its name on the wire.
    pub name: BootId,
}

/// A reading that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Its place.
    pub id: RecordId,
    /// The boot that it was taken in.
    pub boot: BootId,
    /// The reading.
    pub reading: Reading,
}

/// How many readings of one sensor were accepted in one boot: their sequence numbers are
/// `0..count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The boot.
    pub boot: BootId,
    /// The sensor.
    pub sensor: SensorId,
    /// How many.
    pub count: u64,
    /// The time of the earliest of them.
    pub first_at: UnixMillis,
}

/// Why the queue could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Another process has this queue open.
    #[error("queue {} is in use by another process: stop that agent first", path.display())]
    InUse {
        /// The database file.
        path: PathBuf,
    },
    /// There is no room: the queue has reached its limit or the disk is full.
    #[error("queue {} is full (limit or disk)", path.display())]
    Full {
        /// The database file.
        path: PathBuf,
    },
    /// The database was written by a version that this one does not know.
    #[error("queue {} has layout {found}, this program knows layout {LAYOUT}", path.display())]
    Layout {
        /// The database file.
        path: PathBuf,
        /// The layout's number in the file.
        found: i64,
    },
    /// Anything else that SQLite reports.
    #[error("queue {} cannot be used", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder cannot be made.
    #[error("folder of queue {} cannot be made", path.display())]
    Folder {
        /// The database file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
}

/// Number of the layout, in the database's `user_version`.
const LAYOUT: i64 = 1;

/// Boots whose counts are kept after their last reading has left: enough to compare what was sent
/// with what was stored across many restarts, few enough to stay small.
const BOOTS_KEPT: i64 = 1000;

/// SQLite's page size, in bytes; its default, named because the limit is counted in pages.
const PAGE_BYTES: u64 = 4096;

/// The queue's database.
#[derive(Debug)]
pub(super) struct Store {
    path: PathBuf,
    connection: Connection,
}

impl Store {
    /// Opens the queue or makes an empty one.
    pub(super) fn open(path: &Path, max_bytes: u64) -> Result<Self, QueueError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)
                .map_err(|source| QueueError::Folder { path: path.to_owned(), source })?;
        }
        let named = |error| named(path, error);
        let connection = Connection::open(path).map_err(named)?;
        connection.busy_timeout(std::time::Duration::ZERO).map_err(named)?;
        // EXCLUSIVE first: in WAL mode it keeps the index in memory and the lock from the first
        // access on. FULL syncs each commit. A small checkpoint keeps the log small on a card.
        connection
            .execute_batch(&format!(
                "PRAGMA page_size={PAGE_BYTES};
                 PRAGMA locking_mode=EXCLUSIVE;
                 PRAGMA journal_mode=WAL;
                 PRAGMA synchronous=FULL;
                 PRAGMA wal_autocheckpoint=256;
                 PRAGMA journal_size_limit=1048576;
                 PRAGMA temp_store=MEMORY;
                 PRAGMA max_page_count={};",
                max_bytes / PAGE_BYTES
            ))
            .map_err(named)?;
        let store = Self { path: path.to_owned(), connection };
        store.make_layout()?;
        Ok(store)
    }

    fn make_layout(&self) -> Result<(), QueueError> {
        let named = |error| named(&self.path, error);
        let found: i64 = self
            .connection
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(named)?;
        if found == 0 {
            self.connection
                .execute_batch(&format!(
                    "BEGIN IMMEDIATE;
                     CREATE TABLE boot (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
                     CREATE TABLE accepted (
                         boot INTEGER NOT NULL, sensor TEXT NOT NULL,
                         count INTEGER NOT NULL, first_at INTEGER NOT NULL,
                         PRIMARY KEY (boot, sensor)) WITHOUT ROWID;
                     CREATE TABLE record (
                         id INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL,
                         sensor TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
                         outcome TEXT NOT NULL);
                     PRAGMA user_version={LAYOUT};
                     COMMIT;"
                ))
                .map_err(named)?;
        } else if found != LAYOUT {
            return Err(QueueError::Layout { path: self.path.clone(), found });
        }
        Ok(())
    }

    /// Begins a boot.
    pub(super) fn begin_boot(&mut self, name: &BootId) -> Result<Boot, QueueError> {
        let path = self.path.clone();
        let mut work = || -> rusqlite::Result<i64> {
            let transaction = self.connection.transaction()?;
            transaction.execute("INSERT INTO boot (name) VALUES (?1)", [name.as_str()])?;
            let id = transaction.last_insert_rowid();
            let unused = "<= ?1 AND boot.id NOT IN (SELECT boot FROM record)";
            transaction.execute(
                &format!(
                    "DELETE FROM accepted WHERE boot IN (SELECT id FROM boot WHERE id {unused})"
                ),
                [id - BOOTS_KEPT],
            )?;
            transaction
                .execute(&format!("DELETE FROM boot WHERE id {unused}"), [id - BOOTS_KEPT])?;
            transaction.commit()?;
            Ok(id)
        };
        let id = work().map_err(|error| named(&path, error))?;
        Ok(Boot { id, name: name.clone() })
    }

    /// Accepts samples and removes records, all in one transaction: when this returns, both are
    /// durable, and on an error neither has happened.
    pub(super) fn commit(
        &mut self,
        boot: &Boot,
        samples: &[Sample],
        removals: &[RangeInclusive<RecordId>],
    ) -> Result<(), QueueError> {
        let path = self.path.clone();
        let mut work = || -> rusqlite::Result<()> {
            let transaction = self.connection.transaction()?;
            {
                let mut remove =
                    transaction.prepare_cached("DELETE FROM record WHERE id BETWEEN ?1 AND ?2")?;
                for range in removals {
                    remove.execute([range.start(), range.end()])?;
                }
                let mut next = transaction.prepare_cached(
                    "INSERT INTO accepted (boot, sensor, count, first_at) VALUES (?1, ?2, 1, ?3)
                     ON CONFLICT DO UPDATE SET count = count + 1, first_at = min(first_at, ?3)
                     RETURNING count - 1",
                )?;
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO record (boot, sensor, seq, at, outcome) VALUES (?1, ?2, ?3, ?4, ?5)",
                )?;
                for sample in samples {
                    let sensor = sample.sensor.as_str();
                    let at = sample.at.get();
                    let seq: i64 =
                        next.query_row(params![boot.id, sensor, at], |row| row.get(0))?;
                    insert.execute(params![
                        boot.id,
                        sensor,
                        seq,
                        at,
                        outcome_to_text(&sample.outcome)
                    ])?;
                }
            }
            transaction.commit()
        };
        work().map_err(|error| named(&path, error))
    }

    /// Up to `limit` records after `after`, oldest first.
    pub(super) fn fetch(&self, after: RecordId, limit: usize) -> Result<Fetched, QueueError> {
        let work = || -> rusqlite::Result<Fetched> {
            let mut statement = self.connection.prepare_cached(
                "SELECT record.id, boot.name, sensor, seq, at, outcome
                 FROM record JOIN boot ON boot.id = record.boot
                 WHERE record.id > ?1 ORDER BY record.id",
            )?;
            let mut fetched = Fetched::default();
            let mut rows = statement.query([after])?;
            // Damaged rows do not count: fewer than `limit` tells the caller that there is no more.
            while fetched.records.len() < limit
                && let Some(row) = rows.next()?
            {
                match record(row)? {
                    Ok(record) => fetched.records.push(record),
                    Err(id) => fetched.unreadable.push(id),
                }
            }
            Ok(fetched)
        };
        work().map_err(|error| named(&self.path, error))
    }

    /// How many records wait.
    pub(super) fn waiting(&self) -> Result<u64, QueueError> {
        self.connection
            .query_row("SELECT count(*) FROM record", [], |row| row.get::<_, i64>(0))
            .map(i64::unsigned_abs)
            .map_err(|error| named(&self.path, error))
    }
}

/// What a fetch found.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) records: Vec<Record>,
    /// Rows whose content is damaged.
    pub(super) unreadable: Vec<RecordId>,
}

fn record(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Record, RecordId>> {
    let id: RecordId = row.get(0)?;
    let read = || -> Option<Record> {
        let text = |index| row.get::<_, String>(index).ok();
        let reading = Reading {
            sensor: SensorId::try_from(text(2)?).ok()?,
            seq: Seq::try_from(u64::try_from(row.get::<_, i64>(3).ok()?).ok()?).ok()?,
            at: UnixMillis::new(row.get(4).ok()?).ok()?,
            outcome: outcome_from_text(&text(5)?)?,
        };
        Some(Record { id, boot: BootId::try_from(text(1)?).ok()?, reading })
    };
    Ok(read().ok_or(id))
}

/// What stands in the column `outcome`: the name of a fault, or `[[quantity, unit, value], …]`.
fn outcome_to_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Failed(fault) => fault.name().to_owned(),
        Outcome::Measured(values) => {
            let list: Vec<String> = values
                .as_slice()
                .iter()
                .map(|one| format!("[\"{}\",\"{}\",{}]", one.quantity, one.unit, one.value))
                .collect();
            format!("[{}]", list.join(","))
        }
    }
}

fn outcome_from_text(text: &str) -> Option<Outcome> {
    if let Some(fault) = Fault::from_name(text) {
        return Some(Outcome::Failed(fault));
    }
    let list: Vec<(String, String, f64)> = serde_json::from_str(text).ok()?;
    let values = list
        .into_iter()
        .map(|(quantity, unit, value)| {
            Some(Measurement {
                quantity: Quantity::try_from(quantity.as_str()).ok()?,
                unit: Unit::try_from(unit.as_str()).ok()?,
                value: Value::new(value).ok()?,
            })
        })
        .collect::<Option<Vec<_>>>()?;
    Measurements::new(values).ok().map(Outcome::Measured)
}

fn named(path: &Path, source: rusqlite::Error) -> QueueError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => QueueError::InUse { path },
        Some(ErrorCode::DiskFull) => QueueError::Full { path },
        _ => QueueError::Database { path, source },
    }
}

/// What a queue holds, seen from outside.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// What was accepted, of all boots that are still known.
    pub accepted: Vec<Accepted>,
    /// The readings that wait.
    pub waiting: Vec<Record>,
}

/// Looks into a queue that no agent has open. A queue that does not exist yet is empty.
///
/// # Errors
/// When an agent has it open, or when it cannot be read.
pub fn inspect(path: &Path) -> Result<Inspection, QueueError> {
    if !path.exists() {
        return Ok(Inspection::default());
    }
    let named = |error| named(path, error);
    // Read-write: after a crash the log has to be recovered first.
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(named)?;
    let found: i64 =
        connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(named)?;
    if found != LAYOUT {
        return Err(QueueError::Layout { path: path.to_owned(), found });
    }
    let store = Store { path: path.to_owned(), connection };
    let waiting = store.fetch(0, usize::MAX)?.records;
    let accepted = store.accepted().map_err(named)?;
    Ok(Inspection { accepted, waiting })
}

impl Store {
    fn accepted(&self) -> rusqlite::Result<Vec<Accepted>> {
        let mut statement = self.connection.prepare(
            "SELECT boot.name, sensor, count, first_at
             FROM accepted JOIN boot ON boot.id = accepted.boot ORDER BY boot.id, sensor",
        )?;
        let rows = statement.query_map([], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, i64>(2)?,
                row.get(3)?,
            ))
        })?;
        let mut list = Vec::new();
        for row in rows {
            let (boot, sensor, count, first_at) = row?;
            let read = || -> Option<Accepted> {
                Some(Accepted {
                    boot: BootId::try_from(boot).ok()?,
                    sensor: SensorId::try_from(sensor).ok()?,
                    count: u64::try_from(count).ok()?,
                    first_at: UnixMillis::new(first_at).ok()?,
                })
            };
            list.extend(read());
        }
        Ok(list)
    }
}
