//! One invocation: event in, tables written, one summary line out.

use std::time::{Duration, SystemTime};

use lambda_runtime::Diagnostic;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::config::Rules;
use crate::envelope::{Envelope, EnvelopeError};
use crate::item::Put;
use crate::plan;
use crate::refusal::causes;
use crate::seen::Seen;
use crate::sift::sift;
use crate::store::Store;
use crate::writer::{self, Written};

/// What is kept of the deadline for the answer to reach Lambda before it kills the function.
const RESERVE: Duration = Duration::from_millis(1500);

/// The function.
#[derive(Debug)]
pub struct Ingest<S> {
    store: S,
    rules: Rules,
    seen: Seen,
}

/// What an invocation did: its answer and its log line.
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

/// Why an invocation failed. Each has a stable name, which alarms can match.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// The event is none of the rule's. Trying again will not help: it goes to the on-failure
    /// queue, where `tidings replay` finds it.
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
        source: Option<crate::store::StoreError>,
    },
}

impl HandlerError {
    /// The name in Lambda's error answer.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Event(_) => "InvalidEvent",
            Self::Incomplete { .. } => "WriteIncomplete",
        }
    }

    fn message(&self) -> String {
        causes(self)
    }
}

impl From<HandlerError> for Diagnostic {
    fn from(error: HandlerError) -> Self {
        Self { error_type: error.name().to_owned(), error_message: error.message() }
    }
}

impl<S: Store> Ingest<S> {
    /// A function that writes to this store.
    pub fn new(store: S, rules: Rules) -> Self {
        Self { store, rules, seen: Seen::default() }
    }

    /// Handles one event. `deadline` is what the runtime says; one that is not in the future means
    /// that it does not know (`cargo lambda watch` sends 1970).
    ///
    /// # Errors
    /// When the event is none of ours, or when something could not be written.
    pub async fn handle(
        &self,
        event: serde_json::Value,
        deadline: SystemTime,
    ) -> Result<Summary, HandlerError> {
        let until = self.until(deadline);
        let (envelope, payload) =
            Envelope::read(event).map_err(HandlerError::from).inspect_err(|error| {
                tracing::error!(name = error.name(), error = error.message(), "event refused")
            })?;
        let result = self.ingest(&envelope, &payload, until).await;
        if let Err(error) = &result {
            tracing::error!(
                name = error.name(),
                error = error.message(),
                client_id = envelope.client_id,
                trace_id = envelope.trace_id,
                "not ingested"
            );
        }
        result
    }

    fn until(&self, deadline: SystemTime) -> Instant {
        let left = deadline
            .duration_since(SystemTime::now())
            .ok()
            .filter(|left| !left.is_zero())
            .unwrap_or(self.rules.timeout);
        Instant::now() + left.saturating_sub(RESERVE)
    }

    async fn ingest(
        &self,
        envelope: &Envelope,
        payload: &[u8],
        until: Instant,
    ) -> Result<Summary, HandlerError> {
        let mut sifted = sift(envelope, payload, self.rules.retention);
        let duplicates = plan::dedupe(&mut sifted.puts);
        let quarantined =
            sifted.puts.iter().filter(|put| matches!(put, Put::Quarantine(_))).count();
        let accepted = sifted.puts.len() - quarantined;
        let reason = sifted.puts.iter().find_map(|put| match put {
            Put::Quarantine(item) => Some(item.reason),
            Put::Reading(_) | Put::Seen(_) => None,
        });
        let now = Instant::now();
        let news = self.seen.news(&sifted.puts, envelope.received_at, now);
        let told: Vec<String> = news.iter().map(|put| put.address().2.to_owned()).collect();
        let mut puts = sifted.puts;
        puts.extend(news);
        let total = puts.len();
        let Written { left, retries, last_error, .. } =
            writer::write(&self.store, puts, until).await;
        if !left.is_empty() {
            return Err(HandlerError::Incomplete { left: left.len(), total, source: last_error });
        }
        self.seen.told(told, now);
        let summary = Summary { accepted, faults: sifted.faults, quarantined, duplicates, retries };
        tracing::info!(
            client_id = envelope.client_id,
            trace_id = envelope.trace_id,
            accepted,
            faults = summary.faults,
            quarantined,
            first_reason = reason,
            duplicates,
            retries,
            bytes = payload.len(),
            "ingested"
        );
        Ok(summary)
    }
}

#[cfg(test)]
mod tests;
