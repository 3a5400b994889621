//! `deploy` and `teardown`: the plain commands of others in order, each printed before it runs, so
//! that nobody depends on this program for them.

mod shell;
mod teardown;

use std::io::Write;
use std::path::{Path, PathBuf};

use self::shell::Line;
pub use self::teardown::{TeardownArguments, teardown};
use crate::Trouble;
use crate::account::names::{BASE_STACK, FUNCTION, WIRE_STACK};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct DeployArguments {
    /// Where this project's source is.
    #[arg(long, value_name = "DIR", default_value = ".")]
    source: PathBuf,
    /// Who is told of alarms.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    alarm_email: String,
    /// Who is told of alerts that are set for devices.
    #[arg(long, value_name = "ADDRESS", default_value = "")]
    alert_email: String,
    /// How messages come to the function: at once, or through a queue of SQS.
    #[arg(long, value_enum, default_value = "direct")]
    path: Way,
    /// Build for x86-64, which costs a quarter more a second, instead of for arm64.
    #[arg(long)]
    x86_64: bool,
    /// Let the tables be deleted without further ado.
    #[arg(long)]
    no_deletion_protection: bool,
    /// Endpoint of what stands for AWS.
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
    /// Print the commands only.
    #[arg(long)]
    dry_run: bool,
}

/// How messages come to the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// The rule invokes it.
    Direct,
    /// The rule sends to a queue, which it reads in batches.
    Queue,
}

/// The role's ARN, in the outputs of the first stack.
const ROLE_QUERY: &str = "Stacks[0].Outputs[?OutputKey=='FunctionRoleArn'].OutputValue";

/// Deploys the first stack, the function and the second stack.
///
/// # Errors
/// When a command fails, which has then said why.
pub async fn deploy(arguments: DeployArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let templates = Path::new("infra").join("cloudformation");
    if !arguments.source.join(&templates).join("base.yaml").exists() {
        return Err(Trouble::Usage(format!(
            "{} is not the source of Tidings: say where it is by --source",
            arguments.source.display()
        )));
    }
    let protection = if arguments.no_deletion_protection { "false" } else { "true" };
    let way = match arguments.path {
        Way::Direct => "direct",
        Way::Queue => "queue",
    };
    let stack = |name: &str, file: &str, parameters: &[String]| {
        Line::new("aws")
            .add(["cloudformation", "deploy", "--stack-name", name, "--template-file"])
            .add([templates.join(file).display().to_string()])
            .add(["--capabilities", "CAPABILITY_NAMED_IAM", "--no-fail-on-empty-changeset"])
            .add(["--tags", "project=tidings", "--parameter-overrides"])
            .add(parameters)
    };
    let machine = if arguments.x86_64 { "--x86-64" } else { "--arm64" };
    let at = |line: Line| line.at(arguments.endpoint_url.as_deref());
    let source = &arguments.source;
    let lambda = source.join("lambda");
    let role = Line::new("aws")
        .add(["cloudformation", "describe-stacks", "--stack-name", BASE_STACK, "--query"])
        .add([ROLE_QUERY, "--output", "text"]);

    let base = stack(
        BASE_STACK,
        "base.yaml",
        &[
            format!("DeletionProtection={protection}"),
            format!("AlertEmail={}", arguments.alert_email),
        ],
    );
    let build = Line::new("cargo").add(["lambda", "build", "--release", machine]);
    let wire = stack(
        WIRE_STACK,
        "wire.yaml",
        &[format!("Path={way}"), format!("AlarmEmail={}", arguments.alarm_email)],
    );
    let put = |role: &str| Line::new("cargo").add(["lambda", "deploy", FUNCTION, "--role", role]);
    if arguments.dry_run {
        for (line, folder) in [
            (at(base), source),
            (at(role), source),
            (build, &lambda),
            (at(put("THAT_ROLE")), &lambda),
            (at(wire), source),
        ] {
            writeln!(out, "(cd {} && {line})", folder.display())?;
        }
        return Ok(());
    }
    at(base).run(source, out).await?;
    let role = at(role).output(source, out).await?;
    build.run(&lambda, out).await?;
    at(put(role.trim())).run(&lambda, out).await?;
    at(wire).run(source, out).await?;
    writeln!(out, "\nDeployed. Next: tidings provision THING --aws --out DIR, and tidings doctor")?;
    Ok(())
}
