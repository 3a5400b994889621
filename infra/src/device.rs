//! `device`: what an operator says of a device, shown or set.

use std::io::Write;
use std::path::PathBuf;

use serde_json::Value as Json;
use tidings_ingest::check_profile;
use tidings_schema::DeviceId;

use crate::Trouble;
use crate::target::Target;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct DeviceArguments {
    /// The device.
    device: DeviceId,
    /// Set it to what this JSON file says: site, labels, altitude, calibration, ranges, derive, alerts, silence.
    #[arg(long, value_name = "FILE", conflicts_with = "clear")]
    set: Option<PathBuf>,
    /// Say nothing of it any more.
    #[arg(long)]
    clear: bool,
    #[command(flatten)]
    target: Target,
}

/// Shows or sets it.
///
/// # Errors
/// When the file is wrong, with all that is wrong with it, or the table cannot be reached.
pub async fn device(arguments: DeviceArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let database = arguments.target.connect().await;
    let device = &arguments.device;
    if arguments.clear {
        database.say(device, None).await?;
        return Ok(writeln!(out, "{device}: nothing is said of it any more")?);
    }
    let Some(path) = &arguments.set else {
        return match database.said(device).await? {
            None => Ok(writeln!(out, "{device}: nothing is said of it")?),
            Some(said) => {
                let text = serde_json::to_string_pretty(&said)
                    .map_err(|error| Trouble::Internal(error.to_string()))?;
                Ok(writeln!(out, "{text}")?)
            }
        };
    };
    let text = std::fs::read_to_string(path)
        .map_err(|source| Trouble::File { path: path.clone(), source })?;
    let said: Json = serde_json::from_str(&text)
        .map_err(|error| Trouble::Usage(format!("{}: {error}", path.display())))?;
    let problems = check_profile(&said);
    if !problems.is_empty() {
        return Err(Trouble::Usage(format!("{}: {}", path.display(), problems.join("; "))));
    }
    let before = database.said(device).await?;
    database.say(device, Some(&said)).await?;
    writeln!(out, "{device}: set; functions that are warm see it within 5 minutes")?;
    let gone = no_longer_said(before.as_ref(), &said);
    if !gone.is_empty() {
        // A file replaces all that was said: without calibration, values change from now on.
        writeln!(out, "no longer said: {}", gone.join(", "))?;
    }
    Ok(())
}

fn no_longer_said<'a>(before: Option<&'a Json>, now: &Json) -> Vec<&'a str> {
    let names = before.and_then(Json::as_object).into_iter().flatten().map(|(name, _)| name);
    names.map(String::as_str).filter(|name| now.get(name).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_file_leaves_out_is_named() {
        let before = json!({"site": "north", "calibration": {}, "alerts": {}});
        assert_eq!(no_longer_said(Some(&before), &json!({"alerts": {}})), ["calibration", "site"]);
        assert_eq!(no_longer_said(None, &json!({"site": "north"})), [] as [&str; 0]);
    }
}
