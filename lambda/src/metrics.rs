//! The one line of a healthy invocation: a log line that is at the same time metrics in
//! CloudWatch's embedded metric format.
//!
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>:
//! up to 100 metrics in a directive; a custom metric is paid for by name and dimensions, so the only
//! dimension is the function, and no device is ever one.)

use std::collections::BTreeMap;
use std::fmt::Write as _;

use tidings_schema::UnixMillis;

use crate::alert::Alerted;
use crate::job::JobSummary;
use crate::source::Source;

/// Namespace of all metrics.
pub const NAMESPACE: &str = "Tidings";

/// The one dimension, and its value.
const DIMENSION: (&str, &str) = ("service", "tidings-ingest");

/// Messages of a batch that the line names, where something was refused or not written: enough to
/// find them, and a bound to the line.
const NAMED: usize = 10;

/// What an invocation did.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// What invoked the function.
    pub source: Source,
    /// Messages in it.
    pub messages: usize,
    /// Messages that were not done, and will come again.
    pub failed: usize,
    /// Bytes of their payloads.
    pub bytes: usize,
    /// Readings written to `readings`, faults included.
    pub accepted: usize,
    /// Of those, readings that are faults.
    pub faults: usize,
    /// Readings that stood twice.
    pub duplicates: usize,
    /// Items written to `quarantine`, by reason.
    pub quarantined: BTreeMap<&'static str, usize>,
    /// Items written again because DynamoDB had left them or failed.
    pub retries: usize,
    /// Devices whose readings are stored without what the operator says of them, because the table
    /// could not be asked.
    pub unenriched: usize,
    /// What was done about alerts.
    pub alerts: Alerted,
    /// From the rule to now, in milliseconds, of the message that waited longest.
    pub lag_ms: Option<i64>,
    /// Whether it is the first of this process.
    pub cold_start: bool,
    /// The only message's, or those of messages with something refused or not written.
    pub named: Vec<NamedMessage>,
    /// The trace id of X-Ray, where it is switched on.
    pub xray_trace_id: Option<String>,
    /// What a job of the schedule did.
    pub job: Option<JobSummary>,
    /// Name and text of what went wrong.
    pub error: Option<(&'static str, String)>,
}

/// A message as logs know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMessage {
    /// Who sent it.
    pub client_id: String,
    /// Its name in the logs of AWS IoT.
    pub trace_id: Option<String>,
    /// Reason of the first thing that was refused of it.
    pub reason: Option<&'static str>,
    /// When the rule saw it.
    pub received_at: UnixMillis,
    /// The certificate that it came with; not in the line.
    pub principal: Option<String>,
}

impl Report {
    /// Items written to `quarantine`.
    #[must_use]
    pub fn quarantined(&self) -> usize {
        self.quarantined.values().sum()
    }

    /// Names a message in the line, as long as there is room.
    pub(crate) fn name(&mut self, message: impl FnOnce() -> NamedMessage) {
        if self.named.len() < NAMED {
            self.named.push(message());
        }
    }

