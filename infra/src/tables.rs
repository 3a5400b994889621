//! The tables, as the templates make them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    TimeToLiveSpecification,
};
use tidings_ingest::store::Tables;

use crate::Trouble;

/// The attribute that DynamoDB's TTL looks at, in seconds since 1970.
const TTL_ATTRIBUTE: &str = "expires_at";

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
        Err(error) => return Err(DisplayErrorContext(error).to_string()),
    }
    let ttl = TimeToLiveSpecification::builder().attribute_name(TTL_ATTRIBUTE).enabled(true);
    client
        .update_time_to_live()
        .table_name(name)
        .time_to_live_specification(ttl.build().map_err(said)?)
        .send()
        .await
        .map_err(|error| DisplayErrorContext(error).to_string())?;
    Ok(())
}
