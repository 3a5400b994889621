//! What is sampled and how often: what the file says, and what the thing's shadow says on top of it.

use std::time::Duration;

use crate::config::{Config, SensorConfig};

/// What the sampler and the queue are to do. It can change while they run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    pub(crate) sensors: Vec<SensorConfig>,
    /// The longest that a reading waits for a message to fill.
    pub(crate) age: Duration,
}

impl Plan {
    /// What the file says.
    pub(crate) fn of(config: &Config) -> Self {
        Self { sensors: config.sensors.clone(), age: config.batch.age }
    }
}

/// A duration as configuration has it: a whole number with the largest unit that keeps it whole.
pub(crate) fn shown(duration: Duration) -> String {
    let millis = duration.as_millis();
    for (unit, length) in [("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
        if millis > 0 && millis.is_multiple_of(length) {
            return format!("{}{unit}", millis / length);
        }
    }
    format!("{millis}ms")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse_duration;

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["0ms", "1500ms", "1s", "90s", "2m", "24h"] {
            assert_eq!(shown(parse_duration(text).unwrap()), text);
        }
    }
}
