//! A queue of SQS: the one file that knows its SDK.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use tidings_schema::UnixMillis;

use crate::Trouble;
use crate::aws;

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
pub(super) struct Queue {
    client: Client,
    url: String,
}

/// A message of the queue.
#[derive(Debug)]
pub(super) struct Received {
    /// What it says.
    pub(super) body: String,
    /// When it was sent.
    pub(super) sent_at: Option<UnixMillis>,
    /// By which it is deleted.
    pub(super) receipt: String,
}

impl Queue {
    /// The queue of that URL, at AWS or at another endpoint.
    pub(super) async fn connect(url: String, endpoint: Option<&str>) -> Self {
        let config = aws::config(endpoint).await;
        Self { client: Client::new(&config), url }
    }

    /// Some messages; none when the queue is empty, or all that is left is being replayed.
    ///
    /// # Errors
    /// When the queue cannot be asked.
    pub(super) async fn receive(&self) -> Result<Vec<Received>, Trouble> {
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
            .map_err(|error| self.trouble(DisplayErrorContext(error).to_string()))?;
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
    pub(super) async fn delete(&self, receipt: &str) -> Result<(), Trouble> {
        let deleted =
            self.client.delete_message().queue_url(&self.url).receipt_handle(receipt).send().await;
        deleted.map(drop).map_err(|error| self.trouble(DisplayErrorContext(error).to_string()))
    }

    fn trouble(&self, error: String) -> Trouble {
        Trouble::SqsQueue { url: self.url.clone(), error }
    }
}
