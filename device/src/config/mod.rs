//! Configuration in two stages: what was written ([`raw`] reads a TOML file and knows types), then
//! what is meant ([`Config::load`] resolves defaults, paths and combinations). Every mistake is
//! reported at once, with file and key.

mod hardware;
mod problems;
mod raw;
mod read;
mod resolve;
mod sensor;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tidings_schema::topic::Route;
use tidings_schema::{DeviceId, Quantity, SensorId};

use crate::clock::Trust;
use crate::queue::Limits;
use crate::reduce::Reduce;

pub use hardware::{AdcChannel, Chip, Edge, GpioConfig, GpioUse, I2cConfig, Pull};
pub use problems::{Invalid, Problem};
pub use read::parse_duration;

/// The port at which AWS IoT Core tells MQTT from HTTP by ALPN.
pub const SHARED_PORT: u16 = 443;

/// What the agent is to do.
#[derive(Debug, Clone)]
pub struct Config {
    /// The thing that this agent is.
    pub device: DeviceId,
    /// When the wall clock is believed.
    pub clock: ClockConfig,
    /// The durable queue.
    pub queue: QueueConfig,
    /// How messages are filled.
    pub batch: BatchConfig,
    /// Where they go.
    pub mqtt: MqttConfig,
    /// What reaches the device from outside.
    pub remote: RemoteConfig,
    /// A loopback port for `/healthz` and `/metrics`.
    pub listen: Option<SocketAddr>,
    /// What is read.
    pub sensors: Vec<SensorConfig>,
}

/// The wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockConfig {
    /// When it is believed.
    pub trust: Trust,
}

/// The durable queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueConfig {
    /// The database file.
    pub path: PathBuf,
    /// How much it may hold.
    pub limits: Limits,
    /// The longest that an unacknowledged reading is in memory alone: the most that a power cut can
    /// take. What is acknowledged before is never written to the disk.
    pub commit: Duration,
}

/// How messages are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchConfig {
    /// A message is sent when it has this many bytes, topic included…
    pub bytes: usize,
    /// …or when its oldest reading has waited this long.
    pub age: Duration,
    /// Whether what is sampled during a connection goes before what waited for it.
    pub fresh_first: bool,
}

/// The connection to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttConfig {
    /// Host name, as in the server's certificate.
    pub endpoint: String,
    /// TCP port.
    pub port: u16,
    /// A port to try in turn where that one cannot be reached.
    pub fallback_port: Option<u16>,
    /// An HTTP proxy to go through.
    pub proxy: Option<ProxyConfig>,
    /// File with the root certificates to trust, in PEM.
    pub ca: PathBuf,
    /// File with this device's certificate, in PEM.
    pub certificate: PathBuf,
    /// File with this device's private key, in PEM.
    pub key: PathBuf,
    /// Basic Ingest or the message broker.
    pub route: Route,
    /// MQTT keep-alive.
    pub keep_alive: Duration,
    /// How long an acknowledgement may take before the connection is given up.
    pub ack_timeout: Duration,
    /// Messages a second, at the most.
    pub max_rate: u32,
}

/// What reaches the device from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteConfig {
    /// Whether the thing's shadow `tidings` says what is sampled.
    pub shadow: bool,
    /// Whether commands are taken.
    pub commands: bool,
    /// Whether the device says that it is there, retained.
    pub status: bool,
}

/// An HTTP proxy on the way to the broker.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Host name.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// User name and password.
    pub login: Option<(String, String)>,
}

impl fmt::Debug for ProxyConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the password.
        let user = self.login.as_ref().map(|(user, _)| user);
        f.debug_struct("ProxyConfig")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &user)
            .finish_non_exhaustive()
    }
}

/// One sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct SensorConfig {
    /// Its name.
    pub name: SensorId,
    /// Time between two readings.
    pub interval: Duration,
    /// Time that one reading may take.
    pub deadline: Duration,
    /// What of it is told.
    pub reduce: Reduce,
    /// What it is.
    pub kind: SensorKind,
}

/// What a sensor is.
#[derive(Debug, Clone, PartialEq)]
pub enum SensorKind {
    /// The agent itself.
    Health,
    /// This machine itself.
    Host {
        /// The file system whose space is reported.
        disk: PathBuf,
    },
    /// Made-up values that look like real ones; the same seed gives the same values.
    Simulated {
        /// Seed of the values.
        seed: u64,
        /// What is measured.
        quantities: Vec<Quantity>,
        /// Share of readings that are faults, from 0 to 1.
        fault_rate: f64,
    },
    /// A chip on an I2C bus, by a driver of ours.
    I2c(I2cConfig),
    /// An input of the board.
    Gpio(GpioConfig),
    /// A chip that a driver of the kernel's Industrial I/O reads.
    Iio {
        /// Its name (`bme280`) or its folder's (`iio:device0`).
        device: String,
    },
    /// A chip that a hardware monitoring driver of the kernel's reads.
    Hwmon {
        /// Its name (`sht4x`) or its folder's (`hwmon1`).
        device: String,
    },
    /// A thermometer on the 1-Wire bus.
    W1 {
        /// Its id (`28-000005e2fdc3`).
        device: String,
    },
    /// A program that prints a reading each time it is run.
    Command {
        /// The program and its arguments.
        program: Vec<String>,
    },
    /// A program that keeps running and prints a reading per line.
    Stream {
        /// The program and its arguments.
        program: Vec<String>,
        /// How old a line may be.
        stale: Duration,
    },
    /// A recorded file, played back with its own times.
    Csv {
        /// The file.
        path: PathBuf,
    },
    /// A file that another program keeps up to date.
    File {
        /// The file.
        path: PathBuf,
        /// How long it may go unwritten.
        stale: Duration,
    },
}

impl Config {
    /// Reads and resolves a configuration file. Relative paths in it are relative to the file.
    ///
    /// # Errors
    /// With every mistake that it has.
    pub fn load(path: &Path) -> Result<Self, Invalid> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Invalid::one(path, "", format!("cannot be read: {error}")))?;
        Self::parse(&text, path)
    }

    /// The same for a text that stands for the file at `path`.
    ///
    /// # Errors
    /// With every mistake that it has.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Invalid> {
        let table: toml::Table = text
            .parse()
            .map_err(|error: toml::de::Error| Invalid::one(path, "", error.to_string()))?;
        let problems = problems::Problems::new(path);
        let raw = raw::RawConfig::read(&table, &problems);
        resolve::resolve(raw, path, &problems)
    }
}

#[cfg(test)]
mod tests;
