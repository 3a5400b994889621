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

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::lane::{Filling, Lane, Message};
use super::rate::Rate;
use super::strikes::Strikes;
use crate::queue::{Chunk, ChunkId};

/// Messages that may be unacknowledged at once. AWS IoT Core takes 100 of one client and then no
/// more; a third of that keeps a line of 100 ms busy with 300 messages a second.
pub(super) const WINDOW: usize = 32;

/// Rows read from the queue at once: at some 5 KB at the most two windows' worth.
pub(super) const FETCH: usize = 64;

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
    /// The broker has accepted the connection; the queue's last row is this one.
    Connected { last: ChunkId },
    /// There is no connection any more, or none came about.
    Lost,
    /// The broker has acknowledged this publish.
    Acknowledged(Token),
    /// What a fetch found, in answer to [`Action::Fetch`]. Fewer than asked for: the queue has no
    /// more for now.
    Fetched(Vec<Chunk>),
    /// The queue has new rows.
    News,
    /// Rows that the queue held back can be fetched now; its last row is this one.
    Placed { last: ChunkId },
    /// End when everything is sent.
    Drain,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    Connect,
    /// End the connection, and say why in the log.
    Abandon(&'static str),
    Fetch {
        after: ChunkId,
        limit: usize,
    },
    Publish {
        token: Token,
        payload: Vec<u8>,
    },
    /// The publish of these rows was acknowledged.
    Remove {
        ids: Vec<RangeInclusive<ChunkId>>,
        readings: usize,
        bytes: usize,
    },
    /// These rows have broken one connection too many.
    Bury {
        ids: Vec<RangeInclusive<ChunkId>>,
    },
}

/// How the uplink behaves.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) filling: Filling,
    pub(super) ack_timeout: Duration,
    /// Messages a second, at the most.
    pub(super) max_rate: u32,
    /// Whether what is sampled during a connection goes before what waited for it.
    pub(super) fresh_first: bool,
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
    /// What is published first, and then the next: fresh readings and the backlog, or all in one.
    lanes: Vec<Lane>,
    /// The lane for which a fetch is under way.
    fetching: Option<usize>,
    in_flight: BTreeMap<Token, InFlight>,
    /// Whether anything was acknowledged: the connection works.
    proven: bool,
    /// Whether a suspect is in flight, which is alone then.
    alone: bool,
    /// Whether something is held back by the rate alone.
    limited: bool,
    /// The queue is to be read from its beginning, once nothing is in flight.
    again: Option<ChunkId>,
}

#[derive(Debug)]
struct InFlight {
    ids: Vec<ChunkId>,
    readings: usize,
    bytes: usize,
    deadline: Instant,
}

/// The uplink's state and rules.
#[derive(Debug)]
pub(super) struct Core {
    rules: Rules,
    state: State,
    backoff: Backoff,
    rate: Rate,
    strikes: Strikes,
    draining: bool,
    last_token: Token,
    random: fastrand::Rng,
}

