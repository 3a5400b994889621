//! A program of the user's own, in a process group of its own, so that what it starts ends with it.

use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tidings_schema::Fault;

/// Starts a program whose output is read.
pub(super) fn start(sensor: &str, program: &[String]) -> Result<Child, Fault> {
    let Some((program, arguments)) = program.split_first() else { return Err(Fault::NotPresent) };
    let mut process = Command::new(program);
    std::os::unix::process::CommandExt::process_group(&mut process, 0);
    process
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            let detail = error.to_string();
            tracing::warn!(sensor, detail, "the program cannot be started");
            Fault::NotPresent
        })
}

/// Ends a program and all that it has started.
pub(super) fn kill(child: &Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // An error means that it has ended.
        kill_process_group(group, Signal::KILL).ok();
    }
}
