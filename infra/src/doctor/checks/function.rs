//! The function: its program, its settings, its role, its limits.

use serde_json::Value as Json;

use super::super::facts::Facts;
use super::{MEND_BASE, MEND_FUNCTION, Report};
use crate::account::function::Function;
use crate::account::names::{ALERT_TOPIC, ALIAS, FUNCTION, FUNCTION_POLICY};
use crate::account::roles::Role;

/// The runtime that cargo-lambda deploys to.
const RUNTIME: &str = "provided.al2023";
/// What says the function how long it may take where the runtime does not.
const TIMEOUT_VARIABLE: &str = "TIDINGS_TIMEOUT_SECONDS";
/// Part of a limit from which it is near.
const NEAR_PERCENT: i64 = 80;
/// Functions that must be able to run at a time for a burst of a small fleet.
const FEW: i32 = 20;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    let missing = format!("there is no function {FUNCTION} in {}", facts.region);
    if let Some(function) = report.there("function", &facts.function, &missing, MEND_FUNCTION) {
        state(function, report);
        machine(function, facts, report);
        role_of(function, facts, report);
        let missing = "the function has no alias live, which the rule invokes";
        if let Some(version) = report.there("alias", &facts.alias, missing, MEND_FUNCTION) {
            report.good("alias", format!("{ALIAS} is version {version}"));
        }
    }
    let missing = "the function's role is missing";
    if let Some(role) = report.there("role", &facts.role, missing, MEND_BASE) {
        grants(role, facts, report);
    }
    limits(facts, report);
}

fn state(function: &Function, report: &mut Report) {
    let mut problems = Vec::new();
    // Lambda says Inactive of a function that nobody has called for weeks: the next call wakes it.
    if function.state == "Failed" || function.last_update == "Failed" {
        problems.push("Lambda could not bring it up".to_owned());
    }
    if function.runtime != RUNTIME {
        problems.push(format!("runtime is {}, and should be {RUNTIME}", function.runtime));
    }
    let said = function.variables.iter().find(|(name, _)| name == TIMEOUT_VARIABLE);
    if let Some((name, seconds)) = said
        && seconds.parse() != Ok(function.timeout_seconds)
    {
        problems.push(format!(
            "timeout is {} s, but {name} says {seconds}: the function could be ended while it writes",
            function.timeout_seconds
        ));
    }
    let good = format!(
        "{} MB, {} s, {}, {}",
        function.memory_mb, function.timeout_seconds, function.runtime, function.architecture
    );
    report.all_of("function", good, problems, MEND_FUNCTION);
}

/// cargo-lambda never sends the architecture of a function that is there: a zip of the other one
/// breaks at the first start.
fn machine(function: &Function, facts: &Facts, report: &mut Report) {
    let Some(Some(machine)) = report.fact("architecture", &facts.machine) else { return };
    if machine.name() == function.architecture {
        report.good("architecture", format!("program and function are for {}", machine.name()));
        return;
    }
    report.wrong(
        "architecture",
        format!(
            "the program is for {}, but the function runs on {}: no start succeeds",
            machine.name(),
            function.architecture
        ),
        "build with --arm64 or --x86-64 to match, or delete the function and deploy it anew",
    );
}

fn role_of(function: &Function, facts: &Facts, report: &mut Report) {
    let Ok(Some(role)) = &facts.role else { return };
    if function.role == role.arn {
        report.good("role", "the function has its own role");
        return;
    }
    report.wrong(
        "role",
        format!("the function runs as {}, and should as {}", function.role, role.arn),
        "aws lambda update-function-configuration --function-name tidings-ingest --role ROLE: \
         cargo lambda deploy sends a changed role only along with another change",
    );
}

