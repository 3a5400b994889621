//! The writer against a store with faults, with paused time.

use std::collections::BTreeMap;
use std::sync::Mutex;

use proptest::prelude::*;
use serde_json::Value as Json;
use tidings_schema::{DeviceId, UnixMillis};

use super::*;
use crate::item::QuarantineItem;
use crate::store::Stands;

fn put(number: usize) -> Put {
    Put {
        origin: Some(0),
        item: Item::Quarantine(QuarantineItem {
            pk: "day".to_owned(),
            sk: format!("{number:06}"),
            reason: "malformed-message",
            detail: String::new(),
            topic: String::new(),
            client_id: String::new(),
            principal: None,
            trace_id: None,
            sensor: None,
            received_at: UnixMillis::MIN,
            payload: vec![u8::try_from(number % 256).unwrap()],
            expires_at: 0,
        }),
    }
}

/// What the store does to one call.
#[derive(Debug, Clone)]
enum Answer {
    Takes,
    /// Leaves every n-th put unprocessed.
    Leaves(usize),
    Throttles,
    Refuses,
    /// Never answers, and has taken nothing, or all.
    Hangs {
        after: bool,
    },
    /// Fails, and has taken all.
    TakesAndFails,
}

struct Faulty {
    script: Mutex<Vec<Answer>>,
    items: Mutex<BTreeMap<String, Put>>,
}

impl Faulty {
    fn new(mut script: Vec<Answer>) -> Self {
        script.reverse();
        Self { script: Mutex::new(script), items: Mutex::default() }
    }

    fn take(&self, puts: &[Put], keep: impl Fn(usize) -> bool) -> Vec<usize> {
        let mut items = self.items.lock().unwrap();
        let (kept, left): (Vec<usize>, Vec<usize>) =
            (0..puts.len()).partition(|index| keep(*index));
        for index in kept {
            let (_, _, sk) = puts[index].address();
            let before = items.insert(sk.to_owned(), puts[index].clone());
            assert!(before.is_none_or(|before| before == puts[index]), "other content under {sk}");
        }
        left
    }
}

impl Store for Faulty {
    async fn write(&self, puts: &[Put]) -> Result<Vec<usize>, StoreError> {
        assert!((1..=plan::CHUNK).contains(&puts.len()));
        let answer = self.script.lock().unwrap().pop().unwrap_or(Answer::Takes);
        match answer {
            Answer::Takes => Ok(self.take(puts, |_| true)),
            Answer::Leaves(n) => Ok(self.take(puts, |index| index % n != 0)),
            Answer::Throttles => {
                Err(StoreError::Passing { code: "Throttling".to_owned(), source: "test".into() })
            }
            Answer::Refuses => {
                Err(StoreError::Lasting { code: "Validation".to_owned(), message: String::new() })
            }
            Answer::Hangs { after } => {
                if after {
                    self.take(puts, |_| true);
                }
                std::future::pending().await
            }
            Answer::TakesAndFails => {
                self.take(puts, |_| true);
                Err(StoreError::Passing { code: "500".to_owned(), source: "test".into() })
            }
        }
    }

    async fn put_where(&self, _: &Item, _: Stands) -> Result<bool, StoreError> {
        unreachable!("the writer puts without conditions")
    }

    async fn profiles(&self, _: &[DeviceId]) -> Result<Vec<(DeviceId, Json)>, StoreError> {
        unreachable!("the writer asks nothing")
    }
}

fn run(
    count: usize,
    script: Vec<Answer>,
    budget: Duration,
) -> (Written, BTreeMap<String, Put>, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Faulty::new(script);
        let start = Instant::now();
        let written = write(&store, (0..count).map(put).collect(), start + budget).await;
        (written, store.items.into_inner().unwrap(), start.elapsed())
    })
}

#[test]
fn a_healthy_store_is_called_once_for_each_25_puts() {
    let (written, items, _) = run(101, Vec::new(), Duration::from_secs(10));
    assert_eq!((written.calls, written.written, written.retries, items.len()), (5, 101, 0, 101));
}

#[test]
fn what_was_left_unprocessed_is_tried_again_and_nothing_else() {
    let (written, items, _) = run(25, vec![Answer::Leaves(5)], Duration::from_secs(10));
    assert_eq!((written.calls, written.retries, items.len()), (2, 5, 25));
    assert!(written.left.is_empty());
}

#[test]
fn a_lasting_error_is_not_tried_again() {
    let (written, items, elapsed) = run(30, vec![Answer::Refuses], Duration::from_secs(10));
    assert_eq!((written.calls, written.left.len(), items.len()), (2, 25, 5));
    assert!(written.last_error.unwrap().is_lasting());
    assert_eq!(elapsed, Duration::ZERO);
}

fn any_answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        4 => Just(Answer::Takes),
        2 => (1..4_usize).prop_map(Answer::Leaves),
        2 => Just(Answer::Throttles),
        1 => Just(Answer::Refuses),
        1 => any::<bool>().prop_map(|after| Answer::Hangs { after }),
        1 => Just(Answer::TakesAndFails),
    ]
}

proptest! {
    #[test]
    fn nothing_is_lost_and_it_ends_in_time(
        count in 0..200_usize,
        script in prop::collection::vec(any_answer(), 0..60),
        budget in 0..20_000_u64,
    ) {
        let budget = Duration::from_millis(budget);
        let (written, items, elapsed) = run(count, script, budget);
        // Timers have a grain of a millisecond.
        prop_assert!(elapsed <= budget + Duration::from_millis(1), "{elapsed:?} of {budget:?}");
        let expected: BTreeMap<String, Put> =
            (0..count).map(|n| (put(n).address().2.to_owned(), put(n))).collect();
        // What it says is written is there; what is left may be there, when the answer was lost.
        let left: BTreeMap<String, Put> =
            written.left.iter().map(|put| (put.address().2.to_owned(), put.clone())).collect();
        prop_assert_eq!(left.len(), written.left.len(), "nothing is left twice");
        for (sk, put) in &expected {
            prop_assert!(left.get(sk).or(items.get(sk)) == Some(put), "{} is lost", sk);
        }
        prop_assert!(items.keys().all(|sk| expected.contains_key(sk)));
        prop_assert_eq!(written.written + written.left.len(), count);
        prop_assert_eq!(written.left.is_empty(), written.written == count);
    }
}
