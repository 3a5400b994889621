//! From a fleet to a bill, line by line. Pure.
//!
//! All averages: a month is 730 hours, as AWS counts it.

mod rollups;

use serde::Serialize;

use self::rollups::{ROLLUP_DAYS, Rollups};
use super::prices::Prices;
use crate::account::names::ALARMS;
use crate::cloud::measured::Totals;

/// Seconds of a month.
const MONTH_SECONDS: f64 = 730.0 * 3600.0;
/// What AWS IoT Core meters as one message, topic included (AWS IoT Core pricing).
const UNIT_BYTES: f64 = 5120.0;
/// `sensors/<thing>/readings`, with a name of ten letters.
const TOPIC_BYTES: f64 = 27.0;
/// Wire version 1 around the series: version, device, boot, t0. A test compares these three with
/// messages as the agent makes them.
const MESSAGE_BYTES: f64 = 80.0;
/// A series without its rows, and what each field adds.
const SERIES_BYTES: f64 = 37.0;
const FIELD_BYTES: f64 = 21.0;
/// A row without its values, and what each value adds.
const ROW_BYTES: f64 = 13.0;
const VALUE_BYTES: f64 = 6.0;
/// An item of a reading in the layout `each` as DynamoDB counts it, without its values and with the
/// 100 bytes that an item costs in the index, and what each value adds.
const ITEM_BYTES: f64 = 340.0;
const ITEM_VALUE_BYTES: f64 = 18.0;
/// An item of the layout `packed` without its rows, and the most it has: one write unit.
const PACK_BYTES: f64 = 330.0;
const PACK_LIMIT: f64 = 1024.0;
/// What an invocation takes at 128 MB: a call and, for each 25 items, another (in milliseconds).
const CALL_MS: f64 = 6.0;
const INVOCATION_MS: f64 = 4.0;
const ITEMS_A_CALL: f64 = 25.0;
/// Memory of the function, in gigabytes.
const MEMORY_GB: f64 = 128.0 / 1024.0;
/// What an invocation leaves in the log: our line, and START, END and REPORT of Lambda.
const LINE_BYTES: f64 = 560.0;
const LAMBDA_LINES_BYTES: f64 = 290.0;
/// Metrics of one's own that the function gives, without those by reason of refusal.
const METRICS: f64 = 9.0;
/// Messages that Lambda takes from a queue at a time, within a window of a second.
const QUEUE_BATCH: f64 = 50.0;
/// How often a sensor's `last_seen` is written at the most, in seconds.
const SEEN_SECONDS: f64 = 60.0;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fleet {
    pub(super) devices: f64,
    /// Of each device.
    pub(super) sensors: f64,
    /// Quantities of each sensor.
    pub(super) quantities: f64,
    /// Time between two readings of a sensor, in seconds.
    pub(super) every: f64,
    /// How long a message waits for more readings, in seconds.
    pub(super) batch_age: f64,
    /// Whether messages go through the message broker.
    pub(super) broker: bool,
    /// Whether they go over SQS.
    pub(super) queue: bool,
    pub(super) packed: bool,
    pub(super) retention_days: f64,
}

/// What one message is like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Message {
    /// Readings in it.
    pub(super) readings: f64,
    /// Bytes of its payload.
    pub(super) bytes: f64,
    /// What the function takes for it, in milliseconds.
    pub(super) function_ms: f64,
    /// What is said of it in the function's own log.
    pub(super) log_bytes: f64,
}

/// A line of the bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Line {
    pub(super) what: &'static str,
    /// How much of it, in words.
    pub(super) amount: String,
    /// Dollars a month.
    pub(super) dollars: f64,
}

/// A bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Bill {
    pub(super) lines: Vec<Line>,
    /// Dollars a month for the way to the table: without what is kept and what watches.
    pub(super) way: f64,
    /// Dollars a month.
    pub(super) total: f64,
}

/// What is paid for, whether anything comes or not.
const NOT_THE_WAY: [&str; 5] =
    ["storage", "storage of rollups", "point-in-time recovery", "metrics", "alarms and dashboard"];

impl Bill {
    fn of(lines: Vec<Line>) -> Self {
        let total = lines.iter().map(|line| line.dollars).sum();
        let way = lines.iter().filter(|line| !NOT_THE_WAY.contains(&line.what));
        Self { way: way.map(|line| line.dollars).sum(), lines, total }
    }
}

