//! The function: the one file that knows the SDK of Lambda.

use aws_sdk_lambda::Client;
use serde_json::Value as Json;

use super::names::{ALIAS, FUNCTION};
use super::{found, refused};
use crate::{Trouble, aws};

/// Lambda of one account and region.
#[derive(Debug, Clone)]
pub(crate) struct Lambda {
    client: Client,
}

/// What runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) arn: String,
    pub(crate) role: String,
    pub(crate) runtime: String,
    pub(crate) architecture: String,
    pub(crate) memory_mb: i32,
    pub(crate) timeout_seconds: i32,
    /// `Active`, `Pending`, `Inactive` or `Failed`.
    pub(crate) state: String,
    /// `Successful`, `InProgress` or `Failed`.
    pub(crate) last_update: String,
    pub(crate) variables: Vec<(String, String)>,
}

/// What Lambda does with an event that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    pub(crate) attempts: Option<i32>,
    pub(crate) max_age_seconds: Option<i32>,
    /// ARN of the queue that gets what is given up.
    pub(crate) on_failure: Option<String>,
}

/// A statement of the function's resource policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) principal: String,
    pub(crate) source_arn: Option<String>,
    pub(crate) source_account: Option<String>,
}

/// What reads a queue for the function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) source_arn: String,
    pub(crate) state: String,
    /// Whether messages that failed alone come again.
    pub(crate) reports_items: bool,
}

/// How much of the account's limits is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Functions that may run at a time.
    pub(crate) concurrency: i32,
    /// Of those, the ones that no function has reserved.
    pub(crate) unreserved: i32,
    /// Bytes of all versions of all functions.
    pub(crate) code_bytes: i64,
    /// How many bytes there may be.
    pub(crate) code_limit: i64,
}

impl Lambda {
    /// The account that the environment names, or what stands at the endpoint.
    pub(crate) async fn connect(endpoint: Option<&str>) -> Self {
        Self { client: Client::new(&aws::config(endpoint).await) }
    }

    /// The function as the rule's alias has it, or as it is where there is no alias.
    pub(crate) async fn function(&self) -> Result<Option<Function>, Trouble> {
        const ACTION: &str = "looking at the function";
        let asked = || self.client.get_function_configuration().function_name(FUNCTION);
        let known = match found(ACTION, asked().qualifier(ALIAS).send().await)? {
            Some(known) => Some(known),
            None => found(ACTION, asked().send().await)?,
        };
        Ok(known.map(|known| {
            let variables = known.environment.and_then(|environment| environment.variables);
            let mut variables: Vec<_> = variables.unwrap_or_default().into_iter().collect();
            variables.sort();
            Function {
                arn: known.function_arn.unwrap_or_default(),
                role: known.role.unwrap_or_default(),
                runtime: known.runtime.map(|it| it.to_string()).unwrap_or_default(),
                // What Lambda takes where nothing is said.
                architecture: known
                    .architectures
                    .and_then(|all| all.first().map(ToString::to_string))
                    .unwrap_or_else(|| "x86_64".to_owned()),
                memory_mb: known.memory_size.unwrap_or_default(),
                timeout_seconds: known.timeout.unwrap_or_default(),
                state: known.state.map(|it| it.to_string()).unwrap_or_default(),
                last_update: known.last_update_status.map(|it| it.to_string()).unwrap_or_default(),
                variables,
            }
        }))
    }

    /// URL from which the function's zip can be had for some minutes.
    pub(crate) async fn code_url(&self) -> Result<Option<String>, Trouble> {
        let answer = self.client.get_function().function_name(FUNCTION).qualifier(ALIAS);
        let answer = found("looking at the function's code", answer.send().await)?;
        Ok(answer.and_then(|answer| answer.code).and_then(|code| code.location))
    }

