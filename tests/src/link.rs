//! A line between agent and broker that can go dead without a word: packets are dropped, nobody is
//! refused, nothing is closed.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// The line.
#[derive(Debug)]
pub struct Line {
    /// Where it begins.
    pub address: SocketAddr,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Line {
    /// Lays a line to a broker.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn to(broker: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (open, seen) = watch::channel(true);
        let task = tokio::spawn(async move {
            let mut streams = JoinSet::new();
            while let Ok((agent, _)) = listener.accept().await {
                let seen = seen.clone();
                streams.spawn(async move {
                    let Ok(broker) = TcpStream::connect(broker).await else { return };
                    let (from_agent, to_agent) = agent.into_split();
                    let (from_broker, to_broker) = broker.into_split();
                    // Where one side ends, so does the other.
                    tokio::select! {
                        () = carry(from_agent, to_broker, seen.clone()) => {}
                        () = carry(from_broker, to_agent, seen) => {}
                    }
                });
            }
        });
        Self { address, open, task }
    }

    /// Lets packets through, or drops them.
    pub fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    /// Ends it.
    pub async fn close(self) {
        self.task.abort();
        self.task.await.ok();
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut open: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // What is on its way when the line goes dead arrives when it lives again, as TCP has it.
        if open.wait_for(|open| *open).await.is_err()
            || to.write_all(&buffer[..length]).await.is_err()
        {
            return;
        }
    }
    // Nor does an end get through a dead line.
    open.wait_for(|open| *open).await.ok();
}
