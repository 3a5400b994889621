//! The local cloud under test, with provisioned devices and the comparison of what was sent with
//! what was stored.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tidings::cloud::broker::Broker;
use tidings::cloud::invoker::RetryDelays;
use tidings::cloud::pki::Pki;
use tidings::cloud::rule::IngestRule;
use tidings::cloud::{Cloud, CloudOptions};
use tidings::dynamo::{Database, Refused, StoredReading, Window};
use tidings::up::{Expected, Verdict};
use tidings_agent::clock;
use tidings_agent::queue::Inspection;
use tidings_ingest::store::Tables;
use tidings_schema::{DeviceId, UnixMillis};
use tokio::net::TcpListener;

/// Everything in a folder of its own, on free ports.
#[derive(Debug)]
pub struct Rig {
    /// The parts.
    pub cloud: Cloud,
    /// Reads the tables.
    pub database: Database,
    started_at: UnixMillis,
    folder: TempDir,
}

impl Rig {
    /// Starts the local cloud.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start() -> Self {
        Self::with(None).await
    }

    /// The same with a function behind a URL.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn with(invoke_url: Option<String>) -> Self {
        let folder = TempDir::new().expect("a temporary folder can be made");
        let cloud = Cloud::start(&CloudOptions {
            data: folder.path().join("cloud"),
            mqtt_port: 0,
            dynamodb_port: 0,
            invoke_url,
            retry_delays: RetryDelays(Duration::from_millis(20), Duration::from_millis(40)),
        })
        .await
        .expect("the local cloud starts");
        let database = Database::local(&cloud.dynamodb.endpoint, Tables::default());
        Self { cloud, database, started_at: clock::now(), folder }
    }

    /// Provisions a device and writes its configuration with these sensors; gives its folder.
    ///
    /// # Panics
    /// When a file cannot be written.
    #[must_use]
    pub fn provision(&self, device: &str, sensors: &str) -> PathBuf {
        let folder = self.folder.path().join(device);
        let id = DeviceId::try_from(device).expect("a device id");
        self.cloud.pki.provision(&id, &folder).expect("a device can be provisioned");
        self.write_config(&folder, device, sensors);
        folder
    }

    /// The same with a certificate of another CA.
    ///
    /// # Panics
    /// When a file cannot be written.
    #[must_use]
    pub fn provision_elsewhere(&self, device: &str, sensors: &str) -> PathBuf {
        let folder = self.folder.path().join(format!("{device}-elsewhere"));
        let other = Pki::open(&self.folder.path().join("other-ca")).expect("another CA");
        let id = DeviceId::try_from(device).expect("a device id");
        other.provision(&id, &folder).expect("a device can be provisioned");
        // It trusts our broker, but we do not know it.
        std::fs::write(folder.join("root-ca.pem"), self.cloud.pki.ca_pem()).expect("a file");
        self.write_config(&folder, device, sensors);
        folder
    }

    fn write_config(&self, folder: &std::path::Path, device: &str, sensors: &str) {
        let port = self.cloud.broker.address.port();
        let config = format!(
            "device = \"{device}\"\n[mqtt]\nendpoint = \"localhost\"\nport = {port}\n\
             ca = \"root-ca.pem\"\ncertificate = \"device.pem.crt\"\nkey = \"private.pem.key\"\n\
             ack_timeout = \"2s\"\n[queue]\npath = \"queue.db\"\ncommit = \"50ms\"\n\
             [clock]\ntrust = \"always\"\n[batch]\nage = \"200ms\"\n{sensors}"
        );
        std::fs::write(folder.join("agent.toml"), config).expect("a file can be written");
    }

    /// The folder of the local cloud, as `up --data` has it.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("cloud")
    }

    /// Stops the broker while `meanwhile` runs, and starts another at the same address.
    ///
    /// # Panics
    /// When the address is taken by then.
    pub async fn without_broker(&mut self, meanwhile: impl Future<Output = ()>) {
        let address = self.cloud.broker.address;
        self.cloud.broker.close().await;
        meanwhile.await;
        let listener = TcpListener::bind(address).await.expect("the address is free again");
        let rule = Arc::new(IngestRule::new(self.cloud.invoker.clone()));
        self.cloud.broker = Broker::start(listener, &self.cloud.pki, rule).expect("a broker");
    }

    /// What the device's queue accepted against what the tables have.
    ///
    /// # Panics
    /// When a table cannot be asked.
    pub async fn compare(&self, device: &str, queue: &Inspection) -> Verdict {
        self.cloud.invoker.idle().await;
        let device = DeviceId::try_from(device).expect("a device id");
        let expected = Expected::new(&Inspection::default(), queue);
        let mut stored = Vec::new();
        for (sensor, from) in &expected.sensors {
            let window =
                Window { from: *from, to: UnixMillis::MAX, limit: usize::MAX, newest_first: false };
            let readings = self.database.readings(&device, sensor, window).await.expect("a query");
            stored.extend(readings.into_iter().map(|one| (sensor.clone(), one.boot, one.seq)));
        }
        let refused = self.quarantined().await;
        expected.compare(stored, &HashSet::new(), refused.len() as u64)
    }

    /// What is in quarantine.
    ///
    /// # Panics
    /// When the table cannot be asked.
    pub async fn quarantined(&self) -> Vec<Refused> {
        self.database.quarantined_since(self.started_at, clock::now()).await.expect("a query")
    }

    /// How often each reason is in quarantine.
    pub async fn reasons(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for one in self.quarantined().await {
            *reasons.entry(one.reason).or_default() += 1;
        }
        reasons
    }

    /// All readings of a sensor.
    ///
    /// # Panics
    /// When the table cannot be asked.
    pub async fn stored(&self, device: &str, sensor: &str) -> Vec<StoredReading> {
        let window = Window {
            from: UnixMillis::MIN,
            to: UnixMillis::MAX,
            limit: usize::MAX,
            newest_first: false,
        };
        let (device, sensor) =
            (device.try_into().expect("an id"), sensor.try_into().expect("an id"));
        self.database.readings(&device, &sensor, window).await.expect("a query")
    }

    /// Stops everything.
    pub async fn stop(self) {
        self.cloud.stop().await;
    }
}
