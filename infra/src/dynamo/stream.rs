//! The readings of one sensor in order of time, page by page: never the whole window at once.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use tidings_schema::limits::EARLIEST_MS;
use tidings_schema::{BootId, Clock, DeviceId, SensorId, Seq, UnixMillis, key, packed};

use super::stored::{Item, StoredReading, stored};
use super::{Database, aws_says};
use crate::Trouble;

/// Which readings are wanted, both ends included: those that were taken between, and those of which
/// nobody knows when they were taken and that came between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// The earliest time.
    pub from: UnixMillis,
    /// The latest time.
    pub to: UnixMillis,
}

impl Between {
    /// Whether a reading is wanted. Of one whose time and whose arrival are unknown nobody can say
    /// that it is not.
    #[must_use]
    pub fn wants(&self, reading: &StoredReading) -> bool {
        let window = self.from.get()..=self.to.get();
        match reading.clock {
            Clock::Set => window.contains(&reading.at.get()),
            Clock::Unset => reading.received_at.is_none_or(|at| window.contains(&at)),
        }
    }

    /// The ranges of sort keys that hold those that stand under `after` or a later time, in order:
    /// readings of an unset clock stand under the time since their device was switched on, far below
    /// any real time; and a pack stands under its first reading, while its last may be within the
    /// window. A range without keys, of which DynamoDB says that it is none, is left out.
    fn ranges(&self, after: UnixMillis) -> Vec<(UnixMillis, UnixMillis)> {
        let first_real = UnixMillis::new(EARLIEST_MS).unwrap_or(UnixMillis::MIN);
        let last_unset = first_real.offset(-1).unwrap_or(UnixMillis::MIN);
        let with_packs = |at: UnixMillis| at.offset(-packed::SPAN_MS).unwrap_or(UnixMillis::MIN);
        let from = with_packs(self.from);
        let ranges = if from <= first_real {
            vec![(UnixMillis::MIN, self.to.max(last_unset))]
        } else {
            vec![(UnixMillis::MIN, last_unset), (from, self.to)]
        };
        let after = with_packs(after);
        let left = ranges.into_iter().map(|(from, to)| (from.max(after), to));
        left.filter(|(from, to)| from <= to).collect()
    }
}

/// Readings of one sensor, of either layout, each once, in order of time, boot and number; those of
/// an unset clock before all others.
#[derive(Debug)]
pub struct Stream {
    client: Client,
    table: String,
    pk: String,
    between: Between,
    after: UnixMillis,
    /// The ranges that are left, the next one last.
    ranges: Vec<(UnixMillis, UnixMillis)>,
    start: Option<Item>,
    reorder: Reorder,
    unreadable: u64,
    page_items: Option<i32>,
}

impl Database {
    /// Begins to read a sensor. Nothing is asked yet. Readings that stand under an earlier time than
    /// `after`, whether or not it is their own, are left out: they have been read.
    #[must_use]
    pub fn stream(
        &self,
        device: &DeviceId,
        sensor: &SensorId,
        between: Between,
        after: UnixMillis,
    ) -> Stream {
        let mut ranges = between.ranges(after);
        ranges.reverse();
        Stream {
            client: self.client.clone(),
            table: self.tables.readings.clone(),
            pk: key::partition(device, sensor),
            between,
            after,
            ranges,
            start: None,
            reorder: Reorder::default(),
            unreadable: 0,
            page_items: None,
        }
    }
}

impl Stream {
    /// The same by pages of so many items at the most, where DynamoDB's megabyte is too much.
    #[must_use]
    pub fn by(mut self, items: i32) -> Self {
        self.page_items = Some(items);
        self
    }

