//! One connection: bytes in and out around the protocol's state machine, and the checks that AWS
//! IoT Core makes. A violation ends the connection.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqtt_protocol_core::mqtt::Version;
use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::{ConnectionOptions, Event, TimerKind};
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use tidings_schema::limits::MAX_PAYLOAD_BYTES;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use super::Shared;
use super::hub::{Message, OUTBOX, ToConnection};
use super::packets::{Dialect, Protocol, Request, request};
use super::policy::{Policy, is_within_limits};
use crate::cloud::pki::Principal;

/// Room for the largest payload with its topic and header.
const MAX_PACKET_BYTES: u32 = 128 * 1024 + 18 * 1024;

/// "Keep-alive … 30 to 1,200 seconds; 0 or more than 1,200 counts as 1,200; cut at 1.5 times."
const LONGEST_SILENCE: Duration = Duration::from_secs(1800);

/// How long a client may take from TLS to CONNECT.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the client said goodbye")]
    Goodbye,
    #[error("the client closed the connection")]
    Closed,
    #[error("the client was silent for too long")]
    Silent,
    #[error("another connection has the same client id")]
    TakenOver,
    #[error("not allowed: {0}")]
    Denied(String),
    #[error("the protocol was broken: {0:?}")]
    Protocol(MqttError),
    #[error("network")]
    Io(#[from] std::io::Error),
}

impl From<MqttError> for End {
    fn from(error: MqttError) -> Self {
        Self::Protocol(error)
    }
}

pub(super) struct Connection {
    io: TlsStream<TcpStream>,
    protocol: Protocol,
    principal: Principal,
    policy: Policy,
    shared: Arc<Shared>,
    /// When the client counts as gone.
    deadline: tokio::time::Instant,
    outgoing: Vec<u8>,
    inbox: Option<mpsc::Receiver<ToConnection>>,
    member: Option<Member>,
    unacknowledged: BTreeMap<u16, Message>,
}

/// What a connection is after its CONNECT.
struct Member {
    client_id: String,
    connection: u64,
    will: Option<Message>,
}

impl Connection {
    pub(super) fn new(io: TlsStream<TcpStream>, principal: Principal, shared: Arc<Shared>) -> Self {
        let options = ConnectionOptions::new().maximum_packet_size_recv(MAX_PACKET_BYTES);
        let mut protocol = Protocol::with_options(Version::Undetermined, options);
        protocol.set_auto_ping_response(true);
        Self {
            io,
            protocol,
            policy: Policy::of(&principal.thing),
            principal,
            shared,
            deadline: tokio::time::Instant::now() + CONNECT_PATIENCE,
            outgoing: Vec::new(),
            inbox: None,
            member: None,
            unacknowledged: BTreeMap::new(),
        }
    }

    /// Serves the client until its connection ends.
    pub(super) async fn serve(mut self) -> End {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        if matches!(end, End::Denied(_))
            && let Ok(Some(goodbye)) = Dialect::of(&self.protocol).goodbye()
        {
            // The connection ends whether the client hears it or not.
            self.send(goodbye).ok();
            self.flush().await.ok();
        }
        if let Some(Member { client_id, connection, will }) = self.member.take() {
            let unacknowledged = std::mem::take(&mut self.unacknowledged).into_values().collect();
            self.shared.hub().leave(&client_id, connection, unacknowledged, Instant::now());
            if let Some(will) = will.filter(|_| !matches!(end, End::Goodbye)) {
                self.route(will).await;
            }
        }
        end
    }

    /// Waits for one thing to happen and deals with it.
    async fn step(&mut self) -> Result<(), End> {
        let mut buffer = [0_u8; 16 * 1024];
        let from_hub = async {
            match &mut self.inbox {
                Some(inbox) => inbox.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = self.io.read(&mut buffer) => match read? {
                0 => return Err(End::Closed),
                length => self.received(&buffer[..length]).await?,
            },
            message = from_hub => match message {
                Some(ToConnection::Deliver(message)) => self.deliver(message)?,
                Some(ToConnection::TakenOver) | None => return Err(End::TakenOver),
            },
            () = tokio::time::sleep_until(self.deadline) => return Err(End::Silent),
        }
        self.flush().await
    }

    async fn received(&mut self, bytes: &[u8]) -> Result<(), End> {
        let mut cursor = Cursor::new(bytes);
        while usize::try_from(cursor.position()).is_ok_and(|position| position < bytes.len()) {
            for event in self.protocol.recv(&mut cursor) {
                self.handle(event).await?;
            }
        }
        Ok(())
    }

    async fn handle(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::NotifyPacketReceived(packet) => self.answer(request(packet)).await,
            Event::RequestSendPacket { packet, .. } => {
                self.outgoing.extend_from_slice(&packet.to_continuous_buffer());
                Ok(())
            }
            Event::RequestTimerReset { kind: TimerKind::PingreqRecv, duration_ms } => {
                let silence = Duration::from_millis(duration_ms).min(LONGEST_SILENCE);
                self.deadline = tokio::time::Instant::now() + silence;
                Ok(())
            }
            Event::RequestTimerCancel(TimerKind::PingreqRecv) => {
                self.deadline = tokio::time::Instant::now() + LONGEST_SILENCE;
                Ok(())
            }
            Event::RequestTimerReset { .. }
            | Event::RequestTimerCancel(_)
            | Event::NotifyPacketIdReleased(_) => Ok(()),
            Event::NotifyError(error) => Err(End::Protocol(error)),
            Event::RequestClose => Err(End::Closed),
        }
    }

