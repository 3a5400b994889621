//! A DynamoDB in this process, on a file, that any AWS SDK reaches over HTTP.

use std::path::Path;

use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::Trouble;

/// The running emulator.
#[derive(Debug)]
pub struct DynamoDb {
    /// For `endpoint_url`.
    pub endpoint: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<(), String>>,
}

impl DynamoDb {
    /// Serves the tables in the file on a listener.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn start(file: &Path, listener: TcpListener) -> Result<Self, Trouble> {
        let address = listener.local_addr().map_err(|source| Trouble::Listen {
            what: "DynamoDB".to_owned(),
            port: 0,
            source,
        })?;
        let database = Database::new(&file.to_string_lossy())
            .map_err(|error| Trouble::DynamoDb(error.to_string()))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            // An error means that the handle is gone, which is a stop too.
            stopped.await.ok();
        };
        let task = tokio::spawn(dynoxide::server::serve_with_shutdown(listener, database, stopped));
        Ok(Self { endpoint: format!("http://{address}"), stop, task })
    }

    /// Ends once open requests are answered.
    pub async fn stop(self) {
        self.stop.send(()).ok();
        // A keep-alive connection of a client may hold the server up: a moment is enough for
        // whatever was under way, and the file is safe at any time.
        let abort = self.task.abort_handle();
        match tokio::time::timeout(std::time::Duration::from_secs(2), self.task).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(error, "DynamoDB failed"),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "DynamoDB failed")
            }
            Err(_) => abort.abort(),
        }
    }
}
