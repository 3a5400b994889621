use std::path::Path;
use std::time::Duration;

use super::*;

const WHOLE: &str = r#"
device = "pi-1"
[queue]
path = "q.db"
commit = "500ms"
[batch]
age = "2s"
[mqtt]
endpoint = "example-ats.iot.eu-central-1.amazonaws.com"
ca = "root-ca.pem"
certificate = "device.pem.crt"
key = "/keys/private.pem.key"
topic = "broker"
[[sensor]]
name = "host"
kind = "host"
interval = "1s"
[[sensor]]
name = "bench"
kind = "simulated"
quantities = ["temperature", "pressure"]
fault_rate = 0.1
"#;

/// The configuration that the README shows.
fn example() -> &'static str {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("```toml\n").unwrap();
    rest.split_once("```").unwrap().0
}

fn parse(text: &str) -> Result<Config, Invalid> {
    Config::parse(text, Path::new("/etc/tidings/agent.toml"))
}

#[test]
fn a_whole_configuration_is_resolved_with_its_defaults() {
    let config = parse(WHOLE).unwrap();
    assert_eq!(config.queue.path, Path::new("/etc/tidings/q.db"));
    assert_eq!(config.mqtt.key, Path::new("/keys/private.pem.key"));
    assert_eq!(config.mqtt.port, 8883);
    assert_eq!(config.mqtt.route, Route::Broker);
    assert_eq!(config.batch.bytes, 5120);
    assert_eq!(config.queue.commit, Duration::from_millis(500));
    assert_eq!(config.sensors[1].interval, Duration::from_secs(10));
}

#[test]
fn every_mistake_is_reported_at_once_with_file_and_key() {
    let text = r#"
device = "pi 1"
extra = 1
[queue]
commit = "5"
max_bytes = 5
when_full = "explode"
max_age = "1s"
[batch]
bytes = -1
order = "random"
[mqtt]
endpoint = "https://x:8883"
port = 0
topic = "kafka"
max_rate = 0
keep_alive = "5s"
ca = 7
proxy = "socks5://x:1"
[clock]
trust = "me"
[health]
interval = "0s"
[remote]
shadow = "yes"
[local]
listen = "0.0.0.0:1"
[[sensor]]
kind = "host"
seed = 1
[[sensor]]
name = "A"
kind = "bme"
[[sensor]]
name = "s"
kind = "simulated"
quantities = ["leaf_wetness"]
fault_rate = 2
[[sensor]]
name = "s"
kind = "simulated"
intervall = "1s"
[[sensor]]
name = "t"
kind = "w1"
device = "../../etc"
[[sensor]]
name = "u"
kind = "command"
program = []
disk = "/"
[[sensor]]
name = "v"
kind = "file"
stale = "0s"
[[sensor]]
name = "w"
heartbeat = "1m"
kind = "bme280"
address = 0x44
bus = 300
[[sensor]]
name = "x"
kind = "ads1115"
channels = [{ input = 7, range = 5 }, { input = 1, quantity = "soil", scale = "x" }]
[[sensor]]
name = "y"
dead_band = { rain = -1 }
kind = "pulses"
pin = -1
edge = "sharp"
quantity = "rain"
unit = "V"
[[sensor]]
name = "z"
kind = "gpio"
window = "5m"
dead_band = {}
pull = "left"
debounce = "1ms"
"#;
    let invalid = parse(text).unwrap_err();
    let keys: Vec<&str> = invalid.problems.iter().map(|one| one.key.as_str()).collect();
    for key in [
        "device",
        "extra",
        "queue.commit",
        "queue.max_bytes",
        "queue.when_full",
        "queue.max_age",
        "batch.order",
        "mqtt.max_rate",
        "batch.bytes",
        "mqtt.endpoint",
        "mqtt.port",
        "mqtt.topic",
        "mqtt.keep_alive",
        "mqtt.ca",
        "mqtt.proxy",
        "clock.trust",
        "health.interval",
        "remote.shadow",
        "local.listen",
        "mqtt.certificate",
        "mqtt.key",
        "sensor[0].name",
        "sensor[0].seed",
        "sensor[1].name",
        "sensor[1].kind",
        "sensor[2].quantities",
        "sensor[2].fault_rate",
        "sensor[3].name",
        "sensor[3].intervall",
        "sensor[4].device",
        "sensor[5].program",
        "sensor[5].disk",
        "sensor[6].path",
        "sensor[7].address",
        "sensor[7].bus",
        "sensor[7].heartbeat",
        "sensor[9].dead_band.rain",
        "sensor[10].window",
        "sensor[8].channels[0].input",
        "sensor[8].channels[0].range",
        "sensor[8].channels[1].scale",
        "sensor[8].channels[1].unit",
        "sensor[9].pin",
        "sensor[9].edge",
        "sensor[9].unit",
        "sensor[10].pin",
        "sensor[10].pull",
        "sensor[10].debounce",
    ] {
        assert_eq!(keys.iter().filter(|found| **found == key).count(), 1, "{key} in {invalid}");
    }
    assert_eq!(keys.len(), 48, "{invalid}");
    let text = invalid.to_string();
    assert!(text.starts_with("/etc/tidings/agent.toml: 48 mistakes\n"), "{text}");
    assert!(
        text.contains("sensor[3].intervall: unknown key, expected one of active, address, bus"),
        "{text}"
    );
}

#[test]
fn a_file_that_is_no_toml_is_named_with_its_line() {
    let text = parse("device = ").unwrap_err().to_string();
    assert!(text.contains("agent.toml") && text.contains("line 1"), "{text}");
}

#[test]
fn a_proxy_is_a_url_and_its_password_is_not_shown() {
    let with =
        |proxy: &str| parse(&WHOLE.replace("[mqtt]", &format!("[mqtt]\nproxy = \"{proxy}\"")));
    let proxy = with("http://me:se:cr@et@proxy:3128/").unwrap().mqtt.proxy.unwrap();
    assert_eq!((proxy.host.as_str(), proxy.port), ("proxy", 3128));
    assert_eq!(proxy.login, Some(("me".to_owned(), "se:cr@et".to_owned())));
    assert!(!format!("{proxy:?}").contains("se:cr"));
    assert_eq!(with("http://proxy:3128").unwrap().mqtt.proxy.unwrap().login, None);
    for bad in ["proxy:3128", "http://proxy", "http://:1", "http://me@proxy:1", "http://x:0"] {
        let invalid = with(bad).unwrap_err().to_string();
        assert!(invalid.contains("mqtt.proxy") && !invalid.contains(bad), "{invalid}");
    }
}

#[test]
fn durations_need_their_unit() {
    for (text, millis) in [("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000)] {
        assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)));
    }
    for bad in
        ["5", "s", "", "1.5s", "-1s", "5 s", "99999999999999999999s", "18446744073709551615h"]
    {
        assert!(parse_duration(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_example_of_the_readme_is_valid_and_what_it_calls_defaults_are() {
    let shown = parse(example()).unwrap();
    let keep = |line: &&str| {
        !["topic", "keep_alive", "ack_timeout", "bytes", "age", "interval", "deadline", "disk"]
            .iter()
            .chain(&["when_full", "order", "max_rate", "trust", "status", "commands", "shadow"])
            .chain(&["path", "max_bytes", "commit", "seed", "quantities", "fault_rate", "port"])
            .any(|key| line.starts_with(&format!("{key} =")))
    };
    let bare: String = example().lines().filter(keep).map(|line| format!("{line}\n")).collect();
    assert_eq!(format!("{shown:?}"), format!("{:?}", parse(&bare).unwrap()));
}
