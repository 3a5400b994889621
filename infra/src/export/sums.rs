//! What came of an export.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

use crate::Trouble;
use crate::query::time;

/// What came of it.
#[derive(Debug, Serialize)]
pub(super) struct Sums {
    pub(super) devices: usize,
    pub(super) sensors: usize,
    /// Readings written by this run.
    pub(super) readings: u64,
    /// Readings that were there from an earlier run.
    #[serde(skip_serializing_if = "is_nothing")]
    pub(super) skipped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) files: Option<usize>,
    /// Items of the table that are no readings.
    pub(super) unreadable: u64,
    pub(super) milliseconds: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) out: Option<PathBuf>,
    pub(super) until: UnixMillis,
}

// By reference, because serde calls it so.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_nothing(number: &u64) -> bool {
    *number == 0
}

impl Sums {
    pub(super) fn of(sensors: &[(DeviceId, SensorId)], until: UnixMillis) -> Self {
        let devices: BTreeSet<&DeviceId> = sensors.iter().map(|(device, _)| device).collect();
        Self {
            devices: devices.len(),
            sensors: sensors.len(),
            readings: 0,
            skipped: 0,
            files: None,
            unreadable: 0,
            milliseconds: 0,
            out: None,
            until,
        }
    }

    pub(super) fn print(&self, json: bool, out: &mut impl Write) -> Result<(), Trouble> {
        if json {
            let line = serde_json::to_string(self)
                .map_err(|error| Trouble::Internal(error.to_string()))?;
            return Ok(writeln!(out, "{line}")?);
        }
        let Self { devices, sensors, readings, skipped, milliseconds, unreadable, .. } = self;
        let rate = u128::from(*readings) * 1000 / (*milliseconds).max(1);
        write!(
            out,
            "{readings} readings of {sensors} sensors and {devices} devices until {}",
            time(self.until)
        )?;
        if let (Some(files), Some(folder)) = (self.files, &self.out) {
            write!(out, " in {}", folder.display())?;
            if *skipped > 0 {
                write!(out, "; {skipped} were there already")?;
            }
            write!(out, "; {files} files")?;
        }
        if *unreadable > 0 {
            write!(out, "; {unreadable} items of the table are no readings and were left out")?;
        }
        Ok(writeln!(out, "; {rate} readings/s")?)
    }
}
