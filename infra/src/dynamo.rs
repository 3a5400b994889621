//! The operator's side of DynamoDB: the one file here that reads with the SDK.

use std::collections::{BTreeMap, HashMap};

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde::Serialize;
use tidings_ingest::item::SEEN_PARTITION;
use tidings_ingest::store::Tables;
use tidings_schema::{BootId, Clock, DeviceId, SensorId, Seq, UnixMillis, key};

use crate::Trouble;
use crate::cloud::local_settings;

/// The tables of one account or emulator.
#[derive(Debug, Clone)]
pub struct Database {
    client: Client,
    tables: Tables,
}

/// A reading as the table gives it back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredReading {
    /// The device.
    pub device: String,
    /// The sensor.
    pub sensor: String,
    /// When it was taken, in milliseconds since 1970, or since the device was switched on.
    pub at: UnixMillis,
    /// Which of the two.
    #[serde(skip_serializing_if = "is_set")]
    pub clock: Clock,
    /// The boot that it was taken in.
    pub boot: BootId,
    /// Its sequence number.
    pub seq: Seq,
    /// The values by quantity.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, f64>,
    /// The units of those that are not canonical.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
    /// Why there are no values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    /// When the rule saw its message, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<i64>,
}

/// A quarantined message, as far as this program looks at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// Why it was refused.
    pub reason: String,
    /// Who sent it.
    pub client_id: String,
    /// What it said.
    pub payload: Vec<u8>,
}

/// Which readings of a sensor are wanted, both ends included.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The earliest time.
    pub from: UnixMillis,
    /// The latest time.
    pub to: UnixMillis,
    /// The most readings.
    pub limit: usize,
    /// Whether the newest come first.
    pub newest_first: bool,
}

impl Database {
    /// The tables behind an endpoint, or those of the AWS account that the environment names.
    pub async fn connect(endpoint: Option<&str>, tables: Tables) -> Self {
        if let Some(endpoint) = endpoint.filter(|url| url.starts_with("http://")) {
            return Self::local(endpoint, tables);
        }
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http);
        if let Some(endpoint) = endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        Self { client: Client::new(&loader.load().await), tables }
    }

    /// The tables of a local emulator, which takes any credentials.
    #[must_use]
    pub fn local(endpoint: &str, tables: Tables) -> Self {
        Self { client: tidings_ingest::store::client(&local_settings(endpoint)), tables }
    }

    /// The sensors that the function has heard of, of one device or of all, and when.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn sensors(
        &self,
        device: Option<&DeviceId>,
    ) -> Result<Vec<(DeviceId, SensorId, i64)>, Trouble> {
        let prefix = device.map_or_else(String::new, |device| format!("{device}#"));
        let mut start = None;
        let mut list = Vec::new();
        loop {
            let query = self.client.query().table_name(&self.tables.devices);
            let query = if prefix.is_empty() {
                query.key_condition_expression("pk = :pk")
            } else {
                query
                    .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                    .expression_attribute_values(":prefix", AttributeValue::S(prefix.clone()))
            };
            let page = query
                .expression_attribute_values(":pk", AttributeValue::S(SEEN_PARTITION.to_owned()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| Trouble::Query(DisplayErrorContext(error).to_string()))?;
            for item in page.items() {
                let read = || {
                    let device = DeviceId::try_from(text(item, "device")?).ok()?;
                    let sensor = SensorId::try_from(text(item, "sensor")?).ok()?;
                    Some((device, sensor, number(item, "last_seen")?))
                };
                list.extend(read());
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(list);
            }
        }
    }

    /// Readings of one sensor.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn readings(
        &self,
        device: &DeviceId,
        sensor: &SensorId,
        window: Window,
    ) -> Result<Vec<StoredReading>, Trouble> {
        let mut list = Vec::new();
        self.each_item(&self.tables.readings, &key::partition(device, sensor), window, |item| {
            list.extend(stored(item));
        })
        .await?;
        list.truncate(window.limit);
        Ok(list)
    }

    /// Everything that was quarantined from then until now.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn quarantined_since(
        &self,
        from: UnixMillis,
        to: UnixMillis,
    ) -> Result<Vec<Refused>, Trouble> {
        let window = Window { from, to, limit: usize::MAX, newest_first: false };
        let mut list = Vec::new();
        let mut day = from;
        loop {
            self.each_item(&self.tables.quarantine, &day.date(), window, |item| {
                let payload = item.get("payload").and_then(|value| value.as_b().ok());
                list.push(Refused {
                    reason: text(item, "reason").unwrap_or_default().to_owned(),
                    client_id: text(item, "client_id").unwrap_or_default().to_owned(),
                    payload: payload.map(|blob| blob.as_ref().to_vec()).unwrap_or_default(),
                });
            })
            .await?;
            if day.date() == to.date() {
                return Ok(list);
            }
            const DAY_MS: i64 = 86_400_000;
            day = day.offset(DAY_MS).unwrap_or(to).min(to);
        }
    }

    async fn each_item(
        &self,
        table: &str,
        pk: &str,
        window: Window,
        mut each: impl FnMut(&HashMap<String, AttributeValue>),
    ) -> Result<(), Trouble> {
        let mut start = None;
        let mut found = 0;
        loop {
            let left = window.limit.saturating_sub(found);
            let page = self
                .client
                .query()
                .table_name(table)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(
                    ":from",
                    AttributeValue::S(key::time_prefix(window.from)),
                )
                // `~` sorts after every character of a key, so all of the last millisecond is in.
                .expression_attribute_values(
                    ":to",
                    AttributeValue::S(format!("{}~", key::time_prefix(window.to))),
                )
                .scan_index_forward(!window.newest_first)
                .limit(i32::try_from(left).unwrap_or(i32::MAX).max(1))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| Trouble::Query(DisplayErrorContext(error).to_string()))?;
            for item in page.items() {
                each(item);
                found += 1;
            }
            start = page.last_evaluated_key;
            if start.is_none() || found >= window.limit {
                return Ok(());
            }
        }
    }
}

// By reference, because serde calls it so.
#[expect(clippy::trivially_copy_pass_by_ref)]
fn is_set(clock: &Clock) -> bool {
    *clock == Clock::Set
}

type Item = HashMap<String, AttributeValue>;

fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn stored(item: &Item) -> Option<StoredReading> {
    let (at, boot, seq) = key::parse_sort_key(text(item, "sk")?)?;
    let map = |name: &str| item.get(name).and_then(|value| value.as_m().ok()).into_iter().flatten();
    Some(StoredReading {
        device: text(item, "device")?.to_owned(),
        sensor: text(item, "sensor")?.to_owned(),
        at,
        boot,
        seq,
        clock: if text(item, "clock") == Some(Clock::UNSET) { Clock::Unset } else { Clock::Set },
        values: map("values")
            .filter_map(|(name, value)| Some((name.clone(), value.as_n().ok()?.parse().ok()?)))
            .collect(),
        units: map("units")
            .filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone())))
            .collect(),
        fault: text(item, "fault").map(str::to_owned),
        received_at: number(item, "received_at"),
    })
}
