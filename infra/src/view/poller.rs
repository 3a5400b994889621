//! The one who looks at the tables for all open pages, while there are any.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tidings_agent::clock;
use tidings_schema::{BootId, DeviceId, SensorId, Seq, UnixMillis, packed};
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

/// How far a look goes back behind the newest reading that was told: Lambda tries an event again after one minute and
/// then two.
const OVERLAP_MS: i64 = 3 * 60 * 1000;

/// The poller. Ends when told to stop.
#[derive(Debug)]
pub(super) struct Poller {
    shared: Arc<Shared>,
    fleet: Reader,
    /// What was told of each sensor of the devices that are looked at.
    told: BTreeMap<(DeviceId, SensorId), Told>,
}

/// What was told of a sensor.
#[derive(Debug)]
struct Told {
    /// The newest time.
    newest: UnixMillis,
    /// The readings of the last minutes before it.
    names: HashSet<(UnixMillis, BootId, Seq)>,
    /// Whether there are packs among them, or may be.
    has_packs: bool,
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
        loop {
            // Nobody looks: whoever comes next knows nothing of what was told.
            if looking.borrow().pages == 0 {
                self.told.clear();
            }
            if looking.wait_for(|looking| looking.pages > 0).await.is_err() {
                return;
            }
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

    /// What has come since the last look; at the first, of the last minutes, which a page that has just asked
    /// for its series may have missed. So is what came late: each look goes back a little, and tells what it has
    /// not told.
    async fn news_of(
        &mut self,
        fleet: &Fleet,
        device: &DeviceId,
    ) -> Result<Vec<StoredReading>, Trouble> {
        let mut news = Vec::new();
        let row = fleet.devices.iter().find(|one| one.device == *device);
        for sensor in row.into_iter().flat_map(|row| &row.sensors) {
            let key = (device.clone(), sensor.sensor.clone());
            let database = &self.shared.database;
            let told = match self.told.remove(&key) {
                Some(told) => told,
                None => {
                    let (from, to) = (UnixMillis::MIN, clock::now());
                    let window = Window { from, to, limit: 1, newest_first: true };
                    let readings = database.readings(device, &key.1, window).await?;
                    let Some(newest) = readings.first().map(|reading| reading.at) else { continue };
                    Told { newest, names: HashSet::new(), has_packs: true }
                }
            };
            let from = told.newest.offset(-OVERLAP_MS).unwrap_or(UnixMillis::MIN);
            let limit = NEWS + told.names.len();
            let window = Window { from, to: UnixMillis::MAX, limit, newest_first: false };
            // Without packs there is nothing to be found an hour before.
            let reach = if told.has_packs { packed::SPAN_MS } else { 0 };
            let (readings, has_packs) =
                database.readings_after(device, &key.1, window, reach).await?;
            let name = |reading: &StoredReading| (reading.at, reading.boot.clone(), reading.seq);
            let newest = readings.iter().map(|reading| reading.at).chain([told.newest]).max();
            // A clock that is ahead would hide what comes from now on.
            let newest = newest.unwrap_or(told.newest).min(clock::now());
            let names = readings.iter().map(name).collect();
            news.extend(readings.into_iter().filter(|one| !told.names.contains(&name(one))));
            self.told.insert(key, Told { newest, names, has_packs });
        }
        Ok(news)
    }
}
