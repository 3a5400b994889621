//! A damaged database: set aside, and what can be read of it carried over.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};

use super::chunk::{Chunk, ChunkId};
use super::commit::TOTAL_BOOT;
use super::error::{QueueError, named};
use super::inspect::{Accepted, accepted};
use super::layout::{layout, read};
use crate::clock::KernelBoot;

/// What could be carried over.
#[derive(Debug)]
pub(super) struct Salvaged {
    /// Where the damaged file is now.
    pub(super) aside: PathBuf,
    /// Rows whose checksum is right, oldest first.
    pub(super) chunks: Vec<Chunk>,
    /// What the boots had accepted, as far as that could be read.
    pub(super) accepted: Vec<Accepted>,
    /// The offsets of the starts of the kernel.
    pub(super) anchors: Vec<(KernelBoot, i64)>,
    /// Readings that are missing, at the most: some may have been acknowledged.
    pub(super) missing: u64,
}

/// Rows in a row that may be unreadable before the search is given up.
const PATIENCE: ChunkId = 100_000;

/// Whether what was opened is a whole database. Quick for a small file; a large one is taken at its
/// word, since every row has a checksum and SQLite reports what it stumbles on.
pub(super) fn is_sound(connection: &Connection) -> bool {
    const QUICK_PAGES: i64 = 16 * 1024;
    let pages: rusqlite::Result<i64> =
        connection.query_row("PRAGMA page_count", [], |row| row.get(0));
    match pages {
        Ok(pages) if pages > QUICK_PAGES => true,
        Ok(_) => connection
            .query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))
            .is_ok_and(|said| said == "ok"),
        Err(_) => false,
    }
}

/// Moves a damaged database aside and reads what it still says.
pub(super) fn salvage(path: &Path) -> Result<Salvaged, QueueError> {
    let aside = move_aside(path)?;
    let mut salvaged = Salvaged {
        aside: aside.clone(),
        chunks: Vec::new(),
        accepted: Vec::new(),
        anchors: Vec::new(),
        missing: 0,
    };
    // Read-write, because the log beside it is to be taken in.
    let Ok(connection) = Connection::open(&aside) else { return Ok(salvaged) };
    // Then a table whose definition cannot be read does not hide the others.
    connection.execute_batch("PRAGMA writable_schema=ON").ok();
    if layout(&connection).map_err(|error| named(&aside, error)).is_err() {
        return Ok(salvaged);
    }
    salvaged.accepted = accepted(&connection).unwrap_or_default();
    salvaged.anchors = anchors(&connection).unwrap_or_default();
    read_rows(&connection, &mut salvaged);
    Ok(salvaged)
}

fn anchors(connection: &Connection) -> rusqlite::Result<Vec<(KernelBoot, i64)>> {
    connection
        .prepare("SELECT kernel, millis FROM anchor ORDER BY id")?
        .query_map([], |row| Ok((KernelBoot(row.get(0)?), row.get(1)?)))?
        .collect()
}

fn read_rows(connection: &Connection, salvaged: &mut Salvaged) {
    let total: Option<u64> = connection
        .query_row(
            "SELECT count FROM accepted WHERE boot = ?1 AND sensor = ''",
            [TOTAL_BOOT],
            |row| row.get(0),
        )
        .ok();
    let ends = |end: &str| -> Option<ChunkId> {
        let query = format!("SELECT {end}(id) FROM chunk");
        connection.query_row(&query, [], |row| row.get::<_, Option<i64>>(0)).ok().flatten()
    };
    let Some(first) = ends("min") else {
        // Not even one row can be found. What had been acknowledged cannot be told.
        salvaged.missing = 0;
        return;
    };
    let last = ends("max").unwrap_or(ChunkId::MAX);
    let Ok(mut statement) = connection.prepare(
        "SELECT chunk.id, boot.name, readings, checksum, message, since, upto
         FROM chunk LEFT JOIN boot ON boot.id = chunk.boot
         WHERE chunk.id >= ?1 ORDER BY chunk.id LIMIT 1",
    ) else {
        return;
    };
    let (mut id, mut failures) = (first, 0);
    // Rows before the first good one, and the readings that were accepted before it.
    let mut head = (0, 0);
    // Readings accepted up to the last good row.
    let mut upto: Option<u64> = None;
    while id <= last && failures < PATIENCE {
        let row = statement
            .query_row([id], |row| Ok((row.get::<_, ChunkId>(0)?, read(row)?, row.get(6)?)))
            .optional();
        match row {
            Ok(Some((found, Ok(chunk), ends))) => {
                let begins = u64::saturating_sub(ends, chunk.readings as u64);
                match upto {
                    Some(before) => salvaged.missing += begins.saturating_sub(before),
                    None => head = (found.abs_diff(first), begins),
                }
                upto = Some(ends);
                salvaged.chunks.push(chunk);
                (id, failures) = (found + 1, 0);
            }
            Ok(Some((found, Err(_), _))) => id = found + 1,
            Ok(None) => break,
            Err(_) => {
                id += 1;
                failures += 1;
            }
        }
    }
    // How many readings the first rows had cannot be told: at the most as many as the fullest.
    let fullest = salvaged.chunks.iter().map(|chunk| chunk.readings as u64).max().unwrap_or(0);
    salvaged.missing += fullest.saturating_mul(head.0).min(head.1);
    if let (Some(total), Some(upto)) = (total, upto) {
        salvaged.missing += total.saturating_sub(upto);
    }
}

/// Renames the database and its log, which belong together by their names.
fn move_aside(path: &Path) -> Result<PathBuf, QueueError> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let mut number = 1;
    while with(&format!(".damaged-{number}")).exists() {
        number += 1;
    }
    let aside = with(&format!(".damaged-{number}"));
    let failed = |source| QueueError::Folder { path: path.to_owned(), source };
    std::fs::rename(path, &aside).map_err(failed)?;
    let log = with("-wal");
    if log.exists() {
        std::fs::rename(log, with(&format!(".damaged-{number}-wal"))).map_err(failed)?;
    }
    Ok(aside)
}
