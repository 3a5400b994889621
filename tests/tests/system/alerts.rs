//! Alerts that a person set, from a device's readings to whoever is told.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tidings::dynamo::AlertState;
use tidings_agent::clock;
use tidings_ingest::alert::{Note, Notifier, NotifyError, tick};
use tidings_ingest::config::Rules;
use tidings_ingest::{Envelope, Ingest};
use tidings_schema::DeviceId;
use tidings_tests::{AgentProcess, Rig, eventually, output};
use tokio::time::Instant;

use super::BUSY;

/// Somebody who remembers what they were told.
#[derive(Default)]
struct Listener(Mutex<Vec<Note>>);

impl Notifier for Listener {
    async fn tell(&self, note: &Note) -> Result<(), NotifyError> {
        self.0.lock().unwrap().push(note.clone());
        Ok(())
    }
}

impl Listener {
    fn told(&self) -> Vec<(String, bool)> {
        self.0.lock().unwrap().iter().map(|note| (note.name.clone(), note.raised)).collect()
    }
}

/// `tidings device … --set`, as a person does it.
async fn say(rig: &Rig, device: &str, said: &Value) {
    let file = rig.data().join(format!("{device}.json"));
    std::fs::write(&file, said.to_string()).unwrap();
    let endpoint = rig.cloud.dynamodb.endpoint.clone();
    let (device, file) = (device.to_owned(), file.display().to_string());
    let run = move || {
        output("tidings", &["device", &device, "--set", &file, "--endpoint-url", &endpoint])
    };
    let end = tokio::task::spawn_blocking(run).await.unwrap();
    assert!(end.status.success(), "{}", String::from_utf8_lossy(&end.stderr));
}

fn find<'a>(alerts: &'a [AlertState], name: &str) -> Option<&'a AlertState> {
    alerts.iter().find(|alert| alert.name == name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_beyond_its_limit_is_raised_once_and_its_silence_is_told() {
    let rig = Rig::start().await;
    let limits = json!({"a.temperature": {"above": -100}, "a.humidity": {"below": -1}});
    say(&rig, "pi-1", &json!({"alerts": limits, "silence": "5m"})).await;
    let folder = rig.provision("pi-1", BUSY);
    let mut agent = AgentProcess::start(&folder);
    let raised = eventually("the alert is raised", async || {
        find(&rig.database.alerts().await.unwrap(), "a.temperature").cloned()
    })
    .await;
    assert!(raised.raised && raised.limit == Some(-100.0), "{raised:?}");
    assert!(raised.text.contains("°C is above -100 °C since"), "{raised:?}");
    let before = agent.until("readings flow", |status| status.acknowledged > 0).await;
    agent.until("and flow on", |status| status.acknowledged > before.acknowledged + 100).await;
    agent.stop().await;
    rig.cloud.invoker.idle().await;
    assert_eq!(rig.database.alerts().await.unwrap(), [raised], "and nothing more");

    let (store, listener) = (rig.database.store(), Listener::default());
    let until = || Instant::now() + Duration::from_secs(20);
    let soon = clock::now();
    tick(&store, &listener, || soon, until()).await;
    assert_eq!(listener.told(), [], "told already, and not silent yet");
    for _ in 0..2 {
        tick(&store, &listener, || soon.offset(360_000).unwrap(), until()).await;
    }
    assert_eq!(listener.told(), [("silence".to_owned(), true)]);
    let alerts = rig.database.alerts().await.unwrap();
    assert!(find(&alerts, "silence").unwrap().text.starts_with("pi-1 has not been heard since"));
    // Heard again, with a limit fewer.
    say(&rig, "pi-1", &json!({"silence": "5m"})).await;
    tick(&store, &listener, || soon, until()).await;
    assert_eq!(listener.told().last(), Some(&("silence".to_owned(), false)));
    let alerts = rig.database.alerts().await.unwrap();
    assert_eq!((alerts.len(), alerts[0].raised), (1, false), "{alerts:?}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_functions_at_once_one_tells() {
    let rig = Rig::start().await;
    let device = DeviceId::try_from("pi-1").unwrap();
    let said = json!({"alerts": {"temperature": {"above": 20, "clear": 19}}});
    rig.database.say(&device, Some(&said)).await.unwrap();
    let event = |at: i64, value: f64| {
        let payload = format!(
            r#"{{"v":1,"device":"pi-1","boot":"b","t0":{at},"series":[{{"sensor":"s","fields":[["temperature","Cel"]],"rows":[[0,1,{value}]]}}]}}"#
        );
        json!({"payload": Envelope::encode_payload(payload.as_bytes()),
               "topic": "sensors/pi-1/readings", "client_id": "pi-1", "received_at": at,
               "envelope": 1})
        .to_string()
    };
    let listener = Listener::default();
    let functions: Vec<_> = (0..8)
        .map(|_| Ingest::new(rig.database.store(), Rules::default()).with_notifier(&listener))
        .collect();
    let now = clock::now().get();
    for (after, value) in [(0, 21.0), (1, 20.0), (2, 18.0), (3, 25.0)] {
        let event = event(now + after, value);
        let all = functions.iter().map(|one| one.handle(&event, SystemTime::UNIX_EPOCH));
        for (answer, report) in futures_util::future::join_all(all).await {
            assert!(answer.is_ok(), "{report:?}");
        }
    }
    let told: Vec<bool> = listener.told().into_iter().map(|(_, raised)| raised).collect();
    assert_eq!(told, [true, false, true]);
    rig.stop().await;
}
