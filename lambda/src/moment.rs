//! How long ago something was, by two clocks.
//!
//! The steady clock stands still while the machine does: a laptop that is asleep, and perhaps a
//! function between two events ("Lambda freezes the execution environment"; nothing is promised of
//! this clock). The wall clock goes on, and may be set. What has to be over after a time is over as
//! soon as one of them says so, and where the wall clock has gone back.

use std::time::Duration;

use tidings_schema::UnixMillis;
use tokio::time::Instant;

/// A time by both clocks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    steady: Instant,
    wall: UnixMillis,
}

impl Moment {
    /// Now, where the wall clock of this machine shows `wall`.
    pub(crate) fn now(wall: UnixMillis) -> Self {
        Self { steady: Instant::now(), wall }
    }

    /// What the wall clock showed.
    pub(crate) const fn wall(&self) -> UnixMillis {
        self.wall
    }

    /// Whether for sure no more than `length` has passed since `earlier`.
    pub(crate) fn is_within(&self, length: Duration, earlier: &Self) -> bool {
        let wall = self.wall.get() - earlier.wall.get();
        let wall = u64::try_from(wall).ok().map(Duration::from_millis);
        self.steady.duration_since(earlier.steady) < length
            && wall.is_some_and(|wall| wall < length)
    }

    /// The same some time later, by both clocks.
    #[cfg(test)]
    pub(crate) fn after(&self, length: Duration) -> Self {
        self.after_sleep(length, length)
    }

    /// The same later, after so much that a machine was awake for and so much in all.
    #[cfg(test)]
    pub(crate) fn after_sleep(&self, awake: Duration, all: Duration) -> Self {
        let wall = self.wall.offset(i64::try_from(all.as_millis()).unwrap()).unwrap();
        Self { steady: self.steady + awake, wall }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_of_the_clocks_says_is_over_is_over() {
        let then = Moment::now(UnixMillis::new(1_795_456_115_802).unwrap());
        let (minute, long) = (Duration::from_secs(60), Duration::from_secs(3600));
        assert!(then.is_within(minute, &then));
        assert!(then.after(minute / 2).is_within(minute, &then));
        assert!(!then.after(minute).is_within(minute, &then));
        assert!(!then.after_sleep(minute / 2, long).is_within(minute, &then), "it slept");
        assert!(!then.after_sleep(long, minute / 2).is_within(minute, &then), "it was set back");
        let back = Moment { wall: UnixMillis::new(1_795_456_115_801).unwrap(), ..then };
        assert!(!back.is_within(minute, &then));
    }
}
