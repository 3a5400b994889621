//! The command line: reads the arguments, sets up logs, runs a command, and turns its end into an
//! exit code (0 done, 1 failed, 2 wrong usage).

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::provision::ProvisionArguments;
use crate::query::QueryArguments;
use crate::up::UpArguments;
use crate::{Trouble, provision, query, up};

/// Readings from sensors to DynamoDB: the pipeline on one machine, and the data to look at.
#[derive(Debug, Parser)]
#[command(name = "tidings", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole pipeline on this machine, with no account.
    Up(UpArguments),
    /// Make key, certificate and configuration for a device of a local `up`.
    Provision(ProvisionArguments),
    /// Print readings of a device or a sensor.
    Query(QueryArguments),
    /// Be an agent (what `up` starts as a process of its own).
    #[command(hide = true)]
    Agent {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Runs the program with these arguments, the first of which is its name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        // clap prints help and usage errors alike, each on its stream.
        Err(error) => {
            let code = u8::try_from(error.exit_code()).unwrap_or(2);
            return match error.print() {
                Ok(()) => ExitCode::from(code),
                Err(_) => ExitCode::FAILURE,
            };
        }
    };
    let command = match arguments.command {
        Command::Agent { arguments } => {
            // Should `up` be killed, its agent ends with it and leaves the queue to the next one.
            let signal = Some(rustix::process::Signal::TERM);
            rustix::process::set_parent_process_death_signal(signal).ok();
            return tidings_agent::cli::main(
                std::iter::once("tidings-agent".into()).chain(arguments),
            );
        }
        command => command,
    };
    start_logs();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(command)),
        Err(error) => Err(Trouble::Internal(error.to_string())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            let mut message = format!("tidings: {trouble}");
            let mut cause = std::error::Error::source(&trouble);
            while let Some(error) = cause {
                message.push_str(&format!("\n  because: {error}"));
                cause = error.source();
            }
            // Where not even the error stream works, the exit code still speaks.
            writeln!(std::io::stderr(), "{message}").ok();
            ExitCode::from(trouble.exit_code())
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Trouble> {
    match command {
        Command::Up(arguments) => up::up(arguments).await,
        Command::Provision(arguments) => {
            provision::provision(&arguments, &mut std::io::stdout().lock())
        }
        Command::Query(arguments) => query::query(arguments, &mut std::io::stdout().lock()).await,
        Command::Agent { .. } => {
            Err(Trouble::Internal("an agent is started before this".to_owned()))
        }
    }
}

/// Logs go to the error stream: standard output belongs to what a command answers.
fn start_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIDINGS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // Logs may be set up already where this runs within another program.
    logs.try_init().ok();
}
