//! What calls the function at times, and who is told of alerts.

use super::super::facts::Facts;
use super::{MEND_FUNCTION, MEND_WIRE, Report};
use crate::account::names::{
    ALIAS, FUNCTION, TICK_EVENT, TICK_RULE, TICK_SCHEDULE, TOPIC_VARIABLE,
};

pub(super) fn check(facts: &Facts, report: &mut Report) {
    let missing =
        format!("there is no schedule {TICK_RULE}: nobody is told of devices that fall silent");
    if let Some(schedule) = report.there("schedule", &facts.schedule, &missing, MEND_WIRE) {
        let mut problems = Vec::new();
        if !schedule.enabled {
            problems.push(format!("the schedule {TICK_RULE} is disabled"));
        }
        if schedule.expression != TICK_SCHEDULE {
            problems.push(format!(
                "the schedule is {}, and should be {TICK_SCHEDULE}",
                schedule.expression
            ));
        }
        let function = facts.arn("lambda", &format!("function:{FUNCTION}:{ALIAS}"));
        let is_ours = |(arn, input): &(String, String)| {
            Some(arn) == function.as_ref() && input.as_str() == TICK_EVENT
        };
        if !schedule.targets.iter().any(is_ours) {
            problems
                .push(format!("the schedule does not call {FUNCTION}:{ALIAS} with {TICK_EVENT}"));
        }
        let says = format!("the function is called by {TICK_SCHEDULE}");
        report.all_of("schedule", says, problems, MEND_WIRE);
        permission(facts, report);
    }
    let Ok(Some(function)) = &facts.function else { return };
    if let Some((_, topic)) = function.variables.iter().find(|(name, _)| name == TOPIC_VARIABLE) {
        report.good("alerts", format!("alerts go to the topic {topic}"));
    } else {
        let says = format!("{TOPIC_VARIABLE} is not set: alerts are logged, and nobody is told");
        report.warn("alerts", says, MEND_FUNCTION);
    }
}

fn permission(facts: &Facts, report: &mut Report) {
    // Whether they can be looked at is said with the permission of the rule.
    let Ok(permissions) = &facts.permissions else { return };
    let rule = facts.arn("events", &format!("rule/{TICK_RULE}"));
    let may = permissions.iter().any(|known| {
        known.principal == "events.amazonaws.com"
            && known.source_arn == rule
            && known.source_account.as_deref() == facts.account()
    });
    if may {
        report.good("schedule-permission", "the schedule of this account may call the function");
    } else {
        let says = format!("the schedule {TICK_RULE} of this account may not call the function");
        report.wrong("schedule-permission", says, MEND_WIRE);
    }
}
