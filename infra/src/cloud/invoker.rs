//! Lambda's asynchronous invocation: a durable queue of events, two retries, then the on-failure
//! store.
//!
//! An event is on disk before the broker acknowledges its message. `synchronous=NORMAL`: it
//! survives the end of this process at any moment, which is what a local cloud has to; at a power
//! cut the last few could go, which on AWS they could not.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::{Value, json};
use tidings_agent::clock;
use tidings_ingest::Envelope;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::function::{Function, NAME};
use crate::Trouble;

/// Events that are invoked at once.
const CONCURRENCY: usize = 8;

/// Tries of an event: the first and two more (Lambda's default for asynchronous invocation).
const TRIES: u32 = 3;

/// The waits before the second and the third try. On AWS they are about one and two minutes; on one
/// machine nobody wants to wait so long.
#[derive(Debug, Clone, Copy)]
pub struct RetryDelays(pub Duration, pub Duration);

impl Default for RetryDelays {
    fn default() -> Self {
        Self(Duration::from_secs(1), Duration::from_secs(2))
    }
}

/// The queue and its owner.
#[derive(Debug)]
pub struct Invoker {
    /// Short statements on a local file; never held across an await.
    database: Mutex<Connection>,
    function: Function,
    delays: RetryDelays,
    /// Events that wait or are under way.
    open: watch::Sender<u64>,
    stopping: watch::Sender<bool>,
    failed: AtomicU64,
    stored: AtomicU64,
}

struct Event {
    id: i64,
    body: String,
    tries: u32,
}

/// The on-failure records of a queue, for `replay`: beside a running `up`, or without one.
#[derive(Debug)]
pub struct Failures(Mutex<Connection>);

impl Failures {
    /// Opens the records in the queue's file.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be used.
    pub fn open(file: &Path) -> Result<Self, Trouble> {
        use rusqlite::OpenFlags;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(file, flags)?;
        database.busy_timeout(Duration::from_secs(5))?;
        Ok(Self(Mutex::new(database)))
    }

    /// The record after that one.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn after(&self, id: i64) -> Result<Option<(i64, String)>, Trouble> {
        let statement = "SELECT id, record FROM failed WHERE id > ?1 ORDER BY id LIMIT 1";
        let record = self.0.lock().unwrap_or_else(PoisonError::into_inner).query_row(
            statement,
            [id],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        Ok(record.optional()?)
    }

    /// Forgets a record.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn remove(&self, id: i64) -> Result<(), Trouble> {
        let database = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        database.execute("DELETE FROM failed WHERE id = ?1", [id])?;
        Ok(())
    }
}

