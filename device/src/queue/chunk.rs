//! A row of the queue: some readings of one boot, encoded as one message of the wire. Pure.
//!
//! What is committed together is packed together, so that the disk is written once for many
//! readings, and a full row can be published as it is. The wire's format on disk is one that is
//! frozen, held by golden files, and readable with `sqlite3`.

use std::collections::BTreeMap;

use tidings_schema::wire::batch::{BatchBuilder, PushError};
use tidings_schema::{BootId, DeviceId, Outcome, Reading, SensorId, Seq, UnixMillis};

/// Names a row for as long as this process runs. A later row has a higher one.
pub type ChunkId = i64;

/// What a sensor said, before the queue has given it a sequence number.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The sensor.
    pub sensor: SensorId,
    /// When it was asked.
    pub at: UnixMillis,
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
}

/// A row to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) readings: usize,
    /// The time of its latest reading.
    pub(super) newest: UnixMillis,
    pub(super) message: Vec<u8>,
}

/// How many readings of a sensor a boot has accepted, and the earliest time among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) readings: u64,
    pub(super) first_at: UnixMillis,
}

/// Samples as rows, and what they add to the counts.
#[derive(Debug, Default)]
pub(super) struct Pack {
    pub(super) chunks: Vec<Packed>,
    pub(super) counts: BTreeMap<SensorId, Count>,
    /// Samples that no message can carry. The limits on names and counts rule it out.
    pub(super) too_large: usize,
}

impl Pack {
    /// How many readings there are.
    pub(super) fn readings(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.readings).sum()
    }
}

/// Gives samples their numbers and packs them.
#[derive(Debug)]
pub(super) struct Packer {
    shape: Shape,
    boot: BootId,
    accepted: BTreeMap<SensorId, u64>,
}

impl Packer {
    /// For a boot that has accepted nothing yet.
    pub(super) fn new(shape: Shape, boot: BootId) -> Self {
        Self { shape, boot, accepted: BTreeMap::new() }
    }

    /// Packs samples under the next numbers. They are not used up before [`Packer::accept`]: what
    /// could not be committed leaves no gap.
    pub(super) fn pack(&self, samples: &[Sample]) -> Pack {
        let mut pack = Pack::default();
        let mut batch = self.batch();
        let mut newest = UnixMillis::MIN;
        for sample in samples {
            let before = self.accepted.get(&sample.sensor).copied().unwrap_or(0);
            let here = pack.counts.get(&sample.sensor).map_or(0, |count| count.readings);
            let Ok(seq) = Seq::try_from(before + here) else {
                pack.too_large += 1;
                continue;
            };
            let reading = Reading {
                sensor: sample.sensor.clone(),
                at: sample.at,
                seq,
                outcome: sample.outcome.clone(),
            };
            let mut pushed = batch.push(&reading);
            if pushed == Err(PushError::Full) {
                pack.chunks.extend(finish(std::mem::replace(&mut batch, self.batch()), newest));
                newest = UnixMillis::MIN;
                pushed = batch.push(&reading);
            }
            if pushed.is_err() {
                pack.too_large += 1;
                continue;
            }
            newest = newest.max(sample.at);
            let count = pack
                .counts
                .entry(sample.sensor.clone())
                .or_insert(Count { readings: 0, first_at: sample.at });
            count.readings += 1;
            count.first_at = count.first_at.min(sample.at);
        }
        pack.chunks.extend(finish(batch, newest));
        pack
    }

    /// The numbers of this pack are used.
    pub(super) fn accept(&mut self, pack: &Pack) {
        for (sensor, count) in &pack.counts {
            *self.accepted.entry(sensor.clone()).or_default() += count.readings;
        }
    }

    fn batch(&self) -> BatchBuilder {
        let Shape { device, topic_len, budget } = &self.shape;
        BatchBuilder::new(device, &self.boot, *topic_len, *budget)
    }
}

fn finish(batch: BatchBuilder, newest: UnixMillis) -> Option<Packed> {
    let readings = batch.readings();
    batch.finish().map(|message| Packed { readings, newest, message })
}

/// What stands beside a row so that damage shows: over boot and message.
pub(super) fn checksum(boot: &str, message: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(boot.as_bytes());
    hasher.update(&[0]);
    hasher.update(message);
    hasher.finalize()
}
