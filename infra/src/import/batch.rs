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
#[derive(Debug, PartialEq)]
pub(super) struct Message {
    pub(super) device: DeviceId,
    pub(super) payload: Vec<u8>,
    /// What is in it, each with its line.
    pub(super) rows: Vec<(u64, Row)>,
}

impl Message {
    /// The message of some rows of one that was full; `None` of none.
    pub(super) fn of(rows: Vec<(u64, Row)>) -> Option<Self> {
        let (_, Row { device, boot, clock, .. }) = rows.first()?;
        // Fewer rows need no more room, but for a time that is written with more digits.
        let mut batch = BatchBuilder::new(device, boot, 0, 2 * BUDGET_BYTES).with_clock(*clock);
        for (_, row) in &rows {
            batch.push(&row.reading).ok()?;
        }
        close(Open { batch, rows })
    }
}

/// A message in the making.
#[derive(Debug)]
struct Open {
    batch: BatchBuilder,
    rows: Vec<(u64, Row)>,
}

/// Messages in the making. The same rows in the same order make the same messages.
#[derive(Debug, Default)]
pub(super) struct Batches {
    open: BTreeMap<(DeviceId, BootId, Clock), Open>,
}

impl Batches {
    /// Takes the reading of a line, and gives the messages that are full by it.
    ///
    /// # Errors
    /// When no message can carry it.
    pub(super) fn add(&mut self, line: u64, row: Row) -> Result<Vec<Message>, PushError> {
        let key = (row.device.clone(), row.boot.clone(), row.clock);
        let mut full = Vec::new();
        if !self.open.contains_key(&key) && self.open.len() == MAX_OPEN {
            full = self.finish();
        }
        let begin = || {
            let batch = BatchBuilder::new(&row.device, &row.boot, 0, BUDGET_BYTES);
            Open { batch: batch.with_clock(row.clock), rows: Vec::new() }
        };
        let open = self.open.entry(key).or_insert_with(begin);
        match open.batch.push(&row.reading) {
            Ok(()) => {}
            Err(PushError::Full) => {
                full.extend(close(std::mem::replace(open, begin())));
                open.batch.push(&row.reading)?;
            }
            Err(error @ PushError::TooLarge { .. }) => return Err(error),
        }
        open.rows.push((line, row));
        Ok(full)
    }

    /// All that is still open.
    pub(super) fn finish(&mut self) -> Vec<Message> {
        std::mem::take(&mut self.open).into_values().filter_map(close).collect()
    }
}

fn close(Open { batch, rows }: Open) -> Option<Message> {
    let device = rows.first()?.1.device.clone();
    let payload = batch.finish()?;
    Some(Message { device, payload, rows })
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
        for (line, row) in (2..).zip(rows) {
            all.extend(batches.add(line, row.clone()).unwrap());
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
                prop_assert!(refused.is_empty() && readings.len() == message.rows.len());
                for (line, row) in &message.rows {
                    prop_assert_eq!(row.reading.seq.get() + 2, *line);
                }
                let whole = Message::of(message.rows.clone());
                prop_assert_eq!(whole.unwrap().payload, message.payload.clone());
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
