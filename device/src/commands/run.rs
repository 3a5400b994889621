//! `run`: the agent itself, until SIGTERM or Ctrl-C; a second signal ends it at once.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::Failure;
use crate::app;
use crate::clock::Clock;
use crate::config::Config;
use crate::status::Counters;

pub(crate) async fn run(config: Config, status_every: Option<Duration>) -> Result<(), Failure> {
    let clock = Clock::of_kernel(config.clock.trust);
    let mut signals = Signals::new()?;
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let mut stop = Some(stop);
    let agent = app::run(config, clock, counters.clone(), async {
        // An error means that the sender is gone, which is a stop too.
        drop(stopped.await);
    });
    let mut agent = std::pin::pin!(agent);
    let mut status = status_every.map(tokio::time::interval);
    loop {
        tokio::select! {
            result = &mut agent => {
                if status.is_some() {
                    print_status(&counters)?;
                }
                return Ok(result?);
            }
            () = signals.next() => match stop.take() {
                Some(stop) => {
                    tracing::info!("stopping; a second signal ends at once");
                    stop.send(()).ok();
                }
                None => return Err(Failure::Io(std::io::Error::from(std::io::ErrorKind::Interrupted))),
            },
            () = tick(&mut status) => print_status(&counters)?,
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

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
