//! Golden files: each example of RFC 8428 sections 5.1 and 6, and what is refused.

use super::*;
use crate::wire::dialect::{Dialect, recognise};
use crate::wire::foreign::PartError;

const DEVICE: &str = "urn-dev-ow-10e2073a01080063";

fn assert_golden(name: &str, expected: &[String]) {
    let bytes = golden(name);
    let (dialect, decoded) = if name.ends_with(".hex") {
        (Dialect::SenmlCbor, decode_cbor(&bytes, now()))
    } else {
        (Dialect::SenmlJson, decode_json(&bytes, now()))
    };
    let decoded = decoded.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(recognise(&bytes), Ok(dialect), "{name}");
    assert_eq!((decoded.device.as_deref(), refusals(&decoded)), (None, Vec::new()), "{name}");
    assert_eq!(lines(&decoded), expected, "{name}");
    for sample in &decoded.samples {
        // At any time: what stands alone has none that is relative.
        let again = decode_json(&sample.alone, UnixMillis::MAX).unwrap();
        assert_eq!((again.samples.as_slice(), again.refused.len()), (&[sample.clone()][..], 0));
    }
}

#[test]
fn single_data_point() {
    assert_golden("5.1.1-single.json", &[format!("{DEVICE} {NOW} temperature=23.1 Cel")]);
}

#[test]
fn multiple_data_points() {
    assert_golden(
        "5.1.2-multiple-now.json",
        &[format!("{DEVICE} {NOW} voltage=120.1 V current=1.2 A")],
    );
    let at = |second: i64, rest: &str| {
        format!("urn-dev-ow-10e2073a0108006 {} {rest}", 1_276_020_076_001 + second * 1000)
    };
    let expected = [
        at(0, "voltage=120.1 V current=1.7 A"),
        at(-5, "current=1.2 A"),
        at(-4, "current=1.3 A"),
        at(-3, "current=1.4 A"),
        at(-2, "current=1.5 A"),
        at(-1, "current=1.6 A"),
    ];
    assert_golden("5.1.2-multiple.json", &expected);
    assert_golden("6-multiple.cbor.hex", &expected);
    // Byte for byte the same but for the alone ones, which are JSON for both.
    let json = decode_json(&golden("5.1.2-multiple.json"), now()).unwrap();
    assert_eq!(decode_cbor(&golden("6-multiple.cbor.hex"), now()).unwrap(), json);
}

#[test]
fn a_stream() {
    let values = [21.2, 21.3, 21.4, 21.4, 21.5, 21.5, 21.5, 21.6, 21.7];
    let mut at = 1_320_067_464_000_i64;
    let expected = values.map(|value| {
        at += 10_000;
        format!("{DEVICE} {} humidity={value} %RH", at - 10_000)
    });
    assert_golden("5.1.2-stream.json", &expected);
}

#[test]
fn multiple_measurements_and_the_same_resolved() {
    let expected = [
        (0, "humidity=20 %RH longitude=24.30621 lon latitude=60.07965 lat"),
        (60, "humidity=20.3 %RH longitude=24.30622 lon latitude=60.07965 lat"),
        (120, "humidity=20.7 %RH longitude=24.30623 lon latitude=60.07966 lat"),
        (150, "battery=98 %EL"),
        (180, "humidity=21.2 %RH longitude=24.30628 lon latitude=60.07967 lat"),
    ]
    .map(|(second, values)| format!("{DEVICE} {} {values}", (1_320_067_464_i64 + second) * 1000));
    assert_golden("5.1.3-measurements.json", &expected);
    assert_golden("5.1.4-resolved.json", &expected);
}

#[test]
fn multiple_data_types() {
    let decoded = decode_json(&golden("5.1.5-types.json"), now()).unwrap();
    assert_eq!(lines(&decoded), [format!("{DEVICE} {NOW} temperature=23.1 Cel open=0 /")]);
    let refused = |rest: &str| {
        format!("unsupported-value {DEVICE} [{{\"n\":\"urn:dev:ow:10e2073a01080063:{rest}}}]")
    };
    assert_eq!(
        refusals(&decoded),
        [
            refused("label\",\"t\":1795456115.802,\"vs\":\"Machine Room\""),
            refused("nfv-reader\",\"t\":1795456115.802,\"vd\":\"aGkgCg\""),
        ]
    );
    assert_eq!(
        decoded.refused[0].error.to_string(),
        "field vs: expected a number in v or a boolean in vb, but found \"Machine Room\""
    );
}

