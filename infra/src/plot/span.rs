//! The axis of time: round times of a time zone, also across a change of the clocks.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _, ZonedDateTime};

use super::scale::place;

/// Columns between two labels, at the least.
const COLUMNS_A_LABEL: i64 = 10;

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Steps within a day, in milliseconds.
const WITHIN_A_DAY: [i64; 14] = [
    SECOND,
    5 * SECOND,
    10 * SECOND,
    30 * SECOND,
    MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
];

/// Steps in days.
const DAYS: [i64; 4] = [1, 2, 7, 14];

/// Steps in months.
const MONTHS: [i64; 5] = [1, 2, 3, 6, 12];

/// From when to when, in milliseconds since 1970.
#[derive(Debug)]
pub(super) struct Span<'a> {
    from: i64,
    to: i64,
    zone: &'a TimeZone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Millis(i64),
    Days(i64),
    Months(i64),
}

impl<'a> Span<'a> {
    pub(super) fn new((from, to): (i64, i64), zone: &'a TimeZone) -> Self {
        Self { from, to: to.max(from.saturating_add(1)), zone }
    }

    /// The dot or column of a time, of so many; `None` outside.
    #[expect(clippy::cast_precision_loss, reason = "spans are far below 2^53 milliseconds")]
    pub(super) fn place(&self, at: i64, dots: usize) -> Option<usize> {
        let fraction = (at - self.from) as f64 / (self.to - self.from) as f64;
        (self.from..=self.to).contains(&at).then(|| place(fraction, dots))
    }

    /// The same of the middle of a step. One that reaches over an end of the span is drawn at that.
    pub(super) fn place_middle(&self, at: i64, step_ms: i64, dots: usize) -> Option<usize> {
        let middle = at.saturating_add(step_ms / 2);
        let is_part = at <= self.to && at.saturating_add(step_ms) > self.from;
        self.place(if is_part { middle.clamp(self.from, self.to) } else { middle }, dots)
    }

    /// Round times and what is written under them, for so many columns.
    pub(super) fn ticks(&self, columns: usize) -> Vec<(i64, String)> {
        let columns = i64::try_from(columns).unwrap_or(i64::MAX).max(1);
        let least = (self.to - self.from).saturating_mul(COLUMNS_A_LABEL) / columns;
        let step = step(least);
        let Some(mut tick) = self.first(step) else { return Vec::new() };
        let mut ticks = Vec::new();
        let mut is_first = true;
        while tick.timestamp().as_millisecond() <= self.to {
            let at = tick.timestamp().as_millisecond();
            if at >= self.from {
                ticks.push((at, label(&tick, step, is_first)));
                is_first = false;
            }
            match next(&tick, step) {
                Some(later) if later > tick => tick = later,
                // The end of time.
                Some(_) | None => break,
            }
        }
        ticks
    }

    /// A round time at or before the beginning.
    fn first(&self, step: Step) -> Option<ZonedDateTime> {
        let from =
            Timestamp::from_millisecond(self.from).ok()?.to_zoned_datetime(self.zone.clone());
        let day = from.start_of_day().ok()?;
        match step {
            Step::Millis(step) => {
                let midnight = day.datetime();
                let since = from.datetime().duration_since(midnight).as_millis();
                let since = i64::try_from(since).ok()? / step * step;
                let civil = midnight.checked_add(SignedDuration::from_millis(since)).ok()?;
                civil.to_zoned_datetime(self.zone.clone()).ok()
            }
            Step::Days(1) => Some(day),
            // Weeks begin on Monday, and other days are counted from one.
            Step::Days(_) => {
                day.checked_sub(i64::from(day.weekday().to_monday_zero_offset()).days()).ok()
            }
            Step::Months(months) => {
                let month = i64::from(day.month() - 1) % months;
                day.first_of_month().ok()?.checked_sub(month.months()).ok()
            }
        }
    }
}

fn step(least: i64) -> Step {
    let millis = WITHIN_A_DAY.into_iter().find(|step| *step >= least).map(Step::Millis);
    let days = || DAYS.into_iter().find(|days| days * DAY >= least).map(Step::Days);
    let months = || MONTHS.into_iter().find(|months| months * 30 * DAY >= least);
    millis.or_else(days).unwrap_or_else(|| Step::Months(months().unwrap_or(12)))
}

