//! The path: from the topic rule to the function, and where goes what fails.

use tidings_ingest::envelope::RULE_SQL;
use tidings_schema::topic::RULE_NAME;

use super::super::facts::{Facts, Queue};
use super::{MEND_BASE, MEND_WIRE, Report};
use crate::account::iot::Rule;
use crate::account::names::{
    ALIAS, EVENTS_QUEUE, FAILED_QUEUE, FUNCTION, RULE_ERRORS_QUEUE, SQL_VERSION, is_same_queue,
};

/// How long queues keep messages: the most that SQS can, 14 days.
const KEPT_SECONDS: u64 = 14 * 86_400;
/// Topic rules that an account may have, and from how many on that is near (IoT Core quotas).
const RULES: usize = 1000;
const NEAR_RULES: usize = 900;

pub(super) fn check(facts: &Facts, report: &mut Report) {
    let missing =
        format!("there is no rule {RULE_NAME} in {}: what devices publish is gone", facts.region);
    if let Some(rule) = report.there("rule", &facts.rule, &missing, MEND_WIRE) {
        rule_is_ours(rule, report);
        target(rule, facts, report);
        errors(rule, facts, report);
    }
    if let Some(count) = report.fact("rules", &facts.rules)
        && *count >= NEAR_RULES
    {
        report.warn("rules", format!("{count} of {RULES} topic rules"), "delete old ones");
    }
    retries(facts, report);
    queue("failed-queue", FAILED_QUEUE, &facts.failed, report);
    queue("rule-errors-queue", RULE_ERRORS_QUEUE, &facts.rule_errors, report);
}

fn rule_is_ours(rule: &Rule, report: &mut Report) {
    if rule.disabled {
        report.wrong(
            "rule",
            "the rule is disabled: what devices publish is gone",
            format!("aws iot enable-topic-rule --rule-name {RULE_NAME}"),
        );
    } else {
        report.good("rule", "the rule is enabled");
    }
    let mut problems = Vec::new();
    if words(&rule.sql) != words(RULE_SQL) {
        problems.push(format!(
            "the rule's SQL is not that of this version: {}",
            words(&rule.sql).join(" ")
        ));
    }
    if rule.version != SQL_VERSION {
        problems.push(format!(
            "the rule's SQL version is {:?}, and should be {SQL_VERSION}",
            rule.version
        ));
    }
    report.all_of("rule-sql", "SQL and its version are those of this program", problems, MEND_WIRE);
}

fn words(sql: &str) -> Vec<&str> {
    sql.split_whitespace().collect()
}

/// Where the rule hands messages to: the function, or a queue that is read for it.
fn target(rule: &Rule, facts: &Facts, report: &mut Report) {
    let function = facts.arn("lambda", &format!("function:{FUNCTION}:{ALIAS}"));
    let events = facts.events.as_ref().ok().and_then(Option::as_ref);
    let to = |what: &str| rule.targets.iter().any(|target| target == what);
    if function.as_deref().is_some_and(to) {
        report.good("rule-target", "the rule invokes the function's alias live");
        permission(facts, report);
    } else if events
        .is_some_and(|(url, _)| rule.targets.iter().any(|target| is_same_queue(target, url)))
    {
        report.good("rule-target", "the rule sends to the queue that the function reads");
        mapping(facts, report);
    } else {
        let says = format!(
            "the rule hands messages to {}, and should to {}",
            if rule.targets.is_empty() { "nobody".to_owned() } else { rule.targets.join(", ") },
            function.unwrap_or_else(|| format!("{FUNCTION}:{ALIAS}"))
        );
        report.wrong("rule-target", says, MEND_WIRE);
    }
}

