//! From the queue to the broker.
//!
//! [`core`] decides: it takes what happened and the time, and says what to do. [`driver`] does it.
//! [`mqtt`] alone knows the MQTT client, [`tls`] the certificates, [`backoff`] how long to wait.

pub mod backoff;
mod core;
mod driver;
pub mod mqtt;
pub mod tls;

pub(crate) use driver::{UplinkConfig, run};

#[cfg(test)]
mod tests;
