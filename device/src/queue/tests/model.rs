//! Random operations, compared with a list.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<(u8, i64)>),
    Commit,
    Remove(Vec<prop::sample::Index>),
    Bury(prop::sample::Index),
    Reopen,
    /// The process is killed: what was gathered and not committed is gone.
    Kill,
    /// The disk takes nothing more.
    DiskFails,
    DiskRecovers,
}

fn any_step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => prop::collection::vec((0..3_u8, 0..1000_i64), 0..40).prop_map(Step::Append),
        4 => Just(Step::Commit),
        3 => prop::collection::vec(index(), 0..4).prop_map(Step::Remove),
        1 => index().prop_map(Step::Bury),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
        1 => Just(Step::DiskFails),
        1 => Just(Step::DiskRecovers),
    ]
}

fn strip((boot, reading): (BootId, Reading)) -> (BootId, Sample) {
    let Reading { sensor, at, outcome, .. } = reading;
    (boot, Sample { sensor, at, clock: schema::Clock::Set, outcome })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_queue_is_a_list_that_survives(steps in prop::collection::vec(any_step(), 1..40)) {
        let mut bench = Bench::opened(ROOMY);
        let (mut boots, mut name) = (1, boot("one"));
        // What waits, by rows, and what is gathered; and what is on the disk, which survives.
        let mut rows: Vec<Vec<(BootId, Sample)>> = Vec::new();
        let mut gathered: Vec<Sample> = Vec::new();
        let (mut fails, mut buried) = (false, 0);
        let mut durable: Vec<Vec<(BootId, Sample)>> = Vec::new();
        for step in steps {
            if matches!(step, Step::Remove(_) | Step::Bury(_)) {
                // These look at the queue, which commits what was gathered.
                bench.commit([]);
                let readings = std::mem::take(&mut gathered);
                rows.extend((!readings.is_empty()).then(|| {
                    readings.into_iter().map(|one| (name.clone(), one)).collect()
                }));
                if !fails {
                    durable = rows.clone();
                }
            }
            match step {
                Step::Append(samples) => {
                    for (sensor, at) in samples {
                        let one = sample(&format!("s{sensor}"), at);
                        bench.append([one.clone()]);
                        gathered.push(one);
                    }
                    continue;
                }
                Step::Commit => bench.commit([]),
                Step::Remove(indexes) => {
                    let now = bench.rows();
                    if now.is_empty() { continue; }
                    let ids: Vec<_> = indexes.iter().map(|index| now[index.index(now.len())].id).collect();
                    bench.remove(ids.iter().copied());
                    let kept = now.iter().zip(&rows).filter(|(row, _)| !ids.contains(&row.id));
                    rows = kept.map(|(_, content)| content.clone()).collect();
                    bench.commit([]);
                }
                Step::Bury(index) => {
                    let now = bench.rows();
                    if now.is_empty() || fails { continue; }
                    let place = index.index(now.len());
                    let time = bench.now;
                    bench.task().bury([now[place].id], Loss::Poison, time);
                    buried += rows.remove(place).len() as u64;
                    bench.commit([]);
                }
                Step::Reopen | Step::Kill => {
                    if !matches!(step, Step::Kill) && !fails {
                        bench.commit([]);
                        let readings = std::mem::take(&mut gathered);
                        rows.extend((!readings.is_empty()).then(|| {
                            readings.into_iter().map(|one| (name.clone(), one)).collect()
                        }));
                        durable = rows.clone();
                    }
                    boots += 1;
                    name = boot(&format!("b{boots}"));
                    bench.open(name.as_str()).unwrap();
                    // A failing disk keeps what it had: removals too have not reached it.
                    (rows, gathered, fails) = (durable.clone(), Vec::new(), false);
                    continue;
                }
                Step::DiskFails => {
                    bench.task().pragma("max_page_count", 1);
                    bench.task().pragma("query_only", 1);
                    fails = true;
                    continue;
                }
                Step::DiskRecovers => {
                    if fails {
                        bench.task().pragma("query_only", 0);
                        bench.task().pragma("max_page_count", 1 << 20);
                        fails = false;
                    }
                    bench.commit([]);
                }
            }
            let readings = std::mem::take(&mut gathered);
            rows.extend((!readings.is_empty()).then(|| {
                readings.into_iter().map(|one| (name.clone(), one)).collect()
            }));
            if !fails {
                durable = rows.clone();
            }
            // A message groups its readings by sensor.
            let sorted = |mut row: Vec<(BootId, Sample)>| {
                row.sort_by_key(|(_, one)| format!("{one:?}"));
                row
            };
            let found: Vec<_> = bench
                .rows()
                .iter()
                .map(|row| sorted(super::readings(row).into_iter().map(strip).collect()))
                .collect();
            prop_assert_eq!(&found, &rows.iter().cloned().map(sorted).collect::<Vec<_>>());
            let status = bench.status();
            if !fails {
                prop_assert_eq!(status.waiting, found.concat().len() as u64);
                prop_assert!(!status.degraded);
            }
        }
        bench.close();
        let losses = inspect(&bench.path()).unwrap().losses;
        prop_assert_eq!((losses.of(Loss::Poison), losses.total()), (buried, buried));
    }
}
