//! What stands alone says the same as it said among the others, to the order of its values: the
//! function makes a reading's number of them.

use proptest::prelude::*;

use super::*;
use crate::wire::dialect::{Dialect, recognise};
use crate::wire::foreign::Sample;

/// Samples as lines (`sensor time quantity=value unit …`), then what was refused (`! code sensor`).
fn lines(message: &str) -> Vec<String> {
    let decoded = match decode(message.as_bytes(), now()) {
        Ok(decoded) => decoded,
        Err(error) => return vec![format!("!! {}", error.code())],
    };
    let line = |sample: &Sample| {
        let values = sample.values.iter().map(|one| {
            let unit = one.unit.map_or(String::new(), |unit| format!(" {unit}"));
            format!(" {}={}{unit}", one.quantity, one.value)
        });
        format!("{} {}{}", sample.sensor, sample.at.get() - NOW, values.collect::<String>())
    };
    let refused = decoded
        .refused
        .iter()
        .map(|one| format!("! {} {}", one.error.code(), one.sensor.as_deref().unwrap_or("-")));
    decoded.samples.iter().map(line).chain(refused).collect()
}

/// What stands alone says the same, and what is refused is refused again.
pub(super) fn check(message: &[u8]) -> usize {
    let decoded = match decode(message, now()) {
        Ok(decoded) => decoded,
        Err(error) => {
            assert!(!error.code().is_empty() && !error.to_string().is_empty());
            return 0;
        }
    };
    for sample in &decoded.samples {
        let again = decode(&sample.alone, now()).unwrap();
        let same = std::slice::from_ref(sample);
        assert_eq!((again.samples.as_slice(), again.refused.len()), (same, 0), "{sample:?}");
    }
    for refused in &decoded.refused {
        let again = decode(&refused.message, now()).unwrap();
        match refused.error.code() {
            // Alone nothing is in their way.
            "conflicting-duplicate" | "bad-quantities" => assert_eq!(again.samples.len(), 1),
            _ => {
                assert_eq!(again.samples, []);
                assert_eq!(again.refused.as_slice(), std::slice::from_ref(refused));
            }
        }
    }
    let told = decoded.samples.iter().map(|sample| sample.values.len()).sum::<usize>();
    assert!(told + decoded.refused.len() > 0);
    told + decoded.refused.len()
}

