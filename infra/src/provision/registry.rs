//! Devices in the registry of AWS IoT Core.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use tidings_schema::DeviceId;

use super::ProvisionArguments;
use super::fleet::Member;
use super::folder::Folder;
use crate::Trouble;
use crate::account::iot::{Iot, certificate_id};
use crate::cloud::pki::{CERTIFICATE, KEY, ROOT_CA};

/// Amazon Root CA 1 (RSA) and 3 (ECDSA), by one of which every endpoint of AWS IoT Core is signed
/// (<https://www.amazontrust.com/repository/>, "Server authentication" in its developer guide).
const AMAZON_ROOT_CAS: &str = include_str!("../../assets/amazon-root-cas.pem");

/// The registry, and what every device of it is given.
#[derive(Debug)]
pub(super) struct Registry {
    pub(super) iot: Iot,
    policy: String,
    host: String,
    port: Option<u16>,
    root_ca: String,
}

/// What has become of a device.
#[derive(Debug)]
pub(super) struct Provisioned {
    pub(super) id: String,
    made: bool,
    folder: PathBuf,
    key_elsewhere: bool,
}

impl fmt::Display for Provisioned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match (self.made, self.key_elsewhere) {
            (true, false) => "key, certificate and configuration",
            (true, true) => "certificate and configuration, for the key on the device,",
            (false, _) => "was provisioned; all is",
        };
        let short: String = self.id.chars().take(8).collect();
        write!(f, "{what} in {} (certificate {short}…)", self.folder.display())
    }
}

impl Registry {
    /// Looks up what all devices need.
    pub(super) async fn connect(arguments: &ProvisionArguments) -> Result<Self, Trouble> {
        let iot = Iot::connect(arguments.target.endpoint_url.as_deref()).await;
        let endpoint = match &arguments.mqtt_endpoint {
            Some(endpoint) => endpoint.clone(),
            // Whoever revokes needs none.
            None if arguments.revoke => String::new(),
            None => iot.endpoint().await?,
        };
        let (host, port) = match endpoint.rsplit_once(':') {
            None => (endpoint, None),
            Some((host, port)) => {
                let port = port.parse().map_err(|_| {
                    Trouble::Usage(format!("--mqtt-endpoint: {port:?} is no port (1 to 65535)"))
                })?;
                (host.to_owned(), Some(port))
            }
        };
        let root_ca = match &arguments.root_ca {
            None => AMAZON_ROOT_CAS.to_owned(),
            Some(path) => fs::read_to_string(path)
                .map_err(|source| Trouble::File { path: path.clone(), source })?,
        };
        Ok(Self { iot, policy: arguments.policy.clone(), host, port, root_ca })
    }

    /// Brings a device to where it can connect, from wherever it is.
    ///
    /// A certificate is made inactive, given its policy, made active and then tied to its thing:
    /// the policy allows nothing without the thing, so only the last step opens a door, and an
    /// inactive certificate that has a thing is one that somebody has closed.
    pub(super) async fn provision(&self, member: &Member) -> Result<Provisioned, Trouble> {
        let Member { thing, folder: path, csr } = member;
        let folder = Folder::open(path)?;
        let (id, arn, made) = match folder.certificate_id()? {
            Some(id) => {
                let arn = self.known(thing, &folder, &id).await?;
                (id, arn, false)
            }
            None => {
                let request = match csr {
                    None => folder.request(thing)?,
                    Some(path) => fs::read_to_string(path)
                        .map_err(|source| Trouble::File { path: path.clone(), source })?,
                };
                let made = self.iot.create_certificate(&request).await?;
                folder.keep_certificate(&made.pem, &made.arn)?;
                (certificate_id(&made.arn).to_owned(), made.arn, true)
            }
        };
        self.iot.create_thing(thing).await?;
        self.iot.attach_policy(&self.policy, &arn).await?;
        self.iot.set_active(&id, true).await?;
        self.iot.attach_thing(thing, &arn).await?;
        folder.complete(&self.root_ca, &self.connection(thing))?;
        Ok(Provisioned { id, made, folder: path.clone(), key_elsewhere: csr.is_some() })
    }

    /// ARN of the certificate in the folder, if the registry knows it and nobody has closed it.
    async fn known(&self, thing: &DeviceId, folder: &Folder, id: &str) -> Result<String, Trouble> {
        let path = folder.path().join(CERTIFICATE);
        let trouble = |said: &str| Trouble::Provision(format!("{}: {said}", path.display()));
        let Some(known) = self.iot.certificate(id).await? else {
            return Err(trouble(
                "this account and region do not know the certificate: choose another --out, or \
                 delete it and its key to get new ones",
            ));
        };
        let things = self.iot.things_of(&known.arn).await?;
        if things.iter().any(|other| other != thing.as_str()) {
            return Err(trouble(&format!("is the certificate of {}", things.join(", "))));
        }
        if known.revoked {
            return Err(trouble("was revoked: --rotate makes a new one"));
        }
        if !known.active && !things.is_empty() {
            return Err(trouble(
                "was made inactive by somebody: make it active again with `aws iot \
                 update-certificate --new-status ACTIVE`, or --rotate it",
            ));
        }
        Ok(known.arn)
    }

    /// Takes back every certificate of a thing, and deletes the thing; says how many there were.
    pub(super) async fn revoke(&self, thing: &DeviceId) -> Result<usize, Trouble> {
        let Some(certificates) = self.iot.principals(thing.as_str()).await? else { return Ok(0) };
        for arn in &certificates {
            self.iot.remove_certificate(arn).await?;
        }
        self.iot.delete_thing(thing.as_str()).await?;
        Ok(certificates.len())
    }

    fn connection(&self, thing: &DeviceId) -> String {
        let host = &self.host;
        let port = self.port.map_or_else(String::new, |port| format!("port = {port}\n"));
        format!(
            "device = \"{thing}\"\n\n[mqtt]\nendpoint = \"{host}\"\n{port}ca = \"{ROOT_CA}\"\n\
             certificate = \"{CERTIFICATE}\"\nkey = \"{KEY}\"\n"
        )
    }
}
