//! Tables as a greenhouse has them after a year: forty devices and more than ten million readings, as
//! the rollups that they came to, and the last two hours as readings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tidings::dynamo::Database;
use tidings_ingest::item::{
    Common, DueItem, Item, Latest, Put, QuarantineItem, ReadingItem, Said, SeenItem,
};
use tidings_ingest::rollup::{self, DAY_MS, HOUR_MS, Hour, Level, PART_MS, Rollup, begin};
use tidings_ingest::store::DynamoStore;
use tidings_ingest::writer;
use tidings_schema::{
    BootId, Clock, Content, DeviceId, Fault, ReadingKey, SensorId, Seq, UnixMillis, Value, key,
};
use tokio::time::Instant;

/// Devices.
pub const DEVICES: usize = 40;

/// Days of rollups that the first device has, and each of the others.
const DAYS: (i64, i64) = (366, 30);

/// Readings that an hour stands for: one each ten seconds.
const IN_AN_HOUR: u64 = 360;

/// Milliseconds between the readings that stand in the table themselves.
const INTERVAL_MS: i64 = 30_000;

/// Hours of them.
const HOURS: i64 = 2;

/// What was seeded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seeded {
    /// Readings that all rollups stand for.
    pub summed: u64,
    /// Readings that stand in the table themselves.
    pub readings: u64,
    /// Items written.
    pub items: u64,
}

/// The name of the `number`-th device, from 0.
///
/// # Panics
/// Never: it is one.
#[must_use]
pub fn device(number: usize) -> DeviceId {
    DeviceId::try_from(format!("greenhouse-{:02}", number + 1).as_str()).expect("a device id")
}

/// The sensor that each of them has.
///
/// # Panics
/// Never: it is one.
#[must_use]
pub fn sensor() -> SensorId {
    SensorId::try_from("bme280").expect("a sensor id")
}

/// Fills the tables as they are at `now`. The last device has been silent for three hours, the one
/// before has faults, the first has something in quarantine.
///
/// # Panics
/// When DynamoDB refuses.
pub async fn seed(database: &Database, now: UnixMillis) -> Seeded {
    let store = database.store();
    let mut seeded = Seeded::default();
    for number in 0..DEVICES {
        say(database, number).await;
        let mut items = rollups(number, now, &mut seeded);
        items.extend(recent(number, now, &mut seeded));
        if number == 0 {
            items.extend((0..30).map(|one| refused(now, one)));
        }
        seeded.items += items.len() as u64;
        write(&store, items).await;
    }
    seeded
}

async fn say(database: &Database, number: usize) {
    let crops = ["tomato", "cucumber", "basil", "pepper"];
    let said = json!({"site": format!("greenhouse {}", number / 8 + 1),
        "labels": {"crop": crops[number % crops.len()], "row": (number % 8 + 1).to_string()},
        "silence": "15m"});
    database.say(&device(number), Some(&said)).await.expect("a device's particulars");
}

/// A temperature that is lower at night and in winter, and what goes with it.
fn content(number: usize, at: i64) -> Content {
    #[expect(clippy::cast_precision_loss)]
    let (day, year, spread) = (
        (at % DAY_MS) as f64 / DAY_MS as f64,
        (at % (365 * DAY_MS)) as f64 / (365 * DAY_MS) as f64,
        (number % 8) as f64,
    );
    let wave = |turns: f64| (turns * std::f64::consts::TAU).sin();
    let noise = wave(at as f64 / 7_000.0 % 1.0) * 0.2;
    let temperature = 19.0 + spread / 4.0 + 4.0 * wave(day - 0.3) - 5.0 * wave(year + 0.2) + noise;
    let humidity = 62.0 - 1.8 * (temperature - 19.0);
    let pressure = 1013.0 + 8.0 * wave(year * 41.0);
    let value = |name: &str, number: f64| {
        let rounded = (number * 100.0).round() / 100.0;
        (name.try_into().expect("a quantity"), Value::new(rounded).expect("a value"), None)
    };
    Content::Values(vec![
        value("temperature", temperature),
        value("humidity", humidity),
        value("pressure", pressure),
    ])
}

fn rollups(number: usize, now: UnixMillis, seeded: &mut Seeded) -> Vec<Item> {
    let (device, sensor) = (device(number), sensor());
    let days = if number == 0 { DAYS.0 } else { DAYS.1 };
    let last = begin(now, HOUR_MS).get() - HOURS * HOUR_MS;
    let mut items = Vec::new();
    let mut day = Rollup::new(UnixMillis::MIN);
    let mut at = begin(now, DAY_MS).get() - days * DAY_MS;
    while at <= last {
        let when = UnixMillis::new(at).expect("a time");
        let mut hour = Hour::new(when);
        // Four readings of each five minutes stand for the others, which would make the year slow to seed.
        let step = PART_MS / 4;
        for offset in 0..HOUR_MS / step {
            let taken = when.offset(offset * step).expect("a time");
            assert!(hour.add(taken, &content(number, taken.get())), "it is of this hour");
        }
        let mut whole = hour.whole();
        whole.readings = IN_AN_HOUR;
        if begin(when, DAY_MS) != day.at {
            day = Rollup::new(begin(when, DAY_MS));
        }
        day.merge(&whole);
        seeded.summed += IN_AN_HOUR;
        let text = Some(hour.text());
        items.push(Item::Rollup(rollup::item(Level::Hour, &device, &sensor, whole, text, 1826)));
        at += HOUR_MS;
        if at % DAY_MS == 0 || at > last {
            let day = day.clone();
            items.push(Item::Rollup(rollup::item(Level::Day, &device, &sensor, day, None, 1826)));
        }
    }
    items
}

