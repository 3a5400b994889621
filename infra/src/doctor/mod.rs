//! `doctor`: reads the account, and says line by line what is wrong and how to mend it.

mod checks;
mod code;
mod facts;
mod print;
mod read;

use std::io::{IsTerminal as _, Write};
use std::time::Duration;

use tidings_agent::config::parse_duration;
use tidings_agent::{clock, terminal};

use self::checks::Level;
use crate::Trouble;
use crate::aws;
use crate::target::Target;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct DoctorArguments {
    #[command(flatten)]
    target: Target,
    /// A device is silent when nothing has come from it for so long.
    #[arg(long, value_name = "DURATION", default_value = "15m", value_parser = parse_duration)]
    silent_after: Duration,
    /// Do not fetch the function's zip (some megabytes) to compare it with its architecture.
    #[arg(long)]
    no_code: bool,
    /// Print one JSON object, for machines.
    #[arg(long)]
    json: bool,
}

/// Looks at everything.
///
/// # Errors
/// When something is wrong, after it has been said; or when nothing can be said.
pub async fn doctor(arguments: DoctorArguments, out: &mut impl Write) -> Result<(), Trouble> {
    aws::ready(arguments.target.endpoint_url.as_deref()).await?;
    let progress = std::io::stderr().is_terminal() && !arguments.json;
    let facts = read::read(&arguments.target, !arguments.no_code, progress).await;
    let findings = checks::check(&facts, clock::now(), arguments.silent_after);
    if arguments.json {
        print::json(&facts, &findings, out)?;
    } else {
        print::text(&facts, &findings, terminal::takes_colour(&std::io::stdout()), out)?;
    }
    let wrong = findings.iter().filter(|finding| finding.level == Level::Wrong).count();
    if wrong > 0 { Err(Trouble::Unsound { wrong }) } else { Ok(()) }
}
