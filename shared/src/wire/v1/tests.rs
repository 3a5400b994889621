//! Properties, golden files and the byte budget of version 1.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::fault::Fault;
use crate::ids::{BootId, DeviceId, SensorId, Seq};
use crate::limits::METERING_UNIT_BYTES;
use crate::measurement::{Measurement, Measurements, Value};
use crate::quantity::Quantity;
use crate::reading::{Outcome, Reading};
use crate::time::UnixMillis;
use crate::topic::{Route, Topic};
use crate::unit::Unit;
use crate::wire::batch::{BatchBuilder, PushError};

fn device() -> DeviceId {
    DeviceId::try_from("pi-1").unwrap()
}

fn boot() -> BootId {
    BootId::try_from("k3v9x2qd").unwrap()
}

fn measured(sensor: &str, at: i64, seq: u64, values: &[(&str, &str, f64)]) -> Reading {
    let measurements = values
        .iter()
        .map(|(quantity, unit, value)| Measurement {
            quantity: Quantity::try_from(*quantity).unwrap(),
            unit: Unit::try_from(*unit).unwrap(),
            value: Value::new(*value).unwrap(),
        })
        .collect();
    Reading {
        sensor: SensorId::try_from(sensor).unwrap(),
        at: UnixMillis::new(at).unwrap(),
        seq: Seq::try_from(seq).unwrap(),
        outcome: Outcome::Measured(Measurements::new(measurements).unwrap()),
    }
}

fn bme280(at: i64, seq: u64, step: f64) -> Reading {
    let round = |value: f64| (value * 100.0).round() / 100.0;
    measured(
        "bme280",
        at,
        seq,
        &[
            ("temperature", "Cel", round(21.53 + step)),
            ("humidity", "%RH", round(40.11 + step)),
            ("pressure", "hPa", round(1013.25 + step)),
        ],
    )
}

/// Readings by name: the wire groups them by series, so their order is not kept.
fn by_name(readings: Vec<Reading>) -> BTreeMap<(SensorId, UnixMillis, Seq), Reading> {
    readings.into_iter().map(|one| ((one.sensor.clone(), one.at, one.seq), one)).collect()
}

fn any_value() -> impl Strategy<Value = Value> {
    any::<f64>().prop_filter_map("a storable number", |number| Value::new(number).ok())
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    let units: Vec<Unit> = Unit::all().collect();
    let one = ("[a-z][a-z0-9_]{0,8}", prop::sample::select(units), any_value());
    prop_oneof![
        4 => prop::collection::vec(one, 1..6).prop_filter_map("unique quantities", |list| {
            let list = list
                .into_iter()
                .map(|(name, unit, value)| Measurement {
                    quantity: Quantity::try_from(name.as_str()).unwrap(),
                    unit,
                    value,
                })
                .collect();
            Measurements::new(list).ok().map(Outcome::Measured)
        }),
        1 => prop::sample::select(Fault::ALL.to_vec()).prop_map(Outcome::Failed),
    ]
}

