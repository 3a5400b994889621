//! What an operator says of devices, kept warm.
//!
//! A device that is not in the cache is asked for with all others that are not, in one call. What
//! there is holds for [`LIFETIME`], that there is nothing for [`NEGATIVE_LIFETIME`]. Where the table
//! cannot be asked, what was known goes on to hold; where nothing was known, the readings are stored
//! without and say so: enrichment is never the reason for a loss.

mod alerts;
mod derive;
mod profile;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_schema::DeviceId;
use tokio::time::{Instant, timeout_at};

pub(crate) use self::profile::Profile;
use crate::handler::wall_clock;
use crate::moment::Moment;
use crate::refusal::causes;
use crate::store::{MAX_PROFILES, Store, StoreError};

/// What is wrong with what an operator is about to say of a device: nothing, or every mistake.
#[must_use]
pub fn check_profile(said: &serde_json::Value) -> Vec<String> {
    if said.is_object() {
        Profile::read(said).problems
    } else {
        vec![format!("expected an object with {}", profile::KNOWN.join(", "))]
    }
}

/// How long what an operator says holds: the longest that a change takes to be seen.
const LIFETIME: Duration = Duration::from_secs(300);

/// How long it holds that an operator says nothing.
const NEGATIVE_LIFETIME: Duration = Duration::from_secs(60);

/// The wait after a failure, so that a table that is down costs one call in a while.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// The longest that readings wait for what is said of them. The table answers in some 5 ms.
const PATIENCE: Duration = Duration::from_secs(1);

/// Devices that are kept; beyond, those whose time is over are forgotten, and then all.
const CAPACITY: usize = 10_000;

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Profiles(Mutex<HashMap<DeviceId, Entry>>);

#[derive(Debug, Clone)]
struct Entry {
    profile: Arc<Profile>,
    learnt: Moment,
    lifetime: Duration,
}

impl Entry {
    fn holds(&self, now: &Moment) -> bool {
        now.is_within(self.lifetime, &self.learnt)
    }
}

impl Profiles {
    /// What is said of each of these devices, asked for where it is not known.
    pub(crate) async fn get<S: Store>(
        &self,
        store: &S,
        devices: &[DeviceId],
        until: Instant,
    ) -> HashMap<DeviceId, Arc<Profile>> {
        let now = Moment::now(wall_clock());
        let missing: Vec<DeviceId> = {
            let entries = self.entries();
            let is_fresh = |device| entries.get(device).is_some_and(|entry| entry.holds(&now));
            devices.iter().filter(|device| !is_fresh(device)).cloned().collect()
        };
        for some in missing.chunks(MAX_PROFILES) {
            let limit = until.min(Instant::now() + PATIENCE);
            let answer = timeout_at(limit, store.profiles(some)).await;
            match answer.unwrap_or(Err(StoreError::Deadline)) {
                Ok(found) => self.learn(some, found, now),
                Err(error) => {
                    tracing::warn!(error = causes(&error), "devices could not be asked for");
                    self.go_on_with_what_is_known(some, now);
                }
            }
        }
        let entries = self.entries();
        let known = |device: &DeviceId| {
            let entry = entries.get(device)?;
            Some((device.clone(), entry.profile.clone()))
        };
        devices.iter().filter_map(known).collect()
    }

    fn learn(&self, asked: &[DeviceId], found: Vec<(DeviceId, serde_json::Value)>, now: Moment) {
        let mut found: HashMap<DeviceId, serde_json::Value> = found.into_iter().collect();
        let mut entries = self.entries();
        if entries.len() + asked.len() > CAPACITY {
            entries.retain(|_, entry| entry.holds(&now));
        }
        if entries.len() + asked.len() > CAPACITY {
            entries.clear();
        }
        for device in asked {
            let entry = match found.remove(device) {
                None => Entry { profile: Arc::default(), learnt: now, lifetime: NEGATIVE_LIFETIME },
                Some(item) => {
                    let profile = Profile::read(&item);
                    for problem in &profile.problems {
                        tracing::warn!(%device, problem, "what is said of a device is wrong");
                    }
                    Entry { profile: Arc::new(profile), learnt: now, lifetime: LIFETIME }
                }
            };
            entries.insert(device.clone(), entry);
        }
    }

    fn go_on_with_what_is_known(&self, asked: &[DeviceId], now: Moment) {
        let unknown = Arc::new(Profile::unknown());
        let mut entries = self.entries();
        for device in asked {
            let known = entries.get(device).map_or(&unknown, |entry| &entry.profile).clone();
            let entry = Entry { profile: known, learnt: now, lifetime: AFTER_FAILURE };
            entries.insert(device.clone(), entry);
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<DeviceId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
