//! The one place that knows the DynamoDB SDK.

mod alerts;
mod archive;
pub mod stored;
mod transport;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig,
};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use serde_json::Value as Json;
use tidings_schema::DeviceId;

pub use self::archive::{due as read_due, rollup as read_rollup};
use self::transport::{OneEndpoint, OwnBody};
use super::{Stands, Store, StoreError, Tables, body};
use crate::item::{Item, PROFILE_PARTITION, Put};

/// How to reach DynamoDB.
#[derive(Debug, Clone)]
pub struct DynamoSettings {
    /// The tables' region.
    pub region: String,
    /// Another endpoint than AWS's own: an emulator.
    pub endpoint: Option<String>,
    /// Who we are.
    pub credentials: StaticCredentials,
}

/// Credentials that hold for the life of the process, as a function's do.
#[derive(Clone)]
pub struct StaticCredentials {
    /// Access key id.
    pub key_id: String,
    /// Secret access key.
    pub secret: String,
    /// Session token, with temporary credentials.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaticCredentials").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

/// Time to connect: within a region a few milliseconds, so a second means trouble.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Time for one call. DynamoDB answers a batch in some 10 ms; after this another try is better.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);

/// Makes a client. It does not retry by itself: the writer does, within the deadline.
#[must_use]
pub fn client(settings: &DynamoSettings) -> Client {
    let StaticCredentials { key_id, secret, session_token } = settings.credentials.clone();
    let http = aws_smithy_http_client::Builder::new();
    let plain = settings.endpoint.as_deref().is_some_and(|url| url.starts_with("http://"));
    // An emulator on plain HTTP needs no TLS, and so not the machine's root certificates either.
    let http = if plain {
        http.build_http()
    } else {
        http.tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https()
    };
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(settings.region.clone()))
        .credentials_provider(Credentials::new(key_id, secret, session_token, None, "environment"))
        .http_client(http)
        .retry_config(RetryConfig::disabled())
        // Calls are short and have a time limit of their own.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .endpoint_resolver(OneEndpoint::default())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(CONNECT_TIMEOUT)
                .operation_timeout(CALL_TIMEOUT)
                .build(),
        );
    config.set_endpoint_url(settings.endpoint.clone());
    Client::from_conf(config.build())
}

/// DynamoDB.
#[derive(Debug, Clone)]
pub struct DynamoStore {
    client: Client,
    tables: Tables,
}

impl DynamoStore {
    /// Makes a client of its own. Nothing is sent yet.
    #[must_use]
    pub fn connect(settings: &DynamoSettings, tables: Tables) -> Self {
        Self::new(client(settings), tables)
    }

    /// With the connections, credentials and settings of a client that is there already. What
    /// puts our bodies into its calls is added here, so that there is no store without it.
    #[must_use]
    pub fn new(client: Client, tables: Tables) -> Self {
        let config = client.config().to_builder().interceptor(OwnBody).build();
        Self { client: Client::from_conf(config), tables }
    }
}

impl Store for DynamoStore {
    async fn write(&self, puts: &[Put]) -> Result<Vec<usize>, StoreError> {
        let body = body::batch_write_item(puts, &self.tables);
        // The SDK signs, sends, and reads the answer; the body is ours (`body` says why).
        let call = self.client.batch_write_item().set_request_items(Some(HashMap::new())).send();
        let answer = transport::with_body(body, call).await;
        let unprocessed = answer.map_err(named)?.unprocessed_items.unwrap_or_default();
        if unprocessed.is_empty() {
            return Ok(Vec::new());
        }
        let left: HashSet<(&str, &str, &str)> = unprocessed
            .iter()
            .flat_map(|(table, requests)| requests.iter().map(move |request| (table, request)))
            .filter_map(|(table, request)| {
                let item = request.put_request()?.item();
                Some((table.as_str(), text(item, "pk")?, text(item, "sk")?))
            })
            .collect();
        let is_left = |put: &Put| {
            let (table, pk, sk) = put.address();
            left.contains(&(self.tables.name(table), pk, sk))
        };
        Ok(puts.iter().enumerate().filter(|(_, put)| is_left(put)).map(|(at, _)| at).collect())
    }

