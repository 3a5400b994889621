//! What the page asks: JSON, from the tables or from an answer of some seconds ago.

mod device;
pub(super) mod fleet;
mod path;
mod quarantine;
mod series;
mod sparks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::{Deserialize, Serialize};
use tidings_schema::{Clock, DeviceId, Quantity, UnixMillis};
use tokio::sync::watch;

use super::Place;
use super::cache::{Answer, Cache};
use super::live::Live;
use super::problem::Problem;
use crate::Trouble;
use crate::dynamo::{Database, StoredReading};

/// What all answers are made from.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) database: Database,
    pub(super) place: Place,
    /// Time between two looks of the poller, and so the age of what it shows.
    pub(super) every: Duration,
    pub(super) cache: Cache,
    pub(super) live: Live,
    pub(super) stopping: watch::Receiver<bool>,
}

/// The questions.
pub(super) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/api/fleet", get(fleet::get))
        .route("/api/device", get(device::get))
        .route("/api/series", get(series::get))
        .route("/api/sparks", get(sparks::get))
        .route("/api/quarantine", get(quarantine::get))
        .route("/api/path", get(path::get))
        .route("/api/live", get(live))
        .route("/api/{*nothing}", get(nothing))
        .with_state(shared)
}

#[derive(Debug, Deserialize)]
struct LiveQuery {
    device: Option<DeviceId>,
}

async fn live(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<LiveQuery>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => {
            shared.live.stream(query.device, shared.stopping.clone()).into_response()
        }
        Err(rejection) => {
            Problem::asked(rejection.body_text()).answer(StatusCode::BAD_REQUEST).into_response()
        }
    }
}

async fn nothing() -> Response {
    Problem::asked("there is no such question").answer(StatusCode::NOT_FOUND).into_response()
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let headers =
            [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (self.status, headers, self.body).into_response()
    }
}

impl Shared {
    /// The answer of some seconds ago, or one from the tables.
    async fn answer<T: Serialize>(
        &self,
        question: String,
        keep: Duration,
        ask: impl Future<Output = Result<T, Trouble>>,
    ) -> Response {
        let answer = self.cache.get(question, keep, async { answer(&ask.await) }).await;
        answer.into_response()
    }
}

fn answer<T: Serialize>(result: &Result<T, Trouble>) -> Answer {
    match result {
        Ok(value) => match serde_json::to_vec(value) {
            Ok(body) => Answer { status: StatusCode::OK, body: body.into() },
            Err(error) => Problem::from(&Trouble::Internal(error.to_string()))
                .answer(StatusCode::INTERNAL_SERVER_ERROR),
        },
        Err(trouble @ Trouble::Usage(_)) => Problem::from(trouble).answer(StatusCode::BAD_REQUEST),
        Err(trouble) => {
            tracing::debug!(error = trouble as &dyn std::error::Error, "the page was not answered");
            Problem::from(trouble).answer(StatusCode::BAD_GATEWAY)
        }
    }
}

/// The text of a question, or what is wrong with it.
#[expect(clippy::result_large_err, reason = "the answer itself, once for a wrong question")]
fn read<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Response> {
    query.map(|Query(query)| query).map_err(|rejection| {
        Problem::asked(rejection.body_text()).answer(StatusCode::BAD_REQUEST).into_response()
    })
}

/// The unit of a quantity that Tidings knows, where a reading has none of its own.
fn unit_of(quantity: &str) -> Option<&'static str> {
    let quantity = Quantity::try_from(quantity).ok()?;
    Some(quantity.known()?.unit().name())
}

/// A reading as the page takes it.
#[derive(Debug, Serialize)]
struct Point<'a> {
    device: &'a str,
    sensor: &'a str,
    at: UnixMillis,
    /// Whether `at` is a time, and not how long the device had been on.
    is_timed: bool,
    values: &'a BTreeMap<String, f64>,
    units: BTreeMap<&'a str, &'a str>,
    fault: Option<&'a str>,
    received_at: Option<i64>,
}

fn point(reading: &StoredReading) -> Point<'_> {
    let own = |name: &str| reading.units.get(name).map(String::as_str);
    let unit = |name: &'_ str| own(name).or_else(|| unit_of(name));
    Point {
        device: &reading.device,
        sensor: &reading.sensor,
        at: reading.at,
        is_timed: reading.clock == Clock::Set,
        values: &reading.values,
        units: reading
            .values
            .keys()
            .filter_map(|name| Some((name.as_str(), unit(name)?)))
            .collect(),
        fault: reading.fault.as_deref(),
        received_at: reading.received_at,
    }
}

/// Readings as the page takes them, as JSON.
pub(super) fn points(readings: &[StoredReading]) -> String {
    let points: Vec<Point<'_>> = readings.iter().map(point).collect();
    serde_json::to_string(&points).unwrap_or_else(|_| "[]".to_owned())
}
