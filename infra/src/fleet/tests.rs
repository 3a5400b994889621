use serde_json::json;
use tidings_schema::{Clock, SensorId};

use super::*;
use crate::dynamo::{Heard, Latest, Refusals};

const NOW: i64 = 1_795_456_000_000;
const MINUTE: i64 = 60_000;

fn now() -> UnixMillis {
    UnixMillis::new(NOW).unwrap()
}

fn device(name: &str) -> DeviceId {
    DeviceId::try_from(name).unwrap()
}

/// A sensor that was seen so long ago, and said these values.
fn heard(name: &str, sensor: &str, ago_ms: i64, values: &[(&str, f64)]) -> Heard {
    Heard {
        device: device(name),
        sensor: SensorId::try_from(sensor).unwrap(),
        last_seen: UnixMillis::new(NOW - ago_ms).unwrap(),
        principal: None,
        latest: Some(Latest {
            at: UnixMillis::new(NOW - ago_ms - 1500).unwrap(),
            values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            units: BTreeMap::new(),
            fault: None,
            clock: Clock::Set,
        }),
    }
}

fn alert(name: &str) -> Alert {
    Alert { name: name.to_owned(), since: now(), value: None, limit: None, text: String::new() }
}

fn one(known: &Known) -> FleetDevice {
    let mut fleet = gather(now(), known);
    assert_eq!(fleet.devices.len(), 1, "{:?}", fleet.devices);
    fleet.devices.remove(0)
}

#[test]
fn what_nobody_has_said_is_not_known() {
    let mut sensor = heard("pi-1", "bme280", 5000, &[]);
    sensor.latest = None;
    let found = one(&Known { heard: vec![sensor], ..Known::default() });
    assert_eq!(found.age_ms, Some(5000));
    assert!(!found.silent);
    assert_eq!((found.site, found.lag_ms, found.clock), (None, None, None));
    assert_eq!((found.waiting, found.lost, found.disk_failing), (None, None, None));
    assert_eq!((found.agent_version, found.faults_hour), (None, None));
    assert_eq!(found.state, State::Well);
}

#[test]
fn the_agents_own_reading_and_the_profile_say_the_rest() {
    let agent = [
        ("waiting", 7.0),
        ("disk_failing", 0.0),
        ("lost_oldest", 12.0),
        ("lost_age", 3.0),
        ("agent_version", 1000.0),
    ];
    let known = Known {
        heard: vec![
            heard("pi-1", "bme280", 2000, &[("temperature", 21.5), ("leaf_wetness", 3.0)]),
            heard("pi-1", "agent", 90_000, &agent),
        ],
        said: [(
            device("pi-1"),
            json!({"site": "greenhouse 3", "labels": {"crop": "tomato", "row": 7}}),
        )]
        .into(),
        faults: [(device("pi-1"), 0)].into(),
        ..Known::default()
    };
    let found = one(&known);
    assert_eq!((found.waiting, found.lost, found.disk_failing), (Some(7), Some(15), Some(false)));
    assert_eq!(found.agent_version.as_deref(), Some("0.1.0"));
    assert_eq!((found.age_ms, found.lag_ms, found.faults_hour), (Some(2000), Some(1500), Some(0)));
    assert_eq!(found.site.as_deref(), Some("greenhouse 3"));
    assert_eq!(found.labels, [("crop".to_owned(), "tomato".to_owned())].into());
    assert_eq!(found.clock, Some(ClockState::Set));
    assert_eq!(found.state, State::Well);
    let names: Vec<&str> = found.sensors.iter().map(|sensor| sensor.sensor.as_str()).collect();
    assert_eq!(names, ["agent", "bme280"]);
    let values = &found.sensors[1].values;
    assert_eq!(values["temperature"].unit.as_deref(), Some("Cel"));
    assert_eq!(values["leaf_wetness"], FleetValue { value: 3.0, unit: None });
}

#[test]
fn an_old_agent_that_has_lost_nothing_has_lost_nothing() {
    let found = one(&Known {
        heard: vec![heard("pi-1", "agent", 0, &[("waiting", 0.0)])],
        ..Known::default()
    });
    assert_eq!((found.waiting, found.lost), (Some(0), Some(0)));
    assert_eq!((found.disk_failing, found.agent_version), (None, None));
}

#[test]
fn a_device_is_silent_when_that_is_certain() {
    let silent = |ago_ms: i64, said: serde_json::Value| {
        let heard = vec![heard("pi-1", "s", ago_ms, &[])];
        one(&Known { heard, said: [(device("pi-1"), said)].into(), ..Known::default() }).silent
    };
    // The table may be a minute behind.
    assert!(!silent(16 * MINUTE, json!({})));
    assert!(silent(16 * MINUTE + 1, json!({})));
    assert!(silent(7 * MINUTE, json!({"silence": "5m"})));
    assert!(!silent(16 * MINUTE, json!({"silence": "2h"})));
    assert!(silent(17 * MINUTE, json!({"silence": "a while"})), "the default");
    let never = one(&Known { said: [(device("pi-1"), json!({}))].into(), ..Known::default() });
    assert!(never.silent);
    assert_eq!((never.last_seen, never.age_ms, never.state), (None, None, State::Silent));
}

