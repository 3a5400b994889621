//! From finer steps of time to coarser ones, by their counts: as if it had been summed so at once.
//! Pure.

use std::collections::BTreeMap;

use crate::dynamo::{FaultAt, Line, Series};

/// What the values of one quantity in one step come to.
#[derive(Debug, Clone, Copy)]
struct Sum {
    count: u64,
    min: f64,
    /// Mean times count.
    sum: f64,
    max: f64,
}

/// Several stretches of time as one, in steps of `step` milliseconds, or as they are where it is
/// `None`. Steps begin at multiples of their length.
pub(super) fn fold(parts: Vec<Series>, step: Option<i64>) -> Series {
    let Some(step) = step else { return parts.into_iter().next().unwrap_or_default() };
    let begin = |at: i64| at - at.rem_euclid(step);
    let mut folded = Series { step_ms: step, ..Series::default() };
    let mut sums: BTreeMap<String, (Option<String>, BTreeMap<i64, Sum>)> = BTreeMap::new();
    let mut faults: BTreeMap<(i64, String), u64> = BTreeMap::new();
    for part in parts {
        folded.readings += part.readings;
        folded.unset.extend(part.unset);
        folded.incomplete = folded.incomplete.or(part.incomplete);
        for FaultAt { at, fault, times } in part.faults {
            *faults.entry((begin(at), fault)).or_default() += times;
        }
        for (name, line) in part.lines {
            let (_, steps) =
                sums.entry(name).or_insert_with(|| (line.unit.clone(), BTreeMap::new()));
            for (at, sum) in part.at.iter().zip(values(&line)) {
                let Some(sum) = sum else { continue };
                steps.entry(begin(*at)).and_modify(|all| all.add(sum)).or_insert(sum);
            }
        }
    }
    folded.at = sums.values().flat_map(|(_, steps)| steps.keys().copied()).collect();
    folded.at.sort_unstable();
    folded.at.dedup();
    folded.faults =
        faults.into_iter().map(|((at, fault), times)| FaultAt { at, fault, times }).collect();
    for (name, (unit, steps)) in sums {
        let at = |at: &i64| steps.get(at);
        let line = Line {
            unit,
            count: folded.at.iter().map(|one| at(one).map_or(0, |sum| sum.count)).collect(),
            min: folded.at.iter().map(|one| at(one).map(|sum| sum.min)).collect(),
            mean: folded.at.iter().map(|one| at(one).map(Sum::mean)).collect(),
            max: folded.at.iter().map(|one| at(one).map(|sum| sum.max)).collect(),
        };
        folded.lines.insert(name, line);
    }
    folded
}

fn values(line: &Line) -> impl Iterator<Item = Option<Sum>> {
    let values = line.count.iter().zip(&line.min).zip(&line.mean).zip(&line.max);
    values.map(|(((count, min), mean), max)| {
        Some(Sum { count: *count, min: (*min)?, sum: (*mean)? * float(*count), max: (*max)? })
    })
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    fn mean(&self) -> f64 {
        // The mean of equal values is that value, to the last bit of it.
        (self.sum / float(self.count.max(1))).clamp(self.min, self.max)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of readings are far below 2^53")]
const fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(at: &[i64], values: &[Option<(u64, f64)>], faults: &[(i64, u64)]) -> Series {
        let of = |pick: fn((u64, f64)) -> f64| values.iter().map(|one| one.map(pick)).collect();
        let line = Line {
            unit: Some("Cel".to_owned()),
            count: values.iter().map(|one| one.map_or(0, |one| one.0)).collect(),
            min: of(|(_, mean)| mean - 1.0),
            mean: of(|(_, mean)| mean),
            max: of(|(_, mean)| mean + 1.0),
        };
        let fault = |(at, times): &(i64, u64)| FaultAt {
            at: *at,
            fault: "timeout".to_owned(),
            times: *times,
        };
        Series {
            step_ms: 5,
            at: at.to_vec(),
            lines: [("temperature".to_owned(), line)].into(),
            faults: faults.iter().map(fault).collect(),
            readings: values.iter().flatten().map(|one| one.0).sum(),
            ..Series::default()
        }
    }

    #[test]
    fn a_mean_weighs_what_there_was() {
        let one = series(&[100, 105, 110], &[Some((9, 1.0)), Some((1, 11.0)), None], &[(105, 2)]);
        let two = series(&[115, 120], &[Some((2, 5.0)), Some((1, 7.0))], &[(119, 1), (120, 1)]);
        let folded = fold(vec![one, two], Some(20));
        assert_eq!((folded.step_ms, folded.at.as_slice()), (20, [100, 120].as_slice()));
        let line = &folded.lines["temperature"];
        assert_eq!(line.count, [12, 1]);
        assert_eq!(line.mean, [Some(30.0 / 12.0), Some(7.0)]);
        assert_eq!((line.min[0], line.max[0]), (Some(0.0), Some(12.0)));
        assert_eq!(line.unit.as_deref(), Some("Cel"));
        let faults: Vec<(i64, u64)> =
            folded.faults.iter().map(|fault| (fault.at, fault.times)).collect();
        assert_eq!((faults, folded.readings), (vec![(100, 3), (120, 1)], 13));
    }

    #[test]
    fn without_a_step_it_stays_as_it_is() {
        let one = series(&[100], &[Some((1, 1.0))], &[]);
        assert_eq!(fold(vec![one.clone()], None), one);
        assert_eq!(fold(Vec::new(), None), Series::default());
    }

    #[test]
    fn two_quantities_share_their_times() {
        let mut one = series(&[100, 200], &[Some((1, 1.0)), None], &[]);
        let other = series(&[100, 200], &[None, Some((1, 3.0))], &[]);
        one.lines.insert("humidity".to_owned(), other.lines["temperature"].clone());
        let folded = fold(vec![one], Some(100));
        assert_eq!(folded.at, [100, 200]);
        assert_eq!(folded.lines["temperature"].mean, [Some(1.0), None]);
        assert_eq!(folded.lines["humidity"].mean, [None, Some(3.0)]);
    }
}
