//! What is wrong with the facts. Pure.

mod fleet;
mod function;
mod path;
mod schedule;
mod store;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;
use tidings_schema::UnixMillis;

pub(super) use self::fleet::{ago, last_heard};
use super::facts::{Fact, Facts};

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Good,
    /// To be known; nothing is lost by it.
    Warning,
    /// Readings are lost by it, or will be, or nobody can look.
    Wrong,
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// What it is about: stable, so that programs can look for it.
    pub(super) about: &'static str,
    pub(super) says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mend: Option<String>,
}

/// What deploys the parts again.
const MEND_BASE: &str =
    "deploy the stack tidings-base again: infra/cloudformation/base.yaml, or tidings deploy";
const MEND_WIRE: &str =
    "deploy the stack tidings-wire again: infra/cloudformation/wire.yaml, or tidings deploy";
const MEND_FUNCTION: &str = "deploy the function again: in lambda/, cargo lambda build --release --arm64 and cargo lambda deploy tidings-ingest --role …, or tidings deploy";

/// Findings as they are gathered.
#[derive(Debug, Default)]
struct Report(Vec<Finding>);

impl Report {
    fn good(&mut self, about: &'static str, says: impl Into<String>) {
        self.0.push(Finding { level: Level::Good, about, says: says.into(), mend: None });
    }

    fn warn(&mut self, about: &'static str, says: impl Into<String>, mend: impl Into<String>) {
        let mend = Some(mend.into());
        self.0.push(Finding { level: Level::Warning, about, says: says.into(), mend });
    }

    fn wrong(&mut self, about: &'static str, says: impl Into<String>, mend: impl Into<String>) {
        let mend = Some(mend.into());
        self.0.push(Finding { level: Level::Wrong, about, says: says.into(), mend });
    }

    /// Good where none of these problems is there.
    fn all_of(
        &mut self,
        about: &'static str,
        good: impl Into<String>,
        problems: Vec<String>,
        mend: &str,
    ) {
        if problems.is_empty() {
            self.good(about, good);
        } else {
            self.wrong(about, problems.join("; "), mend);
        }
    }

    /// The fact, or a line that it could not be had.
    fn fact<'a, T>(&mut self, about: &'static str, fact: &'a Fact<T>) -> Option<&'a T> {
        match fact {
            Ok(value) => Some(value),
            Err(said) => {
                self.wrong(
                    about,
                    format!("cannot be looked at: {said}"),
                    "see to the credentials, the region and the permissions of whoever runs this",
                );
                None
            }
        }
    }

    /// The same where it may be missing.
    fn there<'a, T>(
        &mut self,
        about: &'static str,
        fact: &'a Fact<Option<T>>,
        missing: &str,
        mend: &str,
    ) -> Option<&'a T> {
        let found = self.fact(about, fact)?.as_ref();
        if found.is_none() {
            self.wrong(about, missing, mend);
        }
        found
    }
}

/// Looks at all the facts.
pub(super) fn check(facts: &Facts, now: UnixMillis, silent_after: Duration) -> Vec<Finding> {
    let mut report = Report::default();
    function::check(facts, &mut report);
    path::check(facts, &mut report);
    schedule::check(facts, &mut report);
    store::check(facts, &mut report);
    fleet::check(facts, now, silent_after, &mut report);
    report.0
}
