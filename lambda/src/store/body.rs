//! The body of BatchWriteItem, written from our items in one pass.
//!
//! The SDK would have each item as a hash map of owned names and values first, and then write that:
//! several times the work of everything that the function does before
//! (`cargo bench -p tidings-tests --bench ingest`).

use std::fmt::Display;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::attributes::{Sink, describe};
use super::{Stands, Tables};
use crate::item::{Item, Put, Table};

/// Bytes of a reading with three values: room for most bodies without growing.
const USUAL_ITEM_BYTES: usize = 512;

/// The request that puts all of these items
/// (`{"RequestItems":{"<table>":[{"PutRequest":{"Item":{…}}},…],…}}`).
#[must_use]
pub fn batch_write_item(puts: &[Put], tables: &Tables) -> Vec<u8> {
    let mut out = Vec::with_capacity(puts.len() * USUAL_ITEM_BYTES);
    out.extend_from_slice(b"{\"RequestItems\":{");
    for table in Table::ALL {
        let mut of_table = puts.iter().filter(|put| put.address().0 == table).peekable();
        if of_table.peek().is_none() {
            continue;
        }
        if out.last() == Some(&b']') {
            out.push(b',');
        }
        quoted(&mut out, tables.name(table));
        out.extend_from_slice(b":[");
        for (index, put) in of_table.enumerate() {
            if index > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"PutRequest\":{\"Item\":{");
            describe(&put.item, &mut Json { out: &mut out, is_first: true });
            out.extend_from_slice(b"}}}");
        }
        out.push(b']');
    }
    out.extend_from_slice(b"}}");
    out
}

/// The request that puts one item where what stands allows it
/// (`{"TableName":…,"Item":{…},"ConditionExpression":…,"ExpressionAttributeValues":…}`).
#[must_use]
pub fn put_item(item: &Item, tables: &Tables, stands: Stands) -> Vec<u8> {
    let mut out = b"{\"TableName\":".to_vec();
    quoted(&mut out, tables.name(item.address().0));
    out.extend_from_slice(b",\"Item\":{");
    describe(item, &mut Json { out: &mut out, is_first: true });
    let (condition, than) = match stands {
        Stands::SeenBefore(at) => {
            ("attribute_not_exists(last_seen) OR last_seen < :than", Some(at.to_string()))
        }
        Stands::Version(0) => ("attribute_not_exists(version)", None),
        Stands::Version(version) => ("version = :than", Some(version.to_string())),
    };
    out.extend_from_slice(b"},\"ConditionExpression\":");
    quoted(&mut out, condition);
    if let Some(than) = than {
        out.extend_from_slice(b",\"ExpressionAttributeValues\":{");
        Json { out: &mut out, is_first: true }.number(":than", than);
        out.push(b'}');
    }
    out.push(b'}');
    out
}

struct Json<'a> {
    out: &'a mut Vec<u8>,
    /// Whether nothing stands yet in the object that is being written.
    is_first: bool,
}

impl Json<'_> {
    fn name(&mut self, name: &str) {
        if !self.is_first {
            self.out.push(b',');
        }
        self.is_first = false;
        quoted(self.out, name);
        self.out.push(b':');
    }
}

