//! The report, for people and for machines.

use std::io::Write;

use serde_json::json;
use tidings_agent::clock;

use super::checks::{Finding, Level, ago, last_heard};
use super::facts::Facts;
use crate::Trouble;
use crate::query::{table, time};

/// Says on standard error what is being looked at; nothing clears it.
pub(super) fn progress(what: &str) {
    let text = if what.is_empty() { String::new() } else { format!("looking at {what} …") };
    // Who cannot be told of progress needs none.
    write!(std::io::stderr(), "\r\x1b[K{text}").ok();
}

/// A line for each finding, then the devices.
pub(super) fn text(
    facts: &Facts,
    findings: &[Finding],
    colour: bool,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let account = facts.account().unwrap_or("unknown");
    writeln!(out, "account {account}, region {}\n", facts.region)?;
    for finding in findings {
        let (mark, code) = match finding.level {
            Level::Good => ("ok", "32"),
            Level::Warning => ("warn", "33"),
            Level::Wrong => ("WRONG", "31"),
        };
        let mark = format!("{mark:<5}");
        let mark = if colour { format!("\x1b[{code}m{mark}\x1b[0m") } else { mark };
        writeln!(out, "{mark}  {:<18} {}", finding.about, finding.says)?;
        if let Some(mend) = &finding.mend {
            writeln!(out, "       {:<18} → {mend}", "")?;
        }
    }
    let now = clock::now();
    let rows: Vec<Vec<String>> = last_heard(facts)
        .into_iter()
        .map(|(device, at)| vec![device.to_owned(), time(at), format!("{} ago", ago(now, at))])
        .collect();
    if !rows.is_empty() {
        let header = ["device", "last heard", ""].map(str::to_owned).to_vec();
        writeln!(out, "\n{}", table(header, rows))?;
    }
    Ok(())
}

/// One object.
pub(super) fn json(
    facts: &Facts,
    findings: &[Finding],
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let worst = findings.iter().map(|finding| finding.level).max().unwrap_or(Level::Good);
    let devices: Vec<_> = last_heard(facts)
        .into_iter()
        .map(|(device, at)| json!({"device": device, "last_heard": at}))
        .collect();
    let report = json!({
        "account": facts.account(), "region": facts.region, "worst": worst,
        "findings": findings, "devices": devices,
    });
    writeln!(out, "{report}")?;
    Ok(())
}
