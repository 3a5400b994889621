//! When a reading was taken, on a device whose clock has no battery.
//!
//! A Raspberry Pi starts with the time at which it was switched off, or with 1970, and learns the true
//! time from the network: seconds later, days later, or never. So the wall clock is believed only
//! while the kernel says that somebody keeps it right. What is believed once gives an offset to the
//! time since the start of the kernel, which no jump of the wall clock touches: from then on readings
//! are placed by it where the wall clock is not believed. Readings from before have only their time
//! since the start; the queue holds them until the offset is known.

mod kernel;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tidings_schema::limits::EARLIEST_MS;
use tidings_schema::{self as schema, UnixMillis};

pub use kernel::Kernel;

/// The wall clock now, believed or not, held to the bounds of [`UnixMillis`] (a clock before 1970
/// reads as 1970).
#[must_use]
pub fn now() -> UnixMillis {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_millis());
    bounded(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn bounded(millis: i64) -> UnixMillis {
    UnixMillis::new(millis.max(0)).unwrap_or(UnixMillis::MAX)
}

/// Names one start of the kernel: times since it count from the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelBoot(pub i64);

/// Where time comes from.
pub trait Source: fmt::Debug + Send + Sync {
    /// The wall clock, in milliseconds since 1970.
    fn wall(&self) -> i64;
    /// Milliseconds since the start of the kernel, times of sleep included. Never jumps.
    fn uptime(&self) -> i64;
    /// This start of the kernel.
    fn kernel_boot(&self) -> KernelBoot;
    /// Whether the kernel says that somebody keeps the wall clock right.
    fn is_synchronised(&self) -> bool;
}

/// When the wall clock is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// While the kernel says that it is synchronised.
    #[default]
    Synchronised,
    /// Always, unless it stands before 2020: for a device with a clock of its own, and for a
    /// workstation.
    Always,
}

/// An offset that is not known.
const UNKNOWN: i64 = i64::MIN;

/// The clock that readings are stamped by.
#[derive(Debug)]
pub struct Clock {
    source: Arc<dyn Source>,
    trust: Trust,
    /// From time since the start of the kernel to time since 1970, in milliseconds.
    offset: AtomicI64,
}

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Milliseconds…
    pub at: UnixMillis,
    /// …since when.
    pub clock: schema::Clock,
}

