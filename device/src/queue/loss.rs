//! Why a reading that was to be kept is not, and how many: each loss is counted under one reason.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Why readings were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The queue was full, and the oldest made room (`when_full = "drop-oldest"`).
    Oldest,
    /// The queue was full, and the newest were not taken (`when_full = "drop-newest"`).
    Newest,
    /// The queue was full, and was thinned out (`when_full = "thin"`).
    Thinned,
    /// They waited longer than `max_age`.
    Age,
    /// Their rows on the disk were damaged.
    Damaged,
    /// The disk failed, and there was no more room in memory.
    Disk,
    /// No message can carry them.
    TooLarge,
    /// They broke the connection again and again, and are kept as dead letters.
    Poison,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Oldest,
        Self::Newest,
        Self::Thinned,
        Self::Age,
        Self::Damaged,
        Self::Disk,
        Self::TooLarge,
        Self::Poison,
    ];

    /// Its stable name: in the database, in the status line, and as quantity `lost_<name>` of the
    /// agent's own readings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oldest => "oldest",
            Self::Newest => "newest",
            Self::Thinned => "thinned",
            Self::Age => "age",
            Self::Damaged => "damaged",
            Self::Disk => "disk",
            Self::TooLarge => "too_large",
            Self::Poison => "poison",
        }
    }

    /// The reason of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// Readings lost, by reason.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Losses(BTreeMap<Loss, u64>);

impl Losses {
    /// Counts more.
    pub fn add(&mut self, reason: Loss, readings: u64) {
        if readings > 0 {
            *self.0.entry(reason).or_default() += readings;
        }
    }

    /// Counts all of another's.
    pub fn extend(&mut self, other: &Self) {
        for (reason, readings) in other.iter() {
            self.add(reason, readings);
        }
    }

    /// Each reason that has readings.
    pub fn iter(&self) -> impl Iterator<Item = (Loss, u64)> {
        self.0.iter().map(|(reason, readings)| (*reason, *readings))
    }

    /// How many for this reason.
    #[must_use]
    pub fn of(&self, reason: Loss) -> u64 {
        self.0.get(&reason).copied().unwrap_or(0)
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
