//! What was refused: a page of it, newest first, each with the command that would send it again.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tidings_agent::clock;
use tidings_schema::{DeviceId, UnixMillis, topic};

use super::{Shared, read};
use crate::Trouble;
use crate::dynamo::{Before, Refused};
use crate::query::time;
use crate::view::Place;
use crate::view::payload::{self, Shown};

/// Refusals on a page, each with up to 16 KiB of its payload.
const PAGE: usize = 25;

/// How long a page is given again.
const KEEP: Duration = Duration::from_secs(3);

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    reason: Option<String>,
    device: Option<String>,
    /// Sort key of the last one on the page before.
    before: Option<String>,
}

#[derive(Debug, Serialize)]
struct Page {
    now: UnixMillis,
    list: Vec<One>,
    /// For `before` of the next page, where there may be more.
    older: Option<Older>,
}

#[derive(Debug, Serialize)]
struct Older {
    before: String,
    /// Back to when this page has looked.
    at: UnixMillis,
}

#[derive(Debug, Serialize)]
struct One {
    id: String,
    received_at: UnixMillis,
    reason: String,
    detail: String,
    client_id: String,
    /// The device of the topic, which is where the page of a device looks.
    device: Option<DeviceId>,
    topic: String,
    sensor: Option<String>,
    trace_id: Option<String>,
    replayed_at: Option<i64>,
    payload: Shown,
    /// What a replay would do.
    try_it: String,
    /// The replay.
    replay: String,
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match read(query) {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let question = format!("quarantine {asked:?}");
    shared.answer(question, KEEP, page(&shared, &asked)).await
}

async fn page(shared: &Shared, asked: &Asked) -> Result<Page, Trouble> {
    let now = clock::now();
    let before = match &asked.before {
        None => Before::time(now),
        Some(key) => Before::key(key)
            .ok_or_else(|| Trouble::Usage(format!("before={key:?} is no key of quarantine")))?,
    };
    let wanted = |refused: &Refused| {
        asked.reason.as_ref().is_none_or(|reason| *reason == refused.reason)
            && asked.device.as_ref().is_none_or(|device| is_of(refused, device))
    };
    let page = shared.database.refused_page(before, PAGE, wanted).await?;
    Ok(Page {
        now,
        list: page.list.into_iter().map(|refused| one(refused, &shared.place)).collect(),
        older: page.older.map(|older| Older { before: older.sk, at: older.at }),
    })
}

/// Whether it came from a device, or on its topic: as `replay --device` has it.
fn is_of(refused: &Refused, device: &str) -> bool {
    refused.client_id == device || refused.topic.split('/').nth(1) == Some(device)
}

fn one(refused: Refused, place: &Place) -> One {
    let arguments = arguments(&refused);
    let command = |more: &[&'static str]| {
        let words = std::iter::once("replay").chain(more.iter().copied());
        place.command(&words.chain(arguments.iter().map(String::as_str)).collect::<Vec<_>>())
    };
    One {
        try_it: command(&["--dry-run"]),
        replay: command(&[]),
        id: refused.sk,
        received_at: refused.received_at,
        reason: refused.reason,
        detail: refused.detail,
        device: topic::parse(&refused.topic).map(|(device, _)| device),
        client_id: refused.client_id,
        topic: refused.topic,
        sensor: refused.sensor,
        trace_id: refused.trace_id,
        replayed_at: refused.replayed_at,
        payload: payload::shown(&refused.payload),
    }
}

/// What tells `replay` to take this one: its millisecond, who sent it, and why it was refused.
fn arguments(refused: &Refused) -> Vec<String> {
    let at = time(refused.received_at);
    let mut words = vec!["--since".to_owned(), at.clone(), "--until".to_owned(), at];
    let mut add = |name: &str, value: &str| words.extend([name.to_owned(), value.to_owned()]);
    add("--reason", &refused.reason);
    if DeviceId::try_from(refused.client_id.as_str()).is_ok() {
        add("--device", &refused.client_id);
    }
    if let Some(trace_id) = &refused.trace_id {
        add("--trace-id", trace_id);
    }
    if refused.replayed_at.is_some() {
        words.push("--again".to_owned());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused() -> Refused {
        Refused {
            pk: "2026-11-23".to_owned(),
            sk: "1795456115802#ab".to_owned(),
            reason: "unknown-unit".to_owned(),
            detail: String::new(),
            topic: "sensors/pi-1/readings".to_owned(),
            client_id: "pi-1".to_owned(),
            principal: None,
            trace_id: Some("t 1".to_owned()),
            sensor: None,
            received_at: UnixMillis::new(1_795_456_115_802).unwrap(),
            payload: b"{}".to_vec(),
            replayed_at: None,
        }
    }

    #[test]
    fn the_command_names_this_one_and_the_place() {
        let target =
            <Wrapped as clap::Parser>::parse_from(["x", "--endpoint-url", "http://[::1]:8000"]);
        let place = Place::of(&target.target);
        assert_eq!(
            one(refused(), &place).replay,
            "tidings replay --since 2026-11-23T17:48:35.802Z --until 2026-11-23T17:48:35.802Z --reason \
             unknown-unit --device pi-1 --trace-id 't 1' --endpoint-url 'http://[::1]:8000'"
        );
        let nobody = Refused { client_id: "n/a #1".to_owned(), replayed_at: Some(7), ..refused() };
        let one = one(nobody, &place);
        assert!(
            !one.replay.contains("--device") && one.replay.contains("--again"),
            "{}",
            one.replay
        );
        assert!(one.try_it.starts_with("tidings replay --dry-run "), "{}", one.try_it);
        assert_eq!(one.device.unwrap().as_str(), "pi-1");
    }

    #[derive(clap::Parser)]
    struct Wrapped {
        #[command(flatten)]
        target: crate::target::Target,
    }
}
