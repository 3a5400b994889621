//! Which quantities a file has columns for, and where a new file has to begin. Pure.

use std::collections::BTreeMap;

use tidings_schema::Quantity;

use crate::dynamo::StoredReading;

/// The quantities of a file, each with the unit that its values say themselves; those in the
/// canonical unit of their quantity say none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Columns(BTreeMap<String, Option<String>>);

/// Readings that go into one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// Which of them, by their places, in order.
    pub(super) rows: Vec<usize>,
    /// The columns of the file.
    pub(super) columns: Columns,
    /// Whether it is a new file.
    pub(super) is_new: bool,
}

impl Columns {
    /// Whether every value of a reading has a column in its unit.
    pub(super) fn fit(&self, reading: &StoredReading) -> bool {
        reading.values.keys().all(|name| {
            self.0.get(name).is_some_and(|unit| *unit == reading.units.get(name).cloned())
        })
    }

    /// Takes the quantities of a reading in, unless one of them is there in another unit.
    pub(super) fn widen(&mut self, reading: &StoredReading) {
        let unit = |name: &str| reading.units.get(name).cloned();
        let is_other = |name: &String| self.0.get(name).is_some_and(|known| *known != unit(name));
        if reading.values.keys().any(is_other) {
            return;
        }
        for name in reading.values.keys() {
            if !self.0.contains_key(name) {
                self.0.insert(name.clone(), unit(name));
            }
        }
    }

    /// The columns of a file that begins with the first of these readings and takes over what the
    /// file before had.
    fn begin(before: &Self, readings: &[StoredReading]) -> Self {
        let mut columns = before.clone();
        if let Some(first) = readings.first() {
            for name in first.values.keys() {
                columns.0.insert(name.clone(), first.units.get(name).cloned());
            }
        }
        for reading in readings {
            columns.widen(reading);
        }
        columns
    }

    /// Each quantity, and the unit that its values say themselves.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().map(|(name, unit)| (name.as_str(), unit.as_deref()))
    }
}

/// The unit of a column: the one that its values say, or the canonical one of its quantity.
pub(super) fn unit_of<'a>(name: &str, said: Option<&'a str>) -> Option<&'a str> {
    let known = || Some(Quantity::try_from(name).ok()?.known()?.unit().name());
    said.or_else(known)
}