fn next(tick: &ZonedDateTime, step: Step) -> Option<ZonedDateTime> {
    match step {
        // By the clock on the wall, so that a day of 23 or 25 hours has round times too.
        Step::Millis(step) => {
            let civil = tick.datetime().checked_add(SignedDuration::from_millis(step)).ok()?;
            civil.to_zoned_datetime(tick.time_zone().clone()).ok()
        }
        Step::Days(days) => tick.checked_add(days.days()).ok()?.start_of_day().ok(),
        Step::Months(months) => tick.checked_add(months.months()).ok(),
    }
}

fn label(tick: &ZonedDateTime, step: Step, is_first: bool) -> String {
    let is_midnight = (tick.hour(), tick.minute(), tick.second()) == (0, 0, 0);
    let format = match step {
        Step::Millis(_) if is_midnight => "%-d %b",
        Step::Millis(step) if step < MINUTE => "%H:%M:%S",
        Step::Millis(_) => "%H:%M",
        Step::Days(_) => "%-d %b",
        Step::Months(_) if is_first || tick.month() == 1 => "%b %Y",
        Step::Months(_) => "%b",
    };
    tick.strftime(format).to_string()
}

/// What a time zone is called at a time: `UTC`, `CET`, `+03`.
#[must_use]
pub fn zone_name(zone: &TimeZone, at: i64) -> String {
    written(zone, at, "%Z")
}

/// A time of the day: `14:05:12 CET`.
#[must_use]
pub fn clock(zone: &TimeZone, at: i64) -> String {
    written(zone, at, "%H:%M:%S %Z")
}

/// A day and a time of it: `2026-11-25 14:05`.
#[must_use]
pub fn day(zone: &TimeZone, at: i64) -> String {
    written(zone, at, "%Y-%m-%d %H:%M")
}

fn written(zone: &TimeZone, at: i64, format: &str) -> String {
    Timestamp::from_millisecond(at).map_or_else(
        |_| at.to_string(),
        |at| at.to_zoned_datetime(zone.clone()).strftime(format).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    fn labels(from: &str, to: &str, zone: &TimeZone) -> Vec<String> {
        let span = Span::new((at(from), at(to)), zone);
        span.ticks(70).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn times_are_round_whatever_the_span() {
        let utc = &TimeZone::UTC;
        assert_eq!(
            labels("2026-11-23T17:48:35Z", "2026-11-23T18:48:35Z", utc),
            ["17:50", "18:00", "18:10", "18:20", "18:30", "18:40"]
        );
        assert_eq!(
            labels("2026-11-23T17:48:35Z", "2026-11-23T17:49:35Z", utc),
            ["17:48:40", "17:48:50", "17:49:00", "17:49:10", "17:49:20", "17:49:30"]
        );
        assert_eq!(
            labels("2026-11-23T17:48:35Z", "2026-11-24T17:48:35Z", utc),
            ["18:00", "24 Nov", "06:00", "12:00"]
        );
        assert_eq!(
            labels("2026-11-23T17:48:35Z", "2026-11-30T17:48:35Z", utc),
            ["24 Nov", "25 Nov", "26 Nov", "27 Nov", "28 Nov", "29 Nov", "30 Nov"]
        );
        assert_eq!(
            labels("2025-11-23T17:48:35Z", "2026-11-23T17:48:35Z", utc),
            ["Jan 2026", "Mar", "May", "Jul", "Sep", "Nov"]
        );
    }

    #[test]
    fn a_day_with_25_hours_is_labelled_by_its_clock() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 25 October 2026, when 03:00 CEST becomes 02:00 CET.
        let labels = labels("2026-10-24T20:00:00Z", "2026-10-25T22:30:00Z", &zone);
        assert_eq!(labels, ["25 Oct", "06:00", "12:00", "18:00"].map(str::to_owned));
        assert_eq!(zone_name(&zone, at("2026-10-24T20:00:00Z")), "CEST");
    }

    #[test]
    fn a_time_outside_has_no_place() {
        let utc = &TimeZone::UTC;
        let span = Span::new((1000, 2000), utc);
        assert_eq!((span.place(1000, 11), span.place(2000, 11)), (Some(0), Some(10)));
        assert_eq!((span.place(999, 11), span.place(2001, 11)), (None, None));
        let middle = |at| span.place_middle(at, 400, 11);
        assert_eq!((middle(1000), middle(700), middle(1900)), (Some(2), Some(0), Some(10)));
        assert_eq!((middle(600), middle(2001)), (None, None));
        assert_eq!(Span::new((5000, 5000), utc).place(5000, 11), Some(0));
    }
}
