//! The operator's program: the whole pipeline on one machine, provisioning, and the data.

mod aws;
pub mod cli;
pub mod cloud;
pub mod device;
pub mod dynamo;
pub mod event;
pub mod provision;
pub mod query;
pub mod replay;
pub mod tables;
pub mod target;
mod trouble;
pub mod up;

pub use trouble::Trouble;
