//! A file that another program keeps up to date: its last line is the reading, in the forms of
//! [`super::values`].

use std::path::PathBuf;
use std::time::Duration;

use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::values::parse_line;
use super::{Sensor, sysfs};

/// A file.
pub(super) struct File {
    name: String,
    path: PathBuf,
    /// A file that has not been written for so long says nothing any more.
    stale: Duration,
}

impl File {
    pub(super) fn new(name: &str, path: PathBuf, stale: Duration) -> Self {
        Self { name: name.to_owned(), path, stale }
    }
}

impl Sensor for File {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let metadata = std::fs::metadata(&self.path).map_err(|error| sysfs::fault(&error))?;
        // A time in the future (the clock was set back) is not old.
        let age = metadata.modified().ok().and_then(|then| then.elapsed().ok()).unwrap_or_default();
        if age > self.stale {
            return Err(Fault::Timeout);
        }
        let text = sysfs::text(&self.path)?;
        let line = text.lines().next_back().unwrap_or_default();
        parse_line(line).map_err(|error| {
            tracing::warn!(sensor = self.name, error, "the file has no reading");
            Fault::BusError
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Tree, shown};
    use super::*;

    #[test]
    fn the_last_line_is_the_reading_as_long_as_it_is_young() {
        let tree = Tree::new();
        let path = tree.root().join("co2");
        let mut sensor = File::new("x", path.clone(), Duration::from_secs(60));
        assert_eq!(sensor.read(), Err(Fault::NotPresent));
        tree.file("co2", "co2=600\nco2=612\n");
        assert_eq!(shown(&sensor.read()), "co2 612 ppm");
        tree.file("co2", "");
        assert_eq!(sensor.read(), Err(Fault::BusError));
        tree.file("co2", "co2=612");
        let old = std::time::SystemTime::now() - Duration::from_secs(3600);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(old).unwrap();
        assert_eq!(sensor.read(), Err(Fault::Timeout));
    }
}
