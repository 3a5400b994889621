//! Which sensors were heard of and what they said last, told to the table `devices` at most once a
//! minute each.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_schema::{DeviceId, SensorId, UnixMillis, key};

use crate::item::{Latest, SeenItem};
use crate::moment::Moment;

/// Time between two writes for one sensor by one warm function.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);

/// How long a sensor's newest reading is remembered, so that a backlog that comes between does not
/// take its place.
const MEMORY: Duration = Duration::from_secs(3600);

/// What this warm function has told the table, and when.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<(DeviceId, SensorId), Told>>);

#[derive(Debug)]
struct Told {
    when: Moment,
    last_seen: UnixMillis,
    principal: Option<String>,
    latest: Latest,
}

/// A message of a device, as far as it is of one sensor.
#[derive(Debug, Clone)]
pub(crate) struct Heard<'a> {
    /// The device.
    pub(crate) device: DeviceId,
    /// The sensor.
    pub(crate) sensor: &'a SensorId,
    /// When the rule saw it.
    pub(crate) at: UnixMillis,
    /// The certificate that it came with.
    pub(crate) principal: Option<&'a str>,
    /// The newest reading in it.
    pub(crate) latest: &'a Latest,
}

impl Seen {
    /// Of these sensors, those of which the table is to be told again.
    pub(crate) fn news<'a>(
        &self,
        heard: impl IntoIterator<Item = Heard<'a>>,
        now: Moment,
    ) -> Vec<SeenItem> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news: HashMap<(DeviceId, SensorId), SeenItem> = HashMap::new();
        for Heard { device, sensor, at, principal, latest } in heard {
            let name = (device, sensor.clone());
            let before = told.get(&name).filter(|told| now.is_within(MEMORY, &told.when));
            if before.is_some_and(|told| now.is_within(INTERVAL, &told.when)) {
                continue;
            }
            let item = news.entry(name).or_insert_with_key(|(device, sensor)| SeenItem {
                sk: key::partition(device, sensor),
                device: device.clone(),
                sensor: sensor.clone(),
                last_seen: before.map_or(at, |told| told.last_seen),
                principal: before
                    .map_or(principal, |told| told.principal.as_deref())
                    .map(str::to_owned),
                latest: before.map_or(latest, |told| &told.latest).clone(),
            });
            if at >= item.last_seen {
                item.last_seen = at;
                item.principal = principal.map(str::to_owned);
            }
            if latest.is_after(&item.latest) {
                item.latest = latest.clone();
            }
        }
        news.into_values().collect()
    }

    /// The table has been told.
    pub(crate) fn told(&self, items: impl IntoIterator<Item = SeenItem>, now: Moment) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, told| now.is_within(MEMORY, &told.when));
        let told_of = |item: SeenItem| {
            let SeenItem { device, sensor, last_seen, principal, latest, .. } = item;
            ((device, sensor), Told { when: now, last_seen, principal, latest })
        };
        told.extend(items.into_iter().map(told_of));
    }
}

#[cfg(test)]
mod tests {
    use tidings_schema::{Clock, Content, Fault};

    use super::*;

    fn latest(at: i64, clock: Clock) -> Latest {
        Latest { at: UnixMillis::new(at).unwrap(), clock, content: Content::Fault(Fault::Timeout) }
    }

    #[test]
    fn a_sensor_is_told_of_once_a_minute_and_a_backlog_does_not_take_the_place_of_what_is_new() {
        let (seen, start) = (Seen::default(), Moment::now(UnixMillis::new(0).unwrap()));
        let sensor = SensorId::try_from("s").unwrap();
        let news = |latest: &Latest, at: i64, seconds: u64| {
            let heard = Heard {
                device: "pi-1".try_into().unwrap(),
                sensor: &sensor,
                at: UnixMillis::new(at).unwrap(),
                principal: None,
                latest,
            };
            let now = start.after(Duration::from_secs(seconds));
            let news = seen.news([heard], now);
            let said: Vec<_> =
                news.iter().map(|item| (item.latest.at.get(), item.last_seen.get())).collect();
            seen.told(news, now);
            said
        };
        assert_eq!(news(&latest(1000, Clock::Set), 5000, 0), [(1000, 5000)]);
        assert_eq!(news(&latest(2000, Clock::Set), 5001, 59), []);
        assert_eq!(news(&latest(500, Clock::Set), 5002, 61), [(1000, 5002)], "of the backlog");
        assert_eq!(
            news(&latest(9000, Clock::Unset), 5003, 130),
            [(1000, 5003)],
            "of no known time"
        );
        assert_eq!(news(&latest(3000, Clock::Set), 5004, 200), [(3000, 5004)]);
        assert_eq!(news(&latest(100, Clock::Set), 70, 300), [(3000, 5004)], "an old message");
    }
}
