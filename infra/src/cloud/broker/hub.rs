//! Sessions, subscriptions and retained messages: what outlives a connection. Pure, and owned by
//! the broker behind one lock that is never held across an await.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::policy::filter_takes;

/// How long a session without a connection is kept ("Persistent session expiry period: 1 hour",
/// AWS IoT Core quotas).
const SESSION_EXPIRY: Duration = Duration::from_secs(3600);

/// Messages kept for a session without a connection; beyond them the oldest go.
const SESSION_QUEUE: usize = 1000;

/// A message on its way to subscribers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload.
    pub payload: Vec<u8>,
    /// Whether it was published with QoS 1.
    pub at_least_once: bool,
    /// Whether it is to be retained.
    pub retain: bool,
}

/// What the hub says to a connection.
#[derive(Debug)]
pub(super) enum ToConnection {
    Deliver(Message),
    /// Another connection has the same client id now.
    TakenOver,
}

/// Messages on their way to one connection. A connection that takes no more than this loses QoS 0
/// messages and is closed for QoS 1, as a slow consumer.
pub(super) const OUTBOX: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Hub {
    sessions: HashMap<String, Session>,
    retained: BTreeMap<String, Message>,
    connections: u64,
}

#[derive(Debug, Default)]
struct Session {
    /// Filter, and whether QoS 1 was granted.
    subscriptions: BTreeMap<String, bool>,
    persistent: bool,
    connection: Option<(u64, mpsc::Sender<ToConnection>)>,
    waiting: VecDeque<Message>,
    left_at: Option<Instant>,
}

/// What a connection gets when it begins.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) connection: u64,
    pub(super) session_present: bool,
    pub(super) waiting: Vec<Message>,
}

impl Hub {
    /// A client connects. An earlier connection of the same client is told to end.
    pub(super) fn join(
        &mut self,
        client_id: &str,
        clean: bool,
        outbox: mpsc::Sender<ToConnection>,
        now: Instant,
    ) -> Joined {
        let expired = |session: &mut Session| {
            session.left_at.is_some_and(|left| now.duration_since(left) >= SESSION_EXPIRY)
        };
        self.sessions.retain(|_, session| !expired(session));
        self.connections += 1;
        let previous = self.sessions.remove(client_id);
        if let Some((_, earlier)) =
            previous.as_ref().and_then(|session| session.connection.as_ref())
        {
            // One that is full or gone will see the closed channel.
            earlier.try_send(ToConnection::TakenOver).ok();
        }
        let kept = previous.filter(|session| session.persistent && !clean);
        let session_present = kept.is_some();
        let mut session = kept.unwrap_or_default();
        session.persistent = !clean;
        session.connection = Some((self.connections, outbox));
        session.left_at = None;
        let waiting = std::mem::take(&mut session.waiting).into();
        self.sessions.insert(client_id.to_owned(), session);
        Joined { connection: self.connections, session_present, waiting }
    }

    /// A connection has ended; `unacknowledged` are the QoS 1 messages that it did not acknowledge.
    pub(super) fn leave(
        &mut self,
        client_id: &str,
        connection: u64,
        unacknowledged: Vec<Message>,
        now: Instant,
    ) {
        let Some(session) = self.sessions.get_mut(client_id) else { return };
        if session.connection.as_ref().is_none_or(|(current, _)| *current != connection) {
            return;
        }
        if session.persistent {
            session.connection = None;
            session.left_at = Some(now);
            for message in unacknowledged.into_iter().rev() {
                session.waiting.push_front(message);
            }
        } else {
            self.sessions.remove(client_id);
        }
    }

    /// Subscribes, and returns the retained messages that the filter takes.
    pub(super) fn subscribe(
        &mut self,
        client_id: &str,
        filter: &str,
        at_least_once: bool,
    ) -> Vec<Message> {
        if let Some(session) = self.sessions.get_mut(client_id) {
            session.subscriptions.insert(filter.to_owned(), at_least_once);
        }
        self.retained
            .values()
            .filter(|message| filter_takes(filter, &message.topic))
            .cloned()
            .collect()
    }