#[test]
fn collection_of_resources() {
    let at = "1320078429000";
    assert_golden(
        "5.1.6-collection.json",
        &[
            format!("2001-db8--2 {at} temperature=25.2 Cel humidity=30 %RH"),
            format!("2001-db8--1 {at} temperature=12.3 Cel humidity=67 %RH"),
        ],
    );
}

#[test]
fn setting_an_actuator() {
    assert_golden(
        "5.1.7-actuator.json",
        &[format!("{DEVICE} {NOW} temperature=23.1 Cel heat=1 / fan=0 /")],
    );
    // A light in `/` and no name but an address: nothing says what it is.
    for (name, records) in [("5.1.7-lights-on.json", 2), ("5.1.7-lights-off.json", 4)] {
        let decoded = decode_json(&golden(name), now()).unwrap();
        assert_eq!((decoded.samples.len(), decoded.refused.len()), (0, records), "{name}");
        for refused in &decoded.refused {
            assert_eq!(refused.error.code(), "unnamed-quantity", "{name}");
            assert!(refused.sensor.as_ref().unwrap().starts_with("2001-db8--"), "{name}");
        }
    }
    let decoded = decode_json(&golden("5.1.7-lights-off.json"), now()).unwrap();
    assert_eq!(
        text(&decoded.refused[3].message),
        "[{\"n\":\"2001:db8::4\",\"u\":\"/\",\"t\":1320078429.100,\"v\":0}]"
    );
}

#[test]
fn sums_are_quantities_of_their_own() {
    let decoded = decode_json(&golden("sums.json"), now()).unwrap();
    assert_eq!(
        lines(&decoded),
        ["meter 1795456115802 power=2.5 W power_sum=1200 J current_sum=1020 C voltage=230 V \
          duty=101 / duty_sum=0 s"]
    );
    assert_eq!(
        refusals(&decoded),
        [
            "unsupported-value meter [{\"n\":\"meter/voltage\",\"u\":\"V\",\"t\":1795456115.802,\"s\":1000}]"
        ]
    );
    let error = decoded.refused[0].error.to_string();
    assert!(error.starts_with("field s: expected a unit whose product with seconds"), "{error}");
}

#[test]
fn fields_of_other_documents_are_passed_over() {
    assert_golden("extensions.json", &["a 1795456115000 temperature=21.5 Cel".to_owned()]);
}

#[test]
fn bad_packs_are_refused_whole_with_their_reason() {
    for (name, code) in [
        ("not-json.json", "malformed-message"),
        ("object.json", "malformed-message"),
        ("record-number.json", "malformed-message"),
        ("trailing.json", "malformed-message"),
        ("label-twice.json", "malformed-message"),
        ("base-time-text.json", "malformed-message"),
        ("base-name-null.json", "malformed-message"),
        ("base-name-long.json", "malformed-message"),
        ("version-0.json", "malformed-message"),
        ("version-half.json", "malformed-message"),
        ("version-11.json", "unsupported-version"),
        ("not-understood.json", "not-understood"),
        ("empty.json", "empty-message"),
        ("base-only.json", "empty-message"),
    ] {
        let error = decode_json(&golden(&format!("bad/{name}")), now()).unwrap_err();
        assert_eq!(error.code(), code, "{name}: {error}");
    }
    let error = decode_json(&golden("bad/base-name-long.json"), now()).unwrap_err().to_string();
    assert!(
        error.starts_with("record 0, field bn: expected a text of at most 256 bytes, but found"),
        "{error}"
    );
}

#[test]
fn one_bad_record_leaves_its_neighbours_and_comes_back_whole() {
    let decoded = decode_json(&golden("bad/records.json"), now()).unwrap();
    assert_eq!(lines(&decoded), ["plant 1795456115000 temperature=21.5 Cel"]);
    let codes: Vec<&str> = decoded.refused.iter().map(|one| one.error.code()).collect();
    let expected = [
        ("unsupported-value", 11),
        ("unknown-unit", 1),
        ("bad-id", 3),
        ("bad-time", 3),
        ("bad-value", 2),
        ("unsupported-value", 1),
        ("unnamed-quantity", 2),
    ];
    let expected: Vec<&str> =
        expected.into_iter().flat_map(|(code, times)| vec![code; times]).collect();
    assert_eq!(codes, expected);
    for refused in &decoded.refused {
        let again = decode_json(&refused.message, now()).unwrap();
        assert_eq!(again.samples, []);
        let same = std::slice::from_ref(refused);
        assert_eq!(again.refused.as_slice(), same, "{}", text(&refused.message));
    }
    let refusals = refusals(&decoded);
    for kept in ["\"vs\":\"x\\\"y\"", "\"vd\":\"aGkgCg\"", "\"ut\":5", "\"bn\":\"plant/\""] {
        assert!(refusals.iter().any(|one| one.contains(kept)), "{kept}");
    }
}

