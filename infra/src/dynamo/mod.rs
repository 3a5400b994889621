//! The operator's side of DynamoDB: the one place here that reads with the SDK.

mod alerts;
mod fleet;
mod identity;
mod refusals;
mod series;
mod stored;
mod stream;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;
use serde::Serialize;
use serde_json::Value as Json;
use tidings_ingest::item::{PROFILE_PARTITION, SEEN_PARTITION};
use tidings_ingest::store::{DynamoStore, Tables, plain_json};
use tidings_schema::{Clock, DeviceId, SensorId, UnixMillis, key, packed};

pub use self::alerts::AlertState;
pub use self::fleet::Refusals;
pub use self::refusals::{Before, RefusedPage};
pub use self::series::{FaultAt, Line, Series, SeriesQuery, Unset};
use self::stored::{Gathered, Item, number, numbers, refused, text, texts};
pub use self::stored::{Refused, StoredReading};
pub use self::stream::{Between, Stream};
use crate::Trouble;
use crate::account::aws_says;
use crate::aws;
use crate::cloud::local_settings;
use crate::tables::{self, TableState};

/// The tables of one account or emulator.
#[derive(Debug, Clone)]
pub struct Database {
    client: Client,
    tables: Tables,
}

/// A sensor that the function has heard of.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// The device.
    pub device: DeviceId,
    /// The sensor.
    pub sensor: SensorId,
    /// When the rule saw its last message, to the minute.
    pub last_seen: UnixMillis,
    /// The certificate that the message came with.
    pub principal: Option<String>,
    /// What it said last; `None` where a version of the function said it that did not tell.
    pub latest: Option<Latest>,
}

/// What a sensor said last, to the minute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Latest {
    /// When, in milliseconds since 1970, or since the device was switched on.
    pub at: UnixMillis,
    /// Which of the two.
    pub clock: Clock,
    /// The values by quantity.
    pub values: BTreeMap<String, f64>,
    /// The units of those that are not canonical.
    pub units: BTreeMap<String, String>,
    /// Why there are no values.
    pub fault: Option<String>,
}

