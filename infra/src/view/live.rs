//! What open pages are told, and who is looking: the poller works only while somebody does.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use serde_json::json;
use tidings_schema::{DeviceId, UnixMillis};
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::problem::Problem;

/// News that an open page may be behind. One that is further behind reads its lines anew.
const NEWS: usize = 64;

/// Where a proxy or a browser would take silence for the end.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The fleet as it was last seen.
#[derive(Debug, Default)]
pub(super) struct Picture {
    pub(super) at: Option<UnixMillis>,
    /// When that was, or when it was last tried.
    pub(super) seen: Option<Instant>,
    /// Each device's row as JSON.
    pub(super) rows: BTreeMap<String, String>,
    /// What is said of the whole fleet, as JSON.
    pub(super) whole: String,
    /// Why the last look gave nothing: then the rest is of the look before.
    pub(super) problem: Option<Problem>,
}

/// New readings of a device.
#[derive(Debug)]
pub(super) struct News {
    pub(super) device: DeviceId,
    /// JSON.
    pub(super) readings: String,
}

/// Who is looking, at what.
#[derive(Debug, Default)]
pub(super) struct Looking {
    pub(super) pages: usize,
    pub(super) devices: BTreeMap<DeviceId, usize>,
}

/// Between the poller and the open pages.
#[derive(Debug, Clone)]
pub(super) struct Live {
    looking: watch::Sender<Looking>,
    picture: watch::Sender<Arc<Picture>>,
    news: broadcast::Sender<Arc<News>>,
}

/// One page that looks, until it is dropped.
#[derive(Debug)]
struct Look {
    live: Live,
    device: Option<DeviceId>,
}

impl Live {
    pub(super) fn new() -> Self {
        Self {
            looking: watch::Sender::default(),
            picture: watch::Sender::default(),
            news: broadcast::Sender::new(NEWS),
        }
    }

    pub(super) fn looking(&self) -> watch::Receiver<Looking> {
        self.looking.subscribe()
    }

    pub(super) fn show(&self, picture: Picture) {
        self.picture.send_replace(Arc::new(picture));
    }

    /// Keeps what was seen last, and says that it is no news.
    pub(super) fn fail(&self, problem: Problem) {
        let last = self.picture.borrow().clone();
        let (at, rows, whole) = (last.at, last.rows.clone(), last.whole.clone());
        self.show(Picture { at, rows, whole, seen: Some(Instant::now()), problem: Some(problem) });
    }

    pub(super) fn tell(&self, news: News) {
        // Nobody may be looking any more.
        self.news.send(Arc::new(news)).ok();
    }

    /// The fleet as it was not longer ago than this; looks, and waits, where nobody has. `None` at the end.
    pub(super) async fn fresh(
        &self,
        age: Duration,
        mut stopping: watch::Receiver<bool>,
    ) -> Option<Arc<Picture>> {
        let _look = self.look(None);
        let mut picture = self.picture.subscribe();
        let is_fresh =
            |picture: &Arc<Picture>| picture.seen.is_some_and(|seen| seen.elapsed() <= age);
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => None,
            picture = picture.wait_for(is_fresh) => picture.ok().map(|picture| picture.clone()),
        }
    }

    fn look(&self, device: Option<DeviceId>) -> Look {
        self.looking.send_modify(|looking| {
            looking.pages += 1;
            if let Some(device) = &device {
                *looking.devices.entry(device.clone()).or_default() += 1;
            }
        });
        Look { live: self.clone(), device }
    }

    /// The stream of a page that looks at the fleet, and at one of its devices.
    pub(super) fn stream(
        &self,
        device: Option<DeviceId>,
        stopping: watch::Receiver<bool>,
    ) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
        let mut picture = self.picture.subscribe();
        // What is there already is told at once, unless there is nothing yet.
        picture.mark_changed();
        let told = Told {
            look: self.look(device),
            picture,
            news: self.news.subscribe(),
            sent: Arc::default(),
            stopping,
        };
        let events = stream::unfold(told, |mut told| async move {
            let event = told.next().await?;
            Some((Ok(event), told))
        });
        Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.live.looking.send_modify(|looking| {
            looking.pages -= 1;
            if let Some(device) = &self.device
                && let Some(count) = looking.devices.get_mut(device)
            {
                *count -= 1;
                if *count == 0 {
                    looking.devices.remove(device);
                }
            }
        });
    }
}

