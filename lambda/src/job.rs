//! What a schedule asks of the function, beside the messages of the rule.
//!
//! ```json
//! {"job": "tick"}
//! ```

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::alert::Notifier;
use crate::handler::{Answer, HandlerError, Ingest, wall_clock};
use crate::metrics::Report;
use crate::refusal::causes;
use crate::rollup::{self, Archive};
use crate::source::Source;
use crate::store::AlertStore;

/// The event of the schedule, as the template has it.
pub const TICK: &str = r#"{"job":"tick"}"#;

/// What a job did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobSummary {
    /// Hours of sensors that were summed up.
    pub hours: usize,
    /// Days made anew from their hours.
    pub days: usize,
    /// Hours that wait until everything of them is written.
    pub waiting: usize,
    /// Hours left for the next time, at least; also 1 where it could not be asked what is due.
    pub left: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    job: Job,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Job {
    /// All that is to be done every few minutes.
    Tick,
}

/// Whether an event is the schedule's.
#[must_use]
pub fn is_job(event: &str) -> bool {
    serde_json::from_str::<Event>(event).is_ok()
}

impl<S: Archive + AlertStore, N: Notifier> Ingest<S, N> {
    /// Handles whatever event comes: a job, or messages ([`Ingest::handle`]).
    ///
    /// # Errors
    /// As [`Ingest::handle`]. What of a job could not be done is left for the next one, and counted.
    pub async fn invoke(
        &self,
        event: &str,
        deadline: SystemTime,
    ) -> (Result<Answer, HandlerError>, Report) {
        match serde_json::from_str(event) {
            Ok(Event { job: Job::Tick }) => Box::pin(self.tick(deadline)).await,
            Err(_) => self.handle(event, deadline).await,
        }
    }

    async fn tick(&self, deadline: SystemTime) -> (Result<Answer, HandlerError>, Report) {
        let until = self.until(deadline);
        let mut report = Report { source: Source::Job, ..Report::default() };
        // People first, and half of the time for them at the most.
        let now = Instant::now();
        report.alerts = self.tick_alerts(now + until.duration_since(now) / 2).await;
        let done = match rollup::run(&self.store, self.rules.retention, wall_clock(), until).await {
            Ok(done) => done,
            // No failure of the invocation: Lambda would try again and then put the tick into the queue of
            // failed events, and there is nothing in it that the next tick does not do.
            Err(error) => {
                report.error = Some(("JobFailed", causes(&error)));
                JobSummary { left: 1, ..JobSummary::default() }
            }
        };
        report.job = Some(done);
        (Ok(Answer::Job(done)), report)
    }
}