#[test]
fn messages_of_tutorials_are_told() {
    for (message, expected) in [
        (r#"{"temperature":21.5,"humidity":40}"#, &["plain 0 temperature=21.5 humidity=40"][..]),
        (
            r#"{"device_id":"esp32-1","sensor":"BME 280.a","temp":"21.5","Hum":" 40.1 ","tempo":1e-3,"msg":"hi"}"#,
            &["bme-280-a 0 temperature=21.5 humidity=40.1 tempo=0.001"],
        ),
        (
            r#"{"bme280":{"temperature":21.5,"humidity":40},"door":{"open":true}}"#,
            &["bme280 0 temperature=21.5 humidity=40", "door 0 open=1 /"],
        ),
        (
            r#"{"temperature":{"value":21.5,"unit":"Cel"},"Humidity":{"value":"40","unit":"%"},"power":{"value":3}}"#,
            &["plain 0 temperature=21.5 Cel humidity=40 %RH power=3"],
        ),
        (
            r#"{"state":{"reported":{"data":{"temp":1,"pir":{"motion":false}}}}}"#,
            &["plain 0 temperature=1", "pir 0 motion=0 /"],
        ),
        (
            r#"{"tempF":70.7,"temp_c":21.5,"temperature":21.5,"dewPointC":9,"cpu_temp":48}"#,
            &["plain 0 temperature=21.5 Cel dew_point=9 Cel cpu_temperature=48"],
        ),
        (
            r#"{"temperature":{"value":212,"unit":"°F"},"bme":{"pressure":{"value":1013.2,"unit":"mbar"}}}"#,
            &["plain 0 temperature=100 Cel", "bme 0 pressure=1013.2 hPa"],
        ),
        (
            r#"{"ts":1795456116,"a":{"x":1,"timestamp":"2026-11-23T17:48:37Z"},"b":{"x":1}}"#,
            &["a 1198 x=1", "b 198 x=1"],
        ),
        (r#"{"t":1795456116802,"x":1}"#, &["plain 1000 x=1"]),
        (r#"{"t":"2026-11-23 17:48:36","x":1}"#, &["plain 198 x=1"]),
        (r#"{"time":"1795456116.802","ts":5,"t":1795456116,"x":1}"#, &["!! bad-time"]),
        (r#"{"time":"1795456116.802","at":5,"x":1}"#, &["plain 1000 x=1"]),
        (
            r#"{"PM2.5":7,"PM10":8,"pH":7.1,"CO2":400,"lat":60.1,"lng":-24.3}"#,
            &["plain 0 pm2_5=7 pm10=8 ph=7.1 co2=400 latitude=60.1 longitude=-24.3"],
        ),
        (
            r#"{"sensor":7,"status":1,"seq":12,"name":"x","location":{"lat":1,"lon":2}}"#,
            &["7 0 status=1", "location 0 latitude=1 longitude=2"],
        ),
        (r#"{"sensor":"Büro!","sensor_name":"office","x":1}"#, &["office 0 x=1"]),
        (r#"{"sensor":"Büro!","x":1}"#, &["plain 0 x=1"]),
        // Alone, the sensor's only value must not become that of a quantity.
        (r#"{"a":{"value":1,"seq":2}}"#, &["a 0 value=1"]),
        // The same once more is no second value.
        (
            r#"{"temp":21.5,"temperature":"21.50","data":{"temperature_c":21.5}}"#,
            &["plain 0 temperature=21.5"],
        ),
        (r#"{"plain":{"a":1},"b":2,"Plain":{"c":3}}"#, &["plain 0 a=1 b=2 c=3"]),
    ] {
        assert_eq!(recognise(message.as_bytes()), Ok(Dialect::Plain), "{message}");
        assert_eq!(lines(message), expected, "{message}");
        check(message.as_bytes());
    }
}

#[test]
fn one_bad_field_leaves_its_neighbours_and_comes_back_whole() {
    for (field, code) in [
        (r#""note":"warm""#, "unsupported-value"),
        (r#""x":null"#, "unsupported-value"),
        (r#""x":"nan""#, "unsupported-value"),
        (r#""x":[1,2]"#, "unsupported-value"),
        (r#""bme":{"x":{"y":1}}"#, "unsupported-value"),
        (r#""bme":{"x":{"y":1},"ts":1795456115}"#, "unsupported-value"),
        (r#""bme":{"x":null}"#, "unsupported-value"),
        (r#""x":{"value":null,"unit":"V"}"#, "unsupported-value"),
        (r#""data":{"data":{"data":{"data":{"x":1}}}}"#, "unsupported-value"),
        (r#""Größe":1"#, "bad-id"),
        (r#""2m":1"#, "bad-id"),
        (r#""":1"#, "bad-id"),
        (r#""a/b":{"x":1}"#, "bad-id"),
        (r#""x":{"value":1,"unit":"furlong"}"#, "unknown-unit"),
        (r#""x":{"value":1,"unit":7}"#, "unknown-unit"),
        (r#""x":1e999"#, "bad-value"),
        (r#""x":"1e200""#, "bad-value"),
        (r#""t":21.5"#, "unnamed-quantity"),
        (r#""t":{"value":21.5,"unit":"Cel"}"#, "unnamed-quantity"),
        (r#""ok":{"value":2}"#, "conflicting-duplicate"),
        (r#""ok":{"value":1,"unit":"V"}"#, "conflicting-duplicate"),
    ] {
        for message in [
            format!("{{\"ok\":1,{field},\"fine\":2}}"),
            format!(
                "{{\"timestamp\":1795456115,\"device\":\"d\",\"data\":{{\"ok\":1,\"sensor\":\"s\"}},{field},\"fine\":2}}"
            ),
        ] {
            let decoded = decode(message.as_bytes(), now()).unwrap();
            let values = decoded.samples.iter().map(|sample| sample.values.len()).sum::<usize>();
            let codes: Vec<&str> = decoded.refused.iter().map(|one| one.error.code()).collect();
            assert_eq!((values, codes), (2, vec![code]), "{message}");
            check(message.as_bytes());
        }
    }
    let decoded = decode(br#"{"device":"d","sensor":"s","ts":1795456115,"x":"warm"}"#, now());
    let refused = &decoded.unwrap().refused[0];
    assert_eq!(
        String::from_utf8_lossy(&refused.message),
        r#"{"ts":1795456115,"device":"d","sensor":"s","x":"warm"}"#
    );
    // Its time as well, although it is refused before the fields beside it are looked at.
    let deep = br#"{"data":{"data":{"data":{"state":{"x":1}}}},"ts":1795456115}"#;
    assert_eq!(
        String::from_utf8_lossy(&decode(deep, now()).unwrap().refused[0].message),
        r#"{"ts":1795456115,"state":{"data":{"data":{"data":{"x":1}}}}}"#
    );
    assert_eq!(
        refused.error.to_string(),
        "field x: expected a number, a boolean, a numeric text or an object \
         {\"value\": number, \"unit\": text}, but found \"warm\""
    );
}

#[test]
fn messages_of_which_nothing_can_be_told_are_refused_whole() {
    for (message, code) in [
        ("", "malformed-message"),
        ("{", "malformed-message"),
        ("[]", "malformed-message"),
        ("21.5", "malformed-message"),
        ("{} {}", "malformed-message"),
        ("{}", "no-quantities"),
        (
            r#"{"ts":1795456115,"device":"d","sensor":"s","msg":"hello","name":null}"#,
            "no-quantities",
        ),
        (r#"{"data":{},"bme":{}}"#, "no-quantities"),
        (r#"{"ts":21.5,"x":1}"#, "bad-time"),
        (r#"{"ts":"yesterday","x":1}"#, "bad-time"),
        (r#"{"timeStamp":null,"x":1}"#, "bad-time"),
        (r#"{"time":{"at":1},"x":1}"#, "bad-time"),
        (r#"{"time":true,"x":1}"#, "bad-time"),
        (r#"{"Timestamp":500000000000,"x":1}"#, "bad-time"),
        (r#"{"x":1,"bme":{"y":1,"time":12}}"#, "bad-time"),
    ] {
        let error = decode(message.as_bytes(), now()).unwrap_err();
        assert_eq!(error.code(), code, "{message}: {error}");
    }
    let error = decode(br#"{"bme":{"y":1,"Time":12}}"#, now()).unwrap_err().to_string();
    assert!(error.starts_with("field bme.Time: expected a time from 1970 to 2286"), "{error}");
    assert!(error.ends_with("but found 12"), "{error}");
}

#[test]
fn who_a_message_is_from_is_the_first_that_says_so() {
    for (message, device) in [
        (r#"{"x":1}"#, None),
        (r#"{"clientId":"c","deviceID":"d","x":1}"#, Some("d")),
        (r#"{"device":null,"thingName":"t","x":1}"#, Some("t")),
        (r#"{"device":7,"x":1}"#, Some("7")),
        (r#"{"data":{"device":"d","x":1}}"#, Some("d")),
    ] {
        let decoded = decode(message.as_bytes(), now()).unwrap();
        assert_eq!(decoded.device.as_deref(), device, "{message}");
        let again = decode(&decoded.samples[0].alone, now()).unwrap();
        assert_eq!(again.device.as_deref(), device, "{message}");
    }
}

#[test]
fn what_is_repeated_is_short_and_what_is_many_is_bounded() {
    let long = "d".repeat(50_000);
    let fields: Vec<String> = (0..5_000).map(|i| format!("\"x{i}\":null")).collect();
    let message = format!("{{\"device\":\"{long}\",{}}}", fields.join(","));
    let decoded = decode(message.as_bytes(), now()).unwrap();
    assert_eq!((decoded.device.unwrap().len(), decoded.refused.len()), (50_000, 5_000));
    let bytes: usize = decoded.refused.iter().map(|one| one.message.len()).sum();
    assert!(bytes < 2 * message.len(), "{bytes}");
    let digits = "0".repeat(200);
    let error = decode(format!("{{\"ts\":1795456115.{digits},\"x\":1}}").as_bytes(), now());
    assert_eq!(error.unwrap_err().code(), "bad-time");

    let fields = |count: usize| {
        let fields: Vec<String> = (0..count).map(|i| format!("\"x{i}\":{i}")).collect();
        decode(format!("{{\"a\":{{{}}}}}", fields.join(",")).as_bytes(), now())
    };
    let decoded = fields(66).unwrap();
    assert_eq!(decoded.samples[0].values.len(), 64);
    assert!(decoded.refused.iter().all(|one| one.error.code() == "bad-quantities"));
    assert_eq!(fields(MAX_RECORDS - 1).unwrap().refused.len(), MAX_RECORDS - 65);
    assert_eq!(fields(MAX_RECORDS).unwrap_err().code(), "too-many-records");
    // Depth costs neither stack nor time.
    for open in ["[", "{\"data\":", "{\"a\":"] {
        let deep = format!("{{\"x\":{}", open.repeat(100_000));
        assert_eq!(decode(deep.as_bytes(), now()).unwrap_err().code(), "malformed-message");
    }
}

fn any_message() -> impl Strategy<Value = String> {
    let key = prop_oneof![
        prop::sample::select(vec![
            "temp",
            "temperature",
            "temp_f",
            "tempC",
            "rh",
            "data",
            "state",
            "value",
            "unit",
            "ts",
            "t",
            "time",
            "device",
            "sensor",
            "sensor_id",
            "name",
            "id",
            "bme280",
            "BME280",
            "a b",
            "ä",
            "",
            "x",
        ])
        .prop_map(str::to_owned),
        "[a-zA-Z0-9_. -]{0,5}",
    ];
    let leaf = prop_oneof![
        Just("1795456115".to_owned()),
        Just("\"2026-11-23T17:48:35Z\"".to_owned()),
        (-100.0..100.0_f64).prop_map(|number| number.to_string()),
        any::<i8>().prop_map(|number| format!("\" {number}\"")),
        prop::sample::select(vec![
            "null", "true", "false", "1e999", "[1]", "\"°F\"", "\"V\"", "\"S 1\""
        ])
        .prop_map(str::to_owned),
    ];
    let object = move |inner: BoxedStrategy<String>| {
        prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| {
            let fields: Vec<String> =
                fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        })
    };
    let inner = leaf.prop_recursive(4, 24, 6, {
        let object = object.clone();
        move |inner| object(inner.boxed())
    });
    object(inner.boxed())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_message_is_told_or_refused(message in any_message()) {
        check(message.as_bytes());
    }

    #[test]
    fn each_of_many_fields_is_accounted_for(
        fields in prop::collection::hash_map("q[a-z]{1,3}_x", prop_oneof![
            Just("1"), Just("\"2\""), Just("true"), Just("null"), Just("\"x\""), Just("[]"), Just("1e300"),
        ], 1..60),
    ) {
        let texts: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        prop_assert_eq!(check(format!("{{{}}}", texts.join(",")).as_bytes()), fields.len());
        prop_assert_eq!(check(format!("{{\"s\":{{{}}}}}", texts.join(",")).as_bytes()), fields.len());
    }

    #[test]
    fn a_damaged_message_gives_samples_or_a_named_error(
        message in any_message(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = message.into_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes);
    }
}
