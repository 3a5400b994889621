//! The agent as a process of its own: this very program, which can be an agent too.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tidings_agent::status::Status;
use tidings_schema::DeviceId;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Trouble;
use crate::cloud::pki::{CERTIFICATE, KEY, Pki, ROOT_CA, write_private};

/// Time that the agent has to send what is left, and to end. Longer than its own limit.
const PATIENCE: Duration = Duration::from_secs(15);

/// The configuration's file name in the folder of a provisioned device.
pub(crate) const CONFIG: &str = "agent.toml";

/// The queue's file name there.
const QUEUE: &str = "queue.db";

/// The sensors of the agent that `up` starts.
const SENSORS: &str = r#"
# This machine itself.
[[sensor]]
name = "host"
kind = "host"
interval = "1s"

# Made-up values, the same with every start.
[[sensor]]
name = "greenhouse"
kind = "simulated"
interval = "500ms"
seed = 7
quantities = ["temperature", "humidity", "pressure"]
fault_rate = 0.01

[[sensor]]
name = "door"
kind = "simulated"
interval = "2s"
seed = 8
quantities = ["state"]
"#;

/// A provisioned agent, running or not.
#[derive(Debug)]
pub(super) struct Agent {
    folder: PathBuf,
}

/// An agent's process.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    /// What it said last of itself.
    pub(super) status: watch::Receiver<Status>,
    reading: JoinHandle<()>,
}

/// What stands in the configuration of a device that a local cloud provisions, without sensors.
pub(crate) fn connection_config(device: &DeviceId, port: u16) -> String {
    format!(
        "device = \"{device}\"\n\n[mqtt]\nendpoint = \"localhost\"\nport = {port}\nca = \"{ROOT_CA}\"\n\
         certificate = \"{CERTIFICATE}\"\nkey = \"{KEY}\"\n\n\
         [clock]\n# This machine's clock is taken as it is. On a Pi leave this out: readings wait there\n\
         # until the kernel says that its clock is synchronised.\ntrust = \"always\"\n"
    )
}

impl Agent {
    /// Provisions a device in `folder` and writes its configuration.
    pub(super) fn provision(
        pki: &Pki,
        device: &DeviceId,
        folder: &Path,
        port: u16,
    ) -> Result<Self, Trouble> {
        pki.provision(device, folder)?;
        let config = format!(
            "{}\n[queue]\npath = \"{QUEUE}\"\n\n[batch]\n# Short, so that there is something to watch.\nage = \"2s\"\n\n[health]\ninterval = \"10s\"\n{SENSORS}",
            connection_config(device, port),
        );
        write_private(&folder.join(CONFIG), &config)?;
        Ok(Self { folder: folder.to_owned() })
    }

    pub(super) fn queue(&self) -> PathBuf {
        self.folder.join(QUEUE)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("agent.log")
    }

    /// Starts the process.
    pub(super) fn start(&self) -> Result<Running, Trouble> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(|source| Trouble::File { path: self.log(), source })?;
        let program = std::env::current_exe().map_err(Trouble::Agent)?;
        let mut child = Command::new(program)
            .args(["agent", "run", "--status-every", "1s", "--config"])
            .arg(self.folder.join(CONFIG))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            // A Ctrl-C in the terminal reaches the whole group: the agent is to be told by us.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(Trouble::Agent)?;
        let (sender, status) = watch::channel(Status::default());
        let output = child.stdout.take();
        let reading = tokio::spawn(async move {
            let Some(output) = output else { return };
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(status) = serde_json::from_str(&line) {
                    sender.send_replace(status);
                }
            }
        });
        Ok(Running { child, status, reading })
    }
}

impl Running {
    /// Waits for an end that nobody asked for.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Tells it to stop, and waits until it has sent what it could.
    pub(super) async fn stop(mut self) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // An error means that it has ended already.
            kill_process(pid, Signal::TERM).ok();
        }
        if tokio::time::timeout(PATIENCE, self.child.wait()).await.is_err() {
            tracing::warn!("the agent did not end in time and is killed; its queue is on disk");
            self.child.kill().await.ok();
        }
        if let Err(error) = self.reading.await {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the agent's output was lost"
            );
        }
    }
}