fn recent(number: usize, now: UnixMillis, seeded: &mut Seeded) -> Vec<Item> {
    let (device, sensor) = (device(number), sensor());
    let boot = BootId::try_from("seeded").expect("a boot id");
    let common = Arc::new(Common {
        device: device.clone(),
        clock: Clock::Set,
        received_at: now,
        trace_id: None,
        said: Arc::new(Said::default()),
    });
    // The last device fell silent.
    let silent = if number == DEVICES - 1 { 3 * HOUR_MS } else { 0 };
    let first = begin(now, HOUR_MS).get() - (HOURS - 1) * HOUR_MS - silent;
    let mut items = Vec::new();
    let mut hours = std::collections::BTreeSet::new();
    let mut latest = None;
    let mut seq = 0_u64;
    while first + seq.cast_signed() * INTERVAL_MS <= now.get() - silent {
        let at = UnixMillis::new(first + seq.cast_signed() * INTERVAL_MS).expect("a time");
        let is_fault = number == DEVICES - 2 && seq % 9 == 4;
        let content =
            if is_fault { Content::Fault(Fault::Timeout) } else { content(number, at.get()) };
        hours.insert(begin(at, HOUR_MS));
        latest = Some(Latest { at, clock: Clock::Set, content: content.clone() });
        let number = Seq::try_from(seq).expect("a number");
        items.push(Item::Reading(ReadingItem {
            key: ReadingKey::new(&device, &sensor, at, &boot, number),
            sensor: sensor.clone(),
            at,
            seq: number,
            content,
            expires_at: at.seconds() + 365 * DAY_MS / 1000,
            common: common.clone(),
        }));
        seq += 1;
    }
    seeded.readings += seq;
    let due = |hour| Item::Due(DueItem::new(device.clone(), sensor.clone(), hour, now));
    items.extend(hours.into_iter().map(due));
    let seen_at = now.offset(-silent).expect("a time");
    let seen = |sensor: SensorId, latest: Latest| {
        Item::Seen(SeenItem {
            sk: key::partition(&device, &sensor),
            device: device.clone(),
            sensor,
            last_seen: seen_at,
            principal: None,
            latest,
        })
    };
    items.extend(latest.map(|latest| seen(sensor.clone(), latest)));
    items.push(seen("agent".try_into().expect("a sensor id"), agent(number, seen_at)));
    items
}

/// What the agent says of itself.
fn agent(number: usize, at: UnixMillis) -> Latest {
    let counts: BTreeMap<&str, f64> = BTreeMap::from([
        ("waiting", if number == 3 { 4_200.0 } else { 0.0 }),
        ("connections", 1.0),
        ("disk_failing", 0.0),
        ("accepted", 250_000.0),
        ("acknowledged", if number == 3 { 245_800.0 } else { 250_000.0 }),
        ("faults", 0.0),
        ("agent_version", 1_000.0),
    ]);
    let value = |(name, count): (&str, f64)| {
        (name.try_into().expect("a quantity"), Value::new(count).expect("a value"), None)
    };
    let content = Content::Values(counts.into_iter().map(value).collect());
    Latest { at, clock: Clock::Set, content }
}

fn refused(now: UnixMillis, one: i64) -> Item {
    let at = now.offset(-one * 60_000).expect("a time");
    let payload = format!(
        r#"{{"v":1,"device":"greenhouse-01","boot":"seeded","t0":{at},"series":[{{"sensor":"soil","fields":[["temperature","degC"]],"rows":[[0,{one},21.5]]}}]}}"#
    );
    Item::Quarantine(QuarantineItem {
        pk: at.date(),
        sk: format!("{}#{one:016x}", key::time_prefix(at)),
        reason: if one % 3 == 0 { "out-of-range" } else { "unknown-unit" },
        detail: "unit: expected a SenML unit, but found \"degC\"".to_owned(),
        topic: "sensors/greenhouse-01/readings".to_owned(),
        client_id: "greenhouse-01".to_owned(),
        principal: None,
        trace_id: Some(format!("trace-{one}")),
        sensor: Some("soil".to_owned()),
        received_at: at,
        payload: payload.into_bytes(),
        expires_at: at.seconds() + 30 * DAY_MS / 1000,
    })
}

async fn write(store: &DynamoStore, items: Vec<Item>) {
    let puts = items.into_iter().map(|item| Put { origin: None, item }).collect();
    let written = writer::write(store, puts, Instant::now() + Duration::from_secs(600)).await;
    assert!(written.left.is_empty(), "{:?}", written.last_error);
}