impl Sink for Json<'_> {
    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.out.extend_from_slice(b"{\"S\":");
        quoted(self.out, value);
        self.out.push(b'}');
    }

    fn number(&mut self, name: &str, value: impl Display) {
        self.name(name);
        write!(self.out, "{{\"N\":\"{value}\"}}").expect("a vector takes every byte");
    }

    fn binary(&mut self, name: &str, value: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(b"{\"B\":\"");
        self.out.extend_from_slice(STANDARD.encode(value).as_bytes());
        self.out.extend_from_slice(b"\"}");
    }

    fn begin_map(&mut self, name: &str) {
        self.name(name);
        self.out.extend_from_slice(b"{\"M\":{");
        self.is_first = true;
    }

    fn end_map(&mut self) {
        self.out.extend_from_slice(b"}}");
        self.is_first = false;
    }
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    // Nearly every text is an id or a number, in which nothing needs escaping.
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        serde_json::to_writer(out, text).expect("a vector takes every byte, and a text is JSON");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::json;
    use tidings_schema::{Clock, Content, DeviceId, Fault, Quantity, ReadingKey, Unit, UnixMillis};

    use super::*;
    use crate::item::{
        Common, DueItem, Item, Latest, QuarantineItem, ReadingItem, RollupItem, Said, SeenItem,
    };
    use crate::rollup::{Rollup, Sum};
    use crate::store::size;

    fn reading(content: Content, clock: Clock, said: Said) -> Put {
        let common = Common {
            device: DeviceId::try_from("pi-1").unwrap(),
            clock,
            received_at: UnixMillis::new(1_795_456_120_000).unwrap(),
            trace_id: Some("t-\"1\"\n".to_owned()),
            said: Arc::new(said),
        };
        Put {
            origin: Some(0),
            item: Item::Reading(ReadingItem {
                key: ReadingKey { pk: "pi-1#s".to_owned(), sk: "0#b#1".to_owned() },
                sensor: "s".try_into().unwrap(),
                at: UnixMillis::new(12).unwrap(),
                seq: tidings_schema::Seq::default(),
                content,
                expires_at: 99,
                common: Arc::new(common),
            }),
        }
    }

    fn values() -> Content {
        let value = |name: &str, value: f64, unit: Option<&str>| {
            let unit = unit.map(|unit| Unit::try_from(unit).unwrap());
            (Quantity::try_from(name).unwrap(), tidings_schema::Value::new(value).unwrap(), unit)
        };
        Content::Values(vec![
            value("temperature", -21.5, None),
            value("tiny", 1e-7, None),
            value("leaf_wetness", 3.0, Some("%")),
        ])
    }

    fn rollup() -> RollupItem {
        let at = UnixMillis::new(3_600_000).unwrap();
        let value = |number: f64| tidings_schema::Value::new(number).unwrap();
        let sum = Sum { n: 2, min: value(-1.0), mean: value(1.0 / 3.0), max: value(1.5) };
        let rollup = Rollup {
            at,
            readings: 3,
            faults: BTreeMap::from([("timeout".to_owned(), 1)]),
            sums: BTreeMap::from([("leaf_wetness %".to_owned(), sum)]),
            omitted: 0,
        };
        RollupItem {
            pk: "pi-1#s#hour".to_owned(),
            sk: "0000003600000".to_owned(),
            device: "pi-1".try_into().unwrap(),
            sensor: "s".try_into().unwrap(),
            rollup: rollup.rounded(),
            parts: Some("{}".to_owned()),
            expires_at: 8,
            version: 0,
        }
    }

    #[test]
    fn one_item_is_put_where_what_stands_allows_it() {
        let put = |item: Item, stands| {
            let body = put_item(&item, &Tables::default(), stands);
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            body
        };
        let mut day = rollup();
        (day.parts, day.version, day.rollup.omitted) = (None, 3, 7);
        let body = put(Item::Rollup(day.clone()), Stands::Version(2));
        assert_eq!(body["TableName"], "readings");
        assert_eq!(body["Item"]["version"], json!({"N": "3"}));
        assert_eq!(body["Item"]["omitted"], json!({"N": "7"}));
        assert_eq!(body["ConditionExpression"], "version = :than");
        assert_eq!(body["ExpressionAttributeValues"], json!({":than": {"N": "2"}}));
        let first = put(Item::Rollup(day), Stands::Version(0));
        assert_eq!(first["ConditionExpression"], "attribute_not_exists(version)");
        assert_eq!(first.get("ExpressionAttributeValues"), None, "none may be empty");
        let at = UnixMillis::new(7).unwrap();
        let due = DueItem::new("pi-1".try_into().unwrap(), "s".try_into().unwrap(), at, at);
        let seen = put(Item::Due(due), Stands::SeenBefore(at));
        assert_eq!(seen["TableName"], "devices");
        assert_eq!(seen["ExpressionAttributeValues"], json!({":than": {"N": "7"}}));
    }

    #[test]
    fn the_body_is_the_json_of_dynamodb() {
        let labels = BTreeMap::from([("a \"b\"".to_owned(), "ü\u{1}".to_owned())]);
        let said = Said { site: Some("north".to_owned()), labels, unknown: true };
        let puts = [
            Put {
                origin: None,
                item: Item::Seen(SeenItem {
                    sk: "pi-1#s".to_owned(),
                    device: DeviceId::try_from("pi-1").unwrap(),
                    sensor: "s".try_into().unwrap(),
                    last_seen: UnixMillis::new(7).unwrap(),
                    principal: Some("ab12".to_owned()),
                    latest: Latest {
                        at: UnixMillis::new(5).unwrap(),
                        clock: Clock::Set,
                        content: values(),
                    },
                }),
            },
            Put {
                origin: None,
                item: Item::Due(DueItem::new(
                    "pi-1".try_into().unwrap(),
                    "s".try_into().unwrap(),
                    UnixMillis::new(3_600_000).unwrap(),
                    UnixMillis::new(9).unwrap(),
                )),
            },
            reading(values(), Clock::Set, said),
            reading(Content::Fault(Fault::Timeout), Clock::Unset, Said::default()),
            Put {
                origin: Some(1),
                item: Item::Quarantine(QuarantineItem {
                    pk: "2026-11-23".to_owned(),
                    sk: "1".to_owned(),
                    reason: "bad-id",
                    detail: "found \"x\"".to_owned(),
                    topic: "t".to_owned(),
                    client_id: "c".to_owned(),
                    principal: None,
                    trace_id: None,
                    sensor: Some("s".to_owned()),
                    received_at: UnixMillis::new(5).unwrap(),
                    payload: vec![0xff, 0],
                    expires_at: 6,
                }),
            },
            Put { origin: None, item: Item::Rollup(rollup()) },
        ];
        let body = batch_write_item(&puts, &Tables::default());
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let put = |item: serde_json::Value| json!({"PutRequest": {"Item": item}});
        let expected = json!({"RequestItems": {
            "readings": [
                put(json!({"pk": {"S": "pi-1#s"}, "sk": {"S": "0#b#1"}, "sensor": {"S": "s"},
                    "at": {"N": "12"},
                    "values": {"M": {"temperature": {"N": "-21.5"}, "tiny": {"N": "1e-7"},
                                     "leaf_wetness": {"N": "3"}}},
                    "units": {"M": {"leaf_wetness": {"S": "%"}}},
                    "device": {"S": "pi-1"}, "received_at": {"N": "1795456120000"},
                    "trace_id": {"S": "t-\"1\"\n"}, "expires_at": {"N": "99"},
                    "site": {"S": "north"}, "labels": {"M": {"a \"b\"": {"S": "ü\u{1}"}}},
                    "enrichment": {"S": "unavailable"}})),
                put(json!({"pk": {"S": "pi-1#s"}, "sk": {"S": "0#b#1"}, "sensor": {"S": "s"},
                    "uptime_ms": {"N": "12"}, "fault": {"S": "timeout"},
                    "device": {"S": "pi-1"}, "clock": {"S": "unset"},
                    "received_at": {"N": "1795456120000"},
                    "trace_id": {"S": "t-\"1\"\n"}, "expires_at": {"N": "99"}})),
                put(json!({"pk": {"S": "pi-1#s#hour"}, "sk": {"S": "0000003600000"},
                    "device": {"S": "pi-1"}, "sensor": {"S": "s"}, "at": {"N": "3600000"},
                    "readings": {"N": "3"}, "faults": {"M": {"timeout": {"N": "1"}}},
                    "sums": {"M": {"leaf_wetness %": {"M": {"n": {"N": "2"}, "min": {"N": "-1"},
                        "mean": {"N": "0.333333333"}, "max": {"N": "1.5"}}}}},
                    "parts": {"S": "{}"}, "expires_at": {"N": "8"}})),
            ],
            "quarantine": [
                put(json!({"pk": {"S": "2026-11-23"}, "sk": {"S": "1"}, "reason": {"S": "bad-id"},
                    "detail": {"S": "found \"x\""}, "topic": {"S": "t"}, "client_id": {"S": "c"},
                    "sensor": {"S": "s"}, "received_at": {"N": "5"}, "payload": {"B": "/wA="},
                    "expires_at": {"N": "6"}})),
            ],
            "devices": [
                put(json!({"pk": {"S": "seen"}, "sk": {"S": "pi-1#s"}, "device": {"S": "pi-1"},
                    "sensor": {"S": "s"}, "last_seen": {"N": "7"},
                    "principal": {"S": "ab12"}, "at": {"N": "5"},
                    "values": {"M": {"temperature": {"N": "-21.5"}, "tiny": {"N": "1e-7"},
                                     "leaf_wetness": {"N": "3"}}},
                    "units": {"M": {"leaf_wetness": {"S": "%"}}}})),
                put(json!({"pk": {"S": "due"}, "sk": {"S": "pi-1#s#0000003600000"},
                    "device": {"S": "pi-1"}, "sensor": {"S": "s"}, "hour": {"N": "3600000"},
                    "marked_at": {"N": "9"}})),
            ],
        }});
        assert_eq!(body, expected);
    }

    #[test]
    fn sizes_are_what_the_guide_counts() {
        let Put { item, .. } = reading(Content::Fault(Fault::Timeout), Clock::Set, Said::default());
        // Names 2+2+6+2+5+6+11+8+10, texts 6+5+1+7+4+6, numbers 12 (3), 1795456120000 (9: 13
        // digits count as 7, and 2), 99 (3).
        assert_eq!(size::of(&item), 52 + 29 + 15);
        let Put { item, .. } = reading(values(), Clock::Set, Said::default());
        // Beside the above without the fault: two maps (6 and 3 each), 11+4+12 and 1 each and
        // numbers 4, 3, 3; units 5+3 with 12+1+1.
        assert_eq!(size::of(&item), 96 - 12 + 9 + 27 + 3 + 10 + 8 + 14);
    }
}
