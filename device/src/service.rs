//! The agent as a service of systemd: it says when it is ready, and that it lives. It says so only
//! while its parts do what they are for: a watchdog that a timer feeds watches the timer.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::queue::Queue;
use crate::status::Counters;

/// How often the line in `systemctl status` is renewed where there is no watchdog.
const STATUS: Duration = Duration::from_secs(30);

/// Tells systemd, where it has asked, until `stop` says true.
pub(crate) async fn watch(queue: Queue, counters: Arc<Counters>, mut stop: watch::Receiver<bool>) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    tell(&[NotifyState::Ready]);
    // Twice within the time that systemd gives.
    let interval = sd_notify::watchdog_enabled().map_or(STATUS, |time| time / 2);
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // An error means that whoever could stop us is gone.
            _ = stop.wait_for(|stop| *stop) => break,
        }
        // The owner of the queue, which every reading passes, must answer; that this runs at all shows
        // that sampler and uplink can.
        if let Ok(Ok(())) = tokio::time::timeout(interval, queue.ping()).await {
            let status = counters.look();
            let link = if status.online { "connected" } else { "not connected" };
            let line = format!("{link}, {} readings wait", status.waiting);
            tell(&[NotifyState::Watchdog, NotifyState::Status(&line)]);
        } else {
            tracing::error!("the queue does not answer, so the watchdog is not fed");
        }
    }
    tell(&[NotifyState::Stopping]);
}

/// Says that the configuration is being read anew, or has been.
pub(crate) fn reloading(begins: bool) {
    if begins {
        // systemd wants the time with it (`sd_notify(3)`, RELOADING=1).
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    } else {
        tell(&[NotifyState::Ready]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
