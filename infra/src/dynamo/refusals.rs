//! What was refused, newest first, in pages that are bounded in what they read.

use aws_sdk_dynamodb::types::AttributeValue;
use tidings_schema::{UnixMillis, key};

use super::stored::refused;
use super::{Database, Refused};
use crate::Trouble;
use crate::account::aws_says;

/// How long quarantine is kept, in days, and so the most queries of a page that finds nothing.
const DAYS: usize = 30;

/// Items that a page reads at the most, where a filter leaves few of them.
const MAX_READ: usize = 1000;

/// Megabytes that a page reads: payloads are large, and few may be wanted.
const MAX_QUERIES: usize = 16;

const DAY_MS: i64 = 86_400_000;

/// Where a page begins: all that is older than this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    /// The day, as quarantine's partition key has it.
    pub at: UnixMillis,
    /// A sort key of that day, or what would be one.
    pub sk: String,
}

impl Before {
    /// All that came until then.
    #[must_use]
    pub fn time(at: UnixMillis) -> Self {
        // `~` sorts after every character of a key.
        Self { at, sk: format!("{}~", key::time_prefix(at)) }
    }

    /// All that is older than what has this sort key; `None` where it is none.
    #[must_use]
    pub fn key(sk: &str) -> Option<Self> {
        let millis = sk.split('#').next()?.parse().ok()?;
        Some(Self { at: UnixMillis::new(millis).ok()?, sk: sk.to_owned() })
    }
}

/// Some of what was refused.
#[derive(Debug)]
pub struct RefusedPage {
    /// Newest first.
    pub list: Vec<Refused>,
    /// Where the next page begins; `None` where there is no more.
    pub older: Option<Before>,
}

impl Database {
    /// Up to `limit` refusals that are wanted, newest first. A page reads up to [`MAX_READ`] items, and may have
    /// fewer than are there where few are wanted: then it says where to go on.
    ///
    /// # Errors
    /// When a query fails.
    pub async fn refused_page(
        &self,
        before: Before,
        limit: usize,
        wanted: impl Fn(&Refused) -> bool,
    ) -> Result<RefusedPage, Trouble> {
        let mut page = RefusedPage { list: Vec::new(), older: None };
        let (mut read, mut before, mut days, mut queries) = (0, before, 0, 0);
        while days <= DAYS {
            let answer = self
                .client
                .query()
                .table_name(&self.tables.quarantine)
                .key_condition_expression("pk = :pk AND sk < :before")
                .expression_attribute_values(":pk", AttributeValue::S(before.at.date()))
                .expression_attribute_values(":before", AttributeValue::S(before.sk.clone()))
                .scan_index_forward(false)
                .set_limit(i32::try_from(MAX_READ - read).ok())
                .send()
                .await
                .map_err(|error| Trouble::Query(aws_says(&error)))?;
            queries += 1;
            for item in answer.items() {
                let one = refused(item);
                read += 1;
                // What has no key of ours cannot be gone on from, and is not ours.
                let Some(next) = Before::key(&one.sk) else { continue };
                before = Before { at: before.at, ..next };
                if wanted(&one) {
                    page.list.push(one);
                }
                if page.list.len() == limit || read == MAX_READ {
                    page.older = Some(before);
                    return Ok(page);
                }
            }
            if answer.last_evaluated_key.is_none() {
                let Some(day_before) = day_before(before.at) else { break };
                before = Before::time(day_before);
                days += 1;
            } else if queries >= MAX_QUERIES {
                page.older = Some(before);
                return Ok(page);
            }
        }
        Ok(page)
    }
}

/// The last millisecond of the day before.
fn day_before(at: UnixMillis) -> Option<UnixMillis> {
    UnixMillis::new(at.get() - at.get() % DAY_MS - 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_at_a_time_or_at_a_key() {
        let at = UnixMillis::new(1_795_456_115_802).unwrap();
        assert_eq!(Before::time(at).sk, "1795456115802~");
        let key = Before::key("1795456115802#ab12").unwrap();
        assert_eq!((key.at, key.sk.as_str()), (at, "1795456115802#ab12"));
        for bad in ["", "#", "soon#1", "-1#a"] {
            assert_eq!(Before::key(bad), None, "{bad}");
        }
        let yesterday = day_before(at).unwrap();
        assert_eq!(yesterday.date(), "2026-11-22");
        assert_eq!(day_before(yesterday).unwrap().date(), "2026-11-21");
        assert_eq!(day_before(UnixMillis::MIN), None);
    }
}
