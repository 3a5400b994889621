//! What the page is made of: files of this program, each with a name by which a browser knows what it has.

use std::fmt::Write as _;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest as _, Sha256};

/// A file of the page.
#[derive(Debug, Clone, Copy)]
struct Asset {
    path: &'static str,
    kind: &'static str,
    text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! page {
    ($($name:literal $kind:ident),* $(,)?) => {
        [$(Asset {
            path: concat!("/assets/", $name),
            kind: $kind,
            text: include_str!(concat!("../../assets/page/", $name)),
        }),*]
    };
}

const ICON: &str = "image/svg+xml";

static FILES: &[Asset] = &page![
    "icon.svg" ICON,
    "base.css" CSS, "parts.css" CSS, "views.css" CSS,
    "main.js" SCRIPT, "head.js" SCRIPT, "router.js" SCRIPT, "live.js" SCRIPT, "ask.js" SCRIPT,
    "dom.js" SCRIPT, "format.js" SCRIPT, "range.js" SCRIPT,
    "fleet.js" SCRIPT, "fleet-rows.js" SCRIPT, "spark.js" SCRIPT,
    "device.js" SCRIPT, "device-facts.js" SCRIPT, "tools.js" SCRIPT, "lines.js" SCRIPT, "plots.js" SCRIPT,
    "plot.js" SCRIPT, "faults.js" SCRIPT, "words.js" SCRIPT,
    "quarantine.js" SCRIPT, "path.js" SCRIPT,
];

static VENDORED: &[Asset] = &[
    Asset {
        path: "/assets/uplot.js",
        kind: SCRIPT,
        text: include_str!("../../assets/vendor/uplot/uPlot.iife.min.js"),
    },
    Asset {
        path: "/assets/uplot.css",
        kind: CSS,
        text: include_str!("../../assets/vendor/uplot/uPlot.min.css"),
    },
];

/// Addresses of the views; which of them an address shows is known to the page.
const VIEWS: [&str; 4] = ["/", "/device/{device}", "/quarantine", "/path"];

static SHELL: Asset =
    Asset { path: "", kind: HTML, text: include_str!("../../assets/page/index.html") };

/// The files, and the page at the address of every view.
pub(super) fn routes() -> Router {
    let files = FILES.iter().chain(VENDORED).map(|asset| (asset.path, asset));
    let views = VIEWS.into_iter().map(|path| (path, &SHELL));
    files.chain(views).fold(Router::new(), |router, (path, asset)| {
        let tag = tag(asset.text);
        router.route(
            path,
            get(move |headers: HeaderMap| async move { answer(asset, &tag, &headers) }),
        )
    })
}

/// A file, or that the browser has it already.
fn answer(asset: &Asset, tag: &str, headers: &HeaderMap) -> Response {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    // A proxy, or the compression, may have made it weak.
    let is_known = known.is_some_and(|tags| {
        tags.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
    });
    let caching = [(header::ETAG, tag.to_owned()), (header::CACHE_CONTROL, "no-cache".to_owned())];
    if is_known {
        (StatusCode::NOT_MODIFIED, caching).into_response()
    } else {
        (caching, [(header::CONTENT_TYPE, asset.kind)], asset.text).into_response()
    }
}

/// Half of its hash.
fn tag(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    let mut tag = String::from("\"");
    for byte in hash.iter().take(16) {
        // Writing to a string cannot fail.
        write!(tag, "{byte:02x}").ok();
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_has_is_not_sent_again() {
        let tag = tag(SHELL.text);
        let mut headers = HeaderMap::new();
        assert_eq!(answer(&SHELL, &tag, &headers).status(), StatusCode::OK);
        headers.insert(header::IF_NONE_MATCH, format!("\"x\", W/{tag}").parse().unwrap());
        assert_eq!(answer(&SHELL, &tag, &headers).status(), StatusCode::NOT_MODIFIED);
        headers.insert(header::IF_NONE_MATCH, "\"x\"".parse().unwrap());
        assert_eq!(answer(&SHELL, &tag, &headers).status(), StatusCode::OK);
    }

    #[test]
    fn every_file_that_is_named_is_there_and_none_besides() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/page");
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut found: Vec<String> =
            names.map(|name| name.to_string_lossy().into_owned()).collect();
        found.sort();
        let name = |asset: &Asset| asset.path.trim_start_matches("/assets/").to_owned();
        let mut served: Vec<String> = FILES.iter().map(name).collect();
        served.push("index.html".to_owned());
        served.sort();
        assert_eq!(found, served);
        for asset in FILES.iter().filter(|asset| asset.kind == SCRIPT) {
            let lines = asset.text.lines().count();
            assert!(lines <= 400, "{} has {lines} lines", asset.path);
        }
        // The policy of the page refuses styles and scripts in its text.
        assert!(!SHELL.text.contains("style=") && !SHELL.text.contains("<style"));
        for import in FILES.iter().flat_map(|asset| asset.text.lines()).filter_map(|line| {
            line.starts_with("import ").then(|| line.split('"').nth(1)).flatten()
        }) {
            let path = import.replacen("./", "/assets/", 1);
            assert!(FILES.iter().any(|asset| asset.path == path), "{import}");
        }
    }
}
