//! The agent against a broker that does as it is told. What is promised: nothing is lost, whatever
//! the broker does, and nothing leaves the queue without its own acknowledgement.

use std::collections::BTreeSet;

use tidings_tests::scripted::{Deed, Scripted};
use tidings_tests::{AgentProcess, Rig};

use super::BUSY;

/// Runs the agent against a script, and checks that all it accepted was acknowledged in the end.
async fn all_arrive(deeds: Vec<Deed>, connections: std::ops::RangeInclusive<usize>) {
    let rig = Rig::start().await;
    let broker = Scripted::start(&rig.cloud.pki, deeds.clone()).await;
    let folder = rig.provision("pi-1", BUSY);
    let config = std::fs::read_to_string(folder.join("agent.toml")).unwrap();
    let (real, scripted) = (rig.cloud.broker.address.port(), broker.address.port());
    let config = config.replace(&format!("port = {real}"), &format!("port = {scripted}"));
    std::fs::write(folder.join("agent.toml"), config).unwrap();

    let mut agent = AgentProcess::start(&folder);
    let messages = deeds.len() as u64 + 5;
    agent.until("the script is over", |status| status.messages >= messages && status.online).await;
    let queue = agent.stop().await;
    let accepted: u64 = queue.accepted.iter().map(|one| one.count).sum();
    broker.seen(|seen| {
        let acknowledged: BTreeSet<_> = seen.acknowledged.iter().collect();
        let waiting = queue.waiting.len() as u64;
        // What is neither acknowledged nor waiting is lost.
        assert!(acknowledged.len() as u64 + waiting >= accepted, "{deeds:?}");
        for record in &queue.waiting {
            let name = (record.reading.sensor.clone(), record.reading.seq);
            // A torn acknowledgement was sent and did not arrive: such a record may wait still.
            assert!(!acknowledged.contains(&name) || deeds.contains(&Deed::Tear));
        }
        assert!(connections.contains(&seen.connections), "{} for {deeds:?}", seen.connections);
    });
    broker.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledgements_in_another_order_are_no_trouble() {
    use Deed::{Acknowledge, Swap};
    all_arrive(vec![Acknowledge, Swap, Acknowledge, Swap, Acknowledge], 1..=1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_never_comes_ends_the_connection_and_the_message_is_sent_again() {
    all_arrive(vec![Deed::Acknowledge, Deed::Withhold, Deed::Acknowledge], 2..=2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_closed_before_the_acknowledgement_sends_the_message_again() {
    all_arrive(vec![Deed::TakeAndClose, Deed::Acknowledge, Deed::TakeAndClose], 3..=3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_acknowledgement_removes_nothing() {
    all_arrive(vec![Deed::Acknowledge, Deed::Forge], 2..=3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_torn_in_two_sends_the_message_again() {
    all_arrive(vec![Deed::Tear, Deed::Acknowledge], 2..=2).await;
}
