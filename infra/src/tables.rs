//! The tables, as the templates make them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, PointInTimeRecoveryStatus,
    ScalarAttributeType, TimeToLiveSpecification, TimeToLiveStatus,
};
use tidings_ingest::store::Tables;

use crate::Trouble;
use crate::account::{aws_says, found};

/// The attribute that DynamoDB's TTL looks at, in seconds since 1970.
pub(crate) const TTL_ATTRIBUTE: &str = "expires_at";

/// Makes the tables that do not exist yet.
///
/// # Errors
/// When DynamoDB refuses.
pub async fn create(client: &Client, tables: &Tables) -> Result<(), Trouble> {
    for name in [&tables.readings, &tables.quarantine, &tables.devices] {
        create_one(client, name)
            .await
            .map_err(|error| Trouble::Table { name: name.clone(), error })?;
    }
    Ok(())
}

async fn create_one(client: &Client, name: &str) -> Result<(), String> {
    let key = |attribute: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build()
    };
    let text = |attribute: &str| {
        AttributeDefinition::builder()
            .attribute_name(attribute)
            .attribute_type(ScalarAttributeType::S)
            .build()
    };
    let said = |error: aws_sdk_dynamodb::error::BuildError| error.to_string();
    let made = client
        .create_table()
        .table_name(name)
        .key_schema(key("pk", KeyType::Hash).map_err(said)?)
        .key_schema(key("sk", KeyType::Range).map_err(said)?)
        .attribute_definitions(text("pk").map_err(said)?)
        .attribute_definitions(text("sk").map_err(said)?)
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await;
    match made {
        Ok(_) => {}
        Err(error) if error.code() == Some("ResourceInUseException") => return Ok(()),
        Err(error) => return Err(aws_says(&error)),
    }
    let ttl = TimeToLiveSpecification::builder().attribute_name(TTL_ATTRIBUTE).enabled(true);
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(ttl.build().map_err(said)?)
        .send()
        .await
        .map_err(|error| aws_says(&error))?;
    Ok(())
}

/// What a table is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TableState {
    /// `ACTIVE`, or why not.
    pub(crate) status: String,
    /// Names of its key attributes, the partition's first.
    pub(crate) keys: Vec<String>,
    /// The attribute by which items end, where that is switched on.
    pub(crate) ttl: Option<String>,
    /// Whether it can be restored to any second of the last 35 days.
    pub(crate) point_in_time: bool,
    /// Whether it cannot be deleted before this is switched off.
    pub(crate) protected: bool,
    /// How many items are in it, as of some hours ago.
    pub(crate) items: i64,
    /// How many bytes they take.
    pub(crate) bytes: i64,
}

/// The state of a table, if there is one of that name.
pub(crate) async fn state(client: &Client, name: &str) -> Result<Option<TableState>, Trouble> {
    let action = format!("looking at the table {name}");
    let table = client.describe_table().table_name(name).send().await;
    let Some(table) = found(&action, table)?.and_then(|answer| answer.table) else {
        return Ok(None);
    };
    let ttl = client.describe_time_to_live().table_name(name).send().await;
    let ttl = found(&action, ttl)?.and_then(|answer| answer.time_to_live_description);
    let backups = client.describe_continuous_backups().table_name(name).send().await;
    let backups = found(&action, backups)?.and_then(|answer| answer.continuous_backups_description);
    let point_in_time = backups
        .and_then(|backups| backups.point_in_time_recovery_description)
        .and_then(|recovery| recovery.point_in_time_recovery_status);
    Ok(Some(TableState {
        status: table.table_status.map(|status| status.to_string()).unwrap_or_default(),
        keys: table
            .key_schema
            .unwrap_or_default()
            .into_iter()
            .map(|element| element.attribute_name)
            .collect(),
        ttl: ttl
            .filter(|ttl| ttl.time_to_live_status == Some(TimeToLiveStatus::Enabled))
            .and_then(|ttl| ttl.attribute_name),
        point_in_time: point_in_time == Some(PointInTimeRecoveryStatus::Enabled),
        protected: table.deletion_protection_enabled.unwrap_or_default(),
        items: table.item_count.unwrap_or_default(),
        bytes: table.table_size_bytes.unwrap_or_default(),
    }))
}
