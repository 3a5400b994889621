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
    /// Who is told of alarms; left out, what was said before holds. "" for nobody.
    #[arg(long, value_name = "ADDRESS")]
    alarm_email: Option<String>,
    /// Who is told of alerts that are set for devices; left out, what was said before holds. "" for nobody.
    #[arg(long, value_name = "ADDRESS")]
    alert_email: Option<String>,
    /// How messages come to the function: at once (so at first), or through a queue of SQS. Left out, what was
    /// said before holds. On the way back from a queue, what waits in `tidings-events` is deleted with it.
    #[arg(long, value_enum)]
    path: Option<Way>,
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
    let way = arguments.path.map(|path| match path {
        Way::Direct => "direct",
        Way::Queue => "queue",
    });
    // "Parameters that you don't specify": `aws cloudformation deploy` keeps what the stack has.
    let stack = |name: &str, file: &str, parameters: &[(&str, Option<&str>)]| {
        let said = parameters.iter();
        let said = said.filter_map(|(name, value)| Some(format!("{name}={}", (*value)?)));
        let mut said: Vec<String> = said.collect();
        if !said.is_empty() {
            said.insert(0, "--parameter-overrides".to_owned());
        }
        Line::new("aws")
            .add(["cloudformation", "deploy", "--stack-name", name, "--template-file"])
            .add([templates.join(file).display().to_string()])
            .add(["--capabilities", "CAPABILITY_NAMED_IAM", "--no-fail-on-empty-changeset"])
            .add(["--tags", "project=tidings"])
            .add(said)
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
            ("DeletionProtection", Some(protection)),
            ("AlertEmail", arguments.alert_email.as_deref()),
        ],
    );
    let build = Line::new("cargo").add(["lambda", "build", "--release", machine]);
    let wire = stack(
        WIRE_STACK,
        "wire.yaml",
        &[("Path", way), ("AlarmEmail", arguments.alarm_email.as_deref())],
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

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        arguments: DeployArguments,
    }

    async fn commands(more: &[&str]) -> Vec<String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().display().to_string();
        let given = [&["deploy", "--dry-run", "--source", &source], more].concat();
        let mut out = Vec::new();
        deploy(Program::parse_from(given).arguments, &mut out).await.unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn what_is_not_said_stays_as_it_was_said_before() {
        let lines = commands(&[]).await;
        let (base, wire) = (&lines[0], &lines[4]);
        assert!(base.contains("--parameter-overrides DeletionProtection=true)"), "{base}");
        assert!(!wire.contains("overrides") && wire.contains("tidings-wire"), "{wire}");
        let lines = commands(&["--alert-email", "a@b", "--path", "queue"]).await;
        assert!(
            lines[0].contains("AlertEmail=a@b") && !lines[4].contains("AlarmEmail"),
            "{lines:?}"
        );
        assert!(lines[4].contains("--parameter-overrides Path=queue"), "{lines:?}");
        let lines = commands(&["--alarm-email", ""]).await;
        assert!(lines[4].contains("AlarmEmail="), "{lines:?}");
    }
}