/// Shares readings out to files: to those that are open, the newest first, as long as the columns of
/// one fit, and to new ones with wider columns, or another unit, from there on. So a unit that comes
/// and goes has a file, and not each time another. Gives the open files first, in their order.
pub(super) fn shares<'a>(
    open: impl Iterator<Item = &'a Columns>,
    readings: &[StoredReading],
) -> Vec<Share> {
    let share = |columns, is_new| Share { rows: Vec::new(), columns, is_new };
    let mut shares: Vec<Share> = open.cloned().map(|columns| share(columns, false)).collect();
    for (place, reading) in readings.iter().enumerate() {
        let fitting = shares.iter().rposition(|share| share.columns.fit(reading));
        let fitting = fitting.unwrap_or_else(|| {
            let before = shares.last().map(|share| share.columns.clone()).unwrap_or_default();
            let rest = readings.get(place..).unwrap_or_default();
            shares.push(share(Columns::begin(&before, rest), true));
            shares.len() - 1
        });
        if let Some(share) = shares.get_mut(fitting) {
            share.rows.push(place);
        }
    }
    shares
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use tidings_schema::{BootId, Clock, Seq, UnixMillis};

    use super::*;

    pub(in crate::export) fn reading(
        at: i64,
        values: &[(&str, f64, Option<&str>)],
    ) -> StoredReading {
        let units = values
            .iter()
            .filter_map(|(name, _, unit)| Some(((*name).to_owned(), (*unit)?.to_owned())));
        StoredReading {
            device: "pi:1".to_owned(),
            sensor: "s".to_owned(),
            at: UnixMillis::new(at).unwrap(),
            clock: Clock::Set,
            boot: BootId::try_from("b").unwrap(),
            seq: Seq::try_from(7).unwrap(),
            values: values.iter().map(|(name, value, _)| ((*name).to_owned(), *value)).collect(),
            units: units.collect(),
            fault: values.is_empty().then(|| "timeout".to_owned()),
            received_at: Some(at + 5),
            site: None,
            labels: BTreeMap::new(),
        }
    }

    fn names(share: &Share) -> Vec<(&str, Option<&str>)> {
        share.columns.iter().collect()
    }

    fn told(shares: &[Share]) -> Vec<(&[usize], bool)> {
        shares.iter().map(|share| (share.rows.as_slice(), share.is_new)).collect()
    }

    #[test]
    fn a_file_has_the_columns_of_all_that_are_known_when_it_begins() {
        let (t, h) = (("temperature", 21.5, None), ("humidity", 40.0, None));
        let readings = [reading(0, &[t]), reading(1, &[]), reading(2, &[h]), reading(3, &[t])];
        let shares = shares([].iter(), &readings);
        assert_eq!(told(&shares), [([0, 1, 2, 3].as_slice(), true)]);
        assert_eq!(names(&shares[0]), [("humidity", None), ("temperature", None)]);
    }

    #[test]
    fn a_new_quantity_begins_a_wider_file() {
        let (t, h, l) =
            (("temperature", 21.5, None), ("humidity", 40.0, None), ("leaf", 3.0, Some("%")));
        let open = shares([].iter(), &[reading(0, &[t])]).remove(0).columns;
        let readings = [reading(1, &[t]), reading(2, &[]), reading(3, &[t, h]), reading(4, &[l])];
        let shares = shares([open].iter(), &readings);
        assert_eq!(told(&shares), [([0, 1].as_slice(), false), ([2, 3].as_slice(), true)]);
        assert_eq!(
            names(&shares[1]),
            [("humidity", None), ("leaf", Some("%")), ("temperature", None)]
        );
    }

    #[test]
    fn each_unit_has_a_file_and_not_each_change_of_it() {
        let leaf = |unit| reading(0, &[("leaf", 3.0, unit)]);
        let readings = [
            leaf(Some("%")),
            reading(1, &[("leaf", 3.0, Some("/")), ("temperature", 1.0, None)]),
            leaf(Some("%")),
            leaf(None),
            leaf(Some("/")),
            reading(2, &[]),
        ];
        let shares = shares([].iter(), &readings);
        assert_eq!(
            told(&shares),
            [([0, 2].as_slice(), true), ([1, 4].as_slice(), true), ([3, 5].as_slice(), true)]
        );
        assert_eq!(names(&shares[1]), [("leaf", Some("/")), ("temperature", None)]);
        assert_eq!(names(&shares[2]), [("leaf", None), ("temperature", None)]);
        assert_eq!(unit_of("temperature", None), Some("Cel"));
        assert_eq!((unit_of("leaf", Some("%")), unit_of("leaf", None)), (Some("%"), None));
    }

    proptest! {
        #[test]
        fn every_reading_stands_in_one_file_whose_columns_fit_it(
            rows in prop::collection::vec(
                prop::collection::btree_map(
                    prop::sample::select(vec!["a", "b", "c", "temperature"]),
                    prop::sample::select(vec![None, Some("%"), Some("/")]),
                    0..4,
                ),
                0..40,
            ),
            cut in 0..40_usize,
        ) {
            let readings: Vec<StoredReading> = rows
                .iter()
                .enumerate()
                .map(|(at, row)| {
                    let values: Vec<_> = row.iter().map(|(name, unit)| (*name, 1.0, *unit)).collect();
                    reading(i64::try_from(at).unwrap(), &values)
                })
                .collect();
            // As two buffers of one month, one after the other.
            let (first, second) = readings.split_at(cut.min(readings.len()));
            let of_first = shares([].iter(), first);
            let open: Vec<Columns> = of_first.iter().map(|share| share.columns.clone()).collect();
            let of_second = shares(open.iter(), second);
            prop_assert!(of_first.iter().all(|share| share.is_new));
            prop_assert!(of_second.iter().take(open.len()).all(|share| !share.is_new));
            for (part, of_part) in [(first, of_first), (second, of_second)] {
                let mut places = Vec::new();
                for share in of_part {
                    prop_assert!(share.rows.iter().all(|place| share.columns.fit(&part[*place])));
                    prop_assert!(share.rows.is_sorted());
                    places.extend(share.rows);
                }
                places.sort_unstable();
                prop_assert_eq!(places, (0..part.len()).collect::<Vec<_>>());
            }
        }
    }
}
