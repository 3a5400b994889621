//! The kernel's I2C buses, `/dev/i2c-N`: the one file that knows them.

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};
use i2cdev::linux::LinuxI2CError;
use linux_embedded_hal::{I2CError, I2cdev};
use rustix::io::Errno;
use tidings_schema::Fault;

/// Opens a bus.
pub(super) fn open(number: u8) -> Result<Linux, Fault> {
    // Where the bus is not switched on there is no file, and where the user is not in its group it may
    // not be opened: `check` tells the two apart.
    I2cdev::new(format!("/dev/i2c-{number}")).map(Linux).map_err(|_| Fault::NotPresent)
}

/// The numbers of the buses that there are.
pub(super) fn all() -> Vec<u8> {
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut numbers: Vec<u8> = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("i2c-")?.parse().ok())
        .collect();
    numbers.sort_unstable();
    numbers
}

/// A bus of the kernel's.
pub(super) struct Linux(I2cdev);

/// An error of it.
#[derive(Debug)]
pub(super) struct Failed(I2CError);

impl embedded_hal::i2c::Error for Failed {
    fn kind(&self) -> ErrorKind {
        let code = match self.0.inner() {
            LinuxI2CError::Errno(code) => Some(*code),
            LinuxI2CError::Io(error) => error.raw_os_error(),
        };
        // How drivers of bus controllers say that nobody has answered (kernel
        // `Documentation/i2c/fault-codes.rst`; the Raspberry Pi's says EREMOTEIO).
        match code.map(Errno::from_raw_os_error) {
            Some(Errno::REMOTEIO | Errno::NXIO) => {
                ErrorKind::NoAcknowledge(NoAcknowledgeSource::Unknown)
            }
            Some(Errno::AGAIN) => ErrorKind::ArbitrationLoss,
            _ => ErrorKind::Bus,
        }
    }
}

impl ErrorType for Linux {
    type Error = Failed;
}

impl I2c for Linux {
    fn transaction(&mut self, address: u8, operations: &mut [Operation<'_>]) -> Result<(), Failed> {
        I2c::<u8>::transaction(&mut self.0, address, operations).map_err(Failed)
    }
}
