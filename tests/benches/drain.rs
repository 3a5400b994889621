//! What the queue costs and how fast a backlog leaves it, by the real agent over mutual TLS.
//!
//! `cargo bench -p tidings-tests --bench drain [-- READINGS]` fills a queue with readings of a BME280
//! (three values), starts `tidings-agent run` against a broker that only acknowledges, and prints
//! what the kernel says of time, CPU, memory and bytes written.
//!
//! To another broker, so that other clients can be measured beside it: with `DRAIN_PORT` and
//! `DRAIN_CERTS` (a folder with `ca.crt`, `client.crt` and `client.key` of the thing `pi-1`) only the
//! backlog is sent, to that port of localhost, and the figures are one line of JSON.

#![allow(clippy::print_stdout, reason = "figures are what a benchmark is for")]

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tidings::cloud::pki::Pki;
use tidings_agent::clock::{Clock, Trust};
use tidings_agent::config::Config;
use tidings_agent::queue::{Queue, Sample, Shape};
use tidings_agent::status::Counters;
use tidings_schema::measurement::Measurements;
use tidings_schema::{BootId, DeviceId, Measurement, Outcome, Topic, Value};
use tidings_tests::program;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// Readings a second that the sensors of the first measurement give, as in a small greenhouse.
const SLOW: u64 = 5;

#[tokio::main]
async fn main() {
    let readings: u64 =
        std::env::args().filter_map(|text| text.parse().ok()).next().unwrap_or(500_000);
    let folder = tempfile::tempdir().expect("a folder");
    if let (Ok(port), Ok(certs)) = (std::env::var("DRAIN_PORT"), std::env::var("DRAIN_CERTS")) {
        return elsewhere(folder.path(), &port, &certs, readings).await;
    }
    let pki = Pki::open(&folder.path().join("pki")).expect("certificates");
    let device = DeviceId::try_from("bench").expect("a device id");
    let place = folder.path().join("bench");
    pki.provision(&device, &place).expect("certificates");
    let broker = Broker::start(&pki).await;
    let text = format!(
        "device = \"bench\"\n[mqtt]\nendpoint = \"localhost\"\nport = {}\nca = \"root-ca.pem\"\n\
         certificate = \"device.pem.crt\"\nkey = \"private.pem.key\"\nmax_rate = 100000\n[health]\ninterval = \"off\"\n[remote]\nshadow = false\ncommands = false\nstatus = false\n[clock]\ntrust = \"always\"\n\
         [queue]\nmax_bytes = 17179869184\n[[sensor]]\nname = \"idle\"\nkind = \"simulated\"\ninterval = \"24h\"\n",
        broker.port
    );
    std::fs::write(place.join("agent.toml"), text).expect("the configuration");
    let config = Config::load(&place.join("agent.toml")).expect("a configuration");

    slowly(&config, folder.path()).await;
    fill(&config, readings).await;
    drain(&place, &broker, readings).await;
}

/// Sends a backlog to a broker of somebody else's, and prints the figures as JSON.
async fn elsewhere(place: &Path, port: &str, certs: &str, readings: u64) {
    let text = format!(
        "device = \"pi-1\"\n[mqtt]\nendpoint = \"localhost\"\nport = {port}\ntopic = \"broker\"\nca = \"{certs}/ca.crt\"\n\
         certificate = \"{certs}/client.crt\"\nkey = \"{certs}/client.key\"\nmax_rate = 100000\n\
         [health]\ninterval = \"off\"\n[remote]\nshadow = false\ncommands = false\nstatus = false\n\
         [clock]\ntrust = \"always\"\n[queue]\nmax_bytes = 17179869184\n\
         [[sensor]]\nname = \"idle\"\nkind = \"simulated\"\ninterval = \"24h\"\n"
    );
    let file = place.join("agent.toml");
    std::fs::write(&file, text).expect("the configuration");
    let config = Config::load(&file).expect("a configuration");
    let boot = BootId::try_from("filled").expect("a boot id");
    let (queue, owner) =
        Queue::open(&config.queue, shape(&config), &boot, trusting(), Arc::default())
            .expect("a queue");
    for index in 0..readings {
        queue.append(sample(index)).await.expect("the queue is open");
    }
    drop(queue);
    owner.join();
    let (mut agent, mut lines) = start(place);
    let pid = agent.id().expect("it runs");
    let mut begun = None;
    let status = loop {
        let status = next(&mut lines).await;
        if status.online {
            begun.get_or_insert_with(Instant::now);
        }
        if status.acknowledged >= readings {
            break status;
        }
    };
    let seconds = begun.expect("it was online").elapsed().as_secs_f64();
    let all = per_second(readings, Duration::from_secs(1));
    println!(
        "{}",
        serde_json::json!({
            "readings_per_s": all / seconds,
            "seconds": seconds,
            "cpu_us_per_reading": cpu(pid).as_secs_f64() * 1e6 / all,
            "cpu_process_s": cpu(pid).as_secs_f64(),
            "max_rss_kb": resident_kib(pid).parse::<u64>().ok(),
            "bytes_per_reading": per_second(status.bytes, Duration::from_secs(1)) / all,
        })
    );
    agent.kill().await.expect("it can be ended");
}

