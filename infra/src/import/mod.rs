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
mod sums;
mod table;
mod time;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use tidings_agent::clock;
use tidings_ingest::config::Rules;
use tidings_ingest::{Ingest, Layout, Past};
use tidings_schema::{Clock, DeviceId, SensorId, UnixMillis};

use self::row::{Row, RowError, Said};
use self::sums::Sums;
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
    /// TIDINGS_RETENTION_DAYS. Older ones are not stored, and are told before anything is written.
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
    let age = Age { now: clock::now(), keep_days: arguments.keep_days };
    let (mut sums, stored_before) = look(&tables, &said, age)?;
    sums.dry_run = arguments.dry_run;
    // Before it is written: ten years of readings may be meant.
    let of_age = sums.of_age(arguments.keep_days);
    if let Some(of_age) = &of_age {
        writeln!(std::io::stderr(), "{of_age}").ok();
    }
    let database = arguments.target.connect().await;
    if !arguments.calibrate {
        refuse_calibrated(&database, &stored_before).await?;
    }
    let mut rules = Rules { layout: arguments.layout, ..Rules::default() };
    rules.retention.reading_days = arguments.keep_days;
    // What is old alarms nobody.
    let ingest = Ingest::new(database.store(), rules).of_the_past(Past::Imported);
    let mut progress = Progress::start();
    let written = write::all(&tables, (&said, age), &ingest, &mut sums, &mut progress).await;
    progress.end();
    sums.print(arguments.json, out)?;
    written?;
    let refused = sums.all_refused();
    if sums.bad == 0 && refused == 0 {
        return Ok(());
    }
    Err(Trouble::Transfer(format!(
        "{} rows made no sense and {refused} readings were refused: mend them and import the file again; what is there stays as it is{}",
        sums.bad,
        of_age.map(|of_age| format!("\n  {of_age}")).unwrap_or_default()
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

/// How long readings are kept, from one moment on for the whole import.
#[derive(Debug, Clone, Copy)]
struct Age {
    now: UnixMillis,
    keep_days: u32,
}

impl Age {
    /// How many days old a reading is that is older than readings are kept.
    fn too_old(&self, row: &Row) -> Option<i64> {
        let days = (self.now.get() - row.reading.at.get()) / DAY_MS;
        (row.clock == Clock::Set && days >= i64::from(self.keep_days)).then_some(days)
    }
}

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Looks at each row, and lists those that make no sense. Gives also the devices of readings that
/// were stored before.
fn look(tables: &[Table], said: &Said, age: Age) -> Result<(Sums, BTreeSet<DeviceId>), Trouble> {
    let mut sums = Sums::of(tables.len());
    let mut stored_before = BTreeSet::new();
    for table in tables {
        let mut rows = table.rows()?;
        while let Some((line, found)) = rows.next(said)? {
            sums.rows += 1;
            if matches!(&found, Line::Reading(row) if row.or_later.is_some()) {
                sums.ambiguous += 1;
            }
            if let Line::Reading(row) = &found
                && let Some(days) = age.too_old(row)
            {
                sums.too_old(table, line, days, age.keep_days);
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
