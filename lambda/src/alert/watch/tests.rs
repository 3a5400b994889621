//! Alerts against a table and a listener that fail, with paused time.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::super::fake::{Listener, Table};
use super::super::{Limits, TAKEN_MS};
use super::*;

const T0: i64 = 1_795_572_645_000;

fn at(seconds: i64) -> UnixMillis {
    UnixMillis::new(T0 + seconds * 1000).unwrap()
}

fn samples(values: &[(i64, f64)]) -> Vec<Sample> {
    let limits = Limits { above: Some(35.0), below: None, clear: None };
    let sample = |(seconds, value): &(i64, f64)| Sample {
        device: "pi-1".try_into().unwrap(),
        name: "s.temperature".to_owned(),
        at: at(*seconds),
        value: *value,
        unit: None,
        limits,
    };
    values.iter().map(sample).collect()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(28)
}

/// A table in which it is said what `samples` are about.
fn table() -> Table {
    let table = Table::default();
    table.say("pi-1", json!({"alerts": {"temperature": {"above": 35}}}));
    table
}

async fn look(table: &Table, listener: &Listener, values: &[(i64, f64)]) -> Alerted {
    watch(table, listener, samples(values), || at(100), soon()).await
}

const RAISED: Alerted = Alerted { raised: 1, cleared: 0, failures: 0 };
const NOTHING: Alerted = Alerted { raised: 0, cleared: 0, failures: 0 };

#[tokio::test(start_paused = true)]
async fn the_same_message_any_number_of_times_is_told_once() {
    let (table, listener) = (table(), Listener::default());
    assert_eq!(look(&table, &listener, &[(1, 36.0)]).await, RAISED);
    for _ in 0..3 {
        assert_eq!(look(&table, &listener, &[(1, 36.0)]).await, NOTHING);
    }
    assert_eq!(listener.told(), ["+s.temperature"]);
    assert_eq!(table.record("pi-1").untold, []);
    let writes = table.writes.load(Ordering::Relaxed);
    assert_eq!(writes, 2, "the transition and the mark");
    look(&table, &listener, &[(2, 37.0), (3, 36.0)]).await;
    assert_eq!(table.writes.load(Ordering::Relaxed), writes, "nothing changes, nothing is written");
    let cleared = look(&table, &listener, &[(4, 30.0)]).await;
    assert_eq!(cleared, Alerted { cleared: 1, ..NOTHING });
    assert_eq!(listener.told(), ["+s.temperature", "-s.temperature"]);
    let notes = listener.notes.lock().unwrap();
    assert_eq!(notes[0].id, format!("pi-1#s.temperature#{}#raised", T0 + 1000));
    assert_ne!(notes[0].id, notes[1].id);
}

