//! `replay`: what was refused, or failed, is sent through the function's own code again.
//!
//! Nothing is corrected but the names that `--map` gives. What is written has the keys that it would
//! have had the first time, so that a replay that is repeated, or interrupted, changes nothing.

mod origin;
mod record;
mod rename;

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tidings_agent::clock;
use tidings_ingest::config::Rules;
use tidings_ingest::store::DynamoStore;
use tidings_ingest::{Answer, Envelope, Ingest, Layout, Past};
use tidings_schema::wire::dialect::{Dialect, recognise};
use tidings_schema::{DeviceId, UnixMillis};
use tokio::time::MissedTickBehavior;

use self::origin::{Lines, Origin};
use self::record::Message;
use self::rename::{Rename, Renames};
use crate::Trouble;
use crate::account::queues::Queue;
use crate::cloud::invoker::Failures;
use crate::query::{parse_time, time};
use crate::target::Target;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct ReplayArguments {
    /// A file with a record on each line (- for standard input): on-failure records of Lambda,
    /// error-action messages of AWS IoT, messages of SQS with either, or events [default: the table
    /// quarantine].
    #[arg(conflicts_with_all = ["queue", "local"])]
    file: Option<PathBuf>,
    /// URL of an SQS queue with such records: the on-failure queue, or that of the error action.
    #[arg(long, conflicts_with = "local")]
    queue: Option<String>,
    /// Events that failed in a local `up`, by its data folder.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".tidings")]
    local: Option<PathBuf>,
    /// Only what was refused or failed for this reason.
    #[arg(long)]
    reason: Option<String>,
    /// Only of this device.
    #[arg(long)]
    device: Option<DeviceId>,
    /// Only what has this trace id.
    #[arg(long)]
    trace_id: Option<String>,
    /// Only what came from then on: a span before now (90s, 10m, 2h, 7d) or a time [default: 30d].
    #[arg(long, value_parser = parse_time)]
    since: Option<UnixMillis>,
    /// Only what came until then, likewise [default: now].
    #[arg(long, value_parser = parse_time)]
    until: Option<UnixMillis>,
    /// Also what has been replayed already.
    #[arg(long)]
    again: bool,
    /// Write nothing, and show what would happen.
    #[arg(long)]
    dry_run: bool,
    /// quantity:OLD=NEW or unit:OLD=NEW: another name for a quantity or a unit. May be repeated.
    #[arg(long = "map", value_name = "RENAME")]
    maps: Vec<Rename>,
    /// When messages came that do not say so themselves (an error action's in a file).
    #[arg(long, value_parser = parse_time)]
    received_at: Option<UnixMillis>,
    /// The most messages a second.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// How readings stand in their table: as the function's TIDINGS_LAYOUT.
    #[arg(long, value_parser = parse_layout, default_value = "each")]
    layout: Layout,
    /// How long readings are kept, in days: as the function's TIDINGS_RETENTION_DAYS.
    #[arg(long, default_value_t = Rules::default().retention.reading_days)]
    retention_days: u32,
    /// One JSON object for each message, and one for all, for machines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

fn parse_layout(text: &str) -> Result<Layout, String> {
    text.parse()
}

/// The default of `--since`: as long as quarantine is kept.
const QUARANTINE_DAYS: i64 = 30;

/// How long one message is tried: far longer than it takes, and not so long that nobody would wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Rows of the table that are printed; the sums count all.
const MAX_ROWS: usize = 200;

/// What came of one message.
#[derive(Debug, Serialize)]
struct Line {
    received_at: Option<UnixMillis>,
    device: String,
    /// Why it was refused, or failed.
    was: String,
    /// `stored`, `refused`, `unreadable` or `failed`.
    outcome: &'static str,
    /// Readings in the table, or that would be.
    readings: usize,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    trace_id: Option<String>,
}

/// What came of all.
#[derive(Debug, Default, Serialize)]
struct Sums {
    messages: usize,
    readings: usize,
    refused: usize,
    unreadable: usize,
    failed: usize,
    dry_run: bool,
}

/// Replays, and prints what came of it.
///
/// # Errors
/// When a place cannot be read, or a message could not be written.
pub async fn replay(arguments: ReplayArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let database = arguments.target.connect().await;
    let mut rules = Rules { layout: arguments.layout, ..Rules::default() };
    rules.retention.reading_days = arguments.retention_days;
    let ingest = Ingest::new(database.store(), rules).of_the_past(Past::Replayed);
    let mut origin = open(&arguments, database).await?;
    let is_quarantine = matches!(origin, Origin::Quarantine { .. });
    let renames: Renames = arguments.maps.iter().cloned().collect();

    let mut pace = tokio::time::interval(Duration::from_secs(1) / arguments.rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut progress = Progress::start(&arguments);
    let mut sums = Sums { dry_run: arguments.dry_run, ..Sums::default() };
    let mut lines = Vec::new();
    while let Some(record) = origin.next(arguments.received_at).await? {
        let mut is_done = true;
        let results = match &record.messages {
            Err(error) => vec![unreadable(error.clone())],
            Ok(messages) => {
                let mut results = Vec::new();
                for message in messages.iter().filter(|message| arguments.wants(message)) {
                    pace.tick().await;
                    results.push(one(&ingest, message, &renames, arguments.dry_run).await);
                }
                // What was not asked for stays where it is.
                is_done = results.len() == messages.len();
                results
            }
        };
        for line in results {
            // What is refused is at home in quarantine, unless it was taken from there.
            is_done &= line.outcome == STORED || (line.outcome == REFUSED && !is_quarantine);
            sums.count(&line);
            if arguments.json {
                write_json(out, &line)?;
            } else if arguments.dry_run || line.outcome != STORED {
                lines.push(line);
            }
        }
        if is_done && !arguments.dry_run {
            origin.settle(&record).await?;
        }
        progress.show(&sums);
        if sums.failed > 0 {
            break;
        }
    }
    progress.end();
    let is_whole = sums.failed == 0 && sums.unreadable == 0;
    if !arguments.dry_run {
        origin.finish(is_whole)?;
    }
    if arguments.json {
        write_json(out, &sums)?;
    } else {
        print(&lines, &sums, out)?;
    }
    if sums.failed > 0 { Err(Trouble::Replay) } else { Ok(()) }
}

const STORED: &str = "stored";
const REFUSED: &str = "refused";
const UNREADABLE: &str = "unreadable";
const FAILED: &str = "failed";

async fn open(
    arguments: &ReplayArguments,
    database: crate::dynamo::Database,
) -> Result<Origin, Trouble> {
    if let Some(file) = &arguments.file {
        return Ok(Origin::Lines(Lines::open(file)?));
    }
    if let Some(url) = &arguments.queue {
        let queue = Queue::connect(url.clone(), arguments.target.endpoint_url.as_deref()).await;
        return Ok(Origin::Queue { queue, received: std::collections::VecDeque::new() });
    }
    if let Some(data) = &arguments.local {
        let failures = Failures::open(&data.join("events.db"))?;
        return Ok(Origin::Local { failures, last: 0 });
    }
    let now = clock::now();
    let month = now.offset(-QUARANTINE_DAYS * 86_400_000).unwrap_or(UnixMillis::MIN);
    let (from, to) = (arguments.since.unwrap_or(month), arguments.until.unwrap_or(now));
    let mut waiting = database.quarantined_since(from, to).await?;
    waiting.retain(|refused| arguments.again || refused.replayed_at.is_none());
    Ok(Origin::Quarantine { database, waiting: waiting.into() })
}

impl ReplayArguments {
    fn wants(&self, message: &Message) -> bool {
        let Envelope { client_id, trace_id, received_at, topic, .. } = &message.envelope;
        let of_device = |device: &DeviceId| {
            client_id == device.as_str() || topic.split('/').nth(1) == Some(device.as_str())
        };
        self.reason.as_ref().is_none_or(|reason| *reason == message.reason)
            && self.device.as_ref().is_none_or(of_device)
            && (self.trace_id.is_none() || self.trace_id == *trace_id)
            && (!message.has_arrival
                || (self.since.is_none_or(|since| *received_at >= since)
                    && self.until.is_none_or(|until| *received_at <= until)))
    }
}

async fn one(
    ingest: &Ingest<DynamoStore>,
    message: &Message,
    renames: &Renames,
    dry_run: bool,
) -> Line {
    let mut envelope = message.envelope.clone();
    let mut line = Line {
        received_at: message.has_arrival.then_some(envelope.received_at),
        device: envelope.client_id.clone(),
        was: message.reason.clone(),
        outcome: STORED,
        readings: 0,
        detail: None,
        trace_id: envelope.trace_id.clone(),
    };
    let payload = renames.apply(message.payload.clone());
    if !message.has_arrival {
        // Version 1 has every time in itself; another dialect may mean "now", which is over.
        if !matches!(recognise(&payload), Ok(Dialect::V1)) {
            line.outcome = UNREADABLE;
            line.detail = Some("when it came is not known: say it with --received-at".to_owned());
            return line;
        }
        envelope.received_at = clock::now();
    }
    envelope.payload = Envelope::encode_payload(&payload);
    let event = match serde_json::to_string(&envelope) {
        Ok(event) => event,
        Err(error) => return Line { outcome: UNREADABLE, detail: Some(error.to_string()), ..line },
    };
    if dry_run {
        match ingest.preview(&event).await {
            Ok(preview) => {
                line.readings = preview.accepted;
                if let Some((reason, detail)) = preview.refused.into_iter().next() {
                    line.outcome = REFUSED;
                    line.detail = Some(format!("{reason}: {detail}"));
                }
            }
            Err(error) => {
                line.outcome = UNREADABLE;
                line.detail = Some(error.message());
            }
        }
        return line;
    }
    let deadline = SystemTime::now() + PATIENCE;
    match ingest.handle(&event, deadline).await {
        (Ok(Answer::Message(summary)), report) => {
            line.readings = summary.accepted;
            if summary.quarantined > 0 {
                line.outcome = REFUSED;
                line.detail = report.quarantined.keys().next().map(|reason| (*reason).to_owned());
            }
        }
        (Ok(Answer::Sqs(_) | Answer::Kinesis(_) | Answer::Job(_)), _) => {
            line.outcome = UNREADABLE;
        }
        (Err(error), _) => {
            line.outcome = FAILED;
            line.detail = Some(error.message());
        }
    }
    line
}

fn unreadable(error: String) -> Line {
    Line {
        received_at: None,
        device: String::new(),
        was: String::new(),
        outcome: UNREADABLE,
        readings: 0,
        detail: Some(error),
        trace_id: None,
    }
}

impl Sums {
    fn count(&mut self, line: &Line) {
        self.messages += 1;
        self.readings += line.readings;
        match line.outcome {
            REFUSED => self.refused += 1,
            UNREADABLE => self.unreadable += 1,
            FAILED => self.failed += 1,
            _ => {}
        }
    }
}

fn write_json(out: &mut impl Write, value: &impl Serialize) -> Result<(), Trouble> {
    let line =
        serde_json::to_string(value).map_err(|error| Trouble::Internal(error.to_string()))?;
    Ok(writeln!(out, "{line}")?)
}

fn print(lines: &[Line], sums: &Sums, out: &mut impl Write) -> Result<(), Trouble> {
    if !lines.is_empty() {
        let header = ["received", "device", "was", "now", "readings", "why"];
        let header = header.map(str::to_owned).to_vec();
        let rows = lines.iter().take(MAX_ROWS).map(|line| {
            let now = match line.outcome {
                STORED if sums.dry_run => "would be stored",
                REFUSED if sums.dry_run => "would be refused",
                other => other,
            };
            vec![
                line.received_at.map(time).unwrap_or_default(),
                line.device.clone(),
                line.was.clone(),
                now.to_owned(),
                line.readings.to_string(),
                line.detail.clone().unwrap_or_default(),
            ]
        });
        writeln!(out, "{}", crate::query::table(header, rows.collect()))?;
    }
    if lines.len() > MAX_ROWS {
        writeln!(out, "… and {} more (--json has all)", lines.len() - MAX_ROWS)?;
    }
    let Sums { messages, readings, refused, unreadable, failed, dry_run } = sums;
    let verb = if *dry_run { "would be stored" } else { "stored" };
    let sums = format!(
        "{messages} messages: {readings} readings {verb}; {refused} messages refused again, {unreadable} unreadable, {failed} failed"
    );
    Ok(writeln!(out, "{sums}")?)
}

/// A line on the terminal that says how far it is.
struct Progress {
    shown: Option<std::time::Instant>,
    is_on: bool,
}

impl Progress {
    fn start(arguments: &ReplayArguments) -> Self {
        Self { shown: None, is_on: !arguments.json && std::io::stderr().is_terminal() }
    }

    fn show(&mut self, sums: &Sums) {
        const EVERY: Duration = Duration::from_millis(200);
        if !self.is_on || self.shown.is_some_and(|at| at.elapsed() < EVERY) {
            return;
        }
        self.shown = Some(std::time::Instant::now());
        let Sums { messages, readings, .. } = sums;
        write!(std::io::stderr(), "\r{messages} messages, {readings} readings").ok();
    }

    fn end(&self) {
        if self.shown.is_some() {
            write!(std::io::stderr(), "\r\x1b[K").ok();
        }
    }
}
