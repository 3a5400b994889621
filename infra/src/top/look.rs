//! The task that reads the tables while somebody looks: the fleet every two seconds, and the last
//! hour of the device that is looked into.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tidings_agent::{clock, terminal};
use tidings_schema::{DeviceId, UnixMillis};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};

use super::HOUR_MS;
use super::screen::{Charts, Event};
use crate::Trouble;
use crate::dynamo::{Database, SeriesQuery};
use crate::fleet::{Fleet, Reader};

/// Time between two looks at the fleet.
const EVERY: Duration = Duration::from_secs(2);

/// Time between two looks at the last hour of a device: its readings are read whole.
const CHARTS_EVERY: Duration = Duration::from_secs(15);

/// Sensors that are asked for at the same time.
const AT_ONCE: usize = 4;

/// Points of a chart: two for each column of a wide terminal.
const POINTS: usize = 400;

/// Reads until nobody listens.
pub(super) async fn look(
    mut reader: Reader,
    mut wanted: watch::Receiver<Option<DeviceId>>,
    news: mpsc::Sender<Event>,
) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut charts_at: Option<Instant> = None;
    let mut fleet: Option<Fleet> = None;
    loop {
        tokio::select! {
            () = news.closed() => return,
            _ = ticks.tick() => {
                let read = reader.read(clock::now()).await;
                fleet = read.as_ref().ok().cloned().or(fleet);
                let event = Event::Fleet(read.map_err(|trouble| said(&trouble)));
                if news.send(event).await.is_err() {
                    return;
                }
            }
            changed = wanted.changed() => {
                if changed.is_err() {
                    return;
                }
                charts_at = None;
            }
        }
        let device = wanted.borrow().clone();
        let (Some(device), Some(fleet)) = (device, &fleet) else { continue };
        if charts_at.is_some_and(|then| then.elapsed() < CHARTS_EVERY) {
            continue;
        }
        charts_at = Some(Instant::now());
        let read = charts(reader.database(), fleet, &device).await;
        let event = Event::Charts(device, read.map_err(|trouble| said(&trouble)));
        if news.send(event).await.is_err() {
            return;
        }
    }
}

fn said(trouble: &Trouble) -> String {
    terminal::causes(trouble, ": ")
}

/// The last hour of each of a device's sensors.
async fn charts(database: &Database, fleet: &Fleet, device: &DeviceId) -> Result<Charts, Trouble> {
    let to = clock::now();
    let from = to.offset(-HOUR_MS).unwrap_or(UnixMillis::MIN);
    let of = fleet.devices.iter().find(|one| one.device == *device);
    let queries: Vec<SeriesQuery> = of
        .into_iter()
        .flat_map(|one| &one.sensors)
        .map(|sensor| SeriesQuery {
            device: device.clone(),
            sensor: sensor.sensor.clone(),
            from,
            to,
            points: POINTS,
        })
        .collect();
    let ask = |query: SeriesQuery| {
        let database = database.clone();
        async move {
            let series = database.series(&query).await?;
            Ok((query.sensor, series))
        }
    };
    stream::iter(queries.into_iter().map(ask)).buffer_unordered(AT_ONCE).try_collect().await
}
