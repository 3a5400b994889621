//! The durable queue: the agent's only memory of a reading between its sensor and the broker's
//! acknowledgement.
//!
//! # Contract
//!
//! - A reading is packed into a row in memory as it comes. A row is **kept** once it is on the disk:
//!   when it has been in memory for [`crate::config::QueueConfig::commit`] without being acknowledged,
//!   or together with others that have. What is acknowledged before is never written. So a power cut
//!   takes at most that time's unacknowledged readings, and a device that is online spares its card.
//! - A kept row is in the queue until it is removed, which the uplink does on the PUBACK of the row's
//!   own publish, or until it is lost for one of the reasons of [`Loss`], each of which is counted in
//!   the same transaction.
//! - Removals are committed in groups too. A crash in between sends those readings again, under
//!   the same key, which the table shows once.
//! - The count of a sensor's readings changes in the same transaction as the rows themselves: what
//!   the disk counts is on it, was acknowledged, or is counted as lost. Sequence numbers are that
//!   count, hence without gaps.
//! - A reading that was taken before the clock was set has its time since the start of the kernel
//!   (`since`), and is held back. Once the clock is set, the offset is kept as this start's `anchor`
//!   before any of its readings is sent, so that all of them always go out under the same time. What
//!   another start of the kernel left without an anchor can never be placed, and is sent as it is.
//! - One process per queue: the database is locked exclusively while it is open.
//! - The file does not grow beyond its limit (the log beside it takes at most some 2 MB more). What
//!   happens to readings beyond is the operator's choice ([`WhenFull`]).
//! - Every row has a checksum. A damaged row is put among the dead letters; a damaged file is set
//!   aside, what can be read of it goes on in a new one, and what is missing is counted (at the
//!   most: some of it may have been acknowledged).
//! - While the disk is full, read-only or failing, readings wait in memory, loudly and within a limit,
//!   and go to the disk when it takes them again.
//!
//! # Assumed of the disk
//!
//! That a sync is a sync. `journal_mode=WAL` with `synchronous=FULL` syncs the log at each commit;
//! a card that lies about it can lose the last commits, though SQLite still opens what is there.
//! Sectors may be torn and unsynced writes may come in any order: SQLite's log has checksums.
//!
//! # Layout
//!
//! ```text
//! boot     (id, name)                            one row per start of the agent
//! accepted (boot, sensor, count, first_at)       how many readings were accepted
//! chunk    (id, boot, readings, upto, newest,    readings that wait, oldest first, each row a
//!           since, thinned, checksum, message)   message of the wire; `upto` counts all accepted
//! anchor   (id, kernel, millis)                  where a start of the kernel stands in time
//! dead     (id, reason, boot, readings, message) the last rows that were given up
//! loss     (reason, readings)                    what was accepted and is lost
//! ```

mod chunk;
mod commit;
mod error;
mod inspect;
mod layout;
mod loss;
mod owner;
mod room;
mod salvage;
mod store;
mod task;

pub use chunk::{Chunk, ChunkId, News, Sample, Shape};
pub use error::QueueError;
pub use inspect::{
    Accepted, DeadLetter, Inspection, Record, Summary, dead_letters, inspect, summarise,
};
pub use loss::{Loss, Losses};
pub use owner::{Closed, FetchError, Owner, Queue};
pub use room::{Limits, WhenFull};

#[cfg(test)]
mod tests;
