//! One invocation: event in, tables written, an answer and a report out.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use aws_lambda_events::event::sqs::SqsBatchResponse;
use aws_lambda_events::event::streams::KinesisEventResponse;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use tidings_schema::{DeviceId, UnixMillis};
use tokio::time::Instant;

use crate::alert::{self, Alerted, Logged, Newest, Notifier};
use crate::config::Rules;
use crate::enrich::{Profile, Profiles};
use crate::envelope::{Envelope, EnvelopeError};
use crate::item::{Item, Put};
use crate::job::JobSummary;
use crate::metrics::{NamedMessage, Report};
use crate::moment::Moment;
use crate::news::Teller;
use crate::refusal::causes;
use crate::sift::{Sifted, sender, sift};
use crate::source::{self, Delivery, Source};
use crate::store::{AlertStore, Store, StoreError};
use crate::writer::{self, Written};
use crate::{news, plan};

/// What is kept of the deadline for the answer to reach Lambda before it kills the function.
const RESERVE: Duration = Duration::from_millis(1500);

/// The function.
#[derive(Debug)]
pub struct Ingest<S, N = Logged> {
    pub(crate) store: S,
    /// Who is told of alerts; nobody where nothing is to be made of readings but items.
    notifier: Option<N>,
    /// Whether its messages are of the past, and of which.
    past: Option<Past>,
    pub(crate) rules: Rules,
    profiles: Profiles,
    teller: Teller,
    newest: Newest,
}

/// Messages of the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// They came once, and say when.
    Replayed,
    /// They come now, with readings that were taken long ago: a sensor was heard no later than that.
    Imported,
}

/// What the function answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To the rule, or to whoever invokes with one message.
    Message(Summary),
    /// To a queue: which messages are to come again.
    Sqs(SqsBatchResponse),
    /// To a stream: which records are to come again, with all that follow the first of them.
    Kinesis(KinesisEventResponse),
    /// To the schedule.
    Job(JobSummary),
}

/// What was done with one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Readings written to `readings`, faults included.
    pub accepted: usize,
    /// Of those, readings that are faults.
    pub faults: usize,
    /// Items written to `quarantine`.
    pub quarantined: usize,
    /// Readings that stood twice in the message.
    pub duplicates: usize,
    /// Puts tried again.
    pub retries: usize,
}

/// What would be done with a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Preview {
    /// Readings that would be written to `readings`.
    pub accepted: usize,
    /// What would go to `quarantine`: reason and detail of each item.
    pub refused: Vec<(&'static str, String)>,
}

/// Why an invocation failed. Each has a stable name, which alarms can match ([`HandlerError::NAMES`]).
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event comes from nowhere that this function knows. Trying again will not help: it goes
    /// to the on-failure queue, where `tidings replay` finds it.
    #[error(transparent)]
    Event(#[from] EnvelopeError),
    /// Not everything could be written. Lambda tries again, which is harmless: what was written
    /// is written again under the same keys.
    #[error("{left} of {total} items were not written")]
    Incomplete {
        /// Items not written.
        left: usize,
        /// Items of the message.
        total: usize,
        /// The last thing that went wrong.
        #[source]
        source: Option<StoreError>,
    },
}

impl HandlerError {
    /// All names that errors can have.
    pub const NAMES: [&'static str; 3] = ["InvalidEvent", "PayloadTooLarge", "WriteIncomplete"];

    /// The name in Lambda's error answer.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Event(EnvelopeError::TooLarge { .. }) => "PayloadTooLarge",
            Self::Event(_) => "InvalidEvent",
            Self::Incomplete { .. } => "WriteIncomplete",
        }
    }

    /// The error with its causes, for a person.
    #[must_use]
    pub fn message(&self) -> String {
        causes(self)
    }
}

impl From<HandlerError> for Diagnostic {
    fn from(error: HandlerError) -> Self {
        Self { error_type: error.name().to_owned(), error_message: error.message() }
    }
}

/// The place of a message in its invocation, who sent it, and what is in it.
pub(crate) type SiftedMessage = (usize, NamedMessage, Sifted);

/// What came of the messages of an invocation so far.
#[derive(Debug, Default)]
struct Batch {
    puts: Vec<Put>,
    /// Of each message that could be sifted, its place, who sent it, and what is in it.
    messages: Vec<SiftedMessage>,
    /// Places of the messages that are not done.
    failed: BTreeSet<usize>,
    /// The last thing that went wrong with one of them.
    error: Option<HandlerError>,
}

impl<S> Ingest<S> {
    /// A function that writes to this store, and logs alerts.
    pub fn new(store: S, rules: Rules) -> Self {
        Self {
            store,
            notifier: Some(Logged),
            past: None,
            rules,
            profiles: Profiles::default(),
            teller: Teller::default(),
            newest: Newest::default(),
        }
    }
}

impl<S: Store + AlertStore, N: Notifier> Ingest<S, N> {
    /// The same, which tells this one of alerts.
    pub fn with_notifier<M>(self, notifier: M) -> Ingest<S, M> {
        let Self { store, past, rules, profiles, teller, newest, .. } = self;
        let notifier = Some(notifier);
        Ingest { store, notifier, past, rules, profiles, teller, newest }
    }

