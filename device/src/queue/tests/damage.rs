//! Files that were flipped, cut and overwritten: the agent goes on, and only what is damaged is
//! missing.

use std::collections::BTreeSet;

use super::*;

/// A queue of some rows, some of them already removed.
fn filled() -> (Bench, Vec<(BootId, Reading)>) {
    let mut bench = Bench::opened(ROOMY);
    for second in 0..60 {
        bench.commit((0..30).map(|index| sample("a", second * 1000 + index)));
    }
    let ids: Vec<ChunkId> = bench.rows().iter().take(10).map(|row| row.id).collect();
    bench.remove(ids);
    bench.commit([]);
    let waiting = bench.readings();
    (bench, waiting)
}

#[test]
fn a_damaged_row_is_put_among_the_dead_letters_and_does_not_hide_the_others() {
    let (mut bench, waiting) = filled();
    bench.close();
    let raw = rusqlite::Connection::open(bench.path()).unwrap();
    raw.execute("UPDATE chunk SET message = 'rubbish' WHERE id IN (20, 21)", []).unwrap();
    drop(raw);
    bench.open("two").unwrap();
    // Fewer than asked for means that the queue has no more: damage must not look like that.
    let now = bench.now;
    let two = bench.task().fetch(19, 2, now).unwrap();
    assert_eq!(two.iter().map(|row| row.id).collect::<Vec<_>>(), [22, 23]);
    assert_eq!(bench.readings().len(), waiting.len() - 60);
    assert_eq!(bench.status().lost, 60);
    bench.close();
    let summary = summarise(&bench.path()).unwrap();
    assert_eq!((summary.dead, summary.losses.of(Loss::Damaged)), (2, 60));
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let mut bench = Bench::new(ROOMY);
    std::fs::create_dir_all(bench.path().parent().unwrap()).unwrap();
    std::fs::write(bench.path(), "a text that someone put here, long enough to be looked at")
        .unwrap();
    bench.open("one").unwrap();
    bench.commit([sample("a", 1)]);
    assert_eq!(bench.readings().len(), 1);
    assert!(bench.path().with_file_name("queue.db.damaged-1").exists());
}

#[test]
fn random_damage_costs_what_it_hits_and_is_counted() {
    let (mut bench, waiting) = filled();
    bench.close();
    let good = std::fs::read(bench.path()).unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    let mut whole = 0;
    for round in 0..150 {
        let mut bytes = good.clone();
        match round % 3 {
            0 => {
                for _ in 0..=random.usize(0..4) {
                    let place = random.usize(..bytes.len());
                    bytes[place] ^= 1 << random.u8(0..8);
                }
            }
            1 => bytes.truncate(random.usize(..bytes.len())),
            _ => {
                let from = random.usize(..bytes.len());
                let to = bytes.len().min(from + 2048);
                random.fill(&mut bytes[from..to]);
            }
        }
        let mut other = Bench::new(ROOMY);
        std::fs::create_dir_all(other.path().parent().unwrap()).unwrap();
        std::fs::write(other.path(), &bytes).unwrap();
        match other.open("two") {
            Ok(()) => {}
            // The number of the layout was hit: refused, and left alone.
            Err(QueueError::Layout { .. }) => continue,
            Err(error) => panic!("round {round}: {error:?}"),
        }
        let seen: Vec<(BootId, Reading)> = other.readings();
        let known: BTreeSet<String> = waiting.iter().map(|one| format!("{one:?}")).collect();
        for one in &seen {
            assert!(known.contains(&format!("{one:?}")), "round {round} made up {one:?}");
        }
        whole += usize::from(seen.len() == waiting.len());
        // It goes on.
        other.commit([sample("b", 1)]);
        assert_eq!(other.readings().len(), seen.len() + 1, "round {round}");
        assert_eq!(other.status().waiting, seen.len() as u64 + 1, "round {round}");
        let lost = other.status().lost;
        other.close();
        assert_eq!(inspect(&other.path()).unwrap().losses.total(), lost, "round {round}");
        let missing = (waiting.len() - seen.len()) as u64;
        // Counted, as long as anything is left that the count can be told from.
        assert!(seen.is_empty() || lost >= missing, "round {round}: {lost} of {missing} counted");
    }
    assert!(whole > 0, "only {whole} rounds missed everything of use");
}

#[test]
fn a_layout_whose_text_is_damaged_costs_nothing_else() {
    for (text, place, byte) in [
        // SQLite finds nothing wrong with it; our statements know no such column.
        ("CREATE TABLE loss (reason TEXT PRIMARY KEY, readings", -8, b'x'),
        // SQLite cannot read it at all.
        ("CREATE TABLE loss (reason TEXT PRIMARY", -1, b'('),
    ] {
        let (mut bench, waiting) = filled();
        bench.close();
        let mut bytes = std::fs::read(bench.path()).unwrap();
        let found = bytes.windows(text.len()).position(|one| one == text.as_bytes()).unwrap();
        bytes[(found + text.len()).strict_add_signed(place)] = byte;
        std::fs::write(bench.path(), bytes).unwrap();
        bench.open("two").unwrap();
        bench.append([sample("b", 1)]);
        let now = bench.now;
        bench.task().bury([11], Loss::Poison, now);
        bench.task().commit(now);
        assert!(!bench.status().degraded, "{text}");
        assert!(bench.path().with_file_name("queue.db.damaged-1").exists(), "{text}");
        // What was to be buried is, and everything else is there.
        assert_eq!(bench.readings().len(), waiting.len() - 30 + 1, "{text}");
    }
}
