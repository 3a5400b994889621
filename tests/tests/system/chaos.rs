//! Bad days: kills, restarts, dead lines, poison. After each, a quiet phase in which everything that was
//! accepted is stored once, or counted as lost, and the queue is empty.

use std::collections::BTreeSet;
use std::time::Duration;

use tidings_agent::queue::{Inspection, Loss};
use tidings_tests::link::Line;
use tidings_tests::scripted::{NO_SUBSCRIPTIONS, Scripted};
use tidings_tests::{AgentProcess, Rig};

use super::{BUSY, QUIET};

/// How often, in this run; the full number is for a run of its own.
fn times(variable: &str, default: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

async fn nothing_is_amiss(rig: &Rig, queue: &Inspection, what: &str) {
    let verdict = rig.compare("pi-1", queue).await;
    assert_eq!(verdict.stored, verdict.published, "{what}: {verdict:?}");
    assert_eq!(
        (verdict.lost, verdict.duplicates, verdict.waiting, verdict.quarantined),
        (0, 0, 0, 0),
        "{what}: {verdict:?}"
    );
    assert!(queue.losses.is_empty(), "{what}: {:?}", queue.losses);
    // What arrived is what was measured: a made-up sensor says the same after each start, so under one
    // number there is one content, whichever boot it is of.
    for sensor in ["a", "b"] {
        let mut said = std::collections::BTreeMap::new();
        for one in rig.stored("pi-1", sensor).await {
            let content = format!("{:?} {:?}", one.values, one.fault);
            let first = said.entry(one.seq).or_insert_with(|| content.clone());
            assert_eq!(*first, content, "{what}: {sensor} {}", one.seq);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_killed_at_random_moments_loses_nothing_that_it_accepted() {
    let kills = times("TIDINGS_TEST_KILLS", 50);
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..kills {
        let mut agent = AgentProcess::start(&folder);
        agent.until("the agent runs", |status| status.accepted > 0).await;
        let moment = Duration::from_millis(random.u64(0..400));
        // The moment itself is what is random here: nothing is being waited for.
        tokio::time::timeout(moment, agent.until("never", |_| false)).await.ok();
        agent.kill().await;
    }
    let mut agent = AgentProcess::start(&folder);
    agent.until("the last one is at work", |status| status.acknowledged > 0).await;
    let queue = agent.stop().await;
    // Of a boot that was killed before its first commit the disk knows nothing, on a busy machine of
    // several; most have come further, or these kills would prove little.
    let boots: BTreeSet<_> = queue.accepted.iter().map(|one| &one.boot).collect();
    let all = kills.min(999) as usize + 1;
    assert!((all / 2..=all).contains(&boots.len()), "{} of {all}", boots.len());
    nothing_is_amiss(&rig, &queue, &format!("seed {seed}")).await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_stopped_and_started_a_hundred_times_in_a_row_loses_nothing() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let mut queue = Inspection::default();
    for _ in 0..times("TIDINGS_TEST_RESTARTS", 100) {
        let mut agent = AgentProcess::start(&folder);
        agent.until("the agent runs", |status| status.accepted > 0).await;
        queue = agent.stop().await;
    }
    nothing_is_amiss(&rig, &queue, "restarts").await;
    rig.stop().await;
}

/// The configuration of a device, with the broker at another port.
fn at_port(rig: &Rig, folder: &std::path::Path, port: u16, more: &str) {
    let file = folder.join("agent.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let real = format!("port = {}\n", rig.cloud.broker.address.port());
    let other = format!("port = {port}\n{more}");
    std::fs::write(file, config.replace(&real, &other)).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_goes_dead_without_a_word_is_noticed_with_and_without_traffic() {
    let rig = Rig::start().await;
    // Busy: an acknowledgement is missed. Idle: an answer to a ping is, after the keep-alive.
    for (device, sensors) in [("pi-1", BUSY), ("pi-2", QUIET)] {
        let line = Line::to(rig.cloud.broker.address).await;
        let folder = rig.provision(device, sensors);
        at_port(&rig, &folder, line.address.port(), "keep_alive = \"30s\"\n");
        let mut agent = AgentProcess::start(&folder);
        let before = agent.until("it is online", |status| status.online).await.acknowledged;
        if device == "pi-1" {
            agent.until("readings flow", |status| status.acknowledged > before + 20).await;
        }
        line.set_open(false);
        agent.until("it is noticed", |status| !status.online).await;
        line.set_open(true);
        agent.until("it is online again", |status| status.online).await;
        let queue = agent.stop().await;
        let verdict = rig.compare(device, &queue).await;
        assert_eq!(verdict.stored, verdict.published, "{device}: {verdict:?}");
        assert_eq!((verdict.lost, verdict.duplicates, verdict.waiting), (0, 0, 0), "{verdict:?}");
        line.close().await;
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_breaks_every_connection_is_put_aside_and_the_others_arrive() {
    let rig = Rig::start().await;
    let folder = rig.provision(
        "pi-1",
        &format!("{BUSY}[[sensor]]\nname = \"poison\"\nkind = \"simulated\"\ninterval = \"1s\"\n"),
    );
    let broker = Scripted::with_poison(&rig.cloud.pki, Vec::new(), "poison").await;
    at_port(&rig, &folder, broker.address.port(), "");
    // One reading of poison, and then no more.
    let mut agent = AgentProcess::start(&folder);
    agent.until("there is poison", |status| status.connections >= 2).await;
    let file = folder.join("agent.toml");
    let config = std::fs::read_to_string(&file).unwrap();
    let (good, _) = config.split_once("[[sensor]]\nname = \"poison\"").unwrap();
    std::fs::write(&file, good).unwrap();
    agent.signal(rustix::process::Signal::HUP);
    agent.until("it is put aside", |status| status.lost > 0).await;
    agent.until("the others arrive", |status| status.online && status.waiting < 50).await;
    let queue = agent.stop().await;
    assert_eq!(queue.losses.total(), queue.losses.of(Loss::Poison), "{:?}", queue.losses);
    let accepted: u64 = queue.accepted.iter().map(|one| one.count).sum();
    let poison: u64 = queue
        .accepted
        .iter()
        .filter(|one| one.sensor.as_str() == "poison")
        .map(|one| one.count)
        .sum();
    let lost = queue.losses.total();
    assert!(lost >= poison, "{lost} of {poison}");
    broker.seen(|seen| {
        let acknowledged: BTreeSet<_> = seen.acknowledged.iter().collect();
        let known = acknowledged.len() as u64 + lost + queue.waiting.len() as u64;
        // One that was acknowledged when the connection broke may be sent again, and is one name.
        assert!(known >= accepted, "{known} of {accepted}");
        assert!(acknowledged.iter().all(|(sensor, _)| sensor.as_str() != "poison"));
    });
    broker.stop().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_ends_the_connection_for_asking_costs_no_reading() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let broker = Scripted::with_poison(&rig.cloud.pki, Vec::new(), NO_SUBSCRIPTIONS).await;
    at_port(&rig, &folder, broker.address.port(), "");
    let mut agent = AgentProcess::start(&folder);
    agent
        .until("readings arrive", |status| {
            status.online && status.acknowledged > 200 && status.waiting < 50
        })
        .await;
    let queue = agent.stop().await;
    assert!(queue.losses.is_empty(), "{:?}", queue.losses);
    assert!(AgentProcess::log(&folder).contains("left alone for an hour"));
    broker.seen(|seen| assert_eq!(seen.connections, 5, "four to learn it, and one that lasts"));
    broker.stop().await;
    rig.stop().await;
}
