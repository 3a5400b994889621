//! Does what [`super::core`] decides: owns the link, and feeds back what happens.

use std::future::Future;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tidings_schema::Topic;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::core::{Action, Core, Event, Rules, Token};
use super::courtesy::Courtesy;
use super::lane::Filling;
use super::mqtt::{Delivery, Link, LinkEvent, PublishRefused, Settings, Unacknowledged};
use crate::clock::Clock;
use crate::config::{BatchConfig, MqttConfig};
use crate::queue::{Chunk, ChunkId, FetchError, Queue, Shape};
use crate::remote::{Heard, Outgoing, Port};
use crate::status::{Counters, add};

/// Connections that must fail at the first port before the other is tried in turn.
const TRIES: u32 = 2;

/// What the uplink needs to know.
#[derive(Debug, Clone)]
pub(crate) struct UplinkConfig {
    pub(crate) settings: Settings,
    pub(crate) batch: BatchConfig,
    pub(crate) ack_timeout: Duration,
    pub(crate) max_rate: u32,
    pub(crate) topic: Topic,
    /// What it was made of, and when its files were written: what two of them are compared by.
    made_of: (MqttConfig, [Option<SystemTime>; 3]),
}

impl PartialEq for UplinkConfig {
    fn eq(&self, other: &Self) -> bool {
        (&self.made_of, self.batch) == (&other.made_of, other.batch)
    }
}

impl UplinkConfig {
    pub(crate) fn new(settings: Settings, mqtt: &MqttConfig, batch: BatchConfig) -> Self {
        let topic = Topic::readings(&settings.device, mqtt.route);
        let written =
            |path: &PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
        let files = [&mqtt.ca, &mqtt.certificate, &mqtt.key].map(written);
        Self {
            settings,
            batch,
            ack_timeout: mqtt.ack_timeout,
            max_rate: mqtt.max_rate,
            topic,
            made_of: (mqtt.clone(), files),
        }
    }

    /// What the queue's rows must look like to be sent as they are.
    pub(crate) fn shape(&self) -> Shape {
        Shape {
            device: self.settings.device.clone(),
            topic_len: self.topic.to_string().len(),
            budget: self.batch.bytes,
            age: self.batch.age,
        }
    }
}

/// Carries the queue to the broker until `stop`, then sends what is left for at most as long as
/// `stop`'s value says, and ends. What could not be sent stays in the queue.
pub(crate) async fn run(
    config: UplinkConfig,
    mut queue: Queue,
    clock: Arc<Clock>,
    counters: Arc<Counters>,
    port: &mut Port,
    stop: oneshot::Receiver<Duration>,
) {
    let topic = config.topic.to_string();
    let seed = fastrand::u64(..);
    let rules = Rules {
        filling: Filling {
            device: config.settings.device.clone(),
            topic_len: topic.len(),
            bytes: config.batch.bytes,
        },
        ack_timeout: config.ack_timeout,
        max_rate: config.max_rate,
        fresh_first: config.batch.fresh_first,
    };
    let mut core = Core::new(rules, seed, Instant::now());
    let mut driver = Driver {
        settings: config.settings,
        topic,
        requests: queue.clone(),
        counters,
        link: None,
        clock,
        remote: port,
        subscription: None,
        courtesy: Courtesy::default(),
        courtesies: FuturesUnordered::new(),
        port: 0,
        unreached: 0,
        deliveries: FuturesUnordered::new(),
        fetch: None,
    };
    let mut stop = pin!(stop);
    let mut give_up: Option<Instant> = None;
    let mut event = Event::Tick;
    let mut placed = queue.news().placed;
    loop {
        if matches!(event, Event::Lost) {
            // Here and not in `next`, which may be cancelled half-way.
            driver.drop_link().await;
        }
        for action in core.on(Instant::now(), event) {
            driver.act(action).await;
        }
        if core.is_drained() {
            break;
        }
        let due = core.wake_at();
        event = tokio::select! {
            event = driver.next() => event,
            Ok(news) = queue.changed() => {
                let placed = std::mem::replace(&mut placed, news.placed);
                if placed == news.placed { Event::News } else { Event::Placed { last: news.last } }
            }
            () = until(due) => Event::Tick,
            patience = &mut stop, if give_up.is_none() => {
                give_up = Some(Instant::now() + patience.unwrap_or_default());
                Event::Drain
            }
            () = until(give_up), if give_up.is_some() => break,
        };
    }
    driver.close().await;
}

