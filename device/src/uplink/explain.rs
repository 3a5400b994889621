//! What a failed connection means, and what to do: TLS and sockets speak for programmers, and the
//! person at the device sees only that nothing arrives.

use std::error::Error;
use std::io;

use rustls::{AlertDescription, CertificateError};

/// What to do about an error, by what is found in the chain of its causes.
pub(super) fn remedy(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    let mut best = None;
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return of_tls(tls).or(best);
        }
        if let Some(io) = error.downcast_ref::<io::Error>() {
            // An error of TLS travels within one of I/O.
            if let Some(inner) = io.get_ref() {
                let inner: &(dyn Error + 'static) = inner;
                if let Some(found) = remedy(inner) {
                    return Some(found);
                }
            }
            best = of_io(io).or(best);
        }
        next = error.source();
    }
    best
}

fn of_tls(error: &rustls::Error) -> Option<&'static str> {
    use AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(reason) => Some(match reason {
            // A root of the same name with another key gives a bad signature.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "the broker's certificate is not signed by a root in mqtt.ca: take Amazon Root CA 1 for AWS, or the file that provisioning wrote"
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the clock of this device stands before the start of the broker's certificate: set it, or wait for NTP"
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the broker's certificate has expired, or the clock of this device is ahead"
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                "mqtt.endpoint is not the name in the broker's certificate"
            }
            _ => "the broker's certificate cannot be trusted",
        }),
        rustls::Error::AlertReceived(
            Alert::CertificateUnknown
            | Alert::BadCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
            | Alert::HandshakeFailure,
        ) => Some(
            "the broker refuses the certificate of this device: it is not registered, not active, revoked or expired",
        ),
        rustls::Error::AlertReceived(Alert::NoApplicationProtocol) => Some(
            "the port is not for MQTT: port 443 of AWS wants the ALPN name that the agent sends only there",
        ),
        rustls::Error::InvalidMessage(_) => {
            Some("what answers at that port does not speak TLS: is mqtt.port right?")
        }
        _ => None,
    }
}

fn of_io(error: &io::Error) -> Option<&'static str> {
    use io::ErrorKind as Kind;
    match error.kind() {
        Kind::ConnectionRefused => {
            Some("nothing listens at that port: is mqtt.port right, and does the broker run?")
        }
        Kind::TimedOut => Some(
            "no answer: a firewall may block the port; AWS listens at 443 as well (mqtt.port = 443)",
        ),
        Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::NetworkDown => {
            Some("there is no way to that host: is this device's network up?")
        }
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::UnexpectedEof => Some(
            "the broker closed the connection: on AWS that means that the certificate has no policy, that the policy does not let it connect as this client id or publish there, or that another client uses the same id",
        ),
        // A name that cannot be resolved has no kind of its own.
        _ if error.to_string().contains("lookup address") => Some(
            "the name cannot be resolved: is mqtt.endpoint right, and is this device's network up?",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[test]
    fn the_cause_at_the_bottom_decides() {
        let tls = |error| Outer(io::Error::new(io::ErrorKind::InvalidData, error));
        let says = |error: &Outer| remedy(error).unwrap_or_default();
        for (error, word) in [
            (rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer), "mqtt.ca"),
            (rustls::Error::InvalidCertificate(CertificateError::NotValidYet), "clock"),
            (rustls::Error::InvalidCertificate(CertificateError::Expired), "expired"),
            (rustls::Error::InvalidCertificate(CertificateError::NotValidForName), "endpoint"),
            (rustls::Error::AlertReceived(AlertDescription::CertificateUnknown), "refuses"),
        ] {
            assert!(says(&tls(error.clone())).contains(word), "{error:?}");
        }
        for (kind, word) in [
            (io::ErrorKind::ConnectionRefused, "listens"),
            (io::ErrorKind::TimedOut, "firewall"),
            (io::ErrorKind::ConnectionReset, "policy"),
        ] {
            assert!(says(&Outer(kind.into())).contains(word), "{kind:?}");
        }
        let name = io::Error::other("failed to lookup address information: Name or service");
        assert!(says(&Outer(name)).contains("resolved"));
        assert_eq!(remedy(&Outer(io::Error::other("else"))), None);
    }
}
