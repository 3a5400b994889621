//! Alarms: the one file that knows the SDK of CloudWatch.

use aws_sdk_cloudwatch::Client;

use super::names::ALARM_PREFIX;
use super::refused;
use crate::{Trouble, aws};

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    pub(crate) state: String,
    /// Whether anything is done when it goes off.
    pub(crate) actions: bool,
}

/// All alarms of ours.
pub(crate) async fn alarms(endpoint: Option<&str>) -> Result<Vec<Alarm>, Trouble> {
    let client = Client::new(&aws::config(endpoint).await);
    let (mut list, mut next) = (Vec::new(), None);
    loop {
        let page = client.describe_alarms().alarm_name_prefix(ALARM_PREFIX).set_next_token(next);
        let page = page.send().await.map_err(|error| refused("alarms", error))?;
        list.extend(page.metric_alarms.unwrap_or_default().into_iter().map(|alarm| Alarm {
            name: alarm.alarm_name.unwrap_or_default(),
            state: alarm.state_value.map(|state| state.to_string()).unwrap_or_default(),
            actions: alarm.actions_enabled.unwrap_or(true)
                && !alarm.alarm_actions.unwrap_or_default().is_empty(),
        }));
        next = page.next_token;
        if next.is_none() {
            return Ok(list);
        }
    }
}
