//! The live view in the terminal: a few lines that are written over each second, or one plain line
//! every ten seconds where there is no terminal.

use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write as _};

use tidings_agent::status::Status;

/// What is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Snapshot {
    pub(super) seconds: u64,
    pub(super) agent: Status,
    /// Events that wait for the function or are in it.
    pub(super) open_events: u64,
    pub(super) failed_events: u64,
    /// Readings that the function has written.
    pub(super) stored: u64,
    /// Time from the newest stored reading to now, in milliseconds.
    pub(super) lag_ms: Option<i64>,
    pub(super) quarantined: u64,
    /// Latest values, one line for each sensor.
    pub(super) latest: Vec<String>,
}

/// Seconds between plain lines.
const PLAIN_EVERY: u64 = 10;

/// Readings a second over the last minute, one bar a second.
const HISTORY: usize = 60;

#[derive(Debug)]
pub(super) struct View {
    terminal: bool,
    drawn: usize,
    accepted_before: Option<u64>,
    rates: VecDeque<u64>,
}

impl View {
    pub(super) fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            drawn: 0,
            accepted_before: None,
            rates: VecDeque::new(),
        }
    }

    /// Shows the state of things. To the error stream: the output is the last line's.
    pub(super) fn show(&mut self, snapshot: &Snapshot) -> std::io::Result<()> {
        let before = self.accepted_before.replace(snapshot.agent.accepted);
        self.rates.push_back(snapshot.agent.accepted.saturating_sub(before.unwrap_or(0)));
        if self.rates.len() > HISTORY {
            self.rates.pop_front();
        }
        let mut out = std::io::stderr().lock();
        if self.terminal {
            let (width, height) = terminal_size::terminal_size()
                .map_or((80, 24), |(width, height)| (usize::from(width.0), usize::from(height.0)));
            let mut lines = lines(snapshot, &self.rates);
            // What has scrolled off the screen cannot be drawn over.
            lines.truncate(height.saturating_sub(1));
            // Up over what was drawn, and clear to the end of the screen.
            if self.drawn > 0 {
                write!(out, "\x1b[{}A\x1b[J", self.drawn)?;
            }
            for line in &lines {
                writeln!(
                    out,
                    "{}",
                    line.chars().take(width.saturating_sub(1)).collect::<String>()
                )?;
            }
            self.drawn = lines.len();
        } else if snapshot.seconds.is_multiple_of(PLAIN_EVERY) {
            writeln!(out, "{}", plain(snapshot, &self.rates))?;
        }
        out.flush()
    }
}

fn per_second(rates: &VecDeque<u64>) -> f64 {
    let last: Vec<u64> = rates.iter().rev().take(10).copied().collect();
    let sum = u32::try_from(last.iter().sum::<u64>()).unwrap_or(u32::MAX);
    let count = u32::try_from(last.len().max(1)).unwrap_or(1);
    f64::from(sum) / f64::from(count)
}

fn lag(snapshot: &Snapshot) -> String {
    snapshot
        .lag_ms
        .map_or_else(|| "–".to_owned(), |ms| format!("{}.{} s", ms / 1000, ms % 1000 / 100))
}

fn plain(snapshot: &Snapshot, rates: &VecDeque<u64>) -> String {
    let agent = snapshot.agent;
    format!(
        "{:>5} s  {:.1} readings/s  in queue {}  acknowledged {}  stored {}  quarantined {}  lag {}",
        snapshot.seconds,
        per_second(rates),
        agent.waiting,
        agent.acknowledged,
        snapshot.stored,
        snapshot.quarantined,
        lag(snapshot),
    )
}

fn lines(snapshot: &Snapshot, rates: &VecDeque<u64>) -> Vec<String> {
    let agent = snapshot.agent;
    let link = if agent.online { "connected" } else { "not connected" };
    let mut lines = vec![
        format!(
            "  accepted     {:>8}   {:.1} readings/s  {}",
            agent.accepted,
            per_second(rates),
            bars(rates)
        ),
        format!("  in queue     {:>8}   {link}", agent.waiting),
        format!(
            "  acknowledged {:>8}   in {} messages, {} bytes",
            agent.acknowledged, agent.messages, agent.bytes
        ),
        format!(
            "  in function  {:>8}   {} failed for good",
            snapshot.open_events, snapshot.failed_events
        ),
        format!("  stored       {:>8}   lag {}", snapshot.stored, lag(snapshot)),
        format!("  quarantined  {:>8}", snapshot.quarantined),
        String::new(),
    ];
    lines.extend(snapshot.latest.iter().map(|line| format!("  {line}")));
    lines
}

/// A bar for each number, the highest as high as a line.
fn bars(numbers: &VecDeque<u64>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let highest = numbers.iter().copied().max().unwrap_or(0).max(1);
    let bar = |number: &u64| BARS[usize::try_from(number * 7 / highest).unwrap_or(7).min(7)];
    numbers.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_the_path_are_shown() {
        let snapshot = Snapshot {
            seconds: 10,
            agent: Status { accepted: 40, acknowledged: 30, waiting: 10, ..Status::default() },
            lag_ms: Some(1250),
            quarantined: 2,
            stored: 28,
            ..Snapshot::default()
        };
        let rates = VecDeque::from([0, 2, 4]);
        assert_eq!(
            plain(&snapshot, &rates),
            "   10 s  2.0 readings/s  in queue 10  acknowledged 30  stored 28  quarantined 2  lag 1.2 s"
        );
        assert_eq!(bars(&rates), "▁▄█");
        assert!(lines(&snapshot, &rates)[0].contains("40"));
    }
}
