//! The queue against a plain list, against its limits, against damage and against power cuts.

mod clock;
mod cuts;
mod damage;
mod full;
mod model;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidings_schema::measurement::Measurements;
use tidings_schema::wire::latest;
use tidings_schema::{
    self as schema, BootId, DeviceId, Fault, Measurement, Outcome, Quantity, Reading, SensorId,
    Unit, UnixMillis, Value,
};
use tokio::time::Instant;

use super::task::Task;
use super::*;
use crate::clock::tests::Driven;
use crate::clock::{Clock, Trust};
use crate::config::QueueConfig;
use crate::status::{Counters, Status};

const ROOMY: Limits = Limits { max_bytes: 1 << 30, when_full: WhenFull::DropOldest, max_age: None };

/// How long a sample waits for others.
const AGE: Duration = Duration::from_secs(5);

/// How long a row may be in memory alone.
const COMMIT: Duration = Duration::from_secs(3600);

fn sample(sensor: &str, at: i64) -> Sample {
    let one = Measurement {
        quantity: Quantity::try_from("temperature").unwrap(),
        unit: Unit::try_from("Cel").unwrap(),
        value: Value::new(21.5).unwrap(),
    };
    Sample {
        sensor: SensorId::try_from(sensor).unwrap(),
        at: UnixMillis::new(at).unwrap(),
        clock: schema::Clock::Set,
        outcome: Outcome::Measured(Measurements::new(vec![one]).unwrap()),
    }
}

/// What the clock says at the beginning.
const NOW: i64 = 1_795_456_115_802;

fn clock() -> Arc<Clock> {
    Arc::new(Clock::of_kernel(Trust::Always))
}

fn boot(name: &str) -> BootId {
    BootId::try_from(name).unwrap()
}

fn shape() -> Shape {
    Shape { device: DeviceId::try_from("pi-1").unwrap(), topic_len: 40, budget: 5120, age: AGE }
}

/// A queue in a folder of its own, used without its thread.
struct Bench {
    folder: TempDir,
    limits: Limits,
    counters: Arc<Counters>,
    clock: Arc<Driven>,
    task: Option<Task>,
    now: Instant,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Driven::new(1);
        clock.set(NOW, true);
        Self { folder, limits, counters: Arc::default(), clock, task: None, now: Instant::now() }
    }

    fn opened(limits: Limits) -> Self {
        let mut bench = Self::new(limits);
        bench.open("one").unwrap();
        bench
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("deep/er/queue.db")
    }

    /// Opens it anew, with new counters, as a new process would.
    fn open(&mut self, name: &str) -> Result<(), QueueError> {
        self.task = None;
        self.counters = Arc::default();
        let config = QueueConfig { path: self.path(), limits: self.limits, commit: COMMIT };
        let (boot, counters) = (boot(name), self.counters.clone());
        // A new process knows nothing of what another one knew.
        let clock = Arc::new(Clock::new(self.clock.clone(), Trust::Synchronised));
        self.task = Some(Task::open(config, shape(), &boot, clock, counters, self.now)?);
        Ok(())
    }

    fn close(&mut self) {
        self.task = None;
    }

    fn task(&mut self) -> &mut Task {
        self.task.as_mut().unwrap()
    }

    fn append(&mut self, samples: impl IntoIterator<Item = Sample>) {
        let now = self.now;
        samples.into_iter().for_each(|sample| self.task().append(sample, now));
    }

    fn commit(&mut self, samples: impl IntoIterator<Item = Sample>) {
        self.append(samples);
        let now = self.now;
        self.task().commit(now);
    }

    /// Lets time pass, and what is due happen.
    fn pass(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        self.task().tick(now);
    }

    fn remove(&mut self, ids: impl IntoIterator<Item = ChunkId>) {
        let now = self.now;
        self.task().remove(ids.into_iter().map(|id| id..=id).collect(), now);
    }

    fn rows(&mut self) -> Vec<Chunk> {
        let now = self.now;
        self.task().fetch(0, usize::MAX, now).unwrap()
    }

    /// The boots and readings that wait, in order.
    fn readings(&mut self) -> Vec<(BootId, Reading)> {
        self.rows().iter().flat_map(readings).collect()
    }

    fn status(&self) -> Status {
        self.counters.look()
    }
}

fn readings(row: &Chunk) -> Vec<(BootId, Reading)> {
    let decoded = latest::decode(&row.message).unwrap();
    assert_eq!((&decoded.boot, decoded.readings.len()), (&row.boot, row.readings));
    decoded.readings.into_iter().map(|reading| (row.boot.clone(), reading)).collect()
}

#[test]
fn sequence_numbers_count_per_sensor_and_begin_anew_with_each_boot() {
    let mut bench = Bench::new(ROOMY);
    for name in ["one", "two"] {
        bench.open(name).unwrap();
        bench.commit([sample("a", 1), sample("b", 2)]);
        bench.commit([sample("a", 3)]);
    }
    bench.close();
    let inspection = inspect(&bench.path()).unwrap();
    let seen: Vec<(&str, &str, u64)> = inspection
        .waiting
        .iter()
        .map(|one| (one.boot.as_str(), one.reading.sensor.as_str(), one.reading.seq.get()))
        .collect();
    let of = |boot| [(boot, "a", 0), (boot, "b", 0), (boot, "a", 1)];
    assert_eq!(seen, [of("one"), of("two")].concat());
    let accepted: Vec<(&str, &str, u64, i64)> = inspection
        .accepted
        .iter()
        .map(|one| (one.boot.as_str(), one.sensor.as_str(), one.count, one.first_at.get()))
        .collect();
    let of = |boot| [(boot, "a", 2, 1), (boot, "b", 1, 2)];
    assert_eq!(accepted, [of("one"), of("two")].concat());
    let summary = summarise(&bench.path()).unwrap();
    assert_eq!((summary.readings, summary.messages, summary.dead), (6, 4, 0));
}

