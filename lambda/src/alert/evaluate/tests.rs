use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;

use super::*;

const T0: i64 = 1_795_572_645_000;
const LIMITS: Limits = Limits { above: Some(35.0), below: None, clear: Some(33.0) };

fn at(seconds: i64) -> UnixMillis {
    UnixMillis::new(T0 + seconds * 1000).unwrap()
}

fn sample(seconds: i64, value: f64, limits: Limits) -> Sample {
    Sample {
        device: "pi-1".try_into().unwrap(),
        name: "s.temperature".to_owned(),
        at: at(seconds),
        value,
        unit: Some("Cel".to_owned()),
        limits,
    }
}

/// The transitions by these (second, value), in one evaluation for each.
fn run(record: &mut Record, limits: Limits, values: &[(i64, f64)]) -> Vec<(bool, Kind, i64)> {
    let mut transitions = Vec::new();
    for (seconds, value) in values {
        if let Some(changed) = evaluate(record, &[sample(*seconds, *value, limits)], at(*seconds)) {
            let new = changed.new.iter().map(|one| &one.standing);
            transitions
                .extend(new.map(|one| (one.raised, one.kind, (one.since.get() - T0) / 1000)));
            *record = changed.next;
        }
    }
    transitions
}

#[test]
fn a_raised_alert_stays_until_the_value_has_come_back_far_enough() {
    let values = [(0, 34.0), (1, 35.0), (2, 35.1), (3, 34.0), (4, 36.0), (5, 33.0), (6, 34.9)];
    let found = run(&mut Record::default(), LIMITS, &values);
    assert_eq!(found, [(true, Kind::Above, 2), (false, Kind::Above, 5)]);
    let below = Limits { above: None, below: Some(0.2), clear: Some(0.25) };
    let values = [(0, 0.2), (1, 0.19), (2, 0.24), (3, 0.25), (4, 0.21)];
    let found = run(&mut Record::default(), below, &values);
    assert_eq!(found, [(true, Kind::Below, 1), (false, Kind::Below, 3)]);
}

#[test]
fn without_a_way_back_the_limit_itself_clears() {
    let limits = Limits { clear: None, ..LIMITS };
    let found = run(&mut Record::default(), limits, &[(0, 35.1), (1, 35.0), (2, 35.01)]);
    assert_eq!(found, [(true, Kind::Above, 0), (false, Kind::Above, 1), (true, Kind::Above, 2)]);
}

#[test]
fn from_one_side_to_the_other_is_a_transition_and_says_which_limit() {
    let both = Limits { above: Some(35.0), below: Some(5.0), clear: Some(20.0) };
    let mut record = Record::default();
    let found = run(&mut record, both, &[(0, 36.0), (1, 4.0), (2, 19.0), (3, 20.0)]);
    assert_eq!(found, [(true, Kind::Above, 0), (true, Kind::Below, 1), (false, Kind::Below, 3)]);
    let limits: Vec<_> = record.untold.iter().map(|one| one.standing.limit.unwrap()).collect();
    assert_eq!(limits, [35.0, 5.0, 5.0]);
}

#[test]
fn what_is_not_newer_than_the_last_transition_says_nothing() {
    let mut record = Record::default();
    run(&mut record, LIMITS, &[(10, 36.0), (20, 30.0)]);
    assert_eq!(run(&mut record, LIMITS, &[(10, 36.0), (15, 40.0), (20, 50.0)]), []);
    assert_eq!(run(&mut record, LIMITS, &[(21, 36.0)]), [(true, Kind::Above, 21)]);
}

#[test]
fn an_old_reading_clears_and_raises_nothing() {
    let late = at(3600 + 100);
    let raised = |seconds| evaluate(&Record::default(), &[sample(seconds, 36.0, LIMITS)], late);
    assert!(raised(99).is_none());
    let record = raised(100).unwrap().next;
    let cleared = evaluate(&record, &[sample(101, 30.0, LIMITS)], at(9999)).unwrap();
    assert!(!cleared.new[0].standing.raised);
}

#[test]
fn what_is_kept_is_bounded() {
    let many: Vec<Sample> = (0..=MAX_ALERTS)
        .map(|number| Sample { name: format!("s{number}.temperature"), ..sample(0, 36.0, LIMITS) })
        .collect();
    let changed = evaluate(&Record::default(), &many, at(0)).unwrap();
    assert_eq!(changed.next.alerts.len(), MAX_ALERTS);
    assert_eq!(changed.next.untold.len(), MAX_UNTOLD);
}

fn profile(item: &serde_json::Value) -> Profile {
    let profile = Profile::read(item);
    assert!(profile.problems.is_empty());
    profile
}

