//! What the function says beside what messages hold: which sensors it has heard, and which of their
//! hours are due to be summed up.

use std::collections::HashSet;

use tidings_schema::{DeviceId, UnixMillis};
use tokio::time::Instant;

use crate::due::Dues;
use crate::handler::SiftedMessage;
use crate::item::{DUE_PARTITION, DueItem, Item, Put, SEEN_PARTITION, SeenItem, Table};
use crate::seen::{Heard, Seen};

/// What this warm function has said.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    seen: Seen,
    dues: Dues,
}

/// What it has to say now.
#[derive(Debug)]
pub(crate) struct News {
    seen: Vec<SeenItem>,
    dues: Vec<DueItem>,
}

impl News {
    pub(crate) fn puts(&self) -> impl Iterator<Item = Put> {
        let seen = self.seen.iter().cloned().map(Item::Seen);
        let dues = self.dues.iter().cloned().map(Item::Due);
        seen.chain(dues).map(|item| Put { origin: None, item })
    }
}

impl Teller {
    /// What is to be said of these messages, by the clock of this machine at `wall`.
    pub(crate) fn news(&self, messages: &[SiftedMessage], now: Instant, wall: UnixMillis) -> News {
        let of_devices = || {
            messages.iter().filter_map(|(_, named, sifted)| {
                Some((DeviceId::try_from(named.client_id.as_str()).ok()?, named, sifted))
            })
        };
        let heard = of_devices().flat_map(|(device, named, sifted)| {
            sifted.latest.iter().map(move |(sensor, latest)| Heard {
                device: device.clone(),
                sensor,
                at: named.received_at,
                principal: named.principal.as_deref(),
                latest,
            })
        });
        let hours = of_devices().flat_map(|(device, _, sifted)| {
            let hours = sifted.hours.iter();
            hours.map(move |(sensor, hour)| (device.clone(), sensor.clone(), *hour))
        });
        News { seen: self.seen.news(heard, now), dues: self.dues.news(hours, now, wall) }
    }

    /// It was said, but for what is left.
    pub(crate) fn told(&self, news: News, left: &[Put], now: Instant) {
        let News { mut seen, mut dues } = news;
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
