//! The Tidings agent: reads sensors, keeps what they said in a queue on disk, and publishes it
//! over MQTT until the broker has acknowledged it.
//!
//! Four tasks own the state, and each other part is a pure core or a thin driver:
//!
//! ```text
//! sampler ──samples──> queue owner (SQLite) <──fetch, remove──> uplink ──MQTT──> broker
//!    ^                                                            │
//!    └───what to sample─── remote <───shadow, commands─────────────┘
//! ```

pub mod app;
pub mod cli;
pub mod clock;
mod commands;
pub mod config;
mod local;
pub mod manual;
mod plan;
pub mod queue;
pub mod reduce;
mod remote;
mod sampler;
mod sensors;
mod service;
pub mod status;
pub mod terminal;
pub mod uplink;
pub mod version;
