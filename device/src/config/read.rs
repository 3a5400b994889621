//! How single values are read: what must be there, and durations.

use std::time::Duration;

use super::problems::Problems;

/// What must be there: notes where it is missing, unless something else is wrong with it already.
pub(super) fn required<T>(value: Option<T>, key: &str, problems: &Problems) -> Option<T> {
    if value.is_none() && !problems.has(key) {
        problems.add(key, "missing");
    }
    value
}

/// Reads durations, and notes what is wrong with them.
pub(super) struct Durations<'a> {
    problems: &'a Problems,
}

impl<'a> Durations<'a> {
    pub(super) const fn new(problems: &'a Problems) -> Self {
        Self { problems }
    }

    /// Reads a duration with a default and bounds, all written as in the file.
    pub(super) fn read(
        &self,
        key: &str,
        text: Option<String>,
        default: &str,
        (min, max): (&str, &str),
    ) -> Duration {
        let own = |text| parse_duration(text).expect("a duration in the source is one");
        let Some(text) = text else { return own(default) };
        match parse_duration(&text) {
            Ok(duration) if (own(min)..=own(max)).contains(&duration) => duration,
            Ok(_) => {
                self.problems.add(key, format!("expected {min} to {max}, but found {text}"));
                own(default)
            }
            Err(message) => {
                self.problems.add(key, message);
                own(default)
            }
        }
    }
}

/// Reads a whole number with its unit: `ms`, `s`, `m` or `h`.
///
/// # Errors
/// With what was expected, when the text is no such duration.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "expected a duration with its unit, such as 500ms, 5s, 2m or 1h, but found {text:?}"
        )
    };
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 =
        text.strip_suffix(unit).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
    let millis = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    millis.map(Duration::from_millis).ok_or_else(wrong)
}
