//! The operator's program: the whole pipeline on one machine, provisioning, and the data.

pub mod account;
mod aws;
pub mod cli;
pub mod cloud;
pub mod cost;
pub mod deploy;
pub mod device;
pub mod doctor;
pub mod dynamo;
pub mod event;
pub mod export;
pub mod fleet;
pub mod import;
pub mod manual;
pub mod plot;
pub mod provision;
pub mod query;
pub mod replay;
pub mod tables;
pub mod target;
pub mod top;
mod trouble;
pub mod up;
pub mod view;

pub use trouble::Trouble;
