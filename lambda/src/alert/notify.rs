//! Who is told of alerts: a trait of ours. `sns` is one.

use std::future::Future;

use tidings_schema::DeviceId;

use super::standing::Untold;
use super::words;

/// What is told of one transition of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    /// Whose it is.
    pub device: DeviceId,
    /// The alert: `<sensor>.<quantity>` or `silence`.
    pub name: String,
    /// Whether it is raised, or cleared.
    pub raised: bool,
    /// A line for a subject: ASCII, fewer than 100 characters.
    pub subject: String,
    /// A sentence for people.
    pub text: String,
    /// The same whenever this transition is told: who gets it twice knows by this.
    pub id: String,
}

impl Note {
    pub(crate) fn new(device: &DeviceId, untold: &Untold) -> Self {
        let Untold { name, standing, .. } = untold;
        let state = if standing.raised { "raised" } else { "cleared" };
        Self {
            device: device.clone(),
            name: name.clone(),
            raised: standing.raised,
            subject: words::subject(device, name, standing),
            text: words::sentence(device, name, standing),
            id: format!("{device}#{name}#{}#{state}", standing.since),
        }
    }
}

/// Why somebody could not be told. It is told again with the next tick.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotifyError(pub String);

/// Somebody who is told.
pub trait Notifier: Sync {
    /// Tells it.
    ///
    /// # Errors
    /// When it may not have been told.
    fn tell(&self, note: &Note) -> impl Future<Output = Result<(), NotifyError>> + Send;
}

impl<N: Notifier> Notifier for &N {
    async fn tell(&self, note: &Note) -> Result<(), NotifyError> {
        (**self).tell(note).await
    }
}

/// Where nobody else is to be told: alerts are in the log, and on the page.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logged;

impl Notifier for Logged {
    async fn tell(&self, note: &Note) -> Result<(), NotifyError> {
        tracing::warn!(%note.device, alert = note.name, raised = note.raised, "{}", note.text);
        Ok(())
    }
}
