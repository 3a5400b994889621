//! The one file that knows the DynamoDB SDK.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

use tidings_schema::Clock;

use super::{Store, StoreError, Tables};
use crate::item::{Content, Put, QuarantineItem, ReadingItem, SEEN_PARTITION, SeenItem, Table};

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
        Self { client: client(settings), tables }
    }

    fn table_name(&self, table: Table) -> &str {
        match table {
            Table::Readings => &self.tables.readings,
            Table::Quarantine => &self.tables.quarantine,
            Table::Devices => &self.tables.devices,
        }
    }
}

impl Store for DynamoStore {
    async fn write(&self, puts: &[Put]) -> Result<Vec<usize>, StoreError> {
        let mut requests: HashMap<String, Vec<WriteRequest>> = HashMap::new();
        for put in puts {
            let (table, ..) = put.address();
            let item = match put {
                Put::Reading(item) => reading(item),
                Put::Quarantine(item) => quarantine(item),
                Put::Seen(item) => seen(item),
            };
            let request = PutRequest::builder()
                .set_item(Some(item))
                .build()
                .expect("a put with an item is complete");
            requests
                .entry(self.table_name(table).to_owned())
                .or_default()
                .push(WriteRequest::builder().put_request(request).build());
        }
        let answer = self.client.batch_write_item().set_request_items(Some(requests)).send().await;
        let unprocessed = answer.map_err(named)?.unprocessed_items.unwrap_or_default();
        if unprocessed.is_empty() {
            return Ok(Vec::new());
        }
        let left = |put: &Put| {
            let (table, pk, sk) = put.address();
            unprocessed
                .get(self.table_name(table))
                .into_iter()
                .flatten()
                .filter_map(|request| request.put_request())
                .any(|request| {
                    let key = |name| request.item().get(name).and_then(|value| value.as_s().ok());
                    key("pk").is_some_and(|found| found == pk)
                        && key("sk").is_some_and(|found| found == sk)
                })
        };
        Ok(puts.iter().enumerate().filter(|(_, put)| left(put)).map(|(index, _)| index).collect())
    }
}

/// Says of an SDK error whether it will pass.
fn named(error: SdkError<BatchWriteItemError>) -> StoreError {
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

type Item = HashMap<String, AttributeValue>;

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// An item without the attributes that are not there.
fn item(attributes: impl IntoIterator<Item = (&'static str, Option<AttributeValue>)>) -> Item {
    attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn reading(reading: &ReadingItem) -> Item {
    let (values, units, fault) = match &reading.content {
        Content::Fault(fault) => (None, None, Some(text(fault.name()))),
        Content::Values(list) => {
            let values =
                list.iter().map(|(quantity, value, _)| (quantity.to_string(), number(value)));
            let units: Item = list
                .iter()
                .filter_map(|(quantity, _, unit)| {
                    Some((quantity.to_string(), text(unit.as_ref()?.name())))
                })
                .collect();
            let units = (!units.is_empty()).then_some(AttributeValue::M(units));
            (Some(AttributeValue::M(values.collect())), units, None)
        }
    };
    // A false time would be worse than none.
    let (at, clock, uptime) = match reading.clock {
        Clock::Set => (Some(number(reading.at)), None, None),
        Clock::Unset => (None, Some(text(Clock::UNSET)), Some(number(reading.at))),
    };
    item([
        ("pk", Some(text(&reading.key.pk))),
        ("sk", Some(text(&reading.key.sk))),
        ("device", Some(text(reading.device.as_str()))),
        ("sensor", Some(text(reading.sensor.as_str()))),
        ("at", at),
        ("clock", clock),
        ("uptime_ms", uptime),
        ("values", values),
        ("units", units),
        ("fault", fault),
        ("received_at", Some(number(reading.received_at))),
        ("trace_id", reading.trace_id.as_deref().map(text)),
        ("expires_at", Some(number(reading.expires_at))),
    ])
}

fn quarantine(refused: &QuarantineItem) -> Item {
    item([
        ("pk", Some(text(&refused.pk))),
        ("sk", Some(text(&refused.sk))),
        ("reason", Some(text(refused.reason))),
        ("detail", Some(text(&refused.detail))),
        ("topic", Some(text(&refused.topic))),
        ("client_id", Some(text(&refused.client_id))),
        ("principal", refused.principal.as_deref().map(text)),
        ("trace_id", refused.trace_id.as_deref().map(text)),
        ("sensor", refused.sensor.as_deref().map(text)),
        ("received_at", Some(number(refused.received_at))),
        ("payload", Some(AttributeValue::B(Blob::new(refused.payload.clone())))),
        ("expires_at", Some(number(refused.expires_at))),
    ])
}

fn seen(seen: &SeenItem) -> Item {
    item([
        ("pk", Some(text(SEEN_PARTITION))),
        ("sk", Some(text(&seen.sk))),
        ("device", Some(text(seen.device.as_str()))),
        ("sensor", Some(text(seen.sensor.as_str()))),
        ("last_seen", Some(number(seen.last_seen))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_table_can_hold_them() {
        use tidings_schema::Value;
        for (value, expected) in [(21.5, "21.5"), (1e-7, "1e-7"), (3.0, "3")] {
            let AttributeValue::N(written) = number(Value::new(value).unwrap()) else { panic!() };
            assert_eq!(written, expected);
        }
    }
}
