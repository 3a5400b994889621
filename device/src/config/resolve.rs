//! What is meant: defaults, units, paths, and combinations.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tidings_schema::limits::{MAX_PAYLOAD_BYTES, METERING_UNIT_BYTES};
use tidings_schema::topic::Route;
use tidings_schema::{DeviceId, SensorId};

use crate::clock::Trust;
use crate::queue::{Limits, WhenFull};
use crate::reduce::Reduce;

use super::problems::{Invalid, Problems};
use super::raw::{RawConfig, RawMqtt};
use super::read::{Durations, required};
use super::sensor::sensor;
use super::{
    BatchConfig, ClockConfig, Config, MqttConfig, ProxyConfig, QueueConfig, RemoteConfig,
    SHARED_PORT, SensorConfig, SensorKind,
};

/// The name of the agent itself among the sensors.
const HEALTH: &str = "agent";

/// A queue smaller than this could not hold one full message and the database's own pages.
const MIN_QUEUE_BYTES: i64 = 1024 * 1024;

pub(super) fn resolve(raw: RawConfig, path: &Path, problems: &Problems) -> Result<Config, Invalid> {
    let base = path.parent().unwrap_or(Path::new(""));
    let durations = Durations::new(problems);

    let device = required(raw.device, "device", problems)
        .and_then(|text| problems.note("device", DeviceId::try_from(text.as_str())));

    let trust = match raw.trust.as_deref() {
        None | Some("synchronised") => Trust::Synchronised,
        Some("always") => Trust::Always,
        Some(other) => {
            problems.add(
                "clock.trust",
                format!("expected synchronised or always, but found {other:?}"),
            );
            Trust::Synchronised
        }
    };

    let max_bytes = raw.queue.max_bytes.unwrap_or(1024 * 1024 * 1024);
    if max_bytes < MIN_QUEUE_BYTES {
        problems.add(
            "queue.max_bytes",
            format!("expected at least {MIN_QUEUE_BYTES}, but found {max_bytes}"),
        );
    }
    let when_full = match raw.queue.when_full.as_deref() {
        None | Some("drop-oldest") => WhenFull::DropOldest,
        Some("drop-newest") => WhenFull::DropNewest,
        Some("thin") => WhenFull::Thin,
        Some(other) => {
            problems.add(
                "queue.when_full",
                format!("expected drop-oldest, drop-newest or thin, but found {other:?}"),
            );
            WhenFull::DropOldest
        }
    };
    let max_age = raw
        .queue
        .max_age
        .map(|text| durations.read("queue.max_age", Some(text), "1h", ("1m", "87600h")));
    let queue = QueueConfig {
        path: base.join(raw.queue.path.unwrap_or_else(|| "queue.db".to_owned())),
        limits: Limits { max_bytes: max_bytes.unsigned_abs(), when_full, max_age },
        commit: durations.read("queue.commit", raw.queue.commit, "20s", ("10ms", "10m")),
    };

    let bytes = raw.batch.bytes.map_or(Ok(METERING_UNIT_BYTES), usize::try_from).unwrap_or(0);
    if !(512..=MAX_PAYLOAD_BYTES).contains(&bytes) {
        problems.add(
            "batch.bytes",
            format!("expected 512 to {MAX_PAYLOAD_BYTES} (a multiple of {METERING_UNIT_BYTES} is what AWS meters)"),
        );
    }
    let age = durations.read("batch.age", raw.batch.age, "5s", ("0s", "1h"));

    let fresh_first = match raw.batch.order.as_deref() {
        None | Some("fresh-first") => true,
        Some("oldest-first") => false,
        Some(other) => {
            problems.add(
                "batch.order",
                format!("expected fresh-first or oldest-first, but found {other:?}"),
            );
            true
        }
    };

    let mqtt = mqtt(raw.mqtt, base, problems, &durations);

    let health = match raw.health.as_deref() {
        Some("off") => None,
        _ => Some(durations.read("health.interval", raw.health, "5m", ("1s", "24h"))),
    };

    if raw.sensors.is_empty() {
        problems.add("sensor", "no sensor: add at least one [[sensor]] with name and kind");
    }
    let mut names = BTreeSet::new();
    let mut sensors: Vec<SensorConfig> = raw
        .sensors
        .into_iter()
        .filter_map(|raw| {
            let at = raw.at.clone();
            let sensor = sensor(raw, base, problems, &durations)?;
            if !names.insert(sensor.name.clone()) {
                problems.add(
                    &format!("{at}.name"),
                    format!("{:?} names another sensor already", sensor.name.as_str()),
                );
            }
            Some(sensor)
        })
        .collect();
    if let (Some(interval), Ok(name)) = (health, SensorId::try_from(HEALTH)) {
        if names.contains(&name) {
            problems.add(
                "health.interval",
                format!("a sensor of yours is called {HEALTH:?}, as the agent itself is: rename it, or say \"off\""),
            );
        }
        let deadline = Duration::from_secs(5);
        sensors.push(SensorConfig {
            name,
            interval,
            deadline,
            reduce: Reduce::Nothing,
            kind: SensorKind::Health,
        });
    }
    let listen = raw.listen.and_then(|text| {
        let address = text.parse::<SocketAddr>().ok().filter(|one| one.ip().is_loopback());
        let wrong =
            || format!("expected a loopback address such as 127.0.0.1:9110, but found {text:?}");
        problems.note("local.listen", address.ok_or_else(wrong))
    });
    let remote = RemoteConfig {
        shadow: raw.remote.shadow.unwrap_or(true),
        commands: raw.remote.commands.unwrap_or(true),
        status: raw.remote.status.unwrap_or(true),
    };

    match (problems.as_invalid(), device, mqtt) {
        (None, Some(device), Some(mqtt)) => Ok(Config {
            device,
            clock: ClockConfig { trust },
            queue,
            batch: BatchConfig { bytes, age, fresh_first },
            mqtt,
            remote,
            listen,
            sensors,
        }),
        (invalid, ..) => Err(invalid.expect("what is missing was noted as a problem")),
    }
}

