//! Version 1: JSON that a person can read in the console's test client.
//!
//! ```json
//! {"v":1,"device":"pi-1","boot":"k3v9x2qd","t0":1795456115802,
//!  "series":[{"sensor":"bme280","fields":[["temperature","Cel"],["humidity","%RH"],["pressure","hPa"]],
//!             "rows":[[0,1042,21.53,40.11,1013.2],[1000,1043,21.54,40.1,1013.2]],
//!             "faults":[[2000,1044,"timeout"]]}]}
//! ```
//!
//! - A row is `[milliseconds after t0, sequence number, values…]`, a fault is
//!   `[milliseconds after t0, sequence number, reason]`. The milliseconds may be negative: `t0` is
//!   the time of the reading that was packed first.
//! - `fields`, `rows` and `faults` may be left out where they are empty.
//! - `"clock":"unset"` stands before `t0` where the device's clock was never set: times are then
//!   milliseconds since it was switched on ([`crate::Clock`]).
//! - Fields that this version does not know are passed over, so that optional ones can be added.
//!
//! What is wrong with the whole message is a [`MessageError`]; what is wrong with one reading is a
//! [`RowError`] in a [`Refused`], and its neighbours are not touched by it.

mod decode;
mod encode;

pub use decode::{Decoded, MessageError, Refused, RowError, decode};
pub use encode::encode;

/// The number of this version, in the field `v`.
pub const VERSION: u64 = 1;

#[cfg(test)]
mod tests;