#[test]
fn readings_are_packed_up_to_a_message() {
    let mut bench = Bench::opened(ROOMY);
    bench.commit((0..1000).map(|at| sample("a", at)));
    let rows = bench.rows();
    let full = &rows[..rows.len() - 1];
    assert!(full.iter().all(|row| (5000..=5080).contains(&row.message.len())), "{}", rows.len());
    assert_eq!(rows.iter().map(|row| row.readings).sum::<usize>(), 1000);
    assert_eq!(bench.status().waiting, 1000);
}

#[test]
fn a_queue_that_another_has_open_is_refused_with_its_path() {
    let bench = Bench::opened(ROOMY);
    let config = QueueConfig { path: bench.path(), limits: ROOMY, commit: Duration::from_secs(1) };
    let error =
        Task::open(config, shape(), &boot("two"), clock(), Arc::default(), bench.now).unwrap_err();
    assert!(matches!(error, QueueError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains("queue.db"), "{error}");
}

#[test]
fn a_queue_of_a_later_layout_is_refused_and_left_alone() {
    let mut bench = Bench::opened(ROOMY);
    bench.close();
    let raw = rusqlite::Connection::open(bench.path()).unwrap();
    raw.execute_batch("PRAGMA user_version=7").unwrap();
    drop(raw);
    assert!(matches!(bench.open("two"), Err(QueueError::Layout { found: 7, .. })));
    assert!(matches!(inspect(&bench.path()), Err(QueueError::Layout { found: 7, .. })));
}

#[test]
fn boots_without_readings_are_forgotten_after_a_thousand() {
    let mut bench = Bench::new(ROOMY);
    bench.open("first").unwrap();
    bench.commit([sample("a", 1)]);
    bench.open("second").unwrap();
    bench.commit([sample("a", 1)]);
    let id = bench.rows()[1].id;
    bench.remove([id]);
    bench.commit([]);
    bench.close();
    let mut store = store::Store::open(&bench.path(), ROOMY).unwrap();
    for _ in 0..1001 {
        store.begin_boot(&boot("later")).unwrap();
    }
    drop(store);
    let accepted = inspect(&bench.path()).unwrap().accepted;
    let names: Vec<&str> = accepted.iter().map(|one| one.boot.as_str()).collect();
    assert_eq!(names, ["first"], "the one whose reading waits is kept");
}

#[tokio::test]
async fn what_was_gathered_is_committed_at_the_end() {
    let bench = Bench::new(ROOMY);
    let config =
        QueueConfig { path: bench.path(), limits: ROOMY, commit: Duration::from_secs(3600) };
    let (queue, owner) =
        Queue::open(&config, shape(), &boot("one"), clock(), bench.counters.clone()).unwrap();
    queue
        .append(Sample { outcome: Outcome::Failed(Fault::Checksum), ..sample("a", 7) })
        .await
        .unwrap();
    drop(queue);
    owner.join();
    let waiting = inspect(&bench.path()).unwrap().waiting;
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].reading.outcome, Outcome::Failed(Fault::Checksum));
}

#[test]
fn a_row_is_made_when_it_is_full_or_has_waited_and_what_is_acknowledged_never_sees_the_disk() {
    let mut bench = Bench::opened(ROOMY);
    let written = |bench: &Bench| std::fs::read(format!("{}-wal", bench.path().display())).unwrap();
    let before = written(&bench);
    for second in 0..10_000 {
        bench.append([sample("a", second)]);
        bench.pass(Duration::from_secs(1));
        // The uplink sends what there is, and it is acknowledged.
        let ids: Vec<ChunkId> = bench.rows().iter().map(|row| row.id).collect();
        bench.remove(ids);
    }
    assert!(written(&bench) == before, "nothing was written");
    assert!(bench.status().waiting < 10);
    // And without a connection it is written when it has waited long enough.
    for second in 0..4_000 {
        bench.append([sample("a", second)]);
        bench.pass(Duration::from_secs(1));
    }
    assert!(written(&bench) != before);
    bench.close();
    let kept = inspect(&bench.path()).unwrap();
    assert!((3590..4000).contains(&kept.waiting.len()), "{}", kept.waiting.len());
    assert!(kept.accepted[0].count >= 13_590, "{}", kept.accepted[0].count);
}

#[test]
fn many_readings_do_not_wait_in_memory_for_their_time() {
    let mut bench = Bench::opened(ROOMY);
    for _ in 0..100 {
        bench.append((0..1000).map(|at| sample("a", at)));
        bench.pass(Duration::from_millis(1));
    }
    bench.close();
    assert!(inspect(&bench.path()).unwrap().waiting.len() > 50_000);
}

/// A copy of a database and its log.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    for suffix in ["", "-wal"] {
        let named = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match std::fs::read(named(from)) {
            Ok(bytes) => std::fs::write(named(to), bytes).unwrap(),
            Err(_) => drop(std::fs::remove_file(named(to))),
        }
    }
}
