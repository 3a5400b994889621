//! The registry and the rules of AWS IoT Core: the one file that knows its SDK.

use aws_sdk_iot::Client;
use aws_sdk_iot::error::ProvideErrorMetadata as _;
use aws_sdk_iot::types::{Action, CertificateStatus};
use tidings_schema::DeviceId;

use super::{found, refused};
use crate::{Trouble, aws};

/// Which endpoint devices connect to ("iot:Data-ATS": signed by Amazon's own CA).
const ENDPOINT_TYPE: &str = "iot:Data-ATS";

/// The registry of one account and region.
#[derive(Debug, Clone)]
pub(crate) struct Iot {
    client: Client,
}

/// A certificate that was made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) arn: String,
    pub(crate) pem: String,
}

/// What the registry says of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) id: String,
    pub(crate) arn: String,
    /// Whether a device can connect with it.
    pub(crate) active: bool,
    /// Whether it was taken back for good.
    pub(crate) revoked: bool,
    /// When it ends, in seconds since 1970.
    pub(crate) expires: Option<i64>,
}

/// A topic rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) sql: String,
    pub(crate) version: String,
    pub(crate) disabled: bool,
    /// ARNs of functions and URLs of queues that it hands messages to.
    pub(crate) targets: Vec<String>,
    /// URL of the queue that is told of its errors.
    pub(crate) errors_to: Option<String>,
}

impl Iot {
    /// The account that the environment names, or what stands at the endpoint.
    pub(crate) async fn connect(endpoint: Option<&str>) -> Self {
        Self { client: Client::new(&aws::config(endpoint).await) }
    }

    /// The host that devices connect to.
    pub(crate) async fn endpoint(&self) -> Result<String, Trouble> {
        let answer = self.client.describe_endpoint().endpoint_type(ENDPOINT_TYPE).send().await;
        let answer = answer.map_err(|error| refused("endpoint of AWS IoT Core", error))?;
        answer.endpoint_address.ok_or_else(|| Trouble::Account {
            action: "endpoint of AWS IoT Core".to_owned(),
            said: "the answer names none".to_owned(),
        })
    }

    /// Makes a thing, unless it is there.
    pub(crate) async fn create_thing(&self, thing: &DeviceId) -> Result<(), Trouble> {
        match self.client.create_thing().thing_name(thing.as_str()).send().await {
            Ok(_) => Ok(()),
            // It is there with attributes, a type or a group that someone gave it.
            Err(error) if error.code() == Some("ResourceAlreadyExistsException") => Ok(()),
            Err(error) => Err(refused(&format!("making the thing {thing}"), error)),
        }
    }

    /// Has a certificate made, not active yet, for the key that signed the request.
    pub(crate) async fn create_certificate(&self, csr: &str) -> Result<Made, Trouble> {
        const ACTION: &str = "making a certificate";
        let made = self.client.create_certificate_from_csr().certificate_signing_request(csr);
        let made = made.send().await.map_err(|error| refused(ACTION, error))?;
        match (made.certificate_arn, made.certificate_pem) {
            (Some(arn), Some(pem)) => Ok(Made { arn, pem }),
            (_, _) => Err(Trouble::Account {
                action: ACTION.to_owned(),
                said: "the answer lacks ARN or PEM".to_owned(),
            }),
        }
    }

    /// What is known of a certificate.
    pub(crate) async fn certificate(&self, id: &str) -> Result<Option<Certificate>, Trouble> {
        let answer = self.client.describe_certificate().certificate_id(id).send().await;
        let answer = found(&format!("looking at the certificate {id}"), answer)?;
        Ok(answer.and_then(|answer| answer.certificate_description).map(|known| Certificate {
            id: id.to_owned(),
            active: known.status == Some(CertificateStatus::Active),
            revoked: known.status == Some(CertificateStatus::Revoked),
            expires: known.validity.and_then(|validity| validity.not_after).map(|end| end.secs()),
            arn: known.certificate_arn.unwrap_or_default(),
        }))
    }

    /// Whether devices can connect with it from now on.
    pub(crate) async fn set_active(&self, id: &str, active: bool) -> Result<(), Trouble> {
        let status = if active { CertificateStatus::Active } else { CertificateStatus::Inactive };
        self.set_status(id, status).await
    }

    async fn set_status(&self, id: &str, status: CertificateStatus) -> Result<(), Trouble> {
        let action = format!("making the certificate {id} {status}");
        let answer =
            self.client.update_certificate().certificate_id(id).new_status(status).send().await;
        answer.map_err(|error| refused(&action, error))?;
        Ok(())
    }

    /// Takes a certificate back for good: no policy, no things, revoked, and gone from the registry.
    pub(crate) async fn remove_certificate(&self, arn: &str) -> Result<(), Trouble> {
        let action = format!("taking back {arn}");
        let id = certificate_id(arn);
        self.set_status(id, CertificateStatus::Revoked).await?;
        for policy in self.policies_of(arn).await? {
            let detached = self.client.detach_policy().policy_name(policy).target(arn).send().await;
            found(&action, detached)?;
        }
        for thing in self.things_of(arn).await? {
            let detached = self.client.detach_thing_principal().thing_name(thing).principal(arn);
            found(&action, detached.send().await)?;
        }
        let deleted = self.client.delete_certificate().certificate_id(id).send().await;
        found(&action, deleted)?;
        Ok(())
    }

    /// Deletes a thing.
    pub(crate) async fn delete_thing(&self, thing: &str) -> Result<(), Trouble> {
        let deleted = self.client.delete_thing().thing_name(thing).send().await;
        found(&format!("deleting the thing {thing}"), deleted)?;
        Ok(())
    }