    async fn answer(&mut self, request: Request) -> Result<(), End> {
        match request {
            Request::Connect { client_id, clean, will } => self.connect(client_id, clean, will)?,
            Request::Publish { message, packet_id } => {
                if !self.policy.may_publish(&message.topic) || !is_within_limits(&message.topic) {
                    return Err(End::Denied(format!("publish to {}", message.topic)));
                }
                if message.payload.len() > MAX_PAYLOAD_BYTES {
                    return Err(End::Denied(format!("payload of {} bytes", message.payload.len())));
                }
                let taken = self.route(message).await;
                // Without an acknowledgement the client sends it again: nothing is lost.
                if let Some(packet_id) = packet_id.filter(|_| taken) {
                    self.send(Dialect::of(&self.protocol).puback(packet_id)?)?;
                }
            }
            Request::Subscribe { packet_id, filters } => self.subscribe(packet_id, &filters)?,
            Request::Unsubscribe { packet_id, filters } => {
                if let Some(member) = &self.member {
                    for filter in &filters {
                        self.shared.hub().unsubscribe(&member.client_id, filter);
                    }
                }
                self.send(Dialect::of(&self.protocol).unsuback(packet_id, filters.len())?)?;
            }
            Request::Acknowledged { packet_id } => {
                self.unacknowledged.remove(&packet_id);
            }
            Request::Disconnect => return Err(End::Goodbye),
            Request::Nothing => {}
            Request::Unsupported(what) => return Err(End::Denied(what.to_owned())),
        }
        Ok(())
    }

    fn connect(
        &mut self,
        client_id: String,
        clean: bool,
        will: Option<Message>,
    ) -> Result<(), End> {
        let will_denied = will.as_ref().is_some_and(|will| !self.policy.may_publish(&will.topic));
        if !self.policy.may_connect(&client_id) || will_denied {
            self.send(Dialect::of(&self.protocol).connack(false, false)?)?;
            return Err(End::Denied(format!(
                "connect as {client_id:?} with the certificate of {:?}",
                self.principal.thing.as_str()
            )));
        }
        let (outbox, inbox) = mpsc::channel(OUTBOX);
        let joined = self.shared.hub().join(&client_id, clean, outbox, Instant::now());
        self.inbox = Some(inbox);
        self.member = Some(Member { client_id, connection: joined.connection, will });
        self.send(Dialect::of(&self.protocol).connack(true, joined.session_present)?)?;
        for message in joined.waiting {
            self.deliver(message)?;
        }
        Ok(())
    }

    fn subscribe(&mut self, packet_id: u16, filters: &[(String, bool)]) -> Result<(), End> {
        if let Some((denied, _)) =
            filters.iter().find(|(filter, _)| !self.policy.may_subscribe(filter))
        {
            return Err(End::Denied(format!("subscribe to {denied}")));
        }
        let Some(member) = &self.member else { return Ok(()) };
        let mut retained = Vec::new();
        for (filter, at_least_once) in filters {
            retained.extend(self.shared.hub().subscribe(&member.client_id, filter, *at_least_once));
        }
        let granted: Vec<bool> = filters.iter().map(|(_, at_least_once)| *at_least_once).collect();
        self.send(Dialect::of(&self.protocol).suback(packet_id, &granted)?)?;
        for message in retained {
            self.deliver(message)?;
        }
        Ok(())
    }

    /// Gives a message to the rule and to subscribers, and returns whether it was taken.
    async fn route(&self, message: Message) -> bool {
        let client_id = self.member.as_ref().map_or("", |member| member.client_id.as_str());
        let taken = self.shared.taken.take(&message, client_id, &self.principal).await;
        if taken && message.topic.starts_with('$') {
            self.shared.shadow(&message);
        } else if taken {
            self.shared.hub().publish(&message);
        }
        taken
    }

    fn deliver(&mut self, message: Message) -> Result<(), End> {
        let packet_id = match message.at_least_once {
            true => Some(self.protocol.acquire_packet_id()?),
            false => None,
        };
        self.send(Dialect::of(&self.protocol).publish(&message, packet_id)?)?;
        if let Some(packet_id) = packet_id {
            self.unacknowledged.insert(packet_id, message);
        }
        Ok(())
    }

    /// Passes a packet through the state machine into the buffer.
    fn send(&mut self, packet: Packet) -> Result<(), End> {
        for event in self.protocol.send(packet) {
            match event {
                Event::RequestSendPacket { packet, .. } => {
                    self.outgoing.extend_from_slice(&packet.to_continuous_buffer());
                }
                Event::NotifyError(error) => return Err(End::Protocol(error)),
                Event::NotifyPacketReceived(_)
                | Event::NotifyPacketIdReleased(_)
                | Event::RequestTimerReset { .. }
                | Event::RequestTimerCancel(_)
                | Event::RequestClose => {}
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        if !self.outgoing.is_empty() {
            self.io.write_all(&self.outgoing).await?;
            self.io.flush().await?;
            self.outgoing.clear();
        }
        Ok(())
    }
}
