//! The rig: the local cloud with knobs, real programs as child processes, and patience.

mod agent;
mod eventually;
pub mod faults;
pub mod link;
mod programs;
mod rig;
pub mod runtime_api;
pub mod scripted;
pub mod seed;

pub use agent::AgentProcess;
pub use eventually::eventually;
pub use programs::{output, program};
pub use rig::Rig;
