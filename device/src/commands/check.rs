//! `check`: one look at everything that must be right, a line each, with what to do where it is not.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tidings_schema::Topic;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{ConfigArgument, Failure, connect};
use crate::clock::Clock;
use crate::config::{Config, MqttConfig};
use crate::local;
use crate::queue::{self, QueueError};
use crate::terminal::causes;
use crate::uplink::dates::{self, Dates};
use crate::uplink::mqtt::{Settings, explain};
use crate::uplink::tls;

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// A certificate that ends so soon is worth a word.
const SOON_DAYS: i64 = 30;

pub(crate) async fn check(argument: &ConfigArgument) -> Result<(), Failure> {
    let mut report = Report { failed: 0 };
    // Without a configuration nothing else can be looked at: its mistakes are the answer.
    let config = argument.load()?;
    report.line("configuration", Ok(format!("{} sensors", config.sensors.len())))?;
    report.line("files", modes(&argument.config, &config))?;
    report.line("clock", clock(&config))?;

    let queue = match queue::summarise(&config.queue.path) {
        Ok(summary) => Ok(Some(format!("{} readings wait", summary.readings))),
        Err(QueueError::InUse { .. }) => Ok(None),
        Err(error) => Err(causes(&error, ": ")),
    };
    let running = matches!(queue, Ok(None));
    report
        .line("queue", queue.map(|text| text.unwrap_or("in use by a running agent".to_owned())))?;

    let settings = match Settings::from_config(&config.device, &config.mqtt) {
        Ok(settings) => settings,
        Err(error) => {
            report.line("certificates", Err(causes(&error, ": ")))?;
            return report.end();
        }
    };
    report.line("certificates", certificates(&config.mqtt))?;
    if running {
        // Another connection under the same client id would end its own.
        report.line("connection", agent(&config).await)?;
        return report.end();
    }
    if settings.proxy.is_none() && !network(&settings, &mut report).await? {
        return report.end();
    }
    let address = format!("{}:{}", settings.endpoint, settings.port);
    match connect(&settings).await {
        Ok(link) => {
            report.line("connection", Ok(format!("{address} accepts {}", config.device)))?;
            let topic = Topic::status(&config.device).to_string();
            let said = json!({"state": "checked"}).to_string().into_bytes();
            let published = match link.publish(&topic, said) {
                Ok(delivery) => tokio::time::timeout(PATIENCE, delivery.acknowledged()).await,
                Err(error) => return Err(error.into()),
            };
            report.line(
                "publish",
                match published {
                    Ok(Ok(())) => Ok(format!("{topic} is acknowledged")),
                    Ok(Err(_)) => Err(format!(
                        "the broker ends the connection in answer to a publish on {topic}\n     does the device's policy allow iot:Publish there?"
                    )),
                    Err(_) => Err(format!("no acknowledgement within {} s", PATIENCE.as_secs())),
                },
            )?;
            link.close().await;
        }
        Err(error) => {
            let mut text = causes(&error, ": ");
            if let Some(remedy) = error.remedy() {
                text.push_str("\n     ");
                text.push_str(remedy);
            }
            report.line("connection", Err(text))?;
        }
    }
    report.end()
}

/// Who may write what only root or the agent's user should.
fn modes(file: &Path, config: &Config) -> Result<String, String> {
    let mode = |path: &Path| std::fs::metadata(path).map(|file| file.permissions().mode() & 0o777);
    for path in [file, &config.mqtt.ca, &config.mqtt.certificate, &config.mqtt.key] {
        match mode(path) {
            Ok(mode) if mode & 0o002 != 0 => {
                return Err(format!(
                    "{} can be changed by everybody (mode {mode:04o})\n     chmod o-w {}",
                    path.display(),
                    path.display()
                ));
            }
            Ok(_) => {}
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        }
    }
    let key = mode(&config.mqtt.key).map_err(|error| error.to_string())?;
    Ok(format!("the private key has mode {key:04o}"))
}

fn clock(config: &Config) -> Result<String, String> {
    let clock = Clock::of_kernel(config.clock.trust);
    if clock.is_believed() {
        Ok(format!("{} ms since 1970", clock.stamp().at))
    } else {
        Err("not synchronised: readings wait in the queue until it is\n     \
             is a time server reachable (timedatectl timesync-status)? A device with a clock of its own needs clock.trust = \"always\""
            .to_owned())
    }
}

