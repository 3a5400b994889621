//! What came of an import.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::table::Table;
use crate::Trouble;

/// The function's reason for what is older than readings are kept.
const TOO_OLD: &str = "too-old";

/// Rows that are not stored and are kept to be told; more are counted.
const MAX_TOLD: usize = 10_000;

/// Of those, how many are printed for people.
const MAX_PRINTED: usize = 200;

/// How many of those that are too old are told; how old the oldest is, is told too.
const MAX_OLD_TOLD: usize = 20;

/// A row that is not stored.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Bad {
    file: PathBuf,
    line: u64,
    why: String,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sums {
    pub(super) files: usize,
    pub(super) rows: u64,
    /// Readings in the table, or that would be.
    pub(super) readings: usize,
    /// Rows that say what another row says.
    pub(super) duplicates: usize,
    /// Rows with a time and nothing else.
    pub(super) empty: u64,
    /// Rows of a time that a clock showed twice, placed by those before.
    pub(super) ambiguous: u64,
    /// Rows that make no sense.
    pub(super) bad: u64,
    /// Readings that the function would refuse, by reason. They are not sent: the file has them.
    pub(super) refused: BTreeMap<String, usize>,
    pub(super) dry_run: bool,
    /// Of those that are older than readings are kept, how old the oldest is, in days.
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_days: Option<i64>,
    bad_rows: Vec<Bad>,
}

impl Sums {
    /// Of so many files, before any row.
    pub(super) fn of(files: usize) -> Self {
        Self { files, ..Self::default() }
    }

    /// A row that makes no sense.
    pub(super) fn bad(&mut self, table: &Table, line: u64, why: String) {
        self.bad += 1;
        self.tell(table, line, why);
    }

    /// A reading that the function would refuse.
    pub(super) fn refused(&mut self, table: &Table, line: u64, reason: &str, detail: &str) {
        *self.refused.entry(reason.to_owned()).or_default() += 1;
        self.tell(table, line, format!("{detail} ({reason})"));
    }

    /// A reading that is older than readings are kept.
    pub(super) fn too_old(&mut self, table: &Table, line: u64, age_days: i64, keep_days: u32) {
        self.oldest_days = self.oldest_days.max(Some(age_days));
        let count = self.refused.entry(TOO_OLD.to_owned()).or_default();
        *count += 1;
        // They are most of a file or none, and leave room for what else is wrong.
        if *count <= MAX_OLD_TOLD {
            self.tell(
                table,
                line,
                format!(
                    "it is {age_days} days old, and readings are kept for {keep_days}: raise --keep-days ({TOO_OLD})"
                ),
            );
        }
    }

    /// How many are too old, and what would keep them.
    pub(super) fn of_age(&self, keep_days: u32) -> Option<String> {
        let (count, oldest) = (self.refused.get(TOO_OLD)?, self.oldest_days?);
        Some(format!(
            "{count} readings are older than the {keep_days} days that readings are kept, the oldest {oldest} days: they are not stored unless you say --keep-days {}",
            oldest + 1
        ))
    }

    /// How many readings are refused.
    pub(super) fn all_refused(&self) -> usize {
        self.refused.values().sum()
    }

    fn tell(&mut self, table: &Table, line: u64, why: String) {
        if self.bad_rows.len() < MAX_TOLD {
            self.bad_rows.push(Bad { file: table.path.clone(), line, why });
        }
    }

    pub(super) fn print(&mut self, json: bool, out: &mut impl Write) -> Result<(), Trouble> {
        // Those that are refused are seen only when they are about to be written.
        self.bad_rows.sort();
        if json {
            let line = serde_json::to_string(self)
                .map_err(|error| Trouble::Internal(error.to_string()))?;
            return Ok(writeln!(out, "{line}")?);
        }
        for Bad { file, line, why } in self.bad_rows.iter().take(MAX_PRINTED) {
            writeln!(out, "{}, line {line}: {why}", file.display())?;
        }
        let printed = self.bad_rows.len().min(MAX_PRINTED);
        let more = (self.bad + self.all_refused() as u64).saturating_sub(printed as u64);
        if more > 0 {
            writeln!(out, "… and {more} more (--json has more)")?;
        }
        let Self { files, rows, readings, duplicates, empty, ambiguous, .. } = self;
        let Self { bad, refused, dry_run, .. } = self;
        let verb = if *dry_run { "would be stored" } else { "stored" };
        write!(out, "{rows} rows of {files} files: {readings} readings {verb}")?;
        for (count, what) in [
            (*duplicates as u64, "stand twice"),
            (*empty, "are empty"),
            (*ambiguous, "of an hour that a clock showed twice, placed by the rows before"),
            (*bad, "make no sense"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        let will = if *dry_run { "would be " } else { "" };
        for (reason, count) in refused {
            write!(out, ", {count} {will}refused ({reason})")?;
        }
        Ok(writeln!(out)?)
    }
}
