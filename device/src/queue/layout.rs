//! What the database looks like, and how a row of it is read.

use rusqlite::Connection;
use tidings_schema::BootId;

use super::chunk::{Chunk, ChunkId, checksum};
use crate::clock::KernelBoot;

/// One start of the agent, in one database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Boot {
    pub(super) id: i64,
    pub(super) name: BootId,
}

/// Number of the layout, in the database's `user_version`.
pub(super) const LAYOUT: i64 = 3;

/// The statements that make an empty database.
pub(super) fn make_layout() -> String {
    format!(
        "BEGIN IMMEDIATE;
      CREATE TABLE boot (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
      CREATE TABLE accepted (
          boot INTEGER NOT NULL, sensor TEXT NOT NULL,
          count INTEGER NOT NULL, first_at INTEGER NOT NULL,
          PRIMARY KEY (boot, sensor)) WITHOUT ROWID;
      CREATE TABLE chunk (
          id INTEGER PRIMARY KEY, boot INTEGER NOT NULL,
          readings INTEGER NOT NULL, upto INTEGER NOT NULL,
          newest INTEGER NOT NULL, since INTEGER,
          thinned INTEGER NOT NULL DEFAULT 0,
          checksum INTEGER NOT NULL, message BLOB NOT NULL);
      CREATE TABLE dead (
          id INTEGER PRIMARY KEY AUTOINCREMENT, reason TEXT NOT NULL,
          boot TEXT, readings INTEGER, message BLOB);
      CREATE TABLE anchor (
          id INTEGER PRIMARY KEY, kernel INTEGER NOT NULL UNIQUE,
          millis INTEGER NOT NULL);
      CREATE TABLE loss (reason TEXT PRIMARY KEY, readings INTEGER NOT NULL);
      PRAGMA user_version={LAYOUT};
      COMMIT;"
    )
}

/// What [`read`] reads. Also where the boot is missing, which is damage then.
pub(super) const ROW: &str =
    "chunk.id, boot.name, max(0, min(readings, 131072)), checksum, message, since
     FROM chunk LEFT JOIN boot ON boot.id = chunk.boot";

/// Readings of a row, as far as the number can be believed: it is not under the checksum.
pub(super) const READINGS: &str = "max(0, min(readings, 131072))";

/// SQLite's page size, in bytes: its smallest. A commit writes each page that it touches whole, and a
/// commit of twenty seconds' readings is some 4 KB; the benchmark `drain` says what reaches the disk.
pub(super) const PAGE_BYTES: u64 = 512;

/// Reads a row of `id, boot, readings, checksum, message, since`; one that is damaged is named with the
/// readings that it claims to hold.
pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Chunk, (ChunkId, u64)>> {
    let id: ChunkId = row.get(0)?;
    let readings: u64 = row.get(2).unwrap_or(0);
    let read = || -> Option<Chunk> {
        let boot: String = row.get(1).ok()?;
        let message: Vec<u8> = row.get(4).ok()?;
        (row.get::<_, u32>(3).ok()? == checksum(&boot, &message)).then_some(())?;
        let boot = BootId::try_from(boot).ok()?;
        let since = row.get::<_, Option<i64>>(5).ok()?.map(KernelBoot);
        Some(Chunk { id, boot, readings: usize::try_from(readings).ok()?, since, message })
    };
    Ok(read().ok_or((id, readings)))
}

pub(super) fn layout(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
