//! Why a sensor gave no value.

use std::fmt;

/// Why a reading has no values. A broken sensor is data, not silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The sensor did not answer before the deadline of its read.
    Timeout,
    /// Nothing answers where the sensor should be.
    NotPresent,
    /// The bus or the operating system reported an error.
    BusError,
    /// An answer came, and its checksum was wrong.
    Checksum,
    /// An answer came that the sensor cannot mean: a power-on default, or a value outside of what
    /// it can measure.
    OutOfRange,
}

impl Fault {
    /// All faults, in the order of declaration.
    pub const ALL: [Self; 5] =
        [Self::Timeout, Self::NotPresent, Self::BusError, Self::Checksum, Self::OutOfRange];

    /// The name on the wire and in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::NotPresent => "not-present",
            Self::BusError => "bus-error",
            Self::Checksum => "checksum",
            Self::OutOfRange => "out-of-range",
        }
    }

    /// The fault of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
