//! The device's certificate and key, and whom it trusts.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{default_provider, sign};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::config::{MqttConfig, SHARED_PORT};

/// Why a TLS configuration cannot be made of the files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or has no such PEM section.
    #[error("{what} {} cannot be read", path.display())]
    Pem {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The file holds no certificate.
    #[error("{what} {} holds no certificate (expected -----BEGIN CERTIFICATE-----)", path.display())]
    Empty {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A certificate or key is of a kind that cannot be used.
    #[error("{what} {} cannot be used", path.display())]
    Unusable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: rustls::Error,
    },
    /// Everybody on the machine can read the key.
    #[error(
        "private key {} can be read by everybody (mode {mode:04o}): chmod 600 it, and if others use this machine, take a new certificate",
        path.display()
    )]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Certificate and key are not a pair.
    #[error("private key {} does not belong to certificate {}: take both from the same provisioning", key.display(), certificate.display())]
    Mismatch {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
    },
}

const CA: &str = "root certificate";
const CERTIFICATE: &str = "device certificate";
const KEY: &str = "private key";

/// Reads certificates, the first of which is the device's own.
///
/// # Errors
/// When the file cannot be read or holds none.
pub fn certificates(
    path: &Path,
    what: &'static str,
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { what, path: path.to_owned(), source };
    let list: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(pem)?.collect::<Result<_, _>>().map_err(pem)?;
    if list.is_empty() {
        return Err(TlsError::Empty { what, path: path.to_owned() });
    }
    Ok(list)
}

/// Makes the client's side of mutual TLS. Certificate and key are checked to be a pair here, since
/// a broker only says that the handshake failed.
///
/// # Errors
/// When a file cannot be read or used, or when key and certificate are not a pair.
pub fn client_config(config: &MqttConfig) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = rustls::RootCertStore::empty();
    for root in certificates(&config.ca, CA)? {
        roots.add(root).map_err(|source| TlsError::Unusable {
            what: CA,
            path: config.ca.clone(),
            source,
        })?;
    }
    let chain = certificates(&config.certificate, CERTIFICATE)?;
    if let Ok(file) = std::fs::metadata(&config.key) {
        let mode = file.permissions().mode() & 0o7777;
        if mode & 0o004 != 0 {
            return Err(TlsError::Exposed { path: config.key.clone(), mode });
        }
    }
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(|source| TlsError::Pem {
        what: KEY,
        path: config.key.clone(),
        source,
    })?;
    let unusable = |source| TlsError::Unusable { what: KEY, path: config.key.clone(), source };
    let signing = sign::any_supported_type(&key).map_err(unusable)?;
    match CertifiedKey::new(chain.clone(), signing).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
        Err(rustls::Error::InconsistentKeys(_)) => {
            return Err(TlsError::Mismatch {
                key: config.key.clone(),
                certificate: config.certificate.clone(),
            });
        }
        Err(source) => {
            let (what, path) = (CERTIFICATE, config.certificate.clone());
            return Err(TlsError::Unusable { what, path, source });
        }
    }
    // The provider is named, not taken from a process-wide default that another library may set.
    let provider: Arc<CryptoProvider> = Arc::new(default_provider());
    let time = NotBefore(written(&config.certificate));
    ClientConfig::builder_with_details(provider, Arc::new(time))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .map(Arc::new)
        .map_err(unusable)
}

/// The time that certificates are checked by: never before this device's own certificate was written
/// to its disk. A clock that stands in 1970 would refuse every broker, and a device that can reach its
/// broker but no time server would stay silent.
#[derive(Debug)]
struct NotBefore(UnixTime);

impl TimeProvider for NotBefore {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::now().max(self.0))
    }
}

fn written(path: &Path) -> UnixTime {
    let written = std::fs::metadata(path).and_then(|file| file.modified()).ok();
    let since = written.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    UnixTime::since_unix_epoch(since.unwrap_or_default())
}

/// The name that AWS IoT Core wants at the shared port (AWS IoT Core developer guide, "Device communication protocols").
const MQTT_BY_CERTIFICATE: &[u8] = b"x-amzn-mqtt-ca";

/// The same for a port: with the ALPN name that the shared port wants, and without it elsewhere,
/// where a broker may refuse a name that it does not know.
pub(crate) fn for_port(config: &Arc<ClientConfig>, port: u16) -> Arc<ClientConfig> {
    if port != SHARED_PORT {
        return config.clone();
    }
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![MQTT_BY_CERTIFICATE.to_vec()];
    Arc::new(config)
}
