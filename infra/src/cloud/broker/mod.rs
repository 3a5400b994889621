//! An MQTT broker that behaves as AWS IoT Core does towards a device: mutual TLS; a certificate
//! connects only as its own thing and reaches only its own topics, and a violation ends the
//! connection; PUBACK when the rule has taken the message; Basic Ingest topics; at most 128 KiB;
//! QoS 0 and 1; persistent sessions and retained messages; MQTT 3.1.1 and 5.

mod connection;
mod hub;
mod packets;
pub mod policy;
mod shadow;

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_agent::clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use self::connection::Connection;
pub use self::hub::Message;
use self::hub::{Hub, ToConnection};
use self::shadow::Shadows;
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
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

/// What all connections share.
/// What an operator hears.
#[derive(Debug)]
pub struct Listener {
    retained: VecDeque<Message>,
    inbox: mpsc::Receiver<ToConnection>,
}

impl Listener {
    /// The next message; `None` when another has taken the place, or the broker has ended.
    pub async fn next(&mut self) -> Option<Message> {
        if let Some(retained) = self.retained.pop_front() {
            return Some(retained);
        }
        match self.inbox.recv().await? {
            ToConnection::Deliver(message) => Some(message),
            ToConnection::TakenOver => None,
        }
    }
}

/// Messages that may wait for a listener.
const LISTENER: usize = 1024;

pub(crate) struct Shared {
    hub: Mutex<Hub>,
    shadows: Mutex<Shadows>,
    taken: Arc<dyn Taken>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    /// The hub. Its methods are short and none awaits; one that panicked has left it whole.
    /// Serves a message on a topic of the shadow service.
    fn shadow(&self, message: &Message) {
        let now = clock::now().seconds();
        let mut shadows = self.shadows.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = shadows.serve(&message.topic, &message.payload, now);
        drop(shadows);
        for answer in &answers {
            self.hub().publish(answer);
        }
    }

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
        let shared = Arc::new(Shared { hub: Mutex::default(), shadows: Mutex::default(), taken });
        let (stop, stopped) = watch::channel(false);
        let served = shared.clone();
        let task = tokio::spawn(accept(listener, acceptor, pki.clone(), served, stopped));
        Ok(Self { address, shared, stop, task: Some(task) })
    }

    /// Closes every connection and the listener. A second time it does nothing.
    /// Listens as an operator would, who is no device: to status and answers. Begins with what is
    /// retained.
    #[must_use]
    pub fn listen(&self, filter: &str) -> Listener {
        let (outbox, inbox) = mpsc::channel(LISTENER);
        let mut hub = self.shared.hub();
        // A `#` cannot be a thing's name.
        let name = format!("#operator-{filter}");
        hub.join(&name, true, outbox, std::time::Instant::now());
        let retained = hub.subscribe(&name, filter, true).into();
        Listener { retained, inbox }
    }

    /// Publishes as an operator would, who is no device: commands, and wishes for a shadow.
    pub fn publish(&self, message: &Message) {
        if message.topic.starts_with('$') {
            self.shared.shadow(message);
        } else {
            self.shared.hub().publish(message);
        }
    }

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
