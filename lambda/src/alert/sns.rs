//! The topic of SNS that is told of alerts: the one file that knows its SDK.

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_sns::Client;
use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_sdk_sns::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};
use aws_sdk_sns::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_sns::types::MessageAttributeValue;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use super::notify::{Logged, Note, Notifier, NotifyError};
use crate::store::StaticCredentials;

/// SNS answers in some 20 ms; after this another try, by the next tick, is better.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// How to reach SNS.
#[derive(Debug, Clone)]
pub struct SnsSettings {
    /// Name or ARN of the topic; without, alerts are logged alone.
    pub topic: Option<String>,
    /// Its region.
    pub region: String,
    /// Another endpoint than AWS's own: an emulator.
    pub endpoint: Option<String>,
    /// Who we are.
    pub credentials: StaticCredentials,
}

/// The topic. Its client is made with the first alert: a start without one costs nothing.
#[derive(Debug)]
pub struct SnsTopic {
    settings: SnsSettings,
    arn: OnceLock<String>,
    client: OnceLock<Client>,
}

impl SnsTopic {
    /// Nothing is made and nothing is sent yet.
    #[must_use]
    pub const fn new(settings: SnsSettings) -> Self {
        Self { settings, arn: OnceLock::new(), client: OnceLock::new() }
    }

    /// A topic that is known by its name is that of the account and region of this function.
    pub fn learn(&self, function_arn: &str) {
        if let Some(arn) = self.settings.topic.as_deref().and_then(|name| arn(name, function_arn)) {
            self.arn.get_or_init(|| arn);
        }
    }

    fn client(&self) -> &Client {
        self.client.get_or_init(|| {
            let SnsSettings { region, endpoint, credentials, .. } = self.settings.clone();
            let StaticCredentials { key_id, secret, session_token } = credentials;
            let http = aws_smithy_http_client::Builder::new();
            let plain = endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
            let http = if plain {
                http.build_http()
            } else {
                http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
            };
            let mut config = aws_sdk_sns::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(region))
                .credentials_provider(Credentials::new(
                    key_id,
                    secret,
                    session_token,
                    None,
                    "environment",
                ))
                .http_client(http)
                // A try whose answer was lost may have been told: only the tick tells again.
                .retry_config(RetryConfig::disabled())
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .timeout_config(
                    TimeoutConfig::builder()
                        .connect_timeout(CALL_TIMEOUT)
                        .operation_timeout(CALL_TIMEOUT)
                        .build(),
                );
            config.set_endpoint_url(endpoint);
            Client::from_conf(config.build())
        })
    }
}

impl Notifier for SnsTopic {
    async fn tell(&self, note: &Note) -> Result<(), NotifyError> {
        let Some(topic) = &self.settings.topic else { return Logged.tell(note).await };
        let arn = match self.arn.get() {
            Some(arn) => arn,
            None if topic.starts_with("arn:") => topic,
            None => {
                let text = format!("the account of the topic {topic} is not known: give its ARN");
                return Err(NotifyError(text));
            }
        };
        let attribute = |text: &str| {
            MessageAttributeValue::builder().data_type("String").string_value(text).build()
        };
        let mut call =
            self.client().publish().topic_arn(arn).subject(&note.subject).message(&note.text);
        let state = if note.raised { "raised" } else { "cleared" };
        for (name, text) in [
            ("id", note.id.as_str()),
            ("device", note.device.as_str()),
            ("alert", note.name.as_str()),
            ("state", state),
        ] {
            let value = attribute(text).map_err(|error| NotifyError(error.to_string()))?;
            call = call.message_attributes(name, value);
        }
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(NotifyError(match (error.code(), error.message()) {
                (Some(code), Some(message)) => format!("SNS: {code}: {message}"),
                (Some(_), None) | (None, _) => format!("SNS: {}", DisplayErrorContext(&error)),
            })),
        }
    }
}

/// The topic's ARN: what it is itself, or with account and region of the function.
fn arn(topic: &str, function_arn: &str) -> Option<String> {
    if topic.starts_with("arn:") {
        return Some(topic.to_owned());
    }
    let parts: Vec<&str> = function_arn.split(':').collect();
    let ["arn", partition, "lambda", region, account, "function", ..] = parts.as_slice() else {
        return None;
    };
    Some(format!("arn:{partition}:sns:{region}:{account}:{topic}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_that_of_the_functions_account() {
        let function = "arn:aws-cn:lambda:cn-north-1:123456789012:function:tidings-ingest:live";
        let expected = "arn:aws-cn:sns:cn-north-1:123456789012:tidings-alerts";
        assert_eq!(arn("tidings-alerts", function).as_deref(), Some(expected));
        assert_eq!(arn(expected, "function").as_deref(), Some(expected));
        assert_eq!(arn("tidings-alerts", "cargo-lambda-watch"), None);
    }

    #[tokio::test]
    async fn without_an_account_nothing_is_sent_and_what_to_do_is_said() {
        let credentials =
            StaticCredentials { key_id: "k".into(), secret: "s".into(), session_token: None };
        let settings = SnsSettings {
            topic: Some("tidings-alerts".into()),
            region: "r".into(),
            endpoint: None,
            credentials,
        };
        let topic = SnsTopic::new(settings.clone());
        topic.learn("somewhere else");
        let note = Note {
            device: "pi-1".try_into().unwrap(),
            name: "silence".into(),
            raised: true,
            subject: "s".into(),
            text: "t".into(),
            id: "i".into(),
        };
        assert!(topic.tell(&note).await.unwrap_err().to_string().contains("give its ARN"));
        assert!(topic.client.get().is_none());
        let none = SnsTopic::new(SnsSettings { topic: None, ..settings });
        assert_eq!(none.tell(&note).await, Ok(()), "logged");
    }
}
