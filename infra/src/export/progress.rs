//! How far an export is, on the error stream: one line that is written anew where somebody watches,
//! a line for each month where it goes into a log.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// The time between two looks of a person.
const EVERY: Duration = Duration::from_millis(200);

/// What is told.
#[derive(Debug)]
pub(crate) struct Progress {
    is_terminal: bool,
    started: Instant,
    shown: Option<Instant>,
    readings: u64,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self { is_terminal, started: Instant::now(), shown: None, readings: 0 }
    }

    /// The same where readings go to standard output, which may be the same terminal.
    pub(crate) fn beside_output() -> Self {
        let mut progress = Self::start();
        progress.is_terminal &= !std::io::stdout().is_terminal();
        progress
    }

    /// So many more readings are written, of this sensor and month.
    pub(crate) fn count(&mut self, readings: usize, place: &dyn std::fmt::Display) {
        self.readings += readings as u64;
        if !self.is_terminal || self.shown.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(Instant::now());
        let (readings, rate) = (self.readings, self.rate());
        write!(std::io::stderr(), "\r\x1b[K{readings} readings, {rate}/s, {place}").ok();
    }

    /// A month is whole.
    pub(crate) fn month(&self, text: &dyn std::fmt::Display) {
        if !self.is_terminal {
            writeln!(std::io::stderr(), "{text}").ok();
        }
    }

    /// Readings a second since it began.
    fn rate(&self) -> u128 {
        u128::from(self.readings) * 1000 / self.started.elapsed().as_millis().max(1)
    }

    pub(crate) const fn readings(&self) -> u64 {
        self.readings
    }

    /// Milliseconds since it began.
    pub(crate) fn millis(&self) -> u128 {
        self.started.elapsed().as_millis()
    }

    /// Leaves a terminal as it was.
    pub(crate) fn end(&mut self) {
        if self.shown.take().is_some() {
            write!(std::io::stderr(), "\r\x1b[K").ok();
        }
    }
}
