//! Readings go out by `tidings export` and come in by `tidings import`, and are what they were.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

use serde_json::{Value, json};
use tidings::dynamo::StoredReading;
use tidings_ingest::config::Rules;
use tidings_ingest::{Answer, Envelope, Ingest, Layout};
use tidings_tests::{Rig, output, program};

pub(crate) const DAY_MS: i64 = 86_400_000;

/// Sends a message as the rule does.
async fn ingest(rig: &Rig, layout: Layout, device: &str, payload: &Value) {
    let now = tidings_agent::clock::now().get();
    let event = json!({"payload": Envelope::encode_payload(payload.to_string().as_bytes()),
        "topic": format!("sensors/{device}/readings"), "client_id": device,
        "received_at": now, "envelope": 1});
    let ingest = Ingest::new(rig.database.store(), Rules { layout, ..Rules::default() });
    let (answer, report) = ingest.handle(&event.to_string(), SystemTime::UNIX_EPOCH).await;
    assert!(matches!(answer, Ok(Answer::Message(_))), "{answer:?}");
    assert_eq!(report.quarantined(), 0, "{report:?}");
}

/// Readings of two devices over some months, with all that a reading can have.
async fn seed(rig: &Rig, layout: Layout) -> i64 {
    let now = tidings_agent::clock::now().get();
    for (boot, days) in [("first", 70), ("second", 40), ("third", 1)] {
        let rows: Vec<Value> = (0..200)
            .map(|k| json!([k * 1000, k, 20.0 + f64::from(k) / 100.0, f64::from(k) * 1e-7]))
            .collect();
        let payload = json!({"v": 1, "device": "pi:1", "boot": boot, "t0": now - days * DAY_MS,
            "series": [{"sensor": "soil", "fields": [["temperature", "Cel"], ["leaf_wetness", "%"]],
                        "rows": rows, "faults": [[500, 200, "timeout"], [1500, 201, "checksum"]]},
                       {"sensor": "air", "fields": [["temp", "Cel"], ["seq", "count"]],
                        "rows": [[0, 0, 21.53, 7]]}]});
        ingest(rig, layout, "pi:1", &payload).await;
        // The same readings in a message that was cut otherwise.
        let again = json!({"v": 1, "device": "pi:1", "boot": boot, "t0": now - days * DAY_MS,
            "series": [{"sensor": "soil", "fields": [["temperature", "Cel"], ["leaf_wetness", "%"]],
                        "rows": rows[90..110]}]});
        ingest(rig, layout, "pi:1", &again).await;
    }
    let unset = json!({"v": 1, "device": "pi:1", "boot": "dark", "clock": "unset", "t0": 12_345,
        "series": [{"sensor": "soil", "fields": [["temperature", "K"]], "rows": [[0, 0, 294.68]],
                    "faults": [[5, 1, "not-present"]]}]});
    ingest(rig, layout, "pi:1", &unset).await;
    let other = json!({"v": 1, "device": "other", "boot": "b", "t0": now - DAY_MS,
        "series": [{"sensor": "soil", "fields": [["pressure", "Pa"]], "rows": [[0, 0, 101_325]]}]});
    ingest(rig, layout, "other", &other).await;
    now
}

pub(crate) struct End {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Option<i32>,
}

impl End {
    /// The one object that `--json` prints.
    pub(crate) fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|_| panic!("{}{}", self.stdout, self.stderr))
    }
}

pub(crate) async fn tidings(rig: &Rig, arguments: &[&str]) -> End {
    let mut all: Vec<String> = arguments.iter().map(|one| (*one).to_owned()).collect();
    all.extend(["--endpoint-url".to_owned(), rig.cloud.dynamodb.endpoint.clone()]);
    let run = move || output("tidings", &all.iter().map(String::as_str).collect::<Vec<_>>());
    let end = tokio::task::spawn_blocking(run).await.unwrap();
    End {
        stdout: String::from_utf8(end.stdout).unwrap(),
        stderr: String::from_utf8(end.stderr).unwrap(),
        code: end.status.code(),
    }
}

/// All files below a folder with this end, in order.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, end));
        } else if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What is in the tables, but for when it came there.