fn certificates(mqtt: &MqttConfig) -> Result<String, String> {
    let now = crate::clock::now().seconds();
    let Dates { from, until } =
        dates::of(&mqtt.certificate).map_err(|error| causes(&error, ": "))?;
    let days = (until - now) / 86_400;
    if now < from {
        Err("the device's certificate is not valid yet: does the clock stand before its start?"
            .to_owned())
    } else if now > until {
        Err(format!(
            "the device's certificate has expired {} days ago\n     provision the device anew",
            -days
        ))
    } else if days < SOON_DAYS {
        Err(format!(
            "the device's certificate expires in {days} days\n     provision the device anew before that"
        ))
    } else {
        Ok(format!("key and certificate are a pair, valid for another {days} days"))
    }
}

/// What a running agent says of its connection.
async fn agent(config: &Config) -> Result<String, String> {
    let said = local::ask(&config.queue.path, "/healthz").await;
    let said = said.map_err(|error| format!("the running agent does not answer: {error}"))?;
    let health: Value = serde_json::from_str(&said).unwrap_or_default();
    if health["status"]["online"] == json!(true) {
        Ok("the running agent is connected".to_owned())
    } else {
        Err("the running agent is not connected\n     its log says why (journalctl -u tidings-agent)"
            .to_owned())
    }
}

/// Name, port and TLS, each for itself. Returns whether it is worth to go on.
async fn network(settings: &Settings, report: &mut Report) -> std::io::Result<bool> {
    let (host, port) = (settings.endpoint.as_str(), settings.port);
    let found = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, port))).await;
    let addresses: Vec<SocketAddr> = match found {
        Ok(Ok(list)) => list.collect(),
        Ok(Err(error)) => {
            let text = format!(
                "{host} cannot be resolved: {error}\n     is mqtt.endpoint right, and is this device's network up?"
            );
            report.line("name", Err(text))?;
            return Ok(false);
        }
        Err(_) => {
            let text =
                format!("{host}: no answer from a name server\n     is this device's network up?");
            report.line("name", Err(text))?;
            return Ok(false);
        }
    };
    let first = addresses.first().map(|one| one.ip().to_string()).unwrap_or_default();
    report.line("name", Ok(format!("{host} is {first}")))?;
    let explained = |error: &(dyn std::error::Error + 'static)| {
        let remedy = explain(error).map(|text| format!("\n     {text}")).unwrap_or_default();
        format!("{host}:{port}: {}{remedy}", causes(error, ": "))
    };
    let late = || std::io::Error::from(std::io::ErrorKind::TimedOut);
    let stream = match tokio::time::timeout(PATIENCE, TcpStream::connect(&*addresses)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            report.line("port", Err(explained(&error)))?;
            return Ok(false);
        }
        Err(_) => {
            report.line("port", Err(explained(&late())))?;
            return Ok(false);
        }
    };
    report.line("port", Ok(format!("{host}:{port} is open")))?;
    let Ok(name) = ServerName::try_from(host.to_owned()) else { return Ok(true) };
    let connector = TlsConnector::from(Arc::clone(&tls::for_port(&settings.tls, port)));
    let shaken = tokio::time::timeout(PATIENCE, connector.connect(name, stream)).await;
    match shaken.unwrap_or_else(|_| Err(late())) {
        Ok(stream) => {
            let version = stream.get_ref().1.protocol_version();
            let version = version.and_then(|one| one.as_str()).unwrap_or("TLS");
            report
                .line("TLS", Ok(format!("{version}, and the broker's certificate is trusted")))?;
            Ok(true)
        }
        Err(error) => {
            report.line("TLS", Err(explained(&error)))?;
            Ok(false)
        }
    }
}

struct Report {
    failed: usize,
}

impl Report {
    fn line(&mut self, what: &str, result: Result<String, String>) -> std::io::Result<()> {
        let (mark, text) = match result {
            Ok(text) => ("ok  ", text),
            Err(text) => {
                self.failed += 1;
                ("FAIL", text)
            }
        };
        writeln!(std::io::stdout(), "{mark} {what}: {text}")
    }

    fn end(self) -> Result<(), Failure> {
        if self.failed > 0 { Err(Failure::Checks(self.failed)) } else { Ok(()) }
    }
}
