//! The rules of the uplink, driven with a time of their own.

use std::time::Duration;

use tidings_schema::measurement::Measurements;
use tidings_schema::wire::latest;
use tidings_schema::{
    BootId, Clock, DeviceId, Measurement, Outcome, Quantity, Reading, SensorId, Seq, Unit,
    UnixMillis, Value,
};
use tokio::time::Instant;

use super::core::{Action, Core, Event, FETCH, Rules, Token, WINDOW};
use super::lane::Filling;
use super::strikes::{POISON, SUSPECT};
use crate::queue::{Chunk, ChunkId};

const ACK: Duration = Duration::from_secs(30);

/// A row of some readings, whose numbers begin at 1,000 times the row's id.
fn chunk(id: ChunkId, boot: &str, readings: usize) -> Chunk {
    let boot = BootId::try_from(boot).unwrap();
    let list: Vec<Reading> = (0..readings as u64)
        .map(|index| Reading {
            sensor: SensorId::try_from("s").unwrap(),
            at: UnixMillis::new(1_795_456_115_802 + id * 1000).unwrap(),
            seq: Seq::try_from(id.unsigned_abs() * 1000 + index).unwrap(),
            outcome: Outcome::Measured(
                Measurements::new(vec![Measurement {
                    quantity: Quantity::try_from("temperature").unwrap(),
                    unit: Unit::try_from("Cel").unwrap(),
                    value: Value::new(21.5).unwrap(),
                }])
                .unwrap(),
            ),
        })
        .collect();
    let message = latest::encode(&device(), &boot, Clock::Set, &list).unwrap().unwrap();
    Chunk { id, boot, readings, since: None, message }
}

/// Rows of one reading each.
fn small(ids: std::ops::RangeInclusive<ChunkId>) -> Vec<Chunk> {
    ids.map(|id| chunk(id, "b", 1)).collect()
}

/// Rows that fill a message each.
fn full(ids: std::ops::RangeInclusive<ChunkId>) -> Vec<Chunk> {
    ids.map(full_row).collect()
}

fn full_row(id: ChunkId) -> Chunk {
    // As many as are nearly 5,080 bytes, whatever the digits of their numbers.
    (250..400).map(|count| chunk(id, "b", count)).find(|row| row.message.len() > 5000).unwrap()
}

fn device() -> DeviceId {
    DeviceId::try_from("pi-1").unwrap()
}

struct Rig {
    core: Core,
    now: Instant,
}

impl Rig {
    fn with(change: impl FnOnce(&mut Rules)) -> Self {
        let now = Instant::now();
        let filling = Filling { device: device(), topic_len: 40, bytes: 5120 };
        let mut rules = Rules { filling, ack_timeout: ACK, max_rate: 100_000, fresh_first: false };
        change(&mut rules);
        Self { core: Core::new(rules, 7, now), now }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.core.on(self.now, event)
    }

    fn after(&mut self, time: Duration, event: Event) -> Vec<Action> {
        self.now += time;
        self.on(event)
    }

    /// Connects, however long the backoff; the queue's last row is `last`.
    fn connect(&mut self, last: ChunkId) -> Vec<Action> {
        if let Some(wake) = self.core.wake_at() {
            self.now = self.now.max(wake);
        }
        assert_eq!(self.on(Event::Tick), [Action::Connect]);
        self.on(Event::Connected { last })
    }

    /// Connected, with the first fetch under way.
    fn online() -> Self {
        let mut rig = Self::with(|_| {});
        assert_eq!(rig.connect(0), [FIRST]);
        rig
    }
}

const FIRST: Action = Action::Fetch { after: 0, limit: FETCH };

fn published(actions: &[Action]) -> Vec<(Token, usize)> {
    let count = |payload: &[u8]| latest::decode(payload).unwrap().readings.len();
    actions
        .iter()
        .filter_map(|action| match action {
            Action::Publish { token, payload } => Some((*token, count(payload))),
            _ => None,
        })
        .collect()
}

