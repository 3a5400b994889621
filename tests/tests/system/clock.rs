//! A device without a battery for its clock, from its sensors to the table.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tidings_agent::app;
use tidings_agent::clock::{self, Clock, KernelBoot, Source, Trust};
use tidings_agent::config::Config;
use tidings_agent::queue::inspect;
use tidings_agent::status::{Counters, Status};
use tidings_schema as schema;
use tidings_tests::{Rig, eventually};
use tokio::sync::{oneshot, watch};

use super::BUSY;

/// A machine that is switched on when it is made, with a wall clock that a test sets.
#[derive(Debug)]
struct Machine {
    boot: i64,
    on_since: Mutex<Instant>,
    /// What the wall clock is off, in milliseconds.
    off: AtomicI64,
    synchronised: AtomicBool,
}

impl Machine {
    fn on(boot: i64, off: i64) -> Arc<Self> {
        Arc::new(Self {
            boot,
            on_since: Mutex::new(Instant::now()),
            off: AtomicI64::new(off),
            synchronised: AtomicBool::new(false),
        })
    }

    /// As the kernel does it: at no moment is a clock that was set by hand a synchronised one.
    fn set(&self, off: i64, synchronised: bool) {
        self.synchronised.store(false, Ordering::SeqCst);
        self.off.store(off, Ordering::SeqCst);
        self.synchronised.store(synchronised, Ordering::SeqCst);
    }
}

impl Source for Machine {
    fn wall(&self) -> i64 {
        clock::now().get() + self.off.load(Ordering::SeqCst)
    }

    fn uptime(&self) -> i64 {
        let on = self.on_since.lock().unwrap().elapsed();
        // As if it had been on for a minute.
        60_000 + i64::try_from(on.as_millis()).unwrap()
    }

    fn kernel_boot(&self) -> KernelBoot {
        KernelBoot(self.boot)
    }

    fn is_synchronised(&self) -> bool {
        self.synchronised.load(Ordering::SeqCst)
    }
}

/// Runs the agent with that machine's clock for as long as `meanwhile` takes.
async fn run(
    config: &std::path::Path,
    machine: Arc<Machine>,
    meanwhile: impl AsyncFnOnce(&Counters),
) {
    let config = Config::load(config).unwrap();
    let clock = Clock::new(machine, Trust::Synchronised);
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = async {
        stopped.await.ok();
    };
    let agent = app::run(watch::channel(config).1, clock, counters.clone(), ended);
    let script = async {
        meanwhile(&counters).await;
        stop.send(()).unwrap();
    };
    let (result, ()) = tokio::join!(agent, script);
    result.unwrap();
}

fn reaches(
    counters: &Counters,
    what: &'static str,
    fits: impl Fn(&Status) -> bool,
) -> impl Future<Output = ()> {
    eventually(what, async move || fits(&counters.look()).then_some(()))
}

const YEAR: i64 = 365 * 86_400_000;

#[tokio::test(flavor = "multi_thread")]
async fn no_reading_has_a_false_time_whatever_the_clock_does_and_none_is_lost() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let config = folder.join("agent.toml");
    let began = clock::now().get();

    // Switched on in 1970, connected, and switched off before anybody told it the time: twice.
    for boot in 1..=2 {
        run(&config, Machine::on(boot, -began), async |counters| {
            reaches(counters, "readings wait", |status| status.online && status.waiting >= 50)
                .await;
        })
        .await;
    }
    // A third time: the clock jumps a year ahead and two back by hand, the agent is restarted, and then
    // the kernel says that the clock is right.
    let machine = Machine::on(3, -began);
    run(&config, machine.clone(), async |counters| {
        reaches(counters, "the first", |status| status.accepted >= 20).await;
        machine.set(YEAR, false);
        reaches(counters, "a year ahead", |status| status.accepted >= 40).await;
    })
    .await;
    run(&config, machine.clone(), async |counters| {
        machine.set(-YEAR, false);
        reaches(counters, "a year back", |status| status.accepted >= 20).await;
        machine.set(0, true);
        reaches(counters, "all is sent", |status| status.acknowledged > 0 && status.waiting < 20)
            .await;
        // And once more by hand: the clock is known now.
        machine.set(YEAR, false);
        let before = counters.look().acknowledged;
        reaches(counters, "more is sent", |status| status.acknowledged > before + 20).await;
    })
    .await;
    let ended = clock::now().get();

    let queue = inspect(&config.with_file_name("queue.db")).unwrap();
    assert_eq!(queue.waiting, []);
    let verdict = rig.compare("pi-1", &queue).await;
    assert_eq!(verdict.stored, verdict.published, "{verdict:?}");
    assert_eq!((verdict.lost, verdict.duplicates, verdict.quarantined), (0, 0, 0), "{verdict:?}");
    assert!(verdict.published >= 180, "{verdict:?}");

    let boots: Vec<_> = {
        let mut boots = Vec::new();
        for one in &queue.accepted {
            if !boots.contains(&one.boot) {
                boots.push(one.boot.clone());
            }
        }
        boots
    };
    assert_eq!(boots.len(), 4);
    for one in rig.stored("pi-1", "a").await {
        let never_placed = boots[..2].contains(&one.boot);
        if never_placed {
            assert_eq!(one.clock, schema::Clock::Unset, "{one:?}");
            assert!((60_000..120_000).contains(&one.at.get()), "{one:?}");
        } else {
            assert_eq!(one.clock, schema::Clock::Set, "{one:?}");
            assert!((began..=ended).contains(&one.at.get()), "{one:?}");
        }
    }
    rig.stop().await;
}