fn permission(facts: &Facts, report: &mut Report) {
    let Some(permissions) = report.fact("permission", &facts.permissions) else { return };
    let from_iot: Vec<_> =
        permissions.iter().filter(|known| known.principal == "iot.amazonaws.com").collect();
    let rule = facts.arn("iot", &format!("rule/{RULE_NAME}"));
    let of_rule = from_iot.iter().find(|known| known.source_arn == rule);
    match of_rule {
        Some(known) if known.source_account.as_deref() == facts.account() => {
            report.good("permission", "the rule of this account may invoke the function");
        }
        Some(_) => report.wrong(
            "permission",
            "the permission of AWS IoT to invoke the function names no account of yours: a rule \
             of that name in any account may",
            MEND_WIRE,
        ),
        None if from_iot.is_empty() => report.wrong(
            "permission",
            "AWS IoT may not invoke the function: every message goes to the rule's error action",
            MEND_WIRE,
        ),
        None => report.wrong(
            "permission",
            format!(
                "AWS IoT may invoke the function for {}, and not for this rule",
                from_iot
                    .iter()
                    .map(|known| known.source_arn.as_deref().unwrap_or("every rule"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            MEND_WIRE,
        ),
    }
}

fn mapping(facts: &Facts, report: &mut Report) {
    let Some(mappings) = report.fact("queue-reader", &facts.mappings) else { return };
    let Ok(Some((_, events))) = &facts.events else { return };
    let mut problems = Vec::new();
    match mappings.iter().find(|mapping| mapping.source_arn == events.arn) {
        None => problems.push(format!("nothing reads {EVENTS_QUEUE} for the function")),
        Some(mapping) => {
            if mapping.state != "Enabled" {
                problems.push(format!("what reads {EVENTS_QUEUE} is {}", mapping.state));
            }
            if !mapping.reports_items {
                problems.push(
                    "one message that fails brings the whole batch back: ReportBatchItemFailures \
                     is not set"
                        .to_owned(),
                );
            }
        }
    }
    report.all_of("queue-reader", "the function reads its queue", problems, MEND_WIRE);
}

fn errors(rule: &Rule, facts: &Facts, report: &mut Report) {
    let Ok(Some((url, _))) = &facts.rule_errors else { return };
    match &rule.errors_to {
        Some(to) if is_same_queue(to, url) => {
            report.good("error-action", "the rule tells its errors")
        }
        Some(to) => report.wrong(
            "error-action",
            format!("the rule tells its errors to {to}, and should to {url}"),
            MEND_WIRE,
        ),
        None => report.wrong(
            "error-action",
            "the rule has no error action: a message that it cannot hand over is gone",
            MEND_WIRE,
        ),
    }
}

fn retries(facts: &Facts, report: &mut Report) {
    let Ok(Some(_)) = &facts.function else { return };
    let missing = "Lambda was not told what to do with events that fail: after its tries they are \
                   gone";
    let Some(retries) = report.there("on-failure", &facts.retries, missing, MEND_WIRE) else {
        return;
    };
    let expected = match &facts.failed {
        Ok(Some((_, queue))) => Some(queue.arn.clone()),
        Ok(None) | Err(_) => None,
    };
    match (&retries.on_failure, expected) {
        (Some(to), Some(expected)) if *to == expected => {
            if retries.attempts == Some(0) {
                report.warn(
                    "on-failure",
                    "Lambda does not try again: every hiccup ends in the queue",
                    MEND_WIRE,
                );
            } else {
                report.good("on-failure", format!("what fails goes to {FAILED_QUEUE}"));
            }
        }
        (Some(to), _) if to.ends_with(&format!(":{FAILED_QUEUE}")) => {}
        (Some(to), _) => report.wrong(
            "on-failure",
            format!("what fails goes to {to}, and should to {FAILED_QUEUE}"),
            MEND_WIRE,
        ),
        (None, _) => report.wrong(
            "on-failure",
            "events that fail for good are gone: there is no destination for them",
            MEND_WIRE,
        ),
    }
}

fn queue(about: &'static str, name: &str, queue: &Queue, report: &mut Report) {
    let missing = format!("the queue {name} is missing");
    let Some((url, state)) = report.there(about, queue, &missing, MEND_BASE) else { return };
    if state.waiting + state.taken > 0 {
        report.warn(
            about,
            format!("{} messages wait in {name}", state.waiting + state.taken),
            format!("tidings replay --queue {url}"),
        );
    } else if state.kept_seconds < KEPT_SECONDS {
        report.wrong(
            about,
            format!(
                "{name} keeps messages for {} s only, and could for 14 days",
                state.kept_seconds
            ),
            MEND_BASE,
        );
    } else {
        report.good(about, format!("{name} is empty"));
    }
}
