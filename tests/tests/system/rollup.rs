//! What is shown of a long time is what the readings come to: before the job has run, after it, with
//! what came late, twice or in the wrong order, in both layouts.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tidings::dynamo::{Series, SeriesQuery, StoredReading};
use tidings_ingest::config::{Layout, Rules};
use tidings_ingest::job::JobSummary;
use tidings_ingest::rollup::{self, Archive as _, DAY_MS, HOUR_MS, Level, begin};
use tidings_ingest::store::DynamoStore;
use tidings_ingest::{Envelope, Ingest};
use tidings_schema::{DeviceId, SensorId, UnixMillis};
use tidings_tests::Rig;
use tokio::time::Instant;

fn names() -> (DeviceId, SensorId) {
    ("pi-1".try_into().unwrap(), "s".try_into().unwrap())
}

fn at(ms: i64) -> UnixMillis {
    UnixMillis::new(ms).unwrap()
}

/// The event of a message with these readings: offsets from `t0`, numbers and values.
fn event(t0: i64, rows: impl Iterator<Item = (i64, i64)>, received_at: i64) -> String {
    let rows: Vec<_> = rows.map(|(ms, seq)| json!([ms, seq, (seq % 100) as f64 / 4.0])).collect();
    let payload = json!({"v": 1, "device": "pi-1", "boot": "b", "t0": t0, "series": [
        {"sensor": "s", "fields": [["temperature", "Cel"]], "rows": rows,
         "faults": [[1, 900_000 + t0 % 1000, "timeout"]]}]});
    json!({"payload": Envelope::encode_payload(payload.to_string().as_bytes()),
           "topic": "sensors/pi-1/readings", "client_id": "pi-1", "received_at": received_at,
           "envelope": 1})
    .to_string()
}

async fn ingest(function: &Ingest<DynamoStore>, event: &str) {
    let (answer, _) = function.handle(event, SystemTime::UNIX_EPOCH).await;
    answer.unwrap();
}

async fn sum_up(rig: &Rig, now: i64) -> JobSummary {
    let until = Instant::now() + Duration::from_secs(60);
    let retention = Rules::default().retention;
    rollup::run(&rig.database.store(), retention, at(now), until).await.unwrap()
}

/// A series and the readings that it should be of.
async fn look(rig: &Rig, from: i64, to: i64) -> Series {
    let (device, sensor) = names();
    let query = SeriesQuery { device, sensor, from: at(from), to: at(to), points: 100_000 };
    rig.database.series(&query).await.unwrap()
}

/// Number, least, mean and greatest of each stretch, and faults, by what stands in the table.
fn expected(readings: &[StoredReading], step: i64) -> Vec<(i64, u64, f64, f64, f64, u64)> {
    let mut stretches: Vec<i64> = readings.iter().map(|one| one.at.get() / step * step).collect();
    stretches.dedup();
    let of = |begins: i64| {
        let those: Vec<_> =
            readings.iter().filter(|one| one.at.get() / step * step == begins).collect();
        let values: Vec<f64> =
            those.iter().filter_map(|one| one.values.get("temperature")).copied().collect();
        let faults = those.iter().filter(|one| one.fault.is_some()).count() as u64;
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let (min, max) = (
            values.iter().copied().fold(f64::MAX, f64::min),
            values.iter().copied().fold(f64::MIN, f64::max),
        );
        (begins, values.len() as u64, min, mean, max, faults)
    };
    stretches.into_iter().map(of).collect()
}

async fn is_exact(rig: &Rig, from: i64, to: i64, step: i64, when: &str) {
    let series = look(rig, from, to).await;
    let readings = rig.stored("pi-1", "s").await;
    let expected = expected(&readings, step);
    assert_eq!(series.incomplete, None, "{when}");
    assert_eq!(series.step_ms, step, "{when}");
    assert_eq!(series.readings, readings.len() as u64, "{when}");
    let line = &series.lines["temperature"];
    assert_eq!(series.at.len(), expected.len(), "{when}");
    for (index, (begins, n, min, mean, max, faults)) in expected.into_iter().enumerate() {
        assert_eq!(series.at[index], begins, "{when}");
        assert_eq!(line.count[index], n, "{when} {begins}");
        assert_eq!((line.min[index], line.max[index]), (Some(min), Some(max)), "{when} {begins}");
        let found = line.mean[index].unwrap();
        assert!((found - mean).abs() < 1e-6, "{when}: {found} {mean}");
        let told: u64 =
            series.faults.iter().filter(|one| one.at == begins).map(|one| one.times).sum();
        assert_eq!(told, faults, "{when} {begins}");
    }
}