/// Whether a query goes on.
enum Flow {
    Continue,
    Enough,
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
        Self { client: Client::new(&aws::config(endpoint).await), tables }
    }

    /// The tables of a local emulator, which takes any credentials.
    #[must_use]
    pub fn local(endpoint: &str, tables: Tables) -> Self {
        Self { client: tidings_ingest::store::client(&local_settings(endpoint)), tables }
    }

    /// The state of one of the tables, if it is there.
    pub(crate) async fn table_state(&self, name: &str) -> Result<Option<TableState>, Trouble> {
        tables::state(&self.client, name).await
    }

    /// The sensors that the function has heard of, of one device or of all, and when.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn sensors(&self, device: Option<&DeviceId>) -> Result<Vec<Heard>, Trouble> {
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
                .map_err(|error| Trouble::Query(aws_says(&error)))?;
            for item in page.items() {
                let read = || {
                    Some(Heard {
                        device: DeviceId::try_from(text(item, "device")?).ok()?,
                        sensor: SensorId::try_from(text(item, "sensor")?).ok()?,
                        last_seen: UnixMillis::new(number(item, "last_seen")?).ok()?,
                        principal: text(item, "principal").map(str::to_owned),
                        latest: latest(item),
                    })
                };
                list.extend(read());
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(list);
            }
        }
    }

    /// Readings of one sensor, in either layout, each once.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn readings(
        &self,
        device: &DeviceId,
        sensor: &SensorId,
        window: Window,
    ) -> Result<Vec<StoredReading>, Trouble> {
        // A pack stands under its first reading, and its last may be within the window.
        Ok(self.readings_after(device, sensor, window, packed::SPAN_MS).await?.0)
    }

    /// The same where no pack that begins earlier than so many milliseconds before the window reaches into
    /// it; and whether there were packs.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn readings_after(
        &self,
        device: &DeviceId,
        sensor: &SensorId,
        window: Window,
        reach_ms: i64,
    ) -> Result<(Vec<StoredReading>, bool), Trouble> {
        let pk = key::partition(device, sensor);
        let mut gathered = Gathered::new(window);
        let from = window.from.offset(-reach_ms).unwrap_or(UnixMillis::MIN);
        let around = Window { from, ..window };
        self.each_item(&self.tables.readings, &pk, around, |item| gathered.add(item)).await?;
        let has_packs = gathered.has_packs;
        Ok((gathered.finish(), has_packs))
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
                list.push(refused(item));
                Flow::Continue
            })
            .await?;
            if day.date() == to.date() {
                return Ok(list);
            }
            const DAY_MS: i64 = 86_400_000;
            day = day.offset(DAY_MS).unwrap_or(to).min(to);
        }
    }

    /// What the operator says of a device.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn said(&self, device: &DeviceId) -> Result<Option<Json>, Trouble> {
        let item = self
            .client
            .get_item()
            .table_name(&self.tables.devices)
            .set_key(Some(profile_key(device)))
            .send()
            .await
            .map_err(|error| Trouble::Query(aws_says(&error)))?
            .item;
        Ok(item.map(|mut item| {
            item.retain(|name, _| name != "pk" && name != "sk");
            plain_json(&AttributeValue::M(item))
        }))
    }

    /// Says this of a device, in place of what was said; or nothing.
    ///
    /// # Errors
    /// When it is no object, or the table cannot be written.
    pub async fn say(&self, device: &DeviceId, said: Option<&Json>) -> Result<(), Trouble> {
        let table = &self.tables.devices;
        let wrong = |error: String| Trouble::Query(error);
        let Some(said) = said else {
            let delete = self.client.delete_item().table_name(table);
            let done = delete.set_key(Some(profile_key(device))).send().await;
            return done.map(drop).map_err(|error| wrong(aws_says(&error)));
        };
        let Some(AttributeValue::M(mut item)) = attribute(said) else {
            return Err(Trouble::Usage("expected a JSON object".to_owned()));
        };
        item.extend(profile_key(device));
        let put = self.client.put_item().table_name(table).set_item(Some(item)).send().await;
        put.map(drop).map_err(|error| wrong(aws_says(&error)))
    }

    /// Marks a quarantined message as replayed, where it still is what it was.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn mark_replayed(&self, refused: &Refused, at: UnixMillis) -> Result<(), Trouble> {
        let marked = self
            .client
            .update_item()
            .table_name(&self.tables.quarantine)
            .key("pk", AttributeValue::S(refused.pk.clone()))
            .key("sk", AttributeValue::S(refused.sk.clone()))
            .update_expression("SET replayed_at = :at")
            // What has expired meanwhile must not come back as an item with nothing but a mark.
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":at", AttributeValue::N(at.to_string()))
            .send()
            .await;
        match marked {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(()),
            Err(error) => Err(Trouble::Query(aws_says(&error))),
        }
    }

    /// The names of the tables.
    #[must_use]
    pub const fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Writes as the function does.
    #[must_use]
    pub fn store(&self) -> DynamoStore {
        DynamoStore::new(self.client.clone(), self.tables.clone())
    }

    async fn each_item(
        &self,
        table: &str,
        pk: &str,
        window: Window,
        each: impl FnMut(&Item) -> Flow,
    ) -> Result<(), Trouble> {
        // `~` sorts after every character of a key, so all of the last millisecond is in.
        let keys = (key::time_prefix(window.from), format!("{}~", key::time_prefix(window.to)));
        // One more than is wanted says that it is enough: the latest value is one query. What a
        // window of packs needs beyond comes in whole pages.
        let limit = i32::try_from(window.limit.saturating_add(1)).ok();
        self.each_between(table, pk, keys, limit, !window.newest_first, each).await
    }

    /// Tells `each` the items of a partition whose sort keys lie between two, both included, of
    /// which the first page has `limit` at the most.
    async fn each_between(
        &self,
        table: &str,
        pk: &str,
        (from, to): (String, String),
        mut limit: Option<i32>,
        forward: bool,
        mut each: impl FnMut(&Item) -> Flow,
    ) -> Result<(), Trouble> {
        let mut start = None;
        loop {
            let page = self
                .client
                .query()
                .table_name(table)
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(":from", AttributeValue::S(from.clone()))
                .expression_attribute_values(":to", AttributeValue::S(to.clone()))
                .scan_index_forward(forward)
                .set_limit(limit.take())
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| Trouble::Query(aws_says(&error)))?;
            for item in page.items() {
                match each(item) {
                    Flow::Continue => {}
                    Flow::Enough => return Ok(()),
                }
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

fn latest(item: &Item) -> Option<Latest> {
    let (at, clock) = match (number(item, "at"), number(item, "uptime_ms")) {
        (Some(at), _) => (at, Clock::Set),
        (None, Some(uptime)) => (uptime, Clock::Unset),
        (None, None) => return None,
    };
    Some(Latest {
        at: UnixMillis::new(at).ok()?,
        clock,
        values: numbers(item, "values"),
        units: texts(item, "units"),
        fault: text(item, "fault").map(str::to_owned),
    })
}

fn profile_key(device: &DeviceId) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    HashMap::from([
        ("pk".to_owned(), text(PROFILE_PARTITION)),
        ("sk".to_owned(), text(device.as_str())),
    ])
}

/// JSON as attributes; `null` is none.
fn attribute(json: &Json) -> Option<AttributeValue> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => AttributeValue::Bool(*value),
        Json::Number(number) => AttributeValue::N(number.to_string()),
        Json::String(text) => AttributeValue::S(text.clone()),
        Json::Array(list) => AttributeValue::L(list.iter().filter_map(attribute).collect()),
        Json::Object(map) => AttributeValue::M(
            map.iter()
                .filter_map(|(name, value)| Some((name.clone(), attribute(value)?)))
                .collect(),
        ),
    })
}
