//! The command line: reads the arguments, sets up logs, runs a command, and turns its end into an
//! exit code (0 done, 1 failed, 2 wrong usage or configuration).

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::commands::{self, Failure};
use crate::config::Config;

/// Carries the readings of this device to AWS IoT Core and loses none.
#[derive(Debug, Parser)]
#[command(name = "tidings-agent", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the sensors and publish until SIGTERM or Ctrl-C.
    Run {
        #[command(flatten)]
        config: ConfigArgument,
        /// Print a line of JSON about the state of things this often (for example 1s).
        #[arg(long, value_name = "DURATION", value_parser = crate::config::parse_duration)]
        status_every: Option<Duration>,
    },
    /// Look once at the configuration, the files, the queue and the connection.
    Check {
        #[command(flatten)]
        config: ConfigArgument,
    },
    /// Publish one reading, or one per line of standard input, and wait for the acknowledgement.
    Publish(commands::PublishArguments),
    /// Print what arrives on a topic.
    Subscribe {
        #[command(flatten)]
        config: ConfigArgument,
        /// Topic filter [default: this device's commands].
        filter: Option<String>,
        /// End after this many messages.
        #[arg(long)]
        count: Option<u64>,
    },
}

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgument {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "/etc/tidings/agent.toml")]
    config: PathBuf,
}

impl ConfigArgument {
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(&self.config)?)
    }
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
    start_logs();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(arguments.command)),
        Err(source) => Err(Failure::Runtime(source)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let mut message = format!("tidings-agent: {failure}");
            let mut cause = std::error::Error::source(&failure);
            while let Some(error) = cause {
                message.push_str(&format!("\n  because: {error}"));
                cause = error.source();
            }
            // Where not even the error stream works, the exit code still speaks.
            drop(writeln!(std::io::stderr(), "{message}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run { config, status_every } => commands::run(config.load()?, status_every).await,
        Command::Check { config } => commands::check(&config).await,
        Command::Publish(arguments) => commands::publish(arguments).await,
        Command::Subscribe { config, filter, count } => {
            commands::subscribe(&config.load()?, filter, count).await
        }
    }
}

/// Logs go to the error stream: standard output belongs to what a command answers.
fn start_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("TIDINGS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,rumqttc=warn"));
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // Logs may be set up already where this runs within another program.
    drop(logs.try_init());
}
