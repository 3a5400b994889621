//! `queue`: what waits, whether the agent runs or not.

use std::io::Write as _;

use tidings_schema::UnixMillis;

use super::{ConfigArgument, Failure};
use crate::clock;
use crate::local;
use crate::queue::{self, QueueError, Summary};

pub(crate) async fn queue(place: &ConfigArgument, json: bool, dead: bool) -> Result<(), Failure> {
    let path = place.load()?.queue.path;
    let mut out = std::io::stdout().lock();
    if dead {
        for letter in queue::dead_letters(&path)? {
            writeln!(out, "{}", serde_json::to_string(&letter).map_err(std::io::Error::other)?)?;
        }
        return Ok(());
    }
    let (summary, by) = match queue::summarise(&path) {
        Ok(summary) => (summary, "the file"),
        Err(locked @ QueueError::InUse { .. }) => {
            let said = local::ask(&path, "/queue").await.ok();
            let said = said.and_then(|text| serde_json::from_str(&text).ok());
            (said.ok_or(locked)?, "the agent that runs")
        }
        Err(error) => return Err(error.into()),
    };
    if json {
        let line = serde_json::to_string(&summary).map_err(std::io::Error::other)?;
        writeln!(out, "{line}")?;
        return Ok(());
    }
    writeln!(out, "{} (by {by})", path.display())?;
    for (what, value) in rows(&summary, clock::now()) {
        writeln!(out, "  {what:<14} {value}")?;
    }
    Ok(())
}

fn rows(summary: &Summary, now: UnixMillis) -> Vec<(String, String)> {
    let mut rows = vec![
        (
            "waiting".to_owned(),
            format!("{} readings in {} messages", summary.readings, summary.messages),
        ),
        ("held".to_owned(), format!("{} readings until the clock is set", summary.held)),
        ("size".to_owned(), format!("{} bytes", summary.bytes)),
        ("dead letters".to_owned(), summary.dead.to_string()),
    ];
    if let Some(oldest) = summary.oldest {
        let age = (now.get() - oldest.get()).max(0) / 1000;
        rows.insert(1, ("oldest".to_owned(), format!("{} s ago", age)));
    }
    if summary.held == 0 {
        rows.retain(|(what, _)| what != "held");
    }
    for (reason, readings) in summary.losses.iter() {
        rows.push((format!("lost: {}", reason.name()), format!("{readings} readings")));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::{Loss, Losses};

    #[test]
    fn what_waits_is_told_with_its_age_and_what_was_lost() {
        let mut losses = Losses::default();
        losses.add(Loss::Oldest, 5);
        let summary = Summary {
            readings: 40,
            messages: 2,
            oldest: UnixMillis::new(1_000_000).ok(),
            losses,
            ..Summary::default()
        };
        let text: Vec<String> = rows(&summary, UnixMillis::new(1_090_000).unwrap())
            .into_iter()
            .map(|(what, value)| format!("{what}: {value}"))
            .collect();
        assert_eq!(
            text,
            [
                "waiting: 40 readings in 2 messages",
                "oldest: 90 s ago",
                "size: 0 bytes",
                "dead letters: 0",
                "lost: oldest: 5 readings",
            ]
        );
    }
}