impl Core {
    pub(super) fn new(rules: Rules, seed: u64, now: Instant) -> Self {
        Self {
            rate: Rate::new(rules.max_rate, now),
            rules,
            state: State::Disconnected { retry_at: now },
            backoff: BACKOFF,
            strikes: Strikes::default(),
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
                    self.rate.halve();
                    actions.push(Action::Abandon("an acknowledgement did not come in time"));
                    self.disconnected(now, &mut actions);
                    return actions;
                }
            }
            (Event::Connected { last }, State::Connecting) => {
                let lanes = lanes(&self.rules, last);
                self.state = State::Online(Online {
                    since: now,
                    lanes,
                    fetching: None,
                    in_flight: BTreeMap::new(),
                    proven: false,
                    alone: false,
                    limited: false,
                    again: None,
                });
            }
            (Event::Lost, State::Connecting | State::Online(_)) => {
                self.disconnected(now, &mut actions);
            }
            (Event::Acknowledged(token), State::Online(online)) => {
                if let Some(InFlight { ids, readings, bytes, .. }) = online.in_flight.remove(&token)
                {
                    online.proven = true;
                    online.alone = false;
                    self.strikes.clear(&ids);
                    actions.push(Action::Remove { ids: ranges(ids), readings, bytes });
                }
            }
            (Event::Fetched(chunks), State::Online(online)) => {
                if let Some(lane) = online.fetching.take() {
                    let whole = chunks.len() >= FETCH;
                    let strikes = &mut self.strikes;
                    online.lanes[lane].take(chunks, whole, |chunk| strikes.keep_back(chunk));
                }
            }
            (Event::News, State::Online(online)) => look_again(online),
            (Event::Placed { last }, State::Online(online)) => online.again = Some(last),
            (Event::Drain, state) => {
                self.draining = true;
                // The news of the last commit may come after this.
                if let State::Online(online) = state {
                    look_again(online);
                }
            }
            // Answers and news that belong to a connection that is gone.
            (
                Event::Tick
                | Event::Connected { .. }
                | Event::Lost
                | Event::Acknowledged(_)
                | Event::Fetched(_)
                | Event::News
                | Event::Placed { .. },
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
                // For a place in the window nothing waits but an acknowledgement.
                let open = online.in_flight.len() < WINDOW && !online.alone;
                let due = (online.limited && open).then(|| self.rate.ready_at());
                deadline.into_iter().chain(due).min()
            }
        }
    }

    /// Whether a drain has nothing left to wait for.
    pub(super) fn is_drained(&self) -> bool {
        match &self.state {
            State::Online(online) => {
                self.draining
                    && online.again.is_none()
                    && online.fetching.is_none()
                    && online.in_flight.is_empty()
                    && online.lanes.iter().all(Lane::is_empty)
                    && !self.strikes.is_waiting()
            }
            State::Disconnected { .. } | State::Connecting => false,
        }
    }

    /// The connection has ended or did not come about.
    fn disconnected(&mut self, now: Instant, actions: &mut Vec<Action>) {
        if let State::Online(online) = &self.state {
            let ids: BTreeSet<ChunkId> =
                online.in_flight.values().flat_map(|one| one.ids.iter().copied()).collect();
            let poison = self.strikes.ended(&ids, online.proven);
            if !poison.is_empty() {
                actions.push(Action::Bury { ids: ranges(poison) });
            }
        }
        let retry_at = now + self.backoff.next(self.random.f64());
        self.state = State::Disconnected { retry_at };
    }

    /// Publishes what is due, and fetches more where there is room for it.
    fn advance(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let State::Online(online) = &mut self.state else { return };
        online.limited = false;
        if let Some(last) = online.again {
            if !online.in_flight.is_empty() || online.fetching.is_some() {
                return;
            }
            online.again = None;
            online.lanes = lanes(&self.rules, last);
            self.strikes.start_over();
        }
        while online.in_flight.len() < WINDOW && !online.alone {
            // A suspect waits until nothing else is in flight, and until the connection has shown
            // that it works; where there is nothing else to show it with, it goes as it is.
            let suspect_next = self.strikes.is_waiting() && online.proven;
            if suspect_next && !online.in_flight.is_empty() {
                break;
            }
            if now < self.rate.ready_at() {
                online.limited = true;
                break;
            }
            let filling = &self.rules.filling;
            let message = if suspect_next {
                None
            } else {
                online.lanes.iter_mut().find_map(|lane| lane.message(filling))
            };
            let message = match message {
                Some(message) => message,
                None if online.in_flight.is_empty() => match self.strikes.next() {
                    Some(chunk) => {
                        online.alone = true;
                        Message {
                            ids: vec![chunk.id],
                            readings: chunk.readings,
                            payload: chunk.message,
                        }
                    }
                    None => break,
                },
                None => break,
            };
            self.rate.take(now);
            self.last_token = Token(self.last_token.0 + 1);
            let in_flight = InFlight {
                bytes: message.payload.len() + filling.topic_len,
                ids: message.ids,
                readings: message.readings,
                deadline: now + self.rules.ack_timeout,
            };
            online.in_flight.insert(self.last_token, in_flight);
            actions.push(Action::Publish { token: self.last_token, payload: message.payload });
        }
        if online.fetching.is_none() {
            let wants = |lane: &Lane| lane.wants(FETCH);
            if let Some((index, after)) = online
                .lanes
                .iter()
                .enumerate()
                .find_map(|(index, lane)| Some((index, wants(lane)?)))
            {
                online.lanes[index].asked();
                online.fetching = Some(index);
                actions.push(Action::Fetch { after, limit: FETCH });
            }
        }
    }
}

/// What is published first, and then the next.
fn lanes(rules: &Rules, last: ChunkId) -> Vec<Lane> {
    if rules.fresh_first {
        vec![Lane::new(last, None), Lane::new(0, Some(last))]
    } else {
        vec![Lane::new(0, None)]
    }
}

fn look_again(online: &mut Online) {
    online.lanes.iter_mut().for_each(Lane::look_again);
}

/// Neighbouring ids as ranges.
fn ranges(mut ids: Vec<ChunkId>) -> Vec<RangeInclusive<ChunkId>> {
    ids.sort_unstable();
    let mut ranges: Vec<RangeInclusive<ChunkId>> = Vec::new();
    for id in ids {
        match ranges.last_mut() {
            Some(range) if *range.end() + 1 == id => *range = *range.start()..=id,
            _ => ranges.push(id..=id),
        }
    }
    ranges
}
