//! What the agent sends beside readings (that it is there, what it asks of its shadow, its answers) must
//! not cost it its connection: AWS IoT Core ends the connection of a client whose policy does not allow
//! something, and a client that asks again each time would carry nothing for ever. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Connections in a row that may end while something of the kind is unanswered.
const STRIKES: u32 = 4;

/// How long nothing of the kind is sent then: a policy can be mended.
const PAUSE: Duration = Duration::from_secs(3600);

/// What is unanswered, and what has come of it before.
#[derive(Debug, Default)]
pub(super) struct Courtesy {
    unanswered: u32,
    strikes: u32,
    until: Option<Instant>,
}

impl Courtesy {
    /// Whether something of the kind may be sent.
    pub(super) fn is_allowed(&mut self, now: Instant) -> bool {
        if self.until.is_some_and(|until| now >= until) {
            *self = Self::default();
        }
        self.until.is_none()
    }

    /// Something was sent that is to be answered.
    pub(super) const fn sent(&mut self) {
        self.unanswered += 1;
    }

    /// It was, on this connection.
    pub(super) const fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
        if self.unanswered == 0 {
            self.strikes = 0;
        }
    }

    /// The connection has ended. Returns whether that was once too often.
    pub(super) fn lost(&mut self, now: Instant) -> bool {
        let blamed = std::mem::take(&mut self.unanswered) > 0;
        self.strikes += u32::from(blamed);
        let enough = blamed && self.strikes == STRIKES;
        if enough {
            self.until = Some(now + PAUSE);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_connection_after_connection_is_left_alone_for_an_hour() {
        let mut courtesy = Courtesy::default();
        let mut now = Instant::now();
        for round in 1..=STRIKES {
            assert!(courtesy.is_allowed(now));
            courtesy.sent();
            courtesy.sent();
            courtesy.answered();
            assert_eq!(courtesy.lost(now), round == STRIKES);
        }
        assert!(!courtesy.is_allowed(now));
        assert!(!courtesy.lost(now), "not to blame for this one");
        now += PAUSE;
        assert!(courtesy.is_allowed(now));
    }

    #[test]
    fn an_answer_clears_it() {
        let mut courtesy = Courtesy::default();
        let now = Instant::now();
        for _ in 0..3 * STRIKES {
            courtesy.sent();
            assert!(!courtesy.lost(now));
            courtesy.sent();
            courtesy.answered();
            assert!(!courtesy.lost(now));
        }
    }
}