#[test]
fn silence_is_raised_after_its_time_and_cleared_when_heard_again() {
    let quiet = profile(&json!({"silence": "10m"}));
    let none = Record::default();
    assert_eq!(revise(&none, &quiet, None, at(9999)), None, "never heard");
    assert_eq!(
        revise(&none, &quiet, Some(at(0)), at(660)),
        None,
        "the table may be a minute behind"
    );
    let raised = revise(&none, &quiet, Some(at(0)), at(661)).unwrap();
    let standing = &raised.next.alerts[SILENCE];
    assert_eq!((standing.raised, standing.since, standing.limit), (true, at(0), Some(600.0)));
    assert_eq!(raised.new.len(), 1);
    // Told and still silent: nothing new.
    let told = Record { untold: Vec::new(), ..raised.next };
    assert_eq!(revise(&told, &quiet, Some(at(0)), at(901)), None);
    let heard = revise(&told, &quiet, Some(at(900)), at(901)).unwrap();
    assert_eq!((heard.new[0].standing.raised, heard.new[0].standing.since), (false, at(900)));
}

#[test]
fn alerts_that_nobody_asks_for_any_more_end_without_a_word() {
    let mut record = Record::default();
    run(&mut record, LIMITS, &[(0, 36.0)]);
    record.untold.clear();
    let asked = [
        json!({"alerts": {"temperature": {"above": 1}}}),
        json!({"alerts": {"s.temperature": {"below": 1}}}),
    ];
    for item in asked {
        assert_eq!(revise(&record, &profile(&item), None, at(9)), None);
    }
    let other = profile(&json!({"alerts": {"t.temperature": {"above": 1}}, "silence": "5m"}));
    let changed = revise(&record, &other, None, at(9)).unwrap();
    assert!(changed.next.alerts.is_empty() && changed.new.is_empty());
}

#[test]
fn what_was_not_told_is_taken_over_after_a_minute_and_then_by_one_alone() {
    let mut record = Record::default();
    run(&mut record, LIMITS, &[(0, 36.0)]);
    let asked = profile(&json!({"alerts": {"temperature": {"above": 35}}}));
    assert_eq!(revise(&record, &asked, None, at(60)), None, "who wrote it may be telling it");
    let changed = revise(&record, &asked, None, at(61)).unwrap();
    assert_eq!((changed.again.len(), changed.new.len()), (1, 0));
    assert!(changed.again[0].is(&record.untold[0]));
    assert_eq!(revise(&changed.next, &asked, None, at(62)), None);
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        rng_seed: RngSeed::Fixed(25),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// However a device's readings are cut into messages, and however often each comes again as soon as it
    /// came or at the end, the transitions are those of the readings one by one.
    #[test]
    fn retries_make_no_transition(
        values in prop::collection::vec(28.0..40.0_f64, 1..60),
        cuts in prop::collection::vec((1..8_usize, 1..4_usize), 60),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
    ) {
        let readings: Vec<(i64, f64)> = (0_i64..).zip(values).collect();
        let expected = run(&mut Record::default(), LIMITS, &readings);
        let mut record = Record::default();
        let mut found = Vec::new();
        let mut take = |part: &[(i64, f64)], now: UnixMillis| {
            let samples: Vec<_> = part.iter().map(|(at, value)| sample(*at, *value, LIMITS)).collect();
            if let Some(changed) = evaluate(&record, &samples, now) {
                assert_eq!(changed.next.version, record.version + 1);
                found.extend(changed.new);
                record = changed.next;
            }
        };
        let (mut rest, mut parts) = (readings.as_slice(), Vec::new());
        for (length, times) in cuts {
            let (part, after) = rest.split_at(length.min(rest.len()));
            for _ in 0..times {
                take(part, at(60));
            }
            parts.push(part);
            rest = after;
        }
        let stands_since = |record: &Record| record.alerts.get("s.temperature").map(|one| one.since);
        for index in again {
            take(parts[index.index(parts.len())], at(60));
        }
        let found: Vec<_> = found
            .iter()
            .map(|one| (one.standing.raised, one.standing.kind, (one.standing.since.get() - T0) / 1000))
            .collect();
        prop_assert_eq!(&found, &expected);
        let last = expected.last().map(|(.., seconds)| at(*seconds));
        prop_assert_eq!(stands_since(&record), last);
    }

    /// In whatever order readings come, transitions of an alert go on in time, alternate, and each is lawful.
    #[test]
    fn transitions_go_on_in_time_and_alternate(
        values in prop::collection::vec((0..100_i64, 28.0..40.0_f64), 1..80),
    ) {
        let found = run(&mut Record::default(), LIMITS, &values);
        for pair in found.windows(2) {
            prop_assert!(pair[0].2 < pair[1].2 && pair[0].0 != pair[1].0, "{found:?}");
        }
        prop_assert!(found.first().is_none_or(|first| first.0), "the first raises");
        for (raised, _, seconds) in found {
            let fits = |value: f64| if raised { value > 35.0 } else { value <= 33.0 };
            prop_assert!(values.iter().any(|(at, value)| *at == seconds && fits(*value)));
        }
    }
}
