//! What the function did with what it was given, where anybody here knows. What devices and tables say of the
//! path stands in the fleet's rows already.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use tidings_agent::clock;
use tidings_schema::UnixMillis;

use super::Shared;
use crate::Trouble;
use crate::account::alarms::{self, LastHour};
use crate::view::place::{Function, FunctionNow};

/// CloudWatch has a metric for each minute, and takes a hundredth of a cent for ten questions.
const KEEP: Duration = Duration::from_secs(60);

/// The answer of this very program costs nothing.
const KEEP_HERE: Duration = Duration::from_secs(1);

#[derive(Debug, Serialize)]
struct Path {
    now: UnixMillis,
    function: Known,
}

/// What is known of the function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "known_from")]
enum Known {
    /// This very program, since its start.
    Here(FunctionNow),
    /// CloudWatch, over the last hour.
    CloudWatch(LastHour),
    /// Nobody.
    Nobody { why: String },
}

pub(super) async fn get(State(shared): State<Arc<Shared>>) -> Response {
    let keep = match shared.place.function {
        Function::Here(_) | Function::Unknown => KEEP_HERE,
        Function::CloudWatch => KEEP,
    };
    shared.answer("path".to_owned(), keep, path(&shared)).await
}

async fn path(shared: &Shared) -> Result<Path, Trouble> {
    let now = clock::now();
    let function = match &shared.place.function {
        Function::Here(function) => Known::Here(*function.borrow()),
        Function::Unknown => Known::Nobody {
            why: "The tables are behind an endpoint of their own, which knows nothing of the function.".to_owned(),
        },
        // What CloudWatch says against it is part of what is known, and no reason to show nothing.
        Function::CloudWatch => match alarms::last_hour(None, now).await {
            Ok(hour) => Known::CloudWatch(hour),
            Err(trouble) => Known::Nobody { why: tidings_agent::terminal::causes(&trouble, ": ") },
        },
    };
    Ok(Path { now, function })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_is_said_with_what_is_known() {
        let json = |known| serde_json::to_value(known).unwrap();
        let here = json(Known::Here(FunctionNow { open: 1, failed: 2, stored: 3 }));
        assert_eq!(
            here,
            serde_json::json!({"known_from": "here", "open": 1, "failed": 2, "stored": 3})
        );
        let hour = json(Known::CloudWatch(LastHour { accepted: Some(7.0), ..LastHour::default() }));
        assert_eq!((&hour["known_from"], &hour["accepted"]), (&"cloud_watch".into(), &7.0.into()));
        assert!(hour["failed_messages"].is_null(), "what has no metric is not known, and not 0");
    }
}