async fn check(layout: Layout) {
    let rig = Rig::start().await;
    let function = Ingest::new(rig.database.store(), Rules { layout, ..Rules::default() });
    let now = tidings_agent::clock::now().get();
    // Four hours of a reading each 20 s, over the end of a day, in messages of 40.
    let midnight = begin(at(now), DAY_MS).get() - DAY_MS;
    let start = midnight - 2 * HOUR_MS;
    let messages: Vec<String> = (0..18)
        .map(|message| {
            let first = message * 40;
            let rows = (0..40).map(move |row| (row * 20_000, first + row));
            event(start + first * 20_000, rows, now)
        })
        .collect();
    // The backlog comes newest first, one message is missing, and some come twice.
    for (number, message) in messages.iter().enumerate().rev().filter(|(number, _)| *number != 7) {
        ingest(&function, message).await;
        if number % 3 == 0 {
            ingest(&function, message).await;
        }
    }
    let (from, to) = (start, start + 4 * HOUR_MS);
    let part = rollup::PART_MS;
    is_exact(&rig, from, to, part, "nothing is summed up").await;

    // Too early: who relies on what was said may still be writing.
    let early = sum_up(&rig, now + 60_000).await;
    assert_eq!((early.hours, early.left), (0, 0));
    assert_eq!(early.waiting, 4);
    let later = now + 40 * 60_000;
    let done = sum_up(&rig, later).await;
    assert_eq!(done, JobSummary { hours: 4, days: 2, waiting: 0, left: 0 });
    is_exact(&rig, from, to, part, "summed up").await;
    assert_eq!(sum_up(&rig, later).await, JobSummary::default());

    // What came late is there at once, and again after the job; so is what another function writes
    // that has said nothing yet.
    let other = Ingest::new(rig.database.store(), Rules { layout, ..Rules::default() });
    ingest(&other, &messages[7]).await;
    is_exact(&rig, from, to, part, "one came late").await;
    let (device, sensor) = names();
    let hours = rig.database.store();
    let hours = hours.rollups(Level::Hour, &device, &sensor, at(from), at(to)).await.unwrap();
    let before: u64 = hours.iter().map(|hour| hour.whole.readings).sum();
    assert!(before < 720 + 18, "the rollup of the hour does not know it yet");
    let done = sum_up(&rig, later).await;
    assert!((1..=2).contains(&done.hours) && done.left == 0, "{done:?}");
    is_exact(&rig, from, to, part, "summed up again").await;

    // By hours and by days.
    let stored = rig.stored("pi-1", "s").await;
    for (span, step) in [(30, HOUR_MS), (300, DAY_MS)] {
        let series = look(&rig, to - span * DAY_MS, to).await;
        assert_eq!((series.step_ms, series.readings), (step, stored.len() as u64));
        assert_eq!(series.at.len(), expected(&stored, step).len());
        assert_eq!(series.lines["temperature"].count.iter().sum::<u64>(), 720);
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_those_of_the_readings_whatever_comes_late_or_twice() {
    check(Layout::Each).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_those_of_packed_readings_too() {
    check(Layout::Packed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_again_while_it_is_summed_up_stays_due() {
    let rig = Rig::start().await;
    let function = Ingest::new(rig.database.store(), Rules::default());
    let now = tidings_agent::clock::now().get();
    ingest(&function, &event(now - 3 * HOUR_MS, [(0, 1)].into_iter(), now)).await;
    let store = rig.database.store();
    let dues = store.dues().await.unwrap();
    assert_eq!(dues.len(), 1);
    // Another function says it again, later.
    let mut again = dues[0].clone();
    again.marked_at = again.marked_at.offset(1).unwrap();
    let put =
        tidings_ingest::item::Put { origin: None, item: tidings_ingest::item::Item::Due(again) };
    let until = Instant::now() + Duration::from_secs(10);
    assert!(tidings_ingest::writer::write(&store, vec![put], until).await.left.is_empty());
    store.settle(&dues[0]).await.unwrap();
    let left = store.dues().await.unwrap();
    assert_eq!(left.len(), 1);
    store.settle(&left[0]).await.unwrap();
    store.settle(&left[0]).await.unwrap();
    assert_eq!(store.dues().await.unwrap(), []);
    rig.stop().await;
}
