//! `cost`: from readings per second to dollars a month, line by line, beside the tutorial's way.

mod model;
mod prices;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use tidings_agent::config::parse_duration;

use self::model::{Bill, Fleet, Message};
use self::prices::{DATED, PRICES};
use crate::Trouble;
use crate::cloud::measured::Totals;
use crate::query::table;
use crate::up::WHERE;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct CostArguments {
    /// Devices.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    devices: u32,
    /// Sensors of each device.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    sensors: u32,
    /// Quantities that each sensor measures at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=32))]
    quantities: u32,
    /// Time between two readings of a sensor.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    every: Duration,
    /// How long a message waits for more readings: `batch.age` of the agent.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    batch_age: Duration,
    /// How readings stand in their table: TIDINGS_LAYOUT of the function.
    #[arg(long, default_value = "each")]
    layout: tidings_ingest::Layout,
    /// How long readings are kept: TIDINGS_RETENTION_DAYS of the function.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    retention_days: u32,
    /// Messages go through the message broker instead of Basic Ingest.
    #[arg(long)]
    broker: bool,
    /// Messages go over SQS: Path=queue of the stack tidings-wire.
    #[arg(long)]
    queue: bool,
    /// Take readings, bytes, time and log of a message from a running `up` with this data folder.
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = ".tidings", conflicts_with = "batch_age")]
    from_live: Option<PathBuf>,
    /// Print one JSON object, for machines.
    #[arg(long)]
    json: bool,
}

/// Works it out.
///
/// # Errors
/// When there is no running `up` to measure, or it has nothing to tell yet.
pub async fn cost(arguments: CostArguments, out: &mut impl Write) -> Result<(), Trouble> {
    if arguments.every.is_zero() {
        return Err(Trouble::Usage("--every: a reading takes time".to_owned()));
    }
    let fleet = Fleet {
        devices: arguments.devices.into(),
        sensors: arguments.sensors.into(),
        quantities: arguments.quantities.into(),
        every: arguments.every.as_secs_f64(),
        batch_age: arguments.batch_age.as_secs_f64(),
        broker: arguments.broker,
        queue: arguments.queue,
        packed: arguments.layout == tidings_ingest::Layout::Packed,
        retention_days: arguments.retention_days.into(),
    };
    let (message, source) = match &arguments.from_live {
        None => (fleet.message(), "estimated"),
        Some(folder) => (live(folder).await?, "measured"),
    };
    let (ours, tutorial) = (fleet.bill(message, &PRICES), fleet.tutorial(&PRICES));
    if arguments.json {
        let report = json!({
            "prices": DATED, "readings_per_second": fleet.readings_per_second(),
            "message": message, "message_is": source, "tidings": ours, "tutorial": tutorial,
        });
        writeln!(out, "{report}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{:.1} readings a second; a message ({source}) has {:.1} of them in {:.0} bytes\n\
         us-east-1, {DATED}, US dollars a month, without the free tier\n",
        fleet.readings_per_second(),
        message.readings,
        message.bytes
    )?;
    print("Tidings", &ours, out)?;
    print(
        "The tutorial: each reading a message, and a rule that puts it into the table",
        &tutorial,
        out,
    )?;
    writeln!(
        out,
        "The way to the table: {:.2}, and the tutorial's {:.2}, {:.1} times as much. {}",
        ours.way,
        tutorial.way,
        tutorial.way / ours.way,
        advice(&fleet, message)
    )?;
    Ok(())
}

/// What would make it cheaper.
fn advice(fleet: &Fleet, message: Message) -> &'static str {
    /// Readings in a message from which on its own cost is next to nothing beside the writes.
    const ENOUGH: f64 = 20.0;
    if message.readings < ENOUGH {
        "More readings in a message make it cheaper: a longer --batch-age."
    } else if !fleet.packed {
        "Writes are most of it: --layout packed makes those and what is stored several times cheaper."
    } else {
        "What is left is storage: --retention-days."
    }
}

fn print(title: &str, bill: &Bill, out: &mut impl Write) -> Result<(), Trouble> {
    let dollars = |amount: f64| format!("{amount:>9.2}");
    let row =
        |line: &model::Line| vec![line.what.to_owned(), line.amount.clone(), dollars(line.dollars)];
    let mut rows: Vec<Vec<String>> = bill.lines.iter().map(row).collect();
    rows.push(vec!["together".to_owned(), String::new(), dollars(bill.total)]);
    let header = ["", "amount", "dollars"].map(str::to_owned).to_vec();
    writeln!(out, "{title}\n{}\n", table(header, rows))?;
    Ok(())
}

/// What the `up` of a folder has measured.
async fn live(folder: &Path) -> Result<Message, Trouble> {
    let place = folder.join(WHERE);
    let text = std::fs::read_to_string(&place)
        .map_err(|source| Trouble::File { path: place.clone(), source })?;
    let place: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Trouble::Internal(error.to_string()))?;
    let url = format!("{}/api/measured", place["page"].as_str().unwrap_or_default());
    let asked = url.clone();
    let answer = tokio::task::spawn_blocking(move || -> Result<String, ureq::Error> {
        ureq::get(&asked).call()?.body_mut().read_to_string()
    });
    let answer = answer.await.map_err(|error| Trouble::Internal(error.to_string()))?;
    let answer = answer.map_err(|error| {
        Trouble::Query(format!("{url}: {error}: is `tidings up` running with this --data?"))
    })?;
    let totals: Totals =
        serde_json::from_str(&answer).map_err(|error| Trouble::Internal(error.to_string()))?;
    Message::measured(&totals).ok_or_else(|| {
        Trouble::Query(
            "`tidings up` has not stored a reading with its own function yet: ask again".to_owned(),
        )
    })
}
