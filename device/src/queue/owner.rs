//! The thread that owns the database, and the handle by which others ask it.
//!
//! What is done, and when, is decided in [`super::task`].

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidings_schema::BootId;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::chunk::{Chunk, ChunkId, News, Sample, Shape};
use super::error::QueueError;
use super::inspect::Summary;
use super::loss::Loss;
use super::task::Task;
use crate::clock::Clock;
use crate::config::QueueConfig;
use crate::status::Counters;

enum Request {
    Append(Sample),
    Fetch { after: ChunkId, limit: usize, reply: oneshot::Sender<Result<Vec<Chunk>, QueueError>> },
    Remove(Vec<RangeInclusive<ChunkId>>),
    Bury(Vec<RangeInclusive<ChunkId>>),
    Flush(oneshot::Sender<()>),
    Age(Duration),
    Ping(oneshot::Sender<()>),
    Summary(oneshot::Sender<Result<Summary, QueueError>>),
}

/// Requests on their way to the owner. At one sample each it is some seconds of a busy agent.
const CAPACITY: usize = 1024;

/// The handle to the queue. Clones talk to the same owner; it ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct Queue {
    requests: mpsc::Sender<Request>,
    news: watch::Receiver<News>,
}

/// The owner's thread, to be joined at the end.
#[derive(Debug)]
pub struct Owner(JoinHandle<()>);

impl Queue {
    /// Opens the queue, begins a boot and starts the owner. A damaged queue is set aside; where the
    /// disk fails, the queue begins in memory.
    ///
    /// # Errors
    /// When another process has the queue, or a later version has written it.
    pub fn open(
        config: &QueueConfig,
        shape: Shape,
        boot: &BootId,
        clock: Arc<Clock>,
        counters: Arc<Counters>,
    ) -> Result<(Self, Owner), QueueError> {
        let task = Task::open(config.clone(), shape, boot, clock, counters, Instant::now())?;
        let news = task.watch();
        let (requests, inbox) = mpsc::channel(CAPACITY);
        let thread = std::thread::Builder::new()
            .name("queue".to_owned())
            .spawn(move || run(task, inbox))
            .map_err(QueueError::Thread)?;
        Ok((Self { requests, news }, Owner(thread)))
    }

    /// Hands over a sample.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn append(&self, sample: Sample) -> Result<(), Closed> {
        self.requests.send(Request::Append(sample)).await.map_err(|_| Closed)
    }

    /// Up to `limit` rows of accepted readings after `after`, oldest first.
    ///
    /// # Errors
    /// When the database fails or the owner has ended.
    pub async fn fetch(&self, after: ChunkId, limit: usize) -> Result<Vec<Chunk>, FetchError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Fetch { after, limit, reply };
        self.requests.send(request).await.map_err(|_| Closed)?;
        Ok(answer.await.map_err(|_| Closed)??)
    }

    /// Removes rows whose publish was acknowledged.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn remove(&self, ids: Vec<RangeInclusive<ChunkId>>) -> Result<(), Closed> {
        self.requests.send(Request::Remove(ids)).await.map_err(|_| Closed)
    }

    /// Puts rows among the dead letters: each of them has broken the connection again and again.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn bury(&self, ids: Vec<RangeInclusive<ChunkId>>) -> Result<(), Closed> {
        self.requests.send(Request::Bury(ids)).await.map_err(|_| Closed)
    }

    /// Writes everything to the disk, and returns when it is durable.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn flush(&self) -> Result<(), Closed> {
        let (reply, done) = oneshot::channel();
        self.requests.send(Request::Flush(reply)).await.map_err(|_| Closed)?;
        done.await.map_err(|_| Closed)
    }

    /// Returns when the owner has come to it.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn ping(&self) -> Result<(), Closed> {
        let (reply, done) = oneshot::channel();
        self.requests.send(Request::Ping(reply)).await.map_err(|_| Closed)?;
        done.await.map_err(|_| Closed)
    }

    /// The queue in a few numbers.
    ///
    /// # Errors
    /// When the database fails or the owner has ended.
    pub async fn summary(&self) -> Result<Summary, FetchError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Summary(reply)).await.map_err(|_| Closed)?;
        Ok(answer.await.map_err(|_| Closed)??)
    }

    /// Changes the longest that a reading waits for others to share its message.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn set_age(&self, age: Duration) -> Result<(), Closed> {
        self.requests.send(Request::Age(age)).await.map_err(|_| Closed)
    }

    /// What there is.
    #[must_use]
    pub fn news(&self) -> News {
        *self.news.borrow()
    }

    /// Waits until there is something new since the last call.
    ///
    /// # Errors
    /// When the owner has ended.
    pub async fn changed(&mut self) -> Result<News, Closed> {
        self.news.changed().await.map_err(|_| Closed)?;
        Ok(*self.news.borrow_and_update())
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

fn run(mut task: Task, mut inbox: mpsc::Receiver<Request>) {
    // The owner waits on a channel with a limit: a runtime of its own, without I/O, has the timer
    // for it.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let Ok(runtime) = runtime else {
        tracing::error!("the queue has no timer, so nothing can be accepted");
        return;
    };
    runtime.block_on(async {
        loop {
            let request = match task.due() {
                Some(due) => tokio::time::timeout_at(due, inbox.recv()).await,
                None => Ok(inbox.recv().await),
            };
            let now = Instant::now();
            match request {
                Ok(Some(request)) => serve(&mut task, request, now),
                Ok(None) => break,
                Err(_) => {}
            }
            // Also where requests come so fast that no wait ever ends.
            task.tick(now);
        }
        task.commit(Instant::now());
    });
}

fn serve(task: &mut Task, request: Request, now: Instant) {
    match request {
        Request::Append(sample) => task.append(sample, now),
        Request::Remove(ranges) => task.remove(ranges, now),
        Request::Bury(ranges) => task.bury(ranges.into_iter().flatten(), Loss::Poison, now),
        Request::Fetch { after, limit, reply } => {
            let chunks = task.fetch(after, limit, now);
            // Whoever asked may have gone: then nobody needs the answer.
            reply.send(chunks).ok();
        }
        Request::Ping(reply) => {
            reply.send(()).ok();
        }
        Request::Summary(reply) => {
            reply.send(task.summary()).ok();
        }
        Request::Age(age) => task.set_age(age),
        Request::Flush(reply) => {
            task.commit(now);
            reply.send(()).ok();
        }
    }
}
