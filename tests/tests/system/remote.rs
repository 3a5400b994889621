//! What reaches a device from outside, and what it says of itself.

use rustix::process::Signal;
use serde_json::{Value, json};
use tidings::cloud::broker::{Broker, Message};
use tidings_tests::{AgentProcess, Rig, eventually};

use super::BUSY;

const SLOW: &str = r#"
[[sensor]]
name = "a"
kind = "simulated"
interval = "24h"
[[sensor]]
name = "b"
kind = "simulated"
interval = "24h"
"#;

fn publish(broker: &Broker, topic: &str, payload: &Value) {
    broker.publish(&Message {
        topic: topic.to_owned(),
        payload: payload.to_string().into_bytes(),
        at_least_once: true,
        retain: false,
    });
}

async fn shadow(rig: &Rig) -> Value {
    let broker = &rig.cloud.broker;
    let mut answers = broker.listen("$aws/things/pi-1/shadow/name/tidings/get/accepted");
    publish(broker, "$aws/things/pi-1/shadow/name/tidings/get", &json!({}));
    let document = tokio::time::timeout(std::time::Duration::from_millis(200), answers.next());
    let Ok(Some(document)) = document.await else { return Value::Null };
    serde_json::from_slice(&document.payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_says_that_it_came_that_it_went_and_the_broker_that_it_was_lost() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", SLOW);
    let mut status = rig.cloud.broker.listen("sensors/pi-1/status");
    let mut said = async || -> Value {
        let message = status.next().await.unwrap();
        serde_json::from_slice(&message.payload).unwrap()
    };
    let mut agent = AgentProcess::start(&folder);
    agent.until("it is online", |status| status.online).await;
    let birth = said().await;
    assert_eq!(birth["state"], "online");
    assert!(birth["at"].as_i64().unwrap() > 1_577_836_800_000, "{birth}");
    agent.stop().await;
    let goodbye = said().await;
    assert_eq!((&goodbye["state"], &goodbye["reason"]), (&json!("offline"), &json!("stopped")));
    assert_eq!(goodbye["boot"], birth["boot"]);

    let mut agent = AgentProcess::start(&folder);
    agent.until("it is online", |status| status.online).await;
    let boot = said().await["boot"].clone();
    agent.kill().await;
    let will = said().await;
    assert_eq!((&will["reason"], &will["boot"]), (&json!("connection-lost"), &boot));
    // Who comes later sees it too.
    let late = rig.cloud.broker.listen("sensors/+/status").next().await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&late.payload).unwrap(), will);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shadow_says_what_is_sampled_and_what_cannot_be_is_refused_with_its_reason() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", SLOW);
    let mut agent = AgentProcess::start(&folder);
    eventually("the device reports what it does", async || {
        (shadow(&rig).await["state"]["reported"]["sensors"]["a"]["interval"] == "24h").then_some(())
    })
    .await;
    let wish = json!({"state": {"desired": {
        "batch": {"age": "100ms"},
        "sensors": {"a": {"interval": "20ms"}, "b": {"interval": "0s", "enabled": false}},
    }}});
    publish(&rig.cloud.broker, "$aws/things/pi-1/shadow/name/tidings/update", &wish);
    agent.until("it samples fast", |status| status.acknowledged >= 50).await;
    let reported = eventually("the device reports what it does now", async || {
        let reported = shadow(&rig).await["state"]["reported"].clone();
        (reported["sensors"]["a"]["interval"] == "20ms").then_some(reported)
    })
    .await;
    assert_eq!(reported["sensors"]["b"], json!({"interval": "24h", "enabled": false}));
    assert_eq!(reported["batch"], json!({"age": "100ms"}));
    assert_eq!(
        reported["refused"],
        json!({"sensors.b.interval": "expected 10ms to 24h, but found 0s"})
    );
    // A start where there is nobody to ask follows the wish all the same.
    let queue = agent.stop().await;
    let verdict = rig.compare("pi-1", &queue).await;
    assert_eq!((verdict.lost, verdict.duplicates), (0, 0), "{verdict:?}");
    let config = std::fs::read_to_string(folder.join("agent.toml")).unwrap();
    let port = format!("port = {}", rig.cloud.broker.address.port());
    std::fs::write(folder.join("agent.toml"), config.replace(&port, "port = 1")).unwrap();
    let mut agent = AgentProcess::start(&folder);
    agent.until("it samples fast", |status| !status.online && status.accepted >= 50).await;
    agent.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_done_and_answered() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", &format!("{SLOW}[health]\ninterval = \"24h\"\n"));
    let broker = &rig.cloud.broker;
    let mut answers = broker.listen("sensors/pi-1/answers");
    let mut agent = AgentProcess::start(&folder);
    // Heard only once the device has subscribed.
    let mut ask = async |command: Value| -> Value {
        loop {
            publish(broker, "sensors/pi-1/commands", &command);
            let patience = std::time::Duration::from_millis(300);
            if let Ok(answer) = tokio::time::timeout(patience, answers.next()).await {
                return serde_json::from_slice(&answer.unwrap().payload).unwrap();
            }
        }
    };
    let answer = ask(json!({"command": "ping", "id": "7"})).await;
    assert_eq!((&answer["ok"], &answer["id"]), (&json!(true), &json!("7")), "{answer}");
    assert_eq!(answer["result"]["status"]["online"], true, "{answer}");
    let answer = ask(json!({"command": "read-now"})).await;
    assert_eq!(answer["result"]["sensors"], 3, "{answer}");
    agent.until("every sensor was asked", |status| status.accepted >= 3).await;
    assert_eq!(ask(json!({"command": "flush"})).await["ok"], true);
    let answer = ask(json!({"command": "explode"})).await;
    assert!(answer["error"].as_str().unwrap().contains("expected read-now"), "{answer}");
    agent.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_configuration_is_taken_up_without_losing_a_reading_and_a_wrong_one_is_not() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let file = folder.join("agent.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let mut agent = AgentProcess::start(&folder);
    agent.until("readings flow", |status| status.acknowledged >= 50).await;

    std::fs::write(&file, config.replace("\"20ms\"", "20")).unwrap();
    agent.signal(Signal::HUP);
    eventually("the mistake is told", async || {
        AgentProcess::log(&folder).contains("sensor[1].interval").then_some(())
    })
    .await;

    // Another sensor, another interval, and another way to the broker.
    let more = "[[sensor]]\nname = \"more\"\nkind = \"simulated\"\ninterval = \"10ms\"\n";
    let changed = config
        .replace("\"20ms\"", "\"15ms\"")
        .replace("ack_timeout = \"2s\"", "topic = \"broker\"");
    std::fs::write(&file, format!("{changed}{more}")).unwrap();
    agent.signal(Signal::HUP);
    eventually("the new sensor's readings arrive", async || {
        (rig.stored("pi-1", "more").await.len() > 20).then_some(())
    })
    .await;
    let queue = agent.stop().await;
    let verdict = rig.compare("pi-1", &queue).await;
    assert_eq!(verdict.stored, verdict.published, "{verdict:?}");
    assert_eq!((verdict.lost, verdict.duplicates), (0, 0), "{verdict:?}");
    assert_eq!(queue.accepted.len(), 4, "one boot: {:?}", queue.accepted);
    rig.stop().await;
}
