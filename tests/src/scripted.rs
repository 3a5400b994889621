//! A broker that does as it is told: mutual TLS as ever, but what happens to each publish is in a
//! script. For what real brokers do on bad days.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet, v3_1_1};
use mqtt_protocol_core::mqtt::result_code::ConnectReturnCode;
use mqtt_protocol_core::mqtt::{Connection, Version, role};
use tidings::cloud::pki::Pki;
use tidings_schema::wire::latest;
use tidings_schema::{SensorId, Seq};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What is done with one publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It is acknowledged.
    Acknowledge,
    /// It is taken and never acknowledged, as AWS does with what exceeds its rate.
    Withhold,
    /// It is taken, and the connection is closed before the acknowledgement.
    TakeAndClose,
    /// It is acknowledged under a packet id that nobody used.
    Forge,
    /// It is kept back, and acknowledged after the next one.
    Swap,
    /// Half of the acknowledgement is sent, and the connection is closed.
    Tear,
}

/// In place of a sensor: a policy that allows no subscription, which ends the connection on AWS.
pub const NO_SUBSCRIPTIONS: &str = "#subscribe";

/// What the broker saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// Connections accepted.
    pub connections: usize,
    /// Names of the readings in every publish, in order, whether acknowledged or not.
    pub readings: Vec<(SensorId, Seq)>,
    /// Those whose publish was acknowledged.
    pub acknowledged: Vec<(SensorId, Seq)>,
}

/// The running broker.
#[derive(Debug)]
pub struct Scripted {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Scripted {
    /// Starts with deeds for the publishes to come, whichever connection they come on; after the
    /// last one every publish is acknowledged.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start(pki: &Pki, deeds: Vec<Deed>) -> Self {
        Self::with_poison(pki, deeds, "").await
    }

    /// The same, and a message with a reading of this sensor ends the connection, whatever the script
    /// says; for [`NO_SUBSCRIPTIONS`] any subscription does.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn with_poison(pki: &Pki, deeds: Vec<Deed>, poison: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let acceptor = TlsAcceptor::from(pki.server_config().expect("a certificate"));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let state = seen.clone();
        let task = tokio::spawn(async move {
            let mut script = deeds.into_iter();
            // One connection after the other: the agent has only one.
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &acceptor, &mut script, &state, poison).await;
            }
        });
        Self { address, seen, task }
    }

    /// Looks at what was seen.
    pub fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends it.
    pub async fn stop(self) {
        self.task.abort();
        self.task.await.ok();
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    script: &mut impl Iterator<Item = Deed>,
    state: &Mutex<Seen>,
    poison: &str,
) {
    let seen = |change: &mut dyn FnMut(&mut Seen)| {
        change(&mut state.lock().unwrap_or_else(PoisonError::into_inner));
    };
    let Ok(mut tls) = acceptor.accept(stream).await else { return };
    let mut protocol = Connection::<role::Server>::new(Version::V3_1_1);
    protocol.set_auto_ping_response(true);
    let mut held: Option<(u16, Vec<(SensorId, Seq)>)> = None;
    let mut buffer = [0_u8; 16 * 1024];
    loop {
        let Ok(length @ 1..) = tls.read(&mut buffer).await else { return };
        let mut cursor = Cursor::new(&buffer[..length]);
        let mut out = Vec::new();
        let mut close = false;
        while !close && usize::try_from(cursor.position()).is_ok_and(|at| at < length) {
            for event in protocol.recv(&mut cursor) {
                match event {
                    Event::NotifyPacketReceived(Packet::V3_1_1Connect(_)) => {
                        seen(&mut |seen| seen.connections += 1);
                        let connack = v3_1_1::Connack::builder()
                            .return_code(ConnectReturnCode::Accepted)
                            .session_present(false)
                            .build()
                            .expect("a CONNACK");
                        // Through the state machine, which else takes no publish.
                        for event in protocol.send(connack.into()) {
                            if let Event::RequestSendPacket { packet, .. } = event {
                                out.extend(packet.to_continuous_buffer());
                            }
                        }
                    }
                    Event::NotifyPacketReceived(Packet::V3_1_1Publish(publish)) => {
                        let Some(id) = publish.packet_id() else { continue };
                        if !publish.topic_name().ends_with("/readings") {
                            // That it is there, and what it asks of its shadow: not for the script.
                            out.extend(puback(id));
                            continue;
                        }
                        let decoded =
                            latest::decode(publish.payload().as_slice()).expect("our wire");
                        let names: Vec<(SensorId, Seq)> =
                            decoded.readings.into_iter().map(|one| (one.sensor, one.seq)).collect();
                        seen(&mut |seen| seen.readings.extend(names.iter().cloned()));
                        if names.iter().any(|(sensor, _)| sensor.as_str() == poison) {
                            close = true;
                            continue;
                        }
                        let mut acknowledge = |id: u16, names: &[(SensorId, Seq)]| {
                            out.extend(puback(id));
                            seen(&mut |seen| seen.acknowledged.extend_from_slice(names));
                        };
                        match script.next().unwrap_or(Deed::Acknowledge) {
                            Deed::Acknowledge => acknowledge(id, &names),
                            Deed::Withhold => {}
                            Deed::TakeAndClose => close = true,
                            Deed::Forge => out.extend(puback(id.wrapping_add(1000).max(1))),
                            Deed::Tear => {
                                out.extend(&puback(id)[..2]);
                                close = true;
                            }
                            Deed::Swap => {
                                held = Some((id, names));
                                continue;
                            }
                        }
                        if let Some((id, names)) = held.take() {
                            let mut acknowledge = |id: u16, names: &[(SensorId, Seq)]| {
                                out.extend(puback(id));
                                seen(&mut |seen| seen.acknowledged.extend_from_slice(names));
                            };
                            acknowledge(id, &names);
                        }
                    }
                    Event::NotifyPacketReceived(Packet::V3_1_1Subscribe(_))
                        if poison == NO_SUBSCRIPTIONS =>
                    {
                        close = true;
                    }
                    Event::NotifyPacketReceived(Packet::V3_1_1Subscribe(subscribe)) => {
                        let [high, low] = subscribe.packet_id().to_be_bytes();
                        let filters = subscribe.entries().len();
                        let length = u8::try_from(2 + filters).expect("few filters");
                        out.extend([0x90, length, high, low]);
                        out.extend(std::iter::repeat_n(1, filters));
                    }
                    Event::NotifyPacketReceived(Packet::V3_1_1Disconnect(_))
                    | Event::NotifyError(_) => {
                        close = true;
                    }
                    Event::RequestSendPacket { packet, .. } => {
                        out.extend(packet.to_continuous_buffer())
                    }
                    _ => {}
                }
            }
        }
        if !out.is_empty() && tls.write_all(&out).await.is_err() {
            return;
        }
        tls.flush().await.ok();
        if close {
            return;
        }
    }
}

/// A PUBACK of MQTT 3.1.1 (section 3.4), by hand: the script may send what no state machine would.
fn puback(id: u16) -> [u8; 4] {
    let [high, low] = id.to_be_bytes();
    [0x40, 2, high, low]
}