#[test]
fn numbers_whose_sum_is_no_number_come_back_apart() {
    let decoded = decode_json(&golden("bad/overflow.json"), now()).unwrap();
    let codes: Vec<&str> = decoded.refused.iter().map(|one| one.error.code()).collect();
    assert_eq!(codes, ["bad-time", "bad-value", "bad-value"]);
    for refused in &decoded.refused {
        let again = decode_json(&refused.message, now()).unwrap();
        assert_eq!(again.refused[0].error.code(), refused.error.code());
        assert_eq!(again.refused[0].message, refused.message);
    }
}

#[test]
fn of_records_that_say_different_things_the_first_stays() {
    let decoded = decode_json(&golden("bad/neighbours.json"), now()).unwrap();
    assert_eq!(lines(&decoded), ["senml 1795456115000 temperature=21.5 Cel"]);
    let codes: Vec<&str> = decoded.refused.iter().map(|one| one.error.code()).collect();
    assert_eq!(codes, ["conflicting-duplicate"; 2]);
    assert_eq!(
        decoded.refused[1].error.to_string(),
        "quantity temperature stands twice: expected 21.5 Cel again, but found 21.5 K"
    );
    // Nothing but its neighbour was in the way.
    let alone = decode_json(&decoded.refused[0].message, now()).unwrap();
    assert_eq!(lines(&alone), ["senml 1795456115000 temperature=21.6 Cel"]);
}

#[test]
fn a_record_without_a_name_is_told_by_its_unit_also_alone() {
    let pack = br#"[{"bn":"a/b","bt":1795456115,"u":"Cel","v":1},{"bn":"a-b/","n":"rh","v":2},
                    {"bn":"a/b","u":"V","v":3},{"n":"","vb":true}]"#;
    let decoded = decode_json(pack, now()).unwrap();
    let expected = "a-b 1795456115000 temperature=1 Cel humidity=2 voltage=3 V state=1 /";
    assert_eq!(lines(&decoded), [expected]);
    let sample = &decoded.samples[0];
    assert_eq!(
        text(&sample.alone),
        "[{\"bn\":\"a/b\",\"u\":\"Cel\",\"t\":1795456115.000,\"v\":1},\
         {\"bn\":\"\",\"n\":\"a-b/rh\",\"t\":1795456115.000,\"v\":2},\
         {\"bn\":\"a/b\",\"u\":\"V\",\"t\":1795456115.000,\"v\":3},\
         {\"bn\":\"a/b\",\"t\":1795456115.000,\"vb\":true}]"
    );
    let again = decode_json(&sample.alone, now()).unwrap();
    assert_eq!(again.samples.as_slice(), std::slice::from_ref(sample));
}

#[test]
fn times_turn_from_relative_to_absolute_at_two_to_the_28() {
    let told = |time: &str| {
        let pack = format!("[{{\"n\":\"temp\",\"t\":{time},\"v\":1}}]");
        let decoded = decode_json(pack.as_bytes(), now()).unwrap();
        decoded.samples.first().map_or_else(
            || decoded.refused[0].error.code().to_owned(),
            |sample| sample.at.to_string(),
        )
    };
    for (time, expected) in [
        ("0", "1795456115802"),
        ("-0.0015", "1795456115800"),
        ("268435455.999", "2063891571801"),
        ("268435456", "268435456000"),
        ("1795456115.8024", "1795456115802"),
        ("9999999999.999", "9999999999999"),
        ("9999999999.9996", "bad-time"),
        ("-1527020659.802", "268435456000"),
        ("-1527020659.803", "bad-time"),
    ] {
        assert_eq!(told(time), expected, "{time}");
    }
}

#[test]
fn base_and_own_time_are_added_before_they_are_told_apart() {
    let pack = br#"[{"bt":268435000,"n":"temp","t":456,"v":1},{"n":"temp","t":455,"v":2}]"#;
    let at: Vec<i64> =
        decode_json(pack, now()).unwrap().samples.iter().map(|one| one.at.get()).collect();
    assert_eq!(at, [268_435_456_000, NOW + 268_435_455_000]);
}