    async fn put_where(&self, item: &Item, stands: Stands) -> Result<bool, StoreError> {
        let body = body::put_item(item, &self.tables, stands);
        let table = self.tables.name(item.address().0);
        let call = self.client.put_item().table_name(table).set_item(Some(HashMap::new())).send();
        was_allowed(transport::with_body(body, call).await)
    }

    async fn profiles(&self, devices: &[DeviceId]) -> Result<Vec<(DeviceId, Json)>, StoreError> {
        let key = |device: &DeviceId| {
            let text = |text: &str| AttributeValue::S(text.to_owned());
            HashMap::from([
                ("pk".to_owned(), text(PROFILE_PARTITION)),
                ("sk".to_owned(), text(device.as_str())),
            ])
        };
        let keys = KeysAndAttributes::builder()
            .set_keys(Some(devices.iter().map(key).collect()))
            .build()
            .expect("a request with keys is complete");
        let answer = self
            .client
            .batch_get_item()
            .request_items(&self.tables.devices, keys)
            .send()
            .await
            .map_err(named)?;
        if answer.unprocessed_keys().is_some_and(|keys| !keys.is_empty()) {
            let code = "UnprocessedKeys".to_owned();
            return Err(StoreError::Passing { code, source: "not all devices were read".into() });
        }
        let items = answer.responses.unwrap_or_default().remove(&self.tables.devices);
        let profile = |item: HashMap<String, AttributeValue>| {
            let device = DeviceId::try_from(text(&item, "sk")?).ok()?;
            Some((device, plain_json(&AttributeValue::M(item))))
        };
        Ok(items.unwrap_or_default().into_iter().filter_map(profile).collect())
    }
}

fn text<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// An attribute as plain JSON: numbers as numbers, sets as arrays, binary data as null.
#[must_use]
pub fn plain_json(value: &AttributeValue) -> Json {
    match value {
        AttributeValue::S(text) => Json::from(text.as_str()),
        AttributeValue::N(number) => serde_json::from_str(number).unwrap_or_default(),
        AttributeValue::Bool(value) => Json::from(*value),
        AttributeValue::L(list) => list.iter().map(plain_json).collect(),
        AttributeValue::Ss(list) => list.iter().map(String::as_str).collect(),
        AttributeValue::M(map) => {
            map.iter().map(|(name, value)| (name.clone(), plain_json(value))).collect()
        }
        // Nothing that an operator says is of these kinds; the enum is not exhaustive.
        _ => Json::Null,
    }
}

/// Whether a write under a condition was done; what stood did not allow it otherwise.
fn was_allowed<T, E>(answer: Result<T, SdkError<E>>) -> Result<bool, StoreError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match answer {
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        answer => answer.map(|_| true).map_err(named),
    }
}

/// Says of an SDK error whether it will pass.
fn named<E>(error: SdkError<E>) -> StoreError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let lasting = match &error {
        SdkError::ConstructionFailure(_) => true,
        SdkError::ServiceError(service) => {
            let status = service.raw().status().as_u16();
            // A client error that is no throttling. New codes of throttling end in these words.
            (400..500).contains(&status)
                && !code.as_deref().is_some_and(|code| {
                    code.contains("Throttl")
                        || code.ends_with("LimitExceeded")
                        || code.ends_with("LimitExceededException")
                        || code == "ProvisionedThroughputExceededException"
                        || code == "TransactionInProgressException"
                })
        }
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => {
            false
        }
        // The enum is not exhaustive: an unknown kind may pass, and the deadline bounds the tries.
        _ => false,
    };
    let code = code.unwrap_or_else(|| error.to_string());
    if lasting {
        let message = error.message().unwrap_or("no message").to_owned();
        StoreError::Lasting { code, message }
    } else {
        StoreError::Passing { code, source: Box::new(error) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_become_plain_json() {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let item = AttributeValue::M(HashMap::from([
            ("site".to_owned(), text("north")),
            ("altitude".to_owned(), AttributeValue::N("34.5".to_owned())),
            ("derive".to_owned(), AttributeValue::Ss(vec!["dew_point".to_owned()])),
            ("list".to_owned(), AttributeValue::L(vec![AttributeValue::Bool(true)])),
            ("nothing".to_owned(), AttributeValue::Null(true)),
        ]));
        let expected = serde_json::json!({"site": "north", "altitude": 34.5,
            "derive": ["dew_point"], "list": [true], "nothing": null});
        assert_eq!(plain_json(&item), expected);
    }
}
