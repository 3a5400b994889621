//! One sensor's readings over a time, for a chart.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tidings_agent::clock;
use tidings_schema::{DeviceId, SensorId, UnixMillis};

use super::{Shared, read};
use crate::Trouble;
use crate::dynamo::{Series, SeriesQuery};

/// The most points of one line: more than a wide screen has.
const MAX_POINTS: usize = 4000;

/// Points of a line where the page does not say: about what a chart on a desk has.
const POINTS: usize = 800;

/// The longest time that an answer is given again.
const MAX_KEEP: Duration = Duration::from_secs(60);

/// What is asked for: of one sensor, and either `last` milliseconds or from one time to another.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    device: DeviceId,
    sensor: SensorId,
    last: Option<i64>,
    from: Option<UnixMillis>,
    to: Option<UnixMillis>,
    points: Option<usize>,
}

/// Readings, and the time that they are of.
#[derive(Debug, Serialize)]
struct Answered {
    from: UnixMillis,
    to: UnixMillis,
    #[serde(flatten)]
    series: Series,
}

pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    query: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match read(query) {
        Ok(asked) => asked,
        Err(response) => return response,
    };
    let keep = keep(&asked, shared.every);
    shared.answer(format!("series {asked:?}"), keep, series(&shared, &asked)).await
}

async fn series(shared: &Shared, asked: &Asked) -> Result<Answered, Trouble> {
    let (from, to) = window(asked, clock::now())?;
    let query = SeriesQuery {
        device: asked.device.clone(),
        sensor: asked.sensor.clone(),
        from,
        to,
        points: points(asked),
    };
    Ok(Answered { from, to, series: shared.database.series(&query).await? })
}

fn points(asked: &Asked) -> usize {
    asked.points.unwrap_or(POINTS).clamp(1, MAX_POINTS)
}

fn window(asked: &Asked, now: UnixMillis) -> Result<(UnixMillis, UnixMillis), Trouble> {
    let usage = |text: &str| Trouble::Usage(text.to_owned());
    let (from, to) = match (asked.last, asked.from, asked.to) {
        (Some(last), None, None) if last > 0 => {
            (now.offset(last.saturating_neg()).unwrap_or(UnixMillis::MIN), now)
        }
        (None, Some(from), Some(to)) => (from, to),
        _ => return Err(usage("expected last, in milliseconds, or from and to")),
    };
    if from < to { Ok((from, to)) } else { Err(usage("from is not before to")) }
}

/// As long as a new reading would not be a pixel wide, between half a look of the poller and a minute.
fn keep(asked: &Asked, every: Duration) -> Duration {
    let span = asked.last.or_else(|| Some(asked.to?.get() - asked.from?.get())).unwrap_or(0);
    let points = i64::try_from(points(asked)).unwrap_or(1);
    let pixel = u64::try_from(span / points).unwrap_or(0);
    Duration::from_millis(pixel).clamp(every / 2, MAX_KEEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(last: Option<i64>, from: Option<i64>, to: Option<i64>) -> Asked {
        let time = |millis: Option<i64>| millis.map(|millis| UnixMillis::new(millis).unwrap());
        Asked {
            device: "pi-1".try_into().unwrap(),
            sensor: "s".try_into().unwrap(),
            last,
            from: time(from),
            to: time(to),
            points: None,
        }
    }

    #[test]
    fn a_time_is_the_last_or_from_and_to() {
        let now = UnixMillis::new(1_795_456_115_802).unwrap();
        let window = |last, from, to| {
            window(&asked(last, from, to), now).map(|(from, to)| (from.get(), to.get()))
        };
        assert_eq!(window(Some(1000), None, None).unwrap(), (now.get() - 1000, now.get()));
        assert_eq!(window(None, Some(5), Some(6)).unwrap(), (5, 6));
        assert_eq!(window(Some(i64::MAX), None, None).unwrap(), (0, now.get()));
        for (last, from, to) in [
            (None, None, None),
            (Some(0), None, None),
            (Some(-5), None, None),
            (None, Some(5), None),
            (None, Some(6), Some(6)),
            (Some(5), Some(1), Some(6)),
        ] {
            assert!(window(last, from, to).is_err(), "{last:?} {from:?} {to:?}");
        }
    }

    #[test]
    fn what_is_long_is_kept_longer() {
        let every = Duration::from_secs(2);
        let keep = |last| keep(&asked(Some(last), None, None), every);
        assert_eq!(keep(60_000), every / 2);
        assert_eq!(keep(8_000_000), Duration::from_secs(10));
        assert_eq!(keep(365 * 86_400_000), MAX_KEEP);
        assert_eq!(keep(-1), every / 2);
    }
}
