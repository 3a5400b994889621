//! What the function says beside what messages hold: which sensors it has heard, and which of their
//! hours are due to be summed up.

use std::collections::HashSet;

use tidings_schema::{Clock, DeviceId};
use tokio::time::{Instant, timeout_at};

use crate::due::Dues;
use crate::handler::{Past, SiftedMessage};
use crate::item::{DUE_PARTITION, DueItem, Item, Put, SEEN_PARTITION, SeenItem, Table};
use crate::moment::Moment;
use crate::refusal::causes;
use crate::seen::{Heard, Seen};
use crate::store::{Stands, Store, StoreError};

/// What this warm function has said.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    seen: Seen,
    dues: Dues,
}

/// A message that waited longer on its way may be overtaken: what it says of when a sensor was heard takes
/// the place of what is older alone.
const FRESH_MS: i64 = 2 * 60 * 1000;

/// What it has to say now.
#[derive(Debug)]
pub(crate) struct News {
    /// Of messages that come as they are sent.
    seen: Vec<SeenItem>,
    /// Of messages of the past, which say nothing where something newer stands.
    seen_before: Vec<SeenItem>,
    dues: Vec<DueItem>,
}

impl News {
    /// What is told with the readings.
    pub(crate) fn puts(&self) -> impl Iterator<Item = Put> {
        let seen = self.seen.iter().cloned().map(Item::Seen);
        let dues = self.dues.iter().cloned().map(Item::Due);
        seen.chain(dues).map(|item| Put { origin: None, item })
    }

    /// Says when sensors were heard that have perhaps been heard again since, where nothing newer stands.
    /// Returns what was not said.
    pub(crate) async fn tell_of_the_past<S: Store>(&self, store: &S, until: Instant) -> Vec<Put> {
        let mut left = Vec::new();
        for item in &self.seen_before {
            let (stands, item) = (Stands::SeenBefore(item.last_seen), Item::Seen(item.clone()));
            let told = timeout_at(until, store.put_where(&item, stands)).await;
            if let Err(error) = told.unwrap_or(Err(StoreError::Deadline)) {
                tracing::warn!(error = causes(&error), "when a sensor was heard could not be told");
                left.push(Put { origin: None, item });
            }
        }
        left
    }
}

impl Teller {
    /// What is to be said of these messages, which may be of the past.
    pub(crate) fn news(&self, messages: &[SiftedMessage], now: Moment, past: Option<Past>) -> News {
        let of_devices = || {
            messages.iter().filter_map(|(_, named, sifted)| {
                Some((DeviceId::try_from(named.client_id.as_str()).ok()?, named, sifted))
            })
        };
        let heard = of_devices().flat_map(|(device, named, sifted)| {
            sifted.latest.iter().map(move |(sensor, latest)| Heard {
                device: device.clone(),
                sensor,
                at: match latest.clock {
                    Clock::Set if past == Some(Past::Imported) => named.received_at.min(latest.at),
                    Clock::Set | Clock::Unset => named.received_at,
                },
                principal: named.principal.as_deref(),
                latest,
            })
        });
        let hours = of_devices().flat_map(|(device, _, sifted)| {
            let hours = sifted.hours.iter();
            hours.map(move |(sensor, hour)| (device.clone(), sensor.clone(), *hour))
        });
        let is_fresh =
            |item: &SeenItem| past.is_none() && now.wall().get() - item.last_seen.get() < FRESH_MS;
        let (seen, seen_before) = self.seen.news(heard, now).into_iter().partition(is_fresh);
        News { seen, seen_before, dues: self.dues.news(hours, now) }
    }

    /// It was said, but for what is left.
    pub(crate) fn told(&self, news: News, left: &[Put], now: Moment) {
        let News { mut seen, seen_before, mut dues } = news;
        seen.extend(seen_before);
        let left: HashSet<_> = left.iter().map(Put::address).collect();
        seen.retain(|item| !left.contains(&(Table::Devices, SEEN_PARTITION, item.sk.as_str())));
        dues.retain(|item| !left.contains(&(Table::Devices, DUE_PARTITION, item.sk.as_str())));
        self.seen.told(seen, now);
        self.dues.told(dues, now);
    }
}

/// The places of the messages that have readings in this hour.
pub(crate) fn sharing<'a>(
    messages: &'a [SiftedMessage],
    due: &'a DueItem,
) -> impl Iterator<Item = usize> + 'a {
    messages.iter().filter_map(|(origin, named, sifted)| {
        let shares = named.client_id == due.device.as_str()
            && sifted.hours.iter().any(|(sensor, hour)| (sensor, hour) == (&due.sensor, &due.hour));
        shares.then_some(*origin)
    })
}
