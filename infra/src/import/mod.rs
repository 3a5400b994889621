//! `import`: old measurements through the function's own code, from files of CSV.
//!
//! Each file is read twice: once to see whether all of it is understood, before anything is written,
//! and once to write. A reading that comes without a name gets one that is made of it, so that an
//! import that is repeated, or interrupted, changes nothing that is there.

mod batch;
mod decimal;
mod first;
mod guard;
mod header;
mod order;
mod row;
mod table;
mod time;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use tidings_agent::clock;
use tidings_ingest::config::Rules;
use tidings_ingest::envelope::VERSION;
use tidings_ingest::store::DynamoStore;
use tidings_ingest::{Answer, Envelope, Ingest, Layout};
use tidings_schema::{DeviceId, SensorId, Topic, topic};

use self::batch::{Batches, Message};
use self::row::{RowError, Said};
use self::table::{Line, Table};
use crate::Trouble;
use crate::dynamo::Database;
use crate::export::progress::Progress;
use crate::export::zone::Zone;
use crate::target::Target;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct ImportArguments {
    /// Files of CSV: what `export` or `query --format csv` wrote, or a column with the time (time,
    /// timestamp, date) and columns of numbers, such as "Temperature (°C)" or humidity.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The device that all rows are of [default: what a column device says].
    #[arg(long)]
    device: Option<DeviceId>,
    /// The sensor that all rows are of [default: what a column sensor says, or import].
    #[arg(long)]
    sensor: Option<SensorId>,
    /// QUANTITY=UNIT: the unit of a quantity whose heading says none, or another one. May be repeated.
    #[arg(long = "unit", value_name = "QUANTITY=UNIT", value_parser = parse_unit)]
    units: Vec<(String, String)>,
    /// A column that is passed over, by its heading. May be repeated.
    #[arg(long = "skip", value_name = "COLUMN")]
    skip: Vec<String>,
    /// Where times without an offset were read off a clock, such as Europe/Berlin or UTC. Where it was
    /// put back and showed a time twice, the rows before tell which is meant; where they do not, the
    /// row is told and not stored.
    #[arg(long)]
    zone: Option<Zone>,
    /// How long readings are kept, in days after they were taken, for this import: as the function's
    /// TIDINGS_RETENTION_DAYS. Older ones are refused.
    #[arg(long, default_value_t = Rules::default().retention.reading_days, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_days: u32,
    /// How readings stand in their table: as the function's TIDINGS_LAYOUT.
    #[arg(long, value_parser = parse_layout, default_value = "each")]
    layout: Layout,
    /// Correct what `export` or `query` wrote by the device's calibration: only where it was stored
    /// before there was one, or it is corrected twice.
    #[arg(long)]
    calibrate: bool,
    /// Write nothing, and show what would happen.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object, for machines.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

fn parse_layout(text: &str) -> Result<Layout, String> {
    text.parse()
}

fn parse_unit(text: &str) -> Result<(String, String), String> {
    let (quantity, unit) = text.split_once('=').ok_or_else(|| {
        format!("expected QUANTITY=UNIT such as leaf_wetness=%, but found {text:?}")
    })?;
    Ok((quantity.trim().to_owned(), unit.trim().to_owned()))
}

/// How long one message is tried.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rows that make no sense and are kept to be told; more are counted.
const MAX_TOLD: usize = 10_000;

/// Of those, how many are printed for people.
const MAX_PRINTED: usize = 200;

/// A row that makes no sense.
#[derive(Debug, Serialize)]
struct Bad {
    file: PathBuf,
    line: u64,
    why: String,
}

/// What came of it.
#[derive(Debug, Default, Serialize)]
struct Sums {
    files: usize,
    rows: u64,
    /// Readings in the table, or that would be.
    readings: usize,
    /// Rows that say what another row says.
    duplicates: usize,
    /// Rows with a time and nothing else.
    empty: u64,
    /// Rows of a time that a clock showed twice, placed by those before.
    ambiguous: u64,
    /// Rows that make no sense.
    bad: u64,
    /// Readings that the function refused, by reason. They are in quarantine.
    refused: BTreeMap<String, usize>,
    dry_run: bool,
    bad_rows: Vec<Bad>,
}

/// Imports, and says at the end what came of it.
///
/// # Errors
/// When a file is not understood, of which then nothing is written; when a table cannot be written;
/// and when some rows made no sense or were refused.
pub async fn import(arguments: ImportArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let tables = understand(&arguments)?;
    let said = Said {
        device: arguments.device.clone(),
        sensor: arguments.sensor.clone(),
        zone: arguments.zone.clone(),
    };
    let (mut sums, stored_before) = look(&tables, &said)?;
    sums.dry_run = arguments.dry_run;
    let database = arguments.target.connect().await;
    if !arguments.calibrate {
        refuse_calibrated(&database, &stored_before).await?;
    }
    let mut rules = Rules { layout: arguments.layout, ..Rules::default() };
    rules.retention.reading_days = arguments.keep_days;
    // What is old alarms nobody.
    let ingest = Ingest::new(database.store(), rules).without_alerts();
    let mut progress = Progress::start();
    let written = write(&tables, &said, &ingest, &mut sums, &mut progress).await;
    progress.end();
    sums.print(arguments.json, out)?;
    written?;
    let refused: usize = sums.refused.values().sum();
    if sums.bad == 0 && refused == 0 {
        return Ok(());
    }
    Err(Trouble::Transfer(format!(
        "{} rows made no sense and {refused} readings were refused: mend them and import the file again; what is there stays as it is",
        sums.bad
    )))
}

/// Reads all headers.
fn understand(arguments: &ImportArguments) -> Result<Vec<Table>, Trouble> {
    let units: BTreeMap<String, String> = arguments.units.iter().cloned().collect();
    let (mut tables, mut problems) = (Vec::new(), Vec::new());
    for path in &arguments.files {
        match Table::open(path, &units, &arguments.skip)? {
            Ok(table) => tables.push(table),
            Err(list) => {
                let of_file = |problem| format!("\n  {}: {problem}", path.display());
                problems.extend(list.into_iter().map(of_file));
            }
        }
    }
    let quantities: BTreeSet<&str> = tables
        .iter()
        .flat_map(|table| table.header.quantities.iter().map(|(_, one)| one.quantity().as_str()))
        .collect();
    if problems.is_empty() {
        let unknown = units.keys().filter(|name| !quantities.contains(name.as_str()));
        problems
            .extend(unknown.map(|name| format!("\n  --unit {name}: no file has this quantity")));
        let has = |skip: &str| {
            let mut headings = tables.iter().flat_map(|table| &table.headings);
            headings.any(|heading| heading.trim() == skip.trim())
        };
        let unknown = arguments.skip.iter().filter(|skip| !has(skip));
        problems.extend(unknown.map(|skip| format!("\n  --skip {skip}: no file has this column")));
    }
    if problems.is_empty() {
        return Ok(tables);
    }
    Err(Trouble::Transfer(format!("nothing was written:{}", problems.concat())))
}

/// Values that were stored before are corrected already.
async fn refuse_calibrated(
    database: &Database,
    devices: &BTreeSet<DeviceId>,
) -> Result<(), Trouble> {
    for device in devices {
        let said = database.said(device).await?;
        let calibration = said.as_ref().and_then(|said| said.get("calibration")?.as_object());
        if calibration.is_some_and(|lines| !lines.is_empty()) {
            return Err(Trouble::Transfer(format!(
                "nothing was written: {device} has a calibration in the table {}, and readings that were stored before would be corrected twice: take it away for the time of the import (`tidings device {device}`), or say --calibrate",
                database.tables().devices
            )));
        }
    }
    Ok(())
}

/// Looks at each row, and lists those that make no sense. Gives also the devices of readings that
/// were stored before.
fn look(tables: &[Table], said: &Said) -> Result<(Sums, BTreeSet<DeviceId>), Trouble> {
    let mut sums = Sums { files: tables.len(), ..Sums::default() };
    let mut stored_before = BTreeSet::new();
    for table in tables {
        let mut rows = table.rows()?;
        while let Some((line, found)) = rows.next(said)? {
            sums.rows += 1;
            if matches!(&found, Line::Reading(row) if row.or_later.is_some()) {
                sums.ambiguous += 1;
            }
            match found {
                Line::Reading(row) if table.header.name.is_some() => {
                    if !stored_before.contains(&row.device) {
                        stored_before.insert(row.device);
                    }
                }
                Line::Reading(_) => {}
                Line::Empty => sums.empty += 1,
                Line::Bad(RowError::NoZone(why)) => {
                    let file = table.path.display();
                    return Err(Trouble::Transfer(format!(
                        "nothing was written:\n  {file}, line {line}: {why}"
                    )));
                }
                Line::Bad(RowError::Nonsense(why)) => sums.bad(table, line, why),
            }
        }
    }
    Ok((sums, stored_before))
}

/// Sends the rows that make sense.
async fn write(
    tables: &[Table],
    said: &Said,
    ingest: &Ingest<DynamoStore>,
    sums: &mut Sums,
    progress: &mut Progress,
) -> Result<(), Trouble> {
    for table in tables {
        let mut batches = Batches::default();
        let mut rows = table.rows()?;
        let mut last = 0;
        while let Some((line, found)) = rows.next(said)? {
            let Line::Reading(row) = found else { continue };
            last = line;
            let full = match batches.add(&row) {
                Ok(full) => full,
                Err(error) => {
                    sums.bad(table, line, error.to_string());
                    continue;
                }
            };
            for message in full {
                send(ingest, message, sums, progress, (table, line)).await?;
            }
        }
        for message in batches.finish() {
            send(ingest, message, sums, progress, (table, last)).await?;
        }
    }
    Ok(())
}

async fn send(
    ingest: &Ingest<DynamoStore>,
    message: Message,
    sums: &mut Sums,
    progress: &mut Progress,
    (table, line): (&Table, u64),
) -> Result<(), Trouble> {
    let file = table.path.display();
    let envelope = Envelope {
        payload: Envelope::encode_payload(&message.payload),
        topic: Topic::readings(&message.device, topic::Route::Broker).to_string(),
        client_id: message.device.to_string(),
        principal: None,
        received_at: clock::now(),
        trace_id: None,
        envelope: VERSION,
    };
    let event =
        serde_json::to_string(&envelope).map_err(|error| Trouble::Internal(error.to_string()))?;
    let stopped = |why: String| {
        Trouble::Transfer(format!(
            "the import has stopped before line {line} of {file} ({why}): repeat it when the table can be reached; what is done is not lost"
        ))
    };
    if sums.dry_run {
        let preview = ingest.preview(&event).await.map_err(|error| stopped(error.message()))?;
        sums.readings += preview.accepted;
        let told = preview.accepted + preview.refused.len();
        sums.duplicates += message.readings.saturating_sub(told);
        for (reason, _) in preview.refused {
            *sums.refused.entry(reason.to_owned()).or_default() += 1;
        }
    } else {
        match ingest.handle(&event, SystemTime::now() + PATIENCE).await {
            (Ok(Answer::Message(summary)), report) => {
                sums.readings += summary.accepted;
                sums.duplicates += summary.duplicates;
                for (reason, count) in report.quarantined {
                    *sums.refused.entry(reason.to_owned()).or_default() += count;
                }
            }
            (Ok(Answer::Sqs(_) | Answer::Kinesis(_) | Answer::Job(_)), _) => {
                return Err(Trouble::Internal("a message was taken for a batch".to_owned()));
            }
            (Err(error), _) => return Err(stopped(error.message())),
        }
    }
    progress.count(message.readings, &format_args!("{file} line {line}"));
    Ok(())
}

impl Sums {
    fn bad(&mut self, table: &Table, line: u64, why: String) {
        self.bad += 1;
        if self.bad_rows.len() < MAX_TOLD {
            self.bad_rows.push(Bad { file: table.path.clone(), line, why });
        }
    }

    fn print(&self, json: bool, out: &mut impl Write) -> Result<(), Trouble> {
        if json {
            let line = serde_json::to_string(self)
                .map_err(|error| Trouble::Internal(error.to_string()))?;
            return Ok(writeln!(out, "{line}")?);
        }
        for Bad { file, line, why } in self.bad_rows.iter().take(MAX_PRINTED) {
            writeln!(out, "{}, line {line}: {why}", file.display())?;
        }
        if self.bad > MAX_PRINTED as u64 {
            writeln!(out, "… and {} more (--json has more)", self.bad - MAX_PRINTED as u64)?;
        }
        let Self { files, rows, readings, duplicates, empty, ambiguous, .. } = self;
        let Self { bad, refused, dry_run, .. } = self;
        let verb = if *dry_run { "would be stored" } else { "stored" };
        write!(out, "{rows} rows of {files} files: {readings} readings {verb}")?;
        for (count, what) in [
            (*duplicates as u64, "stand twice"),
            (*empty, "are empty"),
            (*ambiguous, "of an hour that a clock showed twice, placed by the rows before"),
            (*bad, "make no sense"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        let will = if *dry_run { "would be " } else { "" };
        for (reason, count) in refused {
            write!(out, ", {count} {will}refused ({reason})")?;
        }
        Ok(writeln!(out)?)
    }
}
