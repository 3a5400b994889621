//! Fills one message with readings, up to a number of bytes.
//!
//! The length of the encoded message is known after each reading without encoding it anew, so a
//! message fills what AWS meters as one and a reading is never split.

use std::fmt::Write as _;

use crate::clock::Clock;
use crate::ids::{BootId, DeviceId};
use crate::limits::MAX_PAYLOAD_BYTES;
use crate::measurement::Measurements;
use crate::quantity::Quantity;
use crate::reading::{Outcome, Reading};
use crate::time::UnixMillis;
use crate::unit::Unit;

/// Why a reading was not taken into a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// This message is full: finish it, and begin the next one with this reading.
    #[error("the message is full")]
    Full,
    /// No message can carry this reading, not even alone: it must not enter a queue.
    #[error("reading too large: it takes {needed} bytes alone, limit is {MAX_PAYLOAD_BYTES}")]
    TooLarge {
        /// Bytes of a message with this reading alone.
        needed: usize,
    },
}

/// A message in the making.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    head: String,
    t0: Option<UnixMillis>,
    series: Vec<Series>,
    readings: usize,
    budget: usize,
}

/// The readings of one sensor with the same quantities and units.
#[derive(Debug, Clone)]
struct Series {
    head: String,
    sensor: crate::ids::SensorId,
    fields: Vec<(Quantity, Unit)>,
    rows: String,
    faults: String,
}

const T0: &str = ",\"t0\":";
const CLOCK_UNSET_T0: &str = ",\"clock\":\"unset\",\"t0\":";
const AFTER_T0: &str = ",\"series\":[";
const END: &str = "]}";
const ROWS: &str = ",\"rows\":[";
const FAULTS: &str = ",\"faults\":[";

impl BatchBuilder {
    /// Begins a message of one device and boot that may grow to `budget` bytes, `topic_len` bytes
    /// of topic included.
    #[must_use]
    pub fn new(device: &DeviceId, boot: &BootId, topic_len: usize, budget: usize) -> Self {
        Self {
            head: format!("{{\"v\":1,\"device\":\"{device}\",\"boot\":\"{boot}\"{T0}"),
            t0: None,
            series: Vec::new(),
            readings: 0,
            budget: budget.saturating_sub(topic_len).min(MAX_PAYLOAD_BYTES),
        }
    }

    /// The same for readings whose times count from something else. To be said before the first
    /// reading.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        if clock == Clock::Unset {
            self.head = self.head.replace(T0, CLOCK_UNSET_T0);
        }
        self
    }

    /// Takes a reading into the message.
    ///
    /// The first reading is taken even where it exceeds the budget, since it fits nowhere better,
    /// unless it exceeds what MQTT on AWS can carry.
    ///
    /// # Errors
    /// [`PushError::Full`] when the message would exceed its budget, and
    /// [`PushError::TooLarge`] when no message can carry the reading. The batch is as before.
    pub fn push(&mut self, reading: &Reading) -> Result<(), PushError> {
        let t0 = self.t0.unwrap_or(reading.at);
        let entry = entry(reading, t0);
        let place = self.series.iter().position(|series| series.takes(reading));
        let fresh = place.is_none().then(|| Series::new(reading));
        let is_fault = matches!(reading.outcome, Outcome::Failed(_));
        let growth = match (place, &fresh) {
            (Some(index), _) => self.series[index].growth(&entry, is_fault),
            (None, Some(series)) => {
                let comma = usize::from(!self.series.is_empty());
                comma + series.len() + series.growth(&entry, is_fault)
            }
            (None, None) => unreachable!("a series is made where none takes the reading"),
        };
        let now = if self.readings == 0 { self.len_at(t0) } else { self.len() };
        let needed = now + growth;
        if self.readings == 0 && needed > MAX_PAYLOAD_BYTES {
            return Err(PushError::TooLarge { needed });
        }
        if self.readings > 0 && needed > self.budget {
            return Err(PushError::Full);
        }
        self.t0 = Some(t0);
        self.series.extend(fresh);
        let index = place.unwrap_or(self.series.len() - 1);
        self.series[index].add(&entry, is_fault);
        self.readings += 1;
        Ok(())
    }

    /// Bytes of the encoded message, the topic not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.t0.map_or(0, |t0| self.len_at(t0))
    }

    /// Whether no reading was taken yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.readings == 0
    }

    /// How many readings were taken.
    #[must_use]
    pub fn readings(&self) -> usize {
        self.readings
    }

    /// The encoded message, or `None` while it is empty.
    #[must_use]
    pub fn finish(self) -> Option<Vec<u8>> {
        let t0 = self.t0?;
        let mut text = String::with_capacity(self.len());
        text.push_str(&self.head);
        write!(text, "{t0}{AFTER_T0}").expect("writing to a string succeeds");
        for (index, series) in self.series.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            series.write(&mut text);
        }
        text.push_str(END);
        Some(text.into_bytes())
    }

    fn len_at(&self, t0: UnixMillis) -> usize {
        let commas = self.series.len().saturating_sub(1);
        let series: usize = self.series.iter().map(Series::len).sum();
        self.head.len() + digits(t0.get()) + AFTER_T0.len() + series + commas + END.len()
    }
}

