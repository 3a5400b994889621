//! Messages to items, reason by reason.

use tidings_schema::UnixMillis;

use super::*;
use crate::config::Rules;

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
    sift(&envelope, payload.as_bytes(), Rules::default().retention).puts
}

fn rows(fields: &str, rows: &str) -> String {
    format!(
        "{{\"v\":1,\"device\":\"pi-1\",\"boot\":\"b\",\"t0\":{NOW},\"series\":[{{\"sensor\":\"s\",\"fields\":{fields},\"rows\":{rows}}}]}}"
    )
}

fn reasons(puts: &[Put]) -> Vec<&'static str> {
    puts.iter()
        .map(|put| match put {
            Put::Reading(_) | Put::Seen(_) => "ok",
            Put::Quarantine(item) => item.reason,
        })
        .collect()
}

#[test]
fn good_readings_are_stored_in_canonical_units_with_their_expiry() {
    let puts = sift_text(&rows(
        r#"[["temperature","K"],["pressure","Pa"],["leaf_wetness","%"]]"#,
        "[[-1000,5,294.68,101325,12]]",
    ));
    let [Put::Reading(item)] = puts.as_slice() else { panic!("{puts:?}") };
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
        ["ok", "out-of-range", "time-in-future", "time-before-2020", "too-old", "ok"]
    );
    let wrong = sift_text(&rows(r#"[["temperature","hPa"]]"#, "[[0,1,21.5]]"));
    assert_eq!(reasons(&wrong), ["wrong-unit"]);
}

#[test]
fn a_refused_reading_is_kept_as_a_message_that_can_be_sent_again() {
    let puts = sift_text(&rows(r#"[["temperature","Cel"]]"#, "[[0,1,5000],[0,2]]"));
    for (put, seq) in puts.iter().zip(["1", "2"]) {
        let Put::Quarantine(item) = put else { panic!("{put:?}") };
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
    let puts = sift(&envelope, garbage, Rules::default().retention).puts;
    let [Put::Quarantine(item)] = puts.as_slice() else { panic!("{puts:?}") };
    assert_eq!((item.reason, item.payload.as_slice()), ("malformed-message", garbage));
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
        let puts = sift(&envelope, payload.as_bytes(), Rules::default().retention).puts;
        assert_eq!(reasons(&puts), ["identity-mismatch"], "{topic} {client_id}");
    }
}

#[test]
fn a_name_given_twice_is_written_once_and_what_differs_is_not_lost() {
    let puts =
        sift_text(&rows(r#"[["temperature","Cel"]]"#, "[[0,1,21],[0,1,21],[0,1,22],[0,1,23]]"));
    assert_eq!(reasons(&puts), ["ok", "ok", "conflicting-duplicate", "conflicting-duplicate"]);
    let mut puts = puts;
    assert_eq!(crate::plan::dedupe(&mut puts), 1);
    let payloads: Vec<String> = puts
        .iter()
        .filter_map(|put| match put {
            Put::Quarantine(item) => Some(String::from_utf8_lossy(&item.payload).into_owned()),
            Put::Reading(_) | Put::Seen(_) => None,
        })
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
    let Put::Reading(item) = &puts[0] else { panic!("{puts:?}") };
    assert_eq!((item.clock, item.at.get()), (Clock::Unset, 12_345));
    assert_eq!(item.key.sk, "0000000012345#b#000000000000");
    assert!(item.expires_at > NOW / 1000);
    // What is wrong with another of its readings is told as ever, and says of the clock what it said.
    let Put::Quarantine(refused) = &puts[1] else { panic!("{puts:?}") };
    assert_eq!(refused.reason, "out-of-range");
    assert_eq!(v1::decode(&refused.payload).unwrap().clock, Clock::Unset);
}
