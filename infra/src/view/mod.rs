//! `view`: the page over the fleet, from any DynamoDB. `up` serves the same one.
//!
//! ```text
//! browser ──> guard ──> assets                      (what the page is)
//!                  ├──> api ──> cache ──> Database  (what it shows; some seconds old at the most)
//!                  └──> live <── poller ──> Database (only while somebody looks)
//! ```
//!
//! It reads and never writes, listens on the loopback interface alone, scans no table, and each question costs
//! a bounded number of queries.

mod api;
mod assets;
mod cache;
mod guard;
mod live;
mod payload;
mod place;
mod poller;
mod problem;
mod server;

use std::io::Write as _;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

pub use self::place::{FunctionNow, Place};
pub(crate) use self::server::{Served, Server, listen_or_free};
use crate::Trouble;
use crate::target::Target;

/// Time between two looks at the tables while somebody looks at the page: a look costs a query or two, and
/// who watches a fleet does not see a second.
const EVERY: Duration = Duration::from_secs(5);

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct ViewArguments {
    /// Port of the page, 0 for a free one [default: 8080, or a free one].
    #[arg(long)]
    port: Option<u16>,
    /// Say where the page is as a line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Serves the page until Ctrl-C.
///
/// # Errors
/// When the port is taken. What DynamoDB says against it stands on the page.
pub async fn view(arguments: ViewArguments) -> Result<(), Trouble> {
    let listener = listen_or_free(arguments.port).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let server = Server::start(
        listener,
        Served {
            database: arguments.target.connect().await,
            place: Place::of(&arguments.target),
            every: EVERY,
            measured: None,
        },
    )?;
    let url = server.url();
    let mut out = std::io::stdout();
    if arguments.json {
        writeln!(out, "{}", serde_json::json!({ "page": url }))?;
    } else {
        writeln!(out, "page      {url}\nCtrl-C ends it")?;
    }
    out.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    server.stop().await;
    Ok(())
}
