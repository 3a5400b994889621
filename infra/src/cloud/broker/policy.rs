//! What a device may do: the device policy of the templates, as code.
//!
//! On AWS it is a document with policy variables; a test compares the two.

use tidings_schema::limits::{MAX_TOPIC_BYTES, MAX_TOPIC_SLASHES};
use tidings_schema::topic::{Route, basic_ingest};
use tidings_schema::{DeviceId, Topic};

use super::shadow;

/// What the certificate of `thing` permits.
#[derive(Debug, Clone)]
pub struct Policy {
    thing: DeviceId,
}

impl Policy {
    /// The policy for one thing.
    #[must_use]
    pub fn of(thing: &DeviceId) -> Self {
        Self { thing: thing.clone() }
    }

    /// `iot:Connect`: only as the thing itself.
    #[must_use]
    pub fn may_connect(&self, client_id: &str) -> bool {
        client_id == self.thing.as_str()
    }

    /// `iot:Publish`: its own readings, by either route, and its own status.
    #[must_use]
    pub fn may_publish(&self, topic: &str) -> bool {
        [
            Topic::readings(&self.thing, Route::Broker),
            Topic::readings(&self.thing, Route::BasicIngest),
            Topic::status(&self.thing),
            Topic::answers(&self.thing),
        ]
        .iter()
        .any(|own| own.to_string() == topic)
            || shadow::topic(topic).is_some_and(|(thing, _, part)| {
                thing == self.thing.as_str() && matches!(part, "get" | "update")
            })
    }

    /// `iot:Subscribe` and `iot:Receive`: its own commands.
    #[must_use]
    pub fn may_subscribe(&self, filter: &str) -> bool {
        Topic::commands(&self.thing).to_string() == filter
            || shadow::topic(filter).is_some_and(|(thing, _, part)| {
                thing == self.thing.as_str() && !part.contains(['+', '#'])
            })
    }
}

/// Whether AWS IoT Core takes a topic of this length and depth; the Basic Ingest prefix is free.
#[must_use]
pub fn is_within_limits(topic: &str) -> bool {
    let topic = basic_ingest(topic).map_or(topic, |(_, rest)| rest);
    topic.len() <= MAX_TOPIC_BYTES
        && topic.bytes().filter(|byte| *byte == b'/').count() <= MAX_TOPIC_SLASHES
}

/// Whether a topic filter with the wildcards `+` and `#` takes a topic (MQTT 3.1.1, section 4.7).
#[must_use]
pub fn filter_takes(filter: &str, topic: &str) -> bool {
    // Wildcards at the beginning do not take topics of the server's own.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for part in filter.split('/') {
        match (part, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (part, Some(level)) if part == level => {}
            (_, _) => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_reaches_its_own_topics_and_no_others() {
        let policy = Policy::of(&DeviceId::try_from("pi-1").unwrap());
        assert!(policy.may_connect("pi-1"));
        assert!(!policy.may_connect("pi-2"));
        for (topic, expected) in [
            ("sensors/pi-1/readings", true),
            ("$aws/rules/tidings_ingest/sensors/pi-1/readings", true),
            ("sensors/pi-1/status", true),
            ("sensors/pi-1/commands", false),
            ("sensors/pi-2/readings", false),
            ("$aws/rules/tidings_ingest/sensors/pi-2/readings", false),
            ("$aws/rules/other/sensors/pi-1/readings", false),
            ("sensors/pi-1/answers", true),
            ("$aws/things/pi-1/shadow/name/tidings/update", true),
            ("$aws/things/pi-1/shadow/name/tidings/update/accepted", false),
            ("$aws/things/pi-2/shadow/name/tidings/update", false),
        ] {
            assert_eq!(policy.may_publish(topic), expected, "{topic}");
        }
        assert!(policy.may_subscribe("sensors/pi-1/commands"));
        for filter in ["sensors/pi-2/commands", "sensors/+/commands", "#", "sensors/pi-1/readings"]
        {
            assert!(!policy.may_subscribe(filter), "{filter}");
        }
    }

    #[test]
    fn filters_take_what_the_standard_says() {
        for (filter, topic, expected) in [
            ("a/b", "a/b", true),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("#", "a/b", true),
            ("#", "$aws/x", false),
            ("+/b", "a/b", true),
            ("+", "a/b", false),
            ("a/b", "a", false),
        ] {
            assert_eq!(filter_takes(filter, topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn the_basic_ingest_prefix_is_free() {
        let long = format!("sensors/{}/readings", "x".repeat(230));
        assert!(is_within_limits(&long));
        assert!(is_within_limits(&format!("$aws/rules/tidings_ingest/{long}")));
        assert!(!is_within_limits(&"x".repeat(257)));
        assert!(!is_within_limits("a/b/c/d/e/f/g/h/i"));
    }
}
