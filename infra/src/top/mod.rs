//! `top`: the fleet in the terminal, live.
//!
//! `screen` is a state machine without a terminal, `draw` and `detail` make cells of it, `look` is
//! the task that reads the tables, and `terminal` alone knows the terminal.

mod detail;
mod draw;
mod look;
mod screen;
mod table;
mod terminal;
mod words;

use std::io::{IsTerminal as _, Write};

use tidings_agent::clock;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use self::draw::Pen;
use self::screen::{Event, Screen, Then};
use self::terminal::{Ours, Told};
use crate::Trouble;
use crate::fleet::Reader;
use crate::target::Target;

/// The span of the charts, in milliseconds (an hour).
const HOUR_MS: i64 = 60 * 60 * 1000;

/// News of the tables that may wait for the screen.
const NEWS: usize = 4;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct TopArguments {
    /// Print the fleet once, as plain text (as when the output is no terminal).
    #[arg(long)]
    once: bool,
    /// Print the fleet once, as one JSON object.
    #[arg(long, conflicts_with = "once")]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Shows the fleet until `q`, or prints it once.
///
/// # Errors
/// When the terminal cannot be used; and when the tables cannot be read, where it prints once.
pub async fn top(arguments: TopArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let mut reader = Reader::new(arguments.target.connect().await);
    if arguments.json {
        let fleet = reader.read(clock::now()).await?;
        let json =
            serde_json::to_string(&fleet).map_err(|error| Trouble::Internal(error.to_string()))?;
        return Ok(writeln!(out, "{json}")?);
    }
    if arguments.once || !std::io::stdout().is_terminal() {
        let fleet = reader.read(clock::now()).await?;
        return Ok(out.write_all(table::plain(&fleet).as_bytes())?);
    }
    live(reader).await
}

async fn live(reader: Reader) -> Result<(), Trouble> {
    let zone = detail::zone();
    let pen =
        Pen { colour: tidings_agent::terminal::takes_colour(&std::io::stdout()), zone: &zone };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (wants, wanted) = watch::channel(None);
    let (news, mut comes) = mpsc::channel(NEWS);
    let looking = tokio::spawn(look::look(reader, wanted, news));
    let mut screen = Screen::new();
    let mut ours = Ours::take()?;
    let ended = loop {
        if let Err(error) = ours.show(&screen, pen) {
            break Err(error.into());
        }
        let event = tokio::select! {
            told = ours.next() => match told {
                Told::Key(key) => Event::Key(key),
                Told::Redraw => continue,
                Told::Gone => break Ok(()),
            },
            Some(event) = comes.recv() => event,
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
        };
        if screen.on(event) == Then::Quit {
            break Ok(());
        }
        let want = screen.wanted();
        wants.send_if_modified(|now| {
            let differs = *now != want;
            *now = want;
            differs
        });
    };
    drop(ours);
    drop(comes);
    // A query may hang on a network that is gone: it is not waited for.
    looking.abort();
    match looking.await {
        Err(error) if error.is_panic() => Err(Trouble::Internal(error.to_string())),
        Ok(()) | Err(_) => ended,
    }
}
