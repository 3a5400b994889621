//! What each command does.

mod check;
mod claim;
mod publish;
mod queue;
mod run;
mod sensors;
mod subscribe;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use check::check;
pub(crate) use claim::{ClaimArguments, claim};
pub(crate) use publish::{PublishArguments, publish};
pub(crate) use queue::queue;
pub(crate) use run::run;
pub(crate) use sensors::sensors;
pub(crate) use subscribe::subscribe;

use crate::app::AppError;
use crate::config::{Config, Invalid};
use crate::queue::QueueError;
use crate::uplink::mqtt::{Link, LinkError, LinkEvent, PublishRefused, Settings};
use crate::uplink::tls::TlsError;

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgument {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/tidings/agent.toml")]
    config: PathBuf,
}

impl ConfigArgument {
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.config)?)
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Config(#[from] Invalid),
    #[error("wrong arguments: {0}")]
    Usage(String),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Queue(#[from] QueueError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("no connection to {endpoint}:{port}")]
    Connect {
        endpoint: String,
        port: u16,
        #[source]
        source: LinkError,
    },
    #[error("no answer from {endpoint}:{port} within {} s", CONNECT_PATIENCE.as_secs())]
    Silent { endpoint: String, port: u16 },
    #[error("not published")]
    Publish(#[from] PublishRefused),
    #[error("the broker acknowledged {acknowledged} of {given} readings: send the others again")]
    Unacknowledged { acknowledged: usize, given: usize },
    #[error("{bad} lines were no reading and were not sent; {given} were sent")]
    BadLines { bad: usize, given: usize },
    #[error("the broker did not grant the subscription to {filter}")]
    Subscribe { filter: String },
    #[error("{topic}: {said}")]
    Claim { topic: String, said: String },
    #[error("{0} of the checks failed")]
    Checks(usize),
    #[error("standard input or output failed")]
    Io(#[from] io::Error),
    #[error("the pages cannot be written: choose another folder for --out")]
    Manual(#[source] io::Error),
    #[error("no async runtime")]
    Runtime(#[source] io::Error),
}

impl Failure {
    /// What to do about it, where that can be told.
    pub(crate) fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Connect { source, .. } => source.remedy(),
            _ => None,
        }
    }

    /// 2 where the user's text is wrong, 1 where the world is.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::BadLines { .. } => 2,
            Self::App(_)
            | Self::Queue(_)
            | Self::Tls(_)
            | Self::Connect { .. }
            | Self::Silent { .. }
            | Self::Publish(_)
            | Self::Unacknowledged { .. }
            | Self::Subscribe { .. }
            | Self::Claim { .. }
            | Self::Checks(_)
            | Self::Io(_)
            | Self::Manual(_)
            | Self::Runtime(_) => 1,
        }
    }
}

/// How long a command waits for the broker's CONNACK.
const CONNECT_PATIENCE: Duration = Duration::from_secs(20);

/// Connects once, for a command that has nothing to fall back on.
async fn connect(settings: &Settings) -> Result<Link, Failure> {
    let mut link = Link::open(settings);
    let (endpoint, port) = (settings.endpoint.clone(), settings.port);
    let connected = async {
        loop {
            match link.next().await {
                LinkEvent::Connected => return Ok(()),
                LinkEvent::Message { .. } => {}
                LinkEvent::Closed(source) => return Err(source),
            }
        }
    };
    match tokio::time::timeout(CONNECT_PATIENCE, connected).await {
        Ok(Ok(())) => Ok(link),
        Ok(Err(source)) => Err(Failure::Connect { endpoint, port, source }),
        Err(_) => Err(Failure::Silent { endpoint, port }),
    }
}
