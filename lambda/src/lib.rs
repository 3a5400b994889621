//! The Lambda behind the topic rule: takes what a device sent, tells good readings from bad ones,
//! and writes both to DynamoDB.
//!
//! ```text
//! event ─ source ─ envelope ─ dialect ─ identity ─ validate ─ pack ─ plan ─ writer ─ store
//!                                 enrich ───┘
//! ```
//!
//! Everything up to the plan is pure, but for what `enrich` keeps warm. One bad reading never takes its neighbours with it: it goes
//! to `quarantine` in the same calls in which they go to `readings`.

pub mod alert;
pub mod config;
mod dialect;
mod due;
mod enrich;
pub mod envelope;
pub mod handler;
pub mod item;
pub mod job;
pub mod log;
pub mod metrics;
mod moment;
mod news;
mod pack;
mod plan;
pub mod refusal;
pub mod rollup;
mod seen;
mod sift;
pub mod source;
pub mod store;
mod validate;
pub mod writer;

pub use config::{Config, Layout, Retention};
pub use enrich::check_profile;
pub use envelope::Envelope;
pub use handler::{Answer, HandlerError, Ingest, Past, Preview, Summary};
pub use metrics::Report;
