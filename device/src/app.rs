//! Puts the parts together, runs them until told to stop, and ends them in order:
//! sampler, then queue, then uplink, then what listened to it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_schema::BootId;
use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::local::{self, Desk};
use crate::plan::Plan;
use crate::queue::{Queue, QueueError};
use crate::remote::{Hands, Port, Remote};
use crate::sampler::Sampler;
use crate::service;
use crate::status::Counters;
use crate::uplink::mqtt::Settings;
use crate::uplink::presence::Presence;
use crate::uplink::tls::TlsError;
use crate::uplink::{self, UplinkConfig};

/// How long a stop waits for acknowledgements. What is not acknowledged by then stays in the queue.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Why the agent could not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The queue cannot be opened.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The operating system has no randomness for a boot id.
    #[error("no randomness from the operating system")]
    Random(#[source] getrandom::Error),
}

/// Runs the agent until `stop` resolves, then sends what is left for at most [`DRAIN`]. A new
/// configuration takes the place of the first without a sample being lost.
///
/// # Errors
/// When it cannot begin. Once it runs, whatever goes wrong is logged and lived with.
pub async fn run(
    mut configs: watch::Receiver<Config>,
    clock: Clock,
    counters: Arc<Counters>,
    stop: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let config = configs.borrow_and_update().clone();
    let clock = Arc::new(clock);
    let boot = BootId::from_random(getrandom::u64().map_err(AppError::Random)?);
    let first = uplink_config(&config, &boot)?;
    let (queue, owner) =
        Queue::open(&config.queue, first.shape(), &boot, clock.clone(), counters.clone())?;
    tracing::info!(
        device = config.device.as_str(),
        boot = boot.as_str(),
        sensors = config.sensors.len(),
        waiting = counters.look().waiting,
        "agent started"
    );
    if clock.offset().is_none() {
        tracing::warn!(
            "the clock of this device is not set: readings are held until it is (see clock.trust)"
        );
    }

    let (file, file_seen) = watch::channel(Plan::of(&config));
    let (read_now, read_now_seen) = watch::channel(0);
    let saved = config.queue.path.with_file_name("shadow.json");
    let hands =
        Hands { queue: queue.clone(), read_now, counters: counters.clone(), clock: clock.clone() };
    let (remote, port, plan) = Remote::new(&config.device, config.remote, file_seen, saved, hands);
    let (stop_sampler, sampler_stops) = watch::channel(false);
    let (stop_uplink, uplink_stops) = oneshot::channel();
    let (uplinks, uplinks_seen) = watch::channel(first);
    let desk = Desk { queue: queue.clone(), counters: counters.clone(), clock: clock.clone() };
    let (stop_around, around_stops) = watch::channel(false);
    let around = async {
        let served = local::serve(
            desk,
            local::socket(&config.queue.path),
            config.listen,
            around_stops.clone(),
        );
        let watched = service::watch(queue.clone(), counters.clone(), around_stops.clone());
        tokio::join!(served, watched);
    };
    let sampler = Sampler {
        queue: queue.clone(),
        clock: clock.clone(),
        counters: counters.clone(),
        read_now: read_now_seen,
    };
    let sampler = sampler.run(plan, sampler_stops);
    let uplink = keep_up(uplinks_seen, queue.clone(), clock, counters.clone(), port, uplink_stops);
    let in_order = async {
        let mut current = config.clone();
        let (mut sampler, mut stop) = (pin!(sampler), pin!(stop));
        loop {
            tokio::select! {
                () = &mut sampler => break,
                () = &mut stop => {
                    stop_sampler.send_replace(true);
                    sampler.await;
                    break;
                }
                Ok(()) = configs.changed() => {
                    let config = configs.borrow_and_update().clone();
                    take_up(&mut current, config, &boot, &file, &uplinks);
                }
            }
        }
        // What the sampler handed over must be fetchable before the uplink is told to finish.
        if queue.flush().await.is_err() {
            tracing::error!("the queue ended before the sampler");
        }
        stop_around.send_replace(true);
        // An error means that the uplink has ended already.
        stop_uplink.send(DRAIN).ok();
    };
    tokio::join!(in_order, around, uplink, remote.run());
    drop(queue);
    owner.join();
    tracing::info!(waiting = counters.look().waiting, "agent stopped");
    Ok(())
}

fn uplink_config(config: &Config, boot: &BootId) -> Result<UplinkConfig, TlsError> {
    let mut settings = Settings::from_config(&config.device, &config.mqtt)?;
    settings.presence = config.remote.status.then(|| Presence::new(&config.device, boot));
    Ok(UplinkConfig::new(settings, &config.mqtt, config.batch))
}

/// Takes up another configuration, as far as that can be done without a new start.
fn take_up(
    current: &mut Config,
    config: Config,
    boot: &BootId,
    file: &watch::Sender<Plan>,
    uplinks: &watch::Sender<UplinkConfig>,
) {
    for (section, changed) in [
        ("device", current.device != config.device),
        ("clock", current.clock != config.clock),
        ("queue", current.queue != config.queue),
        ("remote", current.remote != config.remote),
        ("local", current.listen != config.listen),
        ("batch.bytes", current.batch.bytes != config.batch.bytes),
    ] {
        if changed {
            tracing::warn!(section, "a change of this needs a new start of the agent");
        }
    }
    // Of the device that this agent was started as.
    let config = Config { device: current.device.clone(), remote: current.remote, ..config };
    match uplink_config(&config, boot) {
        Ok(uplink) => {
            uplinks.send_if_modified(|now| {
                // Also where only the files behind the same names are others.
                let differs = *now != uplink;
                *now = uplink;
                differs
            });
        }
        Err(error) => tracing::error!(
            error = crate::terminal::causes(&error, ": "),
            "the connection goes on as it was"
        ),
    }
    file.send_replace(Plan::of(&config));
    tracing::info!(sensors = config.sensors.len(), "configuration taken up");
    *current = config;
}

/// Runs one uplink after the other, for each configuration, until `stop`.
async fn keep_up(
    mut configs: watch::Receiver<UplinkConfig>,
    queue: Queue,
    clock: Arc<Clock>,
    counters: Arc<Counters>,
    mut port: Port,
    mut stop: oneshot::Receiver<Duration>,
) {
    loop {
        let config = configs.borrow_and_update().clone();
        let (end, ended) = oneshot::channel();
        let (queue, clock, counters) = (queue.clone(), clock.clone(), counters.clone());
        let mut running = pin!(uplink::run(config, queue, clock, counters, &mut port, ended));
        tokio::select! {
            () = &mut running => return,
            patience = &mut stop => {
                // It ends in its own time.
                end.send(patience.unwrap_or_default()).ok();
                running.await;
                return;
            }
            Ok(()) = configs.changed() => {
                end.send(Duration::ZERO).ok();
                running.await;
            }
        }
    }
}
