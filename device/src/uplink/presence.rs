//! What a device says of its being there, on `sensors/<thing>/status`, retained: whoever comes later
//! still sees it. The broker says the last of it, where the device no longer can.

use serde_json::json;
use tidings_schema::{self as schema, BootId, DeviceId, Topic};

use crate::clock::Stamp;

/// Who is there.
#[derive(Debug, Clone)]
pub struct Presence {
    pub(super) topic: String,
    boot: BootId,
}

impl Presence {
    /// Of a start of the agent.
    #[must_use]
    pub fn new(device: &DeviceId, boot: &BootId) -> Self {
        Self { topic: Topic::status(device).to_string(), boot: boot.clone() }
    }

    /// It is there.
    pub(super) fn birth(&self, now: Stamp) -> Vec<u8> {
        self.payload("online", None, Some(now))
    }

    /// It goes.
    pub(super) fn goodbye(&self, now: Stamp) -> Vec<u8> {
        self.payload("offline", Some("stopped"), Some(now))
    }

    /// It was not heard of any more. When that will be nobody knows.
    pub(super) fn will(&self) -> Vec<u8> {
        self.payload("offline", Some("connection-lost"), None)
    }

    fn payload(&self, state: &str, reason: Option<&str>, now: Option<Stamp>) -> Vec<u8> {
        let mut said = json!({
            "state": state,
            "boot": self.boot.as_str(),
            "version": env!("CARGO_PKG_VERSION"),
        });
        if let Some(reason) = reason {
            said["reason"] = json!(reason);
        }
        if let Some(now) = now {
            match now.clock {
                schema::Clock::Set => said["at"] = json!(now.at.get()),
                schema::Clock::Unset => said["clock"] = json!(schema::Clock::UNSET),
            }
        }
        said.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use tidings_schema::UnixMillis;

    use super::*;

    #[test]
    fn a_device_says_when_it_came_and_went_as_far_as_it_knows() {
        let device = DeviceId::try_from("pi-1").unwrap();
        let presence = Presence::new(&device, &BootId::try_from("b").unwrap());
        assert_eq!(presence.topic, "sensors/pi-1/status");
        let at = UnixMillis::new(1_795_456_115_802).unwrap();
        let said = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let set = Stamp { at, clock: schema::Clock::Set };
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            said(presence.birth(set)),
            format!(r#"{{"at":1795456115802,"boot":"b","state":"online","version":"{version}"}}"#)
        );
        let unset = Stamp { at, clock: schema::Clock::Unset };
        assert!(said(presence.goodbye(unset)).contains(r#""clock":"unset","reason":"stopped""#));
        assert!(!said(presence.will()).contains("at\":"));
    }
}
