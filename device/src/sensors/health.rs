//! The agent itself: what waits, and what was lost and why. So that a gap in a table explains itself.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Measurement, Quantity, Unit, Value};

use super::Sensor;
use crate::queue::Loss;
use crate::status::Counters;

/// Reads the agent's counters.
pub(super) struct Health(Arc<Counters>);

impl Health {
    pub(super) fn new(counters: &Arc<Counters>) -> Self {
        Self(counters.clone())
    }
}

impl Sensor for Health {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let status = self.0.look();
        let mut list = vec![
            number("waiting", "count", status.waiting),
            number("connections", "count", status.connections),
            number("disk_failing", "/", u64::from(status.degraded)),
        ];
        for reason in Loss::ALL {
            let lost = self.0.lost_ever(reason).load(Ordering::Relaxed);
            if lost > 0 {
                list.push(number(&format!("lost_{}", reason.name()), "count", lost));
            }
        }
        Measurements::new(list.into_iter().flatten().collect()).map_err(|_| Fault::NotPresent)
    }
}

fn number(quantity: &str, unit: &str, number: u64) -> Option<Measurement> {
    // Counts beyond 2^53 do not happen: that is a reading each microsecond for three centuries.
    #[expect(clippy::cast_precision_loss)]
    let value = Value::new(number as f64).ok()?;
    let (quantity, unit) = (Quantity::try_from(quantity).ok()?, Unit::try_from(unit).ok()?);
    Some(Measurement { quantity, unit, value })
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    #[test]
    fn losses_are_told_by_reason_once_there_are_any() {
        let counters = Arc::new(Counters::default());
        let mut health = Health::new(&counters);
        assert_eq!(shown(&health.read()), "waiting 0 count, connections 0 count, disk_failing 0 /");
        counters.waiting.store(7, Ordering::Relaxed);
        counters.lost_ever(Loss::Oldest).store(12, Ordering::Relaxed);
        assert_eq!(
            shown(&health.read()),
            "waiting 7 count, connections 0 count, disk_failing 0 /, lost_oldest 12 count"
        );
    }
}