    /// The same for messages of the past, which are replayed or imported: alerts are left alone, and so is
    /// what has been heard of a sensor since.
    #[must_use]
    pub fn of_the_past(self, past: Past) -> Self {
        Self { notifier: None, past: Some(past), ..self }
    }

    /// The store, when all is done.
    pub fn into_store(self) -> S {
        self.store
    }

    /// Handles one event. `deadline` is what the runtime says; one that is not in the future means
    /// that it does not know (`cargo lambda watch` sends 1970). The report is there whatever came.
    ///
    /// # Errors
    /// When the event is none of ours, or when something of the rule's own message could not be
    /// written; messages of a queue or a stream fail one by one, in the answer.
    pub async fn handle(
        &self,
        event: &str,
        deadline: SystemTime,
    ) -> (Result<Answer, HandlerError>, Report) {
        let until = self.until(deadline);
        let mut report = Report::default();
        let (source, deliveries) = match source::read(event) {
            Ok(read) => read,
            Err(error) => {
                let error = HandlerError::from(error);
                report.failed = 1;
                report.error = Some((error.name(), error.message()));
                return (Err(error), report);
            }
        };
        report.source = source;
        report.messages = deliveries.len();
        let mut batch = self.sift(&deliveries, until, &mut report).await;
        let retries = self.write(&mut batch, until).await;
        report.retries = retries;
        report.alerts = self.watch(&mut batch, until).await;
        account(&batch, &mut report);
        report.lag_ms = lag(&deliveries);
        if let Some(error) = &batch.error {
            report.error = Some((error.name(), error.message()));
        }
        (answer(source, deliveries, batch, &report), report)
    }

    /// What alerts need at times: silence, and what nobody could be told of.
    pub async fn tick_alerts(&self, until: Instant) -> Alerted {
        match &self.notifier {
            Some(notifier) => alert::tick(&self.store, notifier, wall_clock, until).await,
            None => Alerted::default(),
        }
    }

    /// What would be done with a message, of which nothing is written.
    ///
    /// # Errors
    /// When the event is none of the rule's.
    pub async fn preview(&self, event: &str) -> Result<Preview, HandlerError> {
        let message = Envelope::read(event)?;
        let delivery = Delivery { id: None, message: Ok(message) };
        let until = Instant::now() + self.rules.timeout;
        let batch = self.sift(&[delivery], until, &mut Report::default()).await;
        let mut preview = Preview::default();
        for (_, _, sifted) in &batch.messages {
            preview.accepted += sifted.accepted;
        }
        for put in batch.puts {
            if let Item::Quarantine(item) = put.item {
                preview.refused.push((item.reason, item.detail));
            }
        }
        Ok(preview)
    }

    pub(crate) fn until(&self, deadline: SystemTime) -> Instant {
        let left = deadline
            .duration_since(SystemTime::now())
            .ok()
            .filter(|left| !left.is_zero())
            .unwrap_or(self.rules.timeout);
        Instant::now() + left.saturating_sub(RESERVE)
    }

    async fn sift(&self, deliveries: &[Delivery], until: Instant, report: &mut Report) -> Batch {
        let messages = deliveries.iter().filter_map(|delivery| delivery.message.as_ref().ok());
        let devices: BTreeSet<DeviceId> =
            messages.filter_map(|(envelope, _)| sender(envelope)).collect();
        let devices: Vec<DeviceId> = devices.into_iter().collect();
        let profiles = self.profiles.get(&self.store, &devices, until).await;
        report.unenriched = profiles.values().filter(|profile| profile.said.unknown).count();

        // Of whom nobody knows who it is, nothing is said; who is not among the answers was not asked.
        let (nothing_said, not_asked) = (Profile::default(), Profile::unknown());
        let mut batch = Batch::default();
        for (origin, delivery) in deliveries.iter().enumerate() {
            let (envelope, payload) = match &delivery.message {
                Ok(message) => message,
                Err(error) => {
                    tracing::warn!(
                        id = delivery.id,
                        error = causes(error),
                        "a record is no message of the rule"
                    );
                    batch.failed.insert(origin);
                    continue;
                }
            };
            report.bytes += payload.len();
            let profile = match sender(envelope) {
                Some(device) => profiles.get(&device).map_or(&not_asked, |profile| profile),
                None => &nothing_said,
            };
            let mut sifted = sift(envelope, payload, origin, &self.rules, profile);
            batch.puts.append(&mut sifted.puts);
            let named = NamedMessage {
                client_id: envelope.client_id.clone(),
                trace_id: envelope.trace_id.clone(),
                reason: sifted.refused.first().copied(),
                received_at: envelope.received_at,
                principal: envelope.principal.clone(),
            };
            batch.messages.push((origin, named, sifted));
        }
        batch
    }

