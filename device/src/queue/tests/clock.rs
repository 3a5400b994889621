//! Readings from before the clock was set.

use super::*;

fn unset(bench: &Bench, sensor: &str) -> Sample {
    let uptime = bench.clock.0.lock().unwrap().uptime;
    Sample { clock: schema::Clock::Unset, ..sample(sensor, uptime) }
}

fn new_kernel(bench: &Bench, boot: i64) {
    let mut hands = bench.clock.0.lock().unwrap();
    (hands.boot, hands.uptime, hands.wall, hands.synchronised) = (boot, 1000, 0, false);
}

/// Boot, time and clock of what can be sent.
fn sendable(bench: &mut Bench) -> Vec<(String, i64, schema::Clock)> {
    let rows = bench.rows();
    let of = |row: &Chunk| {
        let decoded = latest::decode(&row.message).unwrap();
        assert_eq!(row.since.is_some(), decoded.clock == schema::Clock::Unset);
        let boot = row.boot.to_string();
        decoded.readings.into_iter().map(move |one| (boot.clone(), one.at.get(), decoded.clock))
    };
    rows.iter().flat_map(of).collect()
}

#[test]
fn readings_wait_for_the_clock_and_are_placed_by_their_age_whatever_it_did_meanwhile() {
    let mut bench = Bench::new(ROOMY);
    new_kernel(&bench, 1);
    bench.open("one").unwrap();
    // One on the disk, one in memory, and jumps of the wall clock between.
    let first = unset(&bench, "a");
    bench.commit([first]);
    bench.clock.set(NOW + 86_400_000, false);
    bench.clock.pass(2000);
    let second = unset(&bench, "a");
    bench.append([second]);
    bench.clock.set(5, false);
    bench.pass(AGE);
    assert_eq!(sendable(&mut bench), []);
    assert_eq!(bench.status().waiting, 2);
    bench.clock.pass(4000);
    // Uptime is 7 s now.
    bench.clock.set(NOW, true);
    bench.pass(Duration::from_secs(1));
    let set = schema::Clock::Set;
    let placed = [("one".to_owned(), NOW - 6000, set), ("one".to_owned(), NOW - 4000, set)];
    assert_eq!(sendable(&mut bench), placed);
}

#[test]
fn a_restart_in_the_same_start_of_the_kernel_places_all_by_the_same_offset() {
    let mut bench = Bench::new(ROOMY);
    new_kernel(&bench, 1);
    bench.open("one").unwrap();
    let first = unset(&bench, "a");
    bench.commit([first]);
    bench.open("two").unwrap();
    let second = unset(&bench, "a");
    bench.commit([second]);
    assert_eq!(sendable(&mut bench), []);
    bench.clock.set(NOW, true);
    bench.pass(Duration::from_secs(1));
    let sent = sendable(&mut bench);
    assert_eq!(sent.iter().map(|(_, at, _)| *at).collect::<Vec<_>>(), [NOW, NOW]);
    // Sent, not acknowledged, and the agent is killed; the clock has been corrected by 40 ms since, and
    // nobody keeps it any more.
    bench.clock.set(NOW + 40, false);
    bench.open("three").unwrap();
    assert_eq!(sendable(&mut bench), sent);
}

#[test]
fn what_can_never_be_placed_is_sent_as_such_and_what_can_be_is_not_mixed_with_it() {
    let mut bench = Bench::new(ROOMY);
    for kernel in 1..=2 {
        new_kernel(&bench, kernel);
        bench.open(&format!("boot{kernel}")).unwrap();
        let one = unset(&bench, "a");
        bench.commit([one]);
    }
    new_kernel(&bench, 3);
    bench.open("boot3").unwrap();
    let one = unset(&bench, "a");
    bench.append([one]);
    bench.clock.set(NOW, true);
    bench.pass(Duration::from_secs(1));
    bench.commit([sample("a", NOW)]);
    assert_eq!(
        sendable(&mut bench),
        [
            ("boot1".to_owned(), 1000, schema::Clock::Unset),
            ("boot2".to_owned(), 1000, schema::Clock::Unset),
            ("boot3".to_owned(), NOW, schema::Clock::Set),
            ("boot3".to_owned(), NOW, schema::Clock::Set),
        ]
    );
}

#[test]
fn a_placed_message_is_never_longer_than_it_was() {
    for uptime in [0, 7, 1_000, 86_400_000, 99_999_999_999] {
        let mut packer =
            super::super::chunk::Packer::new(shape(), boot("one"), crate::clock::KernelBoot(1));
        let one = Sample { clock: schema::Clock::Unset, ..sample("a", uptime) };
        assert!(packer.push(one).numbered);
        let row = packer.close().unwrap();
        let before = row.message.len();
        let chunk =
            Chunk { id: 1, boot: boot("one"), readings: 1, since: row.since, message: row.message };
        let placed = chunk.place(NOW);
        assert!(placed.since.is_none() && placed.message.len() <= before, "{uptime}");
    }
}
