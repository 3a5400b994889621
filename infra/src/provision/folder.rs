//! The files of one device. Whatever step a crash comes at, the next run goes on from there: the
//! key is written before anything is asked of AWS, and the certificate before it is used.

use std::fs;
use std::path::{Path, PathBuf};

use tidings_schema::DeviceId;

use crate::Trouble;
use crate::account::iot::certificate_id;
use crate::cloud::pki::{self, CERTIFICATE, KEY, ROOT_CA, write_private};
use crate::up::CONFIG;

/// A sensor for a start; the user replaces it.
const SENSOR: &str = "\n[[sensor]]\nname = \"host\"\nkind = \"host\"\ninterval = \"10s\"\n";

/// ARN of the certificate.
const ARN: &str = "certificate.arn";

/// What a pair that is being replaced is called.
const OLD: &str = "old";

/// The folder of one device.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes it, if need be.
    pub(super) fn open(path: &Path) -> Result<Self, Trouble> {
        fs::create_dir_all(path)
            .map_err(|source| Trouble::File { path: path.to_owned(), source })?;
        Ok(Self(path.to_owned()))
    }

    /// The registry's id of the certificate that is in it.
    pub(super) fn certificate_id(&self) -> Result<Option<String>, Trouble> {
        let path = self.0.join(ARN);
        match (self.fingerprint()?, fs::read_to_string(&path)) {
            (None, _) => Ok(None),
            (Some(_), Ok(arn)) => Ok(Some(certificate_id(arn.trim()).to_owned())),
            // A folder from elsewhere: AWS's ids are fingerprints.
            (fingerprint, Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
                Ok(fingerprint)
            }
            (Some(_), Err(source)) => Err(Trouble::File { path, source }),
        }
    }

    /// What a rule knows the certificate by that is in it.
    pub(super) fn fingerprint(&self) -> Result<Option<String>, Trouble> {
        let path = self.0.join(CERTIFICATE);
        if path.exists() { pki::certificate_fingerprint(&path).map(Some) } else { Ok(None) }
    }

    /// The request for a certificate for the key in the folder, which is made if need be.
    pub(super) fn request(&self, thing: &DeviceId) -> Result<String, Trouble> {
        let path = self.0.join(KEY);
        let key = if path.exists() {
            fs::read_to_string(&path)
                .map_err(|source| Trouble::File { path: path.clone(), source })?
        } else {
            let key = pki::key()?;
            write_private(&path, &key)?;
            key
        };
        pki::request(&key, thing)
    }

    /// Keeps a new certificate, and before it by what name the registry has it.
    pub(super) fn keep_certificate(&self, pem: &str, arn: &str) -> Result<(), Trouble> {
        write_private(&self.0.join(ARN), arn)?;
        write_private(&self.0.join(CERTIFICATE), pem)
    }

    /// Writes the root CA, and the configuration unless there is one, which may have been edited.
    pub(super) fn complete(&self, root_ca: &str, connection: &str) -> Result<(), Trouble> {
        write_private(&self.0.join(ROOT_CA), root_ca)?;
        let config = self.0.join(CONFIG);
        if config.exists() {
            return Ok(());
        }
        write_private(&config, &format!("{connection}{SENSOR}"))
    }

    /// Puts the pair aside to make room for a new one. The certificate goes first: a crash in
    /// between leaves a key without a certificate, for which the next run asks for one.
    pub(super) fn put_aside(&self) -> Result<(), Trouble> {
        for name in [CERTIFICATE, ARN, KEY] {
            let (from, to) = (self.0.join(name), self.old(name));
            match fs::rename(&from, &to) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Trouble::File { path: from, source }),
            }
        }
        Ok(())
    }

    /// Deletes the pair that was put aside.
    pub(super) fn forget_old(&self) -> Result<(), Trouble> {
        for name in [CERTIFICATE, ARN, KEY] {
            let path = self.old(name);
            match fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(Trouble::File { path, source }),
            }
        }
        Ok(())
    }

    fn old(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.{OLD}"))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}
