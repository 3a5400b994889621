//! The rows that make sense, through the function's own code and into the tables.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use tidings_agent::clock;
use tidings_ingest::envelope::VERSION;
use tidings_ingest::store::DynamoStore;
use tidings_ingest::{Answer, Envelope, HandlerError, Ingest, Preview};
use tidings_schema::{Topic, topic};

use super::Age;
use super::batch::{Batches, Message};
use super::row::Said;
use super::sums::Sums;
use super::table::{Line, Table};
use crate::Trouble;
use crate::export::progress::Progress;

/// How long one message is tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends the rows that make sense and are not too old.
pub(super) async fn all(
    tables: &[Table],
    (said, age): (&Said, Age),
    ingest: &Ingest<DynamoStore>,
    sums: &mut Sums,
    progress: &mut Progress,
) -> Result<(), Trouble> {
    for table in tables {
        let mut batches = Batches::default();
        let mut rows = table.rows()?;
        while let Some((line, found)) = rows.next(said)? {
            let Line::Reading(row) = found else { continue };
            if age.too_old(&row).is_some() {
                continue;
            }
            let full = match batches.add(line, *row) {
                Ok(full) => full,
                Err(error) => {
                    sums.bad(table, line, error.to_string());
                    continue;
                }
            };
            for message in full {
                send(ingest, message, sums, progress, table).await?;
            }
        }
        for message in batches.finish() {
            send(ingest, message, sums, progress, table).await?;
        }
    }
    Ok(())
}

/// Sends a message without what the function would refuse of it. What it refuses of a device it keeps in
/// quarantine, once for each time that it comes; who imports a file has it, and wants the line.
async fn send(
    ingest: &Ingest<DynamoStore>,
    message: Message,
    sums: &mut Sums,
    progress: &mut Progress,
    table: &Table,
) -> Result<(), Trouble> {
    let file = table.path.display();
    let (first, count) = (message.rows.first().map_or(0, |(line, _)| *line), message.rows.len());
    let stopped = |error: &HandlerError| {
        Trouble::Transfer(format!(
            "the import has stopped at line {first} of {file} ({}): repeat it when the table can be reached; what is done is not lost",
            error.message()
        ))
    };
    let preview = preview(ingest, &message).await?.map_err(|error| stopped(&error))?;
    let (message, preview) = if preview.refused.is_empty() {
        (message, preview)
    } else {
        let kept = refuse(ingest, message, sums, table).await?.map_err(|error| stopped(&error))?;
        let Some(message) = kept else {
            progress.count(count, &format_args!("{file} line {first}"));
            return Ok(());
        };
        let again = self::preview(ingest, &message).await?.map_err(|error| stopped(&error))?;
        (message, again)
    };
    // Whatever is still refused cannot be told of a row.
    for (reason, detail) in &preview.refused {
        sums.refused(table, first, reason, detail);
    }
    if sums.dry_run {
        sums.readings += preview.accepted;
        let told = preview.accepted + preview.refused.len();
        sums.duplicates += message.rows.len().saturating_sub(told);
    } else {
        match ingest.handle(&event(&message)?, SystemTime::now() + PATIENCE).await {
            (Ok(Answer::Message(summary)), _) => {
                sums.readings += summary.accepted;
                sums.duplicates += summary.duplicates;
            }
            (Ok(Answer::Sqs(_) | Answer::Kinesis(_) | Answer::Job(_)), _) => {
                return Err(Trouble::Internal("a message was taken for a batch".to_owned()));
            }
            (Err(error), _) => return Err(stopped(&error)),
        }
    }
    progress.count(count, &format_args!("{file} line {first}"));
    Ok(())
}

/// Lists the rows of a message that the function would refuse, and gives the message of the others.
async fn refuse(
    ingest: &Ingest<DynamoStore>,
    message: Message,
    sums: &mut Sums,
    table: &Table,
) -> Result<Result<Option<Message>, HandlerError>, Trouble> {
    let mut kept = Vec::new();
    let mut names = HashMap::new();
    for (line, row) in message.rows {
        let Some(alone) = Message::of(vec![(line, row.clone())]) else { continue };
        let preview = match preview(ingest, &alone).await? {
            Ok(preview) => preview,
            Err(error) => return Ok(Err(error)),
        };
        if let Some((reason, detail)) = preview.refused.first() {
            sums.refused(table, line, reason, detail);
            continue;
        }
        let reading = &row.reading;
        let name = (reading.sensor.clone(), reading.at, reading.seq);
        let (before, outcome) =
            names.entry(name).or_insert_with(|| (line, reading.outcome.clone()));
        if *outcome != reading.outcome {
            let detail =
                format!("line {before} has the same sensor, time, boot and seq, and other values");
            sums.refused(table, line, "conflicting-duplicate", &detail);
            continue;
        }
        kept.push((line, row));
    }
    Ok(Ok(Message::of(kept)))
}

async fn preview(
    ingest: &Ingest<DynamoStore>,
    message: &Message,
) -> Result<Result<Preview, HandlerError>, Trouble> {
    Ok(ingest.preview(&event(message)?).await)
}

/// The event as which the rule would have sent a message.
fn event(message: &Message) -> Result<String, Trouble> {
    let envelope = Envelope {
        payload: Envelope::encode_payload(&message.payload),
        topic: Topic::readings(&message.device, topic::Route::Broker).to_string(),
        client_id: message.device.to_string(),
        principal: None,
        received_at: clock::now(),
        trace_id: None,
        envelope: VERSION,
    };
    serde_json::to_string(&envelope).map_err(|error| Trouble::Internal(error.to_string()))
}
