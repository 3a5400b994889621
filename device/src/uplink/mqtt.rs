//! The one file that knows the MQTT client.
//!
//! A [`Link`] is one connection and no more: client and event loop are made for it and dropped with
//! it, so nothing of the library's memory outlives it, and a publish is either acknowledged on this
//! very connection or its [`Delivery`] fails. Trying again is the queue's business.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, Broker, ConnectionError, Event, Incoming, LastWill, MqttOptions, Proxy, ProxyAuth,
    ProxyType, PublishOptions, PublishResult, QoS, SubscribeFilter, SubscribeNotice,
    TlsConfiguration, Transport,
};
use rustls::ClientConfig;
use tidings_schema::DeviceId;
use tidings_schema::limits::MAX_PAYLOAD_BYTES;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::explain;
use super::presence::Presence;
use super::tls::{self, TlsError};
use crate::config::{MqttConfig, ProxyConfig};

/// Room for the largest payload with its topic and header, in both directions: a limit below what
/// the broker takes would break the connection on our side.
const MAX_PACKET_BYTES: usize = MAX_PAYLOAD_BYTES + 18 * 1024;

/// Requests between us and the event loop. Larger than the window of any user of this file, so that
/// a publish never waits there.
const REQUESTS: usize = 256;

/// How long TCP, TLS and CONNACK may take together, in seconds.
const CONNECT_TIMEOUT_SECS: u64 = 15;

/// How long the client may take to flush and say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Whom to connect to, and as whom.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The thing, which is the client id.
    pub device: DeviceId,
    /// Host name.
    pub endpoint: String,
    /// TCP port.
    pub port: u16,
    /// A port to try in turn where that one cannot be reached.
    pub fallback_port: Option<u16>,
    /// An HTTP proxy to go through.
    pub proxy: Option<ProxyConfig>,
    /// What the device says of its being there. Not for a visit by hand.
    pub presence: Option<Presence>,
    /// The client's side of mutual TLS.
    pub tls: Arc<ClientConfig>,
    /// MQTT keep-alive.
    pub keep_alive: Duration,
}

impl Settings {
    /// Reads the certificates that a configuration names.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn from_config(device: &DeviceId, mqtt: &MqttConfig) -> Result<Self, TlsError> {
        Ok(Self {
            device: device.clone(),
            endpoint: mqtt.endpoint.clone(),
            port: mqtt.port,
            fallback_port: mqtt.fallback_port,
            proxy: mqtt.proxy.clone(),
            presence: None,
            tls: tls::client_config(mqtt)?,
            keep_alive: mqtt.keep_alive,
        })
    }
}

/// What happens on a link.
#[derive(Debug)]
pub enum LinkEvent {
    /// The broker has accepted the connection.
    Connected,
    /// A message came on a subscribed topic.
    Message {
        /// Its topic.
        topic: String,
        /// Its payload.
        payload: Vec<u8>,
    },
    /// The connection has ended or did not come about. The last event.
    Closed(LinkError),
}

/// Why a link ended.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The broker refused the connection by its CONNACK.
    #[error("the broker refused the connection: {0}")]
    Refused(String),
    /// The network or the TLS handshake failed, or the broker closed the connection.
    #[error("connection failed")]
    Failed(#[source] Box<ConnectionError>),
    /// The link was closed on purpose.
    #[error("closed")]
    Closed,
}

/// What to do about an error of the network or of TLS, where that can be told.
pub(crate) fn explain(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    explain::remedy(error)
}

impl LinkError {
    /// What to do about it, where that can be told.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Refused(_) => Some(
                "the broker knows the certificate and refuses the client: does its policy let it connect as this client id?",
            ),
            Self::Failed(error) => match error.as_ref() {
                ConnectionError::NetworkTimeout => Some(
                    "no answer: a firewall may block the port; AWS listens at 443 as well (mqtt.port = 443)",
                ),
                error => explain::remedy(error),
            },
            Self::Closed => None,
        }
    }
}

/// One connection to the broker.
#[derive(Debug)]
pub struct Link {
    client: AsyncClient,
    events: mpsc::Receiver<LinkEvent>,
    task: JoinHandle<()>,
}

/// A publish under way.
#[derive(Debug)]
pub struct Delivery(rumqttc::PublishNotice);

/// A subscription under way.
#[derive(Debug)]
pub struct Subscription(SubscribeNotice);

/// The link ended before the publish was acknowledged: it may have arrived or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection ended before the acknowledgement came")]
pub struct Unacknowledged;

/// A publish that was not begun.
#[derive(Debug, thiserror::Error)]
pub enum PublishRefused {
    /// The payload exceeds what AWS IoT Core takes; sending it would end the connection.
    #[error("payload too large: {found} bytes, limit is {MAX_PAYLOAD_BYTES}")]
    TooLarge {
        /// Bytes of the payload.
        found: usize,
    },
    /// The link has ended, or has no room.
    #[error("the connection takes no publish")]
    Link,
}

impl Link {
    /// Begins to connect. [`Link::next`] tells how it went.
    #[must_use]
    pub fn open(settings: &Settings) -> Self {
        Self::open_at(settings, settings.port)
    }

