//! What the uplink decides: pure, driven by events and the time.
//!
//! ```text
//!               Connect                  Connected
//! Disconnected ─────────> Connecting ──────────────> Online ──┐
//!   ^  (retry_at)             │                        │      │ fetch, fill, publish,
//!   └─────────── Lost ────────┴──────── Lost ──────────┘ <────┘ remove when acknowledged
//! ```
//!
//! Whatever breaks a connection, also an acknowledgement that does not come in time, everything
//! that was read from the queue is forgotten and read again: the queue is the only memory.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use tidings_schema::DeviceId;
use tidings_schema::wire::batch::{BatchBuilder, PushError};
use tokio::time::Instant;

use super::backoff::Backoff;
use crate::config::BatchConfig;
use crate::queue::{Record, RecordId};

/// Messages that may be unacknowledged at once. AWS IoT Core takes 100 of one client and then no
/// more; a third of that keeps a line of 100 ms busy with 300 messages a second.
pub(super) const WINDOW: usize = 32;

/// Records read from the queue at once: some seven full messages.
pub(super) const FETCH: usize = 1024;

/// How long a connection must last to count as a success.
const LASTING: Duration = Duration::from_secs(20);

/// The first ceiling and the last of the wait before another connection. AWS allows one CONNECT a
/// second and client id.
const BACKOFF: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(60));

/// Names one publish of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Token(u64);

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// Time has passed.
    Tick,
    /// The broker has accepted the connection.
    Connected,
    /// There is no connection any more, or none came about.
    Lost,
    /// The broker has acknowledged this publish.
    Acknowledged(Token),
    /// What a fetch found, in answer to [`Action::Fetch`]. Fewer than asked for: the queue has no
    /// more for now.
    Fetched(Vec<Record>),
    /// The queue has new records.
    Committed,
    /// Send what there is, without waiting for messages to fill.
    Drain,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Connect,
    /// End the connection, and say why in the log.
    Abandon(&'static str),
    Fetch {
        after: RecordId,
        limit: usize,
    },
    Publish {
        token: Token,
        payload: Vec<u8>,
    },
    /// The publish of these records was acknowledged.
    Remove {
        ids: Vec<RangeInclusive<RecordId>>,
        records: usize,
        bytes: usize,
    },
}

#[derive(Debug)]
enum State {
    Disconnected { retry_at: Instant },
    Connecting,
    Online(Online),
}

#[derive(Debug)]
struct Online {
    since: Instant,
    /// The last record that was fetched.
    cursor: RecordId,
    /// Whether a fetch is under way.
    fetching: bool,
    /// Whether the queue may have records after `cursor`.
    more: bool,
    /// Fetched and not yet published, oldest first.
    ready: VecDeque<Record>,
    /// When the oldest of `ready` came.
    ready_since: Instant,
    in_flight: BTreeMap<Token, InFlight>,
}

#[derive(Debug)]
struct InFlight {
    ids: Vec<RangeInclusive<RecordId>>,
    records: usize,
    bytes: usize,
    deadline: Instant,
}

/// The uplink's state and rules.
#[derive(Debug)]
pub(super) struct Core {
    device: DeviceId,
    topic_len: usize,
    batch: BatchConfig,
    ack_timeout: Duration,
    state: State,
    backoff: Backoff,
    draining: bool,
    last_token: Token,
    random: fastrand::Rng,
}

