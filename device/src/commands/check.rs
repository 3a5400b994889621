//! `check`: one look at everything that must be right, a line each.

use std::io::Write as _;

use tidings_schema::limits::EARLIEST_MS;

use super::{ConfigArgument, Failure, connect};
use crate::clock;
use crate::queue::{self, QueueError};
use crate::terminal::causes;
use crate::uplink::mqtt::Settings;

pub(crate) async fn check(argument: &ConfigArgument) -> Result<(), Failure> {
    let mut report = Report { failed: 0 };
    // Without a configuration nothing else can be looked at: its mistakes are the answer.
    let config = argument.load()?;
    report.line("configuration", Ok(format!("{} sensors", config.sensors.len())))?;

    let now = clock::now();
    report.line(
        "clock",
        if now.get() < EARLIEST_MS {
            Err("stands before 2020: set it, or wait for NTP".to_owned())
        } else {
            Ok(format!("{} ms since 1970", now.get()))
        },
    )?;

    let queue = match queue::summarise(&config.queue.path) {
        Ok(summary) => Ok(format!("{} readings wait", summary.readings)),
        Err(QueueError::InUse { .. }) => Ok("in use by a running agent".to_owned()),
        Err(error) => Err(causes(&error, ": ")),
    };
    report.line("queue", queue)?;

    match Settings::from_config(&config.device, &config.mqtt) {
        Ok(settings) => {
            report.line("certificates", Ok("key and certificate are a pair".to_owned()))?;
            let address = format!("{}:{}", settings.endpoint, settings.port);
            match connect(&settings).await {
                Ok(link) => {
                    link.close().await;
                    report
                        .line("connection", Ok(format!("{address} accepts {}", config.device)))?;
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
        }
        Err(error) => report.line("certificates", Err(causes(&error, ": ")))?,
    }
    if report.failed > 0 { Err(Failure::Checks(report.failed)) } else { Ok(()) }
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
}
