//! Whole-system tests on real sockets with the real programs.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy tells from tests by their attribute"
)]

mod alerts;
mod architecture;
mod broker;
mod chaos;
mod client;
mod clock;
mod delivery;
mod export;
mod faults;
mod import;
mod lambda;
mod local;
mod remote;
mod replay;
mod rollup;
mod up;
mod view;

/// Sensors that give much in little time.
const BUSY: &str = r#"
[[sensor]]
name = "a"
kind = "simulated"
interval = "10ms"
quantities = ["temperature", "humidity", "pressure"]
fault_rate = 0.05
[[sensor]]
name = "b"
kind = "simulated"
interval = "20ms"
quantities = ["state"]
[[sensor]]
name = "host"
kind = "host"
interval = "100ms"
"#;

/// One sensor that gives next to nothing.
const QUIET: &str = "[[sensor]]\nname = \"x\"\nkind = \"simulated\"\ninterval = \"24h\"\n";