    /// The same at another port.
    #[must_use]
    pub fn open_at(settings: &Settings, port: u16) -> Self {
        let broker = Broker::tcp(settings.endpoint.as_str(), port);
        let mut options = MqttOptions::new(settings.device.as_str(), broker);
        options
            .set_transport(Transport::Tls(TlsConfiguration::Rustls(tls::for_port(
                &settings.tls,
                port,
            ))))
            .set_keep_alive(u16::try_from(settings.keep_alive.as_secs()).unwrap_or(u16::MAX))
            .set_clean_session(true)
            .set_max_packet_size(MAX_PACKET_BYTES, MAX_PACKET_BYTES);
        if let Some(ProxyConfig { host, port, login }) = &settings.proxy {
            let auth = match login.clone() {
                Some((username, password)) => ProxyAuth::Basic { username, password },
                None => ProxyAuth::None,
            };
            let (ty, addr, port) = (ProxyType::Http, host.clone(), *port);
            options.set_proxy(Proxy { ty, auth, addr, port });
        }
        if let Some(presence) = &settings.presence {
            let (topic, will) = (presence.topic.as_str(), presence.will());
            options.set_last_will(LastWill::new(topic, will, QoS::AtLeastOnce, true));
        }
        let (client, mut event_loop) = AsyncClient::builder(options).capacity(REQUESTS).build();
        event_loop.network_options.set_connection_timeout(CONNECT_TIMEOUT_SECS);
        let (sender, events) = mpsc::channel(REQUESTS);
        // One task polls and does nothing else: the library stands still while it is not polled.
        let task = tokio::spawn(async move {
            loop {
                let event = match event_loop.poll().await {
                    Ok(Event::Incoming(Incoming::ConnAck(_))) => LinkEvent::Connected,
                    Ok(Event::Incoming(Incoming::Publish(publish))) => LinkEvent::Message {
                        topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                        payload: publish.payload.to_vec(),
                    },
                    Ok(Event::Incoming(_) | Event::Outgoing(_)) => continue,
                    Err(error) => {
                        // Whoever had the link may have dropped it.
                        drop(sender.send(LinkEvent::Closed(link_error(error))).await);
                        break;
                    }
                };
                if sender.send(event).await.is_err() {
                    break;
                }
            }
        });
        Self { client, events, task }
    }

    /// The next event; after [`LinkEvent::Closed`] only that.
    pub async fn next(&mut self) -> LinkEvent {
        self.events.recv().await.unwrap_or(LinkEvent::Closed(LinkError::Closed))
    }

    /// Begins a publish with QoS 1, without waiting.
    ///
    /// # Errors
    /// When the payload is too large, or when the link takes no more.
    pub fn publish(&self, topic: &str, payload: Vec<u8>) -> Result<Delivery, PublishRefused> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(PublishRefused::TooLarge { found: payload.len() });
        }
        self.client
            .try_publish_tracked(topic, payload, PublishOptions::new(QoS::AtLeastOnce))
            .map(Delivery)
            .map_err(|_| PublishRefused::Link)
    }

    /// Begins to publish, with QoS 1, what the broker is to keep for those who come later.
    ///
    /// # Errors
    /// When the link takes no more.
    pub fn announce(&self, topic: &str, payload: Vec<u8>) -> Result<Delivery, PublishRefused> {
        let options = PublishOptions::new(QoS::AtLeastOnce).retained();
        self.client
            .try_publish_tracked(topic, payload, options)
            .map(Delivery)
            .map_err(|_| PublishRefused::Link)
    }

    /// Begins to subscribe with QoS 1, without waiting.
    ///
    /// # Errors
    /// When the link takes no more.
    pub fn request(&self, filters: &[String]) -> Result<Subscription, PublishRefused> {
        let filters =
            filters.iter().map(|filter| SubscribeFilter::new(filter.clone(), QoS::AtLeastOnce));
        self.client
            .try_subscribe_many_tracked(filters)
            .map(Subscription)
            .map_err(|_| PublishRefused::Link)
    }

    /// Subscribes with QoS 1, and returns whether the broker granted it.
    pub async fn subscribe(&self, filter: &str) -> bool {
        match self.request(&[filter.to_owned()]) {
            Ok(subscription) => subscription.granted().await.unwrap_or(false),
            Err(_) => false,
        }
    }

    /// Says goodbye and ends the connection.
    pub async fn close(mut self) {
        let goodbye = async {
            // The events must flow, or the polling task would wait for room instead of polling.
            if self.client.disconnect_with_timeout(GOODBYE).await.is_ok() {
                while !matches!(self.next().await, LinkEvent::Closed(_)) {}
            }
        };
        // An error only says that the broker was gone already.
        drop(tokio::time::timeout(GOODBYE, goodbye).await);
        self.abandon().await;
    }

    /// Ends the connection without a word.
    pub async fn abandon(self) {
        self.task.abort();
        // The only error is the cancellation just asked for.
        drop(self.task.await);
    }
}

impl Delivery {
    /// Waits for the PUBACK of this publish.
    ///
    /// # Errors
    /// When the link ends first.
    pub async fn acknowledged(self) -> Result<(), Unacknowledged> {
        match self.0.wait_async().await {
            Ok(PublishResult::Qos1(_)) => Ok(()),
            Ok(PublishResult::Qos0Flushed | PublishResult::Qos2Completed(_)) | Err(_) => {
                Err(Unacknowledged)
            }
        }
    }
}

impl Subscription {
    /// Whether the broker granted all of it.
    ///
    /// # Errors
    /// When the link ends first.
    pub async fn granted(self) -> Result<bool, Unacknowledged> {
        let granted = |code: &rumqttc::SubscribeReasonCode| {
            matches!(code, rumqttc::SubscribeReasonCode::Success(_))
        };
        let answer = self.0.wait_async().await.map_err(|_| Unacknowledged)?;
        Ok(answer.return_codes.iter().all(granted))
    }
}

fn link_error(error: ConnectionError) -> LinkError {
    match error {
        ConnectionError::ConnectionRefused(code) => LinkError::Refused(format!("{code:?}")),
        ConnectionError::RequestsDone => LinkError::Closed,
        other => LinkError::Failed(Box::new(other)),
    }
}
