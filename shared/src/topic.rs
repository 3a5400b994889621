//! The topics of one device, and how they are told apart.

use std::fmt;

use crate::ids::DeviceId;

/// The name of the topic rule, and so of the Basic Ingest topic.
pub const RULE_NAME: &str = "tidings_ingest";

/// The filter in the rule's `FROM`.
pub const RULE_FILTER: &str = "sensors/+/readings";

/// What stands before a topic that goes to the rule without the message broker.
const BASIC_INGEST_PREFIX: &str = "$aws/rules/";

/// What a topic below `sensors/<thing>/` is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Readings, from the device to the rule.
    Readings,
    /// Birth and last will of the device.
    Status,
    /// Commands to the device.
    Commands,
    /// Answers of the device to commands.
    Answers,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Readings => "readings",
            Self::Status => "status",
            Self::Commands => "commands",
            Self::Answers => "answers",
        }
    }
}

/// How a message reaches the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Route {
    /// Straight to the rule: no charge for messaging, and nobody else can subscribe.
    #[default]
    BasicIngest,
    /// Through the message broker, where others can subscribe to it.
    Broker,
}

/// A topic of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    device: DeviceId,
    purpose: Purpose,
    route: Route,
}

impl Topic {
    /// Where a device publishes its readings.
    #[must_use]
    pub fn readings(device: &DeviceId, route: Route) -> Self {
        Self { device: device.clone(), purpose: Purpose::Readings, route }
    }

    /// Where a device's birth and last will are.
    #[must_use]
    pub fn status(device: &DeviceId) -> Self {
        Self { device: device.clone(), purpose: Purpose::Status, route: Route::Broker }
    }

    /// Where commands for a device are.
    #[must_use]
    pub fn commands(device: &DeviceId) -> Self {
        Self { device: device.clone(), purpose: Purpose::Commands, route: Route::Broker }
    }

    /// Where the device answers commands.
    #[must_use]
    pub fn answers(device: &DeviceId) -> Self {
        Self { device: device.clone(), purpose: Purpose::Answers, route: Route::Broker }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.route {
            Route::BasicIngest => write!(f, "{BASIC_INGEST_PREFIX}{RULE_NAME}/")?,
            Route::Broker => {}
        }
        write!(f, "sensors/{}/{}", self.device, self.purpose.name())
    }
}

/// Takes a Basic Ingest topic apart into the rule's name and the rest, which is what `topic()`
/// sees in the rule; `None` for any other topic.
#[must_use]
pub fn basic_ingest(topic: &str) -> Option<(&str, &str)> {
    topic.strip_prefix(BASIC_INGEST_PREFIX)?.split_once('/')
}

/// The device and the purpose of a topic as the rule's `topic()` gives it (without the Basic Ingest
/// prefix); `None` where it is none of ours.
#[must_use]
pub fn parse(topic: &str) -> Option<(DeviceId, Purpose)> {
    let (device, last) = topic.strip_prefix("sensors/")?.split_once('/')?;
    let purpose = [Purpose::Readings, Purpose::Status, Purpose::Commands, Purpose::Answers]
        .into_iter()
        .find(|purpose| purpose.name() == last)?;
    Some((DeviceId::try_from(device).ok()?, purpose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_have_the_layout_of_the_design_and_can_be_read_back() {
        let device = DeviceId::try_from("pi-1").unwrap();
        let broker = Topic::readings(&device, Route::Broker).to_string();
        let basic = Topic::readings(&device, Route::BasicIngest).to_string();
        assert_eq!(broker, "sensors/pi-1/readings");
        assert_eq!(basic, "$aws/rules/tidings_ingest/sensors/pi-1/readings");
        assert_eq!(basic_ingest(&basic), Some((RULE_NAME, broker.as_str())));
        assert_eq!(parse(&broker), Some((device.clone(), Purpose::Readings)));
        assert_eq!(Topic::status(&device).to_string(), "sensors/pi-1/status");
        assert_eq!(Topic::commands(&device).to_string(), "sensors/pi-1/commands");
        for other in
            ["sensors/pi-1", "sensors//readings", "sensors/a/b/readings", "x", "sensors/a#/status"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
