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
    /// Hours left for the next time.
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

impl<S: Archive + AlertStore, N: Notifier> Ingest<S, N> {
    /// Handles whatever event comes: a job, or messages ([`Ingest::handle`]).
    ///
    /// # Errors
    /// As [`Ingest::handle`], or when a job could not be done.
    pub async fn invoke(
        &self,
        event: &str,
        deadline: SystemTime,
    ) -> (Result<Answer, HandlerError>, Report) {
        match serde_json::from_str(event) {
            Ok(Event { job: Job::Tick }) => self.tick(deadline).await,
            Err(_) => self.handle(event, deadline).await,
        }
    }

    async fn tick(&self, deadline: SystemTime) -> (Result<Answer, HandlerError>, Report) {
        let until = self.until(deadline);
        let mut report = Report { source: Source::Job, ..Report::default() };
        // People first, and half of the time for them at the most.
        let now = Instant::now();
        report.alerts = self.tick_alerts(now + until.duration_since(now) / 2).await;
        match rollup::run(&self.store, self.rules.retention, wall_clock(), until).await {
            Ok(done) => {
                report.job = Some(done);
                (Ok(Answer::Job(done)), report)
            }
            Err(error) => {
                let error = HandlerError::Job(error);
                report.failed = 1;
                report.error = Some((error.name(), error.message()));
                (Err(error), report)
            }
        }
    }
}
