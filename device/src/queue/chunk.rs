//! A row of the queue: some readings of one boot, encoded as one message of the wire. Pure.
//!
//! Readings are packed as they come, so that the disk is written once for many of them, and a row
//! can be published as it is. The wire's format on disk is one that is
//! frozen, held by golden files, and readable with `sqlite3`.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_schema::wire::batch::{BatchBuilder, PushError};
use tidings_schema::wire::latest;
use tidings_schema::{BootId, Clock, DeviceId, Outcome, Reading, SensorId, Seq, UnixMillis};

use crate::clock::KernelBoot;

/// Names a row for as long as this process runs. A later row has a higher one.
pub type ChunkId = i64;

/// What the queue tells of itself to whoever waits for more to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct News {
    /// The last row that there is.
    pub last: ChunkId,
    /// How often rows that were held back have become free to be sent.
    pub placed: u32,
}

/// What a sensor said, before the queue has given it a sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The sensor.
    pub sensor: SensorId,
    /// When it was asked, counted by [`Sample::clock`].
    pub at: UnixMillis,
    /// Whether that is known.
    pub clock: Clock,
    /// What came of it.
    pub outcome: Outcome,
}

/// Readings that wait, as one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its place.
    pub id: ChunkId,
    /// The boot that they were taken in.
    pub boot: BootId,
    /// How many there are.
    pub readings: usize,
    /// The start of the kernel from which its times count, where they do not count from 1970.
    pub since: Option<KernelBoot>,
    /// A message of the latest wire version.
    pub message: Vec<u8>,
}

/// What a message of this agent looks like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// The device that all messages are from.
    pub device: DeviceId,
    /// Bytes of the topic, which count as the message's.
    pub topic_len: usize,
    /// Bytes that a message may have, topic included.
    pub budget: usize,
    /// The longest that a reading waits for others to share its message.
    pub age: Duration,
}

/// A row without its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) readings: usize,
    /// The time of its latest reading.
    pub(super) newest: UnixMillis,
    /// See [`Chunk::since`].
    pub(super) since: Option<KernelBoot>,
    pub(super) message: Vec<u8>,
}

/// How many readings of a sensor a boot has accepted, and the earliest time among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) readings: u64,
    pub(super) first_at: UnixMillis,
}

/// What came of a sample.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pushed {
    /// The row that was full before it.
    pub(super) full: Option<Packed>,
    /// Whether it has a number now. Otherwise no message can carry it, which the limits on names and
    /// counts rule out.
    pub(super) numbered: bool,
}

/// Gives samples their numbers and packs them.
#[derive(Debug)]
pub(super) struct Packer {
    shape: Shape,
    boot: BootId,
    kernel: KernelBoot,
    next: BTreeMap<SensorId, u64>,
    open: BatchBuilder,
    newest: UnixMillis,
    /// What the times of the open message count from.
    clock: Clock,
}

impl Packer {
    /// For a boot that has given no numbers yet.
    pub(super) fn new(shape: Shape, boot: BootId, kernel: KernelBoot) -> Self {
        let clock = Clock::default();
        let open = batch(&shape, &boot, clock);
        Self { shape, boot, kernel, next: BTreeMap::new(), open, newest: UnixMillis::MIN, clock }
    }

    /// How many samples wait.
    pub(super) fn len(&self) -> usize {
        self.open.readings()
    }

    /// Gives a sample the next number of its sensor, and packs it.
    pub(super) fn push(&mut self, sample: Sample) -> Pushed {
        let mut done = Pushed::default();
        let next = self.next.entry(sample.sensor.clone()).or_default();
        let Ok(seq) = Seq::try_from(*next) else { return done };
        let reading =
            Reading { sensor: sample.sensor, at: sample.at, seq, outcome: sample.outcome };
        if sample.clock != self.clock {
            done.full = self.close();
            self.clock = sample.clock;
            self.open = batch(&self.shape, &self.boot, self.clock);
        }
        let mut pushed = self.open.push(&reading);
        if pushed == Err(PushError::Full) {
            done.full = self.close();
            pushed = self.open.push(&reading);
        }
        if pushed.is_ok() {
            done.numbered = true;
            self.newest = self.newest.max(reading.at);
            *self.next.entry(reading.sensor).or_default() += 1;
        }
        done
    }

    /// What waits, as a row.
    pub(super) fn close(&mut self) -> Option<Packed> {
        let open = std::mem::replace(&mut self.open, batch(&self.shape, &self.boot, self.clock));
        let newest = std::mem::replace(&mut self.newest, UnixMillis::MIN);
        let readings = open.readings();
        let since = (self.clock == Clock::Unset).then_some(self.kernel);
        open.finish().map(|message| Packed { readings, newest, since, message })
    }
}

fn batch(shape: &Shape, boot: &BootId, clock: Clock) -> BatchBuilder {
    BatchBuilder::new(&shape.device, boot, shape.topic_len, shape.budget).with_clock(clock)
}

impl Chunk {
    /// Gives the readings their places in time, where these are known now: `offset` is from time
    /// since the start of the kernel to time since 1970, in milliseconds. The message never grows by
    /// it, because it need not say any more that the clock was not set.
    pub(super) fn place(mut self, offset: i64) -> Self {
        if let Some(message) = placed(&self.message, offset) {
            self.message = message;
            self.since = None;
        }
        self
    }
}

fn placed(message: &[u8], offset: i64) -> Option<Vec<u8>> {
    let mut decoded = latest::decode(message).ok()?;
    for reading in &mut decoded.readings {
        reading.at = reading.at.offset(offset).ok()?;
    }
    latest::encode(&decoded.device, &decoded.boot, Clock::Set, &decoded.readings).ok()?
}

/// What stands beside a row so that damage shows: over boot and message.
pub(super) fn checksum(boot: &str, message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(boot.as_bytes());
    hasher.update(&[0]);
    hasher.update(message);
    hasher.finalize()
}