fn sample(index: u64) -> Sample {
    let step = f64::from(u32::try_from(index % 1000).unwrap_or(0));
    let values = [
        ("temperature", (2000.0 + step) / 100.0),
        ("humidity", (4000.0 + step) / 100.0),
        ("pressure", (100_000.0 + step) / 100.0),
    ];
    let measured = values.map(|(name, value)| {
        let quantity = tidings_schema::Quantity::try_from(name).expect("a known quantity");
        let unit = quantity.known().expect("a known quantity").unit();
        Measurement { quantity, unit, value: Value::new(value).expect("finite") }
    });
    let at = 1_795_456_115_802 + i64::try_from(index).expect("few") * 200;
    Sample {
        sensor: tidings_schema::SensorId::try_from("bme280").expect("a sensor id"),
        at: tidings_schema::UnixMillis::new(at).expect("a time"),
        clock: Default::default(),
        outcome: Outcome::Measured(Measurements::new(measured.to_vec()).expect("three")),
    }
}

fn trusting() -> Arc<Clock> {
    Arc::new(Clock::of_kernel(Trust::Always))
}

fn shape(config: &Config) -> Shape {
    let topic_len = Topic::readings(&config.device, config.mqtt.route).to_string().len();
    let (budget, age) = (config.batch.bytes, config.batch.age);
    Shape { device: config.device.clone(), topic_len, budget, age }
}

/// Bytes that this process has caused to be written to a disk, by the kernel's count.
fn written() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A few readings a second while there is no connection, and what the acknowledgements write when it
/// is back: what an SD card has to bear. (While there is a connection, nothing is written.)
async fn slowly(config: &Config, folder: &Path) {
    let mut settings = config.queue.clone();
    settings.path = folder.join("slow.db");
    let per_commit = SLOW * settings.commit.as_secs().max(1);
    let commits = 400;
    let boot = BootId::try_from("slow").expect("a boot id");
    let counters = Arc::new(Counters::default());
    let (queue, owner) =
        Queue::open(&settings, shape(config), &boot, trusting(), counters).expect("a queue");
    let before = written();
    for commit in 0..commits {
        for index in 0..per_commit {
            queue.append(sample(commit * per_commit + index)).await.expect("the queue is open");
        }
        queue.flush().await.expect("the queue is open");
    }
    let offline = written() - before;
    while let Some(first) = queue.fetch(0, 64).await.expect("the queue is open").first() {
        let last = queue.news().last.min(first.id + 63);
        queue.remove(vec![first.id..=last]).await.expect("the queue is open");
        queue.flush().await.expect("the queue is open");
    }
    drop(queue);
    owner.join();
    let all = commits * per_commit;
    println!(
        "card: {} bytes written per reading that waits, {} with its removal ({SLOW} readings/s, a commit each {:?}, {all} readings)",
        offline / all,
        (written() - before) / all,
        settings.commit,
    );
}

async fn fill(config: &Config, readings: u64) {
    let boot = BootId::try_from("filled").expect("a boot id");
    let counters = Arc::new(Counters::default());
    let (queue, owner) =
        Queue::open(&config.queue, shape(config), &boot, trusting(), counters).expect("a queue");
    let (before, begun) = (written(), Instant::now());
    for index in 0..readings {
        queue.append(sample(index)).await.expect("the queue is open");
    }
    drop(queue);
    owner.join();
    println!(
        "fill: {readings} readings, {:.0} readings/s, {} bytes written per reading",
        per_second(readings, begun.elapsed()),
        (written() - before) / readings
    );
}

