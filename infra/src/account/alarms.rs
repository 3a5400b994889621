//! Alarms, and what the function told last: the one file that knows the SDK of CloudWatch.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use serde::Serialize;
use tidings_ingest::metrics::NAMESPACE;
use tidings_schema::UnixMillis;

use super::names::{ALARM_PREFIX, FUNCTION};
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

/// What the function told in the last hour; `None` where it told nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct LastHour {
    /// Readings that were written.
    pub(crate) accepted: Option<f64>,
    /// Of those, how many came again.
    pub(crate) duplicates: Option<f64>,
    /// Refusals.
    pub(crate) quarantined: Option<f64>,
    /// Messages that an invocation could not write, and that come again.
    pub(crate) failed_messages: Option<f64>,
    /// The longest time from the rule to the table, in milliseconds.
    pub(crate) lag_ms: Option<f64>,
}

/// Seconds that a value of a metric stands for; CloudWatch keeps minutes for two weeks.
const PERIOD: i32 = 300;
const HOUR_MS: i64 = 3_600_000;

/// What the function told in the last hour, by one question.
///
/// # Errors
/// When CloudWatch does not answer, or may not be asked (cloudwatch:GetMetricData).
pub(crate) async fn last_hour(
    endpoint: Option<&str>,
    now: UnixMillis,
) -> Result<LastHour, Trouble> {
    let client = Client::new(&aws::config(endpoint).await);
    let queries = [
        ("accepted", "Accepted", "Sum"),
        ("duplicates", "Duplicates", "Sum"),
        ("quarantined", "Quarantined", "Sum"),
        ("failed_messages", "FailedMessages", "Sum"),
        ("lag_ms", "IngestLag", "Maximum"),
    ];
    let queries = queries.map(|(id, metric, statistic)| {
        let service = Dimension::builder().name("service").value(FUNCTION).build();
        let metric = Metric::builder().namespace(NAMESPACE).metric_name(metric).dimensions(service);
        let wanted = MetricStat::builder().metric(metric.build()).period(PERIOD).stat(statistic);
        MetricDataQuery::builder().id(id).metric_stat(wanted.build()).build()
    });
    let answer = client
        .get_metric_data()
        .set_metric_data_queries(Some(queries.to_vec()))
        .start_time(DateTime::from_millis(now.get() - HOUR_MS))
        .end_time(DateTime::from_millis(now.get()))
        .send()
        .await
        .map_err(|error| refused("metrics", error))?;
    let mut hour = LastHour::default();
    for result in answer.metric_data_results.unwrap_or_default() {
        let values = result.values.unwrap_or_default();
        let sum = (!values.is_empty()).then(|| values.iter().sum());
        match result.id.as_deref() {
            Some("accepted") => hour.accepted = sum,
            Some("duplicates") => hour.duplicates = sum,
            Some("quarantined") => hour.quarantined = sum,
            Some("failed_messages") => hour.failed_messages = sum,
            Some("lag_ms") => hour.lag_ms = values.into_iter().reduce(f64::max),
            Some(_) | None => {}
        }
    }
    Ok(hour)
}
