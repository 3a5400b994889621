//! Collects every mistake of a configuration, so that all are reported at once.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `sensor[1].interval`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and what is expected.
    pub message: String,
}

/// A configuration with mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The file.
    pub file: PathBuf,
    /// All its mistakes, in the order of the file's sections.
    pub problems: Vec<Problem>,
}

impl Invalid {
    pub(super) fn one(file: &Path, key: &str, message: String) -> Self {
        let problems = vec![Problem { key: key.to_owned(), message }];
        Self { file: file.to_owned(), problems }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        let noun = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "{}: {count} {noun}", self.file.display())?;
        for Problem { key, message } in &self.problems {
            let colon = if key.is_empty() { "" } else { ": " };
            write!(f, "\n  {key}{colon}{message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

/// The list in the making. Shared by the readers of all sections, hence the cell.
#[derive(Debug)]
pub(super) struct Problems {
    file: PathBuf,
    list: RefCell<Vec<Problem>>,
}

impl Problems {
    pub(super) fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), list: RefCell::default() }
    }

    pub(super) fn add(&self, key: &str, message: impl fmt::Display) {
        self.list.borrow_mut().push(Problem { key: key.to_owned(), message: message.to_string() });
    }

    /// Whether something was noted of that very key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.list.borrow().iter().any(|problem| problem.key == key)
    }

    /// The value, or `None` with its error in the list.
    pub(super) fn note<T>(&self, key: &str, result: Result<T, impl fmt::Display>) -> Option<T> {
        result.map_err(|error| self.add(key, error)).ok()
    }

    pub(super) fn as_invalid(&self) -> Option<Invalid> {
        let problems = self.list.borrow().clone();
        (!problems.is_empty()).then(|| Invalid { file: self.file.clone(), problems })
    }
}
