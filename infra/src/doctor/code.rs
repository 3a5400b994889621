//! For which machine the program in the function's zip was built.

use std::io::{Cursor, Read as _};
use std::time::Duration;

/// The largest zip that is fetched: Lambda takes 50 MB directly (Lambda quotas).
const MAX_ZIP_BYTES: u64 = 64 << 20;

/// The program's name in the zip (Lambda developer guide, "OS-only runtimes").
const PROGRAM: &str = "bootstrap";

/// Where the machine stands in an ELF header, and the numbers of the two that Lambda has (System V
/// ABI, "ELF header", `e_machine`).
const E_MACHINE: usize = 18;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;

/// A machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Machine {
    X86_64,
    Arm64,
    Other(u16),
}

impl Machine {
    /// What Lambda calls it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
            Self::Other(_) => "another machine",
        }
    }
}

/// Fetches a zip and looks into it. Blocks.
///
/// # Errors
/// When it cannot be fetched, or is no zip with a Linux program of that name.
pub(super) fn fetch(url: &str) -> Result<Machine, String> {
    let agent = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(60))).build();
    let answer = ureq::Agent::new_with_config(agent).get(url).call();
    let mut answer = answer.map_err(|error| format!("the zip cannot be fetched: {error}"))?;
    let bytes = answer.body_mut().with_config().limit(MAX_ZIP_BYTES).read_to_vec();
    machine(&bytes.map_err(|error| format!("the zip cannot be fetched: {error}"))?)
}

fn machine(zip: &[u8]) -> Result<Machine, String> {
    let mut zip = zip::ZipArchive::new(Cursor::new(zip))
        .map_err(|error| format!("the function's code is no zip: {error}"))?;
    let program =
        zip.by_name(PROGRAM).map_err(|_| format!("there is no {PROGRAM} in the function's zip"))?;
    let mut header = Vec::new();
    program
        .take(E_MACHINE as u64 + 2)
        .read_to_end(&mut header)
        .map_err(|error| format!("{PROGRAM} in the function's zip: {error}"))?;
    let number = header.get(E_MACHINE..).and_then(|bytes| bytes.try_into().ok());
    match number.map(u16::from_le_bytes) {
        Some(number) if header.starts_with(b"\x7fELF") => Ok(match number {
            EM_X86_64 => Machine::X86_64,
            EM_AARCH64 => Machine::Arm64,
            other => Machine::Other(other),
        }),
        _ => Err(format!("{PROGRAM} in the function's zip is no program for Linux")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn zipped(name: &str, content: &[u8]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
        zip.finish().unwrap().into_inner()
    }

    fn elf(machine: u16) -> Vec<u8> {
        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(E_MACHINE, 0);
        header.extend(machine.to_le_bytes());
        header.resize(64, 0);
        header
    }

    #[test]
    fn the_machine_stands_in_the_header_of_bootstrap() {
        assert_eq!(machine(&zipped("bootstrap", &elf(62))), Ok(Machine::X86_64));
        assert_eq!(machine(&zipped("bootstrap", &elf(183))), Ok(Machine::Arm64));
        assert_eq!(machine(&zipped("bootstrap", &elf(40))), Ok(Machine::Other(40)));
    }

    #[test]
    fn what_is_no_program_is_said() {
        assert!(machine(b"PK").unwrap_err().contains("no zip"));
        assert!(machine(&zipped("main", &elf(62))).unwrap_err().contains("no bootstrap"));
        for content in [b"#!/bin/sh".as_slice(), b"", b"\x7fELF"] {
            assert!(machine(&zipped("bootstrap", content)).unwrap_err().contains("no program"));
        }
    }
}
