//! Asks the tables for what [`gather`] puts together.

use std::collections::BTreeMap;
use std::future::ready;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value as Json;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

use super::gather::AGENT;
use super::{Alert, Fleet, Known, RECENT_MS, gather, increase};
use crate::Trouble;
use crate::dynamo::{AlertState, Database, Heard, Refusals, Window};

/// How old the answers to the larger questions may be, in milliseconds: what operators say of
/// devices, what was refused, and the faults of each device.
const SLOW_MS: i64 = 60 * 1000;

/// Devices whose faults are asked for at the same time.
const AT_ONCE: usize = 8;

/// Readings of an agent's own that are looked at for the faults of an hour. One each five minutes
/// is usual; of a device with more than that there is no count.
const LOOKS: usize = 720;

/// How far before the hour an agent's last word is looked for, in milliseconds: faults are counted
/// from there.
const BEFORE_MS: i64 = 15 * 60 * 1000;

/// Reads the fleet again and again: who was heard and which alerts are raised each time, the rest
/// once a minute.
#[derive(Debug)]
pub struct Reader {
    database: Database,
    slow: Option<(UnixMillis, Slow)>,
}

#[derive(Debug, Clone)]
struct Slow {
    said: BTreeMap<DeviceId, Json>,
    refused: Refusals,
    faults: BTreeMap<DeviceId, u64>,
}

impl Reader {
    /// Reads from these tables.
    #[must_use]
    pub const fn new(database: Database) -> Self {
        Self { database, slow: None }
    }

    /// The tables.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.database
    }

    /// The fleet as it is.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn read(&mut self, now: UnixMillis) -> Result<Fleet, Trouble> {
        let heard = self.database.sensors(None).await?;
        let alerts = self.alerts().await?;
        let young = |then: UnixMillis| (0..SLOW_MS).contains(&(now.get() - then.get()));
        let slow = match self.slow.take().filter(|(then, _)| young(*then)) {
            Some(slow) => slow,
            None => (now, self.slow(&heard, now).await?),
        };
        let Slow { said, refused, faults } = slow.1.clone();
        self.slow = Some(slow);
        Ok(gather(now, &Known { heard, said, alerts, refused, faults }))
    }

    async fn alerts(&self) -> Result<Vec<(DeviceId, Alert)>, Trouble> {
        let raised = self.database.alerts().await?.into_iter().filter(|alert| alert.raised);
        Ok(raised.map(alert).collect())
    }

    async fn slow(&self, heard: &[Heard], now: UnixMillis) -> Result<Slow, Trouble> {
        let from = now.offset(-RECENT_MS).unwrap_or(UnixMillis::MIN);
        // One that has said nothing for an hour has counted nothing in it.
        let is_recent = |one: &&Heard| one.sensor.as_str() == AGENT && one.last_seen >= from;
        let agents: Vec<(DeviceId, SensorId)> = heard
            .iter()
            .filter(is_recent)
            .map(|one| (one.device.clone(), one.sensor.clone()))
            .collect();
        let database = self.database.clone();
        let ask = move |(device, agent)| faults(database.clone(), device, agent, now);
        let faults = stream::iter(agents.into_iter().map(ask))
            .buffer_unordered(AT_ONCE)
            .try_filter_map(|counted| ready(Ok(counted)))
            .try_collect();
        let (said, refused, faults) =
            tokio::try_join!(self.database.all_said(), self.database.refusals(from, now), faults,)?;
        Ok(Slow { said, refused, faults })
    }
}

fn alert(state: AlertState) -> (DeviceId, Alert) {
    let AlertState { device, name, raised: _, since, value, limit, text } = state;
    (device, Alert { name, since, value, limit, text })
}

/// The faults that a device's agent has counted in the last hour.
async fn faults(
    database: Database,
    device: DeviceId,
    agent: SensorId,
    now: UnixMillis,
) -> Result<Option<(DeviceId, u64)>, Trouble> {
    let hour = now.offset(-RECENT_MS).unwrap_or(UnixMillis::MIN);
    let from = hour.offset(-BEFORE_MS).unwrap_or(UnixMillis::MIN);
    let window = Window { from, to: now, limit: LOOKS, newest_first: true };
    let mut looks = database.readings(&device, &agent, window).await?;
    if looks.len() >= LOOKS {
        return Ok(None);
    }
    looks.reverse();
    let first = looks.iter().rposition(|look| look.at <= hour).unwrap_or(0);
    let counts = looks.iter().skip(first);
    let counts = counts.filter_map(|look| Some((&look.boot, *look.values.get("faults")?)));
    Ok(increase(counts).map(|faults| (device, faults)))
}