    /// Looks for alerts in the messages that are written; the others come again.
    async fn watch(&self, batch: &mut Batch, until: Instant) -> Alerted {
        let Some(notifier) = &self.notifier else { return Alerted::default() };
        let failed = &batch.failed;
        let done = batch.messages.iter_mut().filter(|(origin, ..)| !failed.contains(origin));
        let samples = done.flat_map(|(.., sifted)| sifted.samples.drain(..)).collect();
        let samples = self.newest.among(samples);
        alert::watch(&self.store, notifier, samples, wall_clock, until).await
    }

    /// Writes what was sifted; returns how many items were tried again.
    async fn write(&self, batch: &mut Batch, until: Instant) -> usize {
        let mut puts = std::mem::take(&mut batch.puts);
        // What stands in two messages of one invocation is written with the first.
        for put in plan::dedupe(&mut puts) {
            let Some(origin) = put.origin else { continue };
            // They stand in the order of their places.
            let found = batch.messages.binary_search_by_key(&origin, |(at, ..)| *at);
            let Ok((_, _, sifted)) = found.map(|at| &mut batch.messages[at]) else { continue };
            match put.item {
                Item::Reading(_) => sifted.repeat(1),
                Item::Packed(item) => sifted.repeat(item.readings),
                Item::Quarantine(item) => {
                    let at = sifted.refused.iter().position(|reason| *reason == item.reason);
                    at.map(|at| sifted.refused.swap_remove(at));
                }
                Item::Seen(_) | Item::Due(_) | Item::Rollup(_) => {}
            }
        }
        let now = Moment::now(wall_clock());
        let news = self.teller.news(&batch.messages, now, self.past);
        puts.extend(news.puts());
        let total = puts.len();
        let Written { mut left, retries, last_error, .. } =
            writer::write(&self.store, puts, until).await;
        for put in &left {
            match &put.item {
                // Readings of an hour that is not known to be due would be missing in its rollup.
                Item::Due(due) => batch.failed.extend(news::sharing(&batch.messages, due)),
                Item::Reading(_)
                | Item::Packed(_)
                | Item::Quarantine(_)
                | Item::Rollup(_)
                // What the function says of its own is said again with the next message.
                | Item::Seen(_) => batch.failed.extend(put.origin),
            }
        }
        let is_needed = |put: &Put| put.origin.is_some() || matches!(put.item, Item::Due(_));
        if left.iter().any(is_needed) {
            let error = HandlerError::Incomplete { left: left.len(), total, source: last_error };
            batch.error = Some(error);
        }
        left.extend(news.tell_of_the_past(&self.store, until).await);
        self.teller.told(news, &left, now);
        retries
    }
}

/// Now, by the clock of this machine.
pub(crate) fn wall_clock() -> UnixMillis {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(now.as_millis()).ok();
    millis.and_then(|millis| UnixMillis::new(millis).ok()).unwrap_or(UnixMillis::MAX)
}

/// Counts what was done: of the messages that will come again, nothing.
fn account(batch: &Batch, report: &mut Report) {
    report.failed = batch.failed.len();
    for (origin, named, sifted) in &batch.messages {
        let is_done = !batch.failed.contains(origin);
        if is_done {
            report.accepted += sifted.accepted;
            report.faults += sifted.faults;
            report.duplicates += sifted.duplicates;
            for reason in &sifted.refused {
                *report.quarantined.entry(reason).or_default() += 1;
            }
        }
        if report.messages == 1 || !is_done || !sifted.refused.is_empty() {
            report.name(|| named.clone());
        }
    }
}

/// How long ago the rule saw the oldest of these messages.
fn lag(deliveries: &[Delivery]) -> Option<i64> {
    let messages = deliveries.iter().filter_map(|delivery| delivery.message.as_ref().ok());
    let oldest = messages.map(|(envelope, _)| envelope.received_at).min()?;
    // The two clocks are different ones: a difference below zero is none.
    Some((wall_clock().get() - oldest.get()).max(0))
}

fn answer(
    source: Source,
    deliveries: Vec<Delivery>,
    batch: Batch,
    report: &Report,
) -> Result<Answer, HandlerError> {
    let failed = deliveries
        .into_iter()
        .enumerate()
        .filter(|(origin, _)| batch.failed.contains(origin))
        .filter_map(|(_, delivery)| delivery.id);
    match (source, batch.error) {
        (Source::Rule, Some(error)) => Err(error),
        (Source::Rule, None) => Ok(Answer::Message(Summary {
            accepted: report.accepted,
            faults: report.faults,
            quarantined: report.quarantined(),
            duplicates: report.duplicates,
            retries: report.retries,
        })),
        (Source::Sqs, _) => {
            let mut response = SqsBatchResponse::default();
            response.set_failures(failed);
            Ok(Answer::Sqs(response))
        }
        (Source::Job, Some(error)) => Err(error),
        (Source::Job, None) => Ok(Answer::Job(JobSummary::default())),
        (Source::Kinesis, _) => {
            let mut response = KinesisEventResponse::default();
            response.set_failures(failed);
            Ok(Answer::Kinesis(response))
        }
    }
}

#[cfg(test)]
mod tests;
