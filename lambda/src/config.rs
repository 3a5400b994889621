//! What the environment says, read once at the start, with all its mistakes at once.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::alert::SnsSettings;
use crate::store::{DynamoSettings, StaticCredentials, Tables};

/// How long a reading is kept, and what else the pure core must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long readings and quarantined ones are kept.
    pub retention: Retention,
    /// How readings stand in their table.
    pub layout: Layout,
    /// What an invocation may take where the runtime names no deadline in the future.
    pub timeout: Duration,
}

/// How readings stand in the table `readings`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Layout {
    /// One item for each.
    #[default]
    Each,
    /// As many in an item as one write unit holds: about ten times cheaper, and only for those who
    /// read with `tidings` or take the packs apart themselves.
    Packed,
}

impl FromStr for Layout {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "each" => Ok(Self::Each),
            "packed" => Ok(Self::Packed),
            found => Err(format!("expected each or packed, but found {found:?}")),
        }
    }
}

/// How long items are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Readings, in days after the reading.
    pub reading_days: u32,
    /// Quarantined messages, in days after they came.
    pub quarantine_days: u32,
    /// Rollups, in days after the time that they are of.
    pub rollup_days: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            retention: Retention { reading_days: 365, quarantine_days: 30, rollup_days: 1826 },
            layout: Layout::Each,
            timeout: Duration::from_secs(30),
        }
    }
}

/// All that the function is configured with.
#[derive(Debug, Clone)]
pub struct Config {
    /// For the pure core.
    pub rules: Rules,
    /// The tables' names.
    pub tables: Tables,
    /// How to reach DynamoDB.
    pub dynamodb: DynamoSettings,
    /// Who is told of alerts.
    pub alerts: SnsSettings,
}

/// An environment with mistakes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEnvironment(Vec<String>);

impl fmt::Display for InvalidEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "environment: {}", self.0.join("; "))
    }
}

impl std::error::Error for InvalidEnvironment {}

impl Config {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// With every variable that is missing or wrong.
    pub fn from_env() -> Result<Self, InvalidEnvironment> {
        Self::read(|name| std::env::var(name).ok())
    }

    /// Reads variables from `get`.
    ///
    /// # Errors
    /// With every variable that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidEnvironment> {
        let mut reader = Reader { get: &get, problems: Vec::new() };
        let defaults = Rules::default();
        let dynamodb = reader.dynamodb();
        let config = Self {
            alerts: reader.alerts(&dynamodb),
            rules: Rules {
                retention: Retention {
                    reading_days: reader.number(
                        "TIDINGS_RETENTION_DAYS",
                        defaults.retention.reading_days,
                        1,
                        36_500,
                    ),
                    quarantine_days: reader.number(
                        "TIDINGS_QUARANTINE_DAYS",
                        defaults.retention.quarantine_days,
                        1,
                        36_500,
                    ),
                    rollup_days: reader.number(
                        "TIDINGS_ROLLUP_DAYS",
                        defaults.retention.rollup_days,
                        1,
                        36_500,
                    ),
                },
                layout: reader.layout(),
                timeout: Duration::from_secs(u64::from(reader.number(
                    "TIDINGS_TIMEOUT_SECONDS",
                    30,
                    3,
                    900,
                ))),
            },
            tables: Tables {
                readings: reader.table("TIDINGS_READINGS_TABLE", Tables::default().readings),
                quarantine: reader.table("TIDINGS_QUARANTINE_TABLE", Tables::default().quarantine),
                devices: reader.table("TIDINGS_DEVICES_TABLE", Tables::default().devices),
            },
            dynamodb,
        };
        if reader.problems.is_empty() {
            Ok(config)
        } else {
            Err(InvalidEnvironment(reader.problems))
        }
    }
}

struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| (self.get)(name).filter(|value| !value.is_empty()))
    }

    fn required(&mut self, names: &[&str], remedy: &str) -> String {
        self.text(names).unwrap_or_else(|| {
            self.problems.push(format!("{} is not set: {remedy}", names.join(" or ")));
            String::new()
        })
    }

    fn number(&mut self, name: &str, default: u32, min: u32, max: u32) -> u32 {
        let Some(text) = self.text(&[name]) else { return default };
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => number,
            Ok(_) | Err(_) => {
                self.problems.push(format!("{name}: expected {min} to {max}, but found {text:?}"));
                default
            }
        }
    }

    fn layout(&mut self) -> Layout {
        let Some(text) = self.text(&["TIDINGS_LAYOUT"]) else { return Layout::default() };
        text.parse().unwrap_or_else(|problem| {
            self.problems.push(format!("TIDINGS_LAYOUT: {problem}"));
            Layout::default()
        })
    }

    /// DynamoDB: "3 to 255 characters … a-z, A-Z, 0-9, _, -, ."
    fn table(&mut self, name: &str, default: String) -> String {
        let Some(text) = self.text(&[name]) else { return default };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if !(3..=255).contains(&text.len()) || !text.bytes().all(allowed) {
            self.problems.push(format!(
                "{name}: expected a table name (3 to 255 of A-Z a-z 0-9 _ - .), but found {text:?}"
            ));
        }
        text
    }

    /// A topic's name ("up to 256 … uppercase and lowercase ASCII letters, numbers, underscores, and
    /// hyphens", SNS API reference) or its ARN.
    fn alerts(&mut self, dynamodb: &DynamoSettings) -> SnsSettings {
        const NAME: &str = "TIDINGS_ALERT_TOPIC";
        let topic = self.text(&[NAME]);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let name = topic.as_deref().map(|topic| match topic.strip_prefix("arn:") {
            Some(arn) => arn.rsplit(':').next().unwrap_or_default(),
            None => topic,
        });
        if name.is_some_and(|name| !(1..=256).contains(&name.len()) || !name.bytes().all(allowed)) {
            self.problems.push(format!(
                "{NAME}: expected the name of a topic or its ARN, but found {:?}",
                topic.as_deref().unwrap_or_default()
            ));
        }
        SnsSettings {
            topic,
            region: dynamodb.region.clone(),
            endpoint: self.text(&["AWS_ENDPOINT_URL_SNS", "AWS_ENDPOINT_URL"]),
            credentials: dynamodb.credentials.clone(),
        }
    }

    /// Lambda sets region and credentials itself; elsewhere they come from the same variables, so
    /// that the function needs no part of the SDK that looks for them in files and services.
    fn dynamodb(&mut self) -> DynamoSettings {
        let remedy = "outside of Lambda, `aws configure export-credentials --format env` prints it";
        DynamoSettings {
            region: self
                .required(&["AWS_REGION", "AWS_DEFAULT_REGION"], "the region of the tables"),
            endpoint: self.text(&["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"]),
            credentials: StaticCredentials {
                key_id: self.required(&["AWS_ACCESS_KEY_ID"], remedy),
                secret: self.required(&["AWS_SECRET_ACCESS_KEY"], remedy),
                session_token: self.text(&["AWS_SESSION_TOKEN"]),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, InvalidEnvironment> {
        Config::read(|name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_lambda_sets_is_enough() {
        let config = read(&[
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_SESSION_TOKEN", "c"),
        ])
        .unwrap();
        assert_eq!(config.rules, Rules::default());
        assert_eq!(config.tables.readings, "readings");
        assert_eq!(config.dynamodb.endpoint, None);
        assert_eq!((config.alerts.topic, config.alerts.region.as_str()), (None, "eu-central-1"));
    }

    #[test]
    fn every_mistake_is_named_at_once() {
        let text = read(&[
            ("TIDINGS_RETENTION_DAYS", "0"),
            ("TIDINGS_TIMEOUT_SECONDS", "soon"),
            ("TIDINGS_LAYOUT", "tight"),
            ("TIDINGS_READINGS_TABLE", "a b"),
            ("TIDINGS_ALERT_TOPIC", "arn:aws:sns:us-east-1:1:"),
        ])
        .unwrap_err()
        .to_string();
        for name in [
            "TIDINGS_RETENTION_DAYS",
            "TIDINGS_TIMEOUT_SECONDS",
            "TIDINGS_LAYOUT",
            "TIDINGS_READINGS_TABLE",
            "TIDINGS_ALERT_TOPIC",
            "AWS_REGION",
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = read(&[
            ("AWS_REGION", "r"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "hush-hush"),
        ]);
        assert!(!format!("{config:?}").contains("hush"));
    }
}
