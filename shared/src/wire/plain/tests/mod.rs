//! What tutorials send, what is refused, and properties.

mod alone;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::*;
use crate::wire::foreign::Sample;

/// 2026-11-23T17:48:35.802Z
const NOW: i64 = 1_795_456_115_802;

fn now() -> UnixMillis {
    UnixMillis::new(NOW).unwrap()
}

fn read(text: &str) -> Decoded {
    decode(text.as_bytes(), now()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Each sample as `sensor time quantity=value unit …`, its quantities sorted.
fn lines(text: &str) -> Vec<String> {
    let line = |sample: &Sample| {
        let mut values: Vec<String> = sample
            .values
            .iter()
            .map(|one| {
                let unit = one.unit.map(|unit| format!(" {unit}")).unwrap_or_default();
                format!("{}={}{unit}", one.quantity, one.value)
            })
            .collect();
        values.sort();
        format!("{} {} {}", sample.sensor, sample.at, values.join(" "))
    };
    let mut lines: Vec<String> = read(text).samples.iter().map(line).collect();
    lines.sort();
    lines
}

fn codes(text: &str) -> Vec<&'static str> {
    let mut codes: Vec<_> = read(text).refused.iter().map(|one| one.error.code()).collect();
    codes.sort_unstable();
    codes
}

#[test]
fn what_tutorials_send_is_read() {
    for (text, expected) in [
        (
            r#"{"temperature":21.5,"humidity":40}"#,
            "plain 1795456115802 humidity=40 temperature=21.5",
        ),
        (
            r#"{"device_id":"pi-1","sensor":"DHT 22","ts":1795456110,"temp":"21.5","hum":"40"}"#,
            "dht-22 1795456110000 humidity=40 temperature=21.5",
        ),
        (
            r#"{"timestamp":"2026-11-23T18:48:30+01:00","data":{"leafWetness":3}}"#,
            "plain 1795456110000 leaf_wetness=3",
        ),
        (
            r#"{"time":1795456110123,"bme280":{"temperature":{"value":70.7,"unit":"°F"},"press":1013.2}}"#,
            "bme280 1795456110123 pressure=1013.2 temperature=21.5 Cel",
        ),
        (r#"{"temperature_f":70.7}"#, "plain 1795456115802 temperature=21.5 Cel"),
        (r#"{"door":true}"#, "plain 1795456115802 door=1 /"),
        (
            r#"{"soil":{"moisture_raw":512},"seq":7,"message":"hi"}"#,
            "soil 1795456115802 moisture_raw=512",
        ),
    ] {
        assert_eq!(lines(text), [expected], "{text}");
        assert_eq!(codes(text), [] as [&str; 0], "{text}");
    }
    assert_eq!(read(r#"{"clientId":"pi-1","temperature":1}"#).device.as_deref(), Some("pi-1"));
    assert_eq!(read(r#"{"temperature":1}"#).device, None);
}

#[test]
fn times_are_told_by_their_magnitude_and_never_guessed() {
    for (time, millis) in [
        ("1795456110", 1_795_456_110_000),
        ("1795456110.25", 1_795_456_110_250),
        ("1795456110123", 1_795_456_110_123),
        ("1795456110123000", 1_795_456_110_123),
        ("1795456110123000000", 1_795_456_110_123),
        ("\"1795456110\"", 1_795_456_110_000),
        ("\"2026-11-23 17:48:30\"", 1_795_456_110_000),
        ("\"2024-02-29T00:00:00.5Z\"", 1_709_164_800_500),
        ("\"2026-11-23T12:18:30-0530\"", 1_795_456_110_000),
    ] {
        let text = format!("{{\"timestamp\":{time},\"temperature\":1}}");
        assert_eq!(read(&text).samples[0].at.get(), millis, "{text}");
    }
    for time in [
        "0",
        "12345",
        "5e11",
        "1e21",
        "-1",
        "null",
        "true",
        "\"yesterday\"",
        "\"2023-02-29T00:00:00Z\"",
        "\"2026-11-23T24:00:00Z\"",
        "\"23.11.2026 17:48\"",
    ] {
        let text = format!("{{\"timestamp\":{time},\"temperature\":1}}");
        let error = decode(text.as_bytes(), now()).unwrap_err();
        assert_eq!(error.code(), "bad-time", "{text}: {error}");
    }
}

#[test]
fn nothing_is_dropped_in_silence() {
    for (text, expected) in [
        (r#"{"temperature":null}"#, "unsupported-value"),
        (r#"{"temperature":"warm"}"#, "unsupported-value"),
        (r#"{"temperature":[21.5]}"#, "unsupported-value"),
        // Half of a surrogate pair, which JSON's grammar has and no text can hold.
        (r#"{"temperature":"\ud8001"}"#, "unsupported-value"),
        (r#"{"bme280":{"\udddd":1}}"#, "unsupported-value"),
        (r#"{"a":{"b":{"c":1}}}"#, "unsupported-value"),
        (r#"{"9lives":1}"#, "bad-id"),
        (r#"{"temperature":{"value":1,"unit":"degrees"}}"#, "unknown-unit"),
        (r#"{"temperature":1e200}"#, "bad-value"),
        (r#"{"temp":20,"temperature":21}"#, "conflicting-duplicate"),
    ] {
        assert_eq!(codes(text), [expected], "{text}");
        // Beside a good one, that one is kept.
        let beside = text.replacen('{', "{\"pressure\":1000,", 1);
        assert!(lines(&beside)[0].contains("pressure=1000"), "{beside}");
        assert_eq!(codes(&beside), [expected], "{beside}");
    }
    for (text, code) in [
        ("{", "malformed-message"),
        ("[]", "malformed-message"),
        ("{}", "no-quantities"),
        (r#"{"device":"pi-1","ts":1795456110}"#, "no-quantities"),
    ] {
        assert_eq!(decode(text.as_bytes(), now()).unwrap_err().code(), code, "{text}");
    }
    let many: Vec<String> = (0..=MAX_RECORDS).map(|number| format!("\"q{number}\":1")).collect();
    let many = format!("{{{}}}", many.join(","));
    assert_eq!(decode(many.as_bytes(), now()).unwrap_err().code(), "too-many-records");
}

fn config() -> Config {
    Config {
        cases: 256,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..Config::default()
    }
}

fn any_object() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "temp",
            "temperature_f",
            "Humidity",
            "leafWetness",
            "door",
            "bme280",
            "data",
            "t",
            "unit",
            "value",
            "sensor",
            "device",
            "seq",
            "9lives",
            "ä",
        ])
        .prop_map(str::to_owned),
        "[a-z]{1,4}".prop_map(|key| key),
    ];
    let leaf = prop_oneof![
        (-1e6..1e6_f64).prop_map(|number| number.to_string()),
        prop::sample::select(vec!["true", "null", "\"21.5\"", "\"x\"", "[1]", "1e300", "\"°F\""])
            .prop_map(str::to_owned),
    ];
    let value = leaf.prop_recursive(3, 16, 4, move |inner| {
        prop::collection::btree_map(key.clone(), inner, 0..4).prop_map(|map| {
            let fields: Vec<String> =
                map.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        })
    });
    value.prop_filter("an object", |text| text.starts_with('{'))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn objects_are_told_whole_and_their_parts_alone(text in any_object()) {
        alone::check(text.as_bytes());
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        drop(decode(&bytes, now()));
        bytes.insert(0, b'{');
        drop(decode(&bytes, now()));
    }

    #[test]
    fn a_damaged_message_never_panics(at in 0..120_usize, byte in any::<u8>()) {
        let text = r#"{"ts":1795456115,"bme280":{"temp":{"value":70.7,"unit":"F"},"press":1013.2},"door":{"open":true},"n":"x"}"#;
        let mut bytes = text.as_bytes().to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        drop(decode(&bytes, now()));
    }
}