fn mqtt(
    raw: RawMqtt,
    base: &Path,
    problems: &Problems,
    durations: &Durations<'_>,
) -> Option<MqttConfig> {
    let endpoint = required(raw.endpoint, "mqtt.endpoint", problems);
    if endpoint.as_deref().is_some_and(|host| host.contains([':', '/'])) {
        problems.add("mqtt.endpoint", "expected a host name alone, without scheme or port");
    }
    let number = |port: i64, key: &str| {
        let valid = u16::try_from(port).ok().filter(|port| *port > 0);
        problems.note(key, valid.ok_or(format!("expected 1 to 65535, but found {port}")))
    };
    let port = number(raw.port.unwrap_or(8883), "mqtt.port");
    // Networks that let only the web through are common; AWS listens there too.
    let is_aws = endpoint.as_deref().is_some_and(|host| host.ends_with(".amazonaws.com"));
    let fallback_port = match raw.fallback_port {
        Some(port) => number(port, "mqtt.fallback_port"),
        None => is_aws.then_some(SHARED_PORT).filter(|fallback| Some(*fallback) != port),
    };
    let proxy = raw.proxy.and_then(|text| problems.note("mqtt.proxy", proxy(&text)));
    let file = |value: Option<String>, key: &str| {
        required(value, key, problems).map(|path| base.join(path))
    };
    let ca = file(raw.ca, "mqtt.ca");
    let certificate = file(raw.certificate, "mqtt.certificate");
    let key = file(raw.key, "mqtt.key");
    let route = match raw.topic.as_deref() {
        None | Some("basic-ingest") => Route::BasicIngest,
        Some("broker") => Route::Broker,
        Some(other) => {
            problems
                .add("mqtt.topic", format!("expected basic-ingest or broker, but found {other:?}"));
            Route::BasicIngest
        }
    };
    // AWS IoT Core takes 30 to 1,200 seconds and counts anything else as 1,200.
    let keep_alive = durations.read("mqtt.keep_alive", raw.keep_alive, "60s", ("30s", "1200s"));
    let ack_timeout = durations.read("mqtt.ack_timeout", raw.ack_timeout, "30s", ("1s", "10m"));
    let max_rate = raw.max_rate.unwrap_or(80);
    let max_rate = problems.note(
        "mqtt.max_rate",
        u32::try_from(max_rate)
            .ok()
            .filter(|rate| (1..=100_000).contains(rate))
            .ok_or_else(|| format!("expected 1 to 100000 messages a second, but found {max_rate}")),
    );
    Some(MqttConfig {
        endpoint: endpoint?,
        port: port?,
        fallback_port,
        proxy,
        ca: ca?,
        certificate: certificate?,
        key: key?,
        route,
        keep_alive,
        ack_timeout,
        max_rate: max_rate?,
    })
}

/// `http://host:port`, with `user:password@` before the host where the proxy asks for it.
fn proxy(text: &str) -> Result<ProxyConfig, String> {
    // Not what was found: it may hold a password.
    let wrong = || "expected http://host:port or http://user:password@host:port".to_owned();
    let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (login, place) = match rest.rsplit_once('@') {
        Some((login, place)) => (Some(login.split_once(':').ok_or_else(wrong)?), place),
        None => (None, rest),
    };
    let (host, port) = place.rsplit_once(':').ok_or_else(wrong)?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
    if host.is_empty() || host.contains('/') {
        return Err(wrong());
    }
    let login = login.map(|(user, password)| (user.to_owned(), password.to_owned()));
    Ok(ProxyConfig { host: host.to_owned(), port, login })
}