/// What the role must be able to do, and on what.
fn needed(facts: &Facts) -> Vec<(&'static str, String)> {
    let [readings, quarantine, devices] = &facts.tables;
    let table = |name: &str| facts.arn("dynamodb", &format!("table/{name}"));
    let failed = facts.failed.as_ref().ok().and_then(Option::as_ref);
    let list = [
        ("dynamodb:BatchWriteItem", table(&readings.0)),
        ("dynamodb:BatchWriteItem", table(&quarantine.0)),
        ("dynamodb:BatchWriteItem", table(&devices.0)),
        ("dynamodb:BatchGetItem", table(&devices.0)),
        ("dynamodb:GetItem", table(&devices.0)),
        ("dynamodb:PutItem", table(&devices.0)),
        ("dynamodb:Query", table(&devices.0)),
        ("dynamodb:DeleteItem", table(&devices.0)),
        ("dynamodb:PutItem", table(&readings.0)),
        ("dynamodb:Query", table(&readings.0)),
        ("sns:Publish", facts.arn("sns", ALERT_TOPIC)),
        ("sqs:SendMessage", failed.map(|(_, queue)| queue.arn.clone())),
    ];
    list.into_iter().filter_map(|(action, on)| Some((action, on?))).collect()
}

fn grants(role: &Role, facts: &Facts, report: &mut Report) {
    let statements: Vec<&Json> =
        role.inline.iter().flat_map(|(_, document)| list(&document["Statement"])).collect();
    let allows = |action: &str, on: &str| {
        statements.iter().any(|statement| {
            statement["Effect"] == "Allow"
                && texts(&statement["Action"]).any(|granted| granted == action)
                && texts(&statement["Resource"]).any(|resource| resource == on)
        })
    };
    let mut problems: Vec<String> = needed(facts)
        .into_iter()
        .filter(|(action, on)| !allows(action, on))
        .map(|(action, on)| format!("the role may not {action} on {on}"))
        .collect();
    if !role.inline.iter().any(|(name, _)| name == FUNCTION_POLICY) {
        problems.push(format!("its policy {FUNCTION_POLICY} is missing"));
    }
    report.all_of("role-policy", "the role may do what the function needs", problems, MEND_BASE);

    // More than it needs: least privilege is a promise too.
    let wide =
        statements.iter().filter(|statement| statement["Effect"] == "Allow").flat_map(|it| {
            let wide = |text: &&str| *text == "*" || text.ends_with(":*");
            texts(&it["Action"]).filter(wide).map(|action| format!("it grants {action}"))
        });
    let attached = role.attached.iter().map(|arn| format!("{arn} is attached"));
    let more: Vec<String> = wide.chain(attached).collect();
    if !more.is_empty() {
        let says = format!("the role may do more than the function needs: {}", more.join("; "));
        report.warn("role-policy", says, "take it away, or say it in the template");
    }
}

/// A value that may stand alone or in a list, as in every policy document.
fn list(value: &Json) -> Vec<&Json> {
    match value {
        Json::Array(values) => values.iter().collect(),
        Json::Null => Vec::new(),
        other => vec![other],
    }
}

fn texts(value: &Json) -> impl Iterator<Item = &str> {
    list(value).into_iter().filter_map(Json::as_str)
}

fn limits(facts: &Facts, report: &mut Report) {
    let Some(limits) = report.fact("limits", &facts.limits) else { return };
    let mut near = Vec::new();
    if limits.code_limit > 0 && limits.code_bytes * 100 >= limits.code_limit * NEAR_PERCENT {
        near.push(format!(
            "versions of functions take {} of {} MB: each deploy adds one, and none is ever deleted",
            limits.code_bytes >> 20,
            limits.code_limit >> 20
        ));
    }
    if limits.concurrency > 0 && limits.unreserved < FEW {
        near.push(format!("only {} functions of the account can run at a time", limits.unreserved));
    }
    if near.is_empty() {
        report.good("limits", format!("{} functions can run at a time", limits.unreserved));
    } else {
        report.warn(
            "limits",
            near.join("; "),
            "delete old versions, ask for a higher quota, or deploy tidings-wire with Path=queue",
        );
    }
}
