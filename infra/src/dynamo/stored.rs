//! From the items of the tables to readings and refusals. Pure.

use std::collections::HashSet;

pub use tidings_ingest::store::stored::StoredReading;
pub(super) use tidings_ingest::store::stored::{Item, number, numbers, stored, text, texts};
use tidings_schema::{BootId, Seq, UnixMillis, packed};

use super::{Flow, Window};

/// A quarantined message.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// Partition key: the day on which it came.
    pub pk: String,
    /// Sort key.
    pub sk: String,
    /// Why it was refused.
    pub reason: String,
    /// The same for a person.
    pub detail: String,
    /// The topic it came on.
    pub topic: String,
    /// Who sent it.
    pub client_id: String,
    /// Thumbprint of the sender's certificate.
    pub principal: Option<String>,
    /// Its name in the logs of AWS IoT.
    pub trace_id: Option<String>,
    /// The sensor, where one reading was refused.
    pub sensor: Option<String>,
    /// When the rule saw it.
    pub received_at: UnixMillis,
    /// What it said.
    pub payload: Vec<u8>,
    /// When it was replayed and taken.
    pub replayed_at: Option<i64>,
}

/// A quarantined message, of whose attributes none is relied upon.
pub(super) fn refused(item: &Item) -> Refused {
    let string = |name: &str| text(item, name).unwrap_or_default().to_owned();
    let optional = |name: &str| text(item, name).map(str::to_owned);
    let payload = item.get("payload").and_then(|value| value.as_b().ok());
    let received_at = number(item, "received_at").and_then(|at| UnixMillis::new(at).ok());
    Refused {
        pk: string("pk"),
        sk: string("sk"),
        reason: string("reason"),
        detail: string("detail"),
        topic: string("topic"),
        client_id: string("client_id"),
        principal: optional("principal"),
        trace_id: optional("trace_id"),
        sensor: optional("sensor"),
        received_at: received_at.unwrap_or(UnixMillis::MIN),
        payload: payload.map(|blob| blob.as_ref().to_vec()).unwrap_or_default(),
        replayed_at: number(item, "replayed_at"),
    }
}

/// The readings of a window, gathered item by item in the order of their keys, each once: one may
/// stand in two packs, and in a pack and by itself.
#[derive(Debug)]
pub(super) struct Gathered {
    window: Window,
    readings: Vec<StoredReading>,
    names: HashSet<(UnixMillis, BootId, Seq)>,
    pub(super) has_packs: bool,
}

impl Gathered {
    pub(super) fn new(window: Window) -> Self {
        Self { window, readings: Vec::new(), names: HashSet::new(), has_packs: false }
    }

    pub(super) fn add(&mut self, item: &Item) -> Flow {
        let Some((first, readings)) = stored(item) else { return Flow::Continue };
        if self.readings.len() >= self.window.limit && self.is_beyond(first) {
            return Flow::Enough;
        }
        self.has_packs |= readings.len() > 1;
        for reading in readings {
            let is_wanted = (self.window.from..=self.window.to).contains(&reading.at);
            if is_wanted && self.names.insert((reading.at, reading.boot.clone(), reading.seq)) {
                self.readings.push(reading);
            }
        }
        Flow::Continue
    }

    /// Whether no item from here on can hold a reading that belongs among the first: without packs
    /// the items are in order; a pack may reach over those that begin within its span.
    fn is_beyond(&self, first: UnixMillis) -> bool {
        let reach = if self.has_packs { packed::SPAN_MS } else { 0 };
        let mut times: Vec<i64> = self.readings.iter().map(|reading| reading.at.get()).collect();
        let Some(last) = self.window.limit.checked_sub(1) else { return true };
        if self.window.newest_first {
            let (_, last, _) = times.select_nth_unstable_by(last, |one, other| other.cmp(one));
            first.get() + reach <= *last
        } else {
            let (_, last, _) = times.select_nth_unstable(last);
            first.get() >= *last
        }
    }

