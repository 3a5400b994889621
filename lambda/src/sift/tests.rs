//! Messages to items, reason by reason.

use serde_json::json;
use tidings_schema::UnixMillis;
use tidings_schema::limits::EARLIEST_MS;

use super::*;
use crate::config::{Layout, Rules};

const NOW: i64 = 1_795_456_115_802;

fn envelope(topic: &str, client_id: &str) -> Envelope {
    Envelope {
        payload: String::new(),
        topic: topic.to_owned(),
        client_id: client_id.to_owned(),
        principal: Some("abc".to_owned()),
        received_at: UnixMillis::new(NOW).unwrap(),
        trace_id: Some("t-1".to_owned()),
        envelope: 1,
    }
}

fn sift_text(payload: &str) -> Vec<Put> {
    let envelope = envelope("sensors/pi-1/readings", "pi-1");
    sift_as(&envelope, payload.as_bytes(), &Rules::default(), &Profile::default()).puts
}

fn sift_as(envelope: &Envelope, payload: &[u8], rules: &Rules, profile: &Profile) -> Sifted {
    sift(envelope, payload, 0, rules, profile)
}

fn rows(fields: &str, rows: &str) -> String {
    format!(
        "{{\"v\":1,\"device\":\"pi-1\",\"boot\":\"b\",\"t0\":{NOW},\"series\":[{{\"sensor\":\"s\",\"fields\":{fields},\"rows\":{rows}}}]}}"
    )
}

/// What became of each reading, sorted.
fn reasons(puts: &[Put]) -> Vec<&'static str> {
    let reason = |put: &Put| match &put.item {
        Item::Quarantine(item) => item.reason,
        Item::Reading(_) | Item::Packed(_) | Item::Seen(_) | Item::Due(_) | Item::Rollup(_) => "ok",
    };
    let mut reasons: Vec<_> = puts.iter().map(reason).collect();
    reasons.sort_unstable();
    reasons
}

fn refused(puts: &[Put]) -> Vec<&QuarantineItem> {
    puts.iter()
        .filter_map(|put| match &put.item {
            Item::Quarantine(item) => Some(item),
            Item::Reading(_) | Item::Packed(_) | Item::Seen(_) | Item::Due(_) | Item::Rollup(_) => {
                None
            }
        })
        .collect()
}

#[test]
fn good_readings_are_stored_in_canonical_units_with_their_expiry() {
    let puts = sift_text(&rows(
        r#"[["temperature","K"],["pressure","Pa"],["leaf_wetness","%"]]"#,
        "[[-1000,5,294.68,101325,12]]",
    ));
    let [Put { item: Item::Reading(item), .. }] = puts.as_slice() else { panic!("{puts:?}") };
    let Content::Values(values) = &item.content else { panic!("{item:?}") };
    let values: Vec<(&str, f64, Option<&str>)> = values
        .iter()
        .map(|(quantity, value, unit)| {
            (quantity.as_str(), value.get(), unit.map(|unit| unit.name()))
        })
        .collect();
    assert_eq!(
        values,
        [
            ("temperature", 21.53, None),
            ("pressure", 1013.25, None),
            ("leaf_wetness", 12.0, Some("%"))
        ]
    );
    assert_eq!(item.key.sk, format!("{}#b#000000000005", NOW - 1000));
    assert_eq!(item.expires_at, (NOW - 1000) / 1000 + 365 * 86_400);
}