    /// The line, without its end.
    #[must_use]
    pub fn line(&self, now: UnixMillis) -> String {
        let mut line = Line(String::with_capacity(640));
        let (level, message) = match (&self.job, self.failed) {
            (Some(_), _) if self.error.is_none() => ("INFO", "summed up"),
            (Some(_), _) => ("ERROR", "not summed up"),
            (None, 0) => ("INFO", "ingested"),
            (None, _) => ("ERROR", "not ingested"),
        };
        line.text("level", level);
        line.text("message", message);
        if let Some((name, text)) = &self.error {
            line.text("name", name);
            line.text("error", text);
        }
        line.text("source", self.source.name());
        line.number("messages", self.messages);
        line.number("bytes", self.bytes);
        match self.named.as_slice() {
            [] => {}
            [only] if self.messages == 1 => only.write(&mut line),
            several => {
                line.name("named");
                for (index, one) in several.iter().enumerate() {
                    line.0.push(if index == 0 { '[' } else { ',' });
                    let mut inner = Line(String::new());
                    one.write(&mut inner);
                    line.0.push_str(&inner.end());
                }
                line.0.push(']');
            }
        }
        line.optional("xray_trace_id", self.xray_trace_id.as_deref());
        line.text(DIMENSION.0, DIMENSION.1);

        // Those that graphs need as zeros are always there, the others cost nothing while all is well.
        let mut metrics = String::with_capacity(200);
        let mut metric = |line: &mut Line, name: &str, value: usize, unit: &str| {
            let comma = if metrics.is_empty() { "" } else { "," };
            write!(metrics, r#"{comma}{{"Name":"{name}","Unit":"{unit}"}}"#).ok();
            line.number(name, value);
        };
        if self.job.is_none() {
            metric(&mut line, "Accepted", self.accepted, "Count");
            metric(&mut line, "Quarantined", self.quarantined(), "Count");
        }
        for (reason, number) in &self.quarantined {
            metric(&mut line, &format!("Quarantined.{reason}"), *number, "Count");
        }
        for (name, number) in [
            ("Faults", self.faults),
            ("Duplicates", self.duplicates),
            ("WriteRetries", self.retries),
            ("FailedMessages", self.failed),
            ("Unenriched", self.unenriched),
            ("AlertsRaised", self.alerts.raised),
            ("AlertsCleared", self.alerts.cleared),
            ("AlertFailures", self.alerts.failures),
            ("ColdStart", usize::from(self.cold_start)),
        ] {
            if number > 0 {
                metric(&mut line, name, number, "Count");
            }
        }
        if let Some(job) = &self.job {
            metric(&mut line, "RolledUp", job.hours, "Count");
            metric(&mut line, "RollupsLeft", job.left, "Count");
        }
        if let Some(lag) = self.lag_ms {
            metric(&mut line, "IngestLag", usize::try_from(lag).unwrap_or(0), "Milliseconds");
        }
        line.name("_aws");
        write!(
            line.0,
            r#"{{"Timestamp":{now},"CloudWatchMetrics":[{{"Namespace":"{NAMESPACE}","Dimensions":[["{}"]],"Metrics":[{metrics}]}}]}}"#,
            DIMENSION.0
        )
        .ok();
        line.end()
    }
}

impl NamedMessage {
    fn write(&self, line: &mut Line) {
        line.text("client_id", &self.client_id);
        line.optional("trace_id", self.trace_id.as_deref());
        line.optional("reason", self.reason);
    }
}

/// A JSON object, written in order. Writing to a string cannot fail.
struct Line(String);

impl Line {
    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        write!(self.0, "\"{name}\":").ok();
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push_str(&serde_json::to_string(value).unwrap_or_default());
    }

    fn optional(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(name, value);
        }
    }

    fn number(&mut self, name: &str, value: usize) {
        self.name(name);
        write!(self.0, "{value}").ok();
    }

    fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn line(report: &Report) -> Json {
        let text = report.line(UnixMillis::new(1_795_456_120_000).unwrap());
        assert!(!text.contains('\n'));
        serde_json::from_str(&text).unwrap()
    }

    fn message(client_id: &str) -> NamedMessage {
        NamedMessage {
            client_id: client_id.to_owned(),
            trace_id: Some("t-1".to_owned()),
            reason: Some("out-of-range"),
            received_at: UnixMillis::MIN,
            principal: None,
        }
    }

    #[test]
    fn every_metric_that_is_named_has_its_value_and_the_dimension_its_own() {
        let report = Report {
            messages: 1,
            accepted: 3,
            faults: 1,
            duplicates: 2,
            quarantined: BTreeMap::from([("out-of-range", 2), ("bad-id", 1)]),
            retries: 4,
            unenriched: 1,
            alerts: Alerted { raised: 1, cleared: 2, failures: 3 },
            lag_ms: Some(120),
            cold_start: true,
            named: vec![message("pi-1")],
            ..Report::default()
        };
        let line = line(&report);
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], NAMESPACE);
        let dimensions = directive["Dimensions"][0].as_array().unwrap();
        assert_eq!(dimensions.len(), 1);
        assert!(line[dimensions[0].as_str().unwrap()].is_string());
        let metrics = directive["Metrics"].as_array().unwrap();
        assert_eq!(metrics.len(), 13);
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_i64(), "{name} in {line}");
        }
        assert_eq!(line["Quarantined"], 3);
        assert_eq!(line["Quarantined.out-of-range"], 2);
        assert_eq!(line["IngestLag"], 120);
        assert_eq!((&line["trace_id"], &line["reason"]), (&json!("t-1"), &json!("out-of-range")));
        assert_eq!(line["level"], "INFO");
    }

    #[test]
    fn a_healthy_line_is_short_and_a_batch_names_what_was_refused() {
        let healthy = Report { messages: 1, accepted: 25, lag_ms: Some(9), ..Report::default() };
        let names: Vec<Json> = line(&healthy)["_aws"]["CloudWatchMetrics"][0]["Metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|metric| metric["Name"].clone())
            .collect();
        assert_eq!(names, ["Accepted", "Quarantined", "IngestLag"]);

        let mut batch = Report { messages: 100, failed: 1, ..Report::default() };
        for number in 0..20 {
            batch.name(|| message(&format!("pi-{number}")));
        }
        let line = line(&batch);
        assert_eq!(line["named"].as_array().unwrap().len(), NAMED);
        assert_eq!(line["named"][0]["client_id"], "pi-0");
        assert_eq!(line["level"], "ERROR");
    }
}
