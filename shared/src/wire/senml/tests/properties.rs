//! Whatever comes, nothing panics, nothing is lost, and what stands alone says the same.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};

use super::*;
use crate::wire::foreign::{Refused, Sample};

/// Few cases, always the same ones: these run with every `cargo test`.
fn config() -> Config {
    Config {
        cases: 128,
        rng_seed: RngSeed::Fixed(8428),
        failure_persistence: None,
        ..Config::default()
    }
}

fn any_record() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i16>().prop_map(|number| number.to_string()),
        any::<f64>()
            .prop_filter("JSON has it", |number| number.is_finite())
            .prop_map(|number| format!("{number:e}")),
        (-1000.0..1000.0_f64).prop_map(|number| number.to_string()),
        Just("1795456115.8".to_owned()),
        Just("\"1\"".to_owned()),
        Just("null".to_owned()),
    ];
    let name = prop_oneof![
        "[a-zA-Z0-9:/._-]{0,12}".prop_map(|name| format!("\"{name}\"")),
        prop::sample::select(vec!["\"temp\"", "\"a/hum\"", "\"urn:dev:mac:a1b2c3\"", "\"ä\"", "7"])
            .prop_map(str::to_owned),
    ];
    let unit = prop::sample::select(vec!["\"Cel\"", "\"W\"", "\"/\"", "\"%RH\"", "\"x\"", "7"])
        .prop_map(str::to_owned);
    let value = prop::sample::select(vec!["true", "false", "\"aGk\"", "1"]).prop_map(str::to_owned);
    let names = prop::sample::select(vec!["n", "n", "n", "bn"]).boxed();
    let units = prop::sample::select(vec!["u", "u", "bu"]).boxed();
    let numbers =
        prop::sample::select(vec!["v", "v", "v", "s", "t", "ut", "bt", "bv", "bs"]).boxed();
    let values = prop::sample::select(vec!["vb", "vs", "vd", "unknown"]).boxed();
    let field = prop_oneof![
        3 => (names, name.boxed()),
        2 => (units, unit.boxed()),
        5 => (numbers, number.boxed()),
        1 => (values, value.boxed()),
    ];
    prop::collection::btree_map(field.clone().prop_map(|(label, _)| label), field, 0..6).prop_map(
        |fields| {
            let mut labels = std::collections::BTreeMap::new();
            labels.extend(fields.into_values());
            let fields: Vec<String> =
                labels.iter().map(|(label, value)| format!("\"{label}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        },
    )
}

fn any_pack() -> impl Strategy<Value = String> {
    prop::collection::vec(any_record(), 1..12)
        .prop_map(|records| format!("[{}]", records.join(",")))
}

/// JSON as CBOR, so that the same packs go through both doors.
fn cbor(json: &serde_json::Value) -> Vec<u8> {
    use serde_json::Value as Json;
    let head = |major: u8, length: usize| {
        let length = u16::try_from(length).unwrap().to_be_bytes();
        vec![major << 5 | 25, length[0], length[1]]
    };
    match json {
        Json::Null => vec![0xf6],
        Json::Bool(value) => vec![0xf4 + u8::from(*value)],
        Json::Number(number) => {
            [vec![0xfb], number.as_f64().unwrap().to_be_bytes().to_vec()].concat()
        }
        Json::String(text) => [head(3, text.len()), text.clone().into_bytes()].concat(),
        Json::Array(items) => {
            // Short, so that its first byte is one that a pack has.
            let start = vec![0x80 | u8::try_from(items.len()).unwrap()];
            [start, items.iter().flat_map(cbor).collect()].concat()
        }
        Json::Object(fields) => {
            let fields = fields
                .iter()
                .flat_map(|(key, value)| [cbor(&Json::from(key.as_str())), cbor(value)].concat());
            let length = json.as_object().unwrap().len();
            [head(5, length), fields.collect()].concat()
        }
    }
}

fn check(decoded: &Result<Decoded, PackError>) {
    let decoded = match decoded {
        Ok(decoded) => decoded,
        Err(error) => return assert!(!error.code().is_empty() && !error.to_string().is_empty()),
    };
    assert!(decoded.samples.len() + decoded.refused.len() > 0);
    for sample in &decoded.samples {
        let Decoded { samples, refused, .. } = decode_json(&sample.alone, UnixMillis::MAX).unwrap();
        assert_eq!((&samples[..], refused.len()), (&[sample.clone()][..], 0), "{sample:?}");
    }
    for refused in &decoded.refused {
        let again = decode_json(&refused.message, now()).unwrap();
        match refused.error.code() {
            // Alone nothing is in their way.
            "conflicting-duplicate" | "bad-quantities" => assert_eq!(again.samples.len(), 1),
            code => {
                let codes = |one: &Refused| one.error.code().to_owned();
                let codes: Vec<String> = again.refused.iter().map(codes).collect();
                assert_eq!((codes, again.samples), (vec![code.to_owned()], Vec::<Sample>::new()));
                assert_eq!(text(&again.refused[0].message), text(&refused.message));
            }
        }
    }
}

/// Measurements that a pack has: one for each value, and one for each sum.
fn measurements(pack: &str) -> Option<usize> {
    let records: Vec<serde_json::Map<String, serde_json::Value>> =
        serde_json::from_str(pack).ok()?;
    let mut has_base_sum = false;
    let mut count = 0;
    for record in records {
        has_base_sum |= record.contains_key("bs");
        let values = ["v", "vb", "vs", "vd"].iter().filter(|label| record.contains_key(**label));
        let values = values.count();
        let is_number = record.get("v").is_some_and(serde_json::Value::is_number);
        let has_sum = record.contains_key("s") || (has_base_sum && is_number);
        count += usize::from(values > 0) + usize::from(has_sum);
    }
    Some(count)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn packs_are_told_whole_and_alike_in_json_and_cbor(pack in any_pack()) {
        let decoded = decode_json(pack.as_bytes(), now());
        check(&decoded);
        let bytes = cbor(&serde_json::from_str(&pack).unwrap());
        match (&decoded, &decode_cbor(&bytes, now())) {
            (Ok(json), Ok(cbor)) => {
                prop_assert_eq!(lines(json), lines(cbor));
                prop_assert_eq!(json.refused.len(), cbor.refused.len());
                let told: usize = json.samples.iter().map(|sample| sample.values.len()).sum();
                // Equal ones merge, and a refused record counts once for its value and its sum.
                prop_assert!(told <= measurements(&pack).unwrap());
                prop_assert!(told + json.refused.len() >= 1);
            }
            (Err(json), Err(cbor)) => prop_assert_eq!(json.code(), cbor.code()),
            (json, cbor) => prop_assert!(false, "{json:?} and {cbor:?}"),
        }
    }

    #[test]
    fn each_of_many_records_is_accounted_for(
        values in prop::collection::vec((0..3_u8, 0..9_i64, 0..5_u8, -9..9_i8), 1..60),
    ) {
        // Sensor, second, quantity and value; no two of them agree but by being equal.
        let record = |(sensor, second, quantity, value): &(u8, i64, u8, i8)| {
            format!("{{\"n\":\"s{sensor}/q{quantity}\",\"t\":{},\"v\":{value}}}", -second)
        };
        let pack: Vec<String> = values.iter().map(record).collect();
        let decoded = decode_json(format!("[{}]", pack.join(",")).as_bytes(), now());
        check(&decoded);
        let decoded = decoded.unwrap();
        let told: usize = decoded.samples.iter().map(|sample| sample.values.len()).sum();
        let mut first = std::collections::HashMap::new();
        let (mut fresh, mut conflicts) = (0, 0);
        for (sensor, second, quantity, value) in values {
            match first.get(&(sensor, second, quantity)) {
                None => {
                    first.insert((sensor, second, quantity), value);
                    fresh += 1;
                }
                Some(earlier) if *earlier == value => {}
                Some(_) => conflicts += 1,
            }
        }
        prop_assert_eq!((told, decoded.refused.len()), (fresh, conflicts));
    }

    #[test]
    fn any_bytes_give_samples_or_a_named_error(mut bytes in prop::collection::vec(any::<u8>(), 1..120)) {
        check(&decode_json(&bytes, now()));
        check(&decode_cbor(&bytes, now()));
        // Most random bytes end at the first: begin as a pack with a record.
        bytes.splice(0..0, [0x9f, 0xbf, 0x02]);
        check(&decode_cbor(&bytes, now()));
    }

    #[test]
    fn damaged_packs_give_samples_or_a_named_error(
        pack in any_pack(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = cbor(&serde_json::from_str(&pack).unwrap());
        let mut pack = pack.into_bytes();
        for (at, byte) in damage {
            let (in_json, in_cbor) = (at.index(pack.len()), at.index(bytes.len()));
            pack[in_json] = byte;
            bytes[in_cbor] = byte;
        }
        check(&decode_json(&pack, now()));
        check(&decode_cbor(&bytes, now()));
    }
}