type Lines = tokio::io::Lines<BufReader<tokio::process::ChildStdout>>;

/// Starts the agent of a folder.
fn start(place: &Path) -> (tokio::process::Child, Lines) {
    let log = std::fs::File::create(place.join("agent.log")).expect("a log");
    let mut agent = tokio::process::Command::new(program("tidings-agent"))
        .args(["run", "--status-every", "20ms", "--config"])
        .arg(place.join("agent.toml"))
        .stdout(std::process::Stdio::piped())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .expect("the agent starts");
    let lines = BufReader::new(agent.stdout.take().expect("piped")).lines();
    (agent, lines)
}

/// What it says next of itself.
async fn next(lines: &mut Lines) -> tidings_agent::status::Status {
    let line = lines.next_line().await.expect("readable").expect("the agent runs");
    serde_json::from_str(&line).expect("a status is JSON")
}

async fn drain(place: &Path, broker: &Broker, readings: u64) {
    let (mut agent, mut lines) = start(place);
    let pid = agent.id().expect("it runs");
    while next(&mut lines).await.acknowledged < readings {}
    let cpu = cpu(pid);
    let span = broker.span.lock().expect("not poisoned").expect("something was published");
    let elapsed = span.1 - span.0;
    let messages = broker.messages.load(Ordering::Relaxed);
    let bytes = broker.bytes.load(Ordering::Relaxed);
    println!(
        "drain: {readings} readings in {:.2} s, {:.0} readings/s, {:.2} µs of CPU per reading (whole process), \
         {messages} messages, {:.1} bytes per reading with topic and MQTT header, {} KiB resident",
        elapsed.as_secs_f64(),
        per_second(readings, elapsed),
        cpu.as_secs_f64() * 1e6 / per_second(readings, Duration::from_secs(1)),
        f64::from(u32::try_from(bytes / 10).unwrap_or(u32::MAX)) * 10.0
            / per_second(readings, Duration::from_secs(1)),
        resident_kib(pid),
    );
    agent.kill().await.expect("it can be ended");
}

fn per_second(number: u64, time: Duration) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / time.as_secs_f64()
}

/// User and system time of a process.
fn cpu(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}

/// The most memory that a process has had resident.
fn resident_kib(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "?".to_owned(), |line| line.trim().trim_end_matches(" kB").to_owned())
}

/// A broker that acknowledges everything and does nothing else.
struct Broker {
    port: u16,
    messages: Arc<AtomicU64>,
    bytes: Arc<AtomicU64>,
    /// When the first publish came, and when the last acknowledgement went.
    span: Span,
}

type Span = Arc<Mutex<Option<(Instant, Instant)>>>;

impl Broker {
    async fn start(pki: &Pki) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let acceptor = tokio_rustls::TlsAcceptor::from(pki.server_config().expect("certificates"));
        let (messages, bytes) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let span = Span::default();
        let counts = (messages.clone(), bytes.clone(), span.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).ok();
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                serve(stream, &counts.0, &counts.1, &counts.2).await;
            }
        });
        Self { port, messages, bytes, span }
    }
}

async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(
    stream: S,
    messages: &AtomicU64,
    bytes: &AtomicU64,
    span: &Span,
) {
    let mut stream = BufReader::with_capacity(1 << 16, stream);
    let mut body = Vec::new();
    while let Ok(first) = stream.read_u8().await {
        let (mut length, mut shift, mut header) = (0_usize, 0, 1_u64);
        while let Ok(byte) = stream.read_u8().await {
            length |= usize::from(byte & 127) << shift;
            shift += 7;
            header += 1;
            if byte & 128 == 0 {
                break;
            }
        }
        body.resize(length, 0);
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        let answer: &[u8] = match first >> 4 {
            1 => &[0x20, 2, 0, 0],
            3 => {
                let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
                messages.fetch_add(1, Ordering::Relaxed);
                let now = Instant::now();
                span.lock().expect("not poisoned").get_or_insert((now, now)).1 = now;
                bytes.fetch_add(header + length as u64, Ordering::Relaxed);
                &[0x40, 2, body[2 + topic], body[3 + topic]]
            }
            12 => &[0xd0, 0],
            _ => continue,
        };
        if stream.write_all(answer).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}