impl Invoker {
    /// Opens the queue in a file; what waits there is invoked again.
    ///
    /// # Errors
    /// When the file cannot be used.
    pub fn open(file: &Path, function: Function, delays: RetryDelays) -> Result<Self, Trouble> {
        let database = Connection::open(file)?;
        database.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;
             CREATE TABLE IF NOT EXISTS event (
                 id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0);
             CREATE TABLE IF NOT EXISTS failed (
                 id INTEGER PRIMARY KEY AUTOINCREMENT, record TEXT NOT NULL);",
        )?;
        let count = |table: &str| {
            database
                .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0))
        };
        let (open, failed) = (count("event")?.unsigned_abs(), count("failed")?.unsigned_abs());
        Ok(Self {
            database: Mutex::new(database),
            function,
            delays,
            open: watch::Sender::new(open),
            stopping: watch::Sender::new(false),
            failed: AtomicU64::new(failed),
            stored: AtomicU64::new(0),
        })
    }

    /// Takes an event. When this returns, it will be invoked.
    ///
    /// # Errors
    /// When it could not be written to disk.
    pub fn accept(&self, envelope: &Envelope) -> Result<(), Trouble> {
        let body = serde_json::to_string(envelope)
            .map_err(|error| Trouble::Internal(error.to_string()))?;
        // Counted before it can be seen and finished, announced after it can.
        self.open.send_if_modified(|open| {
            *open += 1;
            false
        });
        if let Err(error) = self.database().execute("INSERT INTO event (body) VALUES (?1)", [body])
        {
            self.open.send_modify(|open| *open = open.saturating_sub(1));
            return Err(error.into());
        }
        self.open.send_modify(|_| {});
        Ok(())
    }

    /// Events that wait or are under way.
    #[must_use]
    pub fn open_events(&self) -> u64 {
        *self.open.borrow()
    }

    /// Events that have failed for good, and are in the on-failure store.
    #[must_use]
    pub fn failed_events(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Readings that the function has written since the start, by its own word: one that came twice
    /// counts twice.
    #[must_use]
    pub fn stored_readings(&self) -> u64 {
        self.stored.load(Ordering::Relaxed)
    }

    /// The on-failure records, oldest first.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn failures(&self) -> Result<Vec<Value>, Trouble> {
        let database = self.database();
        let mut statement = database.prepare("SELECT record FROM failed ORDER BY id")?;
        let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
        let records = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(records.iter().filter_map(|record| serde_json::from_str(record).ok()).collect())
    }

    /// Waits until no event waits or is under way.
    pub async fn idle(&self) {
        // The sender is ours, so this cannot fail.
        self.open.subscribe().wait_for(|open| *open == 0).await.ok();
    }

    /// Tells [`Invoker::run`] to end once what waits has been invoked.
    pub fn stop(&self) {
        self.stopping.send_replace(true);
    }

    /// Invokes events until told to stop, and then until none waits.
    pub async fn run(self: Arc<Self>) {
        let mut stopping = self.stopping.subscribe();
        let mut opened = self.open.subscribe();
        let mut running = JoinSet::new();
        let mut last = 0;
        loop {
            while running.len() < CONCURRENCY {
                match self.next_after(last) {
                    Some(event) => {
                        last = event.id;
                        running.spawn(self.clone().finish(event));
                    }
                    None => break,
                }
            }
            if running.is_empty() && *stopping.borrow() {
                break;
            }
            tokio::select! {
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    if let Err(error) = ended {
                        tracing::error!(error = &error as &dyn std::error::Error, "an invocation failed");
                    }
                }
                _ = opened.changed() => {}
                _ = stopping.changed() => {}
            }
        }
    }

    /// Brings one event to its end.
    async fn finish(self: Arc<Self>, mut event: Event) {
        loop {
            match self.function.invoke(&event.body).await {
                Ok(summary) => {
                    let accepted = summary.get("accepted").and_then(Value::as_u64);
                    self.stored.fetch_add(accepted.unwrap_or(0), Ordering::Relaxed);
                    self.settle("DELETE FROM event WHERE id = ?1", params![event.id]);
                    break;
                }
                Err(response) => {
                    event.tries += 1;
                    tracing::warn!(tries = event.tries, %response, "invocation failed");
                    if event.tries >= TRIES {
                        self.fail(&event, &response);
                        break;
                    }
                    self.settle(
                        "UPDATE event SET tries = ?2 WHERE id = ?1",
                        params![event.id, event.tries],
                    );
                    let delay = if event.tries == 1 { self.delays.0 } else { self.delays.1 };
                    tokio::time::sleep(delay).await;
                }
            }
        }
        self.open.send_modify(|open| *open = open.saturating_sub(1));
    }

    /// Moves an event to the on-failure store, with the record that Lambda writes.
    fn fail(&self, event: &Event, response: &Value) {
        let record = json!({
            "version": "1.0",
            "timestamp": clock::now(),
            "requestContext": {
                "requestId": uuid::Uuid::new_v4().to_string(),
                "functionArn": format!("arn:aws:lambda:local:000000000000:function:{NAME}"),
                "condition": "RetriesExhausted",
                "approximateInvokeCount": event.tries,
            },
            "requestPayload": serde_json::from_str::<Value>(&event.body).unwrap_or_default(),
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "responsePayload": response,
        });
        let mut database = self.database();
        let moved = database.transaction().and_then(|transaction| {
            transaction.execute("INSERT INTO failed (record) VALUES (?1)", [record.to_string()])?;
            transaction.execute("DELETE FROM event WHERE id = ?1", [event.id])?;
            transaction.commit()
        });
        match moved {
            Ok(()) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "event stays open")
            }
        }
    }

    fn next_after(&self, last: i64) -> Option<Event> {
        let database = self.database();
        let mut statement = database
            .prepare_cached("SELECT id, body, tries FROM event WHERE id > ?1 ORDER BY id LIMIT 1")
            .ok()?;
        statement
            .query_row([last], |row| {
                Ok(Event { id: row.get(0)?, body: row.get(1)?, tries: row.get(2)? })
            })
            .ok()
    }

    fn settle(&self, statement: &str, parameters: impl rusqlite::Params) {
        if let Err(error) = self.database().execute(statement, parameters) {
            // The event stays on disk and is invoked again at the next start: harmless.
            tracing::error!(error = &error as &dyn std::error::Error, "event stays open");
        }
    }

    fn database(&self) -> MutexGuard<'_, Connection> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
