//! One device: what is known of it, what the operator says of it, and the commands that go on from here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use tidings_agent::clock;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

use super::{Shared, read};
use crate::Trouble;
use crate::view::Place;

/// How long an answer is given again.
const KEEP: Duration = Duration::from_secs(2);

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    device: DeviceId,
}

#[derive(Debug, Serialize)]
struct Device {
    now: UnixMillis,
    sensors: Vec<SensorId>,
    /// Site, labels, calibration, ranges, as the table `devices` has them.
    said: Option<Json>,
    commands: Commands,
}

/// Commands of this program, as one types them.
#[derive(Debug, Serialize)]
struct Commands {
    /// Without the time, which stands between the two.
    export: [String; 2],
    say: String,
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match read(query) {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let question = format!("device {}", asked.device);
    shared.answer(question, KEEP, device(&shared, &asked.device)).await
}

async fn device(shared: &Shared, device: &DeviceId) -> Result<Device, Trouble> {
    let (heard, said) =
        tokio::try_join!(shared.database.sensors(Some(device)), shared.database.said(device))?;
    Ok(Device {
        now: clock::now(),
        sensors: heard.into_iter().map(|heard| heard.sensor).collect(),
        said,
        commands: commands(device, &shared.place),
    })
}

fn commands(device: &DeviceId, place: &Place) -> Commands {
    let flags = place.flags();
    Commands {
        export: [format!("tidings export {device}"), format!("{flags} > {device}.csv")],
        say: place.command(&["device", device.as_str()]),
    }
}
