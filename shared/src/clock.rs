//! What the times of a message count from.

/// Whether a device knew the time when it took its readings.
///
/// A Raspberry Pi has no battery for its clock: until the network tells it the time, it knows only
/// how long it has been on. Readings from that time are placed later, when the clock is set. Where
/// the power fails before, nobody can ever say when they were taken, and they say so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Clock {
    /// Times are milliseconds since 1970.
    #[default]
    Set,
    /// Times are milliseconds since the device was switched on, and its clock was never set.
    Unset,
}

impl Clock {
    /// Its name on the wire and in the table; a clock that was set is not mentioned there.
    pub const UNSET: &'static str = "unset";
}
