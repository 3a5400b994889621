//! The names that templates, function and commands share; a test compares them with the templates.

/// The function.
pub const FUNCTION: &str = "tidings-ingest";
/// The alias that the rule invokes, so that a version can be taken back without touching the rule.
pub const ALIAS: &str = "live";
/// The first stack.
pub const BASE_STACK: &str = "tidings-base";
/// The second stack.
pub const WIRE_STACK: &str = "tidings-wire";
/// The optional third, for claims.
pub const FLEET_STACK: &str = "tidings-fleet";
/// Where Lambda puts events that it gives up.
pub const FAILED_QUEUE: &str = "tidings-failed";
/// Where the rule puts messages that it could not hand over.
pub const RULE_ERRORS_QUEUE: &str = "tidings-rule-errors";
/// Between rule and function, where the path goes over SQS.
pub const EVENTS_QUEUE: &str = "tidings-events";
/// Who is told of alerts that a person has set.
pub const ALERT_TOPIC: &str = "tidings-alerts";
/// Who is told of alarms, where an address is given.
pub const ALARM_TOPIC: &str = "tidings-alarms";
/// The variable that tells the function the first of them.
pub const TOPIC_VARIABLE: &str = "TIDINGS_ALERT_TOPIC";
/// What calls the function at times, how often, and with what.
pub const TICK_RULE: &str = "tidings-tick";
/// How often.
pub const TICK_SCHEDULE: &str = "rate(5 minutes)";
/// The whole event.
pub const TICK_EVENT: &str = tidings_ingest::job::TICK;
/// The policy of the devices' certificates.
pub const DEVICE_POLICY: &str = "tidings-device";
/// The policy of certificates that devices share to claim their own.
pub const CLAIM_POLICY: &str = "tidings-claim";
/// The inline policy of the function's role.
pub const FUNCTION_POLICY: &str = "ingest";
/// What all alarms begin with.
pub const ALARM_PREFIX: &str = "tidings-";
/// Version of the rule's SQL.
pub const SQL_VERSION: &str = "2016-03-23";
/// The function's log group.
pub const LOG_GROUP: &str = "/aws/lambda/tidings-ingest";

/// The alarms of the stack `tidings-wire`.
pub const ALARMS: [&str; 14] = [
    "tidings-events-dropped",
    "tidings-destination-failures",
    "tidings-rule-not-found",
    "tidings-rule-throttled",
    "tidings-rule-failures",
    "tidings-rule-errors",
    "tidings-failed-events",
    "tidings-function-errors",
    "tidings-function-throttles",
    "tidings-ingest-lag",
    "tidings-quarantine-rate",
    "tidings-silence",
    "tidings-alert-failures",
    "tidings-rollups-behind",
];

/// Whether two URLs are of one queue: what counts is account and name, for SQS has several hosts.
#[must_use]
pub fn is_same_queue(one: &str, other: &str) -> bool {
    fn name(url: &str) -> Vec<&str> {
        url.rsplit('/').take(2).collect()
    }
    name(one) == name(other)
}

/// The function's role; roles are global, so the region is in the name.
#[must_use]
pub fn function_role(region: &str) -> String {
    format!("tidings-ingest-{region}")
}

/// The topic rule's role.
#[must_use]
pub fn rule_role(region: &str) -> String {
    format!("tidings-rule-{region}")
}

#[cfg(test)]
mod tests;
