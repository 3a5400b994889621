//! What the local broker lets through: as AWS IoT Core would.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tidings_agent::config::Config;
use tidings_agent::uplink::mqtt::{Link, LinkEvent, PublishRefused, Settings};
use tidings_schema::limits::MAX_PAYLOAD_BYTES;
use tidings_tests::{AgentProcess, Rig, eventually, output, program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{BUSY, QUIET};

fn settings(folder: &Path) -> Settings {
    let config = Config::load(&folder.join("agent.toml")).unwrap();
    Settings::from_config(&config.device, &config.mqtt).unwrap()
}

async fn connect(settings: &Settings) -> Result<Link, String> {
    let mut link = Link::open(settings);
    match tokio::time::timeout(Duration::from_secs(30), link.next()).await.expect("an answer") {
        LinkEvent::Connected => Ok(link),
        LinkEvent::Closed(error) => Err(format!("{error:?}")),
        LinkEvent::Message { .. } => panic!("a message before a connection"),
    }
}

/// Publishes, and says whether it was acknowledged; if not, the connection has ended.
async fn publish(link: &mut Link, topic: &str, payload: &[u8]) -> bool {
    let delivery = link.publish(topic, payload.to_vec()).unwrap();
    let mut acknowledged = std::pin::pin!(delivery.acknowledged());
    loop {
        tokio::select! {
            result = &mut acknowledged => return result.is_ok(),
            event = link.next() => if matches!(event, LinkEvent::Closed(_)) { return false },
        }
    }
}

fn message(device: &str, value: f64) -> String {
    let now = tidings_agent::clock::now();
    format!(
        "{{\"v\":1,\"device\":\"{device}\",\"boot\":\"b\",\"t0\":{now},\"series\":[{{\"sensor\":\"s\",\"fields\":[[\"temperature\",\"Cel\"]],\"rows\":[[0,1,{value}]]}}]}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_goes_to_quarantine_and_its_neighbours_to_the_table() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", QUIET);
    let mut link = connect(&settings(&folder)).await.unwrap();
    let topic = "sensors/pi-1/readings";
    for payload in [
        message("pi-1", 21.5).into_bytes(),
        b"\xff\xfe garbage".to_vec(),
        Vec::new(),
        message("pi-2", 21.5).into_bytes(),
        message("pi-1", 99_999.0).into_bytes(),
        b"{\"v\":9,\"device\":\"pi-1\",\"boot\":\"b\"}".to_vec(),
        message("pi-1", 21.6).replace("[0,1,", "[0,\"x\",1],[1,2,").into_bytes(),
    ] {
        assert!(publish(&mut link, topic, &payload).await);
    }
    rig.cloud.invoker.idle().await;
    let stored: Vec<(u64, f64)> = rig
        .stored("pi-1", "s")
        .await
        .iter()
        .map(|one| (one.seq.get(), one.values["temperature"]))
        .collect();
    assert_eq!(stored, [(1, 21.5), (2, 21.6)]);
    let reasons: Vec<(String, usize)> = rig.reasons().await.into_iter().collect();
    let expected = [
        ("empty-message", 1),
        ("identity-mismatch", 1),
        ("malformed-row", 1),
        ("out-of-range", 1),
        ("unrecognised-payload", 1),
        ("unsupported-version", 1),
    ];
    assert_eq!(reasons, expected.map(|(reason, count)| (reason.to_owned(), count)));
    assert_eq!(rig.cloud.invoker.failed_events(), 0);
    link.close().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_reaches_its_own_topics_only_and_a_violation_ends_the_connection() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", QUIET);
    let settings = settings(&folder);
    for (topic, expected) in [
        ("sensors/pi-1/readings", true),
        ("$aws/rules/tidings_ingest/sensors/pi-1/readings", true),
        ("sensors/pi-2/readings", false),
        ("$aws/rules/tidings_ingest/sensors/pi-2/readings", false),
        ("sensors/pi-1/commands", false),
    ] {
        let mut link = connect(&settings).await.unwrap();
        assert_eq!(
            publish(&mut link, topic, message("pi-1", 21.5).as_bytes()).await,
            expected,
            "{topic}"
        );
        link.abandon().await;
    }
    let link = connect(&settings).await.unwrap();
    assert!(link.subscribe("sensors/pi-1/commands").await);
    assert!(!link.subscribe("sensors/+/commands").await);
    link.abandon().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let rig = Rig::start().await;
    let known = settings(&rig.provision("pi-1", QUIET));
    let other_name = Settings { device: "pi-2".try_into().unwrap(), ..known.clone() };
    assert!(connect(&other_name).await.is_err(), "another client id than the certificate's thing");

    let stranger = settings(&rig.provision_elsewhere("pi-3", QUIET));
    assert!(connect(&stranger).await.is_err(), "a certificate of another CA");

    let mut roots = rustls::RootCertStore::empty();
    let ca = rig.cloud.pki.ca_pem();
    roots.add(rustls_pki_types::pem::PemObject::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let nameless = rustls::ClientConfig::builder_with_provider(
        rustls::crypto::ring::default_provider().into(),
    )
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    let nameless = Settings { tls: nameless.into(), ..known.clone() };
    assert!(connect(&nameless).await.is_err(), "no certificate");

    connect(&known).await.unwrap().close().await;
    rig.cloud.pki.revoke(&"pi-1".try_into().unwrap()).unwrap();
    assert!(connect(&known).await.is_err(), "a certificate that was revoked");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_payload_arrives_and_one_byte_more_is_not_even_sent() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", QUIET);
    let mut link = connect(&settings(&folder)).await.unwrap();
    let topic = "sensors/pi-1/readings";
    assert!(publish(&mut link, topic, &vec![b'x'; MAX_PAYLOAD_BYTES]).await);
    let refused = link.publish(topic, vec![b'x'; MAX_PAYLOAD_BYTES + 1]);
    assert!(matches!(refused, Err(PublishRefused::TooLarge { found: 131_073 })));
    assert!(publish(&mut link, topic, message("pi-1", 21.5).as_bytes()).await, "still connected");
    rig.cloud.invoker.idle().await;
    assert_eq!(rig.reasons().await["unrecognised-payload"], 1);
    link.close().await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_own_commands_check_and_publish() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", QUIET);
    let config = folder.join("agent.toml");
    let config = config.to_str().unwrap().to_owned();

    // In a thread: the programs run while this test's broker serves them.
    let run = |arguments: &'static [&'static str]| {
        let config = config.clone();
        async move {
            let run = move || {
                output(
                    "tidings-agent",
                    &[&arguments[..1], &["-c", &config], &arguments[1..]].concat(),
                )
            };
            tokio::task::spawn_blocking(run).await.unwrap()
        }
    };
    let check = run(&["check"]).await;
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(check.status.success(), "{said}{}", String::from_utf8_lossy(&check.stderr));
    assert_eq!(said.matches("ok  ").count(), 10, "{said}");

    let publish =
        run(&["publish", "--sensor", "bench", "temperature=21.5", "leaf_wetness=40:%"]).await;
    assert!(publish.status.success(), "{}", String::from_utf8_lossy(&publish.stderr));
    let stored = eventually("the reading is stored", async || {
        rig.stored("pi-1", "bench").await.into_iter().next()
    })
    .await;
    assert_eq!((stored.values["temperature"], stored.units["leaf_wetness"].as_str()), (21.5, "%"));

    let wrong = run(&["publish", "warmth=1"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("needs a unit"));

    rig.cloud.pki.revoke(&"pi-1".try_into().unwrap()).unwrap();
    let check = run(&["check"]).await;
    assert_eq!(check.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&check.stdout).contains("FAIL connection"));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_standard_input_are_published_as_they_come_and_bad_ones_are_named() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", QUIET);
    let mut publish = tokio::process::Command::new(program("tidings-agent"))
        .args(["publish", "--sensor", "pipe", "-c"])
        .arg(folder.join("agent.toml"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = publish.stdin.take().unwrap();
    input.write_all(b"{\"temperature\":21.5}\n").await.unwrap();
    eventually("the first line is stored while the input is open", async || {
        (rig.stored("pi-1", "pipe").await.len() == 1).then_some(())
    })
    .await;
    input.write_all(b"\nrubbish\ntemperature=22 humidity=40\n").await.unwrap();
    drop(input);
    let end = publish.wait_with_output().await.unwrap();
    let said = String::from_utf8_lossy(&end.stderr);
    assert_eq!(end.status.code(), Some(2), "{said}");
    assert!(said.contains("line=3") && said.contains("1 lines were no reading"), "{said}");
    eventually("the last line is stored", async || {
        (rig.stored("pi-1", "pipe").await.len() == 2).then_some(())
    })
    .await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_to_do_about_a_connection_that_fails() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", QUIET);
    let config = std::fs::read_to_string(folder.join("agent.toml")).unwrap();
    let port = rig.cloud.broker.address.port();
    let other = tempfile::tempdir().unwrap();
    let stranger = tidings::cloud::pki::Pki::open(other.path()).unwrap();
    std::fs::write(folder.join("other-ca.pem"), stranger.ca_pem()).unwrap();
    for (from, to, word) in [
        (format!("port = {port}"), "port = 1".to_owned(), "FAIL port"),
        ("root-ca.pem".to_owned(), "other-ca.pem".to_owned(), "mqtt.ca"),
    ] {
        assert!(config.contains(&from), "{from}");
        let file = folder.join("wrong.toml");
        std::fs::write(&file, config.replace(&from, &to)).unwrap();
        let run = move || output("tidings-agent", &["check", "-c", file.to_str().unwrap()]);
        let check = tokio::task::spawn_blocking(run).await.unwrap();
        let said = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(said.contains("FAIL ") && said.contains(word), "{to}: {said}");
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_port_is_blocked_the_other_one_is_tried() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let config = std::fs::read_to_string(folder.join("agent.toml")).unwrap();
    let port = format!("port = {}", rig.cloud.broker.address.port());
    let blocked = config.replace(&port, &format!("port = 1\nfallback_{port}"));
    std::fs::write(folder.join("agent.toml"), blocked).unwrap();
    let mut agent = AgentProcess::start(&folder);
    agent.until("it is connected by the other port", |status| status.acknowledged > 0).await;
    let queue = agent.stop().await;
    let verdict = rig.compare("pi-1", &queue).await;
    assert_eq!((verdict.lost, verdict.duplicates), (0, 0));
    rig.stop().await;
}

/// An HTTP proxy that serves one connection; gives the head of its request.
async fn proxy(listener: TcpListener) -> String {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let place = head.split(' ').nth(1).unwrap().to_owned();
    let mut server = TcpStream::connect(place).await.unwrap();
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
    head
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_gone_through_with_its_password() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let served = tokio::spawn(proxy(listener));
    let config = std::fs::read_to_string(folder.join("agent.toml")).unwrap();
    let through = format!("[mqtt]\nproxy = \"http://me:secret@{at}\"");
    std::fs::write(folder.join("agent.toml"), config.replace("[mqtt]", &through)).unwrap();
    let mut agent = AgentProcess::start(&folder);
    agent.until("readings arrive", |status| status.acknowledged > 0).await;
    agent.stop().await;
    let head = served.await.unwrap();
    assert!(head.starts_with("CONNECT localhost:"), "{head}");
    // "me:secret" in base64.
    assert!(head.contains("bWU6c2VjcmV0"), "{head}");
    assert!(!AgentProcess::log(&folder).contains("secret"));
    rig.stop().await;
}
