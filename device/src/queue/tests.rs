//! The queue against a plain list, its lock, its limit, and what it says of damage.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tidings_schema::measurement::Measurements;
use tidings_schema::{
    BootId, Fault, Measurement, Outcome, Quantity, SensorId, Unit, UnixMillis, Value,
};

use super::store::Store;
use super::*;
use crate::config::QueueConfig;
use crate::status::Counters;

const ROOMY: u64 = 1 << 30;

fn sample(sensor: &str, at: i64, value: f64) -> Sample {
    let one = Measurement {
        quantity: Quantity::try_from("temperature").unwrap(),
        unit: Unit::try_from("Cel").unwrap(),
        value: Value::new(value).unwrap(),
    };
    Sample {
        sensor: SensorId::try_from(sensor).unwrap(),
        at: UnixMillis::new(at).unwrap(),
        outcome: Outcome::Measured(Measurements::new(vec![one]).unwrap()),
    }
}

fn boot(name: &str) -> BootId {
    BootId::try_from(name).unwrap()
}

fn open(path: &Path, name: &str) -> (Store, Boot) {
    let mut store = Store::open(path, ROOMY).unwrap();
    let boot = store.begin_boot(&boot(name)).unwrap();
    (store, boot)
}

#[test]
fn sequence_numbers_count_per_sensor_and_begin_anew_with_each_boot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("deep/er/queue.db");
    for name in ["one", "two"] {
        let (mut store, boot) = open(&path, name);
        let samples = [sample("a", 1, 0.1), sample("b", 2, 1e-7), sample("a", 3, -5.0)];
        store.commit(&boot, &samples, &[]).unwrap();
    }
    let inspection = inspect(&path).unwrap();
    let seen: Vec<(&str, &str, u64)> = inspection
        .waiting
        .iter()
        .map(|one| (one.boot.as_str(), one.reading.sensor.as_str(), one.reading.seq.get()))
        .collect();
    assert_eq!(
        seen,
        [
            ("one", "a", 0),
            ("one", "b", 0),
            ("one", "a", 1),
            ("two", "a", 0),
            ("two", "b", 0),
            ("two", "a", 1)
        ]
    );
    let accepted: Vec<(&str, &str, u64, i64)> = inspection
        .accepted
        .iter()
        .map(|one| (one.boot.as_str(), one.sensor.as_str(), one.count, one.first_at.get()))
        .collect();
    assert_eq!(
        accepted,
        [("one", "a", 2, 1), ("one", "b", 1, 2), ("two", "a", 2, 1), ("two", "b", 1, 2)]
    );
}

#[test]
fn a_queue_that_another_has_open_is_refused_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let (_store, _boot) = open(&path, "one");
    let error = Store::open(&path, ROOMY).unwrap_err();
    assert!(matches!(error, QueueError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("queue.db"), "{error}");
}

#[test]
fn a_queue_of_a_later_layout_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version=7").unwrap();
    assert!(matches!(Store::open(&path, ROOMY), Err(QueueError::Layout { found: 7, .. })));
}

#[test]
fn boots_without_readings_are_forgotten_after_a_thousand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let (mut store, first) = open(&path, "first");
    store.commit(&first, &[sample("a", 1, 1.0)], &[]).unwrap();
    let second = store.begin_boot(&boot("second")).unwrap();
    store.commit(&second, &[sample("a", 1, 1.0)], &[]).unwrap();
    let id = store.fetch(1, 1).unwrap().records[0].id;
    store.commit(&second, &[], &[id..=id]).unwrap();
    for _ in 0..1001 {
        store.begin_boot(&boot("later")).unwrap();
    }
    drop(store);
    let names: Vec<String> =
        inspect(&path).unwrap().accepted.iter().map(|one| one.boot.to_string()).collect();
    assert_eq!(names, ["first"], "the one whose reading waits is kept");
}

#[derive(Debug, Clone)]
enum Step {
    Commit { samples: Vec<(u8, i64)>, remove: Vec<prop::sample::Index> },
    Reopen,
}

