//! What the view of a whole fleet asks for: each by a number of pages with a bound, or by one
//! partition that is as large as the fleet.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value as Json;
use tidings_ingest::item::PROFILE_PARTITION;
use tidings_ingest::store::plain_json;
use tidings_schema::{DeviceId, UnixMillis, key};

use super::Database;
use super::stored::text;
use crate::Trouble;
use crate::account::aws_says;

/// The most refusals that are counted.
const MOST: usize = 1000;

/// The most pages that are read for them: DynamoDB ends a page at 1 MB of items, whatever is asked
/// of each, and one refusal may hold 128 KiB.
const PAGES: usize = 8;

/// How much was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    /// By the sender's client id.
    pub by_sender: BTreeMap<String, u64>,
    /// Whether there is more that was not counted.
    pub capped: bool,
}

impl Database {
    /// What the operator says of each device.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn all_said(&self) -> Result<BTreeMap<DeviceId, Json>, Trouble> {
        let mut start = None;
        let mut said = BTreeMap::new();
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.tables.devices)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(PROFILE_PARTITION.to_owned()))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| Trouble::Query(aws_says(&error)))?;
            for mut item in page.items.unwrap_or_default() {
                let device = text(&item, "sk").and_then(|name| DeviceId::try_from(name).ok());
                let Some(device) = device else { continue };
                item.retain(|name, _| name != "pk" && name != "sk");
                said.insert(device, plain_json(&AttributeValue::M(item)));
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(said);
            }
        }
    }

    /// How much was refused from then to then, both ends included, newest first and up to a bound;
    /// payloads stay where they are. The span is at most a day.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn refusals(&self, from: UnixMillis, to: UnixMillis) -> Result<Refusals, Trouble> {
        let mut refusals = Refusals::default();
        let (mut left, mut pages) = (MOST, PAGES);
        let mut days = vec![to.date(), from.date()];
        days.dedup();
        for day in days {
            let mut start = None;
            loop {
                let page = self
                    .client
                    .query()
                    .table_name(&self.tables.quarantine)
                    .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                    .expression_attribute_values(":pk", AttributeValue::S(day.clone()))
                    .expression_attribute_values(":from", AttributeValue::S(key::time_prefix(from)))
                    // `~` sorts after every character of a key.
                    .expression_attribute_values(
                        ":to",
                        AttributeValue::S(format!("{}~", key::time_prefix(to))),
                    )
                    .projection_expression("client_id")
                    .scan_index_forward(false)
                    .set_limit(i32::try_from(left).ok())
                    .set_exclusive_start_key(start)
                    .send()
                    .await
                    .map_err(|error| Trouble::Query(aws_says(&error)))?;
                for item in page.items() {
                    let sender = text(item, "client_id").unwrap_or_default().to_owned();
                    *refusals.by_sender.entry(sender).or_default() += 1;
                }
                left -= left.min(page.items().len());
                pages -= 1;
                start = page.last_evaluated_key;
                if start.is_none() {
                    break;
                }
                if left == 0 || pages == 0 {
                    refusals.capped = true;
                    return Ok(refusals);
                }
            }
            if left == 0 || pages == 0 {
                // What the day before holds is not known.
                refusals.capped |= day != from.date();
                return Ok(refusals);
            }
        }
        Ok(refusals)
    }
}
