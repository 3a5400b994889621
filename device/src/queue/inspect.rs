//! A look from outside at a queue that no agent has open.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use tidings_schema::wire::latest;
use tidings_schema::{BootId, Reading, SensorId, UnixMillis};

use super::chunk::Chunk;
use super::error::{QueueError, named};
use super::layout::{LAYOUT, READINGS, ROW, layout, read};
use super::loss::{Loss, Losses};

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

/// A reading that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The boot that it was taken in.
    pub boot: BootId,
    /// The reading.
    pub reading: Reading,
}

/// What a queue holds.
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    /// What was accepted, of all boots that are still known.
    pub accepted: Vec<Accepted>,
    /// The readings that wait.
    pub waiting: Vec<Record>,
    /// What was accepted and is lost.
    pub losses: Losses,
}

/// A queue in a few numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Readings that wait.
    pub readings: u64,
    /// Messages that they would make, at the most.
    pub messages: u64,
    /// Of these, readings that are held until the clock is set, or were when the agent ended.
    pub held: u64,
    /// The latest reading of the oldest message whose time is known.
    pub oldest: Option<UnixMillis>,
    /// Bytes of the file and its log.
    pub bytes: u64,
    /// Dead letters.
    pub dead: u64,
    /// What was lost, by reason.
    pub losses: Losses,
}

/// Reads everything that a queue holds, into memory. A queue that does not exist yet is empty.
///
/// # Errors
/// When an agent has it open, or when it cannot be read.
pub fn inspect(path: &Path) -> Result<Inspection, QueueError> {
    let Some(connection) = open(path)? else { return Ok(Inspection::default()) };
    let named = |error| named(path, error);
    let mut waiting = Vec::new();
    for chunk in chunks(&connection).map_err(named)? {
        // A row whose checksum is right and that is no message cannot have been written by us.
        let Ok(decoded) = latest::decode(&chunk.message) else { continue };
        let record = |reading| Record { boot: chunk.boot.clone(), reading };
        waiting.extend(decoded.readings.into_iter().map(record));
    }
    Ok(Inspection {
        accepted: accepted(&connection).map_err(named)?,
        waiting,
        losses: losses(&connection).map_err(named)?,
    })
}

/// Looks at the size of a queue without reading it all.
///
/// # Errors
/// When an agent has it open, or when it cannot be read.
pub fn summarise(path: &Path) -> Result<Summary, QueueError> {
    let Some(connection) = open(path)? else { return Ok(Summary::default()) };
    summary(&connection).map_err(|error| named(path, error))
}

/// A row that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// Why.
    pub reason: String,
    /// The boot that its readings were taken in.
    pub boot: Option<String>,
    /// How many there are.
    pub readings: Option<u64>,
    /// The message, as far as it is text.
    pub message: Option<String>,
}

/// The last rows that were given up, oldest first.
///
/// # Errors
/// When an agent has the queue open, or when it cannot be read.
pub fn dead_letters(path: &Path) -> Result<Vec<DeadLetter>, QueueError> {
    let Some(connection) = open(path)? else { return Ok(Vec::new()) };
    let work = || -> rusqlite::Result<Vec<DeadLetter>> {
        connection
            .prepare("SELECT reason, boot, readings, message FROM dead ORDER BY id")?
            .query_map([], |row| {
                let message: Option<Vec<u8>> = row.get(3).unwrap_or_default();
                Ok(DeadLetter {
                    reason: row.get(0)?,
                    boot: row.get(1)?,
                    readings: row.get(2)?,
                    message: message.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
                })
            })?
            .collect()
    };
    work().map_err(|error| named(path, error))
}

pub(super) fn summary(connection: &Connection) -> rusqlite::Result<Summary> {
    let one = |query: &str| connection.query_row(query, [], |row| row.get::<_, u64>(0));
    let oldest: Option<i64> = connection.query_row(
        "SELECT (SELECT newest FROM chunk WHERE since IS NULL ORDER BY id LIMIT 1)",
        [],
        |row| row.get(0),
    )?;
    Ok(Summary {
        readings: one(&format!("SELECT coalesce(sum({READINGS}), 0) FROM chunk"))?,
        messages: one("SELECT count(*) FROM chunk")?,
        held: one(&format!(
            "SELECT coalesce(sum({READINGS}), 0) FROM chunk
             WHERE since IS NOT NULL AND NOT EXISTS (SELECT * FROM anchor WHERE kernel = since)"
        ))?,
        oldest: oldest.and_then(|at| UnixMillis::new(at).ok()),
        bytes: one("PRAGMA page_count")? * one("PRAGMA page_size")?,
        dead: one("SELECT count(*) FROM dead")?,
        losses: losses(connection)?,
    })
}

fn open(path: &Path) -> Result<Option<Connection>, QueueError> {
    if !path.exists() {
        return Ok(None);
    }
    let named = |error| named(path, error);
    // Read-write: after a crash the log has to be recovered first.
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(named)?;
    match layout(&connection).map_err(named)? {
        0 => Ok(None),
        LAYOUT => Ok(Some(connection)),
        found => Err(QueueError::Layout { path: path.to_owned(), found }),
    }
}

fn chunks(connection: &Connection) -> rusqlite::Result<Vec<Chunk>> {
    let mut statement = connection.prepare(&format!("SELECT {ROW} ORDER BY chunk.id"))?;
    let rows = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().filter_map(Result::ok).collect())
}

/// What was lost since the queue was made.
pub(super) fn losses(connection: &Connection) -> rusqlite::Result<Losses> {
    let mut losses = Losses::default();
    let mut statement = connection.prepare("SELECT reason, readings FROM loss")?;
    let rows =
        statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))?;
    for row in rows {
        let (reason, readings) = row?;
        // A later version may know more reasons.
        if let Some(reason) = Loss::from_name(&reason) {
            losses.add(reason, readings);
        }
    }
    Ok(losses)
}

/// What the boots have accepted.
pub(super) fn accepted(connection: &Connection) -> rusqlite::Result<Vec<Accepted>> {
    let mut statement = connection.prepare(
        "SELECT boot.name, sensor, count, first_at
         FROM accepted JOIN boot ON boot.id = accepted.boot ORDER BY boot.id, sensor",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
    })?;
    let mut list = Vec::new();
    for row in rows {
        let (boot, sensor, count, first_at) = row?;
        let read = || -> Option<Accepted> {
            Some(Accepted {
                boot: BootId::try_from(boot).ok()?,
                sensor: SensorId::try_from(sensor).ok()?,
                count,
                first_at: UnixMillis::new(first_at).ok()?,
            })
        };
        list.extend(read());
    }
    Ok(list)
}