/// Waits until then, or for ever.
async fn until(then: Option<Instant>) {
    match then {
        Some(then) => tokio::time::sleep_until(then).await,
        None => std::future::pending().await,
    }
}

type Acknowledgement =
    std::pin::Pin<Box<dyn Future<Output = (Token, Result<(), Unacknowledged>)> + Send>>;
type Fetch = std::pin::Pin<Box<dyn Future<Output = Result<Vec<Chunk>, FetchError>> + Send>>;

type Acknowledged = std::pin::Pin<Box<dyn Future<Output = Result<(), Unacknowledged>> + Send>>;
type Subscribing = std::pin::Pin<Box<dyn Future<Output = Result<bool, Unacknowledged>> + Send>>;

struct Driver<'a> {
    settings: Settings,
    topic: String,
    requests: Queue,
    counters: Arc<Counters>,
    clock: Arc<Clock>,
    remote: &'a mut Port,
    /// The subscription under way.
    subscription: Option<Subscribing>,
    /// What is sent beside readings, and its acknowledgements.
    courtesy: Courtesy,
    courtesies: FuturesUnordered<Acknowledged>,
    link: Option<Link>,
    /// The port of the link.
    port: u16,
    /// Connections that did not come about, since the last one that did.
    unreached: u32,
    deliveries: FuturesUnordered<Acknowledgement>,
    fetch: Option<Fetch>,
}