/// The rows in the published messages, by their readings' numbers.
fn rows(actions: &[Action]) -> Vec<u64> {
    let mut rows = Vec::new();
    for action in actions {
        let Action::Publish { payload, .. } = action else { continue };
        rows.extend(
            latest::decode(payload).unwrap().readings.iter().map(|one| one.seq.get() / 1000),
        );
    }
    rows.dedup();
    rows
}

#[test]
fn what_is_there_goes_in_one_message_and_is_removed_when_acknowledged() {
    let mut rig = Rig::online();
    let sent = published(&rig.on(Event::Fetched(small(1..=3))));
    assert_eq!(sent.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [3]);
    let removed = rig.on(Event::Acknowledged(sent[0].0));
    let [Action::Remove { ids, readings: 3, .. }] = removed.as_slice() else {
        panic!("{removed:?}")
    };
    assert_eq!(ids.as_slice(), [1..=3]);
    assert_eq!(rig.on(Event::Acknowledged(sent[0].0)), [], "a second acknowledgement is nothing");
}

#[test]
fn small_rows_are_merged_until_a_message_is_full_and_a_full_row_goes_as_it_is() {
    let mut rig = Rig::online();
    let first = rig.on(Event::Fetched((1..=30).map(|id| chunk(id, "b", 20)).collect()));
    let payloads: Vec<usize> = first
        .iter()
        .filter_map(|action| match action {
            Action::Publish { payload, .. } => Some(payload.len()),
            _ => None,
        })
        .collect();
    assert!(payloads.len() >= 2, "{payloads:?}");
    let (last, full) = payloads.split_last().unwrap();
    assert!(full.iter().all(|length| (4600..=5080).contains(length)), "{payloads:?}");
    assert!(*last <= 5080, "{payloads:?}");

    let mut rig = Rig::online();
    let row = full_row(9);
    let actions = rig.on(Event::Fetched(vec![row.clone()]));
    assert!(
        matches!(actions.as_slice(), [Action::Publish { payload, .. }] if *payload == row.message)
    );
}

#[test]
fn a_row_that_has_become_too_large_goes_alone_and_whole() {
    let mut rig = Rig::with(|rules| rules.filling.bytes = 1024);
    rig.connect(0);
    let actions = rig.on(Event::Fetched(vec![chunk(1, "b", 200), chunk(2, "b", 1)]));
    assert_eq!(published(&actions).iter().map(|(_, count)| *count).collect::<Vec<_>>(), [200, 1]);
}

#[test]
fn full_messages_go_at_once_up_to_the_window_and_each_acknowledgement_lets_one_follow() {
    let mut rig = Rig::online();
    let limit = ChunkId::try_from(FETCH).unwrap();
    let actions = rig.on(Event::Fetched(full(1..=limit)));
    let sent = published(&actions);
    assert_eq!(sent.len(), WINDOW);
    assert_eq!(actions.last(), Some(&Action::Fetch { after: limit, limit: FETCH }));
    assert_eq!(published(&rig.on(Event::Fetched(full(limit + 1..=2 * limit)))), []);
    assert_eq!(published(&rig.on(Event::Acknowledged(sent[5].0))).len(), 1);
}

#[test]
fn an_acknowledgement_that_does_not_come_ends_the_connection_and_everything_is_sent_again() {
    let mut rig = Rig::online();
    rig.on(Event::Drain);
    let sent = published(&rig.on(Event::Fetched(small(1..=3))));
    assert_eq!(sent.len(), 1);
    assert_eq!(rig.core.wake_at(), Some(rig.now + ACK));
    let actions = rig.after(ACK, Event::Tick);
    assert!(matches!(actions.as_slice(), [Action::Abandon(_)]), "{actions:?}");
    assert_eq!(rig.on(Event::Acknowledged(sent[0].0)), [], "too late: its connection is gone");
    assert_eq!(rig.connect(0), [FIRST]);
    let again = published(&rig.on(Event::Fetched(small(1..=3))));
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].0, sent[0].0, "no token is used twice");
}

#[test]
fn a_lost_connection_is_tried_again_within_the_backoffs_window() {
    let mut rig = Rig::with(|_| {});
    for ceiling in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(rig.on(Event::Tick), [Action::Connect]);
        assert_eq!(rig.on(Event::Lost), []);
        let wake = rig.core.wake_at().unwrap();
        assert!(wake <= rig.now + Duration::from_secs(ceiling));
        rig.now = wake;
    }
}

