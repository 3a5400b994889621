//! The one who looks at the tables for all open pages, while there are any.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidings_agent::clock;
use tidings_schema::{DeviceId, SensorId, UnixMillis};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::api::{Shared, fleet, points};
use super::live::News;
use super::problem::Problem;
use crate::Trouble;
use crate::dynamo::{StoredReading, Window};
use crate::fleet::{Fleet, Reader};

/// New readings of one sensor that a look takes at the most; the next look takes the others.
const NEWS: usize = 500;

/// The poller. Ends when told to stop.
#[derive(Debug)]
pub(super) struct Poller {
    shared: Arc<Shared>,
    fleet: Reader,
    /// The newest reading that was told, of each sensor of the devices that are looked at.
    told: BTreeMap<(DeviceId, SensorId), UnixMillis>,
}

impl Poller {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let fleet = Reader::new(shared.database.clone());
        Self { shared, fleet, told: BTreeMap::new() }
    }

    pub(super) async fn run(mut self, mut stopping: watch::Receiver<bool>) {
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {}
            () = self.look_while_somebody_does() => {}
        }
    }

    async fn look_while_somebody_does(&mut self) {
        let mut looking = self.shared.live.looking();
        let mut ticks = interval(self.shared.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // An error would mean that nobody can look any more.
        while looking.wait_for(|looking| looking.pages > 0).await.is_ok() {
            // At once for the first who comes, and never faster than that.
            ticks.tick().await;
            let devices: Vec<DeviceId> = {
                let looking = looking.borrow_and_update();
                if looking.pages == 0 {
                    self.told.clear();
                    continue;
                }
                looking.devices.keys().cloned().collect()
            };
            self.told.retain(|(device, _), _| devices.contains(device));
            if let Err(trouble) = self.look(&devices).await {
                tracing::debug!(error = &trouble as &dyn std::error::Error, "a look failed");
                self.shared.live.fail(Problem::from(&trouble));
            }
        }
    }

    /// One look: at the fleet, and at what is new of some devices.
    async fn look(&mut self, devices: &[DeviceId]) -> Result<(), Trouble> {
        let fleet = self.fleet.read(clock::now()).await?;
        self.shared.live.show(fleet::picture(&fleet, &self.shared.place)?);
        for device in devices {
            let news = self.news_of(&fleet, device).await?;
            if !news.is_empty() {
                let readings = points(&news);
                self.shared.live.tell(News { device: device.clone(), readings });
            }
        }
        Ok(())
    }

    /// What has come since the last look. At the first look that is nothing but the newest reading.
    async fn news_of(
        &mut self,
        fleet: &Fleet,
        device: &DeviceId,
    ) -> Result<Vec<StoredReading>, Trouble> {
        let mut news = Vec::new();
        let row = fleet.devices.iter().find(|one| one.device == *device);
        for sensor in row.into_iter().flat_map(|row| &row.sensors) {
            let key = (device.clone(), sensor.sensor.clone());
            let (from, limit, newest_first) = match self.told.get(&key) {
                Some(last) => (last.offset(1).unwrap_or(UnixMillis::MAX), NEWS, false),
                None => (UnixMillis::MIN, 1, true),
            };
            let window = Window { from, to: UnixMillis::MAX, limit, newest_first };
            let readings = self.shared.database.readings(device, &key.1, window).await?;
            if let Some(last) = readings.iter().map(|reading| reading.at).max() {
                self.told.insert(key, last);
            }
            news.extend(readings);
        }
        Ok(news)
    }
}
