//! Puts the parts together, runs them until told to stop, and ends them in order:
//! sampler, then queue, then uplink.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tidings_schema::BootId;
use tokio::sync::{oneshot, watch};

use crate::clock::Clock;
use crate::config::Config;
use crate::queue::{Queue, QueueError};
use crate::sampler;
use crate::status::Counters;
use crate::uplink::mqtt::Settings;
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
    /// A sensor's thread cannot be started.
    #[error("no thread for a sensor")]
    Thread(#[source] std::io::Error),
}

/// Runs the agent until `stop` resolves, then sends what is left for at most [`DRAIN`].
///
/// # Errors
/// When it cannot begin. Once it runs, whatever goes wrong is logged and lived with.
pub async fn run(
    config: Config,
    clock: Clock,
    counters: Arc<Counters>,
    stop: impl Future<Output = ()>,
) -> Result<(), AppError> {
    let clock = Arc::new(clock);
    let boot = BootId::from_random(getrandom::u64().map_err(AppError::Random)?);
    let settings = Settings::from_config(&config.device, &config.mqtt)?;
    let uplink_config = UplinkConfig::new(settings, &config.mqtt, config.batch);
    let (queue, owner) =
        Queue::open(&config.queue, uplink_config.shape(), &boot, clock.clone(), counters.clone())?;
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
    let (stop_sampler, sampler_stops) = watch::channel(false);
    let (stop_uplink, uplink_stops) = oneshot::channel();
    let sampler = sampler::run(config.sensors, queue.clone(), clock.clone(), sampler_stops);
    let uplink = uplink::run(uplink_config, queue.clone(), counters.clone(), uplink_stops);
    let in_order = async move {
        // While the sampler runs, only `stop` ends this.
        let mut sampler = std::pin::pin!(sampler);
        let early = tokio::select! {
            result = &mut sampler => Some(result),
            () = stop => None,
        };
        stop_sampler.send_replace(true);
        let sampled = match early {
            Some(result) => result,
            None => sampler.await,
        };
        // What the sampler handed over must be fetchable before the uplink is told to finish.
        if queue.flush().await.is_err() {
            tracing::error!("the queue ended before the sampler");
        }
        drop(queue);
        // An error means that the uplink has ended already.
        stop_uplink.send(DRAIN).ok();
        sampled.map_err(AppError::Thread)
    };
    let (result, ()) = tokio::join!(in_order, uplink);
    owner.join();
    tracing::info!(waiting = counters.look().waiting, "agent stopped");
    result
}