    /// The readings that the next page settles, which may be none; `None` at the end.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn next(&mut self) -> Result<Option<Vec<StoredReading>>, Trouble> {
        let Some((from, to)) = self.ranges.last().copied() else {
            let rest = self.reorder.finish();
            return Ok((!rest.is_empty()).then_some(rest));
        };
        let page = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":pk", AttributeValue::S(self.pk.clone()))
            .expression_attribute_values(":from", AttributeValue::S(key::time_prefix(from)))
            // `~` sorts after every character of a key, so all of the last millisecond is in.
            .expression_attribute_values(
                ":to",
                AttributeValue::S(format!("{}~", key::time_prefix(to))),
            )
            .set_limit(self.page_items)
            .set_exclusive_start_key(self.start.take())
            .send()
            .await
            .map_err(|error| Trouble::Query(aws_says(&error)))?;
        let mut settled = Vec::new();
        for item in page.items() {
            match stored(item) {
                Some((first, readings)) => {
                    let (between, after) = (self.between, self.after);
                    let wanted = readings
                        .into_iter()
                        .filter(|reading| reading.at >= after && between.wants(reading));
                    self.reorder.add(first, wanted, &mut settled);
                }
                None => self.unreadable += 1,
            }
        }
        self.start = page.last_evaluated_key;
        if self.start.is_none() {
            self.ranges.pop();
        }
        Ok(Some(settled))
    }

    /// Items so far that could not be read: they are of another program, or damaged.
    #[must_use]
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// Puts readings of packs that reach over one another in order, each once.
///
/// Items come by the time of their first reading. What is earlier than the first reading of an item
/// can stand in no later one, so it is settled; what is not waits. As a pack spans less than an hour,
/// that is the rest of the packs that began within the hour before.
#[derive(Debug, Default)]
struct Reorder {
    waiting: BTreeMap<(UnixMillis, BootId, Seq), StoredReading>,
}

