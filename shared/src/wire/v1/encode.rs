//! Readings to bytes, in one message of any length.

use crate::clock::Clock;
use crate::ids::{BootId, DeviceId};
use crate::reading::Reading;
use crate::wire::batch::{BatchBuilder, PushError};

/// Encodes the readings of one device and boot as one message; `None` where there are none.
///
/// # Errors
/// When they do not fit into what MQTT on AWS can carry.
pub fn encode(
    device: &DeviceId,
    boot: &BootId,
    clock: Clock,
    readings: &[Reading],
) -> Result<Option<Vec<u8>>, PushError> {
    let mut batch = BatchBuilder::new(device, boot, 0, usize::MAX).with_clock(clock);
    for reading in readings {
        batch.push(reading)?;
    }
    Ok(batch.finish())
}
