//! What reaches the device from outside: its shadow, which says what to sample, and commands.
//!
//! One task owns the wish and what it comes to. The uplink carries messages in and out.

mod command;
mod shadow;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};
use tidings_schema::{self as schema, DeviceId, Topic};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::command::Command;
use self::shadow::{Applied, Topics, apply, difference};
use crate::clock::Clock;
use crate::config::RemoteConfig;
use crate::plan::Plan;
use crate::queue::Queue;
use crate::status::Counters;

/// Messages between this task and the uplink: a device is not spoken to often.
const CHANNEL: usize = 32;

/// A larger wish cannot come from a shadow, which holds 8 KB.
const LARGEST_WISH: u64 = 64 * 1024;

/// What the uplink tells.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The filters are subscribed to.
    Subscribed,
    /// A message came on one of them.
    Message { topic: String, payload: Vec<u8> },
}

/// A message to publish once, if there is a connection: nobody waits for an old answer.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) topic: String,
    pub(crate) payload: Vec<u8>,
}

/// The uplink's end.
#[derive(Debug)]
pub(crate) struct Port {
    /// What to subscribe to.
    pub(crate) filters: Vec<String>,
    pub(crate) heard: mpsc::Sender<Heard>,
    pub(crate) outgoing: mpsc::Receiver<Outgoing>,
}

/// What commands act on.
#[derive(Debug)]
pub(crate) struct Hands {
    pub(crate) queue: Queue,
    /// Changes when every sensor is to be asked.
    pub(crate) read_now: watch::Sender<u64>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) clock: Arc<Clock>,
}

/// The task.
#[derive(Debug)]
pub(crate) struct Remote {
    /// Whether there is a shadow to follow.
    shadow: bool,
    topics: Topics,
    commands: String,
    answers: String,
    heard: mpsc::Receiver<Heard>,
    outgoing: mpsc::Sender<Outgoing>,
    /// What the file says.
    file: watch::Receiver<Plan>,
    /// What is done.
    plan: watch::Sender<Plan>,
    desired: Value,
    /// Where the wish is kept, so that a start without a network follows it too.
    saved: PathBuf,
    hands: Hands,
    started: Instant,
}

impl Remote {
    /// Takes up the wish that was saved.
    pub(crate) fn new(
        device: &DeviceId,
        config: RemoteConfig,
        file: watch::Receiver<Plan>,
        saved: PathBuf,
        hands: Hands,
    ) -> (Self, Port, watch::Receiver<Plan>) {
        let topics = Topics::of(device.as_str());
        let commands = Topic::commands(device).to_string();
        let mut filters = Vec::new();
        if config.commands {
            filters.push(commands.clone());
        }
        let mut desired = Value::Null;
        if config.shadow {
            filters.extend(topics.filters());
            desired = load(&saved);
        }
        let (heard_sender, heard) = mpsc::channel(CHANNEL);
        let (outgoing, outgoing_receiver) = mpsc::channel(CHANNEL);
        let first = apply(&file.borrow(), &desired).plan;
        let (plan, planned) = watch::channel(first);
        let answers = Topic::answers(device).to_string();
        let remote = Self {
            shadow: config.shadow,
            topics,
            commands,
            answers,
            heard,
            outgoing,
            file,
            plan,
            desired,
            saved,
            hands,
            started: Instant::now(),
        };
        (remote, Port { filters, heard: heard_sender, outgoing: outgoing_receiver }, planned)
    }

    /// Serves until the uplink has ended.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                heard = self.heard.recv() => match heard {
                    Some(Heard::Subscribed) => self.ask(),
                    Some(Heard::Message { topic, payload }) => self.message(&topic, &payload).await,
                    None => return,
                },
                Ok(()) = self.file.changed() => {
                    self.apply();
                    self.ask();
                }
            }
        }
    }

    async fn message(&mut self, topic: &str, payload: &[u8]) {
        if topic == self.commands {
            let request = command::parse(payload);
            let result = match request.command {
                Ok(command) => self.act(command).await,
                Err(_) => Value::Null,
            };
            tracing::info!(command = ?request.command, "command");
            self.send(self.answers.clone(), command::answer(&request, &result));
            return;
        }
        let document = || serde_json::from_slice::<Value>(payload).unwrap_or_default();
        match self.topics.part(topic) {
            Some("get/accepted") => {
                let document = document();
                self.wish(document["state"]["desired"].clone());
                self.report(&document["state"]["reported"]);
            }
            // There is no shadow yet: what is reported makes one.
            Some("get/rejected") if document()["code"] == json!(404) => {
                self.wish(Value::Null);
                self.report(&Value::Null);
            }
            // It says only what differs, and what has been taken back is missing in it.
            Some("update/delta") => self.ask(),
            Some("get/rejected" | "update/rejected") => {
                let answer = String::from_utf8_lossy(payload).into_owned();
                tracing::warn!(answer, "the shadow was refused");
            }
            _ => tracing::debug!(topic, "message"),
        }
    }

    /// Asks for the shadow.
    fn ask(&self) {
        if self.shadow {
            self.send(self.topics.get(), Vec::new());
        }
    }

    fn wish(&mut self, desired: Value) {
        if desired != self.desired {
            self.desired = desired;
            self.apply();
            if let Err(error) = save(&self.saved, &self.desired) {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the shadow cannot be saved: a start without a network will not know it"
                );
            }
        }
    }

    fn apply(&self) {
        let Applied { plan, .. } = apply(&self.file.borrow(), &self.desired);
        let changed = self.plan.send_if_modified(|current| {
            let differs = *current != plan;
            *current = plan;
            differs
        });
        if changed {
            tracing::info!("what is sampled has changed");
        }
    }

    fn report(&self, theirs: &Value) {
        let Applied { reported, .. } = apply(&self.file.borrow(), &self.desired);
        if let Some(difference) = difference(&reported, theirs) {
            let update = json!({"state": {"reported": difference}});
            self.send(self.topics.update(), update.to_string().into_bytes());
        }
    }

    async fn act(&self, command: Command) -> Value {
        match command {
            Command::ReadNow => {
                self.hands.read_now.send_modify(|times| *times += 1);
                json!({"sensors": self.plan.borrow().sensors.len()})
            }
            Command::Flush => {
                // An error means that the agent is ending, which flushes too.
                self.hands.queue.flush().await.ok();
                json!({"waiting": self.hands.counters.look().waiting})
            }
            Command::Ping => {
                let stamp = self.hands.clock.stamp();
                json!({
                    "version": env!("CARGO_PKG_VERSION"),
                    "running_s": self.started.elapsed().as_secs(),
                    "at": (stamp.clock == schema::Clock::Set).then(|| stamp.at.get()),
                    "status": self.hands.counters.look(),
                })
            }
        }
    }

    fn send(&self, topic: String, payload: Vec<u8>) {
        if self.outgoing.try_send(Outgoing { topic, payload }).is_err() {
            tracing::warn!("too many answers wait, so one is dropped");
        }
    }
}

fn load(path: &std::path::Path) -> Value {
    let small = std::fs::metadata(path).is_ok_and(|file| file.len() <= LARGEST_WISH);
    if !small {
        return Value::Null;
    }
    // One that cannot be read is asked for anew with the first connection.
    std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

/// Writes it beside and moves it into place, so that a power cut leaves one of the two.
fn save(path: &std::path::Path, desired: &Value) -> std::io::Result<()> {
    let beside = path.with_extension("new");
    std::fs::write(&beside, desired.to_string())?;
    std::fs::rename(beside, path)
}
