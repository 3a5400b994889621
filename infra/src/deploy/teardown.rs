//! `teardown`: everything that `deploy` and `provision` made is taken away again.

use std::io::{BufRead as _, IsTerminal as _, Write};
use std::path::Path;

use super::shell::Line;
use crate::Trouble;
use crate::account::function::Lambda;
use crate::account::iot::Iot;
use crate::account::names::{
    ALERT_TOPIC, BASE_STACK, CLAIM_POLICY, DEVICE_POLICY, EVENTS_QUEUE, FAILED_QUEUE, FLEET_STACK,
    FUNCTION, RULE_ERRORS_QUEUE, WIRE_STACK,
};
use crate::account::queues;
use crate::aws;
use crate::target::Target;

/// What must be typed.
const WORD: &str = "tear down";

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct TeardownArguments {
    #[command(flatten)]
    target: Target,
    /// Leave the tables, with all that is in them.
    #[arg(long)]
    keep_tables: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

/// What is there.
#[derive(Debug)]
struct There {
    /// Name, items, bytes, and whether it is protected.
    tables: Vec<(String, i64, i64, bool)>,
    /// Name and messages.
    queues: Vec<(&'static str, u64)>,
    /// Certificates of devices and of claims, and the things of each.
    certificates: Vec<(String, Vec<String>)>,
    function: bool,
}

/// Says what will be lost, asks, and takes it away.
///
/// # Errors
/// When nobody has agreed, or something could not be taken away.
pub async fn teardown(arguments: TeardownArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let endpoint = arguments.target.endpoint_url.as_deref();
    aws::ready(endpoint).await?;
    let iot = Iot::connect(endpoint).await;
    let there = look(&arguments.target, &iot, endpoint).await?;
    tell(&there, arguments.keep_tables, out)?;
    if !arguments.yes {
        agree(out)?;
    }
    for (arn, things) in &there.certificates {
        let whose = if things.is_empty() { "claims".to_owned() } else { things.join(", ") };
        writeln!(out, "taking back the certificate of {whose}")?;
        iot.remove_certificate(arn).await?;
    }
    for thing in things(&there) {
        writeln!(out, "deleting the thing {thing}")?;
        iot.delete_thing(thing).await?;
    }
    let here = Path::new(".");
    let aws = |words: &[&str]| Line::new("aws").add(words.iter().copied()).at(endpoint);
    delete_stack(FLEET_STACK, endpoint, out).await?;
    delete_stack(WIRE_STACK, endpoint, out).await?;
    if there.function {
        let line = aws(&["lambda", "delete-function", "--function-name", FUNCTION]);
        line.run(here, out).await?;
    }
    if !arguments.keep_tables {
        for (name, .., protected) in &there.tables {
            if *protected {
                let line = aws(&["dynamodb", "update-table", "--table-name", name]);
                line.add([
                    "--no-deletion-protection-enabled",
                    "--query",
                    "TableDescription.TableName",
                ])
                .run(here, out)
                .await?;
            }
        }
    }
    delete_stack(BASE_STACK, endpoint, out).await?;
    if !arguments.keep_tables {
        let database = arguments.target.connect().await;
        for (name, ..) in &there.tables {
            // The stack keeps tables that it had finished, and deletes those of a first try.
            if database.table_state(name).await?.is_some() {
                let line = aws(&["dynamodb", "delete-table", "--table-name", name]);
                line.add(["--query", "TableDescription.TableName"]).run(here, out).await?;
            }
        }
    }
    writeln!(
        out,
        "\nNothing is left{}.",
        if arguments.keep_tables { " but the tables" } else { "" }
    )?;
    Ok(())
}

async fn look(target: &Target, iot: &Iot, endpoint: Option<&str>) -> Result<There, Trouble> {
    let database = target.connect().await;
    let tables = target.tables();
    let mut there =
        There { tables: Vec::new(), queues: Vec::new(), certificates: Vec::new(), function: false };
    for name in [tables.readings, tables.quarantine, tables.devices] {
        if let Some(state) = database.table_state(&name).await? {
            there.tables.push((name, state.items, state.bytes, state.protected));
        }
    }
    for name in [FAILED_QUEUE, RULE_ERRORS_QUEUE, EVENTS_QUEUE] {
        if let Some((_, state)) = queues::state(name, endpoint).await? {
            there.queues.push((name, state.waiting + state.taken));
        }
    }
    for policy in [DEVICE_POLICY, CLAIM_POLICY] {
        for arn in iot.holders(policy).await? {
            let things = iot.things_of(&arn).await?;
            there.certificates.push((arn, things));
        }
    }
    there.function = Lambda::connect(endpoint).await.function().await?.is_some();
    Ok(there)
}

/// All that have one of the certificates, each once.
fn things(there: &There) -> Vec<&str> {
    let all = there.certificates.iter().flat_map(|(_, things)| things);
    let all: std::collections::BTreeSet<&str> = all.map(String::as_str).collect();
    all.into_iter().collect()
}

fn tell(there: &There, keep_tables: bool, out: &mut impl Write) -> Result<(), Trouble> {
    writeln!(out, "This takes away, for ever:")?;
    for (name, items, bytes, _) in &there.tables {
        if keep_tables {
            writeln!(out, "  (the table {name} stays)")?;
        } else {
            let megabytes = *bytes >> 20;
            writeln!(out, "  the table {name}, with about {items} items ({megabytes} MB)")?;
        }
    }
    for (name, messages) in &there.queues {
        writeln!(out, "  the queue {name}, with {messages} messages that were not replayed")?;
    }
    let things = things(there);
    writeln!(
        out,
        "  {} certificates of {} things, which then cannot connect any more: {}",
        there.certificates.len(),
        things.len(),
        things.join(", ")
    )?;
    writeln!(
        out,
        "  the stacks {WIRE_STACK}, {BASE_STACK} and, if it is there, {FLEET_STACK}; the function {FUNCTION} and its logs; the topic {ALERT_TOPIC} with its subscribers"
    )?;
    Ok(())
}

fn agree(out: &mut impl Write) -> Result<(), Trouble> {
    if !std::io::stdin().is_terminal() {
        return Err(Trouble::Usage("there is nobody to ask: add --yes".to_owned()));
    }
    write!(out, "Type \"{WORD}\" to go on: ")?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim() == WORD {
        return Ok(());
    }
    Err(Trouble::Usage("nothing was taken away".to_owned()))
}

async fn delete_stack(
    name: &str,
    endpoint: Option<&str>,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    for words in [
        ["cloudformation", "delete-stack"].as_slice(),
        &["cloudformation", "wait", "stack-delete-complete"],
    ] {
        let line = Line::new("aws").add(words.iter().copied()).add(["--stack-name", name]);
        line.at(endpoint).run(Path::new("."), out).await?;
    }
    Ok(())
}
