//! The rules of the uplink, driven with a time of their own.

use std::time::Duration;

use tidings_schema::measurement::Measurements;
use tidings_schema::wire::latest;
use tidings_schema::{
    BootId, DeviceId, Measurement, Outcome, Quantity, Reading, SensorId, Seq, Unit, UnixMillis,
    Value,
};
use tokio::time::Instant;

use super::core::{Action, Core, Event, FETCH, Token, WINDOW};
use crate::config::BatchConfig;
use crate::queue::{Record, RecordId};

const AGE: Duration = Duration::from_secs(5);
const ACK: Duration = Duration::from_secs(30);

fn record(id: RecordId, boot: &str) -> Record {
    let one = Measurement {
        quantity: Quantity::try_from("temperature").unwrap(),
        unit: Unit::try_from("Cel").unwrap(),
        value: Value::new(21.5).unwrap(),
    };
    let reading = Reading {
        sensor: SensorId::try_from("s").unwrap(),
        at: UnixMillis::new(1_795_456_115_802 + id * 1000).unwrap(),
        seq: Seq::try_from(id.unsigned_abs()).unwrap(),
        outcome: Outcome::Measured(Measurements::new(vec![one]).unwrap()),
    };
    Record { id, boot: BootId::try_from(boot).unwrap(), reading }
}

fn records(ids: std::ops::RangeInclusive<RecordId>) -> Vec<Record> {
    ids.map(|id| record(id, "b")).collect()
}

struct Rig {
    core: Core,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        let now = Instant::now();
        let device = DeviceId::try_from("pi-1").unwrap();
        let batch = BatchConfig { bytes: 5120, age: AGE };
        Self { core: Core::new(device, 40, batch, ACK, 7, now), now }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        self.core.on(self.now, event)
    }

    fn after(&mut self, time: Duration, event: Event) -> Vec<Action> {
        self.now += time;
        self.on(event)
    }

    /// Connected, with the first fetch under way.
    fn online() -> Self {
        let mut rig = Self::new();
        assert_eq!(rig.on(Event::Tick), [Action::Connect]);
        assert_eq!(rig.on(Event::Connected), [Action::Fetch { after: 0, limit: FETCH }]);
        rig
    }
}

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

#[test]
fn a_few_records_wait_for_company_until_their_age_and_are_removed_when_acknowledged() {
    let mut rig = Rig::online();
    assert_eq!(rig.on(Event::Fetched(records(1..=3))), []);
    assert_eq!(rig.core.wake_at(), Some(rig.now + AGE));
    let actions = rig.after(AGE, Event::Tick);
    let sent = published(&actions);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].1, 3);
    let removed = rig.on(Event::Acknowledged(sent[0].0));
    let [Action::Remove { ids, records: 3, .. }] = removed.as_slice() else {
        panic!("{removed:?}")
    };
    assert_eq!(ids.as_slice(), [1..=3]);
    assert_eq!(rig.on(Event::Acknowledged(sent[0].0)), [], "a second acknowledgement is nothing");
}

#[test]
fn full_messages_go_at_once_up_to_the_window_and_each_acknowledgement_lets_one_follow() {
    let mut rig = Rig::online();
    let mut sent = Vec::new();
    let mut from = 1;
    let fetch = i64::try_from(FETCH).unwrap();
    let mut actions = rig.on(Event::Fetched(records(1..=fetch)));
    while sent.len() < WINDOW {
        sent.extend(published(&actions));
        from += fetch;
        assert!(
            actions.iter().any(|action| matches!(action, Action::Fetch { .. }))
                || sent.len() >= WINDOW
        );
        actions = rig.on(Event::Fetched(records(from..=from + fetch - 1)));
    }
    assert_eq!(sent.len(), WINDOW);
    assert_eq!(published(&actions), []);
    assert_eq!(published(&rig.on(Event::Acknowledged(sent[5].0))).len(), 1);
}

#[test]
fn an_acknowledgement_that_does_not_come_ends_the_connection_and_everything_is_sent_again() {
    let mut rig = Rig::online();
    rig.on(Event::Drain);
    let sent = published(&rig.on(Event::Fetched(records(1..=3))));
    assert_eq!(sent.len(), 1);
    assert_eq!(rig.core.wake_at(), Some(rig.now + ACK));
    let actions = rig.after(ACK, Event::Tick);
    assert!(matches!(actions.as_slice(), [Action::Abandon(_)]), "{actions:?}");
    assert_eq!(rig.on(Event::Acknowledged(sent[0].0)), [], "too late: its connection is gone");
    assert_eq!(rig.after(Duration::from_secs(60), Event::Tick), [Action::Connect]);
    assert_eq!(rig.on(Event::Connected), [Action::Fetch { after: 0, limit: FETCH }]);
    let again = published(&rig.on(Event::Fetched(records(1..=3))));
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].0, sent[0].0, "no token is used twice");
}

#[test]
fn a_lost_connection_is_tried_again_within_the_backoffs_window() {
    let mut rig = Rig::new();
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
    let mut list = records(1..=2);
    list.extend((3..=5).map(|id| record(id, "c")));
    let counts: Vec<usize> =
        published(&rig.on(Event::Fetched(list))).into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [2, 3]);
}

#[test]
fn records_that_the_queue_passed_over_are_not_removed_with_their_neighbours() {
    let mut rig = Rig::online();
    rig.on(Event::Drain);
    let sent =
        published(&rig.on(Event::Fetched(vec![record(1, "b"), record(2, "b"), record(4, "b")])));
    let removed = rig.on(Event::Acknowledged(sent[0].0));
    let [Action::Remove { ids, .. }] = removed.as_slice() else { panic!("{removed:?}") };
    assert_eq!(ids.as_slice(), [1..=2, 4..=4]);
}

#[test]
fn a_drain_ends_when_nothing_is_left() {
    let mut rig = Rig::online();
    assert!(!rig.core.is_drained());
    rig.on(Event::Drain);
    let sent = published(&rig.on(Event::Fetched(records(1..=3))));
    rig.on(Event::Fetched(Vec::new()));
    assert!(!rig.core.is_drained());
    rig.on(Event::Acknowledged(sent[0].0));
    assert!(rig.core.is_drained());
}

#[test]
fn a_drain_looks_once_more_because_the_news_of_the_last_commit_may_come_after_it() {
    let mut rig = Rig::online();
    rig.on(Event::Fetched(Vec::new()));
    assert_eq!(rig.on(Event::Drain), [Action::Fetch { after: 0, limit: FETCH }]);
    assert!(!rig.core.is_drained());
    let sent = published(&rig.on(Event::Fetched(records(1..=2))));
    assert_eq!(sent.len(), 1);
    rig.on(Event::Acknowledged(sent[0].0));
    assert!(rig.core.is_drained());
}

#[test]
fn a_commit_during_a_fetch_is_followed_by_another_fetch() {
    let mut rig = Rig::online();
    assert_eq!(rig.on(Event::Committed), [], "one fetch at a time");
    assert_eq!(rig.on(Event::Fetched(records(1..=2))), [Action::Fetch { after: 2, limit: FETCH }]);
    assert_eq!(rig.on(Event::Fetched(Vec::new())), [], "and then the queue is empty");
}
