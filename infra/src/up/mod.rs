//! `up`: the whole pipeline on this machine, with no account.

mod agent;
mod verdict;
mod view;

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tidings_agent::{clock, queue};
use tidings_ingest::store::Tables;
use tidings_schema::{Clock, DeviceId, SensorId, UnixMillis, wire};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Instant;

use self::agent::{Agent, Running};
pub use self::verdict::{Expected, Name, Verdict};
use self::view::{Snapshot, View};
use crate::Trouble;
use crate::cloud::invoker::RetryDelays;
use crate::cloud::{Cloud, CloudOptions, listen};
use crate::dynamo::{Database, Heard, StoredReading, Window};
use crate::view::{FunctionNow, Place, Served, Server, listen_or_free};

pub(crate) use self::agent::{CONFIG, connection_config};

/// The ports that `up` takes where they are free and none is named.
const PORTS: Ports = Ports { mqtt: 8883, dynamodb: 8000 };

struct Ports {
    mqtt: u16,
    dynamodb: u16,
}

/// File in the data folder that says where the parts listen, for `provision` and for scripts.
pub(crate) const WHERE: &str = "up.json";

/// Time between two looks of the page at the tables, while somebody looks at it: there is nothing to be paid.
const PAGE_EVERY: Duration = Duration::from_secs(1);

/// How long the function may take for what is left at the end.
const DRAIN: Duration = Duration::from_secs(30);

/// New readings of one sensor that a look takes at the most; the next look takes the others.
const NEWS: usize = 500;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct UpArguments {
    /// Stop by itself after this time (30s, 5m) [default: run until Ctrl-C].
    #[arg(long = "for", value_name = "DURATION", value_parser = tidings_agent::config::parse_duration)]
    time: Option<Duration>,
    /// Print a last line of JSON: published, stored, quarantined, lost, duplicates, waiting.
    #[arg(long)]
    json: bool,
    /// Folder for certificates, queue, events and tables.
    #[arg(long, value_name = "DIR", default_value = ".tidings")]
    data: PathBuf,
    /// Port of the MQTT broker, 0 for a free one [default: 8883, or a free one].
    #[arg(long)]
    mqtt_port: Option<u16>,
    /// Port of the page, 0 for a free one [default: 8080, or a free one].
    #[arg(long)]
    http_port: Option<u16>,
    /// Port of DynamoDB, 0 for a free one [default: 8000, or a free one].
    #[arg(long)]
    dynamodb_port: Option<u16>,
    /// Send events to a running `cargo lambda watch` (such as http://127.0.0.1:9000) instead of
    /// the built-in function.
    #[arg(long, value_name = "URL")]
    invoke_url: Option<String>,
}

/// The device that `up` starts an agent for.
const DEVICE: &str = "this-machine";

/// Runs the pipeline.
///
/// # Errors
/// When it cannot start, or when the comparison at the end finds a reading lost or doubled.
pub async fn up(arguments: UpArguments) -> Result<(), Trouble> {
    let started_at = clock::now();
    std::fs::create_dir_all(&arguments.data)
        .map_err(|source| Trouble::File { path: arguments.data.clone(), source })?;
    let _lock = lock(&arguments.data)?;
    let cloud = Cloud::start(&CloudOptions {
        data: arguments.data.clone(),
        mqtt_port: port_or_free(arguments.mqtt_port, PORTS.mqtt).await,
        dynamodb_port: port_or_free(arguments.dynamodb_port, PORTS.dynamodb).await,
        invoke_url: arguments.invoke_url.clone(),
        retry_delays: RetryDelays::default(),
    })
    .await?;
    let database = Database::local(&cloud.dynamodb.endpoint, Tables::default());
    let function = watch::Sender::default();
    let page = Server::start(
        listen_or_free(arguments.http_port).await?,
        Served {
            database: database.clone(),
            place: Place::local(&cloud.dynamodb.endpoint, function.subscribe()),
            every: PAGE_EVERY,
            measured: Some(cloud.measured.clone()),
        },
    )?;

    let device =
        DeviceId::try_from(DEVICE).map_err(|error| Trouble::Internal(error.to_string()))?;
    let port = cloud.broker.address.port();
    let agent = Agent::provision(&cloud.pki, &device, &arguments.data.join("agent"), port)?;
    let before = queue::inspect(&agent.queue())?;
    let place = serde_json::json!({
        "page": page.url(),
        "dynamodb": cloud.dynamodb.endpoint,
        "mqtt": format!("localhost:{port}"),
        "device": DEVICE,
    });
    crate::cloud::pki::write_private(&arguments.data.join(WHERE), &place.to_string())?;
    announce(&format!(
        "page      {}\nDynamoDB  {}  (tables readings, quarantine, devices; any region and credentials)\nMQTT      localhost:{port}  (mutual TLS; `tidings provision THING --out DIR` makes certificates)\nagent     {DEVICE}, its log in {}\n",
        page.url(),
        cloud.dynamodb.endpoint,
        agent.log().display(),
    ))?;

    let running = agent.start()?;
    let mut watching = Watching {
        cloud: &cloud,
        database: &database,
        started: Instant::now(),
        started_at,
        function,
        latest: BTreeMap::new(),
        view: View::new(),
    };
    let running = watching.until_stopped(&agent, running, arguments.time).await?;
    announce("stopping: the agent sends what is left\n")?;
    running.stop().await;
    if tokio::time::timeout(DRAIN, cloud.invoker.idle()).await.is_err() {
        tracing::warn!(events = cloud.invoker.open_events(), "events are left for the next start");
    }
    let expected = Expected::new(&before, &queue::inspect(&agent.queue())?);
    let verdict = compare(&database, &device, &expected, started_at).await?;
    page.stop().await;
    cloud.stop().await;
    report(&verdict, arguments.json)?;
    if verdict.lost > 0 || verdict.duplicates > 0 {
        return Err(Trouble::Comparison { lost: verdict.lost, duplicates: verdict.duplicates });
    }
    Ok(())
}