impl Clock {
    /// A clock that knows nothing yet.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, trust: Trust) -> Self {
        Self { source, trust, offset: AtomicI64::new(UNKNOWN) }
    }

    /// The clock of this machine.
    #[must_use]
    pub fn of_kernel(trust: Trust) -> Self {
        Self::new(Arc::new(Kernel::new()), trust)
    }

    /// Now.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let uptime = self.source.uptime();
        match self.offset() {
            Some(offset) => {
                Stamp { at: bounded(uptime.saturating_add(offset)), clock: schema::Clock::Set }
            }
            None => Stamp { at: bounded(uptime), clock: schema::Clock::Unset },
        }
    }

    /// Looks at the wall clock, and gives the offset from time since the start of the kernel to time
    /// since 1970 in milliseconds, where it is known.
    #[must_use]
    pub fn offset(&self) -> Option<i64> {
        if self.is_believed() {
            let offset = self.source.wall().saturating_sub(self.source.uptime());
            // Somebody may have set the clock since it was believed: it is believed only if it still is.
            if self.is_believed() {
                self.offset.store(offset, Ordering::Relaxed);
                return Some(offset);
            }
        }
        Some(self.offset.load(Ordering::Relaxed)).filter(|offset| *offset != UNKNOWN)
    }

    /// Whether the wall clock can be believed now.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        let trusted = match self.trust {
            Trust::Synchronised => self.source.is_synchronised(),
            Trust::Always => true,
        };
        // A clock that is kept right by something that is wrong itself.
        trusted && (EARLIEST_MS..=UnixMillis::MAX.get()).contains(&self.source.wall())
    }

    /// Takes an offset that was believed earlier in this start of the kernel, unless a better one is
    /// known.
    pub(crate) fn remember(&self, offset: i64) {
        let relaxed = Ordering::Relaxed;
        // An error means that there is one already.
        self.offset.compare_exchange(UNKNOWN, offset, relaxed, relaxed).ok();
    }

    /// This start of the kernel.
    #[must_use]
    pub fn kernel_boot(&self) -> KernelBoot {
        self.source.kernel_boot()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A clock that a test sets.
    #[derive(Debug)]
    pub(crate) struct Driven(pub(crate) Mutex<Hands>);

    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Hands {
        pub(crate) wall: i64,
        pub(crate) uptime: i64,
        pub(crate) boot: i64,
        pub(crate) synchronised: bool,
    }

    impl Driven {
        pub(crate) fn new(boot: i64) -> Arc<Self> {
            let hands = Hands { wall: 0, uptime: 1000, boot, synchronised: false };
            Arc::new(Self(Mutex::new(hands)))
        }

        /// Lets time pass.
        pub(crate) fn pass(&self, millis: i64) {
            let mut hands = self.0.lock().unwrap();
            hands.wall += millis;
            hands.uptime += millis;
        }

        /// Sets the wall clock.
        pub(crate) fn set(&self, wall: i64, synchronised: bool) {
            let mut hands = self.0.lock().unwrap();
            (hands.wall, hands.synchronised) = (wall, synchronised);
        }
    }

    impl Source for Driven {
        fn wall(&self) -> i64 {
            self.0.lock().unwrap().wall
        }

        fn uptime(&self) -> i64 {
            self.0.lock().unwrap().uptime
        }

        fn kernel_boot(&self) -> KernelBoot {
            KernelBoot(self.0.lock().unwrap().boot)
        }

        fn is_synchronised(&self) -> bool {
            self.0.lock().unwrap().synchronised
        }
    }

    const NOW: i64 = 1_795_456_115_802;

    #[test]
    fn only_a_clock_that_is_kept_right_is_believed_and_no_jump_misleads() {
        let source = Driven::new(1);
        let clock = Clock::new(source.clone(), Trust::Synchronised);
        let shown = || {
            let stamp = clock.stamp();
            (stamp.at.get(), stamp.clock)
        };
        assert_eq!(shown(), (1000, schema::Clock::Unset));
        source.set(NOW - 86_400_000, false);
        assert_eq!(shown(), (1000, schema::Clock::Unset), "last shutdown's time");
        source.set(5, true);
        assert_eq!(shown(), (1000, schema::Clock::Unset), "synchronised with nonsense");
        source.set(NOW, true);
        assert_eq!(shown(), (NOW, schema::Clock::Set));
        source.pass(500);
        source.set(NOW - 86_400_000, false);
        assert_eq!(shown(), (NOW + 500, schema::Clock::Set), "a jump back by hand");
        source.set(NOW + 86_400_000, false);
        assert_eq!(shown(), (NOW + 500, schema::Clock::Set), "a jump ahead by hand");
    }

    /// A clock that is set a day ahead by hand just before it is read for the `after`-th time.
    #[derive(Debug)]
    struct SetMeanwhile {
        clock: Arc<Driven>,
        after: Mutex<u32>,
    }

    impl Source for SetMeanwhile {
        fn wall(&self) -> i64 {
            let mut after = self.after.lock().unwrap();
            *after = after.saturating_sub(1);
            if *after == 0 {
                self.clock.set(NOW + 86_400_000, false);
            }
            self.clock.wall()
        }

        fn uptime(&self) -> i64 {
            self.clock.uptime()
        }

        fn kernel_boot(&self) -> KernelBoot {
            self.clock.kernel_boot()
        }

        fn is_synchronised(&self) -> bool {
            self.clock.is_synchronised()
        }
    }

    #[test]
    fn a_clock_that_is_set_by_hand_while_it_is_read_gives_no_false_time() {
        for after in 1..8 {
            let clock = Driven::new(1);
            clock.set(NOW, true);
            let source = Arc::new(SetMeanwhile { clock, after: Mutex::new(after) });
            let clock = Clock::new(source, Trust::Synchronised);
            for _ in 0..4 {
                let stamp = clock.stamp();
                let is_true = [NOW, 1000].contains(&stamp.at.get());
                assert!(is_true, "set before the {after}th look: {stamp:?}");
            }
        }
    }

    #[test]
    fn what_was_known_in_this_start_of_the_kernel_is_taken_up_again() {
        let source = Driven::new(1);
        let clock = Clock::new(source.clone(), Trust::Synchronised);
        clock.remember(NOW);
        assert_eq!(clock.stamp().at.get(), NOW + 1000);
        source.set(NOW + 7, true);
        assert_eq!(clock.stamp().at.get(), NOW + 7, "the clock itself is better");
        clock.remember(0);
        assert_eq!(clock.stamp().at.get(), NOW + 7);
    }

    #[test]
    fn a_clock_that_is_always_believed_must_at_least_be_possible() {
        let source = Driven::new(1);
        let clock = Clock::new(source.clone(), Trust::Always);
        assert_eq!(clock.stamp().clock, schema::Clock::Unset);
        source.set(NOW, false);
        assert_eq!(clock.stamp(), Stamp { at: bounded(NOW), clock: schema::Clock::Set });
    }
}
