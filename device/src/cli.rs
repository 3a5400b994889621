//! The command line: reads the arguments, sets up logs, runs a command, and turns its end into an
//! exit code (0 done, 1 failed, 2 wrong usage or configuration).

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::commands::{self, ClaimArguments, ConfigArgument, Failure};
use crate::manual::{self, ManArguments};
use crate::terminal;

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
    /// Say what is wired to this machine and what it says now, as a configuration to paste.
    Sensors,
    /// Publish one reading, or one per line of standard input, and wait for the acknowledgement.
    Publish(commands::PublishArguments),
    /// Say what waits in the queue, whether the agent runs or not.
    Queue {
        #[command(flatten)]
        config: ConfigArgument,
        /// As one JSON object.
        #[arg(long)]
        json: bool,
        /// The messages that were given up, one JSON object each; the agent must not run.
        #[arg(long, conflicts_with = "json")]
        dead: bool,
    },
    /// Claim a certificate of this device's own with one that many devices share.
    Claim(ClaimArguments),
    /// Print the completions for a shell.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the page for `man`, or write those of all commands into a folder.
    Man(ManArguments),
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

/// Runs the program with these arguments, the first of which is its name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Arguments = match terminal::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
    };
    terminal::start_logs("info,rumqttc=warn");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(arguments.command)),
        Err(source) => Err(Failure::Runtime(source)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            terminal::explain("tidings-agent", &failure);
            if let Some(remedy) = failure.remedy() {
                // Where not even the error stream works, the exit code still speaks.
                writeln!(std::io::stderr(), "  {remedy}").ok();
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Run { config, status_every } => commands::run(&config, status_every).await,
        Command::Check { config } => commands::check(&config).await,
        Command::Sensors => commands::sensors(),
        Command::Queue { config, json, dead } => commands::queue(&config, json, dead).await,
        Command::Completions { shell } => {
            let out = &mut std::io::stdout().lock();
            Ok(manual::completions(Arguments::command(), shell, out)?)
        }
        Command::Man(ManArguments { out: None }) => {
            Ok(manual::page(Arguments::command(), &mut std::io::stdout().lock())?)
        }
        Command::Man(ManArguments { out: Some(folder) }) => {
            manual::pages(Arguments::command(), &folder).map_err(Failure::Manual).map(drop)
        }
        Command::Claim(arguments) => commands::claim(&arguments).await,
        Command::Publish(arguments) => commands::publish(arguments).await,
        Command::Subscribe { config, filter, count } => {
            commands::subscribe(&config.load()?, filter, count).await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The package for Debian has them as they are here, however it is built.
    #[test]
    fn the_packages_pages_and_completions_are_those_of_this_program() {
        let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging");
        let folder = tempfile::tempdir().unwrap();
        let count = manual::pages(Arguments::command(), folder.path()).unwrap();
        let kept = fs::read_dir(packaging.join("man")).unwrap().count();
        let remedy = "write them anew: tidings-agent man --out device/packaging/man; \
                      tidings-agent completions bash > device/packaging/completions/tidings-agent.bash";
        assert_eq!(kept, count, "{remedy}");
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let kept = packaging.join("man").join(path.file_name().unwrap());
            let (made, kept) = (fs::read(&path).unwrap(), fs::read(&kept).unwrap_or_default());
            assert!(made == kept, "{}: {remedy}", path.display());
        }
        let mut made = Vec::new();
        manual::completions(Arguments::command(), Shell::Bash, &mut made).unwrap();
        let kept = fs::read(packaging.join("completions/tidings-agent.bash")).unwrap();
        assert!(made == kept, "{remedy}");
    }
}
