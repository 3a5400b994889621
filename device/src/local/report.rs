//! What the agent tells of itself on this machine. Pure.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::queue::Loss;
use crate::status::Counters;

/// A device that has had no connection for so long is not healthy: networks have shorter outages than
/// that each day.
const OFFLINE: Duration = Duration::from_secs(15 * 60);

/// Whether all is well, and what is not.
pub(super) fn health(counters: &Counters, clock_is_set: bool) -> (bool, Value) {
    let status = counters.look();
    let mut problems = Vec::new();
    if status.degraded {
        problems.push("the queue's disk fails: readings wait in memory".to_owned());
    }
    if let Some(offline) = counters.offline_for().filter(|time| *time >= OFFLINE) {
        problems.push(format!("no connection for {} s", offline.as_secs()));
    }
    if !clock_is_set {
        problems.push("the clock is not set: readings are held until it is".to_owned());
    }
    let healthy = problems.is_empty();
    let said = json!({"healthy": healthy, "problems": problems, "status": status});
    (healthy, said)
}

/// The counters in Prometheus' text format (prometheus.io, "Exposition formats", version 0.0.4).
pub(super) fn metrics(counters: &Counters, clock_is_set: bool) -> String {
    let status = counters.look();
    let mut text = String::new();
    for (name, kind, help, value) in [
        ("accepted_total", "counter", "Readings that the queue accepted.", status.accepted),
        ("faults_total", "counter", "Those of them that are faults.", status.faults),
        (
            "acknowledged_total",
            "counter",
            "Readings that the broker acknowledged.",
            status.acknowledged,
        ),
        ("messages_total", "counter", "Messages that the broker acknowledged.", status.messages),
        ("bytes_total", "counter", "Bytes of those messages, topics included.", status.bytes),
        ("connections_total", "counter", "Connections made.", status.connections),
        ("waiting", "gauge", "Readings that wait in the queue.", status.waiting),
        ("online", "gauge", "Whether there is a connection.", u64::from(status.online)),
        ("disk_failing", "gauge", "Whether the queue's disk fails.", u64::from(status.degraded)),
        ("clock_set", "gauge", "Whether the time is known.", u64::from(clock_is_set)),
    ] {
        let name = format!("tidings_agent_{name}");
        write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n")
            .expect("writing to a string succeeds");
    }
    text.push_str("# HELP tidings_agent_lost_total Readings lost since the queue was made.\n");
    text.push_str("# TYPE tidings_agent_lost_total counter\n");
    for reason in Loss::ALL {
        let lost = counters.lost_ever(reason).load(Ordering::Relaxed);
        writeln!(text, "tidings_agent_lost_total{{reason=\"{}\"}} {lost}", reason.name())
            .expect("writing to a string succeeds");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_names_what_is_wrong() {
        let counters = Counters::default();
        assert!(health(&counters, true).0);
        counters.degraded.store(true, Ordering::Relaxed);
        let (healthy, said) = health(&counters, false);
        assert!(!healthy);
        assert_eq!(said["problems"].as_array().unwrap().len(), 2, "{said}");
    }

    #[test]
    fn metrics_have_a_type_a_help_and_a_value_each() {
        let counters = Counters::default();
        counters.lost_ever(Loss::Age).store(3, Ordering::Relaxed);
        let text = metrics(&counters, true);
        assert!(text.contains("\ntidings_agent_lost_total{reason=\"age\"} 3\n"), "{text}");
        assert!(text.contains("\ntidings_agent_clock_set 1\n"), "{text}");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let name = name.split('{').next().unwrap();
            assert!(text.contains(&format!("# TYPE {name} ")), "{line}");
            assert!(value.parse::<u64>().is_ok(), "{line}");
        }
    }
}