    /// The version behind the alias.
    pub(crate) async fn alias(&self) -> Result<Option<String>, Trouble> {
        let answer = self.client.get_alias().function_name(FUNCTION).name(ALIAS).send().await;
        Ok(found("looking at the alias live", answer)?.and_then(|alias| alias.function_version))
    }

    /// What Lambda does with events that fail, if it was told.
    pub(crate) async fn retries(&self) -> Result<Option<Retries>, Trouble> {
        let asked = self.client.get_function_event_invoke_config().function_name(FUNCTION);
        let answer = asked.qualifier(ALIAS).send().await;
        Ok(found("looking at the function's retries", answer)?.map(|known| Retries {
            attempts: known.maximum_retry_attempts,
            max_age_seconds: known.maximum_event_age_in_seconds,
            on_failure: known
                .destination_config
                .and_then(|config| config.on_failure)
                .and_then(|on_failure| on_failure.destination),
        }))
    }

    /// Who may invoke the alias.
    pub(crate) async fn permissions(&self) -> Result<Vec<Permission>, Trouble> {
        const ACTION: &str = "looking at who may invoke the function";
        let asked = self.client.get_policy().function_name(FUNCTION).qualifier(ALIAS);
        let Some(text) = found(ACTION, asked.send().await)?.and_then(|answer| answer.policy) else {
            return Ok(Vec::new());
        };
        let policy: Json = serde_json::from_str(&text).map_err(|error| Trouble::Account {
            action: ACTION.to_owned(),
            said: error.to_string(),
        })?;
        let statements = policy["Statement"].as_array().into_iter().flatten();
        Ok(statements
            .filter(|statement| statement["Effect"] == "Allow")
            .map(|statement| Permission {
                principal: statement["Principal"]["Service"]
                    .as_str()
                    .or_else(|| statement["Principal"].as_str())
                    .unwrap_or_default()
                    .to_owned(),
                source_arn: condition(statement, "aws:sourcearn"),
                source_account: condition(statement, "aws:sourceaccount"),
            })
            .collect())
    }

    /// What reads queues for the alias.
    pub(crate) async fn mappings(&self) -> Result<Vec<Mapping>, Trouble> {
        let name = format!("{FUNCTION}:{ALIAS}");
        let answer = self.client.list_event_source_mappings().function_name(name).send().await;
        let list = found("looking at what reads queues for the function", answer)?;
        let list = list.and_then(|answer| answer.event_source_mappings).unwrap_or_default();
        Ok(list
            .into_iter()
            .map(|mapping| Mapping {
                source_arn: mapping.event_source_arn.unwrap_or_default(),
                state: mapping.state.unwrap_or_default(),
                reports_items: mapping
                    .function_response_types
                    .unwrap_or_default()
                    .iter()
                    .any(|kind| kind.as_str() == "ReportBatchItemFailures"),
            })
            .collect())
    }

    /// The account's limits.
    pub(crate) async fn limits(&self) -> Result<Limits, Trouble> {
        let answer = self.client.get_account_settings().send().await;
        let answer = answer.map_err(|error| refused("limits of the account", error))?;
        let (limit, usage) = (answer.account_limit, answer.account_usage);
        Ok(Limits {
            concurrency: limit.as_ref().map_or(0, |limit| limit.concurrent_executions),
            unreserved: limit
                .as_ref()
                .and_then(|limit| limit.unreserved_concurrent_executions)
                .unwrap_or_default(),
            code_bytes: usage.map_or(0, |usage| usage.total_code_size),
            code_limit: limit.map_or(0, |limit| limit.total_code_size),
        })
    }
}

/// What a statement compares a key with, whatever the operator and however the key is written.
fn condition(statement: &Json, key: &str) -> Option<String> {
    let operators = statement["Condition"].as_object()?;
    operators.values().filter_map(Json::as_object).flatten().find_map(|(name, value)| {
        name.eq_ignore_ascii_case(key).then(|| value.as_str().map(str::to_owned)).flatten()
    })
}
