//! The operator's program: the whole pipeline on one machine, provisioning, and the data.

pub mod cli;
pub mod cloud;
pub mod dynamo;
pub mod provision;
pub mod query;
pub mod tables;
mod trouble;
pub mod up;

pub use trouble::Trouble;
