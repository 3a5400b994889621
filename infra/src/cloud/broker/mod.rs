//! An MQTT broker that behaves as AWS IoT Core does towards a device: mutual TLS; a certificate
//! connects only as its own thing and reaches only its own topics, and a violation ends the
//! connection; PUBACK when the rule has taken the message; Basic Ingest topics; at most 128 KiB;
//! QoS 0 and 1; persistent sessions and retained messages; MQTT 3.1.1 and 5.

mod connection;
mod hub;
mod packets;
pub mod policy;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use self::connection::Connection;
use self::hub::Hub;
pub use self::hub::Message;
use super::pki::{Pki, Principal};
use crate::Trouble;

/// How long a client may take for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The wait after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who takes the messages of a broker.
pub trait Taken: Send + Sync {
    /// Takes a message; `false` where that failed, and the client is not to be acknowledged.
    fn take<'a>(
        &'a self,
        message: &'a Message,
        client_id: &'a str,
        principal: &'a Principal,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
}

/// The running broker.
#[derive(Debug)]
pub struct Broker {
    /// Where it listens.
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// What all connections share.
pub(crate) struct Shared {
    hub: Mutex<Hub>,
    taken: Arc<dyn Taken>,
}

impl Shared {
    /// The hub. Its methods are short and none awaits; one that panicked has left it whole.
    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Broker {
    /// Serves on a listener; `taken` gets every message.
    ///
    /// # Errors
    /// When the CA's files are damaged.
    pub fn start(listener: TcpListener, pki: &Pki, taken: Arc<dyn Taken>) -> Result<Self, Trouble> {
        let address = listener.local_addr().map_err(|source| Trouble::Listen {
            what: "MQTT".to_owned(),
            port: 0,
            source,
        })?;
        let acceptor = TlsAcceptor::from(pki.server_config()?);
        let shared = Arc::new(Shared { hub: Mutex::default(), taken });
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, acceptor, pki.clone(), shared, stopped));
        Ok(Self { address, stop, task: Some(task) })
    }

    /// Closes every connection and the listener. A second time it does nothing.
    pub async fn close(&mut self) {
        self.stop.send_replace(true);
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(error = &error as &dyn std::error::Error, "the broker failed");
        }
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    pki: Pki,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            (stream, peer) = next(&listener) => {
                let serve = serve(stream, peer, acceptor.clone(), pki.clone(), shared.clone());
                connections.spawn(serve);
            }
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(error = &error as &dyn std::error::Error, "a connection failed");
                }
            }
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    connections.shutdown().await;
}

/// The next connection.
async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "no connection accepted");
                // Out of file descriptors, most likely, which does not pass by asking again.
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    acceptor: TlsAcceptor,
    pki: Pki,
    shared: Arc<Shared>,
) {
    // Small packets, each of which somebody waits for. Where it cannot be set it is only slower.
    stream.set_nodelay(true).ok();
    let tls = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            tracing::warn!(%peer, error = &error as &dyn std::error::Error, "TLS handshake refused");
            return;
        }
        Err(_) => {
            tracing::warn!(%peer, "no TLS handshake");
            return;
        }
    };
    let certificate = tls.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let Some(principal) = certificate.and_then(|certificate| pki.principal(certificate)) else {
        tracing::warn!(%peer, "certificate is not registered");
        return;
    };
    let thing = principal.thing.clone();
    let end = Connection::new(tls, principal, shared).serve().await;
    tracing::info!(%peer, thing = thing.as_str(), reason = %end, "connection ended");
}