impl Fleet {
    /// Readings of all devices in a second.
    pub(super) fn readings_per_second(&self) -> f64 {
        self.devices * self.sensors / self.every
    }

    fn readings_a_month(&self) -> f64 {
        self.readings_per_second() * MONTH_SECONDS
    }

    /// A message as the agent makes it: as many readings as come while it waits, and at the most as
    /// many as fill what AWS meters as one.
    pub(super) fn message(&self) -> Message {
        let rate = self.sensors / self.every;
        let per_row = ROW_BYTES + VALUE_BYTES * self.quantities;
        // Sensors that have a reading in a message of so many.
        let series = |readings: f64| self.sensors.min(readings);
        let bytes = |readings: f64| {
            MESSAGE_BYTES
                + series(readings) * (SERIES_BYTES + FIELD_BYTES * self.quantities)
                + readings * per_row
        };
        // Whoever waits for no one still sends what was taken at the same time.
        let waiting = (rate * self.batch_age).max(1.0);
        let room = UNIT_BYTES - TOPIC_BYTES;
        let mut readings = waiting;
        if bytes(readings) > room {
            let fixed =
                MESSAGE_BYTES + self.sensors * (SERIES_BYTES + FIELD_BYTES * self.quantities);
            readings = ((room - fixed) / per_row).max(1.0);
        }
        let items = if self.packed { self.packs(readings) } else { readings };
        Message {
            readings,
            bytes: bytes(readings),
            function_ms: INVOCATION_MS + CALL_MS * (items / ITEMS_A_CALL).ceil(),
            log_bytes: LINE_BYTES,
        }
    }

    /// Items that a message of so many readings makes in the layout `packed`.
    fn packs(&self, readings: f64) -> f64 {
        let room = (PACK_LIMIT - PACK_BYTES - FIELD_BYTES * self.quantities)
            / (ROW_BYTES + VALUE_BYTES * self.quantities);
        let series = self.sensors.min(readings);
        series * (readings / series / room.floor().max(1.0)).ceil()
    }

    /// What a month costs.
    pub(super) fn bill(&self, message: Message, prices: &Prices) -> Bill {
        let readings = self.readings_a_month();
        let messages = readings / message.readings;
        let units = messages * ((TOPIC_BYTES + message.bytes) / UNIT_BYTES).ceil();
        let invocations = if self.queue {
            // A window of a second takes what there is, up to a batch.
            let waiting = (messages / MONTH_SECONDS).clamp(1.0, QUEUE_BATCH);
            messages / waiting
        } else {
            messages
        };
        let seconds = messages * message.function_ms / 1000.0;
        let logs = messages * message.log_bytes + invocations * LAMBDA_LINES_BYTES;
        let items = if self.packed { messages * self.packs(message.readings) } else { readings };
        // Told at most once a minute for each sensor, and never more often than there are messages.
        let seen = (self.devices * self.sensors * MONTH_SECONDS / SEEN_SECONDS)
            .min(messages * self.sensors.min(message.readings));
        let stored = self.stored_gigabytes(message.readings);
        let rollups = Rollups::of(self, message.readings);

        let mut lines = vec![
            line("connections", minutes(self.devices), connection(self.devices, prices)),
            if self.broker {
                line("messages", millions(units, "units of 5 KB"), million(units, prices.messages))
            } else {
                line("messages", "Basic Ingest: free".to_owned(), 0.0)
            },
            line(
                "rule and action",
                millions(units, "units of 5 KB"),
                million(units, prices.rules + prices.actions),
            ),
            line(
                "function, invocations",
                millions(invocations, "invocations"),
                million(invocations, prices.invocations),
            ),
            line(
                "function, time",
                format!(
                    "{:.0} GB-s ({:.1} ms a message)",
                    seconds * MEMORY_GB,
                    message.function_ms
                ),
                seconds * MEMORY_GB * prices.gigabyte_seconds,
            ),
            line("logs", gigabytes(logs / 1e9), logs / 1e9 * prices.logs),
            line("writes of readings", millions(items, "items"), million(items, prices.writes)),
            line("writes of last seen", millions(seen, "items"), million(seen, prices.writes)),
            line(
                "rollups",
                format!(
                    "{} and {}",
                    millions(rollups.writes, "writes"),
                    millions(rollups.reads, "reads")
                ),
                million(rollups.writes, prices.writes) + million(rollups.reads, prices.reads),
            ),
            line(
                "storage",
                format!("{} after {:.0} days", gigabytes(stored), self.retention_days),
                stored * prices.storage,
            ),
            line(
                "storage of rollups",
                format!("{} after {ROLLUP_DAYS:.0} days", gigabytes(rollups.gigabytes)),
                rollups.gigabytes * prices.storage,
            ),
            line(
                "point-in-time recovery",
                gigabytes(stored + rollups.gigabytes),
                (stored + rollups.gigabytes) * prices.recovery,
            ),
            line("metrics", format!("{METRICS:.0}"), METRICS * prices.metric),
            line(
                "alarms and dashboard",
                format!("{} and 1", ALARMS.len()),
                ALARMS.len() as f64 * prices.alarm + prices.dashboard,
            ),
        ];
        if self.queue {
            // Each message is sent alone; receiving and deleting is for ten at a time.
            let requests = messages + 2.0 * (messages / 10.0).max(invocations);
            let idle = 5.0 * MONTH_SECONDS / 20.0;
            lines.push(line(
                "queue",
                millions(requests + idle, "requests"),
                million(requests + idle, prices.queue_requests),
            ));
        }
        Bill::of(lines)
    }

