//! Tables of people come in by `tidings import`, row by row, or say why not.

use serde_json::json;
use tidings_tests::Rig;

use crate::export::{DAY_MS, tidings};

#[tokio::test(flavor = "multi_thread")]
async fn a_table_of_somebody_comes_in_by_the_function_s_own_rules() {
    let rig = Rig::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("garden.csv");
    let file = path.display().to_string();
    let day = |days: i64| {
        let at = tidings_agent::clock::now().offset(-days * DAY_MS).unwrap();
        at.date()
    };
    let text = format!(
        "Date,Time,Temperature (°C),RH [%],Leaf wetness\n{0},08:00,21.5,40,3\n{0},08:01,5000,40,\n{0},08:02,warm,40,\n{1},08:00,20,41,4\n{0},08:03,,,\n",
        day(3),
        day(700)
    );
    std::fs::write(&path, &text).unwrap();
    let import = ["import", &file, "--device", "pi-1", "--json"];
    let end = tidings(&rig, &import).await;
    assert!(
        end.code == Some(1) && end.stderr.contains("--unit leaf_wetness=UNIT"),
        "{}",
        end.stderr
    );
    let import = [&import[..], &["--unit", "leaf_wetness=%"]].concat();
    let end = tidings(&rig, &import).await;
    assert!(end.code == Some(1) && end.stderr.contains("--zone"), "{}", end.stderr);
    let end = tidings(&rig, &[&import[..], &["--zone", "UTC", "--skip", "nope"]].concat()).await;
    assert!(end.code == Some(1) && end.stderr.contains("--skip nope: no file"), "{}", end.stderr);
    assert_eq!(rig.stored("pi-1", "import").await, [], "nothing was written");

    let import = [&import[..], &["--zone", "Europe/Berlin"]].concat();
    for _ in 0..2 {
        let end = tidings(&rig, &import).await;
        assert_eq!(end.code, Some(1), "some rows are no readings");
        let sums = end.json();
        assert_eq!(
            (&sums["rows"], &sums["readings"], &sums["empty"]),
            (&json!(5), &json!(1), &json!(1))
        );
        assert_eq!(sums["refused"], json!({"out-of-range": 1, "too-old": 1}));
        // Each with its line, its value and the limit.
        let told: Vec<String> = sums["bad_rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| format!("{} {}", row["line"], row["why"].as_str().unwrap()))
            .collect();
        for (told, part) in told.iter().zip(["3 temperature is 5000", "4 temperature:", "5 it is "])
        {
            assert!(told.starts_with(part), "{told}");
        }
        assert!(told.len() == 3 && told[2].contains("--keep-days"), "{told:?}");
        assert!(end.stderr.contains("1 readings are older than the 365 days"), "{}", end.stderr);
        assert_eq!(rig.stored("pi-1", "import").await.len(), 1);
    }
    assert!(rig.reasons().await.is_empty(), "who imports a file has what was refused of it");
    let end = tidings(&rig, &[&import[..], &["--keep-days", "3650"]].concat()).await;
    assert_eq!(end.json()["readings"], 2);
    let stored = rig.stored("pi-1", "import").await;
    assert_eq!(stored.len(), 2);
    assert_eq!(stored[0].boot.as_str(), "import");
    assert_eq!((stored[1].values["temperature"], stored[1].values["humidity"]), (21.5, 40.0));
    assert_eq!(stored[1].units["leaf_wetness"], "%");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_that_a_clock_showed_twice_comes_in_as_two() {
    let rig = Rig::start().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.csv");
    let file = path.display().to_string();
    std::fs::write(
        &path,
        "time,temp\n2026-10-25 02:00,1\n2026-10-25 02:30,1\n2026-10-25 02:00,1\n2026-10-25 02:30,0\n2026-10-25 03:00,0\n",
    )
    .unwrap();
    let import = ["import", &file, "--device", "pi-1", "--zone", "Europe/Berlin", "--keep-days"];
    let end = tidings(&rig, &[&import[..], &["36500", "--json"]].concat()).await;
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let sums = end.json();
    assert_eq!(
        (&sums["readings"], &sums["duplicates"], &sums["ambiguous"]),
        (&json!(5), &json!(0), &json!(4))
    );
    let stored = rig.stored("pi-1", "import").await;
    let times: Vec<String> = stored.iter().map(|one| tidings::query::time(one.at)).collect();
    let hours = ["00:00", "00:30", "01:00", "01:30", "02:00"];
    assert_eq!(times, hours.map(|hour| format!("2026-10-25T{hour}:00.000Z")));
    rig.stop().await;
}
