//! What was written: types are checked, unknown keys are refused, nothing is interpreted.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::problems::Problems;

/// The file as it was written.
#[derive(Debug)]
pub(super) struct RawConfig {
    pub(super) device: Option<String>,
    /// `clock.trust`
    pub(super) trust: Option<String>,
    pub(super) queue: RawQueue,
    pub(super) batch: RawBatch,
    pub(super) mqtt: RawMqtt,
    /// `health.interval`
    pub(super) health: Option<String>,
    /// `local.listen`
    pub(super) listen: Option<String>,
    pub(super) remote: RawRemote,
    pub(super) sensors: Vec<RawSensor>,
}

#[derive(Debug)]
pub(super) struct RawQueue {
    pub(super) path: Option<String>,
    pub(super) max_bytes: Option<i64>,
    pub(super) when_full: Option<String>,
    pub(super) max_age: Option<String>,
    pub(super) commit: Option<String>,
}

#[derive(Debug)]
pub(super) struct RawBatch {
    pub(super) bytes: Option<i64>,
    pub(super) age: Option<String>,
    pub(super) order: Option<String>,
}

#[derive(Debug)]
pub(super) struct RawMqtt {
    pub(super) endpoint: Option<String>,
    pub(super) port: Option<i64>,
    pub(super) fallback_port: Option<i64>,
    pub(super) proxy: Option<String>,
    pub(super) ca: Option<String>,
    pub(super) certificate: Option<String>,
    pub(super) key: Option<String>,
    pub(super) topic: Option<String>,
    pub(super) keep_alive: Option<String>,
    pub(super) ack_timeout: Option<String>,
    pub(super) max_rate: Option<i64>,
}

#[derive(Debug)]
pub(super) struct RawRemote {
    pub(super) shadow: Option<bool>,
    pub(super) commands: Option<bool>,
    pub(super) status: Option<bool>,
}

#[derive(Debug)]
pub(super) struct RawSensor {
    /// Where it stands, such as `sensor[0]`.
    pub(super) at: String,
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) interval: Option<String>,
    pub(super) deadline: Option<String>,
    pub(super) dead_band: Option<Vec<(String, f64)>>,
    pub(super) heartbeat: Option<String>,
    pub(super) window: Option<String>,
    pub(super) disk: Option<String>,
    pub(super) seed: Option<i64>,
    pub(super) quantities: Option<Vec<String>>,
    pub(super) fault_rate: Option<f64>,
    pub(super) device: Option<String>,
    pub(super) program: Option<Vec<String>>,
    pub(super) path: Option<String>,
    pub(super) keep_running: Option<bool>,
    pub(super) stale: Option<String>,
    pub(super) bus: Option<i64>,
    pub(super) address: Option<i64>,
    pub(super) channels: Vec<RawChannel>,
    pub(super) pin: Option<i64>,
    pub(super) chip: Option<String>,
    pub(super) pull: Option<String>,
    pub(super) active: Option<String>,
    pub(super) edge: Option<String>,
    pub(super) debounce: Option<String>,
    pub(super) quantity: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) scale: Option<f64>,
    /// The keys that it has, known or not.
    pub(super) keys: Vec<String>,
}

/// One input of an analogue-to-digital converter.
#[derive(Debug)]
pub(super) struct RawChannel {
    /// Where it stands.
    pub(super) at: String,
    pub(super) input: Option<i64>,
    pub(super) range: Option<f64>,
    pub(super) quantity: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) scale: Option<f64>,
    pub(super) offset: Option<f64>,
}

