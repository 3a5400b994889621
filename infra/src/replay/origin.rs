//! Where messages wait to be replayed, and how each place is told that one has been.

use std::collections::VecDeque;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use tidings_agent::clock;
use tidings_ingest::Envelope;
use tidings_schema::UnixMillis;

use super::record::{self, Message};
use crate::Trouble;
use crate::account::queues::{Queue, Received};
use crate::cloud::invoker::Failures;
use crate::dynamo::{Database, Refused};

/// Some messages that are done together.
#[derive(Debug)]
pub(super) struct Record {
    /// What it holds; or why nothing can be made of it.
    pub(super) messages: Result<Vec<Message>, String>,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Quarantine(Box<Refused>),
    /// So many lines of the file are done with this one.
    Line(u64),
    Local(i64),
    Queue(String),
}

/// Where messages wait.
#[derive(Debug)]
pub(super) enum Origin {
    /// The table of what was refused.
    Quarantine { database: Database, waiting: VecDeque<Refused> },
    /// A file with a record on each line, or standard input.
    Lines(Lines),
    /// What the local `up` keeps of events that failed.
    Local { failures: Failures, last: i64 },
    /// A queue of SQS.
    Queue { queue: Queue, received: VecDeque<Received> },
}

impl Origin {
    /// The next record, or `None` at the end.
    ///
    /// # Errors
    /// When the place cannot be read.
    pub(super) async fn next(
        &mut self,
        arrival: Option<UnixMillis>,
    ) -> Result<Option<Record>, Trouble> {
        match self {
            Self::Quarantine { waiting, .. } => Ok(waiting.pop_front().map(|refused| Record {
                messages: Ok(vec![message_of(&refused)]),
                place: Place::Quarantine(Box::new(refused)),
            })),
            Self::Lines(lines) => Ok(lines.next()?.map(|(number, line)| Record {
                messages: read(&line, arrival),
                place: Place::Line(number),
            })),
            Self::Local { failures, last } => Ok(failures.after(*last)?.map(|(id, record)| {
                *last = id;
                Record { messages: read(&record, arrival), place: Place::Local(id) }
            })),
            Self::Queue { queue, received } => {
                if received.is_empty() {
                    received.extend(queue.receive().await?);
                }
                Ok(received.pop_front().map(|one| Record {
                    messages: read(&one.body, one.sent_at.or(arrival)),
                    place: Place::Queue(one.receipt),
                }))
            }
        }
    }

    /// All messages of the record are in a table.
    ///
    /// # Errors
    /// When the place cannot be told: the record will be replayed again, which changes nothing.
    pub(super) async fn settle(&mut self, record: &Record) -> Result<(), Trouble> {
        match (self, &record.place) {
            (Self::Quarantine { database, .. }, Place::Quarantine(refused)) => {
                database.mark_replayed(refused, clock::now()).await
            }
            (Self::Lines(lines), Place::Line(number)) => lines.settle(*number),
            (Self::Local { failures, .. }, Place::Local(id)) => failures.remove(*id),
            (Self::Queue { queue, .. }, Place::Queue(receipt)) => queue.delete(receipt).await,
            _ => Err(Trouble::Internal("a record of another place".to_owned())),
        }
    }

    /// All records that could be done are: what was kept to go on from is not needed any more.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(super) fn finish(&mut self, is_whole: bool) -> Result<(), Trouble> {
        match self {
            Self::Lines(lines) => lines.finish(is_whole),
            Self::Quarantine { .. } | Self::Local { .. } | Self::Queue { .. } => Ok(()),
        }
    }
}

fn read(line: &str, arrival: Option<UnixMillis>) -> Result<Vec<Message>, String> {
    record::read(line, arrival).map_err(|error| tidings_agent::terminal::causes(&error, ": "))
}

/// What was refused, as the rule gave it.
fn message_of(refused: &Refused) -> Message {
    Message {
        envelope: Envelope {
            payload: Envelope::encode_payload(&refused.payload),
            topic: refused.topic.clone(),
            client_id: refused.client_id.clone(),
            principal: refused.principal.clone(),
            received_at: refused.received_at,
            trace_id: refused.trace_id.clone(),
            envelope: tidings_ingest::envelope::VERSION,
        },
        payload: refused.payload.clone(),
        has_arrival: true,
        reason: refused.reason.clone(),
    }
}

/// Lines, of which a file beside remembers how many are done.
pub(super) struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    /// The file that remembers; none for standard input.
    progress: Option<PathBuf>,
    number: u64,
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Lines {
    /// Opens a file, or standard input for `-`, and goes on after what is done.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn open(path: &Path) -> Result<Self, Trouble> {
        let wrong = |source| Trouble::File { path: path.to_owned(), source };
        let standard_input = path == Path::new("-");
        let reader: Box<dyn BufRead + Send> = if standard_input {
            Box::new(std::io::BufReader::new(std::io::stdin()))
        } else {
            Box::new(std::io::BufReader::new(std::fs::File::open(path).map_err(wrong)?))
        };
        let progress = (!standard_input).then(|| {
            let mut name = path.as_os_str().to_owned();
            name.push(".replayed");
            PathBuf::from(name)
        });
        let done = match progress.as_ref().map(std::fs::read_to_string) {
            Some(Ok(text)) => text.trim().parse().unwrap_or(0),
            Some(Err(_)) | None => 0,
        };
        let mut lines = Self { reader, path: path.to_owned(), progress, number: 0 };
        while lines.number < done && lines.line()?.is_some() {}
        Ok(lines)
    }

    fn line(&mut self) -> Result<Option<String>, Trouble> {
        let mut bytes = Vec::new();
        let read = self.reader.read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| Trouble::File { path: self.path.clone(), source })?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        // What is not UTF-8 is not JSON either, and is said to be so.
        Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
    }

    fn next(&mut self) -> Result<Option<(u64, String)>, Trouble> {
        while let Some(line) = self.line()? {
            if !line.is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
        Ok(None)
    }

    fn settle(&mut self, number: u64) -> Result<(), Trouble> {
        let Some(progress) = &self.progress else { return Ok(()) };
        std::fs::write(progress, number.to_string())
            .map_err(|source| Trouble::File { path: progress.clone(), source })
    }

    fn finish(&mut self, is_whole: bool) -> Result<(), Trouble> {
        match &self.progress {
            Some(progress) if is_whole && progress.exists() => std::fs::remove_file(progress)
                .map_err(|source| Trouble::File { path: progress.clone(), source }),
            Some(_) | None => Ok(()),
        }
    }
}