#[test]
fn messages_are_of_one_boot_each() {
    let mut rig = Rig::online();
    rig.on(Event::Drain);
    let mut list = small(1..=2);
    list.extend((3..=5).map(|id| chunk(id, "c", 1)));
    let counts: Vec<usize> =
        published(&rig.on(Event::Fetched(list))).into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [2, 3]);
}

#[test]
fn rows_that_the_queue_passed_over_are_not_removed_with_their_neighbours() {
    let mut rig = Rig::online();
    rig.on(Event::Drain);
    let rows = vec![chunk(1, "b", 1), chunk(2, "b", 1), chunk(4, "b", 1)];
    let sent = published(&rig.on(Event::Fetched(rows)));
    let removed = rig.on(Event::Acknowledged(sent[0].0));
    let [Action::Remove { ids, .. }] = removed.as_slice() else { panic!("{removed:?}") };
    assert_eq!(ids.as_slice(), [1..=2, 4..=4]);
}

#[test]
fn a_drain_ends_when_nothing_is_left() {
    let mut rig = Rig::online();
    assert!(!rig.core.is_drained());
    rig.on(Event::Drain);
    let sent = published(&rig.on(Event::Fetched(small(1..=3))));
    rig.on(Event::Fetched(Vec::new()));
    assert!(!rig.core.is_drained());
    rig.on(Event::Acknowledged(sent[0].0));
    assert!(rig.core.is_drained());
}

#[test]
fn a_drain_looks_once_more_because_the_news_of_the_last_commit_may_come_after_it() {
    let mut rig = Rig::online();
    rig.on(Event::Fetched(Vec::new()));
    assert_eq!(rig.on(Event::Drain), [FIRST]);
    assert!(!rig.core.is_drained());
    let sent = published(&rig.on(Event::Fetched(small(1..=2))));
    assert_eq!(sent.len(), 1);
    rig.on(Event::Acknowledged(sent[0].0));
    assert!(rig.core.is_drained());
}

#[test]
fn a_commit_during_a_fetch_is_followed_by_another_fetch() {
    let mut rig = Rig::online();
    assert_eq!(rig.on(Event::News), [], "one fetch at a time");
    let after = Action::Fetch { after: 2, limit: FETCH };
    assert_eq!(rig.on(Event::Fetched(small(1..=2))).last(), Some(&after));
    assert_eq!(rig.on(Event::Fetched(Vec::new())), [], "and then the queue is empty");
}

#[test]
fn fresh_readings_go_before_a_backlog_and_both_arrive() {
    let mut rig = Rig::with(|rules| rules.fresh_first = true);
    let limit = ChunkId::try_from(FETCH).unwrap();
    // What waited ends with row 100; the fresh lane is looked at first and has nothing.
    assert_eq!(rig.connect(100), [Action::Fetch { after: 100, limit: FETCH }]);
    assert_eq!(rig.on(Event::Fetched(Vec::new())), [FIRST]);
    let actions = rig.on(Event::Fetched(full(1..=limit)));
    let sent = published(&actions);
    assert_eq!(rows(&actions), (1..=WINDOW as u64).collect::<Vec<_>>());
    // Now a fresh row comes: it takes the next place in the window.
    rig.on(Event::News);
    rig.on(Event::Fetched(full(limit + 1..=100)));
    let fresh = rig.on(Event::Fetched(full(101..=101)));
    assert_eq!(published(&fresh), []);
    let next = rig.on(Event::Acknowledged(sent[0].0));
    assert_eq!(rows(&next), [101]);
    // And then the backlog goes on, without waiting for its age.
    let next = rig.on(Event::Acknowledged(sent[1].0));
    assert_eq!(rows(&next), [WINDOW as u64 + 1]);
}