impl Core {
    pub(super) fn new(
        device: DeviceId,
        topic_len: usize,
        batch: BatchConfig,
        ack_timeout: Duration,
        seed: u64,
        now: Instant,
    ) -> Self {
        Self {
            device,
            topic_len,
            batch,
            ack_timeout,
            state: State::Disconnected { retry_at: now },
            backoff: BACKOFF,
            draining: false,
            last_token: Token(0),
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Takes one event and says what to do, in this order.
    pub(super) fn on(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match (event, &mut self.state) {
            (Event::Tick, State::Disconnected { retry_at }) if now >= *retry_at => {
                self.state = State::Connecting;
                return vec![Action::Connect];
            }
            (Event::Tick, State::Online(online)) => {
                if now.duration_since(online.since) >= LASTING {
                    self.backoff.reset();
                }
                if online.in_flight.values().any(|one| now >= one.deadline) {
                    // Dropping the connection is the only lawful way to take a packet id back.
                    let retry_at = self.retry_at(now);
                    self.state = State::Disconnected { retry_at };
                    return vec![Action::Abandon("an acknowledgement did not come in time")];
                }
            }
            (Event::Connected, State::Connecting) => {
                self.state = State::Online(Online {
                    since: now,
                    cursor: 0,
                    fetching: false,
                    more: true,
                    ready: VecDeque::new(),
                    ready_since: now,
                    in_flight: BTreeMap::new(),
                });
            }
            (Event::Lost, State::Connecting | State::Online(_)) => {
                let retry_at = self.retry_at(now);
                self.state = State::Disconnected { retry_at };
            }
            (Event::Acknowledged(token), State::Online(online)) => {
                if let Some(InFlight { ids, records, bytes, .. }) = online.in_flight.remove(&token)
                {
                    actions.push(Action::Remove { ids, records, bytes });
                }
            }
            (Event::Fetched(records), State::Online(online)) => {
                online.fetching = false;
                online.more |= records.len() >= FETCH;
                if let Some(last) = records.last() {
                    online.cursor = last.id;
                    if online.ready.is_empty() {
                        online.ready_since = now;
                    }
                }
                online.ready.extend(records);
            }
            (Event::Committed, State::Online(online)) => online.more = true,
            (Event::Drain, state) => {
                self.draining = true;
                // The news of the last commit may come after this.
                if let State::Online(online) = state {
                    online.more = true;
                }
            }
            // Answers and news that belong to a connection that is gone.
            (
                Event::Tick
                | Event::Connected
                | Event::Lost
                | Event::Acknowledged(_)
                | Event::Fetched(_)
                | Event::Committed,
                State::Disconnected { .. } | State::Connecting | State::Online(_),
            ) => {}
        }
        self.advance(now, &mut actions);
        actions
    }

    /// When to send [`Event::Tick`] next; `None` where nothing is due by time alone.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        match &self.state {
            State::Disconnected { retry_at } => Some(*retry_at),
            State::Connecting => None,
            State::Online(online) => {
                let deadline = online.in_flight.values().map(|one| one.deadline).min();
                let full = online.in_flight.len() >= WINDOW;
                let age = (!full && !online.ready.is_empty())
                    .then(|| online.ready_since + self.batch.age);
                deadline.into_iter().chain(age).min()
            }
        }
    }

    /// Whether a drain has nothing left to wait for.
    pub(super) fn is_drained(&self) -> bool {
        match &self.state {
            State::Online(online) => {
                self.draining
                    && !online.more
                    && !online.fetching
                    && online.ready.is_empty()
                    && online.in_flight.is_empty()
            }
            State::Disconnected { .. } | State::Connecting => false,
        }
    }

    fn retry_at(&mut self, now: Instant) -> Instant {
        now + self.backoff.next(self.random.f64())
    }

    /// Publishes what is due, and fetches more where there is room for it.
    fn advance(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let State::Online(online) = &mut self.state else { return };
        while online.in_flight.len() < WINDOW && !online.ready.is_empty() {
            let due = self.draining || now >= online.ready_since + self.batch.age;
            let Some(filled) =
                fill(&mut online.ready, &self.device, self.topic_len, self.batch.bytes, due)
            else {
                break;
            };
            self.last_token = Token(self.last_token.0 + 1);
            let in_flight = InFlight {
                ids: filled.ids,
                records: filled.records,
                bytes: filled.payload.len() + self.topic_len,
                deadline: now + self.ack_timeout,
            };
            online.in_flight.insert(self.last_token, in_flight);
            actions.push(Action::Publish { token: self.last_token, payload: filled.payload });
            online.ready_since = now;
        }
        if online.more && !online.fetching && online.ready.len() < FETCH {
            online.fetching = true;
            // A commit from now on may come too late for this fetch, and says so.
            online.more = false;
            actions.push(Action::Fetch { after: online.cursor, limit: FETCH });
        }
    }
}

struct Filled {
    payload: Vec<u8>,
    ids: Vec<RangeInclusive<RecordId>>,
    records: usize,
}

/// Takes one message's worth of records. `None`, and nothing is taken, where they do not fill a
/// message and none is due.
fn fill(
    ready: &mut VecDeque<Record>,
    device: &DeviceId,
    topic_len: usize,
    budget: usize,
    due: bool,
) -> Option<Filled> {
    let boot = ready.front()?.boot.clone();
    let mut batch = BatchBuilder::new(device, &boot, topic_len, budget);
    let mut full = false;
    for record in &*ready {
        // A message is of one boot: the next boot's readings close it.
        let pushed =
            if record.boot == boot { batch.push(&record.reading) } else { Err(PushError::Full) };
        match pushed {
            Ok(()) => {}
            Err(PushError::Full) => {
                full = true;
                break;
            }
            Err(PushError::TooLarge { .. }) => {
                unreachable!("the limits on names and counts keep a reading below 128 KiB")
            }
        }
    }
    if !full && !due {
        return None;
    }
    let records = batch.readings();
    let mut ids: Vec<RangeInclusive<RecordId>> = Vec::new();
    for record in ready.drain(..records) {
        match ids.last_mut() {
            Some(range) if *range.end() + 1 == record.id => *range = *range.start()..=record.id,
            _ => ids.push(record.id..=record.id),
        }
    }
    Some(Filled { payload: batch.finish()?, ids, records })
}
