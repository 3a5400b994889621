//! What is shown of a long time is what the readings come to: before the job has run, after it, with
//! what came late, twice or in the wrong order, in both layouts.

use std::time::{Duration, SystemTime};

use serde_json::json;
use tidings::dynamo::{Series, SeriesQuery, StoredReading};
use tidings_ingest::config::{Layout, Retention, Rules};
use tidings_ingest::item::{DueItem, Item, Put};
use tidings_ingest::job::JobSummary;
use tidings_ingest::rollup::{self, Archive, DAY_MS, Dues, HOUR_MS, Level, StoredRollup, begin};
use tidings_ingest::store::{DynamoStore, Stands, Store, StoreError};
use tidings_ingest::{Envelope, Ingest, Past};
use tidings_schema::{Content, DeviceId, SensorId, UnixMillis};
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

/// All hours that are due.
async fn dues(store: &DynamoStore) -> Vec<DueItem> {
    store.dues(UnixMillis::MAX, usize::MAX).await.unwrap().ripe
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
    let dues = dues(&store).await;
    assert_eq!(dues.len(), 1);
    // Another function says it again, later.
    let mut again = dues[0].clone();
    again.marked_at = again.marked_at.offset(1).unwrap();
    let put = Put { origin: None, item: Item::Due(again) };
    let until = Instant::now() + Duration::from_secs(10);
    assert!(tidings_ingest::writer::write(&store, vec![put], until).await.left.is_empty());
    store.settle(&dues[0]).await.unwrap();
    let left = self::dues(&store).await;
    assert_eq!(left.len(), 1);
    store.settle(&left[0]).await.unwrap();
    store.settle(&left[0]).await.unwrap();
    assert_eq!(self::dues(&store).await, []);
    rig.stop().await;
}

/// A run that has read a day's hours when another one does all of its work.
struct Overtaken {
    store: DynamoStore,
    other: tokio::sync::Mutex<Option<(Ingest<DynamoStore>, String, i64)>>,
}

impl Store for Overtaken {
    async fn write(&self, puts: &[Put]) -> Result<Vec<usize>, StoreError> {
        self.store.write(puts).await
    }

    async fn put_where(&self, item: &Item, stands: Stands) -> Result<bool, StoreError> {
        self.store.put_where(item, stands).await
    }

    async fn profiles(
        &self,
        devices: &[DeviceId],
    ) -> Result<Vec<(DeviceId, serde_json::Value)>, StoreError> {
        self.store.profiles(devices).await
    }
}

impl Archive for Overtaken {
    async fn dues(&self, marked_until: UnixMillis, limit: usize) -> Result<Dues, StoreError> {
        self.store.dues(marked_until, limit).await
    }

    async fn hour(
        &self,
        device: &DeviceId,
        sensor: &SensorId,
        hour: UnixMillis,
        each: impl FnMut(UnixMillis, &Content) + Send,
    ) -> Result<(), StoreError> {
        self.store.hour(device, sensor, hour, each).await
    }

