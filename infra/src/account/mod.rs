//! An AWS account, or what stands for it: one file for each of its services.

pub(crate) mod alarms;
pub(crate) mod function;
pub(crate) mod iot;
pub mod names;
pub(crate) mod queues;
pub(crate) mod roles;
pub(crate) mod schedule;

use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::Trouble;

/// Makes of an SDK's error one that says what was asked for.
pub(crate) fn refused<E>(action: &str, error: E) -> Trouble
where
    E: std::error::Error + ProvideErrorMetadata,
{
    Trouble::Account { action: action.to_owned(), said: aws_says(&error) }
}

/// What AWS says: the error's name and text where it answered, and otherwise why it did not.
pub(crate) fn aws_says<E>(error: &E) -> String
where
    E: std::error::Error + ProvideErrorMetadata,
{
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, _) => tidings_agent::terminal::causes(error, ": "),
    }
}

/// `None` where what was asked for is not there.
pub(crate) fn found<T, E>(action: &str, result: Result<T, E>) -> Result<Option<T>, Trouble>
where
    E: std::error::Error + ProvideErrorMetadata,
{
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.code().is_some_and(is_absence) => Ok(None),
        Err(error) => Err(refused(action, error)),
    }
}

fn is_absence(code: &str) -> bool {
    matches!(
        code,
        "ResourceNotFoundException"
            | "NoSuchEntity"
            | "AWS.SimpleQueueService.NonExistentQueue"
            | "QueueDoesNotExist"
    )
}
