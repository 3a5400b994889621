//! What becomes of alerts by readings, and by their absence. Pure: times come from outside.
//!
//! Alerts are levels that are told at their edges. A reading that is not newer than the one which raised or
//! cleared an alert says nothing of it any more: so the same message may come any number of times, and what
//! has waited on a device takes back nothing that is newer.

use std::time::Duration;

use tidings_schema::{Clock, Content, DeviceId, SensorId, UnixMillis};

use super::standing::{Kind, MAX_ALERTS, MAX_UNTOLD, Record, SILENCE, Standing, Untold};
use crate::enrich::Profile;
use crate::item::ReadingItem;

/// A reading older than this raises nothing: whoever is woken by it could do nothing about it.
pub const STALE_MS: i64 = 60 * 60 * 1000;

/// What the table says of when a device was heard may be so much too early.
const SEEN_WITHIN_MS: i64 = 60_000;
const _: () = assert!(crate::seen::INTERVAL.as_secs() == 60, "what the table may be behind");

/// For so long the invocation that wrote a transition may be telling it: twice a function's timeout.
pub const TAKEN_MS: i64 = 60 * 1000;

/// Limits of one quantity, in its canonical unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Raised where the value is above.
    pub above: Option<f64>,
    /// Raised where the value is below.
    pub below: Option<f64>,
    /// A raised alert stays until the value has come back as far as this; by default to the limit itself.
    pub clear: Option<f64>,
}

impl Limits {
    /// Whether they can be meant.
    ///
    /// # Errors
    /// Says what is expected where they cannot.
    pub fn check(&self) -> Result<(), &'static str> {
        let Self { above, below, clear } = *self;
        if above.is_none() && below.is_none() {
            return Err("expected above or below");
        }
        if above.zip(below).is_some_and(|(above, below)| below >= above) {
            return Err("expected below to be less than above");
        }
        if clear.zip(above).is_some_and(|(clear, above)| clear > above) {
            return Err("expected clear to be at most above");
        }
        if clear.zip(below).is_some_and(|(clear, below)| clear < below) {
            return Err("expected clear to be at least below");
        }
        Ok(())
    }

    /// What is raised by this value, after what was; and the limit that it crosses.
    fn raised(&self, was: Option<Kind>, value: f64) -> Option<(Kind, f64)> {
        let Self { above, below, clear } = *self;
        if let Some(limit) = above {
            let back = clear.unwrap_or(limit);
            if value > limit || (was == Some(Kind::Above) && value > back) {
                return Some((Kind::Above, limit));
            }
        }
        if let Some(limit) = below {
            let back = clear.unwrap_or(limit);
            if value < limit || (was == Some(Kind::Below) && value < back) {
                return Some((Kind::Below, limit));
            }
        }
        None
    }
}

/// A value that somebody wants to be told of.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Whose it is.
    pub device: DeviceId,
    /// The alert: `<sensor>.<quantity>`.
    pub name: String,
    /// When it was measured.
    pub at: UnixMillis,
    /// What was measured, in the canonical unit.
    pub value: f64,
    /// That unit.
    pub unit: Option<String>,
    /// Its limits.
    pub limits: Limits,
}

impl Sample {
    /// The same under what is said of its device now; `None` where nobody asks for it any more.
    pub(crate) fn under(&self, profile: &Profile) -> Option<Self> {
        let (sensor, quantity) = self.name.split_once('.')?;
        let sensor = SensorId::try_from(sensor).ok()?;
        let limits = profile.limits(&sensor, &quantity.try_into().ok()?)?;
        Some(Self { limits, ..self.clone() })
    }
}

/// The values among these readings for which there are limits. Without a true time, a reading has none.
pub(crate) fn samples(readings: &[ReadingItem], profile: &Profile) -> Vec<Sample> {
    let mut list = Vec::new();
    if !profile.has_limits() {
        return list;
    }
    for reading in readings {
        let values = match (&reading.content, reading.common.clock) {
            (Content::Values(values), Clock::Set) => values,
            (Content::Values(_), Clock::Unset) | (Content::Fault(_), _) => continue,
        };
        for (quantity, value, unit) in values {
            let Some(limits) = profile.limits(&reading.sensor, quantity) else { continue };
            let unit = quantity.known().map(|known| known.unit()).or(*unit);
            list.push(Sample {
                device: reading.common.device.clone(),
                name: format!("{}.{quantity}", reading.sensor),
                at: reading.at,
                value: value.get(),
                unit: unit.map(|unit| unit.name().to_owned()),
                limits,
            });
        }
    }
    list
}

/// What becomes of what stands of a device.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// What stands now.
    pub next: Record,
    /// Transitions that whoever wrote them has not told: they are taken over, and to be told now.
    pub again: Vec<Untold>,
    /// Transitions that are new, to be told now.
    pub new: Vec<Untold>,
}

