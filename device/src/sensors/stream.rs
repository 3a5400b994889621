//! A program of the user's own that keeps running and prints a reading per line: the newest is what it
//! says. It is started again when it ends.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::values::parse_line;
use super::{Sensor, program};

/// The longest line.
const MOST_BYTES: u64 = 64 * 1024;

/// What it said last, and when; taken by the reading that tells it.
type Latest = Arc<Mutex<Option<(Result<Measurements, Fault>, Instant)>>>;

/// A program.
pub(super) struct Stream {
    name: String,
    program: Vec<String>,
    /// A line older than this says nothing any more.
    stale: Duration,
    latest: Latest,
    running: Option<(Child, JoinHandle<()>)>,
}

impl Stream {
    pub(super) fn new(name: &str, program: Vec<String>, stale: Duration) -> Self {
        let (name, latest) = (name.to_owned(), Latest::default());
        let mut stream = Self { name, program, stale, latest, running: None };
        // Where it cannot be started, the first reading says so.
        stream.start().ok();
        stream
    }

    fn start(&mut self) -> Result<(), Fault> {
        let mut child = program::start(&self.name, &self.program)?;
        let Some(output) = child.stdout.take() else { return Err(Fault::NotPresent) };
        let (name, latest) = (self.name.clone(), self.latest.clone());
        let reader = std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while matches!(output.by_ref().take(MOST_BYTES).read_until(b'\n', &mut line), Ok(1..)) {
                let said = parse_line(&String::from_utf8_lossy(&line)).map_err(|error| {
                    tracing::warn!(sensor = name, error, "the program printed no reading");
                    Fault::BusError
                });
                *latest.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((said, Instant::now()));
                line.clear();
            }
        });
        self.running = Some((child, reader));
        Ok(())
    }

    fn stop(&mut self) {
        let Some((mut child, reader)) = self.running.take() else { return };
        program::kill(&child);
        child.wait().ok();
        if reader.join().is_err() {
            tracing::error!(sensor = self.name, "the reader of a program panicked");
        }
    }
}

impl Sensor for Stream {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let ended = match &mut self.running {
            Some((child, _)) => !matches!(child.try_wait(), Ok(None)),
            None => true,
        };
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).take();
        if ended {
            if self.running.is_some() {
                tracing::warn!(sensor = self.name, "the program has ended, and is started again");
            }
            self.stop();
            self.start()?;
        }
        match latest {
            Some((said, then)) if then.elapsed() <= self.stale => said,
            _ => Err(Fault::Timeout),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    fn shell(script: &str) -> Stream {
        let program = ["sh", "-c", script].map(str::to_owned).to_vec();
        Stream::new("x", program, Duration::from_secs(3600))
    }

    fn eventually(stream: &mut Stream, expected: &str) {
        let begun = Instant::now();
        let mut said = String::new();
        while said != expected {
            assert!(begun.elapsed() < Duration::from_secs(60), "{said} in place of {expected}");
            std::thread::yield_now();
            said = shown(&stream.read());
        }
    }

    #[test]
    fn each_line_is_told_once_and_a_program_that_ends_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let gate = folder.path().join("gate");
        let script = format!(
            "echo temperature=21.5; while [ ! -e {gate} ]; do sleep 0.01; done; echo nonsense; exec sleep 60",
            gate = gate.display()
        );
        let mut stream = shell(&script);
        eventually(&mut stream, "temperature 21.5 Cel");
        assert_eq!(shown(&stream.read()), "timeout");
        std::fs::write(&gate, "").unwrap();
        eventually(&mut stream, "bus-error");

        let mut short = shell("echo temperature=1");
        eventually(&mut short, "temperature 1 Cel");
        eventually(&mut short, "temperature 1 Cel");
        let missing = ["/no/such/program".to_owned()].to_vec();
        assert_eq!(shown(&Stream::new("x", missing, Duration::ZERO).read()), "not-present");
    }
}
