//! How long to wait before the next try: exponential, with full jitter
//! (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>), so that forty
//! agents that lost one access point do not come back in the same second.

use std::time::Duration;

/// The delays between tries.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Delays that are drawn from zero up to `base`, then twice that, and so on up to `cap`.
    #[must_use]
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, failures: 0 }
    }

    /// The delay before the next try; `draw` is a random number from 0 to below 1.
    pub fn next(&mut self, draw: f64) -> Duration {
        let ceiling = self.base.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.cap);
        self.failures = self.failures.saturating_add(1);
        ceiling.mul_f64(draw.clamp(0.0, 1.0))
    }

    /// Begins anew. For a success that has lasted: one that broke at once is no success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn delays_stay_within_their_window(draws in prop::collection::vec(0.0_f64..1.0, 1..80)) {
            let (base, cap) = (Duration::from_millis(100), Duration::from_secs(60));
            let mut backoff = Backoff::new(base, cap);
            for (failures, draw) in (0..).zip(draws) {
                let delay = backoff.next(draw);
                prop_assert!(delay <= cap);
                prop_assert!(delay <= base.saturating_mul(2_u32.saturating_pow(failures)));
            }
            backoff.reset();
            prop_assert!(backoff.next(1.0) <= base);
        }
    }
}
