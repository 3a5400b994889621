//! Power cuts: after any of them the queue is as it was before a commit or after it.
//!
//! The files are kept after each commit. What a commit wrote is the difference, in sectors; a cut in
//! the middle leaves any selection of them, in any order, some of them torn: first of the log, and,
//! once that was synced, of the database (when the log is checkpointed): what a disk that keeps its word
//! about syncs can do, and more.

use super::*;

const SECTOR: usize = 512;

#[derive(Clone, PartialEq)]
struct Image {
    database: Vec<u8>,
    log: Vec<u8>,
}

impl Image {
    fn take(path: &Path) -> Self {
        let log = PathBuf::from(format!("{}-wal", path.display()));
        Self { database: std::fs::read(path).unwrap(), log: std::fs::read(log).unwrap_or_default() }
    }

    fn put(&self, path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &self.database).unwrap();
        std::fs::write(format!("{}-wal", path.display()), &self.log).unwrap();
    }
}

/// Some of the writes that lead from one content of a file to another.
fn some_writes(random: &mut fastrand::Rng, before: &[u8], after: &[u8]) -> Vec<u8> {
    let length = if random.bool() { before.len().max(after.len()) } else { before.len() };
    let mut bytes = before.to_vec();
    bytes.resize(length, 0);
    let kept = random.f64();
    for (index, sector) in bytes.chunks_mut(SECTOR).enumerate() {
        if random.f64() > kept {
            continue;
        }
        let from = (index * SECTOR).min(after.len());
        let new = &after[from..after.len().min(from + sector.len())];
        let torn = if random.u8(0..16) == 0 { random.usize(0..=new.len()) } else { new.len() };
        sector[..torn].copy_from_slice(&new[..torn]);
    }
    bytes
}

/// Some of the writes that lead from one log to another. A log that begins anew has its header written
/// and synced before its frames (SQLite's `walFrames`, "an out-of-order write following a WAL restart
/// could result in database corruption"): so it is torn alone, or whole before anything else.
fn some_of_log(random: &mut fastrand::Rng, before: &[u8], after: &[u8]) -> Vec<u8> {
    const HEADER: usize = 32;
    let begins_anew = before.len() >= HEADER && before[..HEADER] != after[..HEADER];
    if !begins_anew {
        return some_writes(random, before, after);
    }
    let mut with_header = before.to_vec();
    if random.u8(0..4) == 0 {
        let torn = random.usize(..HEADER);
        with_header[..torn].copy_from_slice(&after[..torn]);
        return with_header;
    }
    with_header[..HEADER].copy_from_slice(&after[..HEADER]);
    some_writes(random, &with_header, after)
}

/// Rounds of ten cuts each. The full number is for a run of its own: TIDINGS_TEST_CUTS=1000.
fn rounds() -> u64 {
    std::env::var("TIDINGS_TEST_CUTS").ok().and_then(|text| text.parse().ok()).unwrap_or(60)
}

#[test]
fn after_a_power_cut_a_commit_has_happened_or_not() {
    let (mut checkpoints, mut old, mut new) = (0, 0, 0);
    for seed in 0..rounds() {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::opened(Limits { max_bytes: 1 << 20, ..ROOMY });
        bench.task().pragma("wal_autocheckpoint", 24);
        let mut before = (Image::take(&bench.path()), bench.readings());
        for _ in 0..random.usize(1..8) {
            let rows = bench.rows();
            if rows.len() > 3 && random.bool() {
                let id = rows[random.usize(..rows.len())].id;
                bench.remove([id]);
            }
            let count = random.i64(0..120);
            bench.commit((0..count).map(|at| sample("a", at)));
            let after = (Image::take(&bench.path()), bench.readings());
            for _ in 0..5 {
                let mut cut = before.0.clone();
                let checkpointed = after.0.database != before.0.database;
                if checkpointed && random.bool() {
                    cut.log = after.0.log.clone();
                    cut.database = some_writes(&mut random, &before.0.database, &after.0.database);
                    checkpoints += 1;
                } else {
                    cut.log = some_of_log(&mut random, &before.0.log, &after.0.log);
                }
                let mut other = Bench::new(ROOMY);
                cut.put(&other.path());
                other.open("after").unwrap();
                assert_eq!(other.status().lost, 0, "seed {seed}");
                let found = other.readings();
                assert!(found == before.1 || found == after.1, "seed {seed}: a mixture");
                old += usize::from(found == before.1);
                new += usize::from(found == after.1);
                let aside = other.path().with_file_name("queue.db.damaged-1");
                assert!(!aside.exists(), "seed {seed}: taken for damage");
                // And the counts agree with the readings.
                other.close();
                let inspection = inspect(&other.path()).unwrap();
                let accepted: u64 = inspection.accepted.iter().map(|one| one.count).sum();
                assert!(accepted >= found.len() as u64, "seed {seed}");
            }
            before = after;
        }
    }
    assert!(checkpoints > 20 && old > 20 && new > 20, "{checkpoints} {old} {new}");
}

#[test]
fn a_copy_taken_at_any_moment_between_commits_opens_as_it_was() {
    let mut bench = Bench::opened(ROOMY);
    for second in 0..20 {
        bench.commit([sample("a", second)]);
        let other = Bench::new(ROOMY);
        copy(&bench.path(), &other.path());
        let waiting = inspect(&other.path()).unwrap().waiting;
        assert_eq!(waiting.last().map(|one| one.reading.at.get()), Some(second));
    }
}
