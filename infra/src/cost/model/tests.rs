//! The bill against the facts that decided for batching, and against messages as the agent makes them.

use tidings_schema::wire::v1;

use super::*;
use crate::cost::prices::PRICES;

fn fleet() -> Fleet {
    Fleet {
        devices: 1.0,
        sensors: 5.0,
        quantities: 1.0,
        every: 1.0,
        batch_age: 5.0,
        broker: false,
        queue: false,
        packed: false,
        retention_days: 365.0,
    }
}

/// The figures of the facts that decided for batching: a million readings, 25 a message.
#[test]
fn a_million_readings_cost_what_the_formula_says() {
    let fleet = Fleet { retention_days: 0.0, ..fleet() };
    let message = Message { readings: 25.0, bytes: 2700.0, function_ms: 10.0, log_bytes: 0.0 };
    let bill = fleet.bill(message, &PRICES);
    let millions = fleet.readings_a_month() / 1e6;
    let of =
        |what: &str| bill.lines.iter().find(|line| line.what == what).unwrap().dollars / millions;
    let near = |what: &str, expected: f64| {
        assert!((of(what) - expected).abs() < expected * 1e-3, "{what}: {}", of(what));
    };
    near("writes of readings", 0.625);
    near("rule and action", 0.3 / 25.0);
    near("function, invocations", 0.2 / 25.0);
    near("function, time", 0.01 * 0.125 * 13.3334 / 25.0);
    let tutorial = fleet.tutorial(&PRICES);
    let connection = 730.0 * 60.0 / 1e6 * 0.08;
    assert!(((tutorial.total - connection) / millions - 1.925).abs() < 1e-6);
}

#[test]
fn a_message_is_as_large_as_the_agent_makes_it() {
    for (sensors, quantities, rows) in [(1_u32, 1_u32, 100_u32), (5, 1, 30), (5, 3, 20), (1, 3, 60)]
    {
        let fields: Vec<String> = (0..quantities)
            .map(|field| {
                format!(
                    r#"["{}","{}"]"#,
                    ["temperature", "humidity", "pressure"][field as usize],
                    ["Cel", "%RH", "hPa"][field as usize]
                )
            })
            .collect();
        let row = |at: u32| {
            let values: Vec<String> = (0..quantities).map(|_| "21.53".to_owned()).collect();
            format!("[{},{},{}]", at * 1000, 10_000 + at, values.join(","))
        };
        let rows_text: Vec<String> = (0..rows).map(row).collect();
        let series: Vec<String> = (0..sensors)
            .map(|n| {
                format!(
                    r#"{{"sensor":"bme28{n}","fields":[{}],"rows":[{}]}}"#,
                    fields.join(","),
                    rows_text.join(",")
                )
            })
            .collect();
        let text = format!(
            r#"{{"v":1,"device":"pi-greenho","boot":"k3v9x2qd","t0":1795456115802,"series":[{}]}}"#,
            series.join(",")
        );
        let decoded = v1::decode(text.as_bytes()).unwrap();
        drop(decoded);
        let readings = f64::from(sensors * rows);
        let fleet = Fleet {
            sensors: sensors.into(),
            quantities: quantities.into(),
            every: 1.0,
            batch_age: f64::from(rows),
            ..fleet()
        };
        let message = fleet.message();
        let whole = message.bytes / message.readings * readings;
        let ratio = whole / text.len() as f64;
        assert!((0.85..1.25).contains(&ratio), "{sensors} {quantities} {rows}: {ratio}");
    }
}

#[test]
fn a_message_holds_what_comes_while_it_waits_and_no_more_than_is_metered_as_one() {
    assert_eq!(fleet().message().readings, 25.0);
    let waits = Fleet { batch_age: 3600.0, ..fleet() }.message();
    assert!(waits.bytes + TOPIC_BYTES <= UNIT_BYTES && waits.bytes > 4900.0, "{waits:?}");
    assert_eq!(Fleet { sensors: 1.0, every: 60.0, ..fleet() }.message().readings, 1.0);
}

#[test]
fn packing_makes_writes_about_ten_times_cheaper() {
    let each = Fleet { batch_age: 60.0, ..fleet() };
    let packed = Fleet { packed: true, ..each };
    let writes = |fleet: &Fleet| {
        let bill = fleet.bill(fleet.message(), &PRICES);
        bill.lines.iter().find(|line| line.what == "writes of readings").unwrap().dollars
    };
    let ratio = writes(&each) / writes(&packed);
    assert!((8.0..40.0).contains(&ratio), "{ratio}");
    assert!(packed.stored_gigabytes(200.0) < each.stored_gigabytes(200.0) / 5.0);
}

#[test]
fn what_was_measured_takes_the_place_of_what_was_assumed() {
    assert_eq!(Message::measured(&Totals::default()), None);
    let totals = Totals {
        messages: 4,
        payload_bytes: 4000,
        readings: 100,
        log_bytes: 2000,
        function_ms: 8.0,
        seconds: 20.0,
    };
    let message = Message::measured(&totals).unwrap();
    assert_eq!((message.readings, message.bytes, message.function_ms), (25.0, 1000.0, 2.0));
}

#[test]
fn rollups_are_as_large_as_the_function_makes_them_and_cost_little_beside_the_readings() {
    use tidings_ingest::item::Item;
    use tidings_ingest::rollup::{Hour, Level, PART_MS, item};
    use tidings_ingest::store::size;
    use tidings_schema::{Content, UnixMillis, Value};

    for quantities in 1..=5_u32 {
        let names = ["temperature", "humidity", "pressure", "illuminance", "co2"];
        let mut hour = Hour::new(UnixMillis::new(1_795_456_800_000).unwrap());
        for reading in 0..360_i32 {
            let value = |name: &&str| {
                let value = Value::new(20.0 + f64::from(reading * reading % 997) / 100.0).unwrap();
                ((*name).try_into().unwrap(), value, None)
            };
            let values = names.iter().take(quantities as usize).map(value).collect();
            let at = hour.at.offset(i64::from(reading) * PART_MS / 30).unwrap();
            assert!(hour.add(at, &Content::Values(values)));
        }
        let size = |level, parts| {
            let (device, sensor) = ("pi-greenho".try_into().unwrap(), "bme280".try_into().unwrap());
            let item = item(level, &device, &sensor, hour.whole(), parts, 1826);
            // "100 bytes that an item costs in the index".
            size::of(&Item::Rollup(item)) as f64 + 100.0
        };
        let quantities = f64::from(quantities);
        let hour_ratio = rollups::hour_bytes(quantities) / size(Level::Hour, Some(hour.text()));
        let day_ratio = rollups::day_bytes(quantities) / size(Level::Day, None);
        for ratio in [hour_ratio, day_ratio] {
            assert!((0.8..1.3).contains(&ratio), "{quantities}: {hour_ratio} {day_ratio}");
        }
    }
    // A reading each ten seconds: a few hundredths of what the readings themselves cost.
    let fleet = Fleet { every: 10.0, batch_age: 60.0, ..fleet() };
    let bill = fleet.bill(fleet.message(), &PRICES);
    let of = |what: &str| bill.lines.iter().find(|line| line.what == what).unwrap().dollars;
    let ratio = of("rollups") / of("writes of readings");
    assert!((0.01..0.08).contains(&ratio), "{ratio}");
}
