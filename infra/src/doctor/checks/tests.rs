//! A sound deployment, and what is said of each thing that can be wrong with it.

use serde_json::json;
use tidings_ingest::envelope::RULE_SQL;

use super::*;
use crate::account::alarms::Alarm;
use crate::account::function::{Function, Limits, Mapping, Permission, Retries};
use crate::account::iot::{Certificate, Rule};
use crate::account::names::{ALARMS, SQL_VERSION, TICK_EVENT, TICK_SCHEDULE};
use crate::account::queues::QueueState;
use crate::account::roles::Role;
use crate::account::schedule::Schedule;
use crate::doctor::code::Machine;
use crate::doctor::facts::Device;
use crate::dynamo::Heard;
use crate::tables::TableState;

const NOW: i64 = 1_795_456_116_000;
const SILENT: Duration = Duration::from_secs(900);

fn queue(name: &str) -> (String, QueueState) {
    let state = QueueState {
        arn: format!("arn:aws:sqs:eu-central-1:123456789012:{name}"),
        waiting: 0,
        taken: 0,
        kept_seconds: 1_209_600,
    };
    (format!("https://sqs.eu-central-1.amazonaws.com/123456789012/{name}"), state)
}

fn table(name: &str) -> (String, Fact<Option<TableState>>) {
    let state = TableState {
        status: "ACTIVE".to_owned(),
        keys: vec!["pk".to_owned(), "sk".to_owned()],
        ttl: Some("expires_at".to_owned()),
        point_in_time: true,
        protected: true,
        items: 7,
        bytes: 700,
    };
    (name.to_owned(), Ok(Some(state)))
}

fn heard(device: &str, ago_ms: i64) -> Heard {
    Heard {
        device: device.try_into().unwrap(),
        sensor: "s".try_into().unwrap(),
        last_seen: UnixMillis::new(NOW - ago_ms).unwrap(),
        principal: None,
        latest: None,
    }
}

fn device(thing: &str) -> Device {
    let certificate = Certificate {
        id: "ab12".to_owned(),
        arn: "arn:aws:iot:eu-central-1:123456789012:cert/ab12".to_owned(),
        active: true,
        revoked: false,
        expires: Some(2_500_000_000),
    };
    Device { thing: thing.to_owned(), certificates: vec![(certificate, true)] }
}

