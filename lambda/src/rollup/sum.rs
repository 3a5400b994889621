//! What a stretch of readings comes to. Pure.

use std::collections::BTreeMap;

use tidings_schema::{Content, Quantity, Unit, UnixMillis, Value};

use crate::validate::round;

/// Number, least, mean and greatest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sum {
    /// How many they are.
    pub n: u64,
    /// The least.
    pub min: Value,
    /// Their mean.
    pub mean: Value,
    /// The greatest.
    pub max: Value,
}

impl Sum {
    /// Of one value.
    #[must_use]
    pub const fn of(value: Value) -> Self {
        Self { n: 1, min: value, mean: value, max: value }
    }

    /// Of these values and those of another.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let n = self.n.saturating_add(other.n);
        // Exact to 2^53, which is a value each microsecond for three centuries.
        #[expect(clippy::cast_precision_loss)]
        let share = other.n as f64 / n as f64;
        // By differences: the mean of numbers that are in bounds stays in bounds.
        let mean = (other.mean.get() - self.mean.get()).mul_add(share, self.mean.get());
        Self {
            n,
            min: if other.min.get() < self.min.get() { other.min } else { self.min },
            // What is too small for a table is nothing beside the values that it is the mean of.
            mean: Value::new(mean).unwrap_or(Value::ZERO),
            max: if other.max.get() > self.max.get() { other.max } else { self.max },
        }
    }

    /// With a mean of 9 significant digits, for a table.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self { mean: Value::new(round(self.mean.get())).unwrap_or(self.mean), ..self }
    }
}

/// What the readings of one sensor in a stretch of time come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollup {
    /// When it begins.
    pub at: UnixMillis,
    /// How many readings there were, faults included.
    pub readings: u64,
    /// How many of them were faults, by name.
    pub faults: BTreeMap<String, u64>,
    /// The values, by [`name`].
    pub sums: BTreeMap<String, Sum>,
    /// How many values are not in the sums, because there are too many names for an item.
    pub omitted: u64,
}

/// Names that are summed up at once. A device gives its own names to what it measures, and each of an
/// hour's takes up to some 600 of the 400 KB that an item may have.
const MAX_NAMES: usize = 2000;

/// A quantity, and its unit where that is not the canonical one: `temperature`, `leaf_wetness %`.
/// What was measured in two units has two sums.
#[must_use]
pub fn name(quantity: &Quantity, unit: Option<Unit>) -> String {
    match unit {
        None => quantity.as_str().to_owned(),
        Some(unit) => format!("{quantity} {unit}"),
    }
}

/// Takes a [`name`] apart.
#[must_use]
pub fn quantity_and_unit(name: &str) -> (&str, Option<&str>) {
    match name.split_once(' ') {
        None => (name, None),
        Some((quantity, unit)) => (quantity, Some(unit)),
    }
}

impl Rollup {
    /// Of no readings.
    #[must_use]
    pub const fn new(at: UnixMillis) -> Self {
        Self { at, readings: 0, faults: BTreeMap::new(), sums: BTreeMap::new(), omitted: 0 }
    }

    /// Adds a reading.
    pub fn add(&mut self, content: &Content) {
        self.readings += 1;
        match content {
            Content::Fault(fault) => {
                *self.faults.entry(fault.name().to_owned()).or_default() += 1;
            }
            Content::Values(values) => {
                for (quantity, value, unit) in values {
                    self.add_sum(name(quantity, *unit), Sum::of(*value));
                }
            }
        }
    }

    /// Adds the readings of another stretch.
    pub fn merge(&mut self, other: &Self) {
        self.readings += other.readings;
        for (fault, times) in &other.faults {
            *self.faults.entry(fault.clone()).or_default() += times;
        }
        for (name, sum) in &other.sums {
            self.add_sum(name.clone(), *sum);
        }
        self.omitted += other.omitted;
    }

    /// With means of 9 significant digits, for a table.
    #[must_use]
    pub fn rounded(mut self) -> Self {
        for sum in self.sums.values_mut() {
            *sum = sum.rounded();
        }
        self
    }

    /// Without the sum of the fewest values; `false` where there is none.
    pub(super) fn omit(&mut self) -> bool {
        let least = self.sums.iter().min_by_key(|(_, sum)| sum.n).map(|(name, _)| name.clone());
        let Some(sum) = least.and_then(|name| self.sums.remove(&name)) else { return false };
        self.omitted += sum.n;
        true
    }

    fn add_sum(&mut self, name: String, more: Sum) {
        if self.sums.len() >= MAX_NAMES && !self.sums.contains_key(&name) {
            self.omitted += more.n;
            return;
        }
        self.sums.entry(name).and_modify(|sum| *sum = sum.with(more)).or_insert(more);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidings_schema::Fault;

    use super::*;

    fn values(number: f64) -> Content {
        let value = Value::new(number).unwrap();
        let percent = Unit::try_from("%").unwrap();
        Content::Values(vec![
            ("temperature".try_into().unwrap(), value, None),
            ("leaf_wetness".try_into().unwrap(), value, Some(percent)),
        ])
    }

    #[test]
    fn readings_and_faults_come_to_number_least_mean_and_greatest() {
        let mut rollup = Rollup::new(UnixMillis::MIN);
        for number in [20.0, 22.0, 27.0] {
            rollup.add(&values(number));
        }
        rollup.add(&Content::Fault(Fault::Timeout));
        let sum = rollup.sums["leaf_wetness %"];
        assert_eq!((sum.n, sum.min.get(), sum.mean.get(), sum.max.get()), (3, 20.0, 23.0, 27.0));
        assert_eq!((rollup.readings, rollup.faults["timeout"]), (4, 1));
        assert_eq!(quantity_and_unit("leaf_wetness %"), ("leaf_wetness", Some("%")));
        assert_eq!(quantity_and_unit("temperature"), ("temperature", None));
    }

    proptest! {
        #[test]
        fn parts_come_to_the_same_as_the_whole(
            numbers in proptest::collection::vec(-1e6..1e6, 1..100_usize),
            cut in 0..100_usize,
        ) {
            let cut = cut.min(numbers.len());
            let of = |numbers: &[f64]| {
                let mut rollup = Rollup::new(UnixMillis::MIN);
                numbers.iter().for_each(|number| rollup.add(&values(*number)));
                rollup
            };
            let (whole, mut parts) = (of(&numbers), of(&numbers[..cut]));
            parts.merge(&of(&numbers[cut..]));
            prop_assert_eq!(parts.readings, whole.readings);
            let (one, other) = (parts.sums["temperature"], whole.sums["temperature"]);
            prop_assert_eq!((one.n, one.min, one.max), (other.n, other.min, other.max));
            let mean = numbers.iter().sum::<f64>() / f64::from(u32::try_from(numbers.len()).unwrap());
            prop_assert!((one.mean.get() - mean).abs() < 1e-6, "{} {mean}", one.mean);
            prop_assert!((other.mean.get() - mean).abs() < 1e-6);
        }
    }
}
