//! Answers that are given again for some seconds, so that five open pages cost no more than one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::StatusCode;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Answers that are kept at the most: some pages with some charts each. An answer is a few kilobytes, seldom
/// more than a hundred.
const MAX_ENTRIES: usize = 512;

/// A JSON answer, or an error as JSON.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// Answers by what was asked.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: Mutex<HashMap<String, Entry>>,
}

#[derive(Debug)]
struct Entry {
    until: Instant,
    /// Filled by the first who asks; the others wait for it. Who goes away while asking leaves the work to the
    /// next.
    answer: Arc<OnceCell<Answer>>,
}

impl Cache {
    /// The answer that is known, or that another is just asking for; else asks.
    pub(super) async fn get(
        &self,
        question: String,
        keep: Duration,
        ask: impl Future<Output = Answer>,
    ) -> Answer {
        let cell = self.cell(question.clone(), keep);
        let answer = cell.get_or_init(|| ask).await.clone();
        if !answer.status.is_success() {
            // Given to those who waited for it, and to nobody after them: it may be over.
            let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            if entries.get(&question).is_some_and(|entry| Arc::ptr_eq(&entry.answer, &cell)) {
                entries.remove(&question);
            }
        }
        answer
    }

    fn cell(&self, question: String, keep: Duration) -> Arc<OnceCell<Answer>> {
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|_, entry| entry.until > now);
        if let Some(entry) = entries.get(&question) {
            return entry.answer.clone();
        }
        if entries.len() >= MAX_ENTRIES {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.until);
            if let Some(oldest) = oldest.map(|(question, _)| question.clone()) {
                entries.remove(&oldest);
            }
        }
        let answer = Arc::new(OnceCell::new());
        entries.insert(question, Entry { until: now + keep, answer: answer.clone() });
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const KEEP: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_ask_once_and_again_only_when_it_is_old() {
        let cache = Cache::default();
        let asked = AtomicUsize::new(0);
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
            Answer { status: StatusCode::OK, body: Bytes::from_static(b"{}") }
        };
        let get = || cache.get("a".to_owned(), KEEP, ask());
        tokio::join!(get(), get(), get());
        get().await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        cache.get("b".to_owned(), KEEP, ask()).await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
        tokio::time::advance(KEEP).await;
        get().await;
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_failure_is_nobodys_answer_but_that_of_those_who_waited() {
        let cache = Cache::default();
        let give = |status| async move {
            tokio::task::yield_now().await;
            Answer { status, body: Bytes::new() }
        };
        let get = |status| cache.get("a".to_owned(), KEEP, give(status));
        let (one, other) = tokio::join!(get(StatusCode::BAD_GATEWAY), get(StatusCode::OK));
        assert_eq!((one.status, other.status), (StatusCode::BAD_GATEWAY, StatusCode::BAD_GATEWAY));
        assert_eq!(get(StatusCode::OK).await.status, StatusCode::OK);
        assert_eq!(get(StatusCode::BAD_GATEWAY).await.status, StatusCode::OK, "it is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_while_asking_leaves_it_to_the_next() {
        let cache = Cache::default();
        let never = cache.get("a".to_owned(), KEEP, std::future::pending());
        assert!(tokio::time::timeout(Duration::from_millis(1), never).await.is_err());
        let body = Bytes::from_static(b"1");
        let answer = cache.get("a".to_owned(), KEEP, async {
            Answer { status: StatusCode::OK, body: body.clone() }
        });
        assert_eq!(answer.await.body, body);
    }

    #[tokio::test]
    async fn what_is_kept_is_bounded() {
        let cache = Cache::default();
        for number in 0..MAX_ENTRIES + 10 {
            cache.cell(number.to_string(), KEEP);
        }
        assert_eq!(cache.entries.lock().unwrap().len(), MAX_ENTRIES);
    }
}