#[tokio::test(start_paused = true)]
async fn a_lost_race_is_run_again_and_told_once() {
    let (table, listener) = (table(), Listener::default());
    table.losing.store(3, Ordering::Relaxed);
    assert_eq!(look(&table, &listener, &[(1, 36.0)]).await, RAISED);
    assert_eq!(listener.told(), ["+s.temperature"]);
    // Between the transition and the mark.
    assert_eq!(table.record("pi-1").untold, []);
    table.losing.store(usize::MAX, Ordering::Relaxed);
    let lost = look(&table, &listener, &[(2, 30.0)]).await;
    assert_eq!(lost, Alerted { failures: 1, ..NOTHING }, "not for ever");
    assert_eq!(listener.told().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_two_invocations_at_once_one_makes_the_transition() {
    let (table, listener) = (table(), Listener::default());
    let values = [(1, 36.0)];
    let (one, two) =
        tokio::join!(look(&table, &listener, &values), look(&table, &listener, &values));
    assert_eq!(one.raised + two.raised, 1);
    assert_eq!(listener.told(), ["+s.temperature"]);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_was_told_of_is_told_by_the_tick_once() {
    let (table, listener) = (table(), Listener::default());
    listener.deaf.store(1, Ordering::Relaxed);
    let found = look(&table, &listener, &[(1, 36.0)]).await;
    assert_eq!(found, Alerted { raised: 1, cleared: 0, failures: 1 });
    let minute = at(100 + TAKEN_MS / 1000);
    assert_eq!(tick(&table, &listener, || minute, soon()).await, NOTHING, "too early");
    assert_eq!(listener.told(), [] as [&str; 0]);
    let later = minute.offset(1000).unwrap();
    let (one, two) = tokio::join!(
        tick(&table, &listener, || later, soon()),
        tick(&table, &listener, || later, soon())
    );
    assert_eq!((one, two), (NOTHING, NOTHING));
    assert_eq!(listener.told(), ["+s.temperature"]);
    assert_eq!(table.record("pi-1").untold, []);
    tick(&table, &listener, || at(9999), soon()).await;
    assert_eq!(listener.told().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mark_that_fails_is_the_one_way_to_be_told_twice_and_both_bear_one_id() {
    let (table, listener) = (table(), Listener::default());
    let samples = samples(&[(1, 36.0)]);
    let record = evaluate(&Record::default(), &samples, at(1)).unwrap().next;
    // As a process that ended after it had told.
    table.records.lock().unwrap().insert("pi-1".try_into().unwrap(), record.clone());
    let told = Note::new(&"pi-1".try_into().unwrap(), &record.untold[0]);
    tick(&table, &listener, || at(200), soon()).await;
    assert_eq!(*listener.notes.lock().unwrap(), [told]);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_for_now_is_tried_again_and_one_that_fails_is_counted() {
    let (table, listener) = (table(), Listener::default());
    table.failing.store(2, Ordering::Relaxed);
    assert_eq!(look(&table, &listener, &[(1, 36.0)]).await, RAISED);
    table.failing.store(usize::MAX, Ordering::Relaxed);
    let failed = Alerted { failures: 1, ..NOTHING };
    assert_eq!(look(&table, &listener, &[(2, 30.0)]).await, failed);
    assert_eq!(tick(&table, &listener, || at(200), soon()).await, failed);
    table.failing.store(0, Ordering::Relaxed);
    // The level is still there: the next reading says it.
    let cleared = look(&table, &listener, &[(3, 31.0)]).await;
    assert_eq!(cleared, Alerted { cleared: 1, ..NOTHING });
}

#[tokio::test(start_paused = true)]
async fn silence_is_told_when_it_begins_and_when_it_ends() {
    let (table, listener) = (table(), Listener::default());
    let device = DeviceId::try_from("pi-1").unwrap();
    table.say("pi-1", json!({"silence": "10m"}));
    table.say("pi-2", json!({"silence": "10m"}));
    table.say("pi-3", json!({"site": "north"}));
    table.heard.lock().unwrap().insert(device.clone(), at(0));
    assert_eq!(
        tick(&table, &listener, || at(660), soon()).await,
        NOTHING,
        "the table may be a minute behind"
    );
    assert_eq!(tick(&table, &listener, || at(900), soon()).await, RAISED);
    assert_eq!(tick(&table, &listener, || at(1200), soon()).await, NOTHING);
    table.heard.lock().unwrap().insert(device, at(1300));
    let cleared = Alerted { cleared: 1, ..NOTHING };
    assert_eq!(tick(&table, &listener, || at(1500), soon()).await, cleared);
    assert_eq!(listener.told(), ["+silence", "-silence"]);
    assert_eq!(listener.notes.lock().unwrap()[1].subject, "Tidings: pi-1 is heard again");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_begun_that_the_deadline_leaves_no_time_for() {
    let (table, listener) = (table(), Listener::default());
    let late = watch(&table, &listener, samples(&[(1, 36.0)]), || at(100), Instant::now()).await;
    assert!(late.failures <= 1 && late.raised <= 1);
    // Whatever came of it, the tick or the next reading finishes it.
    tick(&table, &listener, || at(300), soon()).await;
    look(&table, &listener, &[(2, 36.0)]).await;
    assert_eq!(listener.told(), ["+s.temperature"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_functions_one_of_which_knows_old_limits_neither_undoes_what_the_other_says() {
    let (table, listener) = (table(), Listener::default());
    assert_eq!(look(&table, &listener, &[(1, 37.0)]).await, RAISED);
    // Now 40 is the limit. A function that knows it clears; those that do not know it yet go on with 35.
    table.say("pi-1", json!({"alerts": {"temperature": {"above": 40}}}));
    let limits = Limits { above: Some(40.0), below: None, clear: None };
    let new = samples(&[(2, 37.0)]).into_iter().map(|sample| Sample { limits, ..sample }).collect();
    let cleared = watch(&table, &listener, new, || at(100), soon()).await;
    assert_eq!(cleared, Alerted { cleared: 1, ..NOTHING });
    for seconds in 3..6 {
        assert_eq!(look(&table, &listener, &[(seconds, 37.0)]).await, NOTHING);
    }
    assert_eq!(look(&table, &listener, &[(7, 41.0)]).await, RAISED, "by what is said now");
    table.say("pi-1", json!({}));
    assert_eq!(look(&table, &listener, &[(8, 30.0)]).await, NOTHING, "nobody asks any more");
}