/// One `up` per folder.
fn lock(data: &std::path::Path) -> Result<File, Trouble> {
    let path = data.join("lock");
    let file =
        File::create(&path).map_err(|source| Trouble::File { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Trouble::InUse { path: data.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(Trouble::File { path, source }),
    }
}

/// The port that was named; else the usual one where it is free, and any where it is not.
async fn port_or_free(named: Option<u16>, usual: u16) -> u16 {
    match named {
        Some(port) => port,
        None if listen("probe", usual).await.is_ok() => usual,
        None => 0,
    }
}

fn announce(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stderr().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn report(verdict: &Verdict, json: bool) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    if json {
        let line =
            serde_json::to_string(verdict).map_err(|error| Trouble::Internal(error.to_string()))?;
        writeln!(out, "{line}")?;
    } else {
        let Verdict { published, stored, quarantined, lost, duplicates, waiting } = verdict;
        writeln!(
            out,
            "published {published}, stored {stored}, quarantined {quarantined}, lost {lost}, duplicates {duplicates}; {waiting} wait for the next start"
        )?;
    }
    Ok(out.flush()?)
}

/// Asks the table for every reading that was to come.
async fn compare(
    database: &Database,
    device: &DeviceId,
    expected: &Expected,
    since: UnixMillis,
) -> Result<Verdict, Trouble> {
    let mut stored: Vec<Name> = Vec::new();
    for (sensor, from) in &expected.sensors {
        let window =
            Window { from: *from, to: UnixMillis::MAX, limit: usize::MAX, newest_first: false };
        let readings = database.readings(device, sensor, window).await?;
        stored.extend(
            readings.into_iter().map(|reading| (sensor.clone(), reading.boot, reading.seq)),
        );
    }
    let refused = database.quarantined_since(since, clock::now()).await?;
    let mut quarantined = HashSet::new();
    for one in refused.iter().filter(|one| one.client_id == device.as_str()) {
        if let Ok(decoded) = wire::latest::decode(&one.payload) {
            let name = |reading: tidings_schema::Reading| {
                (reading.sensor, decoded.boot.clone(), reading.seq)
            };
            quarantined.extend(decoded.readings.into_iter().map(name));
        }
    }
    Ok(expected.compare(stored, &quarantined, refused.len() as u64))
}

struct Watching<'a> {
    cloud: &'a Cloud,
    database: &'a Database,
    started: Instant,
    started_at: UnixMillis,
    function: watch::Sender<FunctionNow>,
    latest: BTreeMap<(DeviceId, SensorId), StoredReading>,
    view: View,
}

impl Watching<'_> {
    /// Shows how things stand, each second, until a signal comes or the time is over. An agent that
    /// ends by itself is started again.
    async fn until_stopped(
        &mut self,
        agent: &Agent,
        mut running: Running,
        time: Option<Duration>,
    ) -> Result<Running, Trouble> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let end = time.map(|time| self.started + time);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look(&running).await?,
                _ = terminate.recv() => return Ok(running),
                _ = interrupt.recv() => return Ok(running),
                () = until(end) => return Ok(running),
                status = running.ended() => {
                    announce(&format!("the agent ended ({status}) and is started again; its log: {}\n", agent.log().display()))?;
                    // Not faster than once a second, should it end at once again.
                    ticks.reset();
                    ticks.tick().await;
                    running = agent.start()?;
                }
            }
        }
    }

    async fn look(&mut self, running: &Running) -> Result<(), Trouble> {
        for Heard { device, sensor, .. } in self.database.sensors(None).await? {
            let after = self.latest.get(&(device.clone(), sensor.clone()));
            let window = match after.and_then(|latest| latest.at.offset(1).ok()) {
                Some(from) => {
                    Window { from, to: UnixMillis::MAX, limit: NEWS, newest_first: false }
                }
                None => Window {
                    from: UnixMillis::MIN,
                    to: UnixMillis::MAX,
                    limit: 1,
                    newest_first: true,
                },
            };
            let readings = self.database.readings(&device, &sensor, window).await?;
            if let Some(last) = readings.last() {
                self.latest.insert((device, sensor), last.clone());
            }
        }
        let latest: Vec<StoredReading> = self.latest.values().cloned().collect();
        let now = clock::now();
        let quarantined = self.database.quarantined_since(self.started_at, now).await?.len();
        let invoker = &self.cloud.invoker;
        let function = FunctionNow {
            open: invoker.open_events(),
            failed: invoker.failed_events(),
            stored: invoker.stored_readings(),
        };
        self.function.send_replace(function);
        let snapshot = Snapshot {
            seconds: self.started.elapsed().as_secs(),
            agent: *running.status.borrow(),
            open_events: function.open,
            failed_events: function.failed,
            stored: function.stored,
            lag_ms: latest
                .iter()
                .filter(|reading| reading.clock == Clock::Set)
                .map(|reading| now.get() - reading.at.get())
                .min(),
            quarantined: quarantined as u64,
            latest: latest.iter().map(line).collect(),
        };
        Ok(self.view.show(&snapshot)?)
    }
}

async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

/// A sensor's latest reading on one line.
fn line(reading: &StoredReading) -> String {
    let values: Vec<String> =
        reading.values.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let said =
        reading.fault.as_ref().map_or_else(|| values.join("  "), |fault| format!("fault: {fault}"));
    format!("{}/{}  {said}", reading.device, reading.sensor)
}
