//! A program of the user's own that is run for each reading and prints it: the last line of its
//! output is a JSON object, a SenML pack, or words such as `co2=612`.

use std::io::Read as _;
use std::time::{Duration, Instant};

use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::values::parse_line;
use super::{Sensor, program};

/// Output that is read of a program; the rest is its own business.
const MOST_BYTES: u64 = 64 * 1024;

/// A program.
pub(super) struct Command {
    name: String,
    program: Vec<String>,
    deadline: Duration,
}

impl Command {
    pub(super) fn new(name: &str, program: Vec<String>, deadline: Duration) -> Self {
        Self { name: name.to_owned(), program, deadline }
    }

    fn complain(&self, what: &str, detail: &str) {
        tracing::warn!(sensor = self.name, detail, "{what}");
    }
}

impl Sensor for Command {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let begun = Instant::now();
        let mut child = program::start(&self.name, &self.program)?;
        let output = child.stdout.take();
        // Its output is read elsewhere, so that the deadline holds whatever it does.
        let (sender, output_ends) = std::sync::mpsc::channel();
        let reader = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = output.map(|output| output.take(MOST_BYTES).read_to_end(&mut bytes));
            sender.send(()).ok();
            read.and_then(Result::ok).map(|_| bytes)
        });
        let in_time =
            output_ends.recv_timeout(self.deadline.saturating_sub(begun.elapsed())).is_ok();
        if !in_time {
            program::kill(&child);
        }
        // One that has closed its output and goes on is not waited for beyond its deadline either.
        let status = wait(&mut child, begun + self.deadline);
        let bytes = reader.join().ok().flatten().unwrap_or_default();
        let Some(status) = status.filter(|_| in_time) else { return Err(Fault::Timeout) };
        if !status.success() {
            self.complain("the program failed", &status.to_string());
            return Err(Fault::BusError);
        }
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        parse_line(line).map_err(|error| {
            self.complain("the program printed no reading", &error);
            Fault::BusError
        })
    }
}

/// Waits for the end of a child, and makes it come at the deadline.
fn wait(child: &mut std::process::Child, deadline: Instant) -> Option<std::process::ExitStatus> {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < deadline => {
                std::thread::park_timeout(pause);
                pause = (pause * 2).min(Duration::from_millis(50));
            }
            Ok(None) | Err(_) => {
                program::kill(child);
                child.wait().ok();
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::shown;
    use super::*;

    fn run(script: &str, deadline: Duration) -> String {
        let program = ["sh", "-c", script].map(str::to_owned).to_vec();
        shown(&Command::new("x", program, deadline).read())
    }

    #[test]
    fn the_last_line_is_the_reading_and_failures_have_their_reasons() {
        let minute = Duration::from_secs(60);
        assert_eq!(run("echo warming up; echo co2=612; echo", minute), "co2 612 ppm");
        assert_eq!(run("echo '{\"temperature\":21.5}'", minute), "temperature 21.5 Cel");
        assert_eq!(run("exit 3", minute), "bus-error");
        assert_eq!(run("echo hello", minute), "bus-error");
        assert_eq!(run("true", minute), "bus-error");
        assert_eq!(run("yes | head -c 1000000; echo; echo co2=1", minute), "bus-error");
        let mut missing = Command::new("x", vec!["/no/such/program".to_owned()], minute);
        assert_eq!(missing.read(), Err(Fault::NotPresent));
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_all_that_it_has_started() {
        let soon = Duration::from_millis(200);
        assert_eq!(run("sleep 1000 & sleep 1000", soon), "timeout");
        assert_eq!(run("exec >&-; sleep 1000", soon), "timeout");
    }
}
