//! Readings of one message into as few items as write units need (the layout `packed`).

use sha2::{Digest as _, Sha256};
use tidings_schema::packed::{self, Packer};

use crate::item::{Item, PackedItem, ReadingItem};
use crate::store::size::{self, WRITE_UNIT_BYTES};

/// Room for rows below which an item takes another write unit: where labels are long, one unit
/// would hold next to nothing.
const LEAST_ROOM_BYTES: usize = 200;

/// Bytes that the hash adds to the sort key of the first reading.
const HASH_BYTES: usize = 17;

/// Packs readings of one device and boot.
pub(crate) fn pack(mut readings: Vec<ReadingItem>) -> Vec<PackedItem> {
    readings.sort_by(|one, other| {
        (&one.key.pk, one.at, &one.key.sk).cmp(&(&other.key.pk, other.at, &other.key.sk))
    });
    let mut items = Vec::new();
    let mut open: Option<(Packer, PackedItem)> = None;
    for reading in readings {
        let add = |packer: &mut Packer| packer.add(reading.at, reading.seq, &reading.content);
        if let Some((packer, item)) = &mut open
            && item.pk == reading.key.pk
            && add(packer)
        {
            item.readings += 1;
            item.expires_at = item.expires_at.max(reading.expires_at);
            continue;
        }
        items.extend(open.take().map(close));
        let item = PackedItem {
            pk: reading.key.pk.clone(),
            sk: reading.key.sk.clone(),
            sensor: reading.sensor.clone(),
            text: String::new(),
            readings: 1,
            expires_at: reading.expires_at,
            common: reading.common.clone(),
        };
        let around = size::of(&Item::Packed(item.clone())) + HASH_BYTES;
        let units = (around + LEAST_ROOM_BYTES).div_ceil(WRITE_UNIT_BYTES);
        let mut packer = Packer::new(reading.at, units * WRITE_UNIT_BYTES - around);
        let taken = add(&mut packer);
        debug_assert!(taken, "the first reading always fits");
        open = Some((packer, item));
    }
    items.extend(open.map(close));
    items
}

fn close((packer, mut item): (Packer, PackedItem)) -> PackedItem {
    item.text = packer.finish();
    let hash = Sha256::digest(item.text.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    item.sk = packed::sort_key(&item.sk, first);
    item
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use tidings_schema::{
        BootId, Clock, Content, DeviceId, Fault, ReadingKey, SensorId, Seq, UnixMillis, Value,
    };

    use super::*;
    use crate::item::{Common, Said};

    fn readings(count: u64, sensors: &[&str]) -> Vec<ReadingItem> {
        let device = DeviceId::try_from("pi-1").unwrap();
        let boot = BootId::try_from("k3v9x2qd").unwrap();
        let common = Arc::new(Common {
            device: device.clone(),
            clock: Clock::Set,
            received_at: UnixMillis::new(1_795_456_120_000).unwrap(),
            trace_id: Some("0f1c2a6e-5d55-4c1e-9c1f-6a5d7f3f8a01".to_owned()),
            said: Arc::new(Said::default()),
        });
        let one = |number: u64| {
            let sensor = sensors[usize::try_from(number).unwrap() % sensors.len()];
            let sensor = SensorId::try_from(sensor).unwrap();
            let at = UnixMillis::new(1_795_456_115_802 + 1000 * number.cast_signed()).unwrap();
            let seq = Seq::try_from(number).unwrap();
            let value = |name: &str, value: f64| {
                (name.try_into().unwrap(), Value::new(value).unwrap(), None)
            };
            let content = if number % 10 == 9 {
                Content::Fault(Fault::Timeout)
            } else {
                Content::Values(vec![value("temperature", 21.53), value("humidity", 40.11)])
            };
            let key = ReadingKey::new(&device, &sensor, at, &boot, seq);
            let expires_at = at.seconds() + 86_400;
            ReadingItem { key, sensor, at, seq, content, expires_at, common: common.clone() }
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn items_fill_a_write_unit_and_lose_nothing() {
        let all = readings(300, &["bme280", "soil"]);
        let items = pack(all.clone());
        let mut found = BTreeSet::new();
        for item in &items {
            assert!(size::of(&Item::Packed(item.clone())) <= WRITE_UNIT_BYTES);
            let (first, _) = packed::parse_sort_key(&item.sk).unwrap();
            let read = packed::read(&item.text, first).unwrap();
            assert_eq!(read.len(), item.readings);
            assert!(item.expires_at >= read.last().unwrap().at.seconds() + 86_400);
            found.extend(read.into_iter().map(|one| (item.pk.clone(), one.at, one.seq)));
        }
        let expected: BTreeSet<_> =
            all.iter().map(|one| (one.key.pk.clone(), one.at, one.seq)).collect();
        assert_eq!(found, expected);
        assert!(items.len() * 15 < all.len(), "{} items for 300 readings", items.len());
    }

    #[test]
    fn the_same_message_gives_the_same_items_in_any_order() {
        let mut all = readings(50, &["a", "b", "c"]);
        let items = pack(all.clone());
        all.reverse();
        assert_eq!(pack(all), items);
        assert_eq!(pack(Vec::new()), []);
    }

    #[test]
    fn packs_that_begin_alike_and_hold_other_readings_have_other_keys() {
        let all = readings(20, &["a"]);
        let (long, short) = (pack(all.clone()), pack(all[..10].to_vec()));
        assert_eq!((long.len(), short.len()), (1, 1));
        assert_ne!(long[0].sk, short[0].sk);
    }
}
