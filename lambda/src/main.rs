//! Table of contents: configuration, store, then events until the runtime ends.

use std::process::ExitCode;

use lambda_runtime::{LambdaEvent, service_fn};
use tidings_ingest::{Config, HandlerError, Ingest, log, store::DynamoStore};

// One event at a time comes to a function: a runtime of one thread is enough and starts faster.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start();
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "configuration");
            return ExitCode::from(2);
        }
    };
    let store = DynamoStore::connect(&config.dynamodb, config.tables.clone());
    let ingest = &Ingest::new(store, config.rules);
    let handle = |event: LambdaEvent<serde_json::Value>| async move {
        let summary = ingest.handle(event.payload, event.context.deadline()).await?;
        Ok::<_, HandlerError>(summary)
    };
    match lambda_runtime::run(service_fn(handle)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.to_string(), "runtime");
            ExitCode::FAILURE
        }
    }
}
