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

impl Seen {
    /// Of these sensors, those of which the table is to be told again.
    pub(crate) fn news(
        &self,
        heard: impl IntoIterator<Item = (DeviceId, SensorId, UnixMillis)>,
        now: Instant,
    ) -> Vec<Put> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news: HashMap<(DeviceId, SensorId), UnixMillis> = HashMap::new();
        for (device, sensor, received_at) in heard {
            let name = (device, sensor);
            if told.get(&name).is_none_or(|then| now.duration_since(*then) >= INTERVAL) {
                let last = news.entry(name).or_insert(received_at);
                *last = received_at.max(*last);
            }
        }
        let put = |((device, sensor), last_seen)| Put {
            origin: None,
            item: Item::Seen(SeenItem {
                sk: key::partition(&device, &sensor),
                device,
                sensor,
                last_seen,
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
