//! The cloud on this machine: what AWS is to the device and to the function, in parts that the
//! tests use one by one.
//!
//! ```text
//! device ==MQTT, mutual TLS==> broker ── rule ── invoker ── function ── DynamoDB
//! ```

pub mod broker;
pub mod dynamodb;
pub mod function;
pub mod invoker;
pub mod measured;
pub mod pki;
pub mod rule;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidings_ingest::config::Rules;
use tidings_ingest::store::{DynamoSettings, DynamoStore, StaticCredentials, Tables};
use tidings_ingest::{Ingest, job};
use tokio::net::TcpListener;

use self::broker::{Broker, Taken};
use self::dynamodb::DynamoDb;
use self::function::Function;
use self::invoker::{Invoker, RetryDelays};
use self::measured::Measured;
use self::pki::Pki;
use self::rule::IngestRule;
use crate::Trouble;

/// Where the parts listen, and what they keep on disk.
#[derive(Debug, Clone)]
pub struct CloudOptions {
    /// Folder for certificates, events and tables.
    pub data: PathBuf,
    /// Port of the MQTT broker; 0 picks a free one.
    pub mqtt_port: u16,
    /// Port of DynamoDB; 0 picks a free one.
    pub dynamodb_port: u16,
    /// A running `cargo lambda watch` to send events to, instead of the built-in function.
    pub invoke_url: Option<String>,
    /// The waits before the second and the third try of an event.
    pub retry_delays: RetryDelays,
}

/// The running parts.
#[derive(Debug)]
pub struct Cloud {
    /// Who may connect.
    pub pki: Pki,
    /// The MQTT broker.
    pub broker: Broker,
    /// The queue of events for the function.
    pub invoker: Arc<Invoker>,
    /// The tables.
    pub dynamodb: DynamoDb,
    /// What the built-in function has taken so far.
    pub measured: Measured,
    invoking: tokio::task::JoinHandle<()>,
    ticking: tokio::task::JoinHandle<()>,
}

/// Time between two jobs, as the template has it (`rate(5 minutes)`).
const TICK_INTERVAL: Duration = Duration::from_secs(300);

/// The same where hours were left for the next time.
const SOON: Duration = Duration::from_secs(1);

/// Region of the local DynamoDB; it takes any.
pub const LOCAL_REGION: &str = "us-east-1";

/// How an SDK reaches a local DynamoDB: any credentials are good.
#[must_use]
pub fn local_settings(endpoint: &str) -> DynamoSettings {
    DynamoSettings {
        region: LOCAL_REGION.to_owned(),
        endpoint: Some(endpoint.to_owned()),
        credentials: StaticCredentials {
            key_id: "local".to_owned(),
            secret: "local".to_owned(),
            session_token: None,
        },
    }
}

/// A listener on the loopback interface, and nowhere else.
pub(crate) async fn listen(what: &str, port: u16) -> Result<TcpListener, Trouble> {
    TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port)))
        .await
        .map_err(|source| Trouble::Listen { what: what.to_owned(), port, source })
}

/// What the schedule of `wire.yaml` does: asks the function for its job, again and again.
async fn tick(function: Function) {
    let mut ticks = tokio::time::interval(TICK_INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match function.invoke(job::TICK).await {
            // After a large import: nobody pays for each tick here, and somebody is waiting.
            Ok(done)
                if [&done["left"], &done["hours"]].iter().all(|one| one.as_u64() > Some(0)) =>
            {
                ticks.reset_after(SOON);
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the job of the schedule was not done"),
        }
    }
}

impl Cloud {
    /// Starts everything.
    ///
    /// # Errors
    /// When a port is taken, or the folder cannot be used.
    pub async fn start(options: &CloudOptions) -> Result<Self, Trouble> {
        std::fs::create_dir_all(&options.data)
            .map_err(|source| Trouble::File { path: options.data.clone(), source })?;
        let pki = Pki::open(&options.data.join("pki"))?;
        let dynamodb_listener = listen("DynamoDB", options.dynamodb_port).await?;
        let dynamodb = DynamoDb::start(&options.data.join("dynamodb.db"), dynamodb_listener)?;
        let settings = local_settings(&dynamodb.endpoint);
        let tables = Tables::default();
        crate::tables::create(&tidings_ingest::store::client(&settings), &tables).await?;

        let measured = Measured::default();
        let function = match &options.invoke_url {
            Some(url) => Function::at_url(url)?,
            None => {
                let store = DynamoStore::connect(&settings, tables);
                Function::built_in(Ingest::new(store, Rules::default()), measured.clone())
            }
        };
        let ticking = tokio::spawn(tick(function.clone()));
        let invoker = Arc::new(Invoker::open(
            &options.data.join("events.db"),
            function,
            options.retry_delays,
        )?);
        let invoking = tokio::spawn(invoker.clone().run());
        let rule = IngestRule::new(invoker.clone());
        let listener = listen("MQTT", options.mqtt_port).await?;
        let taken: Arc<dyn Taken> = Arc::new(rule);
        let broker = Broker::start(listener, &pki, taken)?;
        Ok(Self { pki, broker, invoker, dynamodb, measured, invoking, ticking })
    }

    /// Stops: no more messages, then every event to its end, then the tables.
    pub async fn stop(mut self) {
        self.broker.close().await;
        self.ticking.abort();
        // The only error is the cancellation just asked for: what a job leaves, the next one does.
        self.ticking.await.ok();
        self.invoker.stop();
        if let Err(error) = self.invoking.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the invoker failed");
        }
        drop(self.invoker);
        self.dynamodb.stop().await;
    }
}