#[test]
fn a_reading_without_a_time_says_that_the_clock_is_not_set() {
    let mut sensor = heard("pi-1", "s", 0, &[]);
    let latest = sensor.latest.as_mut().unwrap();
    (latest.at, latest.clock) = (UnixMillis::new(754_000).unwrap(), Clock::Unset);
    let found = one(&Known { heard: vec![sensor], ..Known::default() });
    assert_eq!((found.clock, found.lag_ms), (Some(ClockState::Unset), None));
    assert_eq!(found.state, State::Trouble);
}

#[test]
fn what_a_sensor_said_last_long_ago_says_nothing_of_its_device_now() {
    let with = |age_ms: i64| {
        let mut broken = heard("pi-1", "old", age_ms, &[]);
        broken.latest.as_mut().unwrap().fault = Some("not-present".to_owned());
        let agent = heard("pi-1", "agent", age_ms, &[("disk_failing", 1.0), ("waiting", 9.0)]);
        one(&Known { heard: vec![broken, agent, heard("pi-1", "new", 0, &[])], ..Known::default() })
    };
    let found = with(1000);
    assert_eq!((found.state, found.waiting, found.failing().count()), (State::Trouble, Some(9), 1));
    // Replaced, under another name.
    let found = with(2 * 3_600_000);
    assert_eq!((found.state, found.waiting, found.failing().count()), (State::Well, None, 0));
}

#[test]
fn alerts_come_first_then_the_silent_then_trouble() {
    let mut broken = heard("b-broken", "s", 0, &[]);
    broken.latest.as_mut().unwrap().fault = Some("timeout".to_owned());
    let fleet = gather(
        now(),
        &Known {
            heard: vec![
                heard("a-well", "s", 0, &[]),
                broken,
                heard("c-refused", "s", 0, &[]),
                heard("d-silent", "s", 3_600_000, &[]),
                heard("e-alert", "s", 3_600_000, &[]),
                heard("f-disk", "agent", 0, &[("disk_failing", 1.0)]),
                heard("g-faults", "s", 0, &[]),
            ],
            alerts: vec![(device("e-alert"), alert("frost"))],
            refused: Refusals {
                by_sender: [("c-refused", 3), ("h-stranger", 1), ("no device", 2)]
                    .map(|(name, count)| (name.to_owned(), count))
                    .into(),
                capped: true,
            },
            faults: [(device("g-faults"), 1), (device("a-well"), 0)].into(),
            ..Known::default()
        },
    );
    let order: Vec<(&str, State)> =
        fleet.devices.iter().map(|one| (one.device.as_str(), one.state)).collect();
    assert_eq!(
        order,
        [
            ("e-alert", State::Alert),
            ("d-silent", State::Silent),
            ("h-stranger", State::Silent),
            ("b-broken", State::Trouble),
            ("c-refused", State::Trouble),
            ("f-disk", State::Trouble),
            ("g-faults", State::Trouble),
            ("a-well", State::Well),
        ]
    );
    assert_eq!(fleet.devices[4].quarantined_hour, 3);
    assert_eq!((fleet.quarantined_hour, fleet.quarantine_capped), (6, true));
}

#[test]
fn a_counter_that_begins_anew_goes_on() {
    let (one, two) = (BootId::try_from("b1").unwrap(), BootId::try_from("b2").unwrap());
    assert_eq!(increase([]), None);
    assert_eq!(increase([(&one, 5.0)]), None);
    assert_eq!(increase([(&one, 5.0), (&one, 5.0)]), Some(0));
    assert_eq!(increase([(&one, 5.0), (&one, 9.0), (&two, 2.0), (&two, 3.0)]), Some(4 + 2 + 1));
    assert_eq!(increase([(&one, 9.0), (&one, 5.0)]), Some(0));
}

#[test]
fn as_json_it_says_null_where_nothing_is_known() {
    let fleet =
        gather(now(), &Known { heard: vec![heard("pi-1", "s", 0, &[])], ..Known::default() });
    let json = serde_json::to_value(&fleet).unwrap();
    let device = &json["devices"][0];
    assert_eq!(device["waiting"], serde_json::Value::Null);
    assert_eq!((&device["state"], &device["clock"]), (&json!("well"), &json!("set")));
    assert_eq!(device["last_seen"], json!(NOW));
}

use tidings_schema::BootId;