#[test]
fn messages_are_spaced_by_the_rate_and_silence_halves_it() {
    let mut rig = Rig::with(|rules| rules.max_rate = 4);
    rig.connect(0);
    let mut sent = published(&rig.on(Event::Fetched(full(1..=20))));
    assert_eq!(sent.len(), 1);
    for _ in 0..4 {
        rig.now = rig.core.wake_at().unwrap();
        let more = published(&rig.on(Event::Tick));
        assert_eq!(more.len(), 1, "woken when the next may go");
        sent.extend(more);
    }
    let begun = rig.now;
    let actions = rig.after(ACK, Event::Tick);
    assert!(matches!(actions.as_slice(), [Action::Abandon(_)]));
    rig.connect(0);
    rig.on(Event::Fetched(full(1..=20)));
    let before = rig.now;
    rig.now = rig.core.wake_at().unwrap();
    assert!(rig.now - before > Duration::from_millis(250), "slower than 4 a second");
    assert!(before > begun);
}

/// Runs connections on which the broker acknowledges everything but closes at one row; says which
/// rows were acknowledged and which were buried.
fn with_poison(poison: u64, alone: bool) -> (Vec<ChunkId>, Vec<ChunkId>, u32) {
    let mut rig = Rig::with(|_| {});
    let mut left: Vec<Chunk> = if alone { full(7..=7) } else { full(1..=10) };
    let (mut removed, mut buried, mut connections) = (Vec::new(), Vec::new(), 0);
    while connections < 30 && !left.is_empty() {
        rig.connect(0);
        connections += 1;
        let mut actions = rig.on(Event::Fetched(left.clone()));
        'connection: while !actions.is_empty() {
            let mut next = Vec::new();
            for action in std::mem::take(&mut actions) {
                match action {
                    Action::Publish { token, payload } => {
                        if rows(&[Action::Publish { token, payload }]) == [poison] {
                            next = rig.on(Event::Lost);
                            break;
                        }
                        next.extend(rig.on(Event::Acknowledged(token)));
                    }
                    Action::Remove { ids, .. } => {
                        let ids: Vec<ChunkId> = ids.into_iter().flatten().collect();
                        left.retain(|chunk| !ids.contains(&chunk.id));
                        removed.extend(ids);
                    }
                    Action::Bury { ids } => {
                        let ids: Vec<ChunkId> = ids.into_iter().flatten().collect();
                        left.retain(|chunk| !ids.contains(&chunk.id));
                        buried.extend(ids);
                        break 'connection;
                    }
                    Action::Fetch { .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            actions = next;
        }
    }
    (removed, buried, connections)
}

#[test]
fn a_message_that_breaks_every_connection_is_found_and_given_up_and_no_other() {
    let (mut removed, buried, connections) = with_poison(7, false);
    removed.sort_unstable();
    assert_eq!(buried, [7]);
    assert_eq!(removed, [1, 2, 3, 4, 5, 6, 8, 9, 10]);
    assert!(connections >= SUSPECT + POISON);
}

#[test]
fn a_lonely_message_on_a_bad_network_is_never_given_up() {
    let (removed, buried, connections) = with_poison(7, true);
    assert_eq!((removed, buried, connections), (Vec::new(), Vec::new(), 30));
}

#[test]
fn a_proven_poison_is_given_up() {
    let mut rig = Rig::with(|_| {});
    let mut id = 100;
    let mut connections = 0;
    let buried = loop {
        rig.connect(0);
        connections += 1;
        assert!(connections <= SUSPECT + POISON + 1, "never given up");
        // Each connection has a new row beside the poison (row 7).
        id += 1;
        let actions = rig.on(Event::Fetched(vec![full_row(7), full_row(id)]));
        let mut next: Vec<Action> = Vec::new();
        for action in actions {
            if let Action::Publish { token, .. } = &action
                && rows(std::slice::from_ref(&action)) != [7]
            {
                next.extend(rig.on(Event::Acknowledged(*token)));
            }
        }
        if connections > SUSPECT {
            assert_eq!(rows(&next), [7], "alone, when the other has shown that all is well");
        }
        let ended = rig.on(Event::Lost);
        if let [Action::Bury { ids }] = ended.as_slice() {
            break ids.clone();
        }
        assert_eq!(ended, []);
    };
    assert_eq!(buried, [7..=7]);
    assert_eq!(connections, SUSPECT + POISON);
}
