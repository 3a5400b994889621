//! The attributes of each item, said once: for their size and for their JSON.

use std::fmt::Display;

use tidings_schema::{Clock, Content, UnixMillis};

use crate::item::{
    Common, DUE_PARTITION, DueItem, Item, PackedItem, QuarantineItem, ReadingItem, RollupItem,
    SEEN_PARTITION, SeenItem,
};

/// Something that is told the attributes of an item.
pub(crate) trait Sink {
    /// A string.
    fn text(&mut self, name: &str, value: &str);
    /// A number.
    fn number(&mut self, name: &str, value: impl Display);
    /// Bytes.
    fn binary(&mut self, name: &str, value: &[u8]);
    /// A map, which the attributes up to [`Sink::end_map`] are in.
    fn begin_map(&mut self, name: &str);
    /// The map's end.
    fn end_map(&mut self);
}

/// Tells `sink` all attributes of an item.
pub(crate) fn describe(item: &Item, sink: &mut impl Sink) {
    match item {
        Item::Reading(item) => reading(item, sink),
        Item::Packed(item) => packed(item, sink),
        Item::Quarantine(item) => quarantine(item, sink),
        Item::Seen(item) => seen(item, sink),
        Item::Due(item) => due(item, sink),
        Item::Rollup(item) => rollup(item, sink),
    }
}

/// Tells `sink` all attributes of a reading.
pub(crate) fn reading(item: &ReadingItem, sink: &mut impl Sink) {
    sink.text("pk", &item.key.pk);
    sink.text("sk", &item.key.sk);
    sink.text("sensor", item.sensor.as_str());
    time(item.common.clock, item.at, sink);
    content(&item.content, sink);
    common(&item.common, item.expires_at, sink);
}

/// When: a false time would be worse than none.
fn time(clock: Clock, at: UnixMillis, sink: &mut impl Sink) {
    match clock {
        Clock::Set => sink.number("at", at),
        Clock::Unset => sink.number("uptime_ms", at),
    }
}

fn content(content: &Content, sink: &mut impl Sink) {
    match content {
        Content::Fault(fault) => sink.text("fault", fault.name()),
        Content::Values(list) => {
            sink.begin_map("values");
            for (quantity, value, _) in list {
                sink.number(quantity.as_str(), value);
            }
            sink.end_map();
            if list.iter().any(|(_, _, unit)| unit.is_some()) {
                sink.begin_map("units");
                for (quantity, _, unit) in list {
                    if let Some(unit) = unit {
                        sink.text(quantity.as_str(), unit.name());
                    }
                }
                sink.end_map();
            }
        }
    }
}

fn packed(item: &PackedItem, sink: &mut impl Sink) {
    sink.text("pk", &item.pk);
    sink.text("sk", &item.sk);
    sink.text("sensor", item.sensor.as_str());
    sink.text("packed", &item.text);
    common(&item.common, item.expires_at, sink);
}

fn common(common: &Common, expires_at: i64, sink: &mut impl Sink) {
    sink.text("device", common.device.as_str());
    match common.clock {
        Clock::Set => {}
        Clock::Unset => sink.text("clock", Clock::UNSET),
    }
    sink.number("received_at", common.received_at);
    optional("trace_id", common.trace_id.as_deref(), sink);
    sink.number("expires_at", expires_at);
    optional("site", common.said.site.as_deref(), sink);
    if !common.said.labels.is_empty() {
        sink.begin_map("labels");
        for (name, value) in &common.said.labels {
            sink.text(name, value);
        }
        sink.end_map();
    }
    if common.said.unknown {
        sink.text("enrichment", "unavailable");
    }
}

fn quarantine(item: &QuarantineItem, sink: &mut impl Sink) {
    sink.text("pk", &item.pk);
    sink.text("sk", &item.sk);
    sink.text("reason", item.reason);
    sink.text("detail", &item.detail);
    sink.text("topic", &item.topic);
    sink.text("client_id", &item.client_id);
    optional("principal", item.principal.as_deref(), sink);
    optional("trace_id", item.trace_id.as_deref(), sink);
    optional("sensor", item.sensor.as_deref(), sink);
    sink.number("received_at", item.received_at);
    sink.binary("payload", &item.payload);
    sink.number("expires_at", item.expires_at);
}

fn seen(item: &SeenItem, sink: &mut impl Sink) {
    sink.text("pk", SEEN_PARTITION);
    sink.text("sk", &item.sk);
    sink.text("device", item.device.as_str());
    sink.text("sensor", item.sensor.as_str());
    sink.number("last_seen", item.last_seen);
    optional("principal", item.principal.as_deref(), sink);
    time(item.latest.clock, item.latest.at, sink);
    content(&item.latest.content, sink);
}

fn due(item: &DueItem, sink: &mut impl Sink) {
    sink.text("pk", DUE_PARTITION);
    sink.text("sk", &item.sk);
    sink.text("device", item.device.as_str());
    sink.text("sensor", item.sensor.as_str());
    sink.number("hour", item.hour);
    sink.number("marked_at", item.marked_at);
}

fn rollup(item: &RollupItem, sink: &mut impl Sink) {
    sink.text("pk", &item.pk);
    sink.text("sk", &item.sk);
    sink.text("device", item.device.as_str());
    sink.text("sensor", item.sensor.as_str());
    sink.number("at", item.rollup.at);
    sink.number("readings", item.rollup.readings);
    if !item.rollup.faults.is_empty() {
        sink.begin_map("faults");
        for (fault, times) in &item.rollup.faults {
            sink.number(fault, times);
        }
        sink.end_map();
    }
    sink.begin_map("sums");
    for (name, sum) in &item.rollup.sums {
        sink.begin_map(name);
        sink.number("n", sum.n);
        sink.number("min", sum.min);
        sink.number("mean", sum.mean);
        sink.number("max", sum.max);
        sink.end_map();
    }
    sink.end_map();
    optional("parts", item.parts.as_deref(), sink);
    for (name, number) in [("omitted", item.rollup.omitted), ("version", item.version)] {
        if number > 0 {
            sink.number(name, number);
        }
    }
    sink.number("expires_at", item.expires_at);
}

fn optional(name: &str, value: Option<&str>, sink: &mut impl Sink) {
    if let Some(value) = value {
        sink.text(name, value);
    }
}
