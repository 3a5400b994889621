//! The thread that owns the database, and the handle by which others ask it.
//!
//! Samples and removals are gathered and committed together: when `commit` has passed since the
//! first of them came, when someone asks for what was gathered, or at the end.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_schema::{BootId, Outcome, SensorId, UnixMillis};
use tokio::sync::{mpsc, oneshot, watch};

use super::store::{Boot, QueueError, Record, RecordId, Store};
use crate::config::QueueConfig;
use crate::status::{Counters, add};

/// What a sensor said, before the queue has given it a sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The sensor.
    pub sensor: SensorId,
    /// When it was asked.
    pub at: UnixMillis,
    /// What came of it.
    pub outcome: Outcome,
}

enum Request {
    Append(Sample),
    Fetch { after: RecordId, limit: usize, reply: oneshot::Sender<Result<Vec<Record>, QueueError>> },
    Remove(Vec<RangeInclusive<RecordId>>),
    Flush(oneshot::Sender<()>),
}

/// Requests on their way to the owner. At one sample each it is some seconds of a busy agent.
const CAPACITY: usize = 1024;

/// Samples that are committed at once at the latest, whatever the clock says.
const GROUP: usize = 4096;

/// The handle to the queue. Clones talk to the same owner; it ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Queue {
    requests: mpsc::Sender<Request>,
    /// Counts commits of new samples: who waits for more to send watches it.
    commits: watch::Receiver<u64>,
}

/// The owner's thread, to be joined at the end.
#[derive(Debug)]
pub struct Owner(JoinHandle<()>);

impl Queue {
    /// Opens the queue, begins a boot and starts the owner.
    ///
    /// # Errors
    /// When the database cannot be opened, or when another process has it.
    pub fn open(
        config: &QueueConfig,
        boot: &BootId,
        counters: Arc<Counters>,
    ) -> Result<(Self, Owner), QueueError> {
        let mut store = Store::open(&config.path, config.max_bytes)?;
        let boot = store.begin_boot(boot)?;
        counters.waiting.store(store.waiting()?, Ordering::Relaxed);
        let (requests, inbox) = mpsc::channel(CAPACITY);
        let (commits, seen) = watch::channel(0);
        let task = Task {
            store,
            boot,
            counters,
            commits,
            samples: Vec::new(),
            removals: Vec::new(),
            removed: 0,
        };
        let commit = config.commit;
        let path = config.path.clone();
        let thread = std::thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || task.run(inbox, commit))
            .map_err(|source| QueueError::Folder { path, source })?;
        Ok((Self { requests, commits: seen }, Owner(thread)))
    }

    /// Hands over a sample. It is accepted at the next commit.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn append(&self, sample: Sample) -> Result<(), Closed> {
        self.requests.send(Request::Append(sample)).await.map_err(|_| Closed)
    }

    /// Up to `limit` accepted records after `after`, oldest first.
    ///
    /// # Errors
    /// When the database fails or the owner has ended.
    pub async fn fetch(&self, after: RecordId, limit: usize) -> Result<Vec<Record>, FetchError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Fetch { after, limit, reply };
        self.requests.send(request).await.map_err(|_| Closed)?;
        Ok(answer.await.map_err(|_| Closed)??)
    }

    /// Removes records whose publish was acknowledged.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn remove(&self, ids: Vec<RangeInclusive<RecordId>>) -> Result<(), Closed> {
        self.requests.send(Request::Remove(ids)).await.map_err(|_| Closed)
    }

    /// Commits what was gathered, and returns when it is durable.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn flush(&self) -> Result<(), Closed> {
        let (reply, done) = oneshot::channel();
        self.requests.send(Request::Flush(reply)).await.map_err(|_| Closed)?;
        done.await.map_err(|_| Closed)
    }

    /// Waits until new samples were committed since the last call.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn committed(&mut self) -> Result<(), Closed> {
        self.commits.changed().await.map_err(|_| Closed)
    }
}

impl Owner {
    /// Waits for the owner's end, which comes after the last [`Queue`] was dropped.
    pub fn join(self) {
        if self.0.join().is_err() {
            tracing::error!("the owner of the queue panicked");
        }
    }
}

