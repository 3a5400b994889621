//! Which quantities a file has columns for, and where a new file has to begin. Pure.

use std::collections::BTreeMap;
use std::ops::Range;

use tidings_schema::Quantity;

use crate::dynamo::StoredReading;

/// The quantities of a file, each with the unit that its values say themselves; those in the
/// canonical unit of their quantity say none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Columns(BTreeMap<String, Option<String>>);

/// Readings that go into one file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Which of them.
    pub(super) range: Range<usize>,
    /// The columns of the file.
    pub(super) columns: Columns,
    /// Whether it is another file than before.
    pub(super) is_new: bool,
}

impl Columns {
    /// Whether every value of a reading has a column in its unit.
    pub(super) fn fit(&self, reading: &StoredReading) -> bool {
        reading.values.keys().all(|name| {
            self.0.get(name).is_some_and(|unit| *unit == reading.units.get(name).cloned())
        })
    }

    /// Takes the quantities of a reading in; says by `false` that one is there in another unit, and
    /// then takes none.
    pub(super) fn widen(&mut self, reading: &StoredReading) -> bool {
        let unit = |name: &str| reading.units.get(name).cloned();
        let is_other = |name: &String| self.0.get(name).is_some_and(|known| *known != unit(name));
        if reading.values.keys().any(is_other) {
            return false;
        }
        for name in reading.values.keys() {
            if !self.0.contains_key(name) {
                self.0.insert(name.clone(), unit(name));
            }
        }
        true
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
            if !columns.widen(reading) {
                break;
            }
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

/// Shares readings out to files: to the open one as long as its columns fit, and to new ones with
/// wider columns, or another unit, from there on.
pub(super) fn runs(open: Option<&Columns>, readings: &[StoredReading]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut columns = open.cloned();
    let mut begin = 0;
    while let Some(rest) = readings.get(begin..).filter(|rest| !rest.is_empty()) {
        let (these, is_new) = match columns.take() {
            Some(open) if open.fit(&rest[0]) => (open, false),
            before => (Columns::begin(&before.unwrap_or_default(), rest), true),
        };
        let fitting = rest.iter().take_while(|reading| these.fit(reading)).count();
        columns = Some(these.clone());
        runs.push(Run { range: begin..begin + fitting, columns: these, is_new });
        begin += fitting;
    }
    runs
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

    fn names(run: &Run) -> Vec<(&str, Option<&str>)> {
        run.columns.iter().collect()
    }

    #[test]
    fn a_file_has_the_columns_of_all_that_are_known_when_it_begins() {
        let (t, h) = (("temperature", 21.5, None), ("humidity", 40.0, None));
        let readings = [reading(0, &[t]), reading(1, &[]), reading(2, &[h]), reading(3, &[t])];
        let runs = runs(None, &readings);
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].range.clone(), runs[0].is_new), (0..4, true));
        assert_eq!(names(&runs[0]), [("humidity", None), ("temperature", None)]);
    }

    #[test]
    fn a_new_quantity_begins_a_wider_file() {
        let (t, h, l) =
            (("temperature", 21.5, None), ("humidity", 40.0, None), ("leaf", 3.0, Some("%")));
        let open = runs(None, &[reading(0, &[t])]).remove(0).columns;
        let readings = [reading(1, &[t]), reading(2, &[]), reading(3, &[t, h]), reading(4, &[l])];
        let runs = runs(Some(&open), &readings);
        let told: Vec<_> = runs.iter().map(|run| (run.range.clone(), run.is_new)).collect();
        assert_eq!(told, [(0..2, false), (2..4, true)]);
        assert_eq!(
            names(&runs[1]),
            [("humidity", None), ("leaf", Some("%")), ("temperature", None)]
        );
    }

    #[test]
    fn another_unit_begins_a_file() {
        let leaf = |unit| ("leaf", 3.0, unit);
        let readings = [
            reading(0, &[leaf(Some("%"))]),
            reading(1, &[leaf(Some("/")), ("temperature", 1.0, None)]),
            reading(2, &[leaf(None)]),
        ];
        let runs = runs(None, &readings);
        let told: Vec<_> = runs.iter().map(|run| (run.range.clone(), run.is_new)).collect();
        assert_eq!(told, [(0..1, true), (1..2, true), (2..3, true)]);
        assert_eq!(names(&runs[1]), [("leaf", Some("/")), ("temperature", None)]);
        assert_eq!(names(&runs[2]), [("leaf", None), ("temperature", None)]);
        assert_eq!(unit_of("temperature", None), Some("Cel"));
        assert_eq!((unit_of("leaf", Some("%")), unit_of("leaf", None)), (Some("%"), None));
    }

    proptest! {
        #[test]
        fn every_reading_stands_in_one_run_whose_columns_fit_it(
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
            let of_first = runs(None, first);
            let of_second = runs(of_first.last().map(|run| &run.columns), second);
            prop_assert!(of_first.first().is_none_or(|run| run.is_new));
            for (part, of_part) in [(first, of_first), (second, of_second)] {
                let mut next = 0;
                for run in of_part {
                    prop_assert_eq!(run.range.start, next);
                    prop_assert!(!run.range.is_empty());
                    prop_assert!(part[run.range.clone()].iter().all(|one| run.columns.fit(one)));
                    next = run.range.end;
                }
                prop_assert_eq!(next, part.len());
            }
        }
    }
}
