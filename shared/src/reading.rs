//! A reading: one sample of one sensor at one instant.

use crate::fault::Fault;
use crate::ids::{BootId, DeviceId, SensorId, Seq};
use crate::key::ReadingKey;
use crate::measurement::Measurements;
use crate::time::UnixMillis;

/// One sample of one sensor at one instant. Together with the device and the boot that it is kept
/// beside, `(device, sensor, at, boot, seq)` names it for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The sensor that was asked.
    pub sensor: SensorId,
    /// When it was asked.
    pub at: UnixMillis,
    /// Its position among the readings of that sensor in that boot.
    pub seq: Seq,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of asking a sensor.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The sensor answered with values.
    Measured(Measurements),
    /// It could not be measured, and this is why.
    Failed(Fault),
}

impl Reading {
    /// The key under which the table `readings` holds this reading.
    #[must_use]
    pub fn key(&self, device: &DeviceId, boot: &BootId) -> ReadingKey {
        ReadingKey::new(device, &self.sensor, self.at, boot, self.seq)
    }
}