/// The owner of the queue has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the queue is closed")]
pub struct Closed;

/// Why records could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The owner has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The database failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

struct Task {
    store: Store,
    boot: Boot,
    counters: Arc<Counters>,
    commits: watch::Sender<u64>,
    samples: Vec<Sample>,
    removals: Vec<RangeInclusive<RecordId>>,
    /// Records that `removals` name.
    removed: u64,
}

impl Task {
    fn run(mut self, mut inbox: mpsc::Receiver<Request>, commit: Duration) {
        // The owner waits on a channel with a limit: a runtime of its own, without I/O, has the
        // timer for it.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let Ok(runtime) = runtime else {
            tracing::error!("the queue has no timer, so nothing can be accepted");
            return;
        };
        runtime.block_on(async {
            let mut due: Option<tokio::time::Instant> = None;
            loop {
                let request = match due {
                    Some(due) => tokio::time::timeout_at(due, inbox.recv()).await,
                    None => Ok(inbox.recv().await),
                };
                match request {
                    Ok(Some(request)) => self.serve(request),
                    Ok(None) => break,
                    Err(_) => self.commit(),
                }
                if self.samples.len() >= GROUP {
                    self.commit();
                }
                due = match (self.is_clean(), due) {
                    (true, _) => None,
                    (false, Some(due)) => Some(due),
                    (false, None) => Some(tokio::time::Instant::now() + commit),
                };
            }
        });
        self.commit();
    }

    fn is_clean(&self) -> bool {
        self.samples.is_empty() && self.removals.is_empty()
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Append(sample) => self.samples.push(sample),
            Request::Remove(ranges) => {
                self.removed += ranges
                    .iter()
                    .map(|range| range.end().abs_diff(*range.start()) + 1)
                    .sum::<u64>();
                self.removals.extend(ranges);
            }
            Request::Fetch { after, limit, reply } => {
                let records = self.fetch(after, limit);
                // Whoever asked may have gone: then nobody needs the answer.
                drop(reply.send(records));
            }
            Request::Flush(reply) => {
                self.commit();
                reply.send(()).ok();
            }
        }
    }

    fn fetch(&mut self, after: RecordId, limit: usize) -> Result<Vec<Record>, QueueError> {
        // Removals first: what was acknowledged must not be fetched again.
        if !self.removals.is_empty() {
            self.commit();
        }
        let fetched = self.store.fetch(after, limit)?;
        if !fetched.unreadable.is_empty() {
            tracing::error!(
                records = fetched.unreadable.len(),
                first = fetched.unreadable[0],
                "records of the queue are damaged and are left where they are"
            );
        }
        Ok(fetched.records)
    }

    /// Commits what was gathered. On an error the samples are refused, counted and logged, and the
    /// removals are kept for the next time: they only ever repeat.
    fn commit(&mut self) {
        if self.is_clean() {
            return;
        }
        let mut result = self.store.commit(&self.boot, &self.samples, &self.removals);
        if let (Err(QueueError::Full { .. }), false) = (&result, self.removals.is_empty()) {
            // Removing makes room, so it comes first and alone.
            result = self.store.commit(&self.boot, &[], &self.removals);
            if result.is_ok() {
                self.settle_removals();
                result = self.store.commit(&self.boot, &self.samples, &[]);
            }
        }
        let samples = std::mem::take(&mut self.samples);
        match result {
            Ok(()) => {
                self.settle_removals();
                add(&self.counters.accepted, samples.len());
                self.counters.waiting.fetch_add(samples.len() as u64, Ordering::Relaxed);
                if !samples.is_empty() {
                    self.commits.send_modify(|count| *count += 1);
                }
            }
            Err(error) => {
                add(&self.counters.refused, samples.len());
                tracing::error!(
                    readings = samples.len(),
                    error = &error as &dyn std::error::Error,
                    "readings refused by the queue are lost"
                );
            }
        }
    }

    fn settle_removals(&mut self) {
        self.removals.clear();
        let removed = std::mem::take(&mut self.removed);
        self.counters.waiting.fetch_sub(removed, Ordering::Relaxed);
    }
}