async fn all(rig: &Rig) -> Vec<StoredReading> {
    let mut all = Vec::new();
    for (device, sensor) in [("other", "soil"), ("pi:1", "air"), ("pi:1", "soil")] {
        let stored = rig.stored(device, sensor).await.into_iter();
        all.extend(stored.map(|one| StoredReading { received_at: None, ..one }));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_exported_and_imported_is_what_it_was() {
    for (layout, name) in [(Layout::Each, "each"), (Layout::Packed, "packed")] {
        let (rig, other) = (Rig::start().await, Rig::start().await);
        seed(&rig, layout).await;
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out").display().to_string();
        let berlin = ["export", "--out", &out, "--json", "--zone", "Europe/Berlin"];
        let end = tidings(&rig, &berlin).await;
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        let sums = end.json();
        let before = all(&rig).await;
        assert_eq!(before.len(), 3 * 203 + 2 + 1);
        assert_eq!((&sums["readings"], &sums["sensors"]), (&json!(before.len()), &json!(3)));
        let csv = files(Path::new(&out), ".csv");
        assert_eq!(sums["files"], csv.len());
        assert_eq!(sums["unreadable"], 0);
        let soil = Path::new(&out).join("device=pi%3A1/sensor=soil");
        let unset = std::fs::read_to_string(soil.join("unset.csv")).unwrap();
        // When it came is the only time that anybody knows.
        let rows: Vec<Vec<&str>> =
            unset.lines().map(|line| line.splitn(4, ',').collect()).collect();
        assert_eq!(
            rows[0],
            ["time", "uptime_ms", "received_at", "device,sensor,boot,seq,fault,temperature"]
        );
        for (row, (uptime, rest)) in rows[1..]
            .iter()
            .zip([("12345", "pi:1,soil,dark,0,,21.53"), ("12350", "pi:1,soil,dark,1,not-present,")])
        {
            assert!(row[2].starts_with("20") && row[2].contains('T'), "{row:?}");
            assert_eq!((row[0], row[1], row[3]), ("", uptime, rest));
        }
        assert!(files(Path::new(&out), ".part").is_empty());

        let csv: Vec<String> = csv.iter().map(|path| path.display().to_string()).collect();
        let mut import = vec!["import", "--json", "--layout", name];
        import.extend(csv.iter().map(String::as_str));
        let preview = tidings(&other, &[&import[..], &["--dry-run"]].concat()).await.json();
        assert_eq!(preview["readings"], before.len());
        assert_eq!(all(&other).await, [], "a dry run writes nothing");
        // Twice is as once.
        for _ in 0..2 {
            let end = tidings(&other, &import).await;
            assert_eq!(end.code, Some(0), "{}{}", end.stdout, end.stderr);
            assert_eq!(end.json()["readings"], before.len());
            assert_eq!(all(&other).await, before);
        }
        // What query prints is what export prints, also of what has no time.
        let query = ["query", "pi:1", "soil", "--format", "csv", "--limit", "10000"];
        let printed = tidings(&rig, &query).await.stdout;
        let path = folder.path().join("query.csv");
        std::fs::write(&path, &printed).unwrap();
        let path = path.display().to_string();
        let again = ["import", &path, "--device", "pi:1", "--json", "--layout", name];
        let units = ["--unit", "leaf_wetness=%"];
        let end = tidings(&other, &[&again[..], &units[..]].concat()).await;
        assert!(end.code == Some(0) && printed.contains("uptime 12.345 s"), "{}", end.stderr);
        assert_eq!(all(&other).await, before);
        // What is corrected already is not corrected again by accident.
        let calibration =
            json!({"calibration": {"soil.temperature": {"gain": 1.0, "offset": 5.0}}});
        let device = "pi:1".try_into().unwrap();
        other.database.say(&device, Some(&calibration)).await.unwrap();
        let end = tidings(&other, &import).await;
        assert!(end.code == Some(1) && end.stderr.contains("corrected twice"), "{}", end.stderr);
        assert_eq!(all(&other).await, before);
        let end = tidings(&other, &[&import[..], &["--calibrate"]].concat()).await;
        assert_eq!(end.code, Some(0), "{}", end.stderr);
        // Of two packs that hold one reading any may be read.
        if layout == Layout::Each {
            let last = other.stored("pi:1", "soil").await.pop().unwrap();
            assert_eq!(last.values["temperature"], 26.99);
        }
        rig.stop().await;
        other.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_where_it_stopped_and_is_never_another() {
    let (rig, other) = (Rig::start().await, Rig::start().await);
    let now = seed(&rig, Layout::Packed).await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("out");
    let out = root.display().to_string();
    for format in ["jsonl", "parquet"] {
        let out = format!("{out}-{format}");
        let export = ["export", "pi:1", "--format", format, "--out", &out, "--json"];
        let first = tidings(&rig, &export).await.json();
        assert_eq!(first["readings"], 3 * 203 + 2);
        let end = tidings(&rig, &export).await;
        assert_eq!(
            (&end.json()["readings"], &end.json()["skipped"]),
            (&json!(0), &first["readings"])
        );
        assert_eq!(end.json()["until"], first["until"], "it is the window of the first run");
        let whole = files(Path::new(&out), format);
        let contents = |paths: &[PathBuf]| -> Vec<Vec<u8>> {
            paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
        };
        let before = contents(&whole);
        // One that is gone is made again, with those after it, byte for byte.
        let gone = whole.iter().filter(|path| !path.to_string_lossy().contains("unset"));
        let gone =
            gone.clone().find(|path| path.to_string_lossy().contains("sensor=soil")).unwrap();
        std::fs::remove_file(gone).unwrap();
        std::fs::write(gone.with_file_name(format!("_2020-01.{format}.part")), "half").unwrap();
        let again = tidings(&rig, &export).await.json();
        assert_eq!(again["readings"], 3 * 203 - 3, "all of the sensor soil but what has no time");
        assert_eq!(files(Path::new(&out), format), whole);
        assert!(contents(&whole) == before);
        assert!(files(Path::new(&out), ".part").is_empty());

        // Nor is it that of a table which has the name alone, and of no folder is it guessed what it holds.
        let end = tidings(&other, &export).await;
        assert!(end.code == Some(1) && end.stderr.contains("id of the table"), "{}", end.stderr);
        let manifest = Path::new(&out).join("_export.json");
        let kept = std::fs::read(&manifest).unwrap();
        std::fs::remove_file(&manifest).unwrap();
        let end = tidings(&rig, &export).await;
        assert!(
            end.code == Some(1) && end.stderr.contains("has no _export.json"),
            "{}",
            end.stderr
        );
        assert!(contents(&whole) == before && !manifest.exists());
        std::fs::write(&manifest, kept).unwrap();
        let end = tidings(&rig, &["export", "pi:1", "--out", &out, "--since", "7d"]).await;
        let expected = format!("format {format} then, csv now; since the beginning then, 7d now");
        assert!(end.code == Some(1) && end.stderr.contains(&expected), "{}", end.stderr);
    }
    other.stop().await;
    // A window has what was taken in it, and of what has no time what came in it.
    let time = tidings::query::time(tidings_schema::UnixMillis::new(now - 30 * DAY_MS).unwrap());
    let windowed = ["export", "pi:1", "--sensor", "soil", "--format", "jsonl", "--since", "41d"];
    let end = tidings(&rig, &[&windowed[..], &["--until", &time]].concat()).await;
    let boots: Vec<Value> = end
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["boot"].clone())
        .collect();
    assert!(boots.iter().all(|boot| boot == "second"), "{boots:?}");
    assert_eq!(boots.len(), 202);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_has_all_columns_or_says_that_it_cannot() {
    let rig = Rig::start().await;
    seed(&rig, Layout::Each).await;
    let end = tidings(&rig, &["export"]).await;
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let mut lines = end.stdout.lines();
    assert_eq!(
        lines.next().unwrap(),
        "time,uptime_ms,received_at,device,sensor,boot,seq,fault,leaf_wetness [%],pressure,seq [count],temp [Cel],temperature"
    );
    let times: Vec<&str> = lines.filter_map(|line| line.split(',').next()).collect();
    assert_eq!(times.len(), 3 * 203 + 3);
    assert!(end.stderr.contains("612 readings of 3 sensors and 2 devices"), "{}", end.stderr);
    let end = tidings(&rig, &["export", "--format", "parquet"]).await;
    assert!(end.code == Some(2) && end.stderr.contains("--out"), "{}", end.stderr);
    let end = tidings(&rig, &["export", "nobody"]).await;
    assert!(end.code == Some(1) && end.stderr.contains("nobody"), "{}", end.stderr);
    for (arguments, part) in [
        (&["export", "kil", "--sensor", "ss"][..], "nobody knows a sensor ss of kil"),
        (&["export", "--sensor", "ss"][..], "lists no device with a sensor ss"),
    ] {
        let end = tidings(&rig, arguments).await;
        assert!(end.code == Some(1) && end.stderr.contains(part), "{}", end.stderr);
        assert_eq!(end.stdout, "");
    }
    // Who has read enough says so by closing the pipe.
    let mut child = std::process::Command::new(program("tidings"))
        .args(["export", "--endpoint-url", &rig.cloud.dynamodb.endpoint])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let end = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(
        (end.status.code(), String::from_utf8(end.stderr).unwrap()),
        (Some(0), String::new())
    );
    // Nothing lies between, also where the two are less than a pack apart.
    let folder = tempfile::tempdir().unwrap();
    let backwards = ["export", "pi:1", "--since", "1h", "--until", "90m"];
    let to_folder = [&backwards[..], &["--out", folder.path().to_str().unwrap()]].concat();
    for arguments in [&backwards[..], &to_folder] {
        let end = tidings(&rig, arguments).await;
        assert!(end.code == Some(2) && end.stderr.contains("is later than"), "{}", end.stderr);
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    let end = tidings(&rig, &["export", "--zone", "Europe/Atlantis"]).await;
    assert!(end.code == Some(2) && end.stderr.contains("Atlantis"), "{}", end.stderr);

    // Another unit half-way: a folder begins a file, a stream cannot.
    let now = tidings_agent::clock::now().get();
    for (unit, step) in [("%", 0), ("/", 1)] {
        let payload = json!({"v": 1, "device": "pi:1", "boot": "b", "t0": now + step,
            "series": [{"sensor": "new", "fields": [["leaf", unit]], "rows": [[0, step, 0.5]]}]});
        ingest(&rig, Layout::Each, "pi:1", &payload).await;
    }
    let new = ["export", "pi:1", "--sensor", "new", "--until", "2100-01-01T00:00:00Z"];
    let end = tidings(&rig, &new).await;
    assert!(end.code == Some(1) && end.stderr.contains("--out"), "{}", end.stderr);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let end = tidings(&rig, &[&new[..], &["--out", &out]].concat()).await;
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let files = files(folder.path(), ".csv");
    assert!(files.len() == 2 && files[0].to_string_lossy().ends_with(".2.csv"), "{files:?}");
    rig.stop().await;
}
