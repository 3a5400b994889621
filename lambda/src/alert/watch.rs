//! Alerts against the table: reads what stands, writes what becomes of it, tells, and writes that it is told.
//!
//! # Contract
//!
//! - A transition is written, with the note that nobody has been told, before anybody is told, and under the
//!   condition that nobody else has written meanwhile: of several invocations one makes it.
//! - Whoever wrote it tells it. What it could not tell, the tick tells, after [`TAKEN_MS`](super::TAKEN_MS).
//! - So each transition is told once. It is told twice only where the process ends, or the table fails, between
//!   the answer of whoever is told and the mark, or where that answer is lost.
//! - Nothing of this fails an invocation: it is counted and logged, and the next reading is looked at anew.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tidings_schema::{DeviceId, UnixMillis};
use tokio::time::{Instant, sleep, timeout_at};

use super::evaluate::{Changed, Sample, evaluate, revise};
use super::notify::{Note, Notifier, NotifyError};
use super::standing::Record;
use crate::enrich::Profile;
use crate::refusal::causes;
use crate::store::{AlertStore, StoreError};

/// Tries to write what stands of a device. Each lost race means that another invocation has won one.
const TRIES: u32 = 5;

/// The ceiling of the wait before another try, times its number.
const BACKOFF: Duration = Duration::from_millis(40);

/// The longest that all of it takes, well below the time after which the tick takes over.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is kept of the time for the mark that somebody was told.
const MARKING: Duration = Duration::from_millis(500);

/// Devices at a time.
const CONCURRENCY: usize = 4;

/// What was done about alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Alerted {
    /// Alerts raised.
    pub raised: usize,
    /// Alerts cleared.
    pub cleared: usize,
    /// What could not be read, written or told.
    pub failures: usize,
}

impl std::ops::AddAssign for Alerted {
    fn add_assign(&mut self, other: Self) {
        self.raised += other.raised;
        self.cleared += other.cleared;
        self.failures += other.failures;
    }
}

/// Why what stands of a device could not be written.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("others have written {TRIES} times meanwhile")]
    Races,
}

/// Looks at the samples of an invocation, whose readings are written. `now` tells the time.
pub(crate) async fn watch<S: AlertStore, N: Notifier>(
    store: &S,
    notifier: &N,
    samples: Vec<Sample>,
    now: impl Fn() -> UnixMillis,
    until: Instant,
) -> Alerted {
    let mut devices: BTreeMap<DeviceId, Vec<Sample>> = BTreeMap::new();
    for sample in samples {
        devices.entry(sample.device.clone()).or_default().push(sample);
    }
    let now = &now;
    let look = |(device, samples): (DeviceId, Vec<Sample>)| async move {
        let Some((record, samples)) = confirm(store, &device, samples, now, until).await else {
            return Alerted::default();
        };
        let change = |record: &Record| evaluate(record, &samples, now());
        one(store, notifier, &device, record, change, until).await
    };
    all(stream::iter(devices).map(look)).await
}

/// Before something changes, what people ask for is read anew: what this function knows may be minutes old, and
/// of two functions that know different limits each would undo what the other says. `None` where nothing changes.
async fn confirm<S: AlertStore>(
    store: &S,
    device: &DeviceId,
    samples: Vec<Sample>,
    now: impl Fn() -> UnixMillis,
    until: Instant,
) -> Option<(Option<Record>, Vec<Sample>)> {
    let read = async {
        let record = store.alerts(device).await?;
        if evaluate(&record, &samples, now()).is_none() {
            return Ok(None);
        }
        let said = store.profile(device).await?;
        let profile = said.as_ref().map(Profile::read).unwrap_or_default();
        let samples = samples.iter().filter_map(|sample| sample.under(&profile)).collect();
        Ok::<_, StoreError>(Some((Some(record), samples)))
    };
    match timeout_at(until.min(Instant::now() + PATIENCE), read).await {
        Ok(Ok(confirmed)) => confirmed,
        // The writing tries again, with what is known.
        Ok(Err(_)) | Err(_) => Some((None, samples)),
    }
}

/// What is to be done at times: devices that are silent or heard again, and transitions that nobody was told of.
pub async fn tick<S: AlertStore, N: Notifier>(
    store: &S,
    notifier: &N,
    now: impl Fn() -> UnixMillis,
    until: Instant,
) -> Alerted {
    let (profiles, mut records, heard) = match timeout_at(until, read(store)).await {
        Ok(Ok(found)) => found,
        result => {
            let error = result.unwrap_or(Err(StoreError::Deadline)).err();
            let error = error.as_ref().map(|error| causes(error));
            tracing::error!(error, "what stands of alerts could not be read");
            return Alerted { failures: 1, ..Alerted::default() };
        }
    };
    let devices: BTreeSet<DeviceId> = profiles.keys().chain(records.keys()).cloned().collect();
    let (nothing_said, now) = (Profile::default(), &now);
    let devices: Vec<_> = devices
        .into_iter()
        .map(|device| {
            let record = records.remove(&device).unwrap_or_default();
            (device, record)
        })
        .collect();
    let look = |(device, record): (DeviceId, Record)| {
        let profile = profiles.get(&device).unwrap_or(&nothing_said);
        let heard = heard.get(&device).copied();
        async move {
            let change = |record: &Record| revise(record, profile, heard, now());
            one(store, notifier, &device, Some(record), change, until).await
        }
    };
    all(stream::iter(devices).map(look)).await
}

