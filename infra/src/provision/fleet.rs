//! The list of a fleet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tidings_schema::DeviceId;

use crate::Trouble;

/// A device of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) thing: DeviceId,
    /// Where its files go.
    pub(super) folder: PathBuf,
    /// A request for a certificate that was made on the device.
    pub(super) csr: Option<PathBuf>,
}

/// Reads a list; paths in it are relative to it.
///
/// # Errors
/// With everything that is wrong with it.
pub(super) fn read(file: &Path, out: &Path) -> Result<Vec<Member>, Trouble> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| Trouble::File { path: file.to_owned(), source })?;
    let beside = file.parent().unwrap_or_else(|| Path::new("."));
    parse(&text, beside, out)
        .map_err(|problems| Trouble::Usage(format!("{}: {}", file.display(), problems.join("; "))))
}

fn parse(text: &str, beside: &Path, out: &Path) -> Result<Vec<Member>, Vec<String>> {
    let mut problems = Vec::new();
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => return Err(vec![error.to_string()]),
    };
    for column in header.iter().filter(|name| !matches!(*name, "thing" | "csr")) {
        problems.push(format!("column {column:?} is not known: expected thing and csr"));
    }
    let at = |name: &str| header.iter().position(|column| column == name);
    let Some(thing_at) = at("thing") else {
        problems.push("there is no column thing".to_owned());
        return Err(problems);
    };
    let csr_at = at("csr");
    let (mut members, mut names) = (Vec::new(), BTreeSet::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                problems.push(error.to_string());
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let name = record.get(thing_at).unwrap_or_default();
        let thing = match DeviceId::try_from(name) {
            Ok(thing) => thing,
            Err(error) => {
                problems.push(format!("line {line}: thing {name:?}: {error}"));
                continue;
            }
        };
        if !names.insert(thing.clone()) {
            problems.push(format!("line {line}: {thing} stands there twice"));
        }
        let csr = csr_at.and_then(|at| record.get(at)).filter(|path| !path.is_empty());
        members.push(Member {
            folder: out.join(thing.as_str()),
            csr: csr.map(|path| beside.join(path)),
            thing,
        });
    }
    if members.is_empty() && problems.is_empty() {
        problems.push("there is no device in it".to_owned());
    }
    if problems.is_empty() { Ok(members) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Member>, Vec<String>> {
        parse(text, Path::new("lists"), Path::new("out"))
    }

    #[test]
    fn each_device_has_its_folder_and_requests_lie_beside_the_list() {
        let members = read("thing, csr\npi-1,\npi-2, pi-2.csr\n").unwrap();
        assert_eq!(members.len(), 2);
        assert_eq!(members[0].folder, Path::new("out/pi-1"));
        assert_eq!(members[0].csr, None);
        assert_eq!(members[1].csr.as_deref(), Some(Path::new("lists/pi-2.csr")));
        assert_eq!(read("thing\npi-1\n").unwrap().len(), 1);
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let problems = read("thing,site\npi-1,a\npi 2,b\npi-1,c\nx\n").unwrap_err().join("\n");
        for part in ["\"site\"", "line 3", "\"pi 2\"", "line 4", "twice", "found record with 1"] {
            assert!(problems.contains(part), "{part} in {problems}");
        }
        assert!(read("name\npi-1\n").unwrap_err().join("").contains("no column thing"));
        assert_eq!(read("thing\n").unwrap_err(), ["there is no device in it"]);
    }
}
