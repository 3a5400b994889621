//! `provision`: thing, key, certificate and a ready agent configuration, against `up`.

use std::io::Write;
use std::path::PathBuf;

use tidings_schema::DeviceId;

use crate::Trouble;
use crate::cloud::pki::{Pki, write_private};
use crate::up::{CONFIG, WHERE, connection_config};

/// What is asked for.
#[derive(Debug, clap::Args)]
pub struct ProvisionArguments {
    /// Name of the thing, which is its MQTT client id as well.
    thing: DeviceId,
    /// Folder for key, certificate and configuration [default: ./THING].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Data folder of the `up` that the device is for.
    #[arg(long, value_name = "DIR", default_value = ".tidings")]
    data: PathBuf,
    /// Undo it: the thing's certificates are not accepted any more.
    #[arg(long)]
    revoke: bool,
}

/// A sensor for a start; the user replaces it.
const SENSOR: &str = "\n[[sensor]]\nname = \"host\"\nkind = \"host\"\ninterval = \"10s\"\n";

/// Provisions a device, or revokes it.
///
/// # Errors
/// When there is no `up` in the data folder, or a file cannot be written.
pub fn provision(arguments: &ProvisionArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let place = arguments.data.join(WHERE);
    let text = std::fs::read_to_string(&place)
        .map_err(|source| Trouble::File { path: place.clone(), source })?;
    let mqtt: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Trouble::Internal(error.to_string()))?;
    let port = mqtt["mqtt"]
        .as_str()
        .and_then(|address| address.rsplit_once(':'))
        .and_then(|(_, port)| port.parse::<u16>().ok())
        .ok_or_else(|| {
            Trouble::Usage(format!(
                "{} says no MQTT port: start `tidings up` once",
                place.display()
            ))
        })?;
    let pki = Pki::open(&arguments.data.join("pki"))?;
    if arguments.revoke {
        let revoked = pki.revoke(&arguments.thing)?;
        writeln!(out, "{}: {revoked} certificates revoked", arguments.thing)?;
        return Ok(());
    }
    let folder = arguments.out.clone().unwrap_or_else(|| PathBuf::from(arguments.thing.as_str()));
    pki.provision(&arguments.thing, &folder)?;
    let config = folder.join(CONFIG);
    // A configuration that is there may have been edited: it stays.
    if !config.exists() {
        write_private(&config, &format!("{}{SENSOR}", connection_config(&arguments.thing, port)))?;
    }
    writeln!(
        out,
        "{}: key, certificate and configuration in {}",
        arguments.thing,
        folder.display()
    )?;
    Ok(())
}
