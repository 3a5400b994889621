//! The agent itself: what waits, what came and went, and what was lost and why. So that a gap in a
//! table explains itself.
//!
//! `accepted`, `acknowledged` and `faults` count from the start of the agent, `lost_*` from that of
//! the queue; `agent_version` is the number of [`crate::version`].

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Measurement, Quantity, Unit, Value};

use super::Sensor;
use crate::queue::Loss;
use crate::status::Counters;
use crate::version;

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
            number("accepted", "count", status.accepted),
            number("acknowledged", "count", status.acknowledged),
            number("faults", "count", status.faults),
            number("agent_version", "/", version::number()),
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
    fn what_came_and_went_is_told_and_losses_by_reason_once_there_are_any() {
        let counters = Arc::new(Counters::default());
        let mut health = Health::new(&counters);
        let version = version::number();
        assert_eq!(
            shown(&health.read()),
            format!(
                "waiting 0 count, connections 0 count, disk_failing 0 /, accepted 0 count, \
                 acknowledged 0 count, faults 0 count, agent_version {version} /"
            )
        );
        counters.waiting.store(7, Ordering::Relaxed);
        counters.accepted.store(9, Ordering::Relaxed);
        counters.acknowledged.store(2, Ordering::Relaxed);
        counters.faults.store(3, Ordering::Relaxed);
        counters.lost_ever(Loss::Oldest).store(12, Ordering::Relaxed);
        assert_eq!(
            shown(&health.read()),
            format!(
                "waiting 7 count, connections 0 count, disk_failing 0 /, accepted 9 count, \
                 acknowledged 2 count, faults 3 count, agent_version {version} /, \
                 lost_oldest 12 count"
            )
        );
    }
}
