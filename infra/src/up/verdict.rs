//! What was lost, and what is there twice: the readings that the agent's queue accepted against
//! those that a query of the table returns. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};
use tidings_agent::queue::Inspection;
use tidings_schema::{BootId, SensorId, Seq, UnixMillis};

/// Names a reading of one device, apart from its time.
pub type Name = (SensorId, BootId, Seq);

/// The last line of `up --json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Verdict {
    /// Readings that the queue accepted and that it does not hold any more.
    pub published: u64,
    /// Of those, readings that the table has.
    pub stored: u64,
    /// Items that came to quarantine, of any device.
    pub quarantined: u64,
    /// Published readings that are neither stored nor quarantined.
    pub lost: u64,
    /// How many times too often a published reading is visible.
    pub duplicates: u64,
    /// Readings that the queue still holds: they go out with the next start.
    pub waiting: u64,
}

/// What a run was to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// By sensor, so that each is one query; with the earliest time among them.
    pub sensors: BTreeMap<SensorId, UnixMillis>,
    names: HashSet<Name>,
    waiting: u64,
}

impl Expected {
    /// From what the queue held before the run and after it: what waited before, and what was
    /// accepted in new boots, less what waits still.
    #[must_use]
    pub fn new(before: &Inspection, after: &Inspection) -> Self {
        let old: BTreeSet<&BootId> = before.accepted.iter().map(|one| &one.boot).collect();
        let mut sensors: BTreeMap<SensorId, UnixMillis> = BTreeMap::new();
        let mut names = HashSet::new();
        let mut earliest = |sensor: &SensorId, at: UnixMillis| {
            let first = sensors.entry(sensor.clone()).or_insert(at);
            *first = (*first).min(at);
        };
        for record in &before.waiting {
            earliest(&record.reading.sensor, record.reading.at);
            names.insert((record.reading.sensor.clone(), record.boot.clone(), record.reading.seq));
        }
        for one in after.accepted.iter().filter(|one| !old.contains(&one.boot)) {
            earliest(&one.sensor, one.first_at);
            let all = (0..one.count).filter_map(|number| Seq::try_from(number).ok());
            names.extend(all.map(|seq| (one.sensor.clone(), one.boot.clone(), seq)));
        }
        for record in &after.waiting {
            names.remove(&(record.reading.sensor.clone(), record.boot.clone(), record.reading.seq));
        }
        Self { sensors, names, waiting: after.waiting.len() as u64 }
    }

    /// Compares with what the table has (one entry for each item) and what quarantine has.
    #[must_use]
    pub fn compare(
        &self,
        stored: impl IntoIterator<Item = Name>,
        quarantined: &HashSet<Name>,
        quarantine_items: u64,
    ) -> Verdict {
        let mut times: HashMap<Name, u64> = HashMap::new();
        for name in stored {
            if self.names.contains(&name) {
                *times.entry(name).or_default() += 1;
            }
        }
        let missing = |name: &&Name| !times.contains_key(*name) && !quarantined.contains(*name);
        Verdict {
            published: self.names.len() as u64,
            stored: times.len() as u64,
            quarantined: quarantine_items,
            lost: self.names.iter().filter(missing).count() as u64,
            duplicates: times.values().map(|times| times - 1).sum(),
            waiting: self.waiting,
        }
    }
}

#[cfg(test)]
mod tests {
    use tidings_agent::queue::{Accepted, Record};
    use tidings_schema::{Fault, Outcome, Reading};

    use super::*;

    fn name(boot: &str, seq: u64) -> Name {
        let sensor = SensorId::try_from("s").unwrap();
        (sensor, BootId::try_from(boot).unwrap(), Seq::try_from(seq).unwrap())
    }

    fn inspection(accepted: &[(&str, u64)], waiting: &[(&str, u64)]) -> Inspection {
        Inspection {
            accepted: accepted
                .iter()
                .map(|(boot, count)| {
                    let (sensor, boot, _) = name(boot, 0);
                    Accepted { boot, sensor, count: *count, first_at: UnixMillis::MIN }
                })
                .collect(),
            waiting: waiting
                .iter()
                .map(|(boot, seq)| {
                    let (sensor, boot, seq) = name(boot, *seq);
                    let outcome = Outcome::Failed(Fault::Timeout);
                    Record { boot, reading: Reading { sensor, at: UnixMillis::MIN, seq, outcome } }
                })
                .collect(),
            ..Inspection::default()
        }
    }

    #[test]
    fn what_waited_and_what_came_new_is_expected_less_what_waits_still() {
        let before = inspection(&[("a", 5)], &[("a", 3), ("a", 4)]);
        let after = inspection(&[("a", 5), ("b", 3)], &[("b", 2)]);
        let expected = Expected::new(&before, &after);
        let all = [name("a", 3), name("a", 4), name("b", 0), name("b", 1)];
        let verdict = expected.compare(all, &HashSet::new(), 0);
        assert_eq!(verdict, Verdict { published: 4, stored: 4, waiting: 1, ..Verdict::default() });
    }

    #[test]
    fn the_lost_the_doubled_and_the_quarantined_are_told_apart() {
        let expected = Expected::new(&inspection(&[], &[]), &inspection(&[("a", 4)], &[]));
        let stored = [name("a", 0), name("a", 1), name("a", 1), name("z", 9)];
        let verdict = expected.compare(stored, &HashSet::from([name("a", 2)]), 1);
        assert_eq!(
            verdict,
            Verdict { published: 4, stored: 2, quarantined: 1, lost: 1, duplicates: 1, waiting: 0 }
        );
    }
}
