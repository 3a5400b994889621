//! The templates say what the code says.

use std::collections::BTreeSet;

use tidings_ingest::config::Rules;
use tidings_ingest::envelope::RULE_SQL;
use tidings_ingest::metrics::NAMESPACE;
use tidings_ingest::store::Tables;
use tidings_schema::topic::RULE_NAME;

use super::*;

const BASE: &str = include_str!("../../../cloudformation/base.yaml");
const WIRE: &str = include_str!("../../../cloudformation/wire.yaml");
const FLEET: &str = include_str!("../../../cloudformation/fleet.yaml");
const FUNCTION_MANIFEST: &str = include_str!("../../../../lambda/Cargo.toml");

/// All values of a key, in both templates, without quotes and the function that puts the region in.
fn values(key: &str) -> BTreeSet<String> {
    let value = |line: &str| {
        let (name, value) = line.trim().trim_start_matches("- ").split_once(": ")?;
        let value = value.trim_start_matches("!Sub ").trim_matches('"');
        (name == key).then(|| value.replace("${AWS::Region}", "REGION"))
    };
    BASE.lines().chain(WIRE.lines()).filter_map(value).collect()
}

fn set<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn every_name_in_the_templates_is_one_that_the_code_uses() {
    let Tables { readings, quarantine, devices } = Tables::default();
    assert_eq!(values("TableName"), set([&readings, &quarantine, &devices]));
    assert_eq!(values("QueueName"), set([FAILED_QUEUE, RULE_ERRORS_QUEUE, EVENTS_QUEUE]));
    assert_eq!(values("RoleName"), set([&function_role("REGION"), &rule_role("REGION")]));
    assert_eq!(values("RuleName"), set([RULE_NAME]));
    assert_eq!(values("LogGroupName"), set([LOG_GROUP]));
    assert_eq!(LOG_GROUP, format!("/aws/lambda/{FUNCTION}"));
    assert_eq!(values("Qualifier"), set([ALIAS]));
    assert_eq!(values("AwsIotSqlVersion"), set([SQL_VERSION]));
    assert_eq!(values("AttributeName"), set(["pk", "sk", crate::tables::TTL_ATTRIBUTE]));
    assert!(values("PolicyName").is_superset(&set([DEVICE_POLICY, FUNCTION_POLICY])));
    assert_eq!(values("TopicName"), set([ALERT_TOPIC, ALARM_TOPIC]));
    assert_eq!(values("Name").iter().filter(|name| *name == TICK_RULE).count(), 1);
    assert_eq!(values("ScheduleExpression"), set([TICK_SCHEDULE]));
    assert!(WIRE.contains(&format!("Input: '{TICK_EVENT}'")));
    assert!(WIRE.contains(&format!("${{AWS::AccountId}}:rule/{TICK_RULE}\"")));
    let arn = format!(
        "arn:${{AWS::Partition}}:lambda:REGION:${{AWS::AccountId}}:function:{FUNCTION}:{ALIAS}"
    );
    assert_eq!(values("FunctionName"), set([FUNCTION, &arn]));
    assert_eq!(values("FunctionArn"), set([&arn]));
}

#[test]
fn alarms_are_those_that_the_doctor_looks_for_and_their_metrics_exist() {
    assert_eq!(values("AlarmName"), set(ALARMS));
    assert!(ALARMS.iter().all(|name| name.starts_with(ALARM_PREFIX)));
    assert_eq!(WIRE.matches("AWS::CloudWatch::Alarm").count(), ALARMS.len());
    // Our own metrics: a line of the function has each of them.
    let alerts = tidings_ingest::alert::Alerted { raised: 1, cleared: 1, failures: 1 };
    let line = tidings_ingest::metrics::Report { lag_ms: Some(1), alerts, ..Default::default() };
    let line = line.line(tidings_schema::UnixMillis::MIN);
    let job = Some(tidings_ingest::job::JobSummary::default());
    let job = tidings_ingest::metrics::Report { job, ..Default::default() };
    let line = line + &job.line(tidings_schema::UnixMillis::MIN);
    for part in WIRE.split("Namespace: ").skip(1).filter(|part| part.starts_with(NAMESPACE)) {
        let name = part.split("MetricName: ").nth(1).and_then(|rest| rest.lines().next());
        let name = name.unwrap_or_default();
        assert!(line.contains(&format!("{{\"Name\":\"{name}\"")), "{name} in {line}");
    }
    for alarm in ALARMS {
        let arn = format!("alarm:{alarm}\"");
        assert!(WIRE.contains(&arn), "{alarm} is not on the dashboard");
    }
}

#[test]
fn the_rule_is_that_of_the_code() {
    let sql = WIRE.split("Sql: >-\n").nth(1).and_then(|rest| rest.split("Actions:").next());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(sql.unwrap_or_default()), words(RULE_SQL));
}

#[test]
fn the_function_is_deployed_as_the_templates_and_its_code_expect() {
    let says = |line: &str| FUNCTION_MANIFEST.lines().any(|other| other == line);
    let seconds = Rules::default().timeout.as_secs();
    assert!(says(&format!("timeout = {seconds}")));
    assert!(says(&format!(
        "env = {{ TIDINGS_TIMEOUT_SECONDS = \"{seconds}\", {TOPIC_VARIABLE} = \"{ALERT_TOPIC}\" }}"
    )));
    assert!(says(&format!("alias = \"{ALIAS}\"")));
    assert!(says(&format!("name = \"{FUNCTION}\"")));
    assert!(says("merge_env = true"));
    // Six times the timeout and a window of a second, or more (Lambda developer guide, "Using Lambda
    // with Amazon SQS").
    assert_eq!(values("VisibilityTimeout"), set([&(6 * seconds + 6).to_string()]));
}

#[test]
fn claims_end_in_the_policy_of_the_devices() {
    assert!(FLEET.contains(&format!("PolicyName: {CLAIM_POLICY}\n")));
    assert!(FLEET.contains(&format!("\"PolicyName\": \"{DEVICE_POLICY}\"")));
    assert!(FLEET.contains(&format!("TemplateName: {FLEET_STACK}\n")));
    assert!(FLEET.contains(&format!("provisioning-templates/{FLEET_STACK}/")));
    assert!(FLEET.contains(&format!("policy/{DEVICE_POLICY}")));
}

#[test]
fn queues_are_compared_by_account_and_name() {
    let old = "https://queue.amazonaws.com/1/tidings-failed";
    assert!(is_same_queue(old, "https://sqs.us-east-1.amazonaws.com/1/tidings-failed"));
    assert!(!is_same_queue(old, "https://queue.amazonaws.com/2/tidings-failed"));
    assert!(!is_same_queue(old, "https://queue.amazonaws.com/1/tidings-events"));
}