impl Series {
    fn new(reading: &Reading) -> Self {
        let fields: Vec<(Quantity, Unit)> = match &reading.outcome {
            Outcome::Measured(values) => fields(values).map(|(q, u)| (q.clone(), u)).collect(),
            Outcome::Failed(_) => Vec::new(),
        };
        let mut head = format!("{{\"sensor\":\"{}\"", reading.sensor);
        if !fields.is_empty() {
            head.push_str(",\"fields\":[");
            for (index, (quantity, unit)) in fields.iter().enumerate() {
                let comma = if index > 0 { "," } else { "" };
                write!(head, "{comma}[\"{quantity}\",\"{unit}\"]")
                    .expect("writing to a string succeeds");
            }
            head.push(']');
        }
        Self {
            head,
            sensor: reading.sensor.clone(),
            fields,
            rows: String::new(),
            faults: String::new(),
        }
    }

    fn takes(&self, reading: &Reading) -> bool {
        self.sensor == reading.sensor
            && match &reading.outcome {
                Outcome::Failed(_) => true,
                Outcome::Measured(values) => {
                    fields(values).eq(self.fields.iter().map(|(quantity, unit)| (quantity, *unit)))
                }
            }
    }

    fn len(&self) -> usize {
        let list = |name: &str, entries: &str| match entries.len() {
            0 => 0,
            length => name.len() + length + 1,
        };
        self.head.len() + list(ROWS, &self.rows) + list(FAULTS, &self.faults) + 1
    }

    /// By how many bytes `add` would make this series longer.
    fn growth(&self, entry: &str, is_fault: bool) -> usize {
        let (name, entries) = if is_fault { (FAULTS, &self.faults) } else { (ROWS, &self.rows) };
        let around = if entries.is_empty() { name.len() + 1 } else { 1 };
        around + entry.len()
    }

    fn add(&mut self, entry: &str, is_fault: bool) {
        let entries = if is_fault { &mut self.faults } else { &mut self.rows };
        if !entries.is_empty() {
            entries.push(',');
        }
        entries.push_str(entry);
    }

    fn write(&self, text: &mut String) {
        text.push_str(&self.head);
        for (name, entries) in [(ROWS, &self.rows), (FAULTS, &self.faults)] {
            if !entries.is_empty() {
                text.push_str(name);
                text.push_str(entries);
                text.push(']');
            }
        }
        text.push('}');
    }
}

fn fields(values: &Measurements) -> impl Iterator<Item = (&Quantity, Unit)> {
    values.as_slice().iter().map(|one| (&one.quantity, one.unit))
}

/// A row or a fault as it stands on the wire.
fn entry(reading: &Reading, t0: UnixMillis) -> String {
    let mut text = format!("[{},{}", reading.at.get() - t0.get(), reading.seq);
    match &reading.outcome {
        Outcome::Measured(values) => {
            for one in values.as_slice() {
                write!(text, ",{}", one.value).expect("writing to a string succeeds");
            }
        }
        Outcome::Failed(fault) => {
            write!(text, ",\"{fault}\"").expect("writing to a string succeeds");
        }
    }
    text.push(']');
    text
}

/// Decimal digits of a number that is not negative.
fn digits(number: i64) -> usize {
    number.checked_ilog10().map_or(1, |log| log as usize + 1)
}
