//! `publish`: readings from the command line or from standard input, each acknowledged before the
//! command ends.

use std::time::Duration;

use tidings_schema::limits::METERING_UNIT_BYTES;
use tidings_schema::measurement::Measurements;
use tidings_schema::wire::batch::{BatchBuilder, PushError};
use tidings_schema::{
    BootId, Measurement, Outcome, Quantity, Reading, SensorId, Seq, Topic, Unit, Value,
};
use tokio::io::AsyncBufReadExt as _;

use super::{ConfigArgument, Failure, connect};
use crate::app::AppError;
use crate::clock;
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
    /// spaces between, or a JSON object such as {"temperature":21.5}.
    values: Vec<String>,
}

/// How long the last acknowledgements may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages under way at once, far below what AWS takes of one client.
const WINDOW: usize = 16;

pub(crate) async fn publish(arguments: PublishArguments) -> Result<(), Failure> {
    let config = arguments.config.load()?;
    let sensor = SensorId::try_from(arguments.sensor.as_str())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let settings = Settings::from_config(&config.device, &config.mqtt)?;
    let topic = Topic::readings(&config.device, config.mqtt.route).to_string();
    let boot = BootId::from_random(getrandom::u64().map_err(AppError::Random)?);

    let mut readings = Vec::new();
    if arguments.values.is_empty() {
        let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
        let mut number = 0;
        while let Some(line) = lines.next_line().await? {
            number += 1;
            if !line.trim().is_empty() {
                let values = parse_line(&line)
                    .map_err(|error| Failure::Usage(format!("line {number}: {error}")))?;
                readings.push(reading(&sensor, readings.len(), values)?);
            }
        }
    } else {
        let values: Vec<&str> = arguments.values.iter().map(String::as_str).collect();
        readings.push(reading(&sensor, 0, parse_values(&values).map_err(Failure::Usage)?)?);
    }

    let link = connect(&settings).await?;
    let mut sender = Sender { link: &link, topic: &topic, under_way: Vec::new(), acknowledged: 0 };
    let new_batch = || BatchBuilder::new(&config.device, &boot, topic.len(), METERING_UNIT_BYTES);
    let mut batch = new_batch();
    for reading in &readings {
        if batch.push(reading) == Err(PushError::Full) {
            sender.send(std::mem::replace(&mut batch, new_batch())).await?;
            // Alone in a new message every reading fits: ids and counts have limits.
            batch.push(reading).map_err(|error| Failure::Usage(error.to_string()))?;
        }
    }
    sender.send(batch).await?;
    sender.settle(0).await;
    let acknowledged = sender.acknowledged;
    link.close().await;
    if acknowledged < readings.len() {
        return Err(Failure::Unacknowledged { acknowledged, given: readings.len() });
    }
    tracing::info!(readings = acknowledged, topic, "acknowledged");
    Ok(())
}

struct Sender<'a> {
    link: &'a Link,
    topic: &'a str,
    under_way: Vec<(usize, Delivery)>,
    acknowledged: usize,
}

impl Sender<'_> {
    async fn send(&mut self, batch: BatchBuilder) -> Result<(), Failure> {
        let readings = batch.readings();
        if let Some(payload) = batch.finish() {
            self.settle(WINDOW - 1).await;
            self.under_way.push((readings, self.link.publish(self.topic, payload)?));
        }
        Ok(())
    }

    /// Waits until at most `left` messages are under way.
    async fn settle(&mut self, left: usize) {
        while self.under_way.len() > left {
            let (readings, delivery) = self.under_way.remove(0);
            if let Ok(Ok(())) = tokio::time::timeout(PATIENCE, delivery.acknowledged()).await {
                self.acknowledged += readings;
            }
        }
    }
}

fn reading(sensor: &SensorId, seq: usize, values: Vec<Measurement>) -> Result<Reading, Failure> {
    Ok(Reading {
        sensor: sensor.clone(),
        at: clock::now(),
        seq: Seq::try_from(seq as u64).map_err(|error| Failure::Usage(error.to_string()))?,
        outcome: Outcome::Measured(
            Measurements::new(values).map_err(|error| Failure::Usage(error.to_string()))?,
        ),
    })
}

fn parse_line(line: &str) -> Result<Vec<Measurement>, String> {
    if line.trim_start().starts_with('{') {
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        object
            .iter()
            .map(|(name, value)| {
                let number = value.as_f64();
                let number = number
                    .ok_or_else(|| format!("{name}: expected a number, but found {value}"))?;
                measurement(name, number, None)
            })
            .collect()
    } else {
        parse_values(&line.split_whitespace().collect::<Vec<_>>())
    }
}

fn parse_values(values: &[&str]) -> Result<Vec<Measurement>, String> {
    values
        .iter()
        .map(|text| {
            let wrong =
                || format!("expected quantity=value or quantity=value:unit, but found {text:?}");
            let (name, rest) = text.split_once('=').ok_or_else(wrong)?;
            let (number, unit) = match rest.split_once(':') {
                Some((number, unit)) => (number, Some(unit)),
                None => (rest, None),
            };
            measurement(name, number.parse().map_err(|_| wrong())?, unit)
        })
        .collect()
}

fn measurement(name: &str, number: f64, unit: Option<&str>) -> Result<Measurement, String> {
    let quantity = Quantity::try_from(name).map_err(|error| error.to_string())?;
    let unit = match (unit, quantity.known()) {
        (Some(unit), _) => Unit::try_from(unit).map_err(|error| error.to_string())?,
        (None, Some(known)) => known.unit(),
        (None, None) => {
            return Err(format!(
                "{name} is no known quantity, so it needs a unit: {name}={number}:UNIT"
            ));
        }
    };
    let value = Value::new(number).map_err(|error| error.to_string())?;
    Ok(Measurement { quantity, unit, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_from_words_and_from_json() {
        let words = parse_line("temperature=21.5 pressure=101325:Pa leaf_wetness=0.4:/").unwrap();
        let units: Vec<&str> = words.iter().map(|one| one.unit.name()).collect();
        assert_eq!(units, ["Cel", "Pa", "/"]);
        let json = parse_line(r#"{"temperature":21.5}"#).unwrap();
        assert_eq!(json[0], words[0]);
        for bad in [
            "temperature",
            "temperature=warm",
            "leaf_wetness=1",
            "temperature=1:F0",
            "{\"a\":\"b\"}",
            "{",
        ] {
            assert!(parse_line(bad).is_err(), "{bad}");
        }
    }
}