    async fn rollups(
        &self,
        level: Level,
        device: &DeviceId,
        sensor: &SensorId,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<StoredRollup>, StoreError> {
        let read = self.store.rollups(level, device, sensor, from, to).await;
        // The day's own item is read before.
        if level == Level::Hour
            && let Some((function, message, now)) = self.other.lock().await.take()
        {
            ingest(&function, &message).await;
            let until = Instant::now() + Duration::from_secs(60);
            let retention = Rules::default().retention;
            let done = rollup::run(&self.store, retention, at(now), until).await.unwrap();
            assert_eq!((done.hours, done.days), (2, 1));
        }
        read
    }

    async fn settle(&self, due: &DueItem) -> Result<(), StoreError> {
        self.store.settle(due).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_at_once_the_last_has_the_sums_of_both() {
    let rig = Rig::start().await;
    let function = Ingest::new(rig.database.store(), Rules::default());
    let now = tidings_agent::clock::now().get();
    let midnight = begin(at(now), DAY_MS).get() - DAY_MS;
    let message = |hour: i64| {
        event(midnight + hour * HOUR_MS, (0..40).map(|row| (row * 20_000, hour * 40 + row)), now)
    };
    ingest(&function, &message(3)).await;
    let later = now + 40 * 60_000;
    let other = tokio::sync::Mutex::new(Some((function, message(5), later)));
    let overtaken = Overtaken { store: rig.database.store(), other };
    let until = Instant::now() + Duration::from_secs(60);
    let done = rollup::run(&overtaken, Rules::default().retention, at(later), until).await.unwrap();
    assert_eq!((done.hours, done.left), (1, 0));
    assert_eq!(dues(&rig.database.store()).await, []);
    let series = look(&rig, midnight - 300 * DAY_MS, midnight + DAY_MS).await;
    assert_eq!(series.step_ms, DAY_MS);
    assert_eq!(series.lines["temperature"].count.iter().sum::<u64>(), 80);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_summed_up_in_as_many_runs_as_it_takes() {
    let rig = Rig::start().await;
    let function = Ingest::new(rig.database.store(), Rules::default());
    let now = tidings_agent::clock::now().get();
    let midnight = begin(at(now), DAY_MS).get() - DAY_MS;
    for hour in 0..24 {
        let rows = (0..40).map(|row| (row * 20_000, hour * 40 + row));
        ingest(&function, &event(midnight + hour * HOUR_MS, rows, now)).await;
    }
    let store = rig.database.store();
    let (mut runs, retention) = (0, Rules::default().retention);
    while !dues(&store).await.is_empty() {
        let before = dues(&store).await.len();
        // Time for some hours alone: what is kept for the end, and a little.
        let until = Instant::now() + Duration::from_millis(5100);
        let done = rollup::run(&store, retention, at(now + 40 * 60_000), until).await.unwrap();
        assert_eq!(done.hours + done.left, before, "{done:?}");
        runs += usize::from(done.hours > 0);
    }
    assert!(runs > 0);
    let series = look(&rig, midnight - 300 * DAY_MS, midnight + DAY_MS).await;
    assert_eq!(series.lines["temperature"].count.iter().sum::<u64>(), 24 * 40);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hours_older_than_readings_are_kept_are_summed_up_once_and_keep_their_sums() {
    let rig = Rig::start().await;
    let (now, retention) = (tidings_agent::clock::now().get(), Rules::default().retention);
    let rules =
        Rules { retention: Retention { reading_days: 4000, ..retention }, ..Rules::default() };
    let function = Ingest::new(rig.database.store(), rules).of_the_past(Past::Imported);
    let old = begin(at(now), DAY_MS).get() - 700 * DAY_MS;
    ingest(&function, &event(old, (0..40).map(|row| (row * 20_000, row)), now)).await;
    // The function of the schedule keeps readings for a year.
    let done = sum_up(&rig, now + 40 * 60_000).await;
    assert_eq!((done.hours, done.days, done.left), (1, 1, 0));
    let count = async || {
        let series = look(&rig, old - 300 * DAY_MS, old + DAY_MS).await;
        series.lines["temperature"].count.iter().sum::<u64>()
    };
    assert_eq!(count().await, 40);
    // TTL takes readings while their sums stay, and then that hour is due again. It is as if there had been
    // more of them before.
    let (device, sensor) = names();
    let store = rig.database.store();
    let mut before = store.rollups(Level::Hour, &device, &sensor, at(old), at(old)).await.unwrap();
    let mut whole = before.remove(0).whole;
    whole.merge(&whole.clone());
    let item = Item::Rollup(rollup::item(Level::Hour, &device, &sensor, whole, None, 9000));
    let until = Instant::now() + Duration::from_secs(10);
    tidings_ingest::writer::write_one(&store, item, until).await.unwrap();
    let again = Ingest::new(rig.database.store(), rules).of_the_past(Past::Imported);
    ingest(&again, &event(old, (0..1).map(|row| (row * 20_000, row)), now)).await;
    let done = sum_up(&rig, now + 40 * 60_000).await;
    assert_eq!((done.hours, done.left), (1, 0));
    assert_eq!(count().await, 80);
    rig.stop().await;
}
