//! The page: the latest value of every sensor and the last minutes as lines, live. Read-only, on
//! the loopback interface, without anything from a network.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use tidings_agent::clock;
use tidings_schema::{Clock, DeviceId, Quantity, SensorId, UnixMillis};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

use crate::Trouble;
use crate::cloud::measured::Measured;
use crate::dynamo::{Database, StoredReading, Window};

/// Scripts, styles and data from here and from nowhere else. The chart library sets its sizes by
/// inline styles.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The longest span that the page asks for, in minutes.
const MAX_MINUTES: i64 = 60;

/// The most points of one line.
const MAX_POINTS: usize = 4000;

/// News that an open page may be behind. One that is further behind is cut off, connects again and
/// reads all of its lines anew.
const NEWS: usize = 64;

/// What the pages are told.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    latest: watch::Sender<Vec<StoredReading>>,
    news: broadcast::Sender<String>,
}

impl Teller {
    pub(super) fn new() -> Self {
        Self { latest: watch::Sender::default(), news: broadcast::Sender::new(NEWS) }
    }

    /// Tells of new readings, and of the latest of every sensor.
    pub(super) fn tell(&self, news: &[StoredReading], latest: Vec<StoredReading>) {
        self.latest.send_replace(latest);
        if !news.is_empty() {
            // Nobody may be looking.
            self.news.send(points(news)).ok();
        }
    }
}

#[derive(Debug, Clone)]
struct Shared {
    database: Database,
    teller: Teller,
}

/// The running page.
#[derive(Debug)]
pub(super) struct Page {
    task: JoinHandle<()>,
}

impl Page {
    /// Serves on a listener.
    pub(super) fn start(
        listener: TcpListener,
        database: Database,
        teller: Teller,
        measured: Measured,
    ) -> Self {
        let router = Router::new()
            .route(
                "/",
                get(|| asset("text/html; charset=utf-8", include_str!("../../assets/index.html"))),
            )
            .route(
                "/page.js",
                get(|| asset("text/javascript", include_str!("../../assets/page.js"))),
            )
            .route("/page.css", get(|| asset("text/css", include_str!("../../assets/page.css"))))
            .route(
                "/uplot.js",
                get(|| {
                    asset(
                        "text/javascript",
                        include_str!("../../assets/vendor/uplot/uPlot.iife.min.js"),
                    )
                }),
            )
            .route(
                "/uplot.css",
                get(|| asset("text/css", include_str!("../../assets/vendor/uplot/uPlot.min.css"))),
            )
            .route("/api/series", get(series))
            .route("/api/latest", get(latest_now))
            .route("/api/live", get(live))
            .route("/api/measured", get(move || async move { axum::Json(measured.totals()) }))
            .with_state(Shared { database, teller });
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(error = &error as &dyn std::error::Error, "the page failed");
            }
        });
        Self { task }
    }

    /// Ends at once: an open page has an open connection.
    pub(super) async fn stop(self) {
        self.task.abort();
        // The only error is the cancellation just asked for.
        self.task.await.ok();
    }
}

async fn asset(kind: &'static str, body: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, body).into_response()
}

/// One reading as the page takes it.
#[derive(Debug, Serialize)]
struct Point<'a> {
    device: &'a str,
    sensor: &'a str,
    at: UnixMillis,
    values: &'a std::collections::BTreeMap<String, f64>,
    units: std::collections::BTreeMap<&'a str, &'a str>,
    fault: Option<&'a str>,
}

fn point(reading: &StoredReading) -> Point<'_> {
    let unit = |name: &'_ str| {
        let known = Quantity::try_from(name).ok().and_then(|quantity| quantity.known());
        known.map(|known| known.unit().name())
    };
    let own = |name: &str| reading.units.get(name).map(String::as_str);
    Point {
        device: &reading.device,
        sensor: &reading.sensor,
        at: reading.at,
        values: &reading.values,
        units: reading
            .values
            .keys()
            .filter_map(|name| Some((name.as_str(), own(name).or_else(|| unit(name))?)))
            .collect(),
        fault: reading.fault.as_deref(),
    }
}

fn points(readings: &[StoredReading]) -> String {
    let points: Vec<Point<'_>> = readings
        .iter()
        // A chart has no place for what has no place in time.
        .filter(|reading| reading.clock == Clock::Set)
        .map(point)
        .collect();
    serde_json::to_string(&points).unwrap_or_else(|_| "[]".to_owned())
}

#[derive(Debug, Deserialize)]
struct SeriesQuery {
    device: DeviceId,
    sensor: SensorId,
    minutes: Option<i64>,
}

async fn series(State(shared): State<Shared>, Query(query): Query<SeriesQuery>) -> Response {
    let minutes = query.minutes.unwrap_or(10).clamp(1, MAX_MINUTES);
    let window = Window {
        from: clock::now().offset(-minutes * 60_000).unwrap_or(UnixMillis::MIN),
        to: UnixMillis::MAX,
        limit: MAX_POINTS,
        newest_first: true,
    };
    match shared.database.readings(&query.device, &query.sensor, window).await {
        Ok(mut readings) => {
            readings.reverse();
            json(points(&readings))
        }
        Err(error) => failed(&error),
    }
}

async fn latest_now(State(shared): State<Shared>) -> Response {
    let text = points(&shared.teller.latest.borrow());
    json(text)
}

fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], text)
        .into_response()
}

fn failed(error: &Trouble) -> Response {
    tracing::warn!(error = error as &dyn std::error::Error, "the page was not answered");
    (StatusCode::BAD_GATEWAY, error.to_string()).into_response()
}

async fn live(State(shared): State<Shared>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(shared.teller.news.subscribe(), |mut news| async move {
        let text = news.recv().await.ok()?;
        Some((Ok(Event::default().data(text)), news))
    });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}
