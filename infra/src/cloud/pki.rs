//! Certificates: a CA of this folder's own, the broker's certificate, and one for each thing.
//!
//! As on AWS, a certificate says nothing of the thing by itself: a registry ties its fingerprint to
//! a thing, and taking the entry away revokes it.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tidings_schema::DeviceId;

use crate::Trouble;

/// File names of what a device gets, those of AWS's own downloads.
pub const ROOT_CA: &str = "root-ca.pem";
/// The device's certificate.
pub const CERTIFICATE: &str = "device.pem.crt";
/// The device's private key.
pub const KEY: &str = "private.pem.key";

/// The CA and the registry of one folder.
#[derive(Debug, Clone)]
pub struct Pki {
    folder: PathBuf,
    ca_pem: String,
    ca_key_pem: String,
}

/// What a certificate is registered for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// SHA-256 of the certificate in hex: what `principal()` gives in a rule.
    pub fingerprint: String,
    /// The thing.
    pub thing: DeviceId,
}

impl Pki {
    /// Opens the CA in `folder`, or makes one.
    ///
    /// # Errors
    /// When the folder cannot be used or holds something else.
    pub fn open(folder: &Path) -> Result<Self, Trouble> {
        let (ca, key) = (folder.join("ca.pem"), folder.join("ca.key"));
        if ca.exists() && key.exists() {
            let (ca_pem, ca_key_pem) = (read(&ca)?, read(&key)?);
            return Ok(Self { folder: folder.to_owned(), ca_pem, ca_key_pem });
        }
        let things = folder.join("things");
        fs::create_dir_all(&things).map_err(|source| Trouble::File { path: things, source })?;
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, "Tidings local CA");
        let certificate = params.self_signed(&pair)?;
        let (ca_pem, ca_key_pem) = (certificate.pem(), pair.serialize_pem());
        // The key first: a crash in between leaves no certificate without its key.
        write_private(&key, &ca_key_pem)?;
        write_private(&ca, &ca_pem)?;
        Ok(Self { folder: folder.to_owned(), ca_pem, ca_key_pem })
    }

    /// The CA's certificate in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Makes key and certificate for a thing and registers them, unless `out` holds them already
    /// and they are registered.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn provision(&self, thing: &DeviceId, out: &Path) -> Result<(), Trouble> {
        fs::create_dir_all(out).map_err(|source| Trouble::File { path: out.to_owned(), source })?;
        write_private(&out.join(ROOT_CA), &self.ca_pem)?;
        let (certificate, key) = (out.join(CERTIFICATE), out.join(KEY));
        if certificate.exists() && key.exists() {
            let der = CertificateDer::from_pem_file(&certificate)
                .map_err(|source| Trouble::Pem { path: certificate.clone(), source })?;
            if self.principal(&der).is_some_and(|known| known.thing == *thing) {
                return Ok(());
            }
        }
        let pair = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, thing.as_str());
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = params.signed_by(&pair, &self.issuer()?)?;
        write_private(&key, &pair.serialize_pem())?;
        write_private(&certificate, &signed.pem())?;
        write_private(&self.entry(&fingerprint(signed.der())), thing.as_str())
    }

    /// Takes every certificate of a thing out of the registry, and says how many there were.
    ///
    /// # Errors
    /// When the registry cannot be read or written.
    pub fn revoke(&self, thing: &DeviceId) -> Result<usize, Trouble> {
        let folder = self.folder.join("things");
        let trouble = |source| Trouble::File { path: folder.clone(), source };
        let mut revoked = 0;
        for entry in fs::read_dir(&folder).map_err(trouble)? {
            let path = entry.map_err(trouble)?.path();
            if read(&path)? == thing.as_str() {
                fs::remove_file(&path).map_err(trouble)?;
                revoked += 1;
            }
        }
        Ok(revoked)
    }

    /// Whom a certificate is registered for; `None` where it is unknown or revoked.
    #[must_use]
    pub fn principal(&self, certificate: &CertificateDer<'_>) -> Option<Principal> {
        let fingerprint = fingerprint(certificate);
        let thing = fs::read_to_string(self.entry(&fingerprint)).ok()?;
        Some(Principal { thing: DeviceId::try_from(thing).ok()?, fingerprint })
    }

    /// The broker's side of mutual TLS, with a certificate made for this start.
    ///
    /// # Errors
    /// When the CA's files are damaged.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, Trouble> {
        let pair = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, "Tidings local broker");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let signed = params.signed_by(&pair, &self.issuer()?)?;
        let key = PrivateKeyDer::from_pem_slice(pair.serialize_pem().as_bytes())
            .map_err(|source| Trouble::Pem { path: self.folder.clone(), source })?;

        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.ca_pem.as_bytes())
            .map_err(|source| Trouble::Pem { path: self.folder.join("ca.pem"), source })?;
        roots.add(ca)?;
        let provider = Arc::new(default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| Trouble::Tls(rustls::Error::General(error.to_string())))?;
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![signed.der().clone()], key)?;
        Ok(Arc::new(config))
    }

    fn issuer(&self) -> Result<Issuer<'_, KeyPair>, Trouble> {
        Ok(Issuer::from_ca_cert_pem(&self.ca_pem, KeyPair::from_pem(&self.ca_key_pem)?)?)
    }

    fn entry(&self, fingerprint: &str) -> PathBuf {
        self.folder.join("things").join(fingerprint)
    }
}

/// A new key in PEM: ECDSA on P-256, which AWS IoT Core takes and a Pi signs with in a millisecond.
///
/// # Errors
/// When the machine has no random numbers to give.
pub(crate) fn key() -> Result<String, Trouble> {
    Ok(KeyPair::generate()?.serialize_pem())
}

/// The request for a certificate for a key, in PEM.
///
/// # Errors
/// When the key is none.
pub(crate) fn request(key_pem: &str, thing: &DeviceId) -> Result<String, Trouble> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, thing.as_str());
    Ok(params.serialize_request(&KeyPair::from_pem(key_pem)?)?.pem()?)
}

/// SHA-256 of a certificate's DER in hex: what `principal()` gives in a rule, and its id at AWS.
///
/// # Errors
/// When the text is no certificate in PEM.
pub(crate) fn certificate_fingerprint(path: &Path) -> Result<String, Trouble> {
    let der = CertificateDer::from_pem_file(path)
        .map_err(|source| Trouble::Pem { path: path.to_owned(), source })?;
    Ok(fingerprint(&der))
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read(path: &Path) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(|source| Trouble::File { path: path.to_owned(), source })
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), Trouble> {
    let write = || -> std::io::Result<()> {
        let temporary = path.with_extension("new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    write().map_err(|source| Trouble::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn provisioning_again_changes_nothing_and_revoking_undoes_it() {
        let folder = tempfile::tempdir().unwrap();
        let pki = Pki::open(&folder.path().join("pki")).unwrap();
        let (thing, out) = (DeviceId::try_from("pi-1").unwrap(), folder.path().join("out"));
        pki.provision(&thing, &out).unwrap();
        let certificate = read(&out.join(CERTIFICATE)).unwrap();
        let again = Pki::open(&folder.path().join("pki")).unwrap();
        again.provision(&thing, &out).unwrap();
        assert_eq!(read(&out.join(CERTIFICATE)).unwrap(), certificate);

        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        assert_eq!(pki.principal(&der).unwrap().thing, thing);
        assert_eq!(pki.revoke(&thing).unwrap(), 1);
        assert_eq!(pki.principal(&der), None);
        for file in [ROOT_CA, CERTIFICATE, KEY] {
            let mode = fs::metadata(out.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }
}
