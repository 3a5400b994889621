//! For tests: a table in memory, and somebody who writes down what they are told.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;
use tidings_schema::{DeviceId, UnixMillis};

use super::{Note, Notifier, NotifyError, Record};
use crate::store::{AlertStore, StoreError};

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) records: Mutex<HashMap<DeviceId, Record>>,
    pub(crate) profiles: Mutex<HashMap<DeviceId, Json>>,
    pub(crate) heard: Mutex<HashMap<DeviceId, UnixMillis>>,
    /// Calls from now on that fail.
    pub(crate) failing: AtomicUsize,
    /// Writes from now on that come after somebody else's.
    pub(crate) losing: AtomicUsize,
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
}

impl Table {
    pub(crate) fn say(&self, device: &str, profile: Json) {
        self.profiles.lock().unwrap().insert(device.try_into().unwrap(), profile);
    }

    pub(crate) fn record(&self, device: &str) -> Record {
        let device = DeviceId::try_from(device).unwrap();
        self.records.lock().unwrap().get(&device).cloned().unwrap_or_default()
    }

    fn works(&self) -> Result<(), StoreError> {
        if takes_one(&self.failing) {
            return Err(StoreError::Deadline);
        }
        Ok(())
    }
}

fn takes_one(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

impl AlertStore for Table {
    async fn alerts(&self, device: &DeviceId) -> Result<Record, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.works()?;
        Ok(self.records.lock().unwrap().get(device).cloned().unwrap_or_default())
    }

    async fn put_alerts(
        &self,
        device: &DeviceId,
        record: &Record,
        version: u64,
    ) -> Result<bool, StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.works()?;
        let mut records = self.records.lock().unwrap();
        let stands = records.entry(device.clone()).or_default();
        if takes_one(&self.losing) {
            stands.version += 1;
        }
        if stands.version != version {
            return Ok(false);
        }
        *stands = record.clone();
        Ok(true)
    }

    async fn all_alerts(&self) -> Result<Vec<(DeviceId, Record)>, StoreError> {
        self.works()?;
        Ok(self.records.lock().unwrap().clone().into_iter().collect())
    }

    async fn profile(&self, device: &DeviceId) -> Result<Option<Json>, StoreError> {
        self.works()?;
        Ok(self.profiles.lock().unwrap().get(device).cloned())
    }

    async fn all_profiles(&self) -> Result<Vec<(DeviceId, Json)>, StoreError> {
        self.works()?;
        Ok(self.profiles.lock().unwrap().clone().into_iter().collect())
    }

    async fn last_heard(&self) -> Result<HashMap<DeviceId, UnixMillis>, StoreError> {
        self.works()?;
        Ok(self.heard.lock().unwrap().clone())
    }
}

/// Somebody who is told.
#[derive(Debug, Default)]
pub(crate) struct Listener {
    pub(crate) notes: Mutex<Vec<Note>>,
    /// Times from now on that nobody listens.
    pub(crate) deaf: AtomicUsize,
}

impl Listener {
    /// Name of each alert that was told, `+` for raised and `-` for cleared.
    pub(crate) fn told(&self) -> Vec<String> {
        let notes = self.notes.lock().unwrap();
        notes
            .iter()
            .map(|one| format!("{}{}", if one.raised { '+' } else { '-' }, one.name))
            .collect()
    }
}

impl Notifier for Listener {
    async fn tell(&self, note: &Note) -> Result<(), NotifyError> {
        if takes_one(&self.deaf) {
            return Err(NotifyError("nobody listens".to_owned()));
        }
        self.notes.lock().unwrap().push(note.clone());
        Ok(())
    }
}
