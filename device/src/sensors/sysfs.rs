//! Reading the kernel's files: numbers, and what an error of theirs means.

use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use tidings_schema::Fault;

/// A kind of value as the kernel has it, and what it is for us.
#[derive(Debug)]
pub(super) struct Kind {
    /// The kernel's name.
    pub(super) name: &'static str,
    /// Our quantity.
    pub(super) quantity: &'static str,
    /// Its unit.
    pub(super) unit: &'static str,
    /// From the kernel's unit to that.
    pub(super) factor: f64,
}

/// See [`Kind`].
pub(super) const fn kind(
    name: &'static str,
    quantity: &'static str,
    unit: &'static str,
    factor: f64,
) -> Kind {
    Kind { name, quantity, unit, factor }
}

/// The text of a file of the kernel's, without the white space around it.
pub(super) fn text(path: &Path) -> Result<String, Fault> {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).map_err(|error| fault(&error))
}

/// The number in a file of the kernel's.
pub(super) fn number(path: &Path) -> Result<f64, Fault> {
    // What is no number cannot have come from a working driver.
    text(path)?.parse().map_err(|_| Fault::BusError)
}

/// What an error of a device's file says of the device.
pub(super) fn fault(error: &io::Error) -> Fault {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::NOENT | Errno::NODEV | Errno::NXIO) => Fault::NotPresent,
        Some(Errno::TIMEDOUT) => Fault::Timeout,
        Some(Errno::BADMSG) => Fault::Checksum,
        _ => Fault::BusError,
    }
}

/// The devices in a folder of a class or bus, by name of their folder.
pub(super) fn devices(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| name(path).starts_with(prefix))
        .collect();
    paths.sort();
    paths
}

/// The device that calls itself so, or whose folder is called so.
pub(super) fn find(folder: &Path, prefix: &str, wanted: &str) -> Result<PathBuf, Fault> {
    devices(folder, prefix)
        .into_iter()
        .find(|path| {
            name(path) == wanted || text(&path.join("name")).is_ok_and(|own| own == wanted)
        })
        .ok_or(Fault::NotPresent)
}

/// The last part of a path, as text.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
