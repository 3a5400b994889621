//! From what is to be written to the calls that write it.

use std::collections::HashSet;

use crate::item::Put;

/// Puts and deletes in one BatchWriteItem ("up to 25 item put or delete operations, with up to
/// 16 MB written", DynamoDB API reference). 25 items never reach the 16 MB: the largest holds one
/// MQTT payload of 128 KiB.
pub(crate) const CHUNK: usize = 25;

/// Takes out puts that stand twice under one key: DynamoDB refuses a whole call for one such pair.
/// The first of each stays.
pub(crate) fn dedupe(puts: &mut Vec<Put>) -> Vec<Put> {
    let mut seen = HashSet::with_capacity(puts.len());
    let repeated: Vec<bool> = puts.iter().map(|put| !seen.insert(put.address())).collect();
    let mut repeated = repeated.into_iter();
    puts.extract_if(.., |_| repeated.next().unwrap_or(false)).collect()
}