impl RawConfig {
    pub(super) fn read(table: &Table, problems: &Problems) -> Self {
        let mut top = Section::new("", Some(table), problems);
        let device = top.string("device");

        let mut section = top.section("clock");
        let trust = section.string("trust");
        section.finish();

        let mut section = top.section("queue");
        let queue = RawQueue {
            path: section.string("path"),
            max_bytes: section.integer("max_bytes"),
            when_full: section.string("when_full"),
            max_age: section.string("max_age"),
            commit: section.string("commit"),
        };
        section.finish();

        let mut section = top.section("batch");
        let batch = RawBatch {
            bytes: section.integer("bytes"),
            age: section.string("age"),
            order: section.string("order"),
        };
        section.finish();

        let mut section = top.section("mqtt");
        let mqtt = RawMqtt {
            endpoint: section.string("endpoint"),
            port: section.integer("port"),
            fallback_port: section.integer("fallback_port"),
            proxy: section.string("proxy"),
            ca: section.string("ca"),
            certificate: section.string("certificate"),
            key: section.string("key"),
            topic: section.string("topic"),
            keep_alive: section.string("keep_alive"),
            ack_timeout: section.string("ack_timeout"),
            max_rate: section.integer("max_rate"),
        };
        section.finish();

        let mut section = top.section("health");
        let health = section.string("interval");
        section.finish();

        let mut section = top.section("local");
        let listen = section.string("listen");
        section.finish();

        let mut section = top.section("remote");
        let remote = RawRemote {
            shadow: section.boolean("shadow"),
            commands: section.boolean("commands"),
            status: section.boolean("status"),
        };
        section.finish();

        let sensors = top
            .sections("sensor")
            .into_iter()
            .map(|mut section| {
                let sensor = RawSensor {
                    at: section.path.clone(),
                    name: section.string("name"),
                    kind: section.string("kind"),
                    interval: section.string("interval"),
                    deadline: section.string("deadline"),
                    dead_band: section.numbers("dead_band"),
                    heartbeat: section.string("heartbeat"),
                    window: section.string("window"),
                    disk: section.string("disk"),
                    seed: section.integer("seed"),
                    quantities: section.strings("quantities"),
                    fault_rate: section.float("fault_rate"),
                    device: section.string("device"),
                    program: section.strings("program"),
                    path: section.string("path"),
                    keep_running: section.boolean("keep_running"),
                    stale: section.string("stale"),
                    bus: section.integer("bus"),
                    address: section.integer("address"),
                    channels: section.sections("channels").into_iter().map(channel).collect(),
                    pin: section.integer("pin"),
                    chip: section.string("chip"),
                    pull: section.string("pull"),
                    active: section.string("active"),
                    edge: section.string("edge"),
                    debounce: section.string("debounce"),
                    quantity: section.string("quantity"),
                    unit: section.string("unit"),
                    scale: section.float("scale"),
                    keys: section.keys(),
                };
                section.finish();
                sensor
            })
            .collect();
        top.finish();
        Self { device, trust, queue, batch, mqtt, health, listen, remote, sensors }
    }
}

fn channel(mut section: Section<'_>) -> RawChannel {
    let channel = RawChannel {
        at: section.path.clone(),
        input: section.integer("input"),
        range: section.float("range"),
        quantity: section.string("quantity"),
        unit: section.string("unit"),
        scale: section.float("scale"),
        offset: section.float("offset"),
    };
    section.finish();
    channel
}

fn number(value: &Value) -> Option<f64> {
    let whole = || value.as_integer().and_then(|i| i32::try_from(i).ok()).map(f64::from);
    value.as_float().or_else(whole).filter(|number| number.is_finite())
}

/// Reads one table and remembers which of its keys were asked for.
struct Section<'a> {
    path: String,
    table: Option<&'a Table>,
    known: BTreeSet<&'static str>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    fn new(path: &str, table: Option<&'a Table>, problems: &'a Problems) -> Self {
        Self { path: path.to_owned(), table, known: BTreeSet::new(), problems }
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.insert(key);
        self.table?.get(key)
    }

    fn typed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        take: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let taken = take(value);
        if taken.is_none() {
            let found = value.type_str();
            self.problems.add(&self.key(key), format!("expected {expected}, but found {found}"));
        }
        taken
    }

    fn string(&mut self, key: &'static str) -> Option<String> {
        self.typed(key, "a string", |value| value.as_str().map(str::to_owned))
    }

    fn integer(&mut self, key: &'static str) -> Option<i64> {
        self.typed(key, "a whole number", Value::as_integer)
    }

    fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.typed(key, "true or false", Value::as_bool)
    }

    fn float(&mut self, key: &'static str) -> Option<f64> {
        self.typed(key, "a number", number)
    }

    fn numbers(&mut self, key: &'static str) -> Option<Vec<(String, f64)>> {
        self.typed(key, "a table of numbers, such as { temperature = 0.2 }", |value| {
            let table = value.as_table()?.iter();
            table.map(|(name, value)| Some((name.clone(), number(value)?))).collect()
        })
    }

    fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.typed(key, "an array of strings", |value| {
            value.as_array()?.iter().map(|one| one.as_str().map(str::to_owned)).collect()
        })
    }

    fn section(&mut self, key: &'static str) -> Section<'a> {
        let table = self.typed(key, "a table", Value::as_table);
        Section::new(&self.key(key), table, self.problems)
    }

    fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let tables = self.typed(key, "an array of tables", |value| {
            value.as_array()?.iter().map(Value::as_table).collect::<Option<Vec<_>>>()
        });
        tables
            .unwrap_or_default()
            .into_iter()
            .enumerate()
            .map(|(index, table)| {
                Section::new(&format!("{}[{index}]", self.key(key)), Some(table), self.problems)
            })
            .collect()
    }

    fn keys(&self) -> Vec<String> {
        self.table.into_iter().flat_map(Table::keys).cloned().collect()
    }

    /// Refuses the keys that nobody asked for.
    fn finish(self) {
        for key in self.table.into_iter().flat_map(Table::keys) {
            if !self.known.contains(key.as_str()) {
                let known: Vec<&str> = self.known.iter().copied().collect();
                self.problems.add(
                    &self.key(key),
                    format!("unknown key, expected one of {}", known.join(", ")),
                );
            }
        }
    }
}
