//! What is known of a deployment, as plain data. A fact that could not be had says why.

use crate::account::alarms::Alarm;
use crate::account::function::{Function, Limits, Mapping, Permission, Retries};
use crate::account::iot::{Certificate, Rule};
use crate::account::queues::QueueState;
use crate::account::roles::Role;
use crate::account::schedule::Schedule;
use crate::dynamo::Heard;
use crate::tables::TableState;

use super::code::Machine;

/// Something, nothing, or why neither can be said.
pub(super) type Fact<T> = Result<T, String>;

/// All that `doctor` looks at.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) region: String,
    pub(super) function: Fact<Option<Function>>,
    /// The version behind the alias.
    pub(super) alias: Fact<Option<String>>,
    /// For what the program in the zip was built; `None` where that was not looked at.
    pub(super) machine: Fact<Option<Machine>>,
    pub(super) role: Fact<Option<Role>>,
    pub(super) retries: Fact<Option<Retries>>,
    pub(super) permissions: Fact<Vec<Permission>>,
    pub(super) mappings: Fact<Vec<Mapping>>,
    pub(super) limits: Fact<Limits>,
    pub(super) rule: Fact<Option<Rule>>,
    pub(super) rules: Fact<usize>,
    /// By name: readings, quarantine, devices.
    pub(super) tables: [(String, Fact<Option<TableState>>); 3],
    pub(super) failed: Queue,
    pub(super) rule_errors: Queue,
    pub(super) events: Queue,
    pub(super) schedule: Fact<Option<Schedule>>,
    pub(super) alarms: Fact<Vec<Alarm>>,
    pub(super) devices: Fact<Vec<Device>>,
    pub(super) heard: Fact<Vec<Heard>>,
}

/// A queue, by URL and state.
pub(super) type Queue = Fact<Option<(String, QueueState)>>;

/// A thing of the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) thing: String,
    /// Its certificates, and whether each has the devices' policy.
    pub(super) certificates: Vec<(Certificate, bool)>,
}

impl Facts {
    /// The account's number, from whatever is there.
    pub(super) fn account(&self) -> Option<&str> {
        let function = self.function.as_ref().ok().and_then(Option::as_ref);
        let role = self.role.as_ref().ok().and_then(Option::as_ref);
        let queue = self.failed.as_ref().ok().and_then(Option::as_ref);
        [
            function.map(|function| function.arn.as_str()),
            role.map(|role| role.arn.as_str()),
            queue.map(|(_, queue)| queue.arn.as_str()),
        ]
        .into_iter()
        .flatten()
        // arn:partition:service:region:account:…
        .find_map(|arn| arn.split(':').nth(4))
    }

    /// `arn:aws:SERVICE:REGION:ACCOUNT:REST`, in the partition of this account.
    pub(super) fn arn(&self, service: &str, rest: &str) -> Option<String> {
        let account = self.account()?;
        let partition = match self.region.split('-').next() {
            Some("cn") => "aws-cn",
            Some(_) if self.region.starts_with("us-gov-") => "aws-us-gov",
            _ => "aws",
        };
        Some(format!("arn:{partition}:{service}:{}:{account}:{rest}", self.region))
    }
}