#[test]
fn each_bad_reading_goes_to_quarantine_and_its_neighbours_do_not() {
    let year = 366 * 86_400_000_i64;
    let puts = sift_text(&rows(
        r#"[["temperature","Cel"]]"#,
        &format!(
            "[[0,1,21.5],[0,2,5000],[300001,3,21],[{},4,21],[-{year},5,21],[300000,6,21.5]]",
            -NOW
        ),
    ));
    assert_eq!(
        reasons(&puts),
        ["ok", "ok", "out-of-range", "time-before-2020", "time-in-future", "too-old"]
    );
    let wrong = sift_text(&rows(r#"[["temperature","hPa"]]"#, "[[0,1,21.5]]"));
    assert_eq!(reasons(&wrong), ["wrong-unit"]);
}

#[test]
fn a_refused_reading_is_kept_as_a_message_that_can_be_sent_again() {
    let puts = sift_text(&rows(r#"[["temperature","Cel"]]"#, "[[0,1,5000],[0,2]]"));
    assert_eq!(reasons(&puts), ["malformed-row", "out-of-range"]);
    for (item, seq) in refused(&puts).into_iter().zip(["1", "2"]) {
        assert_eq!(item.sensor.as_deref(), Some("s"));
        let text = String::from_utf8(item.payload.clone()).unwrap();
        assert!(text.contains(&format!("[0,{seq}")), "{text}");
        assert_eq!(reasons(&sift_text(&text)), [item.reason]);
    }
}

#[test]
fn a_message_of_which_nothing_can_be_told_is_kept_whole() {
    let garbage: &[u8] = b"\xff\x00 not json";
    let envelope = envelope("sensors/pi-1/readings", "pi-1");
    let puts = sift_as(&envelope, garbage, &Rules::default(), &Profile::default()).puts;
    let [Put { item: Item::Quarantine(item), .. }] = puts.as_slice() else { panic!("{puts:?}") };
    assert_eq!((item.reason, item.payload.as_slice()), ("unrecognised-payload", garbage));
    assert_eq!((item.pk.as_str(), item.expires_at), ("2026-11-23", NOW / 1000 + 30 * 86_400));
    assert_eq!(item.principal.as_deref(), Some("abc"));
}

#[test]
fn topic_client_and_payload_must_be_one_device() {
    let payload = rows(r#"[["temperature","Cel"]]"#, "[[0,1,21.5]]");
    for (topic, client_id) in [
        ("sensors/pi-2/readings", "pi-1"),
        ("sensors/pi-1/readings", "pi-2"),
        ("sensors/pi-1/readings", "n/a"),
        ("sensors/pi-1/status", "pi-1"),
        ("else", "pi-1"),
    ] {
        let envelope = envelope(topic, client_id);
        let rules = Rules::default();
        let puts = sift_as(&envelope, payload.as_bytes(), &rules, &Profile::default()).puts;
        assert_eq!(reasons(&puts), ["identity-mismatch"], "{topic} {client_id}");
    }
}

#[test]
fn a_name_given_twice_is_written_once_and_what_differs_is_not_lost() {
    let payload = rows(r#"[["temperature","Cel"]]"#, "[[0,1,21],[0,1,21],[0,1,22],[0,1,23]]");
    let envelope = envelope("sensors/pi-1/readings", "pi-1");
    let sifted = sift_as(&envelope, payload.as_bytes(), &Rules::default(), &Profile::default());
    let puts = sifted.puts;
    assert_eq!(reasons(&puts), ["conflicting-duplicate", "conflicting-duplicate", "ok"]);
    assert_eq!((sifted.accepted, sifted.duplicates), (1, 1));
    let payloads: Vec<String> = refused(&puts)
        .into_iter()
        .map(|item| String::from_utf8_lossy(&item.payload).into_owned())
        .collect();
    assert!(payloads[0].contains("[0,1,22]") && payloads[1].contains("[0,1,23]"), "{payloads:?}");
}

#[test]
fn the_same_message_gives_the_same_items_again() {
    let payload = rows(r#"[["temperature","Cel"]]"#, "[[0,1,21.5],[0,2,5000],[0,3]]");
    assert_eq!(sift_text(&payload), sift_text(&payload));
}

#[test]
fn a_reading_that_cannot_be_placed_is_stored_as_such_and_kept_as_long_as_it_would_be_from_now() {
    let payload = r#"{"v":1,"device":"pi-1","boot":"b","clock":"unset","t0":12345,"series":[
        {"sensor":"s","fields":[["temperature","Cel"]],"rows":[[0,0,21.5],[1,1,-999]]}]}"#;
    let puts = sift_text(payload);
    let item = puts.iter().find_map(|put| match &put.item {
        Item::Reading(item) => Some(item),
        Item::Packed(_) | Item::Quarantine(_) | Item::Seen(_) | Item::Due(_) | Item::Rollup(_) => {
            None
        }
    });
    let item = item.unwrap();
    assert_eq!((item.common.clock, item.at.get()), (Clock::Unset, 12_345));
    assert_eq!(item.key.sk, "0000000012345#b#000000000000");
    assert!(item.expires_at > NOW / 1000);
    // What is wrong with another of its readings is told as ever, and says of the clock what it said.
    let [refused] = refused(&puts)[..] else { panic!("{puts:?}") };
    assert_eq!(refused.reason, "out-of-range");
    assert_eq!(v1::decode(&refused.payload).unwrap().clock, Clock::Unset);
}

#[test]
fn a_clock_that_is_unset_and_says_a_real_time_is_refused() {
    let at = |t0: i64| {
        sift_text(&format!(
            r#"{{"v":1,"device":"pi-1","boot":"b","clock":"unset","t0":{t0},"series":[
            {{"sensor":"s","fields":[["temperature","Cel"]],"rows":[[0,0,21.5]]}}]}}"#
        ))
    };
    assert_eq!(reasons(&at(EARLIEST_MS - 1)), ["ok"]);
    let puts = at(EARLIEST_MS);
    let [refused] = refused(&puts)[..] else { panic!("{puts:?}") };
    assert_eq!(refused.reason, "uptime-too-long");
    assert!(refused.detail.contains("1577836800000 ms (50 years)"), "{}", refused.detail);
}

fn profile(item: serde_json::Value) -> Profile {
    let profile = Profile::read(&item);
    assert_eq!(profile.problems, [] as [&str; 0]);
    profile
}

fn with_profile(payload: &str, item: serde_json::Value) -> Vec<Put> {
    let envelope = envelope("sensors/pi-1/readings", "pi-1");
    sift_as(&envelope, payload.as_bytes(), &Rules::default(), &profile(item)).puts
}

fn values_of(put: &Put) -> Vec<(&str, f64)> {
    let Item::Reading(item) = &put.item else { panic!("{put:?}") };
    let Content::Values(values) = &item.content else { panic!("{item:?}") };
    values.iter().map(|(quantity, value, _)| (quantity.as_str(), value.get())).collect()
}

#[test]
fn what_the_operator_says_of_a_device_corrects_narrows_and_adds() {
    let said = json!({"site": "north", "labels": {"crop": "tomato"}, "altitude": 100,
        "calibration": {"s.temperature": {"gain": 1.1, "offset": -0.5}},
        "ranges": {"temperature": {"min": 0, "max": 40}},
        "derive": ["dew_point", "sea_level_pressure"]});
    let payload = rows(
        r#"[["temperature","Cel"],["humidity","%RH"],["pressure","hPa"]]"#,
        "[[0,1,20,50,1000],[1,2,39,50,1000]]",
    );
    let puts = with_profile(&payload, said);
    assert_eq!(reasons(&puts), ["ok", "out-of-device-range"], "39 becomes 42.4");
    let good = puts.iter().find(|put| matches!(put.item, Item::Reading(_))).unwrap();
    let values = values_of(good);
    assert_eq!(values[0], ("temperature", 21.5));
    assert_eq!(values[1], ("humidity", 50.0));
    assert_eq!(values[3].0, "dew_point");
    assert!((values[3].1 - 10.6).abs() < 0.1, "{values:?}");
    assert_eq!(values[4].0, "sea_level_pressure");
    assert!((values[4].1 - 1011.6).abs() < 0.3, "{values:?}");
    let Item::Reading(item) = &good.item else { unreachable!() };
    assert_eq!(item.common.said.site.as_deref(), Some("north"));
    let refused = refused(&puts);
    assert!(refused[0].detail.contains("42.4") && refused[0].detail.contains("0 to 40"));
}

#[test]
fn a_derived_value_never_replaces_a_measured_one() {
    let payload = rows(
        r#"[["temperature","Cel"],["humidity","%RH"],["dew_point","Cel"]]"#,
        "[[0,1,20,50,3]]",
    );
    let puts = with_profile(&payload, json!({"derive": ["dew_point"]}));
    assert_eq!(values_of(&puts[0])[2], ("dew_point", 3.0));
    assert_eq!(values_of(&puts[0]).len(), 3);
}

#[test]
fn packed_readings_are_all_there() {
    let rules = Rules { layout: Layout::Packed, ..Rules::default() };
    let list: Vec<String> = (0..60).map(|seq| format!("[{},{seq},21.5]", seq * 1000)).collect();
    let payload = rows(r#"[["temperature","Cel"]]"#, &format!("[{}]", list.join(",")));
    let envelope = envelope("sensors/pi-1/readings", "pi-1");
    let sifted = sift_as(&envelope, payload.as_bytes(), &rules, &Profile::default());
    assert_eq!((sifted.accepted, sifted.refused.len()), (60, 0));
    let packed = sifted.puts.iter().map(|put| match &put.item {
        Item::Packed(item) => item.readings,
        Item::Reading(_) | Item::Quarantine(_) | Item::Seen(_) | Item::Due(_) | Item::Rollup(_) => {
            panic!("{put:?}")
        }
    });
    let counts: Vec<usize> = packed.collect();
    assert_eq!(counts.iter().sum::<usize>(), 60);
    assert!(counts.len() <= 3, "{counts:?}");
}

#[test]
fn a_senml_pack_in_either_form_becomes_readings() {
    let json =
        br#"[{"bn":"urn:dev:ow:10e2073a01080063:","bt":1795456110,"n":"temp","u":"K","v":294.68},
        {"n":"humidity","u":"%RH","v":40},{"n":"label","vs":"x"}]"#;
    let envelope = envelope("sensors/pi-1/readings", "pi-1");
    let sift = |payload: &[u8]| sift_as(&envelope, payload, &Rules::default(), &Profile::default());
    let sifted = sift(json);
    assert_eq!(reasons(&sifted.puts), ["ok", "unsupported-value"]);
    let good = sifted.puts.iter().find(|put| matches!(put.item, Item::Reading(_))).unwrap();
    assert_eq!(values_of(good), [("temperature", 21.53), ("humidity", 40.0)]);
    let (_, pk, sk) = good.address();
    assert_eq!(pk, "pi-1#urn-dev-ow-10e2073a01080063");
    assert!(sk.starts_with("1795456110000#senml#"), "{sk}");
    // What is refused is a pack that can be sent again, and is refused for the same reason.
    let payload = &refused(&sifted.puts)[0].payload;
    assert_eq!(reasons(&sift(payload).puts), ["unsupported-value"]);

    // [{-2: "room:", 0: "temp", 1: "Cel", 2: 21.5}] without a time: now.
    let cbor =
        b"\x81\xa4\x21\x65room:\x00\x64temp\x01\x63Cel\x02\xfb\x40\x35\x80\x00\x00\x00\x00\x00";
    let sifted = sift(cbor);
    let [good] = sifted.puts.as_slice() else { panic!("{sifted:?}") };
    assert_eq!(values_of(good), [("temperature", 21.5)]);
    assert!(good.address().2.starts_with(&format!("{NOW}#senml#")));
}

#[test]
fn a_plain_object_becomes_readings_of_the_device_on_the_topic() {
    let puts = sift_text(r#"{"temperature":21.5,"humidity":"40","leaf_wetness":3,"ok?":null}"#);
    assert_eq!(reasons(&puts), ["ok", "unsupported-value"]);
    let good = puts.iter().find(|put| matches!(put.item, Item::Reading(_))).unwrap();
    let mut values = values_of(good);
    values.sort_by_key(|(name, _)| *name);
    assert_eq!(values, [("humidity", 40.0), ("leaf_wetness", 3.0), ("temperature", 21.5)]);
    assert!(good.address().2.starts_with(&format!("{NOW}#plain#")));
    let other = sift_text(r#"{"device":"pi-2","temperature":21.5}"#);
    assert_eq!(reasons(&other), ["identity-mismatch"]);
    let range = sift_text(r#"{"temperature":2150}"#);
    assert_eq!(reasons(&range), ["out-of-range"]);
    assert_eq!(reasons(&sift_text(r#"{"hello":"world"}"#)), ["unsupported-value"]);
}

#[test]
fn samples_of_one_millisecond_are_told_apart_by_what_they_say() {
    let sk = |payload: &str| sift_text(payload)[0].address().2.to_owned();
    let (one, again) = (sk(r#"{"temperature":21.5}"#), sk(r#"{ "temperature": 21.50 }"#));
    assert_eq!(one, again, "the same sample has the same name");
    assert_ne!(one, sk(r#"{"temperature":21.6}"#));
    assert_ne!(one, sk(r#"{"dew_point":21.5}"#));
}