/// What one page has been told.
struct Told {
    look: Look,
    picture: watch::Receiver<Arc<Picture>>,
    news: broadcast::Receiver<Arc<News>>,
    sent: Arc<Picture>,
    stopping: watch::Receiver<bool>,
}

impl Told {
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                _ = self.stopping.wait_for(|stopping| *stopping) => return None,
                changed = self.picture.changed() => {
                    changed.ok()?;
                    let picture = self.picture.borrow_and_update().clone();
                    let before = std::mem::replace(&mut self.sent, picture);
                    if let Some(event) = difference(&before, &self.sent) {
                        return Some(event);
                    }
                }
                news = self.news.recv() => match news {
                    Ok(news) if self.look.device.as_ref() == Some(&news.device) => {
                        return Some(Event::default().event("readings").data(&news.readings));
                    }
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        return Some(Event::default().event("again").data("{}"));
                    }
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
        }
    }
}

/// What a page that knows one picture must be told to know the other.
fn difference(before: &Picture, after: &Picture) -> Option<Event> {
    if let Some(problem) = &after.problem {
        let data = serde_json::to_string(problem).unwrap_or_default();
        return Some(Event::default().event("trouble").data(data));
    }
    let at = after.at?;
    let changed = after.rows.iter().filter(|(device, row)| before.rows.get(*device) != Some(row));
    let changed: Vec<&str> = changed.map(|(_, row)| row.as_str()).collect();
    let gone: Vec<&String> =
        before.rows.keys().filter(|device| !after.rows.contains_key(*device)).collect();
    // Told also where nothing has changed: silence would look like the end of the connection.
    let data = format!(
        r#"{{"now":{at},"changed":[{}],"gone":{},"whole":{}}}"#,
        changed.join(","),
        json!(gone),
        after.whole
    );
    Some(Event::default().event("fleet").data(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: &[(&str, &str)]) -> Picture {
        let rows = rows.iter().map(|(device, row)| ((*device).to_owned(), (*row).to_owned()));
        Picture {
            at: Some(UnixMillis::MIN),
            seen: None,
            rows: rows.collect(),
            whole: "{}".to_owned(),
            problem: None,
        }
    }

    #[test]
    fn a_page_is_told_what_has_changed_and_no_more() {
        let before = picture(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let after = picture(&[("a", "1"), ("b", "4"), ("d", "5")]);
        let event = format!("{:?}", difference(&before, &after).unwrap());
        assert!(event.contains(r#"\"changed\":[4,5],\"gone\":[\"c\"]"#), "{event}");
        assert!(difference(&before, &Picture::default()).is_none(), "nothing was seen yet");
    }

    #[tokio::test]
    async fn who_looks_is_counted_until_the_page_is_gone() {
        let live = Live::new();
        let device = DeviceId::try_from("pi-1").unwrap();
        let stopping = watch::Sender::new(false);
        let looking = live.looking();
        let one = live.stream(Some(device.clone()), stopping.subscribe());
        let two = live.stream(None, stopping.subscribe());
        assert_eq!((looking.borrow().pages, looking.borrow().devices[&device]), (2, 1));
        drop((one, two));
        assert_eq!((looking.borrow().pages, looking.borrow().devices.len()), (0, 0));
    }

    #[tokio::test]
    async fn a_stream_ends_when_the_server_does_and_has_only_its_own_devices_readings() {
        let live = Live::new();
        let device = |name: &str| DeviceId::try_from(name).unwrap();
        let stopping = watch::Sender::new(false);
        let mut told = Told {
            look: live.look(Some(device("a"))),
            picture: live.picture.subscribe(),
            news: live.news.subscribe(),
            sent: Arc::default(),
            stopping: stopping.subscribe(),
        };
        for (name, readings) in [("b", "[1]"), ("a", "[2]")] {
            live.tell(News { device: device(name), readings: readings.to_owned() });
        }
        let event = format!("{:?}", told.next().await.unwrap());
        assert!(event.contains("[2]") && event.contains("readings"), "{event}");
        for _ in 0..=NEWS {
            live.tell(News { device: device("a"), readings: "[3]".to_owned() });
        }
        let event = format!("{:?}", told.next().await.unwrap());
        assert!(event.contains("again"), "{event}");
        stopping.send_replace(true);
        while told.next().await.is_some() {}
    }
}
