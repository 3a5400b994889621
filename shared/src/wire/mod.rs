//! The wire format: how readings travel in an MQTT message.
//!
//! One module per version. The wire types of a released version are frozen and apart from the
//! domain types; golden files in `shared/golden/` hold them. An optional field may be added within
//! a version; anything else is a new version: copy the module, give it the next number, keep the
//! old one readable.
//!
//! Devices that others programmed send dialects of their own, which are read and never written:
//! [`senml`] and [`plain`]. [`dialect`] tells by the first bytes what a message is in.

pub mod batch;
pub mod dialect;
pub mod foreign;
pub mod plain;
pub mod senml;
pub mod v1;

pub use v1 as latest;