    /// Gives a certificate a policy.
    pub(crate) async fn attach_policy(&self, policy: &str, arn: &str) -> Result<(), Trouble> {
        let attached = self.client.attach_policy().policy_name(policy).target(arn).send().await;
        match found(&format!("attaching the policy {policy}"), attached)? {
            Some(_) => Ok(()),
            None => Err(Trouble::Account {
                action: format!("attaching the policy {policy}"),
                said: "it is not in this account and region: deploy the stack tidings-base first"
                    .to_owned(),
            }),
        }
    }

    /// Ties a certificate to a thing.
    pub(crate) async fn attach_thing(&self, thing: &DeviceId, arn: &str) -> Result<(), Trouble> {
        let attached = self.client.attach_thing_principal().thing_name(thing.as_str());
        let attached = attached.principal(arn).send().await;
        attached.map_err(|error| refused(&format!("attaching a certificate to {thing}"), error))?;
        Ok(())
    }

    /// ARNs of the certificates of a thing; `None` where there is no such thing.
    pub(crate) async fn principals(&self, thing: &str) -> Result<Option<Vec<String>>, Trouble> {
        let action = format!("certificates of {thing}");
        let (mut list, mut next) = (Vec::new(), None);
        loop {
            let page = self.client.list_thing_principals().thing_name(thing).set_next_token(next);
            let Some(page) = found(&action, page.send().await)? else { return Ok(None) };
            list.extend(page.principals.unwrap_or_default());
            next = page.next_token;
            if next.is_none() {
                return Ok(Some(list));
            }
        }
    }

    /// Names of the policies of a certificate.
    pub(crate) async fn policies_of(&self, arn: &str) -> Result<Vec<String>, Trouble> {
        let (mut list, mut marker) = (Vec::new(), None);
        loop {
            let page = self.client.list_attached_policies().target(arn).set_marker(marker);
            let page = found(&format!("policies of {arn}"), page.send().await)?;
            let Some(page) = page else { return Ok(list) };
            let policies = page.policies.unwrap_or_default();
            list.extend(policies.into_iter().filter_map(|policy| policy.policy_name));
            marker = page.next_marker;
            if marker.is_none() {
                return Ok(list);
            }
        }
    }

    /// ARNs of the certificates that have a policy.
    pub(crate) async fn holders(&self, policy: &str) -> Result<Vec<String>, Trouble> {
        let (mut list, mut marker) = (Vec::new(), None);
        loop {
            let page = self.client.list_targets_for_policy().policy_name(policy).set_marker(marker);
            let page = found(&format!("certificates with the policy {policy}"), page.send().await)?;
            let Some(page) = page else { return Ok(list) };
            list.extend(page.targets.unwrap_or_default());
            marker = page.next_marker;
            if marker.is_none() {
                return Ok(list);
            }
        }
    }

    /// Names of the things that a certificate is tied to.
    pub(crate) async fn things_of(&self, arn: &str) -> Result<Vec<String>, Trouble> {
        let answer = self.client.list_principal_things().principal(arn).send().await;
        let answer = found(&format!("things of {arn}"), answer)?;
        Ok(answer.and_then(|answer| answer.things).unwrap_or_default())
    }

    /// Names of all things.
    pub(crate) async fn things(&self) -> Result<Vec<String>, Trouble> {
        let (mut list, mut next) = (Vec::new(), None);
        loop {
            let page = self.client.list_things().max_results(250).set_next_token(next).send().await;
            let page = page.map_err(|error| refused("things", error))?;
            let things = page.things.unwrap_or_default();
            list.extend(things.into_iter().filter_map(|thing| thing.thing_name));
            next = page.next_token;
            if next.is_none() {
                return Ok(list);
            }
        }
    }

    /// How many topic rules there are.
    pub(crate) async fn count_rules(&self) -> Result<usize, Trouble> {
        let (mut count, mut next) = (0, None);
        loop {
            let page = self.client.list_topic_rules().set_next_token(next).send().await;
            let page = page.map_err(|error| refused("topic rules", error))?;
            count += page.rules.unwrap_or_default().len();
            next = page.next_token;
            if next.is_none() {
                return Ok(count);
            }
        }
    }

    /// A topic rule.
    pub(crate) async fn rule(&self, name: &str) -> Result<Option<Rule>, Trouble> {
        let action = format!("looking at the rule {name}");
        let answer = self.client.get_topic_rule().rule_name(name).send().await;
        let answer = match answer {
            // What AWS says of a rule that is not there, as of one that may not be seen.
            Err(error) if error.code() == Some("UnauthorizedException") => None,
            answer => found(&action, answer)?,
        };
        Ok(answer.and_then(|answer| answer.rule).map(|rule| {
            let target = |action: Action| {
                let function = action.lambda.map(|lambda| lambda.function_arn);
                function.or(action.sqs.map(|sqs| sqs.queue_url))
            };
            Rule {
                sql: rule.sql.unwrap_or_default(),
                version: rule.aws_iot_sql_version.unwrap_or_default(),
                disabled: rule.rule_disabled.unwrap_or_default(),
                targets: rule.actions.unwrap_or_default().into_iter().filter_map(target).collect(),
                errors_to: rule.error_action.and_then(target),
            }
        }))
    }
}

/// The id in a certificate's ARN, which is the SHA-256 of its DER in hex.
pub(crate) fn certificate_id(arn: &str) -> &str {
    arn.rsplit_once('/').map_or(arn, |(_, id)| id)
}
