//! What calls the function at times: the one file that knows the SDK of EventBridge.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::RuleState;

use super::{found, refused};
use crate::{Trouble, aws};

/// A rule with a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Schedule {
    pub(crate) enabled: bool,
    /// Such as `rate(5 minutes)`.
    pub(crate) expression: String,
    /// ARN of what it calls, and with what.
    pub(crate) targets: Vec<(String, String)>,
}

/// The rule of this name, if it is there.
pub(crate) async fn schedule(
    name: &str,
    endpoint: Option<&str>,
) -> Result<Option<Schedule>, Trouble> {
    const ACTION: &str = "looking at the schedule";
    let client = Client::new(&aws::config(endpoint).await);
    let rule = client.describe_rule().name(name).send().await;
    let Some(rule) = found(ACTION, rule)? else { return Ok(None) };
    let targets = client.list_targets_by_rule().rule(name).send().await;
    let targets = targets.map_err(|error| refused(ACTION, error))?.targets.unwrap_or_default();
    Ok(Some(Schedule {
        enabled: rule.state == Some(RuleState::Enabled),
        expression: rule.schedule_expression.unwrap_or_default(),
        targets: targets
            .into_iter()
            .map(|target| (target.arn, target.input.unwrap_or_default()))
            .collect(),
    }))
}
