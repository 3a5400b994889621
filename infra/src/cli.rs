//! The command line: reads the arguments, sets up logs, runs a command, and turns its end into an
//! exit code (0 done, 1 failed, 2 wrong usage).

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use tidings_agent::terminal;

use crate::cost::CostArguments;
use crate::deploy::{DeployArguments, TeardownArguments};
use crate::device::DeviceArguments;
use crate::doctor::DoctorArguments;
use crate::event::EventArguments;
use crate::export::ExportArguments;
use crate::import::ImportArguments;
use crate::manual::{CompletionsArguments, ManArguments};
use crate::provision::ProvisionArguments;
use crate::query::QueryArguments;
use crate::replay::ReplayArguments;
use crate::top::TopArguments;
use crate::up::UpArguments;
use crate::view::ViewArguments;
use crate::{
    Trouble, cost, deploy, device, doctor, event, export, import, manual, provision, query, replay,
    top, up, view,
};

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
    /// Make thing, key, certificate and configuration for a device or a fleet; replace or revoke.
    Provision(Box<ProvisionArguments>),
    /// Serve a page over the fleet and its readings, on this machine alone.
    View(ViewArguments),
    /// Print readings of a device or a sensor.
    Query(QueryArguments),
    /// Show the fleet, live: who is heard, what waits, is lost or refused, and the latest values.
    Top(TopArguments),
    /// Show or set what you say of a device: site, labels, calibration, ranges.
    Device(DeviceArguments),
    /// Send what was refused, or has failed, through the function's code again.
    Replay(Box<ReplayArguments>),
    /// Take readings out of the table into files of CSV, JSON lines or Parquet.
    Export(Box<ExportArguments>),
    /// Bring old measurements in by the function's own code, from files of CSV.
    Import(Box<ImportArguments>),
    /// Make the function's event out of a payload, or show what is in one.
    Event(EventArguments),
    /// What a fleet costs a month on AWS, line by line, beside the tutorial's way.
    Cost(CostArguments),
    /// Deploy both stacks and the function to AWS, by plain commands that are printed.
    Deploy(DeployArguments),
    /// Take everything away from AWS again, after saying what will be lost.
    Teardown(TeardownArguments),
    /// Read the AWS account: what is wrong with the deployment, and how to mend it.
    Doctor(DoctorArguments),
    /// Print the completions for a shell.
    Completions(CompletionsArguments),
    /// Print the page for `man`, or write those of all commands into a folder.
    Man(ManArguments),
    /// Be an agent (what `up` starts as a process of its own).
    #[command(hide = true)]
    Agent {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// Runs the program with these arguments, the first of which is its name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Arguments = match terminal::parse(arguments) {
        Ok(arguments) => arguments,
        Err(code) => return code,
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
    // The AWS SDK warns of each place where it finds no credentials; what fails says so itself.
    terminal::start_logs("warn,aws_config=error");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(command)),
        Err(error) => Err(Trouble::Internal(error.to_string())),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            terminal::explain("tidings", &trouble);
            ExitCode::from(trouble.exit_code())
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Trouble> {
    match command {
        Command::Up(arguments) => up::up(arguments).await,
        Command::View(arguments) => view::view(arguments).await,
        Command::Provision(arguments) => {
            provision::provision(*arguments, &mut std::io::stdout().lock()).await
        }
        Command::Cost(arguments) => cost::cost(arguments, &mut std::io::stdout().lock()).await,
        Command::Deploy(arguments) => {
            deploy::deploy(arguments, &mut std::io::stdout().lock()).await
        }
        Command::Teardown(arguments) => {
            deploy::teardown(arguments, &mut std::io::stdout().lock()).await
        }
        Command::Doctor(arguments) => {
            doctor::doctor(arguments, &mut std::io::stdout().lock()).await
        }
        Command::Device(arguments) => {
            device::device(arguments, &mut std::io::stdout().lock()).await
        }
        Command::Replay(arguments) => {
            replay::replay(*arguments, &mut std::io::stdout().lock()).await
        }
        Command::Export(arguments) => {
            export::export(*arguments, &mut std::io::stdout().lock()).await
        }
        Command::Import(arguments) => {
            import::import(*arguments, &mut std::io::stdout().lock()).await
        }
        Command::Event(arguments) => event::event(&arguments, &mut std::io::stdout().lock()),
        Command::Query(arguments) => query::query(arguments, &mut std::io::stdout().lock()).await,
        Command::Completions(arguments) => {
            manual::completions(&arguments, Arguments::command(), &mut std::io::stdout().lock())
        }
        Command::Man(arguments) => {
            manual::man(&arguments, Arguments::command(), &mut std::io::stdout().lock())
        }
        Command::Top(arguments) => top::top(arguments, &mut std::io::stdout()).await,
        Command::Agent { .. } => {
            Err(Trouble::Internal("an agent is started before this".to_owned()))
        }
    }
}