fn any_readings() -> impl Strategy<Value = Vec<Reading>> {
    let reading = ("[a-z0-9_-]{1,3}", 0..=UnixMillis::MAX.get(), any_outcome());
    prop::collection::vec(reading, 1..40).prop_map(|list| {
        list.into_iter()
            .enumerate()
            .map(|(index, (sensor, at, outcome))| Reading {
                sensor: SensorId::try_from(sensor.as_str()).unwrap(),
                at: UnixMillis::new(at).unwrap(),
                seq: Seq::try_from(index as u64).unwrap(),
                outcome,
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn what_was_encoded_decodes_to_the_same(readings in any_readings()) {
        let bytes = encode(&device(), &boot(), Clock::Set, &readings).unwrap().unwrap();
        let decoded = decode(&bytes).unwrap();
        prop_assert_eq!(&decoded.refused, &Vec::new());
        prop_assert_eq!((decoded.device, decoded.boot), (device(), boot()));
        prop_assert_eq!(by_name(decoded.readings), by_name(readings));
    }

    #[test]
    fn a_batch_knows_its_length_and_keeps_its_budget(
        readings in any_readings(),
        budget in 200_usize..2_000,
    ) {
        let mut rest = readings.as_slice();
        let mut seen = Vec::new();
        while !rest.is_empty() {
            let mut batch = BatchBuilder::new(&device(), &boot(), 30, budget);
            while let Some((first, after)) = rest.split_first() {
                match batch.push(first) {
                    Ok(()) => rest = after,
                    Err(PushError::Full) => break,
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                }
            }
            let (length, count) = (batch.len(), batch.readings());
            let bytes = batch.finish().expect("the first reading always fits");
            prop_assert_eq!(bytes.len(), length);
            prop_assert!(count == 1 || length + 30 <= budget);
            seen.extend(decode(&bytes).unwrap().readings);
        }
        prop_assert_eq!(by_name(seen), by_name(readings));
    }

    #[test]
    fn any_bytes_give_a_value_or_a_named_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = decode(&bytes) {
            prop_assert!(!error.code().is_empty());
        }
    }

    #[test]
    fn a_damaged_message_gives_a_value_or_a_named_error(
        readings in any_readings(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode(&device(), &boot(), Clock::Set, &readings).unwrap().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        match decode(&bytes) {
            Ok(decoded) => {
                let told = decoded.readings.len() + decoded.refused.len();
                prop_assert!(told > 0);
            }
            Err(error) => prop_assert!(!error.code().is_empty()),
        }
    }
}

#[test]
fn a_full_batch_of_bme280_readings_spends_at_most_45_bytes_a_reading() {
    let device = DeviceId::try_from("greenhouse-north-07").unwrap();
    let topic = Topic::readings(&device, Route::BasicIngest).to_string();
    let mut batch = BatchBuilder::new(&device, &boot(), topic.len(), METERING_UNIT_BYTES);
    let mut seq = 100_000;
    let mut step = 0.0;
    while batch.push(&bme280(1_795_456_115_802 + seq * 1000, seq.unsigned_abs(), step)).is_ok() {
        seq += 1;
        step += 0.01;
    }
    let readings = batch.readings();
    let bytes = batch.finish().unwrap().len() + topic.len();
    assert!(bytes <= METERING_UNIT_BYTES);
    let per_reading = bytes.div_ceil(readings);
    assert!(per_reading <= 45, "{per_reading} bytes a reading ({bytes} / {readings})");
}

#[test]
fn a_reading_that_no_message_can_carry_is_refused_before_any_queue() {
    let name = "x".repeat(60);
    let values: Vec<(String, &str, f64)> =
        (0..64).map(|i| (format!("{name}{i}"), "Cel", 1.5)).collect();
    let values: Vec<(&str, &str, f64)> =
        values.iter().map(|(q, u, v)| (q.as_str(), *u, *v)).collect();
    let largest = measured("s", 0, 0, &values);
    // The limits on names and counts keep every reading far below what MQTT on AWS carries.
    let mut batch = BatchBuilder::new(&device(), &boot(), 0, METERING_UNIT_BYTES);
    batch.push(&largest).unwrap();
    assert!(batch.len() < crate::limits::MAX_PAYLOAD_BYTES / 10);
}

fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/golden/v1/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    // The files end with a newline, as text files do; the wire does not.
    assert_eq!(bytes.pop(), Some(b'\n'), "{path}");
    bytes
}

#[test]
fn the_golden_messages_decode_and_encode_to_themselves() {
    for (name, readings) in
        [("bme280.json", 3), ("mixed.json", 6), ("fault-only.json", 1), ("clock-unset.json", 2)]
    {
        let bytes = golden(name);
        let decoded = decode(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(decoded.refused, [], "{name}");
        assert_eq!(decoded.readings.len(), readings, "{name}");
        let Decoded { device, boot, clock, readings, .. } = &decoded;
        let again = encode(device, boot, *clock, readings).unwrap().unwrap();
        assert_eq!(String::from_utf8(again), String::from_utf8(bytes), "{name}");
    }
}

#[test]
fn the_golden_message_says_what_the_design_says() {
    let decoded = decode(&golden("bme280.json")).unwrap();
    let expected = [
        measured(
            "bme280",
            1_795_456_115_802,
            1042,
            &[
                ("temperature", "Cel", 21.53),
                ("humidity", "%RH", 40.11),
                ("pressure", "hPa", 1013.2),
            ],
        ),
        measured(
            "bme280",
            1_795_456_116_802,
            1043,
            &[
                ("temperature", "Cel", 21.54),
                ("humidity", "%RH", 40.1),
                ("pressure", "hPa", 1013.2),
            ],
        ),
    ];
    assert_eq!(decoded.readings[..2], expected);
    assert_eq!(decoded.readings[2].outcome, Outcome::Failed(Fault::Timeout));
}

#[test]
fn a_message_of_a_clock_that_was_never_set_says_so_also_in_what_is_refused() {
    let decoded = decode(&golden("clock-unset.json")).unwrap();
    assert_eq!((decoded.clock, decoded.readings[0].at.get()), (Clock::Unset, 12_345));
    assert_eq!(decode(&golden("bme280.json")).unwrap().clock, Clock::Set);
    let bad = String::from_utf8(golden("clock-unset.json")).unwrap().replace("21.5]", "\"x\"]");
    let refused = &decode(bad.as_bytes()).unwrap().refused[0];
    assert_eq!(decode(refused.message.as_bytes()).unwrap().clock, Clock::Unset);
}

#[test]
fn a_message_with_fields_of_a_later_minor_version_is_read() {
    assert_eq!(decode(&golden("unknown-fields.json")).unwrap().readings.len(), 1);
}

#[test]
fn bad_golden_messages_are_refused_whole_with_their_reason() {
    for (name, code) in [
        ("bad/not-json.json", "malformed-message"),
        ("bad/no-series.json", "malformed-message"),
        ("bad/version-2.json", "unsupported-version"),
        ("bad/device-with-hash.json", "bad-id"),
        ("bad/t0-negative.json", "bad-time"),
        ("bad/clock-unknown.json", "bad-clock"),
        ("bad/empty.json", "empty-message"),
    ] {
        let error = decode(&golden(name)).unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
    }
}

#[test]
fn one_bad_row_leaves_its_neighbours_and_comes_back_whole() {
    let decoded = decode(&golden("bad/rows.json")).unwrap();
    assert_eq!(decoded.readings.len(), 2);
    let codes: Vec<&str> = decoded.refused.iter().map(|one| one.error.code()).collect();
    assert_eq!(
        codes,
        [
            "malformed-row",
            "malformed-row",
            "malformed-row",
            "bad-value",
            "bad-time",
            "unknown-fault",
            "unknown-unit",
            "bad-id",
            "bad-quantities",
        ]
    );
    for refused in &decoded.refused {
        let again = decode(refused.message.as_bytes()).unwrap();
        assert_eq!(again.readings, []);
        assert_eq!(again.refused.as_slice(), std::slice::from_ref(refused));
    }
}
