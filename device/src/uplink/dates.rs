//! When a certificate begins and ends.

use std::path::Path;

use x509_parser::parse_x509_certificate;

use super::tls::{TlsError, certificates};

/// The validity of a certificate, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dates {
    /// Not before.
    pub(crate) from: i64,
    /// Not after.
    pub(crate) until: i64,
}

/// Reads the dates of the first certificate of a file.
///
/// # Errors
/// When the file holds none that can be read.
pub(crate) fn of(path: &Path) -> Result<Dates, TlsError> {
    const WHAT: &str = "device certificate";
    let list = certificates(path, WHAT)?;
    let empty = || TlsError::Empty { what: WHAT, path: path.to_owned() };
    let first = list.first().ok_or_else(empty)?;
    let (_, certificate) = parse_x509_certificate(first).map_err(|_| TlsError::Unusable {
        what: WHAT,
        path: path.to_owned(),
        source: rustls::Error::InvalidCertificate(rustls::CertificateError::BadEncoding),
    })?;
    let validity = certificate.validity();
    Ok(Dates { from: validity.not_before.timestamp(), until: validity.not_after.timestamp() })
}
