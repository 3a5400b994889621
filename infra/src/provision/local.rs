//! Devices of a local `up`, whose registry is a folder.

use std::io::Write;

use super::ProvisionArguments;
use super::fleet::Member;
use super::folder::Folder;
use crate::Trouble;
use crate::cloud::pki::Pki;
use crate::up::{WHERE, connection_config};

/// Provisions devices, or revokes them.
pub(super) fn provision(
    arguments: &ProvisionArguments,
    members: &[Member],
    out: &mut impl Write,
) -> Result<(), Trouble> {
    if arguments.rotate || members.iter().any(|member| member.csr.is_some()) {
        return Err(Trouble::Usage(
            "--rotate and --csr are for AWS: add --aws, or --endpoint-url for what stands for it"
                .to_owned(),
        ));
    }
    let place = arguments.data.join(WHERE);
    let text = std::fs::read_to_string(&place).map_err(|source| {
        if source.kind() == std::io::ErrorKind::NotFound {
            return Trouble::Provision(format!(
                "there is no {}: start `tidings up` once, say its folder by --data, or add --aws \
                 for your AWS account",
                place.display()
            ));
        }
        Trouble::File { path: place.clone(), source }
    })?;
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
    for Member { thing, folder, .. } in members {
        if arguments.revoke {
            writeln!(out, "{thing}: {} certificates revoked", pki.revoke(thing)?)?;
            continue;
        }
        pki.provision(thing, folder)?;
        Folder::open(folder)?.complete(pki.ca_pem(), &connection_config(thing, port))?;
        let folder = folder.display();
        writeln!(out, "{thing}: key, certificate and configuration in {folder}")?;
    }
    Ok(())
}
