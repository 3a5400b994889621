//! A queue that is full, too old, or without its disk.

use super::*;

fn limited(when_full: WhenFull) -> Limits {
    Limits { max_bytes: 256 * 1024, when_full, max_age: None }
}

/// Fills a queue far beyond its limit; what waits then, and how many were given.
fn overfilled(when_full: WhenFull) -> (Bench, Vec<Reading>, u64) {
    let mut bench = Bench::opened(limited(when_full));
    let mut given = 0;
    for second in 0..1000 {
        bench.commit((0..40).map(|index| sample("a", second * 1000 + index)));
        given += 40;
    }
    let waiting = bench.readings().into_iter().map(|(_, reading)| reading).collect();
    (bench, waiting, given)
}

#[test]
fn faults_are_readings_that_are_counted_apart() {
    let mut bench = Bench::opened(ROOMY);
    let fault = Sample { outcome: Outcome::Failed(Fault::Timeout), ..sample("a", 2) };
    bench.append([sample("a", 1), fault.clone(), sample("b", 3), fault]);
    let status = bench.status();
    assert_eq!((status.accepted, status.faults, status.waiting), (4, 2, 4));
}

#[test]
fn the_oldest_make_room_and_are_counted() {
    let (mut bench, waiting, given) = overfilled(WhenFull::DropOldest);
    let status = bench.status();
    assert_eq!((status.accepted, status.waiting), (given, waiting.len() as u64));
    assert_eq!(status.waiting + status.lost, given);
    assert_eq!(waiting.last().unwrap().seq.get(), given - 1, "the newest are there");
    assert!(waiting.len() > 4000, "{} of 256 KiB", waiting.len());
    let file = std::fs::metadata(bench.path()).unwrap().len();
    assert!(file <= 256 * 1024 + 64 * 1024, "{file}");
    bench.close();
    let losses = inspect(&bench.path()).unwrap().losses;
    assert_eq!((losses.of(Loss::Oldest), losses.total()), (status.lost, status.lost));
}

#[test]
fn the_newest_are_not_taken_and_are_counted_and_there_is_room_again_after_removals() {
    let (mut bench, waiting, given) = overfilled(WhenFull::DropNewest);
    let status = bench.status();
    assert_eq!((status.accepted, status.waiting + status.lost), (given, given));
    assert_eq!(waiting[0].seq.get(), 0, "the oldest are there");
    let ids: Vec<ChunkId> = bench.rows().iter().map(|row| row.id).collect();
    bench.remove(ids);
    bench.commit([sample("a", 5)]);
    assert_eq!(bench.status().waiting, 1);
    bench.close();
    // What was not taken has used up its numbers: a gap shows where readings are missing.
    let inspection = inspect(&bench.path()).unwrap();
    assert_eq!(inspection.accepted[0].count, given + 1);
    assert_eq!(inspection.losses.of(Loss::Newest), status.lost);
}

#[test]
fn a_queue_is_thinned_evenly_and_what_is_dropped_is_counted() {
    let (mut bench, waiting, given) = overfilled(WhenFull::Thin);
    let status = bench.status();
    assert_eq!(status.accepted, given);
    assert_eq!(status.waiting, waiting.len() as u64);
    assert_eq!(status.waiting + status.lost, given);
    // Every minute of the time has its share: nothing is cut off at either end.
    for tenth in 0..10 {
        let within = |one: &&Reading| one.at.get() / 100_000 == tenth;
        let share = waiting.iter().filter(within).count();
        assert!(share * 40 > waiting.len(), "{share} of {} in tenth {tenth}", waiting.len());
    }
    bench.close();
    let losses = inspect(&bench.path()).unwrap().losses;
    assert_eq!((losses.of(Loss::Thinned), losses.total()), (status.lost, status.lost));
}

#[test]
fn what_is_too_old_is_dropped_and_counted() {
    let mut bench = Bench::opened(Limits { max_age: Some(Duration::from_secs(3600)), ..ROOMY });
    let now = NOW;
    bench.commit([sample("a", now - 7_200_000)]);
    bench.commit([sample("a", now - 7_100_000), sample("a", now)]);
    bench.commit([sample("a", now)]);
    assert_eq!(bench.readings().len(), 3, "a row goes when its latest reading is too old");
    assert_eq!((bench.status().lost, bench.status().waiting), (1, 3));
}

#[test]
fn without_a_disk_readings_wait_in_memory_and_go_to_the_disk_when_it_comes_back() {
    let mut bench = Bench::opened(ROOMY);
    bench.commit([sample("a", 1)]);
    bench.task().pragma("query_only", 1);
    bench.commit([sample("a", 2)]);
    bench.commit([sample("a", 3)]);
    let status = bench.status();
    assert!(status.degraded);
    assert_eq!((status.accepted, status.waiting, status.lost), (3, 3, 0));
    let rows = bench.rows();
    assert_eq!(rows.len(), 3, "what is on the disk and what is in memory");

    // Acknowledged while the disk fails: gone from memory at once, and not seen again on the disk.
    bench.remove([rows[0].id, rows[1].id]);
    assert_eq!(bench.rows().len(), 1);

    bench.pass(Duration::from_secs(10));
    assert!(bench.status().degraded, "nothing to write is no proof that it can be written");
    bench.task().pragma("query_only", 0);
    bench.pass(Duration::from_secs(10));
    let status = bench.status();
    assert!(!status.degraded);
    assert_eq!(bench.rows().iter().map(|row| row.id).collect::<Vec<_>>(), [rows[2].id]);
    assert_eq!((status.accepted, status.waiting), (3, 1));
    bench.close();
    let kept = inspect(&bench.path()).unwrap();
    assert_eq!((kept.accepted[0].count, kept.waiting.len()), (3, 1));
}

#[test]
fn memory_has_a_limit_too_and_what_it_cannot_hold_is_counted() {
    let mut bench = Bench::opened(ROOMY);
    bench.task().pragma("query_only", 1);
    let mut given = 0;
    while bench.status().lost == 0 {
        bench.commit((0..4000).map(|at| sample("a", at)));
        given += 4000;
        assert!(given < 2_000_000, "no limit");
    }
    bench.task().pragma("query_only", 0);
    bench.pass(Duration::from_secs(10));
    let status = bench.status();
    assert_eq!(status.waiting + status.lost, given);
    bench.close();
    let losses = inspect(&bench.path()).unwrap().losses;
    assert_eq!((losses.of(Loss::Disk), losses.total()), (status.lost, status.lost));
}

#[test]
fn a_folder_that_cannot_be_made_is_survived() {
    let mut bench = Bench::new(ROOMY);
    // A file where the folder should be.
    std::fs::write(bench.folder.path().join("deep"), "").unwrap();
    bench.open("one").unwrap();
    bench.commit([sample("a", 1)]);
    assert_eq!(bench.rows().len(), 1);
    assert!(bench.status().degraded);
    std::fs::remove_file(bench.folder.path().join("deep")).unwrap();
    bench.append([sample("a", 2)]);
    bench.pass(Duration::from_secs(10));
    assert!(!bench.status().degraded);
    assert_eq!(bench.status().waiting, 2);
    bench.close();
    assert_eq!(inspect(&bench.path()).unwrap().waiting.len(), 2);
}
