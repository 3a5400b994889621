//! `provision`: thing, key, certificate, policy, endpoint, root CA and a ready agent configuration,
//! for a device or a fleet; against AWS, what stands for it, or a local `up`.

mod fleet;
mod folder;
mod local;
mod registry;
mod rotate;

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use tidings_agent::config::parse_duration;
use tidings_schema::DeviceId;

use self::fleet::Member;
use self::registry::Registry;
use crate::Trouble;
use crate::account::names::DEVICE_POLICY;
use crate::aws;
use crate::target::Target;

/// What is asked for.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("whom").args(["thing", "fleet"]).required(true))]
pub struct ProvisionArguments {
    /// Name of the thing, which is its MQTT client id as well.
    thing: Option<DeviceId>,
    /// A CSV file instead, with the columns `thing` and, where keys are made on the devices, `csr`.
    #[arg(long, value_name = "FILE")]
    fleet: Option<PathBuf>,
    /// Folder for key, certificate and configuration; of a fleet, for a folder each
    /// [default: ./THING, or the current folder].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// In the AWS account that the environment names, and not in a local `up`.
    #[arg(long)]
    aws: bool,
    #[command(flatten)]
    target: Target,
    /// Data folder of the `up` that the device is for.
    #[arg(long, value_name = "DIR", default_value = ".tidings", conflicts_with = "aws")]
    data: PathBuf,
    /// Certificate signing request (PEM) made on the device: then its key never leaves it.
    #[arg(long, value_name = "FILE", conflicts_with = "fleet")]
    csr: Option<PathBuf>,
    /// Name of the policy that certificates are given.
    #[arg(long, value_name = "NAME", default_value = DEVICE_POLICY)]
    policy: String,
    /// Host, or host:port, that the device connects to, instead of the account's own.
    #[arg(long, value_name = "HOST")]
    mqtt_endpoint: Option<String>,
    /// Root CA of that host, instead of Amazon's.
    #[arg(long, value_name = "FILE")]
    root_ca: Option<PathBuf>,
    /// Replace the certificate. The first time makes the new one; when the device has been heard
    /// with it, the second time takes the old one back.
    #[arg(long, conflicts_with_all = ["fleet", "revoke"])]
    rotate: bool,
    /// How long --rotate waits for the device to be heard with its new certificate.
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration, requires = "rotate")]
    wait: Duration,
    /// Undo it: certificates are taken back for good, and the thing is deleted.
    #[arg(long)]
    revoke: bool,
}

impl ProvisionArguments {
    fn is_remote(&self) -> bool {
        self.aws || self.target.endpoint_url.is_some()
    }

    /// Whom it is about, and where their folders are.
    fn members(&self) -> Result<Vec<Member>, Trouble> {
        match (&self.thing, &self.fleet) {
            (Some(thing), _) => {
                let folder = self.out.clone().unwrap_or_else(|| PathBuf::from(thing.as_str()));
                Ok(vec![Member { thing: thing.clone(), folder, csr: self.csr.clone() }])
            }
            (None, Some(file)) => {
                let out = self.out.clone().unwrap_or_else(|| PathBuf::from("."));
                fleet::read(file, &out)
            }
            (None, None) => Err(Trouble::Usage("a thing, or --fleet FILE".to_owned())),
        }
    }
}

/// Provisions a device or a fleet, replaces a certificate, or takes all back.
///
/// # Errors
/// When the account or the local cloud refuses, or a file cannot be read or written.
pub async fn provision(arguments: ProvisionArguments, out: &mut impl Write) -> Result<(), Trouble> {
    let members = arguments.members()?;
    if !arguments.is_remote() {
        return local::provision(&arguments, &members, out);
    }
    aws::ready(arguments.target.endpoint_url.as_deref()).await?;
    let registry = Registry::connect(&arguments).await?;
    if arguments.rotate {
        let [member] = members.as_slice() else {
            return Err(Trouble::Usage("--rotate is for one thing".to_owned()));
        };
        let database = arguments.target.connect().await;
        return rotate::rotate(&registry, &database, member, arguments.wait, out).await;
    }
    let several = arguments.fleet.is_some();
    let (total, mut failed) = (members.len(), 0);
    for (index, member) in members.iter().enumerate() {
        let thing = &member.thing;
        let place = if several { format!("[{}/{total}] ", index + 1) } else { String::new() };
        let done = if arguments.revoke {
            registry.revoke(thing).await.map(|count| format!("{count} certificates taken back"))
        } else {
            registry.provision(member).await.map(|state| state.to_string())
        };
        match done {
            Ok(said) => writeln!(out, "{place}{thing}: {said}")?,
            Err(trouble) if several => {
                failed += 1;
                tidings_agent::terminal::explain(&format!("{place}{thing}"), &trouble);
            }
            Err(trouble) => return Err(trouble),
        }
    }
    if failed > 0 { Err(Trouble::Fleet { failed, total }) } else { Ok(()) }
}
