//! All devices, as the poller saw them last.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::Shared;
use crate::Trouble;
use crate::fleet::{Fleet, FleetDevice};
use crate::view::Place;
use crate::view::cache::Answer;
use crate::view::live::Picture;
use crate::view::problem::Problem;

/// What the page is told of the fleet: its rows by device, and the whole.
pub(in crate::view) fn picture(fleet: &Fleet, place: &Place) -> Result<Picture, Trouble> {
    let rows = fleet.devices.iter().map(|device| Ok((device.device.to_string(), row(device)?)));
    let rows: Result<BTreeMap<String, String>, serde_json::Error> = rows.collect();
    let whole = json!({
        "quarantined_hour": fleet.quarantined_hour,
        "quarantine_capped": fleet.quarantine_capped,
        "place": place.words,
    });
    Ok(Picture {
        at: Some(fleet.at),
        seen: Some(Instant::now()),
        rows: rows.map_err(|error| Trouble::Internal(error.to_string()))?,
        whole: whole.to_string(),
        problem: None,
    })
}

/// A device as JSON, without what changes by itself as time goes on: a row that has not changed is not told
/// again.
fn row(device: &FleetDevice) -> Result<String, serde_json::Error> {
    let mut row = serde_json::to_value(device)?;
    let forget_age = |json: &mut Json| {
        if let Some(object) = json.as_object_mut() {
            object.remove("age_ms");
        }
    };
    forget_age(&mut row);
    row.get_mut("sensors").and_then(Json::as_array_mut).into_iter().flatten().for_each(forget_age);
    Ok(row.to_string())
}

pub(super) async fn get(State(shared): State<Arc<Shared>>) -> Response {
    let picture = shared.live.fresh(shared.every, shared.stopping.clone()).await;
    let answer = match picture.as_deref() {
        Some(Picture { problem: Some(problem), .. }) => problem.answer(StatusCode::BAD_GATEWAY),
        Some(Picture { at: Some(at), rows, whole, .. }) => {
            let rows: Vec<&str> = rows.values().map(String::as_str).collect();
            let body = format!(r#"{{"now":{at},"devices":[{}],"whole":{whole}}}"#, rows.join(","));
            Answer { status: StatusCode::OK, body: Bytes::from(body) }
        }
        Some(_) | None => {
            Problem::asked("the page is ending").answer(StatusCode::SERVICE_UNAVAILABLE)
        }
    };
    answer.into_response()
}

#[cfg(test)]
mod tests {
    use tidings_schema::UnixMillis;

    use super::*;
    use crate::dynamo::Heard;
    use crate::fleet::{Known, gather};

    #[test]
    fn a_row_is_the_same_as_long_as_nothing_happens() {
        let at = |second: i64| UnixMillis::new(1_795_456_000_000 + second * 1000).unwrap();
        let heard = Heard {
            device: "pi-1".try_into().unwrap(),
            sensor: "s".try_into().unwrap(),
            last_seen: at(0),
            principal: None,
            latest: None,
        };
        let known = Known { heard: vec![heard], ..Known::default() };
        let place = Place::local(
            "http://127.0.0.1:8000",
            tokio::sync::watch::Sender::default().subscribe(),
        );
        let rows = |second| picture(&gather(at(second), &known), &place).unwrap().rows;
        assert_eq!(rows(1), rows(60));
        assert_ne!(rows(1), rows(86_400), "by then it is silent");
        assert!(rows(1)["pi-1"].contains(r#""device":"pi-1""#));
    }
}
