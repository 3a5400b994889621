//! The last day of one quantity of many sensors, as small lines.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tidings_agent::clock;
use tidings_ingest::rollup::quantity_and_unit;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

use super::{Shared, answer, read};
use crate::Trouble;
use crate::dynamo::SeriesQuery;
use crate::view::cache::Answer;
use crate::view::problem::Problem;

/// How far a line goes back.
const SPAN_MS: i64 = 86_400_000;

/// Points of a line: one for each half hour.
const POINTS: usize = 48;

/// The most lines of one answer: the page asks for what is on the screen.
const MAX_LINES: usize = 50;

/// Lines that are asked for at the same time.
const AT_ONCE: usize = 4;

/// How long a line is given again: a fifteenth of a point.
const KEEP: Duration = Duration::from_secs(120);

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    quantity: String,
    /// `<device>/<sensor>`, with commas between.
    sensors: String,
}

#[derive(Debug, Serialize)]
struct Spark {
    from: UnixMillis,
    to: UnixMillis,
    at: Vec<i64>,
    mean: Vec<Option<f64>>,
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match read(query) {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let sensors: Result<Vec<_>, String> =
        asked.sensors.split(',').filter(|text| !text.is_empty()).map(sensor).collect();
    let sensors = match sensors {
        Ok(sensors) if sensors.len() <= MAX_LINES => sensors,
        Ok(sensors) => {
            return refused(&format!(
                "expected up to {MAX_LINES} sensors, but found {}",
                sensors.len()
            ));
        }
        Err(text) => return refused(&format!("expected <device>/<sensor>, but found {text:?}")),
    };
    let one = async |(device, sensor): (DeviceId, SensorId)| {
        let question = format!("spark {device}/{sensor} {}", asked.quantity);
        let ask = async { answer(&spark(&shared, &device, &sensor, &asked.quantity).await) };
        (format!("{device}/{sensor}"), shared.cache.get(question, KEEP, ask).await)
    };
    let lines: Vec<(String, Answer)> =
        stream::iter(sensors).map(one).buffer_unordered(AT_ONCE).collect().await;
    // The first that fails stands for all: they ask the same table.
    if let Some((_, failed)) = lines.iter().find(|(_, line)| line.status != StatusCode::OK) {
        return failed.clone().into_response();
    }
    let mut body = b"{".to_vec();
    for (index, (name, line)) in lines.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        // A device and a sensor have no character that JSON would write otherwise.
        body.extend(format!("{comma}\"{name}\":").bytes());
        body.extend(&line.body);
    }
    body.push(b'}');
    Answer { status: StatusCode::OK, body: body.into() }.into_response()
}

fn refused(text: &str) -> Response {
    Problem::asked(text).answer(StatusCode::BAD_REQUEST).into_response()
}

fn sensor(text: &str) -> Result<(DeviceId, SensorId), String> {
    let wrong = || text.chars().take(200).collect::<String>();
    let (device, sensor) = text.split_once('/').ok_or_else(wrong)?;
    Ok((
        DeviceId::try_from(device).map_err(|_| wrong())?,
        SensorId::try_from(sensor).map_err(|_| wrong())?,
    ))
}

async fn spark(
    shared: &Shared,
    device: &DeviceId,
    sensor: &SensorId,
    quantity: &str,
) -> Result<Spark, Trouble> {
    let to = clock::now();
    let from = to.offset(-SPAN_MS).unwrap_or(UnixMillis::MIN);
    let (device, sensor) = (device.clone(), sensor.clone());
    let query = SeriesQuery { device, sensor, from, to, points: POINTS };
    let series = shared.database.series(&query).await?;
    // In whatever unit it was measured: `leaf_wetness` may be there as `leaf_wetness %`.
    let is_wanted = |name: &str| quantity_and_unit(name).0 == quantity;
    let line = series.lines.into_iter().find(|(name, _)| is_wanted(name));
    let mean = line.map(|(_, line)| line.mean).unwrap_or_default();
    Ok(Spark { from, to, at: series.at, mean })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_sensor_is_named_with_its_device() {
        let (device, sensor) = super::sensor("pi:1/bme280").unwrap();
        assert_eq!((device.as_str(), sensor.as_str()), ("pi:1", "bme280"));
        for bad in ["", "pi-1", "/s", "pi-1/", "pi-1/S", "pi 1/s", "a/b/c"] {
            assert!(super::sensor(bad).is_err(), "{bad}");
        }
    }
}
