//! A reading that the queue accepted reaches its table, and is there once.

use tidings_agent::queue::inspect;
use tidings_tests::{AgentProcess, Rig, eventually};

use super::BUSY;

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_arrives_once_and_a_healthy_run_logs_no_warning() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let mut agent = AgentProcess::start(&folder);
    agent.until("some hundred readings", |status| status.acknowledged >= 300).await;
    let queue = agent.stop().await;
    assert_eq!(queue.waiting, [], "a stop sends what is left");
    let verdict = rig.compare("pi-1", &queue).await;
    assert!(verdict.published >= 300, "{verdict:?}");
    assert_eq!(verdict.stored, verdict.published, "{verdict:?}");
    assert_eq!((verdict.lost, verdict.duplicates, verdict.quarantined), (0, 0, 0), "{verdict:?}");
    let log = AgentProcess::log(&folder);
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");

    // Not only the names: a host reading has the machine's values, faults have their reasons.
    let host = rig.stored("pi-1", "host").await;
    assert!(host.iter().all(|one| one.values.contains_key("memory_used")), "{host:?}");
    let faults = rig.stored("pi-1", "a").await.iter().filter(|one| one.fault.is_some()).count();
    assert!(faults > 0);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_goes_and_comes_back_costs_nothing() {
    let mut rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let mut agent = AgentProcess::start(&folder);
    for _ in 0..2 {
        let before =
            agent.until("readings flow", |status| status.online && status.acknowledged > 0).await;
        rig.without_broker(async {
            agent.until("readings pile up", |status| !status.online && status.waiting >= 200).await;
        })
        .await;
        agent
            .until("the pile is sent", |status| {
                status.acknowledged > before.acknowledged && status.waiting < 100
            })
            .await;
    }
    let queue = agent.stop().await;
    let verdict = rig.compare("pi-1", &queue).await;
    assert_eq!(verdict.stored, verdict.published, "{verdict:?}");
    assert_eq!((verdict.lost, verdict.duplicates, verdict.waiting), (0, 0, 0), "{verdict:?}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_fails_for_good_is_kept_whole_in_the_on_failure_store() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let mut agent = AgentProcess::start(&folder);
    agent.until("readings flow", |status| status.acknowledged > 0).await;
    let queue = agent.stop().await;
    rig.cloud.invoker.idle().await;
    assert_eq!(rig.cloud.invoker.failed_events(), 0);
    // An event that no function can take is tried three times and kept, whole.
    let garbage = tidings_ingest::Envelope {
        payload: "not base64!".to_owned(),
        topic: "sensors/pi-1/readings".to_owned(),
        client_id: "pi-1".to_owned(),
        principal: None,
        received_at: tidings_agent::clock::now(),
        trace_id: None,
        envelope: 1,
    };
    rig.cloud.invoker.accept(&garbage).unwrap();
    eventually("the event has failed for good", async || {
        (rig.cloud.invoker.failed_events() == 1).then_some(())
    })
    .await;
    let failure = &rig.cloud.invoker.failures().unwrap()[0];
    assert_eq!(failure["requestContext"]["condition"], "RetriesExhausted");
    assert_eq!(failure["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(failure["requestPayload"]["payload"], "not base64!");
    assert_eq!(failure["responsePayload"]["errorType"], "InvalidEvent");
    let verdict = rig.compare("pi-1", &queue).await;
    assert_eq!((verdict.lost, verdict.duplicates), (0, 0));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_on_the_same_queue_is_refused() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let mut agent = AgentProcess::start(&folder);
    agent.until("the agent runs", |status| status.accepted > 0).await;
    let config = folder.join("agent.toml");
    let second = tidings_tests::output("tidings-agent", &["run", "-c", config.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by another process"), "{said}");
    assert!(inspect(&folder.join("queue.db")).is_err());
    agent.stop().await;
    rig.stop().await;
}
