//! Which sensors were heard of, told to the table `devices` at most once a minute each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_schema::{DeviceId, SensorId, UnixMillis, key};
use tokio::time::Instant;

use crate::item::{Item, Put, SeenItem};

/// Time between two writes for one sensor by one warm function.
const INTERVAL: Duration = Duration::from_secs(60);

/// What this warm function has told the table, and when.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<(DeviceId, SensorId), Instant>>);

/// A message of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Heard<'a> {
    /// When the rule saw it.
    pub(crate) at: UnixMillis,
    /// The certificate that it came with.
    pub(crate) principal: Option<&'a str>,
}

impl Seen {
    /// Of these sensors, those of which the table is to be told again.
    pub(crate) fn news<'a>(
        &self,
        heard: impl IntoIterator<Item = (DeviceId, SensorId, Heard<'a>)>,
        now: Instant,
    ) -> Vec<Put> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news: HashMap<(DeviceId, SensorId), Heard<'a>> = HashMap::new();
        for (device, sensor, heard) in heard {
            let name = (device, sensor);
            if told.get(&name).is_none_or(|then| now.duration_since(*then) >= INTERVAL) {
                let last = news.entry(name).or_insert(heard);
                *last = heard.max(*last);
            }
        }
        let put = |((device, sensor), last): (_, Heard<'_>)| Put {
            origin: None,
            item: Item::Seen(SeenItem {
                sk: key::partition(&device, &sensor),
                device,
                sensor,
                last_seen: last.at,
                principal: last.principal.map(str::to_owned),
            }),
        };
        news.into_iter().map(put).collect()
    }

    /// The table has been told.
    pub(crate) fn told(
        &self,
        sensors: impl IntoIterator<Item = (DeviceId, SensorId)>,
        now: Instant,
    ) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is older than the interval says nothing any more: the map stays as small as what
        // this function has heard within a minute.
        told.retain(|_, then| now.duration_since(*then) < INTERVAL);
        told.extend(sensors.into_iter().map(|name| (name, now)));
    }
}
