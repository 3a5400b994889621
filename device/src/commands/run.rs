//! `run`: the agent itself, until SIGTERM or Ctrl-C; a second signal ends it at once. SIGHUP reads the
//! configuration anew.

use std::io::{ErrorKind, Write as _};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use super::{ConfigArgument, Failure};
use crate::app;
use crate::clock::Clock;
use crate::service;
use crate::status::Counters;
use crate::terminal::causes;

pub(crate) async fn run(
    place: &ConfigArgument,
    status_every: Option<Duration>,
) -> Result<(), Failure> {
    let config = place.load()?;
    let clock = Clock::of_kernel(config.clock.trust);
    let mut signals = Signals::new()?;
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    let (configs, seen) = watch::channel(config);
    let agent = app::run(seen, clock, counters.clone(), async {
        // An error means that the sender is gone, which is a stop too.
        drop(stopped.await);
    });
    let mut agent = std::pin::pin!(agent);
    let mut status = status_every.map(tokio::time::interval);
    loop {
        tokio::select! {
            result = &mut agent => {
                if status.is_some() {
                    // The agent has ended well, whoever heard of it or not.
                    print_status(&counters).ok();
                }
                return Ok(result?);
            }
            told = signals.next() => match (told, stop.take()) {
                (Told::Stop, Some(stop)) => {
                    tracing::info!("stopping; a second signal ends at once");
                    stop.send(()).ok();
                }
                (Told::Stop, None) => return Err(Failure::Io(ErrorKind::Interrupted.into())),
                (Told::Reload, still) => {
                    stop = still;
                    service::reloading(true);
                    match place.load() {
                        // An error means that the agent has just ended.
                        Ok(config) => drop(configs.send(config)),
                        Err(error) => tracing::error!(
                            error = causes(&error, ": "),
                            "the agent goes on with the configuration that it has"
                        ),
                    }
                    service::reloading(false);
                }
            },
            () = tick(&mut status) => if let Err(error) = print_status(&counters) {
                // Whoever read it has gone; the readings are for others.
                tracing::warn!(%error, "no status any more");
                status = None;
            },
        }
    }
}

async fn tick(status: &mut Option<tokio::time::Interval>) {
    match status {
        Some(interval) => {
            interval.tick().await;
        }
        None => std::future::pending().await,
    }
}

fn print_status(counters: &Counters) -> std::io::Result<()> {
    let line = serde_json::to_string(&counters.look()).map_err(std::io::Error::other)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// What the operating system can tell the agent.
enum Told {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Stop,
            _ = self.interrupt.recv() => Told::Stop,
            _ = self.hangup.recv() => Told::Reload,
        }
    }
}