#[test]
fn a_sample_has_no_more_quantities_than_a_reading() {
    let records: Vec<String> = (0..66).map(|i| format!("{{\"n\":\"a/q{i}\",\"v\":{i}}}")).collect();
    let decoded = decode_json(format!("[{}]", records.join(",")).as_bytes(), now()).unwrap();
    assert_eq!((decoded.samples.len(), decoded.samples[0].values.len()), (1, 64));
    let codes: Vec<&str> = decoded.refused.iter().map(|one| one.error.code()).collect();
    assert_eq!(codes, ["bad-quantities"; 2]);
    assert!(matches!(decoded.refused[0].error, PartError::Quantities(_)));
}

#[test]
fn a_pack_has_no_more_records_than_can_be_told() {
    let pack = |records: usize| format!("[{}]", vec!["{\"v\":1,\"bn\":\"a\"}"; records].join(","));
    let decoded = decode_json(pack(MAX_RECORDS).as_bytes(), now()).unwrap();
    assert_eq!(decoded.refused.len(), MAX_RECORDS);
    let error = decode_json(pack(MAX_RECORDS + 1).as_bytes(), now()).unwrap_err();
    assert_eq!(error.code(), "too-many-records");
    let error = decode_cbor(&[vec![0x9f], vec![0xa0; MAX_RECORDS + 1]].concat(), now());
    assert_eq!(error.unwrap_err().code(), "too-many-records");
}

#[test]
fn cbor_is_read_in_all_its_forms() {
    for (bytes, expected) in [
        // [_ {_ "n": (_ "te", "mp"), 2: 4([-1, 215]), "u": "Cel"}]
        (
            &b"\x9f\xbf\x61n\x7f\x62te\x62mp\xff\x02\xc4\x82\x20\x18\xd7\x61u\x63Cel\xff\xff"[..],
            "temperature=21.5 Cel",
        ),
        // [{0: "open", 4: true, 99: [_ {}], h'00': 1}]
        (b"\x81\xa4\x00\x64open\x04\xf5\x18\x63\x9f\xa0\xff\x41\x00\x01", "open=1 /"),
    ] {
        let decoded = decode_cbor(bytes, now()).unwrap();
        assert_eq!(lines(&decoded), [format!("senml {NOW} {expected}")]);
    }
    for (bytes, code) in [
        (&b"\x81"[..], "malformed-message"),
        (b"\x81\xa1\x00", "malformed-message"),
        (b"\x82\xa0\xff", "malformed-message"),
        (b"\x81\xa0\x00", "malformed-message"),
        (b"\xa0", "malformed-message"),
        (b"\x81\x01", "malformed-message"),
        (b"\x81\xa1\x00\x62\xff\xff", "malformed-message"),
        // A label twice, once by its number and once by its text; a base name in bytes; bt NaN.
        (b"\x81\xa2\x02\x01\x61v\x01", "malformed-message"),
        (b"\x81\xa1\x21\x41a", "malformed-message"),
        (b"\x81\xa1\x22\xf9\x7e\x00", "malformed-message"),
        (b"\x81\xa1\x20\x0b", "unsupported-version"),
        (b"\x81\xa1\x62a_\x00", "not-understood"),
        (b"\x80", "empty-message"),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "malformed-message"),
    ] {
        let error = decode_cbor(bytes, now()).unwrap_err();
        assert_eq!(error.code(), code, "{bytes:x?}: {error}");
    }
    // [{0: "photo", 8: h'686920', 1: "V"}, {0: "volt", 2: NaN}, {0: "amp", 2: h'00'}]
    let bytes = b"\x83\xa3\x00\x65photo\x08\x43hi \x01\x61V\xa2\x00\x64volt\x02\xf9\x7e\x00\xa2\x00\x63amp\x02\x41\x00";
    let decoded = decode_cbor(bytes, now()).unwrap();
    let refused = |rest: &str| format!("unsupported-value senml [{{\"n\":{rest}}}]");
    assert_eq!(
        refusals(&decoded),
        [
            refused("\"photo\",\"u\":\"V\",\"t\":1795456115.802,\"vd\":\"aGkg\""),
            refused("\"volt\",\"t\":1795456115.802,\"v\":\"NaN\""),
            refused("\"amp\",\"t\":1795456115.802,\"v\":{\"bytes\":\"AA\"}"),
        ]
    );
}