    pub(super) fn finish(self) -> Vec<StoredReading> {
        let Self { window, mut readings, .. } = self;
        readings.sort_by(|one, other| {
            let name = |reading: &StoredReading| (reading.at, reading.boot.clone(), reading.seq);
            name(one).cmp(&name(other))
        });
        if window.newest_first {
            readings.reverse();
        }
        readings.truncate(window.limit);
        readings
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use aws_sdk_dynamodb::types::AttributeValue;
    use tidings_schema::packed::Packer;
    use tidings_schema::{Content, Quantity, Value, key};

    use super::*;

    fn at(second: i64) -> UnixMillis {
        UnixMillis::new(1_795_456_000_000 + 1000 * second).unwrap()
    }

    fn item(sk: String, more: (&str, AttributeValue)) -> Item {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        HashMap::from([
            ("sk".to_owned(), AttributeValue::S(sk)),
            ("device".to_owned(), text("pi-1")),
            ("sensor".to_owned(), text("s")),
            (more.0.to_owned(), more.1),
        ])
    }

    fn single(second: i64) -> Item {
        let sk = format!("{}#b#{second:012}", key::time_prefix(at(second)));
        item(sk, ("fault", AttributeValue::S("timeout".to_owned())))
    }

    fn pack(seconds: std::ops::Range<i64>) -> Item {
        let first = at(seconds.start);
        let mut packer = Packer::new(first, 4000);
        for second in seconds.clone() {
            let value = Value::new(21.5).unwrap();
            let quantity = Quantity::try_from("temperature").unwrap();
            let content = Content::Values(vec![(quantity, value, None)]);
            assert!(packer.add(at(second), second.unsigned_abs().try_into().unwrap(), &content));
        }
        let sk = format!("{}#b#{:012}", key::time_prefix(first), seconds.start);
        let sk = packed::sort_key(&sk, [1; 8]);
        item(sk, ("packed", AttributeValue::S(packer.finish())))
    }

    fn gather(window: Window, items: &[Item]) -> Vec<i64> {
        let mut gathered = Gathered::new(window);
        for item in items {
            if matches!(gathered.add(item), Flow::Enough) {
                break;
            }
        }
        let seconds = |reading: StoredReading| (reading.at.get() - at(0).get()) / 1000;
        gathered.finish().into_iter().map(seconds).collect()
    }

    fn window(from: i64, to: i64, limit: usize, newest_first: bool) -> Window {
        Window { from: at(from), to: at(to), limit, newest_first }
    }

    #[test]
    fn readings_of_both_layouts_are_seen_once_and_in_order() {
        let mut items = [pack(0..20), single(5), pack(10..15), single(30), pack(31..33)];
        let expected: Vec<i64> = (0..20).chain(30..33).collect();
        assert_eq!(gather(window(0, 99, 1000, false), &items), expected);
        assert_eq!(gather(window(3, 6, 1000, false), &items), [3, 4, 5, 6]);
        assert_eq!(gather(window(0, 99, 4, false), &items), [0, 1, 2, 3]);
        items.reverse();
        assert_eq!(gather(window(0, 99, 4, true), &items), [32, 31, 30, 19]);
        assert_eq!(gather(window(0, 99, 6, true), &items), [32, 31, 30, 19, 18, 17]);
    }

    #[test]
    fn without_packs_no_more_is_read_than_asked_for() {
        let mut gathered = Gathered::new(window(0, 99, 2, true));
        assert!(matches!(gathered.add(&single(9)), Flow::Continue));
        assert!(matches!(gathered.add(&single(8)), Flow::Continue));
        assert!(matches!(gathered.add(&single(7)), Flow::Enough));
    }

    #[test]
    fn a_reading_of_a_pack_is_as_one_by_itself() {
        let (_, readings) = stored(&pack(3..5)).unwrap();
        assert_eq!(readings[1].values["temperature"], 21.5);
        assert_eq!((readings[1].at, readings[1].seq.get()), (at(4), 4));
        assert_eq!(readings[1].boot.as_str(), "b");
        let damaged = item(packed::sort_key("x", [0; 8]), ("packed", AttributeValue::Bool(true)));
        assert!(stored(&damaged).is_none());
    }
}
