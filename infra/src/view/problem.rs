//! What a page is told when it cannot be answered: what went wrong, and what to do.

use axum::http::StatusCode;
use serde::Serialize;

use super::cache::Answer;
use crate::Trouble;

/// An error as the page shows it.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) error: String,
    pub(super) advice: String,
}

impl Problem {
    /// Of a question that makes no sense.
    pub(super) fn asked(error: impl ToString) -> Self {
        Self { error: error.to_string(), advice: "Open the fleet and begin there.".to_owned() }
    }

    pub(super) fn answer(&self, status: StatusCode) -> Answer {
        let body = serde_json::to_vec(self).unwrap_or_default().into();
        Answer { status, body }
    }
}

impl From<&Trouble> for Problem {
    fn from(trouble: &Trouble) -> Self {
        let error = tidings_agent::terminal::causes(trouble, ": ");
        let advice = advice(&error).to_owned();
        Self { error, advice }
    }
}

/// What helps against what DynamoDB, or the way to it, says.
fn advice(said: &str) -> &'static str {
    let says = |any: &[&str]| any.iter().any(|word| said.contains(word));
    if says(&["ResourceNotFoundException"]) {
        "A table is not there. Is this the right account and region? `tidings doctor` says what is deployed, \
         `tidings deploy` makes the tables, and --readings-table and its like name others."
    } else if says(&[
        "credentials",
        "Credentials",
        "ExpiredToken",
        "UnrecognizedClient",
        "InvalidSignature",
    ]) {
        "There are no AWS credentials that hold. Run `aws sso login` or `aws configure`, or set AWS_PROFILE, and \
         start `tidings view` again."
    } else if says(&["Missing Region", "region"]) {
        "No AWS region is named. Set AWS_REGION, or run `aws configure`, and start `tidings view` again."
    } else if says(&["AccessDenied"]) {
        "These credentials may not read the tables. They need dynamodb:Query and dynamodb:GetItem on readings, \
         quarantine and devices."
    } else if says(&["Throttling", "ProvisionedThroughputExceeded", "RequestLimitExceeded"]) {
        "DynamoDB is asked too much just now. The page tries again by itself."
    } else if says(&["dispatch failure", "ConnectError", "timeout", "connection"]) {
        "DynamoDB cannot be reached. Is the network there, and does what --endpoint-url names still run? The page \
         tries again by itself."
    } else {
        "The page tries again by itself; the terminal that serves it may say more."
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_often_comes_with_what_helps() {
        for (said, word) in [
            ("ResourceNotFoundException: Requested resource not found", "deploy"),
            (
                "dispatch failure: other: the credential provider was not enabled: no credentials",
                "aws sso login",
            ),
            (
                "ExpiredTokenException: The security token included in the request is expired",
                "aws sso login",
            ),
            ("construction failure: Invalid Configuration: Missing Region", "AWS_REGION"),
            ("AccessDeniedException: User is not authorized", "dynamodb:Query"),
            ("ThrottlingException: Rate exceeded", "by itself"),
            ("dispatch failure: io error: tcp connect error: Connection refused", "--endpoint-url"),
            ("InternalServerError", "terminal"),
        ] {
            let problem = Problem::from(&Trouble::Query(said.to_owned()));
            assert!(problem.advice.contains(word), "{said}: {}", problem.advice);
            assert!(problem.error.contains(said));
        }
    }
}
