//! The agent on its own machine: what it tells those who run it.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use serde_json::Value;
use tidings_tests::{AgentProcess, Rig, output};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::{BUSY, QUIET};

async fn command(arguments: &[&str], folder: &Path) -> (Option<i32>, String) {
    let mut all: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    all.extend(["-c".to_owned(), folder.join("agent.toml").display().to_string()]);
    let run = move || {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        output("tidings-agent", &all)
    };
    let end = tokio::task::spawn_blocking(run).await.unwrap();
    let said = [end.stdout, end.stderr].concat();
    (end.status.code(), String::from_utf8_lossy(&said).into_owned())
}

async fn get(folder: &Path, path: &str) -> (String, String) {
    let mut stream = UnixStream::connect(folder.join("queue.sock")).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_agent_tells_of_itself_and_check_and_queue_ask_it() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", BUSY);
    let (code, said) = command(&["check"], &folder).await;
    assert_eq!(code, Some(0), "{said}");
    for line in
        ["files", "clock", "queue", "certificates", "name", "port", "TLS", "connection", "publish"]
    {
        assert!(said.contains(&format!("ok   {line}: ")), "{line} in {said}");
    }
    let mut agent = AgentProcess::start(&folder);
    agent.until("readings arrive", |status| status.acknowledged > 20).await;

    let (status, health) = get(&folder, "/healthz").await;
    assert_eq!(status, "HTTP/1.1 200 OK", "{health}");
    let (_, metrics) = get(&folder, "/metrics").await;
    assert!(metrics.contains("tidings_agent_online 1\n"), "{metrics}");
    assert_eq!(get(&folder, "/").await.0, "HTTP/1.1 404 Not Found");
    let (code, said) = command(&["check"], &folder).await;
    assert!(code == Some(0) && said.contains("the running agent is connected"), "{said}");
    let (code, said) = command(&["queue"], &folder).await;
    assert!(code == Some(0) && said.contains("by the agent that runs"), "{said}");
    let (_, said) = command(&["queue", "--json"], &folder).await;
    assert!(serde_json::from_str::<Value>(&said).unwrap()["readings"].is_u64(), "{said}");

    agent.stop().await;
    let (code, said) = command(&["queue"], &folder).await;
    assert!(code == Some(0) && said.contains("0 readings in 0 messages"), "{said}");
    assert_eq!(command(&["queue", "--dead"], &folder).await, (Some(0), String::new()));
    assert!(!folder.join("queue.sock").exists());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_everybody_can_read_is_refused_and_a_file_that_they_can_change_is_told() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", QUIET);
    let change = |file: &str, mode: u32| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(folder.join(file), mode).unwrap();
    };
    change("private.pem.key", 0o644);
    for arguments in [&["run"][..], &["check"]] {
        let (code, said) = command(arguments, &folder).await;
        assert!(code == Some(1) && said.contains("mode 0644): chmod 600"), "{said}");
    }
    change("private.pem.key", 0o600);
    change("agent.toml", 0o666);
    let (code, said) = command(&["check"], &folder).await;
    assert!(code == Some(1) && said.contains("FAIL files") && said.contains("chmod o-w"), "{said}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_when_it_is_ready_that_it_lives_and_that_it_ends() {
    let rig = Rig::start().await;
    let folder = rig.provision("pi-1", QUIET);
    let place = folder.join("notify.sock");
    let systemd = UnixDatagram::bind(&place).unwrap();
    let patience = std::time::Duration::from_secs(60);
    systemd.set_read_timeout(Some(patience)).unwrap();
    let agent = AgentProcess::start_with(
        &folder,
        &[("NOTIFY_SOCKET", place.to_str().unwrap()), ("WATCHDOG_USEC", "200000")],
    );
    let hear = move || {
        let mut heard = Vec::new();
        let mut buffer = [0; 1024];
        while heard.iter().filter(|line: &&String| line.contains("WATCHDOG=1")).count() < 3 {
            let length = systemd.recv(&mut buffer).unwrap();
            heard.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
        (systemd, heard)
    };
    let (systemd, heard) = tokio::task::spawn_blocking(hear).await.unwrap();
    assert!(heard[0].contains("READY=1"), "{heard:?}");
    assert!(heard.iter().any(|line| line.contains("STATUS=")), "{heard:?}");
    agent.signal(rustix::process::Signal::HUP);
    let until = |word: &'static str| {
        let systemd = systemd.try_clone().unwrap();
        tokio::task::spawn_blocking(move || {
            let mut buffer = [0; 1024];
            loop {
                let length = systemd.recv(&mut buffer).unwrap();
                if String::from_utf8_lossy(&buffer[..length]).contains(word) {
                    return;
                }
            }
        })
    };
    until("RELOADING=1").await.unwrap();
    until("READY=1").await.unwrap();
    let ended = until("STOPPING=1");
    agent.stop().await;
    ended.await.unwrap();
    rig.stop().await;
}