fn any_step() -> impl Strategy<Value = Step> {
    let samples = prop::collection::vec((0..3_u8, 0..1000_i64), 0..6);
    let remove = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    prop_oneof![
        5 => (samples, remove).prop_map(|(samples, remove)| Step::Commit { samples, remove }),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn the_queue_is_a_list_that_survives(steps in prop::collection::vec(any_step(), 1..25)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queue.db");
        let (mut store, mut boot) = open(&path, "b0");
        let mut model: Vec<(String, Sample)> = Vec::new();
        let mut boots = 0;
        for step in steps {
            match step {
                Step::Reopen => {
                    drop(store);
                    boots += 1;
                    (store, boot) = open(&path, &format!("b{boots}"));
                }
                Step::Commit { samples, remove } => {
                    let records = store.fetch(0, usize::MAX).unwrap().records;
                    let mut places: Vec<usize> = match records.len() {
                        0 => Vec::new(),
                        length => remove.iter().map(|index| index.index(length)).collect(),
                    };
                    places.sort_unstable();
                    places.dedup();
                    let ids: Vec<_> = places.iter().map(|place| records[*place].id..=records[*place].id).collect();
                    let samples: Vec<Sample> = samples
                        .iter()
                        .map(|(sensor, at)| sample(&format!("s{sensor}"), *at, 1.5))
                        .collect();
                    store.commit(&boot, &samples, &ids).unwrap();
                    for place in places.into_iter().rev() {
                        model.remove(place);
                    }
                    model.extend(samples.into_iter().map(|one| (format!("b{boots}"), one)));
                }
            }
            let records = store.fetch(0, usize::MAX).unwrap().records;
            let seen: Vec<(String, Sample)> = records
                .into_iter()
                .map(|one| {
                    let Reading { sensor, at, outcome, .. } = one.reading;
                    (one.boot.to_string(), Sample { sensor, at, outcome })
                })
                .collect();
            prop_assert_eq!(&seen, &model);
            prop_assert_eq!(store.waiting().unwrap(), model.len() as u64);
        }
    }
}

use tidings_schema::Reading;

fn config(path: &Path, max_bytes: u64) -> QueueConfig {
    // Only a flush or a full group commits in these tests.
    QueueConfig { path: path.to_owned(), max_bytes, commit: Duration::from_secs(3600) }
}

#[tokio::test]
async fn a_full_queue_refuses_counts_and_takes_again_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let counters = Arc::new(Counters::default());
    let (queue, owner) =
        Queue::open(&config(&path, 256 * 1024), &boot("one"), counters.clone()).unwrap();
    let mut sent = 0;
    while counters.look().refused == 0 {
        for _ in 0..100 {
            queue.append(sample("a", sent, 1.0)).await.unwrap();
            sent += 1;
        }
        queue.flush().await.unwrap();
    }
    let full = counters.look();
    assert_eq!(full.accepted + full.refused, sent.unsigned_abs());
    assert_eq!(full.waiting, full.accepted);

    let records = queue.fetch(0, usize::MAX).await.unwrap();
    assert_eq!(records.len() as u64, full.accepted);
    let (first, last) = (records[0].id, records[records.len() - 1].id);
    queue.remove(vec![first..=last]).await.unwrap();
    queue.append(sample("a", sent, 1.0)).await.unwrap();
    queue.flush().await.unwrap();
    let after = counters.look();
    assert_eq!((after.waiting, after.accepted), (1, full.accepted + 1));
    drop(queue);
    owner.join();
    // No gap: what was refused had no sequence number yet.
    assert_eq!(inspect(&path).unwrap().accepted[0].count, full.accepted + 1);
}

#[tokio::test]
async fn what_was_gathered_is_committed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let counters = Arc::new(Counters::default());
    let (queue, owner) = Queue::open(&config(&path, ROOMY), &boot("one"), counters).unwrap();
    queue
        .append(Sample { outcome: Outcome::Failed(Fault::Checksum), ..sample("a", 7, 1.0) })
        .await
        .unwrap();
    drop(queue);
    owner.join();
    let waiting = inspect(&path).unwrap().waiting;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].reading.outcome, Outcome::Failed(Fault::Checksum));
}

#[tokio::test]
async fn damaged_records_are_passed_over_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("queue.db");
    let (mut store, one) = open(&path, "one");
    store
        .commit(&one, &[sample("a", 1, 1.0), sample("a", 2, 2.0), sample("a", 3, 3.0)], &[])
        .unwrap();
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute("UPDATE record SET outcome = 'rubbish' WHERE id = 2", []).unwrap();
    drop(raw);
    let (queue, owner) = Queue::open(&config(&path, ROOMY), &boot("two"), Arc::default()).unwrap();
    let ids: Vec<i64> = queue.fetch(0, 10).await.unwrap().iter().map(|record| record.id).collect();
    assert_eq!(ids, [1, 3]);
    // Fewer than asked for means that the queue has no more: damage must not look like that.
    let ids: Vec<i64> = queue.fetch(1, 1).await.unwrap().iter().map(|record| record.id).collect();
    assert_eq!(ids, [3]);
    drop(queue);
    owner.join();
}
