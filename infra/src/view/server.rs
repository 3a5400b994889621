//! The web server: what is found where, and an orderly end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower_http::compression::CompressionLayer;

use super::api::{self, Shared};
use super::cache::Cache;
use super::live::Live;
use super::poller::Poller;
use super::{Place, assets, guard};
use crate::Trouble;
use crate::cloud::listen;
use crate::cloud::measured::Measured;
use crate::dynamo::Database;

/// The port that is taken where it is free and none is named.
const PORT: u16 = 8080;

/// How long open answers may take at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a page is over.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) database: Database,
    pub(crate) place: Place,
    /// Time between two looks at the tables, while somebody looks at the page.
    pub(crate) every: Duration,
    /// What the local pipeline measures of itself, where there is one.
    pub(crate) measured: Option<Measured>,
}

/// A listener on the port that was named; else on the usual one where it is free, and any where it is not.
pub(crate) async fn listen_or_free(named: Option<u16>) -> Result<TcpListener, Trouble> {
    const WHAT: &str = "the page";
    match named {
        Some(port) => listen(WHAT, port).await,
        None => match listen(WHAT, PORT).await {
            Ok(listener) => Ok(listener),
            Err(_) => listen(WHAT, 0).await,
        },
    }
}

/// The running server.
#[derive(Debug)]
pub(crate) struct Server {
    url: String,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<std::io::Result<()>>,
    polling: JoinHandle<()>,
}

impl Server {
    /// Serves on a listener.
    ///
    /// # Errors
    /// When the listener does not know its address.
    pub(crate) fn start(listener: TcpListener, served: Served) -> Result<Self, Trouble> {
        let address = listener.local_addr()?;
        let stopping = watch::Sender::new(false);
        let Served { database, place, every, measured } = served;
        let live = Live::new();
        let shared = Arc::new(Shared {
            database: database.clone(),
            place,
            every,
            cache: Cache::default(),
            live: live.clone(),
            stopping: stopping.subscribe(),
        });
        let mut router = Router::new();
        if let Some(measured) = measured {
            let totals = move || async move { axum::Json(measured.totals()) };
            router = router.route("/api/measured", get(totals));
        }
        let router = router
            .merge(api::routes(shared.clone()))
            .merge(assets::routes())
            // Not of what is live: a stream is told at once, and is not compressed by this layer's default.
            .layer(CompressionLayer::new())
            .layer(middleware::from_fn(guard::guard));
        let polling = tokio::spawn(Poller::new(shared).run(stopping.subscribe()));
        let mut stopped = stopping.subscribe();
        let serving = axum::serve(listener, router).with_graceful_shutdown(async move {
            // An error means that the server is gone, which is a stop too.
            stopped.wait_for(|stopping| *stopping).await.ok();
        });
        let serving = tokio::spawn(serving.into_future());
        Ok(Self { url: format!("http://{address}"), stopping, serving, polling })
    }

    /// Where the page is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Ends: the streams of open pages first, then what is being answered, then the poller.
    pub(crate) async fn stop(self) {
        self.stopping.send_replace(true);
        let abort = self.serving.abort_handle();
        match tokio::time::timeout(PATIENCE, self.serving).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the page failed")
            }
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the page failed")
            }
            Err(_) => abort.abort(),
        }
        if let Err(error) = self.polling.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the page's poller failed");
        }
    }
}
