//! How many messages a second: a token bucket whose rate is halved when acknowledgements fail to
//! come (AWS answers throttling with silence) and recovers little by little.

use std::time::Duration;

use tokio::time::Instant;

/// Time from the lowest rate back to the highest, if nothing goes wrong.
const RECOVERY: Duration = Duration::from_secs(60);

/// The lowest rate, in messages a second.
const LOWEST: f64 = 1.0;

/// Messages that may go at once, in seconds of the rate.
const BURST: f64 = 0.25;

/// The bucket.
#[derive(Debug)]
pub(super) struct Rate {
    highest: f64,
    rate: f64,
    tokens: f64,
    filled_at: Instant,
}

impl Rate {
    /// At most `highest` messages a second.
    pub(super) fn new(highest: u32, now: Instant) -> Self {
        let highest = f64::from(highest).max(LOWEST);
        Self { highest, rate: highest, tokens: (highest * BURST).max(1.0), filled_at: now }
    }

    /// Takes leave to send one message.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.fill(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// When the next message may go.
    pub(super) fn ready_at(&self) -> Instant {
        let missing = 1.0 - self.tokens;
        if missing <= 0.0 {
            return self.filled_at;
        }
        // A microsecond more, so that rounding does not wake us too early for ever.
        self.filled_at + Duration::from_secs_f64(missing / self.rate) + Duration::from_micros(1)
    }

    /// Acknowledgements fail to come.
    pub(super) fn halve(&mut self) {
        self.rate = (self.rate / 2.0).max(LOWEST);
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        self.rate = (self.rate + self.highest * passed / RECOVERY.as_secs_f64()).min(self.highest);
        self.tokens = (self.tokens + self.rate * passed).min((self.rate * BURST).max(1.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages that go within a time, taken as often as possible.
    fn sent(rate: &mut Rate, now: &mut Instant, time: Duration) -> u32 {
        let end = *now + time;
        let mut sent = 0;
        while *now < end {
            while rate.take(*now) {
                sent += 1;
            }
            *now = rate.ready_at().max(*now + Duration::from_millis(1));
        }
        sent
    }

    #[test]
    fn the_rate_is_kept_halved_and_recovered() {
        let mut now = Instant::now();
        let mut rate = Rate::new(80, now);
        let second = Duration::from_secs(1);
        assert!((70..=101).contains(&sent(&mut rate, &mut now, second)));
        assert!((78..=82).contains(&sent(&mut rate, &mut now, second)));
        rate.halve();
        rate.halve();
        assert!((18..=26).contains(&sent(&mut rate, &mut now, second)));
        sent(&mut rate, &mut now, RECOVERY);
        assert!((78..=82).contains(&sent(&mut rate, &mut now, second)));
        for _ in 0..20 {
            rate.halve();
        }
        assert!(sent(&mut rate, &mut now, second) >= 1, "it never stands still");
    }
}
