//! Table of contents: configuration, store, then events until the runtime ends.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tidings_ingest::{Config, Ingest, alert::SnsTopic, log, store::DynamoStore};

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
    let topic = &SnsTopic::new(config.alerts);
    let ingest = &Ingest::new(store, config.rules).with_notifier(topic);
    let is_first = &AtomicBool::new(true);
    // The event's own text: only the core knows what it may be.
    let handle = |event: LambdaEvent<Box<RawValue>>| async move {
        let LambdaEvent { payload, context, .. } = event;
        topic.learn(&context.invoked_function_arn);
        let (answer, mut report) = ingest.invoke(payload.get(), context.deadline()).await;
        report.cold_start = is_first.swap(false, Ordering::Relaxed);
        report.xray_trace_id = context.xray_trace_id;
        log::report(&report);
        answer
    };
    match lambda_runtime::run(service_fn(handle)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = error.to_string(), "runtime");
            ExitCode::FAILURE
        }
    }
}
