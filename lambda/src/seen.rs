//! Which sensors were heard of, told to the table `devices` at most once a minute each.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_schema::UnixMillis;
use tokio::time::Instant;

use crate::item::{Put, SeenItem};

/// Time between two writes for one sensor by one warm function.
const INTERVAL: Duration = Duration::from_secs(60);

/// What this warm function has told the table, and when.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<String, Instant>>);

impl Seen {
    /// The sensors of these readings of which the table is to be told again.
    pub(crate) fn news(&self, puts: &[Put], received_at: UnixMillis, now: Instant) -> Vec<Put> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = BTreeMap::new();
        for put in puts {
            let Put::Reading(item) = put else { continue };
            let sk = item.key.pk.clone();
            if told.get(&sk).is_none_or(|then| now.duration_since(*then) >= INTERVAL) {
                news.entry(sk).or_insert_with(|| (item.device.clone(), item.sensor.clone()));
            }
        }
        news.into_iter()
            .map(|(sk, (device, sensor))| {
                Put::Seen(SeenItem { sk, device, sensor, last_seen: received_at })
            })
            .collect()
    }

    /// The table has been told.
    pub(crate) fn told(&self, sensors: impl IntoIterator<Item = String>, now: Instant) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What is older than the interval says nothing any more: the map stays as small as what
        // this function has heard within a minute.
        told.retain(|_, then| now.duration_since(*then) < INTERVAL);
        told.extend(sensors.into_iter().map(|sk| (sk, now)));
    }
}
