//! From what is to be written to the calls that write it.

use std::collections::HashSet;

use crate::item::Put;

/// Puts and deletes in one BatchWriteItem ("up to 25 item put or delete operations, with up to
/// 16 MB written", DynamoDB API reference). 25 items never reach the 16 MB: the largest holds one
/// MQTT payload of 128 KiB.
pub(crate) const CHUNK: usize = 25;

/// Drops puts that stand twice under one key: DynamoDB refuses a whole call for one such pair.
/// Returns how many were dropped.
pub(crate) fn dedupe(puts: &mut Vec<Put>) -> usize {
    let before = puts.len();
    let mut seen = HashSet::new();
    puts.retain(|put| {
        let (table, pk, sk) = put.address();
        seen.insert((table, pk.to_owned(), sk.to_owned()))
    });
    before - puts.len()
}
