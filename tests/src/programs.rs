//! The real programs, built once per test run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// Where a program of this workspace is. Builds all of them at the first call, in the profile of
/// the running test, so that none is missing or old.
///
/// # Panics
/// When the build fails.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let test = std::env::current_exe().expect("a test knows its own path");
        // target/<profile>/deps/<test>
        let folder = test.parent().and_then(Path::parent).expect("a test is in target").to_owned();
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build
            .args(["build", "--workspace", "--bins", "--quiet", "--locked"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().expect("cargo can be run");
        assert!(status.success(), "the programs do not build");
        folder
    });
    folder.join(name)
}

/// Runs a program to its end.
///
/// # Panics
/// When it cannot be started.
#[must_use]
pub fn output(name: &str, arguments: &[&str]) -> Output {
    Command::new(program(name)).args(arguments).output().expect("the program can be started")
}
