//! Where the page's data is, as its visitors are told and as their commands must say.

use serde::Serialize;
use tokio::sync::watch;

use crate::target::Target;

/// Where the data is.
#[derive(Debug, Clone)]
pub struct Place {
    /// For a person.
    pub(super) words: String,
    /// What a command needs to reach the same tables.
    pub(super) flags: Vec<String>,
    pub(super) function: Function,
}

/// Who knows what the function does.
#[derive(Debug, Clone)]
pub(super) enum Function {
    /// This very program.
    Here(watch::Receiver<FunctionNow>),
    /// CloudWatch, in the account that the environment names.
    CloudWatch,
    /// Nobody here: the tables are behind an endpoint of their own.
    Unknown,
}

/// What the function of a local pipeline is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct FunctionNow {
    /// Events that wait for it, or are in it.
    pub open: u64,
    /// Events that have failed for good.
    pub failed: u64,
    /// Readings that it has written since the start, one that came twice counted twice.
    pub stored: u64,
}

impl Place {
    /// The tables of a command's target.
    pub(super) fn of(target: &Target) -> Self {
        let flags = target.flags();
        match &target.endpoint_url {
            Some(url) => {
                Self { words: format!("DynamoDB at {url}"), flags, function: Function::Unknown }
            }
            None => {
                let region = ["AWS_REGION", "AWS_DEFAULT_REGION"]
                    .iter()
                    .find_map(|name| std::env::var(name).ok())
                    .map_or_else(|| "AWS".to_owned(), |region| format!("AWS, {region}"));
                Self { words: region, flags, function: Function::CloudWatch }
            }
        }
    }

    /// The tables of a local pipeline, and what its function is doing.
    #[must_use]
    pub fn local(endpoint: &str, function: watch::Receiver<FunctionNow>) -> Self {
        Self {
            words: "`tidings up` on this machine".to_owned(),
            flags: vec!["--endpoint-url".to_owned(), endpoint.to_owned()],
            function: Function::Here(function),
        }
    }

    /// A command of this program that works on these tables, as one types it.
    pub(super) fn command(&self, words: &[&str]) -> String {
        let words = std::iter::once("tidings").chain(words.iter().copied());
        words.map(quoted).collect::<Vec<_>>().join(" ") + &self.flags()
    }

    /// What such a command ends with: nothing, or a space and its flags.
    pub(super) fn flags(&self) -> String {
        self.flags.iter().map(|flag| format!(" {}", quoted(flag))).collect()
    }
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_name_the_tables_and_are_safe_in_a_shell() {
        let place = Place {
            words: String::new(),
            flags: vec!["--endpoint-url".to_owned(), "http://127.0.0.1:8000".to_owned()],
            function: Function::Unknown,
        };
        assert_eq!(
            place.command(&["replay", "--device", "pi-1"]),
            "tidings replay --device pi-1 --endpoint-url http://127.0.0.1:8000"
        );
        assert_eq!(quoted("it's $(rm)"), r"'it'\''s $(rm)'");
        assert_eq!(quoted(""), "''");
    }
}
