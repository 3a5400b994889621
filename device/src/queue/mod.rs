//! The durable queue: the agent's only memory of a reading between its sensor and the broker's
//! acknowledgement.
//!
//! # Contract
//!
//! - A reading is **accepted** once its transaction is committed. From then on it is in the queue
//!   until [`store::Store::remove`] names it, which the uplink does on the PUBACK of the reading's
//!   own publish and at no other time.
//! - Readings that wait in memory for the next commit (at most [`crate::config::QueueConfig::commit`])
//!   are what a power cut can take. They are not accepted, and have no sequence number yet.
//! - Removals are committed in groups too. A crash in between sends those readings again, under
//!   the same key, which the table shows once.
//! - The count of accepted readings of each sensor changes in the same transaction as the readings
//!   themselves, so the two cannot disagree; sequence numbers are that count, hence without gaps.
//! - One process per queue: the database is locked exclusively while it is open.
//! - The file never grows beyond its limit. A reading that finds no room is refused, counted and
//!   logged; it is not accepted.
//!
//! # Assumed of the disk
//!
//! That a sync is a sync. `journal_mode=WAL` with `synchronous=FULL` syncs the log at each commit;
//! a card that lies about it can lose the last commits, though SQLite still opens what is there.
//!
//! # Layout
//!
//! ```text
//! boot     (id, name)                            one row per start of the agent
//! accepted (boot, sensor, count, first_at)       how many readings were accepted
//! record   (id, boot, sensor, seq, at, outcome)  the readings that wait, oldest first
//! ```

mod owner;
mod store;

pub use owner::{Closed, FetchError, Owner, Queue, Sample};
pub use store::{Accepted, Boot, Inspection, QueueError, Record, RecordId, inspect};

#[cfg(test)]
mod tests;
