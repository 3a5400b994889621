//! The cache against a table that answers, has nothing, or fails, with paused time.

use serde_json::{Value as Json, json};

use super::*;
use crate::item::{Item, Put};
use crate::store::Stands;

#[derive(Default)]
struct Table {
    items: HashMap<DeviceId, Json>,
    fails: bool,
    hangs: bool,
    asked: Mutex<Vec<Vec<DeviceId>>>,
}

impl Store for Table {
    async fn write(&self, _: &[Put]) -> Result<Vec<usize>, StoreError> {
        unreachable!("enrichment writes nothing")
    }

    async fn put_where(&self, _: &Item, _: Stands) -> Result<bool, StoreError> {
        unreachable!("enrichment writes nothing")
    }

    async fn profiles(&self, devices: &[DeviceId]) -> Result<Vec<(DeviceId, Json)>, StoreError> {
        self.asked.lock().unwrap().push(devices.to_vec());
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.fails {
            return Err(StoreError::Deadline);
        }
        let item = |device: &DeviceId| Some((device.clone(), self.items.get(device)?.clone()));
        Ok(devices.iter().filter_map(item).collect())
    }
}

fn device(name: &str) -> DeviceId {
    DeviceId::try_from(name).unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[tokio::test(start_paused = true)]
async fn a_miss_is_one_call_and_what_is_known_is_not_asked_again() {
    let mut table = Table::default();
    table.items.insert(device("a"), json!({"site": "north"}));
    let profiles = Profiles::default();
    let both = [device("a"), device("b")];
    let known = profiles.get(&table, &both, soon()).await;
    assert_eq!(known[&device("a")].said.site.as_deref(), Some("north"));
    assert_eq!(known[&device("b")].said, Arc::default(), "nothing is said, and that is known");
    let calls = || table.asked.lock().unwrap().len();
    assert_eq!(calls(), 1, "one call for both");
    profiles.get(&table, &both, soon()).await;
    assert_eq!(calls(), 1);
    tokio::time::advance(NEGATIVE_LIFETIME).await;
    profiles.get(&table, &both, soon()).await;
    assert_eq!(table.asked.lock().unwrap().last().unwrap(), &[device("b")]);
    tokio::time::advance(LIFETIME).await;
    profiles.get(&table, &both, soon()).await;
    assert_eq!(table.asked.lock().unwrap().last().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_costs_neither_readings_nor_what_was_known() {
    let mut table = Table::default();
    table.items.insert(device("a"), json!({"site": "north"}));
    let profiles = Profiles::default();
    profiles.get(&table, &[device("a")], soon()).await;
    tokio::time::advance(LIFETIME).await;
    table.fails = true;
    let known = profiles.get(&table, &[device("a"), device("b")], soon()).await;
    assert_eq!(known[&device("a")].said.site.as_deref(), Some("north"), "goes on to hold");
    assert!(known[&device("b")].said.unknown);
    let calls = || table.asked.lock().unwrap().len();
    let before = calls();
    profiles.get(&table, &[device("b")], soon()).await;
    assert_eq!(calls(), before, "not asked again at once");
    table.fails = false;
    tokio::time::advance(AFTER_FAILURE).await;
    let known = profiles.get(&table, &[device("b")], soon()).await;
    assert!(!known[&device("b")].said.unknown);
}

#[tokio::test(start_paused = true)]
async fn a_table_that_hangs_is_waited_for_a_second_or_until_the_deadline() {
    let table = Table { hangs: true, ..Table::default() };
    let profiles = Profiles::default();
    let start = Instant::now();
    let known = profiles.get(&table, &[device("a")], soon()).await;
    assert!(known[&device("a")].said.unknown);
    assert!(start.elapsed() <= PATIENCE + Duration::from_millis(1));
    let start = Instant::now();
    profiles.get(&table, &[device("c")], start + Duration::from_millis(50)).await;
    assert!(start.elapsed() <= Duration::from_millis(51));
}

#[tokio::test(start_paused = true)]
async fn the_cache_has_a_size() {
    let table = Table::default();
    let profiles = Profiles::default();
    let many: Vec<DeviceId> = (0..CAPACITY).map(|n| device(&format!("d{n}"))).collect();
    profiles.get(&table, &many, soon()).await;
    assert_eq!(table.asked.lock().unwrap().len(), CAPACITY / MAX_PROFILES);
    let known = profiles.get(&table, &[device("one-more")], soon()).await;
    assert_eq!(known.len(), 1);
    assert!(profiles.entries().len() <= CAPACITY);
}
