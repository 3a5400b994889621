//! Asks each sensor at its interval, on the monotonic clock, and hands what it says to the queue.

use std::sync::Arc;
use std::time::Duration;

use tidings_schema::Outcome;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::clock::Clock;
use crate::config::SensorConfig;
use crate::queue::{Queue, Sample};
use crate::sensors::{self, Worker};

/// Samples all sensors until `stop` says true. Ends when the last answer is with the queue.
///
/// # Errors
/// When a sensor's thread cannot be started.
pub(crate) async fn run(
    configs: Vec<SensorConfig>,
    queue: Queue,
    clock: Arc<Clock>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut tasks = JoinSet::new();
    for config in configs {
        let worker = Worker::start(config.name.as_str(), sensors::build(&config))?;
        tasks.spawn(sample(config, worker, queue.clone(), clock.clone(), stop.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the sampler of a sensor failed"
            );
        }
    }
    Ok(())
}

async fn sample(
    config: SensorConfig,
    worker: Worker,
    queue: Queue,
    clock: Arc<Clock>,
    mut stop: watch::Receiver<bool>,
) {
    // Sensors of one interval are asked at different moments, so that they do not all wake the
    // device, and meet on a bus, at the same one.
    let phase = Duration::from_millis(fastrand::u64(0..=millis(config.interval) / 10));
    let mut ticks = tokio::time::interval_at(Instant::now() + phase, config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // An error means that whoever could stop us is gone.
            _ = stop.wait_for(|stop| *stop) => break,
        }
        let stamp = clock.stamp();
        let outcome = match worker.read(config.deadline).await {
            Ok(values) => Outcome::Measured(values),
            Err(fault) => {
                tracing::debug!(sensor = config.name.as_str(), %fault, "sensor failed");
                Outcome::Failed(fault)
            }
        };
        let sample =
            Sample { sensor: config.name.clone(), at: stamp.at, clock: stamp.clock, outcome };
        if queue.append(sample).await.is_err() {
            break;
        }
    }
    worker.stop();
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