impl Driver<'_> {
    async fn act(&mut self, action: Action) {
        match action {
            Action::Connect => {
                self.port = match self.settings.fallback_port {
                    Some(fallback)
                        if self.unreached > TRIES && self.unreached.is_multiple_of(2) =>
                    {
                        fallback
                    }
                    _ => self.settings.port,
                };
                self.link = Some(Link::open_at(&self.settings, self.port));
            }
            Action::Abandon(reason) => {
                tracing::warn!(reason, "connection given up");
                self.drop_link().await;
            }
            Action::Fetch { after, limit } => {
                let queue = self.requests.clone();
                self.fetch = Some(Box::pin(async move { queue.fetch(after, limit).await }));
            }
            Action::Publish { token, payload } => self.publish(token, payload),
            Action::Bury { ids } => self.bury(ids).await,
            Action::Remove { ids, readings, bytes } => {
                add(&self.counters.acknowledged, readings);
                add(&self.counters.messages, 1);
                add(&self.counters.bytes, bytes);
                if self.requests.remove(ids).await.is_err() {
                    tracing::error!(
                        "the queue is closed, so acknowledged readings will be sent again"
                    );
                }
            }
        }
    }

    async fn bury(&self, ids: Vec<RangeInclusive<ChunkId>>) {
        tracing::error!(
            rows = ?ids,
            "a message breaks every connection that it is sent on, and is put among the dead letters"
        );
        if self.requests.bury(ids).await.is_err() {
            tracing::error!("the queue is closed, so the message will be tried again");
        }
    }

    fn publish(&mut self, token: Token, payload: Vec<u8>) {
        let Some(link) = &self.link else { return };
        match link.publish(&self.topic, payload) {
            Ok(delivery) => self
                .deliveries
                .push(Box::pin(async move { (token, delivery.acknowledged().await) })),
            // Its acknowledgement will be missed in time, and the connection with it.
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "not published"),
        }
    }

    /// The next event of link, deliveries and fetch.
    async fn next(&mut self) -> Event {
        loop {
            let link = async {
                match &mut self.link {
                    Some(link) => link.next().await,
                    None => std::future::pending().await,
                }
            };
            let fetch = async {
                match &mut self.fetch {
                    Some(fetch) => fetch.await,
                    None => std::future::pending().await,
                }
            };
            let subscription = async {
                match &mut self.subscription {
                    Some(subscription) => subscription.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                granted = subscription => {
                    self.subscription = None;
                    // An error is followed by the end of the link.
                    if let Ok(granted) = granted {
                        self.courtesy.answered();
                        if granted {
                            self.tell(Heard::Subscribed);
                        } else {
                            tracing::warn!("the broker did not grant the subscriptions to shadow and commands");
                        }
                    }
                }
                Some(Outgoing { topic, payload }) = self.remote.outgoing.recv() => {
                    // Where there is no connection nobody waits for it any more.
                    if self.courtesy.is_allowed(Instant::now()) && let Some(link) = &self.link {
                        let begun = link.publish(&topic, payload);
                        self.follow(begun);
                    }
                }
                Some(answer) = self.courtesies.next(), if !self.courtesies.is_empty() => {
                    if answer.is_ok() {
                        self.courtesy.answered();
                    }
                }
                event = link => match event {
                    LinkEvent::Connected => {
                        add(&self.counters.connections, 1);
                        self.counters.set_online(true);
                        self.unreached = 0;
                        tracing::info!(endpoint = self.settings.endpoint, port = self.port, "connected");
                        self.begin();
                        return Event::Connected { last: self.requests.news().last };
                    }
                    LinkEvent::Message { topic, payload } => {
                        self.tell(Heard::Message { topic, payload });
                    }
                    LinkEvent::Closed(error) => {
                        self.unreached = self.unreached.saturating_add(1);
                        tracing::warn!(
                            endpoint = self.settings.endpoint,
                            port = self.port,
                            error = &error as &dyn std::error::Error,
                            remedy = error.remedy(),
                            "not connected"
                        );
                        return Event::Lost;
                    }
                },
                Some((token, outcome)) = self.deliveries.next(), if !self.deliveries.is_empty() => {
                    // One that failed is followed by the end of its link.
                    if outcome.is_ok() {
                        return Event::Acknowledged(token);
                    }
                }
                result = fetch => {
                    self.fetch = None;
                    match result {
                        Ok(records) => return Event::Fetched(records),
                        Err(error) => {
                            tracing::error!(error = &error as &dyn std::error::Error, "the queue cannot be read");
                            return Event::Fetched(Vec::new());
                        }
                    }
                }
            }
        }
    }

    /// What comes first on a connection.
    fn begin(&mut self) {
        let Some(link) = &self.link else { return };
        if !self.courtesy.is_allowed(Instant::now()) {
            return;
        }
        let birth = self.settings.presence.as_ref();
        let birth = birth.map(|one| link.announce(&one.topic, one.birth(self.clock.stamp())));
        if !self.remote.filters.is_empty()
            && let Ok(subscription) = link.request(&self.remote.filters)
        {
            self.courtesy.sent();
            self.subscription = Some(Box::pin(subscription.granted()));
        }
        if let Some(begun) = birth {
            self.follow(begun);
        }
    }

    /// Waits for the acknowledgement of something that is no reading.
    fn follow(&mut self, begun: Result<Delivery, PublishRefused>) {
        match begun {
            Ok(delivery) => {
                self.courtesy.sent();
                self.courtesies.push(Box::pin(delivery.acknowledged()));
            }
            // The connection is at its end.
            Err(error) => tracing::debug!(%error, "not sent"),
        }
    }

    fn tell(&self, heard: Heard) {
        if self.remote.heard.try_send(heard).is_err() {
            tracing::warn!("messages come faster than they can be served, so one is dropped");
        }
    }

    async fn drop_link(&mut self) {
        self.subscription = None;
        self.courtesies.clear();
        if self.courtesy.lost(Instant::now()) {
            tracing::error!(
                "connections end while status, shadow or commands are unanswered: they are left alone for an hour. \
                 Does the device's policy allow iot:RetainPublish on its status, and iot:Subscribe, iot:Receive and \
                 iot:Publish for its commands, answers and shadow? Section [remote] switches them off"
            );
        }
        self.counters.set_online(false);
        self.deliveries.clear();
        self.fetch = None;
        if let Some(link) = self.link.take() {
            link.abandon().await;
        }
    }

    async fn close(mut self) {
        if let Some(link) = self.link.take() {
            if let Some(presence) = &self.settings.presence {
                // Whether it arrives the broker's last will does not depend on: either is said.
                link.announce(&presence.topic, presence.goodbye(self.clock.stamp())).ok();
            }
            link.close().await;
        }
        self.counters.set_online(false);
    }
}
