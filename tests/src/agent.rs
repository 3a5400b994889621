//! The real agent as a child process.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tidings_agent::queue::{Inspection, inspect};
use tidings_agent::status::Status;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::program;

/// A running `tidings-agent run`.
#[derive(Debug)]
pub struct AgentProcess {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    folder: PathBuf,
}

impl AgentProcess {
    /// Starts the agent of a provisioned folder. Its log goes to `agent.log` there.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    /// The same with more in its environment.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start_with(folder: &Path, environment: &[(&str, &str)]) -> Self {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join("agent.log"))
            .expect("the log can be written");
        let mut child = Command::new(program("tidings-agent"))
            .args(["run", "--status-every", "100ms", "--config"])
            .arg(folder.join("agent.toml"))
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the agent can be started");
        let stdout = child.stdout.take().expect("standard output is piped");
        Self { child, lines: BufReader::new(stdout).lines(), folder: folder.to_owned() }
    }

    /// Reads what it says of itself until that fits.
    ///
    /// # Panics
    /// When the agent ends before.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Status) -> bool) -> Status {
        let wait = async {
            loop {
                let line = self.lines.next_line().await.expect("the agent's output can be read");
                let line = line.unwrap_or_else(|| panic!("the agent ended before: {what}"));
                let status: Status = serde_json::from_str(&line).expect("a status is JSON");
                if fits(&status) {
                    return status;
                }
            }
        };
        let patience = std::time::Duration::from_secs(120);
        tokio::time::timeout(patience, wait)
            .await
            .unwrap_or_else(|_| panic!("waited in vain for the agent: {what}"))
    }

    /// Pulls the plug.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the agent can be killed");
    }

    /// Tells it something.
    ///
    /// # Panics
    /// When it does not run any more.
    pub fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        kill_process(pid.expect("the agent runs"), signal).expect("it can be told");
    }

    /// Stops it as systemd would, and gives what its queue holds then.
    ///
    /// # Panics
    /// When it does not end well.
    pub async fn stop(mut self) -> Inspection {
        self.signal(Signal::TERM);
        let status = self.child.wait().await.expect("it can be waited for");
        assert!(status.success(), "the agent ended with {status}");
        inspect(&self.folder.join("queue.db")).expect("the queue can be read")
    }

    /// Its log so far.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn log(folder: &Path) -> String {
        std::fs::read_to_string(folder.join("agent.log")).expect("the log can be read")
    }
}
