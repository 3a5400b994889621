//! The tables and the alarms.

use super::super::facts::Facts;
use super::{MEND_BASE, MEND_WIRE, Report};
use crate::account::alarms::Alarm;
use crate::account::names::ALARMS;
use crate::tables::{TTL_ATTRIBUTE, TableState};

pub(super) fn check(facts: &Facts, report: &mut Report) {
    for (name, state) in &facts.tables {
        let missing = format!("the table {name} is missing");
        if let Some(state) = report.there("table", state, &missing, MEND_BASE) {
            table(name, state, report);
        }
    }
    if let Some(alarms) = report.fact("alarms", &facts.alarms) {
        look_at(alarms, report);
    }
}

fn table(name: &str, state: &TableState, report: &mut Report) {
    let mut problems = Vec::new();
    if !matches!(state.status.as_str(), "ACTIVE" | "UPDATING") {
        problems.push(format!("{name} is {}", state.status));
    }
    if state.keys != ["pk", "sk"] {
        problems.push(format!(
            "{name} has the keys {}, and should have pk and sk",
            state.keys.join(" and ")
        ));
    }
    report.all_of("table", format!("{name}: about {} items", state.items), problems, MEND_BASE);
    match &state.ttl {
        Some(attribute) if attribute == TTL_ATTRIBUTE => {}
        Some(other) => report.wrong(
            "table-ttl",
            format!("items of {name} end by {other}, and should by {TTL_ATTRIBUTE}"),
            MEND_BASE,
        ),
        None => report.wrong(
            "table-ttl",
            format!("items of {name} never end, and are paid for ever: TTL is off"),
            format!(
                "aws dynamodb update-time-to-live --table-name {name} \
                 --time-to-live-specification AttributeName={TTL_ATTRIBUTE},Enabled=true"
            ),
        ),
    }
    if !state.point_in_time {
        report.wrong(
            "table-recovery",
            format!("{name} cannot be brought back to a time: point-in-time recovery is off"),
            format!(
                "aws dynamodb update-continuous-backups --table-name {name} \
                 --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
            ),
        );
    }
}

fn look_at(alarms: &[Alarm], report: &mut Report) {
    let named = |name: &&str| alarms.iter().any(|alarm| alarm.name == **name);
    let missing: Vec<&str> = ALARMS.into_iter().filter(|name| !named(name)).collect();
    if missing.is_empty() {
        report.good("alarms", format!("all {} are in place", ALARMS.len()));
    } else {
        report.wrong("alarms", format!("missing: {}", missing.join(", ")), MEND_WIRE);
    }
    let ours = || alarms.iter().filter(|alarm| ALARMS.contains(&alarm.name.as_str()));
    for alarm in ours().filter(|alarm| alarm.state == "ALARM") {
        report.warn(
            "alarm",
            format!("{} is on", alarm.name),
            format!("aws cloudwatch describe-alarms --alarm-names {} says why", alarm.name),
        );
    }
    if !alarms.is_empty() && ours().all(|alarm| !alarm.actions) {
        report.warn(
            "alarms",
            "nobody is told of them",
            "deploy tidings-wire with AlarmEmail=you@example.org",
        );
    }
}