    pub(super) fn unsubscribe(&mut self, client_id: &str, filter: &str) {
        if let Some(session) = self.sessions.get_mut(client_id) {
            session.subscriptions.remove(filter);
        }
    }

    /// Hands a message to every session that subscribed to its topic.
    pub(super) fn publish(&mut self, message: &Message) {
        if message.retain {
            if message.payload.is_empty() {
                self.retained.remove(&message.topic);
            } else {
                self.retained.insert(message.topic.clone(), message.clone());
            }
        }
        for session in self.sessions.values_mut() {
            let granted = session
                .subscriptions
                .iter()
                .filter(|(filter, _)| filter_takes(filter, &message.topic))
                .map(|(_, at_least_once)| *at_least_once)
                .max();
            let Some(granted) = granted else { continue };
            let at_least_once = granted && message.at_least_once;
            let message = Message { at_least_once, retain: false, ..message.clone() };
            match &session.connection {
                Some((_, outbox)) => {
                    let full = outbox.try_send(ToConnection::Deliver(message)).is_err();
                    // Closing the channel closes the connection.
                    session.connection.take_if(|_| full && at_least_once);
                }
                None if at_least_once => {
                    session.waiting.push_back(message);
                    if session.waiting.len() > SESSION_QUEUE {
                        session.waiting.pop_front();
                        tracing::warn!(
                            "a session without a connection has lost its oldest message"
                        );
                    }
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, text: &str) -> Message {
        Message {
            topic: topic.to_owned(),
            payload: text.as_bytes().to_vec(),
            at_least_once: true,
            retain: false,
        }
    }

    #[test]
    fn a_persistent_session_keeps_subscriptions_and_messages_and_a_clean_one_does_not() {
        let mut hub = Hub::default();
        let now = Instant::now();
        for (clean, expected) in [(false, 2), (true, 0)] {
            let (outbox, mut inbox) = mpsc::channel(8);
            let first = hub.join("c", clean, outbox, now);
            hub.subscribe("c", "t/+", true);
            hub.publish(&message("t/1", "a"));
            let Ok(ToConnection::Deliver(unacknowledged)) = inbox.try_recv() else { panic!() };
            hub.leave("c", first.connection, vec![unacknowledged], now);
            hub.publish(&message("t/2", "b"));
            let (outbox, _inbox) = mpsc::channel(8);
            let second = hub.join("c", clean, outbox, now);
            assert_eq!((second.session_present, second.waiting.len()), (!clean, expected));
            hub.leave("c", second.connection, Vec::new(), now);
        }
    }

    #[test]
    fn a_session_expires_after_an_hour() {
        let mut hub = Hub::default();
        let now = Instant::now();
        let join = |hub: &mut Hub, now| hub.join("c", false, mpsc::channel(8).0, now);
        let first = join(&mut hub, now);
        hub.leave("c", first.connection, Vec::new(), now);
        assert!(!join(&mut hub, now + SESSION_EXPIRY).session_present);
    }

    #[test]
    fn a_second_connection_takes_over_and_the_first_ones_end_does_not_disturb_it() {
        let mut hub = Hub::default();
        let now = Instant::now();
        let (outbox, mut inbox) = mpsc::channel(8);
        let first = hub.join("c", true, outbox, now);
        let (outbox, mut second_inbox) = mpsc::channel(8);
        hub.join("c", true, outbox, now);
        assert!(matches!(inbox.try_recv(), Ok(ToConnection::TakenOver)));
        hub.leave("c", first.connection, Vec::new(), now);
        hub.subscribe("c", "t", true);
        hub.publish(&message("t", "x"));
        assert!(matches!(second_inbox.try_recv(), Ok(ToConnection::Deliver(_))));
    }

    #[test]
    fn retained_messages_come_with_a_subscription_until_they_are_cleared() {
        let mut hub = Hub::default();
        hub.join("c", true, mpsc::channel(8).0, Instant::now());
        hub.publish(&Message { retain: true, ..message("t", "x") });
        assert_eq!(hub.subscribe("c", "t", true).len(), 1);
        hub.publish(&Message { retain: true, ..message("t", "") });
        assert_eq!(hub.subscribe("c", "t", true).len(), 0);
    }
}
