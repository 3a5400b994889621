//! Who may ask, and what a browser may do with the answer.
//!
//! The page listens on the loopback interface alone. That keeps other machines out, and not other pages of
//! the same browser: one whose name resolves to 127.0.0.1 (DNS rebinding) would be let in by the network, and
//! is known by the name that it asks for.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Scripts, styles and data from here and from nowhere else, and no style or script in the text of a page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Headers that go with every answer.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Names by which this machine calls itself.
const OUR_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What browsers say of a request of this page, or of a person (Fetch Metadata, "Sec-Fetch-Site").
const FROM_HERE: [&[u8]; 2] = [b"same-origin", b"none"];

/// Refuses pages of others, and whoever asks for another host, and adds the headers to every answer.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let is_data = request.uri().path().starts_with("/api/");
    let site = request.headers().get("sec-fetch-site").map(HeaderValue::as_bytes);
    let mut response = if is_data && site.is_some_and(|site| !FROM_HERE.contains(&site)) {
        // It could not read the answer, but every question costs whoever pays for the tables.
        (StatusCode::FORBIDDEN, "another page may not ask here\n").into_response()
    } else if host.is_some_and(is_ours) {
        next.run(request).await
    } else {
        let said = "this page answers to localhost and 127.0.0.1 alone\n";
        (StatusCode::MISDIRECTED_REQUEST, said).into_response()
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether a `Host` header names this machine as the loopback interface does.
fn is_ours(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    OUR_NAMES.iter().any(|name| match host.strip_prefix(name) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok()),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for ours in ["localhost", "LocalHost:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in [
            "",
            "example.org",
            "localhost.example.org",
            "localhost:8080.example.org",
            "127.0.0.1.nip.io:8080",
            "127.0.0.2",
            "localhost:",
            "localhost:99999",
            "::1",
            "0.0.0.0:8080",
        ] {
            assert!(!is_ours(other), "{other}");
        }
    }
}
