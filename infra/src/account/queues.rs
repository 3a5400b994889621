//! Queues of SQS: the one file that knows its SDK.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use tidings_schema::UnixMillis;

use super::{aws_says, found};
use crate::{Trouble, aws};

/// Messages that one call gives, at the most (SQS API reference).
const BATCH: i32 = 10;

/// How long a message that is being replayed stays hidden from others, in seconds: far longer than
/// ten messages take.
const HIDDEN_SECONDS: i32 = 300;

/// How long a call waits for messages, in seconds. Without waiting, SQS asks some of its machines
/// only, and may say that a queue is empty that is not ("short polling").
const WAIT_SECONDS: i32 = 2;

/// A queue, which is emptied message by message.
#[derive(Debug)]
pub(crate) struct Queue {
    client: Client,
    url: String,
}

/// A message of the queue.
#[derive(Debug)]
pub(crate) struct Received {
    /// What it says.
    pub(crate) body: String,
    /// When it was sent.
    pub(crate) sent_at: Option<UnixMillis>,
    /// By which it is deleted.
    pub(crate) receipt: String,
}

impl Queue {
    /// The queue of that URL, at AWS or at another endpoint.
    pub(crate) async fn connect(url: String, endpoint: Option<&str>) -> Self {
        let config = aws::config(endpoint).await;
        Self { client: Client::new(&config), url }
    }

    /// Some messages; none when the queue is empty, or all that is left is being replayed.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub(crate) async fn receive(&self) -> Result<Vec<Received>, Trouble> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(BATCH)
            .visibility_timeout(HIDDEN_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .send()
            .await
            .map_err(|error| self.trouble(aws_says(&error)))?;
        let received = answer.messages.unwrap_or_default().into_iter().map(|message| {
            let sent_at = message
                .attributes
                .as_ref()
                .and_then(|all| all.get(&MessageSystemAttributeName::SentTimestamp))
                .and_then(|text| UnixMillis::new(text.parse().ok()?).ok());
            Received {
                sent_at,
                body: message.body.unwrap_or_default(),
                receipt: message.receipt_handle.unwrap_or_default(),
            }
        });
        Ok(received.collect())
    }

    /// Deletes a message that has been replayed.
    ///
    /// # Errors
    /// When the queue cannot be reached.
    pub(crate) async fn delete(&self, receipt: &str) -> Result<(), Trouble> {
        let deleted =
            self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await;
        deleted.map(drop).map_err(|error| self.trouble(aws_says(&error)))
    }

    fn trouble(&self, error: String) -> Trouble {
        Trouble::SqsQueue { url: self.url.clone(), error }
    }
}

/// What a queue is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct QueueState {
    pub(crate) arn: String,
    /// Messages that wait.
    pub(crate) waiting: u64,
    /// Messages that someone has taken and not finished.
    pub(crate) taken: u64,
    /// How long messages are kept, in seconds.
    pub(crate) kept_seconds: u64,
}

/// The state of the queue of that name, if there is one.
pub(crate) async fn state(
    name: &str,
    endpoint: Option<&str>,
) -> Result<Option<(String, QueueState)>, Trouble> {
    let client = Client::new(&aws::config(endpoint).await);
    let action = format!("looking at the queue {name}");
    let answer = client.get_queue_url().queue_name(name).send().await;
    let Some(url) = found(&action, answer)?.and_then(|answer| answer.queue_url) else {
        return Ok(None);
    };
    let asked = client.get_queue_attributes().queue_url(&url);
    let answer = asked.attribute_names(QueueAttributeName::All).send().await;
    let Some(attributes) = found(&action, answer)?.and_then(|answer| answer.attributes) else {
        return Ok(None);
    };
    let text = |name| attributes.get(&name).cloned().unwrap_or_default();
    let number = |name| text(name).parse().unwrap_or_default();
    let state = QueueState {
        arn: text(QueueAttributeName::QueueArn),
        waiting: number(QueueAttributeName::ApproximateNumberOfMessages),
        taken: number(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
        kept_seconds: number(QueueAttributeName::MessageRetentionPeriod),
    };
    Ok(Some((url, state)))
}
