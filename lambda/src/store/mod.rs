//! The seam to DynamoDB: a trait of ours that speaks our types. [`dynamo`] alone knows the SDK.

mod alerts;
mod attributes;
pub mod body;
mod dynamo;
pub mod size;

use std::future::Future;

pub use alerts::AlertStore;
pub use dynamo::{
    DynamoSettings, DynamoStore, StaticCredentials, client, plain_json, read_due, read_rollup,
    stored,
};
use tidings_schema::{DeviceId, UnixMillis};

use crate::item::{Item, Put, Table};

/// Somewhere to write to.
pub trait Store: Sync {
    /// Writes up to 25 puts, no two under one key, in one call. Returns the places of those that
    /// were not processed, to be tried again.
    ///
    /// # Errors
    /// When none of them may have been written.
    fn write(&self, puts: &[Put]) -> impl Future<Output = Result<Vec<usize>, StoreError>> + Send;

    /// Puts one item where what stands under its key allows it. Returns whether it did.
    ///
    /// # Errors
    /// When it may not have been written.
    fn put_where(
        &self,
        item: &Item,
        stands: Stands,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What the operator says of up to 100 devices, in one call: the item of each of which there
    /// is one, as plain JSON.
    ///
    /// # Errors
    /// When the table cannot be asked, or does not answer for all of them.
    fn profiles(
        &self,
        devices: &[DeviceId],
    ) -> impl Future<Output = Result<Vec<(DeviceId, serde_json::Value)>, StoreError>> + Send;
}

/// What may stand under a key for an item to take its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// Nothing, or a sensor that was heard of before this.
    SeenBefore(UnixMillis),
    /// Nothing that counts its versions where this is 0, and else this version.
    Version(u64),
}

/// Keys in one BatchGetItem ("as many as 100 items", DynamoDB API reference).
pub const MAX_PROFILES: usize = 100;

/// The tables' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// Good readings.
    pub readings: String,
    /// What was refused.
    pub quarantine: String,
    /// Devices and sensors.
    pub devices: String,
}

impl Tables {
    /// The name of one of them.
    #[must_use]
    pub fn name(&self, table: Table) -> &str {
        match table {
            Table::Readings => &self.readings,
            Table::Quarantine => &self.quarantine,
            Table::Devices => &self.devices,
        }
    }
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            readings: "readings".to_owned(),
            quarantine: "quarantine".to_owned(),
            devices: "devices".to_owned(),
        }
    }
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It may succeed later: throttling, a server error, the network.
    #[error("DynamoDB failed for now: {code}")]
    Passing {
        /// The error's code or kind.
        code: String,
        /// What the client says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It will fail again: no such table, no permission, an invalid request.
    #[error("DynamoDB refuses: {code}: {message}")]
    Lasting {
        /// The error's code.
        code: String,
        /// DynamoDB's own words.
        message: String,
    },
    /// The answer did not come before the deadline.
    #[error("no answer from DynamoDB before the deadline")]
    Deadline,
}

impl StoreError {
    /// Whether trying again is of no use.
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::Lasting { .. } => true,
            Self::Passing { .. } | Self::Deadline => false,
        }
    }
}
