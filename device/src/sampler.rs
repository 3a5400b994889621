//! Asks each sensor at its interval, on the monotonic clock, and hands what it says to the queue.
//!
//! What is sampled can change while it runs: a sensor that stays is not interrupted, only its interval
//! changes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tidings_schema::{self as schema, Outcome, SensorId};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::{Clock, Stamp};
use crate::config::{SensorConfig, SensorKind};
use crate::plan::Plan;
use crate::queue::{Queue, Sample};
use crate::reduce::{Reduce, Reducer};
use crate::sensors::{self, Worker};
use crate::status::Counters;

/// How long a sensor that could not be started is left alone.
const RETRY: Duration = Duration::from_secs(10);

/// What the sampler works with.
#[derive(Debug, Clone)]
pub(crate) struct Sampler {
    pub(crate) queue: Queue,
    pub(crate) clock: Arc<Clock>,
    pub(crate) counters: Arc<Counters>,
    /// Changes when every sensor is to be asked at once.
    pub(crate) read_now: watch::Receiver<u64>,
}

/// What of a running sensor can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Timing {
    interval: Duration,
    deadline: Duration,
}

struct Running {
    kind: SensorKind,
    reduce: Reduce,
    /// Dropped to stop it.
    timing: watch::Sender<Timing>,
}

impl Sampler {
    /// Samples what the plan says until `stop` says true. Ends when the last answer is with the queue.
    pub(crate) async fn run(
        self,
        mut plan: watch::Receiver<Plan>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut tasks = JoinSet::new();
        let mut running: BTreeMap<SensorId, Running> = BTreeMap::new();
        loop {
            let Plan { sensors: wanted, age } = plan.borrow_and_update().clone();
            if self.queue.set_age(age).await.is_err() {
                tracing::error!("the queue has ended");
            }
            let missing = self.follow(wanted, &mut running, &mut tasks);
            loop {
                tokio::select! {
                    Ok(()) = plan.changed() => break,
                    // An error means that whoever could stop us is gone.
                    _ = stop.wait_for(|stop| *stop) => {
                        running.clear();
                        while let Some(ended) = tasks.join_next().await {
                            look(ended);
                        }
                        return;
                    }
                    Some(ended) = tasks.join_next(), if !tasks.is_empty() => look(ended),
                    () = tokio::time::sleep(RETRY), if missing => break,
                }
            }
        }
    }

    /// Starts, changes and stops sensors; says whether one could not be started.
    fn follow(
        &self,
        wanted: Vec<SensorConfig>,
        running: &mut BTreeMap<SensorId, Running>,
        tasks: &mut JoinSet<()>,
    ) -> bool {
        running.retain(|name, one| {
            wanted.iter().any(|config| {
                config.name == *name && config.kind == one.kind && config.reduce == one.reduce
            })
        });
        let mut missing = false;
        for config in wanted {
            let timing = Timing { interval: config.interval, deadline: config.deadline };
            if let Some(one) = running.get(&config.name) {
                one.timing.send_if_modified(|now| std::mem::replace(now, timing) != timing);
                continue;
            }
            let sensor = sensors::build(&config, &self.counters);
            match Worker::start(config.name.as_str(), sensor) {
                Ok(worker) => {
                    let (sender, receiver) = watch::channel(timing);
                    let SensorConfig { name, kind, reduce, .. } = config;
                    let reducer = Reducer::new(reduce.clone());
                    tasks.spawn(self.clone().sample(name.clone(), worker, reducer, receiver));
                    running.insert(name, Running { kind, reduce, timing: sender });
                }
                Err(error) => {
                    tracing::error!(
                        sensor = config.name.as_str(),
                        error = &error as &dyn std::error::Error,
                        "no thread for a sensor, which is tried again"
                    );
                    missing = true;
                }
            }
        }
        missing
    }

    async fn sample(
        mut self,
        name: SensorId,
        worker: Worker,
        mut reducer: Reducer,
        mut timing: watch::Receiver<Timing>,
    ) {
        let mut now = *timing.borrow_and_update();
        // Sensors of one interval are asked at different moments, so that they do not all wake the
        // device, and meet on a bus, at the same one.
        let phase = Duration::from_millis(fastrand::u64(0..=millis(now.interval) / 10));
        let mut ticks = ticks(Instant::now() + phase, now.interval);
        // Commands from before it was there are not for it.
        self.read_now.mark_unchanged();
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                Ok(()) = self.read_now.changed() => {}
                changed = timing.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    let before = std::mem::replace(&mut now, *timing.borrow_and_update());
                    if before.interval != now.interval {
                        ticks = self::ticks(Instant::now() + now.interval, now.interval);
                    }
                    continue;
                }
            }
            let stamp = self.clock.stamp();
            let said = worker.read(now.deadline).await;
            if said.done {
                break;
            }
            let outcome = match said.answer {
                Ok(values) => Outcome::Measured(values),
                Err(fault) => {
                    tracing::debug!(sensor = name.as_str(), %fault, "sensor failed");
                    Outcome::Failed(fault)
                }
            };
            let stamp = match said.at {
                Some(at) => Stamp { at, clock: schema::Clock::Set },
                None => stamp,
            };
            for told in reducer.push(stamp, outcome, Instant::now()) {
                self.append(&name, told).await;
            }
        }
        // What a window holds so far is not lost with a stop.
        if let Some(told) = reducer.close() {
            self.append(&name, told).await;
        }
        worker.stop();
    }
}

impl Sampler {
    async fn append(&self, name: &SensorId, (stamp, outcome): (Stamp, Outcome)) {
        let Stamp { at, clock } = stamp;
        let sample = Sample { sensor: name.clone(), at, clock, outcome };
        if self.queue.append(sample).await.is_err() {
            tracing::error!(sensor = name.as_str(), "the queue has ended: a reading is lost");
        }
    }
}

fn ticks(first: Instant, interval: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval_at(first, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}

fn look(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(error = &error as &dyn std::error::Error, "the sampler of a sensor failed");
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