fn sound() -> Facts {
    let table_arn = |name: &str| format!("arn:aws:dynamodb:eu-central-1:123456789012:table/{name}");
    let role = "arn:aws:iam::123456789012:role/tidings-ingest-eu-central-1";
    let policy = json!({"Statement": [
        {"Effect": "Allow", "Action": "dynamodb:BatchWriteItem",
         "Resource": [table_arn("readings"), table_arn("quarantine"), table_arn("devices")]},
        {"Effect": "Allow", "Action": ["dynamodb:BatchGetItem"], "Resource": table_arn("devices")},
        {"Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
         "Resource": table_arn("devices")},
        {"Effect": "Allow", "Action": ["dynamodb:PutItem", "dynamodb:Query"], "Resource": table_arn("readings")},
        {"Effect": "Allow", "Action": "dynamodb:DeleteItem", "Resource": table_arn("devices"),
         "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["due"]}}},
        {"Effect": "Allow", "Action": "sns:Publish",
         "Resource": "arn:aws:sns:eu-central-1:123456789012:tidings-alerts"},
        {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": queue("tidings-failed").1.arn},
    ]});
    Facts {
        region: "eu-central-1".to_owned(),
        function: Ok(Some(Function {
            arn: "arn:aws:lambda:eu-central-1:123456789012:function:tidings-ingest:live".to_owned(),
            role: role.to_owned(),
            runtime: "provided.al2023".to_owned(),
            architecture: "arm64".to_owned(),
            memory_mb: 128,
            timeout_seconds: 30,
            state: "Active".to_owned(),
            last_update: "Successful".to_owned(),
            variables: [
                ("TIDINGS_ALERT_TOPIC", "tidings-alerts"),
                ("TIDINGS_TIMEOUT_SECONDS", "30"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        })),
        alias: Ok(Some("3".to_owned())),
        machine: Ok(Some(Machine::Arm64)),
        role: Ok(Some(Role {
            arn: role.to_owned(),
            inline: vec![("ingest".to_owned(), policy)],
            attached: Vec::new(),
        })),
        retries: Ok(Some(Retries {
            attempts: Some(2),
            max_age_seconds: Some(21_600),
            on_failure: Some(queue("tidings-failed").1.arn),
        })),
        permissions: Ok([("iot", "tidings_ingest"), ("events", "tidings-tick")]
            .map(|(service, rule)| Permission {
                principal: format!("{service}.amazonaws.com"),
                source_arn: Some(format!(
                    "arn:aws:{service}:eu-central-1:123456789012:rule/{rule}"
                )),
                source_account: Some("123456789012".to_owned()),
            })
            .to_vec()),
        mappings: Ok(Vec::new()),
        limits: Ok(Limits {
            concurrency: 1000,
            unreserved: 1000,
            code_bytes: 1 << 20,
            code_limit: 75 << 30,
        }),
        rule: Ok(Some(Rule {
            // As CloudFormation folds it.
            sql: RULE_SQL.replace(" FROM", "\n FROM"),
            version: SQL_VERSION.to_owned(),
            disabled: false,
            targets: vec![
                "arn:aws:lambda:eu-central-1:123456789012:function:tidings-ingest:live".to_owned(),
            ],
            errors_to: Some(
                "https://eu-central-1.queue.amazonaws.com/123456789012/tidings-rule-errors"
                    .to_owned(),
            ),
        })),
        rules: Ok(3),
        tables: [table("readings"), table("quarantine"), table("devices")],
        failed: Ok(Some(queue("tidings-failed"))),
        rule_errors: Ok(Some(queue("tidings-rule-errors"))),
        events: Ok(None),
        schedule: Ok(Some(Schedule {
            enabled: true,
            expression: TICK_SCHEDULE.to_owned(),
            targets: vec![(
                "arn:aws:lambda:eu-central-1:123456789012:function:tidings-ingest:live".to_owned(),
                TICK_EVENT.to_owned(),
            )],
        })),
        alarms: Ok(ALARMS
            .iter()
            .map(|name| Alarm { name: (*name).to_owned(), state: "OK".to_owned(), actions: true })
            .collect()),
        devices: Ok(vec![device("pi-1")]),
        heard: Ok(vec![heard("pi-1", 60_000)]),
    }
}

fn look(facts: &Facts) -> Vec<Finding> {
    check(facts, UnixMillis::new(NOW).unwrap(), SILENT)
}

/// What is not good, as `level about: says`.
fn bad(facts: &Facts) -> Vec<String> {
    look(facts)
        .into_iter()
        .filter(|finding| finding.level != Level::Good)
        .map(|finding| {
            assert!(finding.mend.is_some(), "{finding:?}");
            format!("{:?} {}: {}", finding.level, finding.about, finding.says)
        })
        .collect()
}

#[test]
fn of_a_sound_deployment_nothing_bad_is_said() {
    let found = look(&sound());
    assert!(found.iter().all(|finding| finding.level == Level::Good), "{found:?}");
    assert!(found.len() >= 15, "{found:?}");
}

/// What is done to the facts, and what is then said first.
type Harm = (&'static str, fn(&mut Facts));

fn function(facts: &mut Facts) -> &mut Function {
    facts.function.as_mut().unwrap().as_mut().unwrap()
}

fn schedule(facts: &mut Facts) -> &mut Schedule {
    facts.schedule.as_mut().unwrap().as_mut().unwrap()
}

fn rule(facts: &mut Facts) -> &mut Rule {
    facts.rule.as_mut().unwrap().as_mut().unwrap()
}

fn certificate(facts: &mut Facts) -> &mut (Certificate, bool) {
    &mut facts.devices.as_mut().unwrap()[0].certificates[0]
}

#[test]
fn each_harm_is_named_and_nothing_else() {
    let harms: &[Harm] = &[
        ("Wrong function: Lambda could not", |facts| function(facts).state = "Failed".to_owned()),
        ("Wrong function: timeout is 10 s", |facts| function(facts).timeout_seconds = 10),
        ("Wrong function: runtime is go1.x", |facts| function(facts).runtime = "go1.x".to_owned()),
        ("Wrong architecture: the program is for x86_64", |facts| {
            facts.machine = Ok(Some(Machine::X86_64));
        }),
        ("Wrong role: the function runs as other", |facts| {
            function(facts).role = "other".to_owned()
        }),
        ("Wrong alias", |facts| facts.alias = Ok(None)),
        ("Wrong role-policy: the role may not sqs:SendMessage", |facts| {
            let role = facts.role.as_mut().unwrap().as_mut().unwrap();
            role.inline[0].1["Statement"].as_array_mut().unwrap().pop();
        }),
        ("Warning role-policy: the role may do more", |facts| {
            let role = facts.role.as_mut().unwrap().as_mut().unwrap();
            role.attached.push("arn:aws:iam::aws:policy/AdministratorAccess".to_owned());
        }),
        ("Warning limits: only 5", |facts| facts.limits.as_mut().unwrap().unreserved = 5),
        ("Warning limits: versions", |facts| facts.limits.as_mut().unwrap().code_bytes = 70 << 30),
        ("Wrong rule: there is no rule", |facts| facts.rule = Ok(None)),
        ("Wrong rule: the rule is disabled", |facts| rule(facts).disabled = true),
        ("Wrong rule-sql: the rule's SQL is not", |facts| rule(facts).sql = "SELECT *".to_owned()),
        ("Wrong rule-sql: the rule's SQL version", |facts| {
            rule(facts).version = "2015-10-08".to_owned();
        }),
        ("Wrong rule-target: the rule hands messages to nobody", |facts| {
            rule(facts).targets.clear();
        }),
        ("Wrong error-action: the rule has no", |facts| rule(facts).errors_to = None),
        ("Wrong error-action: the rule tells", |facts| {
            rule(facts).errors_to = Some("https://sqs/1/other".to_owned());
        }),
        ("Wrong permission: AWS IoT may not", |facts| {
            facts.permissions.as_mut().unwrap().remove(0);
        }),
        ("Wrong schedule: there is no schedule", |facts| facts.schedule = Ok(None)),
        ("Wrong schedule: the schedule tidings-tick is disabled", |facts| {
            schedule(facts).enabled = false;
        }),
        ("Wrong schedule: the schedule is rate(1 day)", |facts| {
            schedule(facts).expression = "rate(1 day)".to_owned();
        }),
        ("Wrong schedule: the schedule does not call", |facts| {
            schedule(facts).targets[0].1 = "{}".to_owned();
        }),
        ("Wrong schedule-permission", |facts| {
            facts.permissions.as_mut().unwrap().pop();
        }),
        ("Warning alerts: TIDINGS_ALERT_TOPIC is not set", |facts| {
            function(facts).variables.remove(0);
        }),
        ("Wrong role-policy: the role may not sns:Publish", |facts| {
            let role = facts.role.as_mut().unwrap().as_mut().unwrap();
            role.inline[0].1["Statement"].as_array_mut().unwrap().remove(5);
        }),
        ("Wrong permission: the permission of AWS IoT", |facts| {
            facts.permissions.as_mut().unwrap()[0].source_account = None;
        }),
        ("Wrong permission: AWS IoT may invoke the function for every rule", |facts| {
            facts.permissions.as_mut().unwrap()[0].source_arn = None;
        }),
        ("Wrong on-failure: Lambda was not told", |facts| facts.retries = Ok(None)),
        ("Wrong on-failure: events that fail", |facts| {
            facts.retries.as_mut().unwrap().as_mut().unwrap().on_failure = None;
        }),
        ("Warning on-failure: Lambda does not try", |facts| {
            facts.retries.as_mut().unwrap().as_mut().unwrap().attempts = Some(0);
        }),
        ("Wrong on-failure: what fails goes to x", |facts| {
            facts.retries.as_mut().unwrap().as_mut().unwrap().on_failure = Some("x".to_owned());
        }),
        ("Warning failed-queue: 2 messages", |facts| {
            facts.failed.as_mut().unwrap().as_mut().unwrap().1.waiting = 2;
        }),
        ("Wrong rule-errors-queue: tidings-rule-errors keeps", |facts| {
            facts.rule_errors.as_mut().unwrap().as_mut().unwrap().1.kept_seconds = 345_600;
        }),
        ("Wrong table: the table quarantine is missing", |facts| facts.tables[1].1 = Ok(None)),
        ("Wrong table: readings has the keys", |facts| {
            facts.tables[0].1.as_mut().unwrap().as_mut().unwrap().keys = vec!["id".to_owned()];
        }),
        ("Wrong table-ttl: items of readings never", |facts| {
            facts.tables[0].1.as_mut().unwrap().as_mut().unwrap().ttl = None;
        }),
        ("Wrong table-ttl: items of devices end by ttl", |facts| {
            facts.tables[2].1.as_mut().unwrap().as_mut().unwrap().ttl = Some("ttl".to_owned());
        }),
        ("Wrong table-recovery", |facts| {
            facts.tables[0].1.as_mut().unwrap().as_mut().unwrap().point_in_time = false;
        }),
        ("Wrong alarms: missing: tidings-silence", |facts| {
            facts.alarms.as_mut().unwrap().retain(|alarm| alarm.name != "tidings-silence");
        }),
        ("Warning alarm: tidings-silence is on", |facts| {
            facts.alarms.as_mut().unwrap()[11].state = "ALARM".to_owned();
        }),
        ("Warning alarms: nobody", |facts| {
            facts.alarms.as_mut().unwrap().iter_mut().for_each(|alarm| alarm.actions = false);
        }),
        ("Wrong devices: pi-1 has no certificate", |facts| {
            facts.devices.as_mut().unwrap()[0].certificates.clear();
        }),
        ("Wrong devices: pi-1: no certificate of it has", |facts| certificate(facts).1 = false),
        ("Wrong devices: pi-1: its certificate is not active", |facts| {
            certificate(facts).0.active = false;
        }),
        ("Warning certificates: certificates end soon: pi-1 in 9 days", |facts| {
            certificate(facts).0.expires = Some(NOW / 1000 + 9 * 86_400 + 5);
        }),
        ("Warning devices: heard before", |facts| facts.devices = Ok(Vec::new())),
        ("Warning heard: 1 of 1 devices are silent: pi-1 (16 min ago)", |facts| {
            facts.heard = Ok(vec![heard("pi-1", 16 * 60_000)]);
        }),
        ("Warning heard: no device", |facts| facts.heard = Ok(Vec::new())),
    ];
    for (expected, harm) in harms {
        let mut facts = sound();
        harm(&mut facts);
        let said = bad(&facts);
        assert!(said.len() == 1 && said[0].starts_with(expected), "{expected}: {said:?}");
    }
}

#[test]
fn a_function_that_is_missing_is_one_line() {
    let mut facts = sound();
    facts.function = Ok(None);
    facts.alias = Ok(None);
    let said = bad(&facts);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("Wrong function: there is no function"), "{said:?}");
}

#[test]
fn the_way_over_a_queue_is_looked_at_whole() {
    let mut facts = sound();
    let (url, state) = queue("tidings-events");
    facts.mappings = Ok(vec![Mapping {
        source_arn: state.arn.clone(),
        state: "Enabled".to_owned(),
        reports_items: true,
    }]);
    rule(&mut facts).targets = vec![url.clone()];
    facts.events = Ok(Some((url, state)));
    // The rule may not invoke the function then, and need not.
    facts.permissions.as_mut().unwrap().remove(0);
    assert_eq!(bad(&facts), Vec::<String>::new());
    facts.mappings.as_mut().unwrap()[0].reports_items = false;
    assert!(bad(&facts)[0].starts_with("Wrong queue-reader: one message"), "{:?}", bad(&facts));
    facts.mappings.as_mut().unwrap()[0].state = "Disabled".to_owned();
    assert!(bad(&facts)[0].contains("is Disabled"));
    facts.mappings = Ok(Vec::new());
    assert!(bad(&facts)[0].contains("nothing reads"));
}

#[test]
fn what_cannot_be_looked_at_is_said_with_its_reason() {
    let mut facts = sound();
    facts.alarms = Err("AccessDenied: no".to_owned());
    let said = bad(&facts);
    assert_eq!(said.len(), 1);
    assert_eq!(said[0], "Wrong alarms: cannot be looked at: AccessDenied: no");
}

#[test]
fn arns_are_those_of_the_partition() {
    let mut facts = sound();
    for (region, start) in [("cn-north-1", "arn:aws-cn:"), ("us-gov-west-1", "arn:aws-us-gov:")] {
        facts.region = region.to_owned();
        let arn = facts.arn("iot", "rule/x").unwrap();
        assert!(arn.starts_with(start) && arn.ends_with(":123456789012:rule/x"), "{arn}");
    }
}
