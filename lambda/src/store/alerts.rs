//! What alerts need of the table `devices`.

use std::collections::HashMap;
use std::future::Future;

use tidings_schema::{DeviceId, UnixMillis};

use super::StoreError;
use crate::alert::Record;

/// Where it is kept how alerts stand.
pub trait AlertStore: Sync {
    /// What stands of a device, as the last write left it; where nothing was written, nothing.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn alerts(&self, device: &DeviceId) -> impl Future<Output = Result<Record, StoreError>> + Send;

    /// Writes what stands of a device, where that which stands has this version; 0 is that of nothing.
    /// Returns whether it had.
    ///
    /// # Errors
    /// When it may not have been written.
    fn put_alerts(
        &self,
        device: &DeviceId,
        record: &Record,
        version: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What stands of all devices.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn all_alerts(
        &self,
    ) -> impl Future<Output = Result<Vec<(DeviceId, Record)>, StoreError>> + Send;

    /// What the operator says of a device, as plain JSON.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn profile(
        &self,
        device: &DeviceId,
    ) -> impl Future<Output = Result<Option<serde_json::Value>, StoreError>> + Send;

    /// What the operator says of all devices, as plain JSON.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn all_profiles(
        &self,
    ) -> impl Future<Output = Result<Vec<(DeviceId, serde_json::Value)>, StoreError>> + Send;

    /// When the newest message of each device came, to the minute.
    ///
    /// # Errors
    /// When the table cannot be asked.
    fn last_heard(
        &self,
    ) -> impl Future<Output = Result<HashMap<DeviceId, UnixMillis>, StoreError>> + Send;
}
