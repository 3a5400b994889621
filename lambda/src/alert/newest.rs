//! The newest sample of each alert that a warm function has seen. Most readings change nothing and leave no
//! trace in the table, so what came late (an event that Lambda tries again, a device that sends what is fresh
//! before its backlog) would otherwise raise what newer readings have long refuted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tidings_schema::{DeviceId, UnixMillis};

use super::Sample;

/// Alerts that are kept; beyond, all are forgotten, which costs nothing but this protection.
const CAPACITY: usize = 10_000;

/// When the newest was taken, by device and alert.
#[derive(Debug, Default)]
pub(crate) struct Newest(Mutex<HashMap<(DeviceId, String), UnixMillis>>);

impl Newest {
    /// Of the samples of an invocation, those that are not older than what an earlier one has seen.
    pub(crate) fn among(&self, mut samples: Vec<Sample>) -> Vec<Sample> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let name = |sample: &Sample| (sample.device.clone(), sample.name.clone());
        samples.retain(|sample| newest.get(&name(sample)).is_none_or(|at| sample.at >= *at));
        if newest.len() + samples.len() > CAPACITY {
            newest.clear();
        }
        for sample in &samples {
            let at = newest.entry(name(sample)).or_insert(sample.at);
            *at = sample.at.max(*at);
        }
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Limits;

    #[test]
    fn what_is_older_than_an_earlier_invocation_saw_is_passed_over() {
        let newest = Newest::default();
        let limits = Limits { above: Some(35.0), below: None, clear: None };
        let among = |name: &str, times: &[i64]| -> Vec<i64> {
            let sample = |at: &i64| Sample {
                device: "pi-1".try_into().unwrap(),
                name: name.to_owned(),
                at: UnixMillis::new(*at).unwrap(),
                value: 36.0,
                unit: None,
                limits,
            };
            let samples = newest.among(times.iter().map(sample).collect());
            samples.iter().map(|sample| sample.at.get()).collect()
        };
        assert_eq!(among("s.a", &[70, 10, 60]), [70, 10, 60], "of one invocation all");
        assert_eq!(among("s.a", &[10, 70, 71]), [70, 71], "and the same message again");
        assert_eq!(among("s.b", &[10]), [10]);
        assert_eq!(among("s.a", &[70]), [0_i64; 0]);
    }
}
