//! Rows into messages of wire version 1, as an agent would have sent them. Pure.

use std::collections::BTreeMap;

use tidings_schema::wire::batch::{BatchBuilder, PushError};
use tidings_schema::{BootId, Clock, DeviceId};

use super::row::Row;

/// What a message may grow to, in bytes: some thousand readings, which the function writes in a few
/// calls to DynamoDB.
const BUDGET_BYTES: usize = 32 * 1024;

/// Messages that are filled at once: rows of many boots may stand among one another.
const MAX_OPEN: usize = 32;

/// A message that is full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) device: DeviceId,
    pub(super) payload: Vec<u8>,
    pub(super) readings: usize,
}

/// Messages in the making. The same rows in the same order make the same messages.
#[derive(Debug, Default)]
pub(super) struct Batches {
    open: BTreeMap<(DeviceId, BootId, Clock), BatchBuilder>,
}

impl Batches {
    /// Takes a reading, and gives the messages that are full by it.
    ///
    /// # Errors
    /// When no message can carry it.
    pub(super) fn add(&mut self, row: &Row) -> Result<Vec<Message>, PushError> {
        let Row { device, boot, clock, or_later: _, reading } = row;
        let key = (device.clone(), boot.clone(), *clock);
        let mut full = Vec::new();
        if !self.open.contains_key(&key) && self.open.len() == MAX_OPEN {
            full = self.finish();
        }
        let begin = || BatchBuilder::new(device, boot, 0, BUDGET_BYTES).with_clock(*clock);
        let batch = self.open.entry(key).or_insert_with(begin);
        match batch.push(reading) {
            Ok(()) => Ok(full),
            Err(PushError::Full) => {
                full.extend(close(device, std::mem::replace(batch, begin())));
                batch.push(reading)?;
                Ok(full)
            }
            Err(error @ PushError::TooLarge { .. }) => Err(error),
        }
    }

    /// All that is still open.
    pub(super) fn finish(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.open)
            .into_iter()
            .filter_map(|((device, ..), batch)| close(&device, batch))
            .collect()
    }
}

fn close(device: &DeviceId, batch: BatchBuilder) -> Option<Message> {
    let readings = batch.readings();
    let payload = batch.finish()?;
    Some(Message { device: device.clone(), payload, readings })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidings_schema::wire::v1;
    use tidings_schema::{Fault, Outcome, Reading, UnixMillis};

    use super::*;

    fn row(number: u64, boots: u64) -> Row {
        Row {
            device: "pi-1".try_into().unwrap(),
            boot: BootId::from_random(number % boots),
            or_later: None,
            clock: if number.is_multiple_of(7) { Clock::Unset } else { Clock::Set },
            reading: Reading {
                sensor: "s".try_into().unwrap(),
                at: UnixMillis::new(1_795_456_115_802 + i64::try_from(number).unwrap()).unwrap(),
                seq: number.try_into().unwrap(),
                outcome: Outcome::Failed(Fault::Timeout),
            },
        }
    }

    fn messages(rows: &[Row]) -> Vec<Message> {
        let mut batches = Batches::default();
        let mut all = Vec::new();
        for row in rows {
            all.extend(batches.add(row).unwrap());
            assert!(batches.open.len() <= MAX_OPEN);
        }
        all.extend(batches.finish());
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn every_row_travels_once_in_a_message_of_its_boot(count in 0..3000_u64, boots in 1..60_u64) {
            let rows: Vec<Row> = (0..count).map(|number| row(number, boots)).collect();
            let all = messages(&rows);
            prop_assert_eq!(&all, &messages(&rows));
            let mut told = Vec::new();
            for message in all {
                prop_assert!(message.payload.len() <= BUDGET_BYTES);
                let v1::Decoded { device, boot, clock, readings, refused } =
                    v1::decode(&message.payload).unwrap();
                prop_assert!(refused.is_empty() && readings.len() == message.readings);
                let row = |reading| Row {
                    device: device.clone(),
                    boot: boot.clone(),
                    clock,
                    or_later: None,
                    reading,
                };
                told.extend(readings.into_iter().map(row));
            }
            told.sort_by_key(|row| row.reading.seq);
            prop_assert_eq!(told, rows);
        }
    }
}