    fn stored_gigabytes(&self, readings: f64) -> f64 {
        let kept = self.readings_per_second() * self.retention_days * 86_400.0;
        kept * self.reading_bytes(readings) / 1e9
    }

    /// What a reading takes in the table, of messages with so many.
    fn reading_bytes(&self, readings: f64) -> f64 {
        if self.packed {
            let rows = readings * (ROW_BYTES + VALUE_BYTES * self.quantities);
            let packs = self.packs(readings) * (PACK_BYTES + FIELD_BYTES * self.quantities);
            (rows + packs) / readings
        } else {
            ITEM_BYTES + ITEM_VALUE_BYTES * self.quantities
        }
    }

    /// The tutorial's way: each reading a message through the broker, and a rule that puts it into
    /// the table.
    pub(super) fn tutorial(&self, prices: &Prices) -> Bill {
        let readings = self.readings_a_month();
        let stored = Self { packed: false, ..*self }.stored_gigabytes(1.0);
        Bill::of(vec![
            line("connections", minutes(self.devices), connection(self.devices, prices)),
            line("messages", millions(readings, "messages"), million(readings, prices.messages)),
            line(
                "rule and action",
                millions(readings, "actions"),
                million(readings, prices.rules + prices.actions),
            ),
            line(
                "writes of readings",
                millions(readings, "items"),
                million(readings, prices.writes),
            ),
            line(
                "storage",
                format!("{} after {:.0} days", gigabytes(stored), self.retention_days),
                stored * prices.storage,
            ),
        ])
    }
}

impl Message {
    /// The message that a running `up` has measured; `None` where nothing has come yet.
    pub(super) fn measured(totals: &Totals) -> Option<Self> {
        if totals.messages == 0 || totals.readings == 0 {
            return None;
        }
        let messages = totals.messages as f64;
        Some(Self {
            readings: totals.readings as f64 / messages,
            bytes: totals.payload_bytes as f64 / messages,
            function_ms: totals.function_ms / messages,
            log_bytes: totals.log_bytes as f64 / messages,
        })
    }
}

const fn line(what: &'static str, amount: String, dollars: f64) -> Line {
    Line { what, amount, dollars }
}

fn million(number: f64, price: f64) -> f64 {
    number / 1e6 * price
}

fn connection(devices: f64, prices: &Prices) -> f64 {
    million(devices * MONTH_SECONDS / 60.0, prices.connection_minutes)
}

fn minutes(devices: f64) -> String {
    millions(devices * MONTH_SECONDS / 60.0, "minutes")
}

fn millions(number: f64, of: &str) -> String {
    let number = number / 1e6;
    let digits = if number < 0.1 { 3 } else { 2 };
    format!("{number:.digits$} M {of}")
}

fn gigabytes(number: f64) -> String {
    format!("{number:.2} GB")
}

#[cfg(test)]
mod tests;