/// What becomes of it by these samples of the device; `None` where nothing changes.
#[must_use]
pub fn evaluate(record: &Record, samples: &[Sample], now: UnixMillis) -> Option<Changed> {
    let mut change = Change::new(record, now);
    let mut ordered: Vec<&Sample> = samples.iter().collect();
    ordered.sort_by_key(|sample| sample.at);
    for sample in ordered {
        let stands = change.next.alerts.get(&sample.name);
        if stands.is_some_and(|stands| sample.at <= stands.since) {
            continue;
        }
        let was = stands.filter(|stands| stands.raised).map(|stands| stands.kind);
        let (raised, kind, limit) = match (sample.limits.raised(was, sample.value), was) {
            (Some((kind, _)), Some(was)) if kind == was => continue,
            (Some((kind, limit)), _) => (true, kind, Some(limit)),
            (None, Some(was)) => (false, was, stands.and_then(|stands| stands.limit)),
            (None, None) => continue,
        };
        if raised && now.get() - sample.at.get() > STALE_MS {
            continue;
        }
        let (since, value, unit) = (sample.at, Some(sample.value), sample.unit.clone());
        change.put(&sample.name, Standing { raised, kind, since, value, limit, unit });
    }
    change.end()
}

/// What the clock makes of a device: its silence, alerts whose limits are gone, and transitions that whoever
/// wrote them has not told. `None` where nothing changes.
#[must_use]
pub(crate) fn revise(
    record: &Record,
    profile: &Profile,
    heard: Option<UnixMillis>,
    now: UnixMillis,
) -> Option<Changed> {
    let mut change = Change::new(record, now);
    for untold in &mut change.next.untold {
        if now.get() - untold.taken.get() > TAKEN_MS {
            untold.taken = now;
            change.again.push(untold.clone());
        }
    }
    // Nobody asks for these any more: they end without a word.
    change.next.alerts.retain(|name, _| is_asked_for(profile, name));
    // Who was never heard of has not fallen silent.
    if let (Some(silence), Some(heard)) = (profile.silence, heard) {
        let silence_ms = i64::try_from(silence.as_millis()).unwrap_or(i64::MAX);
        // The table is told of a sensor once a minute, and what it says may be that old.
        let silent_ms = now.get() - heard.get() - SEEN_WITHIN_MS;
        let raised = silent_ms > silence_ms;
        let was = change.next.alerts.get(SILENCE).is_some_and(|stands| stands.raised);
        if raised != was {
            let limit = Some(Duration::from_millis(silence_ms.unsigned_abs()).as_secs_f64());
            let standing = Standing {
                raised,
                kind: Kind::Silent,
                since: heard,
                value: None,
                limit,
                unit: None,
            };
            change.put(SILENCE, standing);
        }
    }
    change.end()
}

fn is_asked_for(profile: &Profile, name: &str) -> bool {
    if name == SILENCE {
        return profile.silence.is_some();
    }
    name.split_once('.').is_some_and(|(sensor, quantity)| {
        let named = SensorId::try_from(sensor).ok().zip(quantity.try_into().ok());
        named.is_some_and(|(sensor, quantity)| profile.limits(&sensor, &quantity).is_some())
    })
}

/// A record that is being changed.
struct Change<'a> {
    before: &'a Record,
    next: Record,
    again: Vec<Untold>,
    new: Vec<Untold>,
    now: UnixMillis,
}

impl<'a> Change<'a> {
    fn new(before: &'a Record, now: UnixMillis) -> Self {
        Self { before, next: before.clone(), again: Vec::new(), new: Vec::new(), now }
    }

    fn put(&mut self, name: &str, standing: Standing) {
        if !self.next.alerts.contains_key(name) && self.next.alerts.len() >= MAX_ALERTS {
            tracing::warn!(name, limit = MAX_ALERTS, "more alerts of a device than are kept");
            return;
        }
        self.next.alerts.insert(name.to_owned(), standing.clone());
        let untold = Untold { name: name.to_owned(), taken: self.now, standing };
        self.next.untold.push(untold.clone());
        self.new.push(untold);
    }

    fn end(mut self) -> Option<Changed> {
        let over = self.next.untold.len().saturating_sub(MAX_UNTOLD);
        for lost in self.next.untold.drain(..over) {
            tracing::warn!(
                lost.name,
                limit = MAX_UNTOLD,
                "nobody will be told of an alert: too many wait"
            );
        }
        if self.next == *self.before {
            return None;
        }
        self.next.version = self.before.version.saturating_add(1);
        Some(Changed { next: self.next, again: self.again, new: self.new })
    }
}

#[cfg(test)]
mod tests;
