//! `publish`: readings from the command line or from standard input, each acknowledged before the
//! command ends.

use std::collections::VecDeque;
use std::time::Duration;

use tidings_schema::limits::METERING_UNIT_BYTES;
use tidings_schema::measurement::Measurements;
use tidings_schema::wire::batch::{BatchBuilder, PushError};
use tidings_schema::{BootId, Outcome, Reading, SensorId, Seq, Topic};
use tokio::io::AsyncBufReadExt as _;
use tokio::time::Instant;

use super::{ConfigArgument, Failure, connect};
use crate::app::AppError;
use crate::clock;
use crate::sensors::values::{parse_line, parse_values};
use crate::uplink::mqtt::{Delivery, Link, Settings};

#[derive(Debug, clap::Args)]
pub(crate) struct PublishArguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Sensor that the readings are from.
    #[arg(long, default_value = "manual")]
    sensor: String,
    /// Values such as temperature=21.5 or leaf_wetness=0.4:/ (own quantities need their SenML
    /// unit). Without any, each line of standard input is a reading: either such values with
    /// spaces between, a JSON object such as {"temperature":21.5}, or a SenML pack. Lines are sent as they come.
    values: Vec<String>,
}

/// How long the last acknowledgements may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages under way at once, far below what AWS takes of one client.
const WINDOW: usize = 16;

/// How long a line waits for others to share its message.
const AGE: Duration = Duration::from_secs(1);

pub(crate) async fn publish(arguments: PublishArguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let usage = |error: &dyn std::error::Error| Failure::Usage(error.to_string());
    let sensor = SensorId::try_from(arguments.sensor.as_str()).map_err(|error| usage(&error))?;
    let words: Vec<&str> = arguments.values.iter().map(String::as_str).collect();
    let values = match words.as_slice() {
        [] => None,
        words => Some(parse_values(words).map_err(Failure::Usage)?),
    };
    let settings = Settings::from_config(&config.device, &config.mqtt)?;
    let topic = Topic::readings(&config.device, config.mqtt.route).to_string();
    let boot = BootId::from_random(getrandom::u64().map_err(AppError::Random)?);

    let link = connect(&settings).await?;
    let new_batch = || BatchBuilder::new(&config.device, &boot, topic.len(), METERING_UNIT_BYTES);
    let mut sender = Sender {
        link: &link,
        topic: &topic,
        sensor,
        batch: new_batch(),
        new_batch: &new_batch,
        given: 0,
        under_way: VecDeque::new(),
        acknowledged: 0,
    };
    let bad_lines = match values {
        Some(values) => {
            sender.push(values).await?;
            0
        }
        None => lines(&mut sender).await?,
    };
    sender.send().await?;
    sender.settle(0).await;
    let (acknowledged, given) = (sender.acknowledged, sender.given);
    link.close().await;
    if acknowledged < given {
        return Err(Failure::Unacknowledged { acknowledged, given });
    }
    tracing::info!(readings = acknowledged, topic, "acknowledged");
    if bad_lines > 0 {
        return Err(Failure::BadLines { bad: bad_lines, given });
    }
    Ok(())
}

/// Sends what comes on standard input as it comes. Returns how many lines were no reading.
async fn lines(sender: &mut Sender<'_>) -> Result<usize, Failure> {
    let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    let (mut number, mut bad) = (0_u64, 0);
    let mut due: Option<Instant> = None;
    loop {
        let line = match due {
            Some(due) => tokio::time::timeout_at(due, lines.next_line()).await,
            None => Ok(lines.next_line().await),
        };
        match line {
            Ok(Ok(Some(line))) => {
                number += 1;
                if line.trim().is_empty() {
                    continue;
                }
                match parse_line(&line) {
                    Ok(values) => {
                        sender.push(values).await?;
                        due.get_or_insert_with(|| Instant::now() + AGE);
                    }
                    Err(error) => {
                        bad += 1;
                        tracing::error!(line = number, error, "not a reading");
                    }
                }
            }
            Ok(Ok(None)) => return Ok(bad),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => {
                due = None;
                sender.send().await?;
            }
        }
    }
}

struct Sender<'a> {
    link: &'a Link,
    topic: &'a str,
    sensor: SensorId,
    batch: BatchBuilder,
    new_batch: &'a dyn Fn() -> BatchBuilder,
    /// Readings given so far, which is the next one's sequence number.
    given: usize,
    under_way: VecDeque<(usize, Delivery)>,
    acknowledged: usize,
}

impl Sender<'_> {
    async fn push(&mut self, values: Measurements) -> Result<(), Failure> {
        let usage = |error: &dyn std::error::Error| Failure::Usage(error.to_string());
        let reading = Reading {
            sensor: self.sensor.clone(),
            at: clock::now(),
            seq: Seq::try_from(self.given as u64).map_err(|error| usage(&error))?,
            outcome: Outcome::Measured(values),
        };
        if self.batch.push(&reading) == Err(PushError::Full) {
            self.send().await?;
            // Alone in a new message every reading fits: ids and counts have limits.
            self.batch.push(&reading).map_err(|error| usage(&error))?;
        }
        self.given += 1;
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Failure> {
        let batch = std::mem::replace(&mut self.batch, (self.new_batch)());
        let readings = batch.readings();
        if let Some(payload) = batch.finish() {
            self.settle(WINDOW - 1).await;
            self.under_way.push_back((readings, self.link.publish(self.topic, payload)?));
        }
        Ok(())
    }

    /// Waits until at most `left` messages are under way.
    async fn settle(&mut self, left: usize) {
        while self.under_way.len() > left
            && let Some((readings, delivery)) = self.under_way.pop_front()
        {
            if let Ok(Ok(())) = tokio::time::timeout(PATIENCE, delivery.acknowledged()).await {
                self.acknowledged += readings;
            }
        }
    }
}
