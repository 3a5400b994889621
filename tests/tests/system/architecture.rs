//! The arrows of the design, and the shape of the files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The packages that a package of ours names in its manifest, dev-dependencies left out.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = MetadataCommand::new().no_deps().current_dir(root()).exec().unwrap();
    metadata
        .packages
        .iter()
        .map(|package| {
            let normal =
                package.dependencies.iter().filter(|one| one.kind == DependencyKind::Normal);
            (package.name.to_string(), normal.map(|one| one.name.clone()).collect())
        })
        .collect()
}

#[test]
fn packages_know_only_whom_they_may() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let arrows = |package: &str| -> Vec<&str> {
        dependencies[package]
            .iter()
            .map(String::as_str)
            .filter(|name| ours.contains(name))
            .collect()
    };
    assert_eq!(arrows("tidings-schema"), [] as [&str; 0]);
    assert_eq!(arrows("tidings-agent"), ["tidings-schema"]);
    assert_eq!(arrows("tidings-ingest"), ["tidings-schema"]);
    assert_eq!(arrows("tidings"), ["tidings-agent", "tidings-ingest", "tidings-schema"]);

    let pure = ["minicbor", "serde", "serde_json", "thiserror"];
    assert_eq!(dependencies["tidings-schema"], pure.map(str::to_owned).into());
    for (package, banned) in [
        ("tidings-agent", ["aws-", "lambda", "dynoxide", "axum"].as_slice()),
        ("tidings-ingest", ["rumqttc", "mqtt", "rusqlite", "dynoxide", "aws-config"].as_slice()),
        ("tidings", ["rumqttc", "lambda"].as_slice()),
    ] {
        for name in &dependencies[package] {
            assert!(!banned.iter().any(|banned| name.starts_with(banned)), "{package} -> {name}");
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut folders = vec![root()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push((path.strip_prefix(root()).unwrap().to_owned(), text));
            }
        }
    }
    assert!(sources.len() > 50);
    sources
}

#[test]
fn one_place_knows_each_foreign_client() {
    for (client, files) in [
        ("rumqttc::", ["device/src/uplink/mqtt.rs"].as_slice()),
        (
            "rusqlite::",
            ["device/src/queue", "infra/src/cloud/invoker.rs", "infra/src/trouble.rs"].as_slice(),
        ),
        (
            "aws_sdk_dynamodb::",
            [
                "lambda/src/store/dynamo",
                "infra/src/aws.rs",
                "infra/src/dynamo",
                "infra/src/tables.rs",
            ]
            .as_slice(),
        ),
        ("aws_sdk_sns::", ["lambda/src/alert/sns.rs"].as_slice()),
        ("aws_sdk_sqs::", ["infra/src/account/queues.rs"].as_slice()),
        ("aws_sdk_iot::", ["infra/src/account/iot.rs"].as_slice()),
        ("aws_sdk_lambda::", ["infra/src/account/function.rs"].as_slice()),
        ("aws_sdk_iam::", ["infra/src/account/roles.rs"].as_slice()),
        ("aws_sdk_eventbridge::", ["infra/src/account/schedule.rs"].as_slice()),
        ("aws_sdk_cloudwatch::", ["infra/src/account/alarms.rs"].as_slice()),
        ("ratatui::", ["infra/src/top"].as_slice()),
        ("crossterm::", ["infra/src/top/terminal.rs"].as_slice()),
        ("clap_mangen::", ["device/src/manual.rs"].as_slice()),
        ("rppal::", ["device/src/sensors/gpio/board.rs"].as_slice()),
        ("gpiocdev::", ["device/src/sensors/gpio/chip.rs"].as_slice()),
        ("linux_embedded_hal::", ["device/src/sensors/i2c/bus.rs"].as_slice()),
        ("dynoxide::", ["infra/src/cloud/dynamodb.rs"].as_slice()),
        ("rcgen::", ["infra/src/cloud/pki.rs", "infra/src/trouble.rs"].as_slice()),
        (
            "mqtt_protocol_core::",
            [
                "infra/src/cloud/broker/connection.rs",
                "infra/src/cloud/broker/packets.rs",
                "tests/src/scripted.rs",
            ]
            .as_slice(),
        ),
    ] {
        for (path, text) in sources() {
            let knows = text
                .lines()
                .any(|line| line.contains(client) && !line.trim_start().starts_with("//"));
            // A folder stands for its files.
            let may = files.iter().any(|file| path.starts_with(file));
            let is_this = path.ends_with("system/architecture.rs");
            assert!(!knows || may || is_this, "{} must not know {client}", path.display());
        }
    }
}

#[test]
fn one_system_call_is_all_that_is_unsafe() {
    for (path, text) in sources() {
        let may = path.ends_with("clock/kernel.rs") || path.ends_with("system/architecture.rs");
        assert!(may || !text.contains("unsafe_code"), "{}", path.display());
    }
}

#[test]
fn files_are_small_and_programs_are_tables_of_contents() {
    for (path, text) in sources() {
        let lines = text.lines().count();
        let limit = if path.ends_with("src/main.rs") { 60 } else { 450 };
        assert!(lines <= limit, "{} has {lines} lines, limit is {limit}", path.display());
    }
}
