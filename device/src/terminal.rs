//! What every program of the workspace does with its terminal: arguments in, logs and errors out.

use std::error::Error;
use std::ffi::OsString;
use std::io::{IsTerminal, Write as _};
use std::process::ExitCode;

use clap::Parser;

/// Reads the arguments, the first of which is the program's name. Help and usage errors are
/// printed, each on its stream.
///
/// # Errors
/// The exit code, where there is nothing left to do.
pub fn parse<A: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<A, ExitCode> {
    A::try_parse_from(arguments).map_err(|error| {
        let code = u8::try_from(error.exit_code()).unwrap_or(2);
        match error.print() {
            Ok(()) => ExitCode::from(code),
            Err(_) => ExitCode::FAILURE,
        }
    })
}

/// Starts the logs, on the error stream: standard output belongs to what a command answers.
/// `TIDINGS_LOG` sets what is logged, and this default where it says nothing.
pub fn start_logs(default: &str) {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIDINGS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    // The journal has a time of its own.
    let in_journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(takes_colour(&std::io::stderr()))
        .with_target(false);
    // Logs may be set up already where this runs within another program.
    if in_journal {
        logs.without_time().try_init().ok();
    } else {
        logs.try_init().ok();
    }
}

/// Whether colours go to a stream: to a terminal, unless `NO_COLOR` says anything
/// (no-color.org) or the terminal is a dumb one.
#[must_use]
pub fn takes_colour(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    stream.is_terminal() && !refused && !dumb
}

/// Says on the error stream why a program failed, a cause a line.
pub fn explain(program: &str, error: &dyn Error) {
    let message = format!("{program}: {}", causes(error, "\n  because: "));
    // Where not even the error stream works, the exit code still speaks.
    writeln!(std::io::stderr(), "{message}").ok();
}

/// An error and its causes, with something in between.
#[must_use]
pub fn causes(error: &dyn Error, between: &str) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(between);
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
