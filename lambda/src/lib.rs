//! The Lambda behind the topic rule: takes what a device sent, tells good readings from bad ones,
//! and writes both to DynamoDB.
//!
//! ```text
//! event ── envelope ── decode ── identity ── validate ── plan ── writer ── store
//! ```
//!
//! Everything up to the plan is pure. One bad reading never takes its neighbours with it: it goes
//! to `quarantine` in the same calls in which they go to `readings`.

pub mod config;
pub mod envelope;
pub mod handler;
pub mod item;
pub mod log;
mod plan;
pub mod refusal;
mod seen;
mod sift;
pub mod store;
mod validate;
pub mod writer;

pub use config::{Config, Retention};
pub use envelope::Envelope;
pub use handler::{HandlerError, Ingest, Summary};