impl Reorder {
    /// Takes the readings of an item whose first reading is of this time, and gives what it settles.
    fn add(
        &mut self,
        first: UnixMillis,
        readings: impl Iterator<Item = StoredReading>,
        settled: &mut Vec<StoredReading>,
    ) {
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 >= first {
                break;
            }
            settled.push(entry.remove());
        }
        for reading in readings {
            let name = (reading.at, reading.boot.clone(), reading.seq);
            self.waiting.entry(name).or_insert(reading);
        }
    }

    /// All that still waits.
    fn finish(&mut self) -> Vec<StoredReading> {
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidings_schema::packed::Packer;
    use tidings_schema::{Content, Quantity, Value};

    use super::super::Window;
    use super::super::stored::Gathered;
    use super::*;

    fn at(second: i64) -> UnixMillis {
        UnixMillis::new(1_795_456_000_000 + 1000 * second).unwrap()
    }

    fn item(sk: String, more: (&str, AttributeValue)) -> Item {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        Item::from([
            ("sk".to_owned(), AttributeValue::S(sk)),
            ("device".to_owned(), text("pi-1")),
            ("sensor".to_owned(), text("s")),
            (more.0.to_owned(), more.1),
        ])
    }

    /// A pack of the readings at these seconds after the first, or an item of one reading.
    fn made(first: i64, boot: &str, steps: &[i64], hash: u8) -> Item {
        let seq = |second: i64| Seq::try_from(second.unsigned_abs()).unwrap();
        let sk = format!("{}#{boot}#{:012}", key::time_prefix(at(first)), seq(first).get());
        if steps.is_empty() {
            return item(sk, ("fault", AttributeValue::S("timeout".to_owned())));
        }
        let mut packer = Packer::new(at(first), 100_000);
        let mut second = first;
        for step in std::iter::once(&0).chain(steps) {
            second += step;
            let value = Value::new(21.5).unwrap();
            let quantity = Quantity::try_from("temperature").unwrap();
            let content = Content::Values(vec![(quantity, value, None)]);
            packer.add(at(second), seq(second), &content);
        }
        item(packed::sort_key(&sk, [hash; 8]), ("packed", AttributeValue::S(packer.finish())))
    }

    fn sk(item: &Item) -> String {
        item["sk"].as_s().unwrap().clone()
    }

    fn streamed(items: &[Item], between: Between) -> (Vec<StoredReading>, usize) {
        let (mut reorder, mut settled, mut most) = (Reorder::default(), Vec::new(), 0);
        for item in items {
            let (first, readings) = stored(item).unwrap();
            let wanted = readings.into_iter().filter(|reading| between.wants(reading));
            reorder.add(first, wanted, &mut settled);
            most = most.max(reorder.waiting.len());
        }
        settled.extend(reorder.finish());
        (settled, most)
    }

    proptest! {
        #[test]
        fn the_stream_gives_what_the_whole_window_gives(
            packs in prop::collection::vec(
                (0..9000_i64, prop::sample::select(vec!["a", "b", "b1"]),
                 prop::collection::vec(0..600_i64, 0..20), any::<u8>()),
                0..40,
            ),
            from in 0..9000_i64,
            length in 0..9000_i64,
        ) {
            let mut items: Vec<Item> = packs
                .iter()
                .map(|(first, boot, steps, hash)| made(*first, boot, steps, *hash))
                .collect();
            items.sort_by_key(sk);
            items.dedup_by_key(|item| sk(item));
            let (from, to) = (at(from), at(from + length));
            let mut whole =
                Gathered::new(Window { from, to, limit: usize::MAX, newest_first: false });
            for item in &items {
                whole.add(item);
            }
            let (streamed, most) = streamed(&items, Between { from, to });
            prop_assert!(streamed.len() >= most);
            prop_assert_eq!(streamed, whole.finish());
        }
    }

    #[test]
    fn no_more_waits_than_the_packs_of_an_hour() {
        // A day of packs of a minute, each of which stands twice under another hash.
        let items: Vec<Item> = (0..2 * 24 * 60)
            .map(|number| {
                let first = number / 2 * 60;
                made(first, "b", &[1; 59], u8::try_from(number % 2).unwrap())
            })
            .collect();
        let all = Between { from: UnixMillis::MIN, to: UnixMillis::MAX };
        let (streamed, most) = streamed(&items, all);
        assert_eq!(streamed.len(), 24 * 60 * 60);
        assert_eq!(most, 60);
    }

    #[test]
    fn readings_without_a_time_go_by_their_arrival() {
        let mut reading = stored(&made(0, "b", &[], 0)).unwrap().1.remove(0);
        let between = Between { from: at(10), to: at(20) };
        assert!(!between.wants(&reading));
        reading.clock = Clock::Unset;
        assert!(between.wants(&reading), "nobody knows when it came");
        for (came, expected) in [(9, false), (10, true), (20, true), (21, false)] {
            reading.received_at = Some(at(came).get());
            assert_eq!(between.wants(&reading), expected, "{came}");
        }
    }

    #[test]
    fn what_is_read_reaches_an_hour_before_the_window_and_to_the_unset_clocks() {
        let early = UnixMillis::new(EARLIEST_MS - 1).unwrap();
        let hour_before = |at: UnixMillis| at.offset(-packed::SPAN_MS).unwrap();
        let between = Between { from: at(0), to: at(9) };
        let all = UnixMillis::MIN;
        assert_eq!(between.ranges(all), [(all, early), (hour_before(at(0)), at(9))]);
        let between = Between { from: all, to: at(9) };
        assert_eq!(between.ranges(all), [(all, at(9))]);
        let between = Between { from: all, to: all };
        assert_eq!(between.ranges(all), [(all, early)]);
    }

    #[test]
    fn what_was_read_is_not_read_again_and_no_range_ends_before_it_begins() {
        let early = UnixMillis::new(EARLIEST_MS - 1).unwrap();
        let hour_before = |at: UnixMillis| at.offset(-packed::SPAN_MS).unwrap();
        let between = Between { from: at(0), to: at(90_000) };
        assert_eq!(between.ranges(at(80_000)), [(hour_before(at(80_000)), at(90_000))]);
        // The month that was read last ends long after the window.
        assert_eq!(between.ranges(at(2_000_000)), []);
        let first_real = early.offset(1).unwrap();
        assert_eq!(
            between.ranges(first_real),
            [(hour_before(first_real), early), (hour_before(at(0)), at(90_000))]
        );
        let backwards = Between { from: at(90_000), to: at(0) };
        assert_eq!(backwards.ranges(UnixMillis::MIN), [(UnixMillis::MIN, early)]);
    }
}