type Fleet = (HashMap<DeviceId, Profile>, HashMap<DeviceId, Record>, HashMap<DeviceId, UnixMillis>);

async fn read<S: AlertStore>(store: &S) -> Result<Fleet, StoreError> {
    let profiles = store.all_profiles().await?;
    let profiles: HashMap<DeviceId, Profile> =
        profiles.into_iter().map(|(device, item)| (device, Profile::read(&item))).collect();
    let records = store.all_alerts().await?.into_iter().collect();
    let is_asked_for = profiles.values().any(|profile| profile.silence.is_some());
    let heard = if is_asked_for { store.last_heard().await? } else { HashMap::new() };
    Ok((profiles, records, heard))
}

async fn all<F: Future<Output = Alerted>>(work: impl futures_util::Stream<Item = F>) -> Alerted {
    let mut sum = Alerted::default();
    let mut done = std::pin::pin!(work.buffer_unordered(CONCURRENCY));
    while let Some(one) = done.next().await {
        sum += one;
    }
    sum
}

/// Changes what stands of one device, and tells of it.
async fn one<S: AlertStore, N: Notifier>(
    store: &S,
    notifier: &N,
    device: &DeviceId,
    known: Option<Record>,
    change: impl Fn(&Record) -> Option<Changed>,
    until: Instant,
) -> Alerted {
    let until = until.min(Instant::now() + PATIENCE);
    let mut done = Alerted::default();
    let written = timeout_at(until, write(store, device, known, change)).await;
    let Changed { next, again, new } = match written.unwrap_or(Err(StoreError::Deadline.into())) {
        Ok(Some(changed)) => changed,
        Ok(None) => return done,
        Err(error) => {
            tracing::error!(%device, error = causes(&error), "what stands of alerts could not be written");
            done.failures += 1;
            return done;
        }
    };
    for untold in &new {
        let count = if untold.standing.raised { &mut done.raised } else { &mut done.cleared };
        *count += 1;
    }
    let mut told = Vec::new();
    for untold in again.into_iter().chain(new) {
        let note = Note::new(device, &untold);
        let answer = timeout_at(until, notifier.tell(&note)).await;
        match answer
            .unwrap_or_else(|_| Err(NotifyError("no answer before the deadline".to_owned())))
        {
            Ok(()) => told.push(untold),
            Err(error) => {
                let error = causes(&error);
                tracing::error!(%device, error, alert = note.text, "nobody was told; the next tick tries again");
                done.failures += 1;
            }
        }
    }
    if told.is_empty() {
        return done;
    }
    let forget = |record: &Record| {
        let mut next = record.clone();
        next.untold.retain(|one| !told.iter().any(|told| told.is(one)));
        next.version = record.version.saturating_add(1);
        let is_new = next.untold.len() < record.untold.len();
        is_new.then_some(Changed { next, again: Vec::new(), new: Vec::new() })
    };
    let marking = timeout_at(until + MARKING, write(store, device, Some(next), forget)).await;
    if let Err(error) = marking.unwrap_or(Err(StoreError::Deadline.into())) {
        let error = causes(&error);
        tracing::error!(%device, error, "what was told of alerts may be told once more");
        done.failures += 1;
    }
    done
}

/// Writes what `change` makes of what stands, which is read again whenever somebody else has written.
async fn write<S: AlertStore>(
    store: &S,
    device: &DeviceId,
    mut known: Option<Record>,
    change: impl Fn(&Record) -> Option<Changed>,
) -> Result<Option<Changed>, Failure> {
    let mut last = Failure::Races;
    for attempt in 0..TRIES {
        if attempt > 0 {
            sleep((BACKOFF * attempt).mul_f64(fastrand::f64())).await;
        }
        let tried = async {
            let record = match known.take() {
                Some(record) => record,
                None => store.alerts(device).await?,
            };
            let Some(changed) = change(&record) else { return Ok(Some(None)) };
            let won = store.put_alerts(device, &changed.next, record.version).await?;
            Ok(won.then_some(Some(changed)))
        };
        match tried.await {
            Ok(Some(changed)) => return Ok(changed),
            Ok(None) => last = Failure::Races,
            Err(error) => {
                let is_lasting = StoreError::is_lasting(&error);
                last = error.into();
                if is_lasting {
                    break;
                }
            }
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests;
