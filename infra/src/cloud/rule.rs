//! The topic rule: takes a message off the broker, makes the envelope, and hands it to the invoker.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tidings_agent::clock;
use tidings_ingest::Envelope;
use tidings_ingest::envelope::VERSION;
use tidings_schema::UnixMillis;
use tidings_schema::topic::{RULE_FILTER, RULE_NAME, basic_ingest};

use super::broker::policy::filter_takes;
use super::broker::{Message, Taken};
use super::invoker::Invoker;
use super::pki::Principal;

/// The rule `tidings_ingest`.
#[derive(Debug)]
pub struct IngestRule {
    invoker: Arc<Invoker>,
}

impl IngestRule {
    /// The rule with its Lambda action.
    #[must_use]
    pub const fn new(invoker: Arc<Invoker>) -> Self {
        Self { invoker }
    }
}

impl Taken for IngestRule {
    fn take<'a>(
        &'a self,
        message: &'a Message,
        client_id: &'a str,
        principal: &'a Principal,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(async move {
            let trace_id = uuid::Uuid::new_v4().to_string();
            let Some(envelope) = evaluate(message, client_id, principal, clock::now(), trace_id)
            else {
                // Like AWS: a message that no rule wants has been delivered.
                return true;
            };
            match self.invoker.accept(&envelope) {
                Ok(()) => true,
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "event not taken");
                    false
                }
            }
        })
    }
}

/// What [`tidings_ingest::envelope::RULE_SQL`] gives for a message; `None` where the rule does not
/// want it. Pure.
#[must_use]
pub fn evaluate(
    message: &Message,
    client_id: &str,
    principal: &Principal,
    received_at: UnixMillis,
    trace_id: String,
) -> Option<Envelope> {
    let topic = match basic_ingest(&message.topic) {
        Some((rule, rest)) if rule == RULE_NAME => rest,
        Some(_) => return None,
        None => message.topic.as_str(),
    };
    filter_takes(RULE_FILTER, topic).then(|| Envelope {
        payload: Envelope::encode_payload(&message.payload),
        topic: topic.to_owned(),
        client_id: client_id.to_owned(),
        principal: Some(principal.fingerprint.clone()),
        received_at,
        trace_id: Some(trace_id),
        envelope: VERSION,
    })
}

#[cfg(test)]
mod tests {
    use tidings_schema::DeviceId;

    use super::*;

    #[test]
    fn the_rule_sees_both_routes_alike_and_nothing_else() {
        let principal =
            Principal { fingerprint: "f".to_owned(), thing: DeviceId::try_from("pi-1").unwrap() };
        let topics = |topic: &str| {
            let message = Message {
                topic: topic.to_owned(),
                payload: vec![0xff],
                at_least_once: true,
                retain: false,
            };
            evaluate(&message, "pi-1", &principal, UnixMillis::MIN, "t".to_owned())
                .map(|envelope| (envelope.topic, envelope.payload))
        };
        let expected = Some(("sensors/pi-1/readings".to_owned(), "/w==".to_owned()));
        assert_eq!(topics("sensors/pi-1/readings"), expected);
        assert_eq!(topics("$aws/rules/tidings_ingest/sensors/pi-1/readings"), expected);
        assert_eq!(topics("$aws/rules/other/sensors/pi-1/readings"), None);
        assert_eq!(topics("sensors/pi-1/status"), None);
    }
}
