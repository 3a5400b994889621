//! From the queue to the broker.
//!
//! [`core`] decides: it takes what happened and the time, and says what to do. [`driver`] does it.
//! Its parts: [`lane`] fills messages, [`rate`] spaces them, [`strikes`] finds what breaks
//! connections, [`backoff`] says how long to wait. [`courtesy`] keeps what is sent beside readings from costing the connection. [`presence`] says that the device is there, [`explain`] what a failed
//! connection means. [`mqtt`] alone knows the MQTT client, [`tls`] the certificates.

pub mod backoff;
mod core;
mod courtesy;
pub(crate) mod dates;
mod driver;
mod explain;
mod lane;
pub mod mqtt;
pub mod presence;
mod rate;
mod strikes;
pub mod tls;

pub(crate) use driver::{UplinkConfig, run};

#[cfg(test)]
mod tests;
