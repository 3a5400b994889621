//! Roles: the one file that knows the SDK of IAM.

use aws_sdk_iam::Client;
use serde_json::Value as Json;

use super::found;
use crate::{Trouble, aws};

/// IAM of one account.
#[derive(Debug, Clone)]
pub(crate) struct Iam {
    client: Client,
}

/// What a role may do.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    /// Its inline policies: name and document.
    pub(crate) inline: Vec<(String, Json)>,
    /// ARNs of the policies that are attached to it.
    pub(crate) attached: Vec<String>,
}

impl Iam {
    /// The account that the environment names, or what stands at the endpoint.
    pub(crate) async fn connect(endpoint: Option<&str>) -> Self {
        Self { client: Client::new(&aws::config(endpoint).await) }
    }

    /// A role with all that it may do.
    pub(crate) async fn role(&self, name: &str) -> Result<Option<Role>, Trouble> {
        let action = format!("looking at the role {name}");
        let role = self.client.get_role().role_name(name).send().await;
        let Some(role) = found(&action, role)?.and_then(|answer| answer.role) else {
            return Ok(None);
        };
        let mut known = Role { arn: role.arn, ..Role::default() };
        let names = self.client.list_role_policies().role_name(name).send().await;
        for policy in found(&action, names)?.map(|answer| answer.policy_names).unwrap_or_default() {
            let asked = self.client.get_role_policy().role_name(name).policy_name(&policy);
            let Some(answer) = found(&action, asked.send().await)? else { continue };
            let text = percent_decoded(&answer.policy_document);
            let document = serde_json::from_str(&text).map_err(|error| Trouble::Account {
                action: action.clone(),
                said: format!("policy {policy}: {error}"),
            })?;
            known.inline.push((policy, document));
        }
        let attached = self.client.list_attached_role_policies().role_name(name).send().await;
        let attached = found(&action, attached)?.and_then(|answer| answer.attached_policies);
        known.attached =
            attached.unwrap_or_default().into_iter().filter_map(|one| one.policy_arn).collect();
        Ok(Some(known))
    }
}

/// IAM gives documents percent-encoded (RFC 3986), as its API reference says.
fn percent_decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let escaped = (byte == b'%').then(|| {
            let mut rest = bytes.clone();
            let digits = [rest.next()?, rest.next()?];
            let value = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
            Some((value, rest))
        });
        match escaped.flatten() {
            Some((value, rest)) => {
                decoded.push(value);
                bytes = rest;
            }
            None => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_decoded_whether_they_are_encoded_or_not() {
        assert_eq!(percent_decoded("%7B%22a%22%3A%20%22%C3%BC%22%7D"), "{\"a\": \"ü\"}");
        assert_eq!(percent_decoded("{\"a\": \"100 %\"}"), "{\"a\": \"100 %\"}");
        assert_eq!(percent_decoded("%"), "%");
        assert_eq!(percent_decoded("%4"), "%4");
    }
}
