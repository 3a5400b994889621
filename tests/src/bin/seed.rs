//! `seed FOLDER`: a DynamoDB in that folder with the tables of [`tidings_tests::seed`]. Prints its
//! endpoint when it is filled, and serves until its input ends.

use std::io::{Read as _, Write as _};

use tidings::cloud::dynamodb::DynamoDb;
use tidings::dynamo::Database;
use tidings_ingest::store::Tables;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let folder = std::env::args_os().nth(1).expect("seed FOLDER");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let file = std::path::Path::new(&folder).join("dynamodb.db");
    let dynamodb = DynamoDb::start(&file, listener).expect("a DynamoDB");
    let settings = tidings::cloud::local_settings(&dynamodb.endpoint);
    let client = tidings_ingest::store::client(&settings);
    tidings::tables::create(&client, &Tables::default()).await.expect("tables");
    let database = Database::local(&dynamodb.endpoint, Tables::default());
    let seeded = tidings_tests::seed::seed(&database, tidings_agent::clock::now()).await;
    let mut out = std::io::stdout().lock();
    let said = serde_json::json!({"endpoint": dynamodb.endpoint, "summed": seeded.summed,
        "readings": seeded.readings, "items": seeded.items});
    writeln!(out, "{said}").and_then(|()| out.flush()).expect("somebody reads this");
    let wait = || std::io::stdin().read_to_end(&mut Vec::new());
    tokio::task::spawn_blocking(wait).await.expect("a thread").ok();
    dynamodb.stop().await;
}
