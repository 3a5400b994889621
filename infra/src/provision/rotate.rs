//! A new certificate in, and the old one out only after the new one has been used.

use std::io::Write;
use std::time::Duration;

use tidings_schema::UnixMillis;
use tokio::time::Instant;

use super::fleet::Member;
use super::folder::Folder;
use super::registry::Registry;
use crate::Trouble;
use crate::account::iot::certificate_id;
use crate::dynamo::{Database, Heard};
use crate::query::time;

/// How often the table is asked; the function writes it once a minute at the most.
const ASK_EVERY: Duration = Duration::from_secs(2);

/// Makes the new certificate, or takes the old ones back.
///
/// What tells the two apart is the registry: a thing with one certificate, which is the folder's, is
/// given a second; of a thing with more, all but the folder's are taken back as soon as ingest has
/// heard the device with that one.
pub(super) async fn rotate(
    registry: &Registry,
    database: &Database,
    member: &Member,
    wait: Duration,
    out: &mut impl Write,
) -> Result<(), Trouble> {
    let thing = &member.thing;
    let folder = Folder::open(&member.folder)?;
    let Some(certificates) = registry.iot.principals(thing.as_str()).await? else {
        return Err(Trouble::Provision(format!(
            "there is no thing {thing} here: provision it without --rotate first"
        )));
    };
    let here = folder.certificate_id()?;
    let is_here = |arn: &String| here.as_deref() == Some(certificate_id(arn));
    let old: Vec<&String> = certificates.iter().filter(|arn| !is_here(arn)).collect();
    let begun = here.is_some() && certificates.len() > old.len() && !old.is_empty();
    if !begun {
        // A certificate that has no thing yet is one whose making was interrupted.
        if certificates.iter().any(is_here) {
            folder.put_aside()?;
        }
        let made = registry.provision(member).await?;
        writeln!(
            out,
            "{thing}: {made}\nPut them on the device and start its agent again; the old certificate \
             is good until then.\nThen run this again, and the old one is taken back."
        )?;
        return Ok(());
    }
    let new = folder.fingerprint()?.unwrap_or_default();
    let end = Instant::now() + wait;
    loop {
        let last = last_heard(database.sensors(Some(thing)).await?);
        match last {
            Some((_, principal)) if principal.as_deref() == Some(new.as_str()) => break,
            last if Instant::now() >= end => return Err(not_yet(thing.as_str(), last)),
            _ => tokio::time::sleep(ASK_EVERY).await,
        }
    }
    for arn in &old {
        registry.iot.remove_certificate(arn).await?;
    }
    folder.forget_old()?;
    writeln!(out, "{thing}: heard with its new certificate; {} old taken back", old.len())?;
    Ok(())
}

/// When a device was heard last, and with which certificate.
fn last_heard(sensors: Vec<Heard>) -> Option<(UnixMillis, Option<String>)> {
    let last = sensors.into_iter().max_by_key(|heard| heard.last_seen)?;
    Some((last.last_seen, last.principal))
}

fn not_yet(thing: &str, last: Option<(UnixMillis, Option<String>)>) -> Trouble {
    let heard = match last {
        None => "it has never been heard".to_owned(),
        Some((at, principal)) => {
            let with = principal.map_or_else(
                || "and ingest does not know with which certificate".to_owned(),
                |id| format!("with the certificate {}…", id.chars().take(8).collect::<String>()),
            );
            format!("it was heard last at {}, {with}", time(at))
        }
    };
    Trouble::Provision(format!(
        "{thing} has not been heard with its new certificate: {heard}. Nothing is taken back. \
         Ingest tells of a device once a minute; --wait 5m waits for it"
    ))
}
