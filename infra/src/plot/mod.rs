//! Charts made of text: a line of braille dots with the span from least to greatest around it. Pure;
//! `query --plot` prints them, `top` puts them onto its screen.

mod braille;
mod picture;
mod scale;
mod span;

use jiff::tz::TimeZone;

use self::braille::Dots;
pub use self::picture::{Cell, Ink, Picture};
use self::scale::Scale;
pub use self::scale::{number, unit_name};
use self::span::Span;
pub use self::span::{clock, day, zone_name};

/// Rows that a chart has besides those of its curve: title, axis and times.
pub const MORE_ROWS: usize = 3;

/// Columns between the axis and the left edge: a number of up to seven characters, and a blank. More where
/// steps are small beside what they are steps of.
const GUTTER: usize = 8;
const WIDEST_GUTTER: usize = 18;

/// The least that a curve is drawn on, in columns and rows.
const LEAST: (usize, usize) = (10, 2);

/// A quantity over time. All lists are as long as `at`.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// Times, in milliseconds since 1970, in order.
    pub at: &'a [i64],
    /// For how many milliseconds from there each stands; 0 where it is one reading.
    pub step_ms: i64,
    /// The least values from each time on to the next; `None` where there were none.
    pub min: &'a [Option<f64>],
    /// The means.
    pub mean: &'a [Option<f64>],
    /// The greatest.
    pub max: &'a [Option<f64>],
}

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Chart<'a> {
    /// What stands above it.
    pub title: &'a str,
    /// A SenML unit.
    pub unit: Option<&'a str>,
    /// The quantity.
    pub curve: Curve<'a>,
    /// From when to when, in milliseconds since 1970.
    pub span: (i64, i64),
    /// When there were faults instead of values, and how many.
    pub faults: &'a [(i64, u64)],
    /// Where the times at the axis are those of.
    pub zone: &'a TimeZone,
}

/// Draws on so many columns and rows, of which [`MORE_ROWS`] are not the curve's. Empty where that
/// is too small.
#[must_use]
pub fn draw(chart: &Chart<'_>, width: usize, height: usize) -> Picture {
    let rows = height.saturating_sub(MORE_ROWS);
    if rows < LEAST.1 {
        return Picture::default();
    }
    let scale = extent(&chart.curve).map(|extent| Scale::new(extent, rows));
    let labels = scale.as_ref().map(|scale| scale.labels(rows)).unwrap_or_default();
    let longest = labels.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(0);
    let gutter = (longest + 1).clamp(GUTTER, WIDEST_GUTTER);
    let columns = width.saturating_sub(gutter + 1);
    if columns < LEAST.0 {
        return Picture::default();
    }
    let mut picture = Picture::new(width, height);
    title(chart, &mut picture);
    let span = Span::new(chart.span, chart.zone);
    for (row, label) in labels {
        let from = (gutter - 1).saturating_sub(label.chars().count());
        let label: String = label.chars().take(gutter - 1).collect();
        picture.text(from, row + 1, &label, Ink::Dim);
    }
    match &scale {
        Some(scale) => {
            let place = (gutter, columns, rows);
            curve(&chart.curve, &span, scale, place, &mut picture);
        }
        None => picture.text(gutter + 2, rows / 2 + 1, "no values in this time", Ink::Dim),
    }
    axis(chart, &span, (gutter, columns, rows), &mut picture);
    picture
}

/// A curve in one row of so many columns, from its least value to its greatest.
#[must_use]
pub fn spark(curve: &Curve<'_>, span: (i64, i64), columns: usize) -> String {
    let zone = TimeZone::UTC;
    let span = Span::new(span, &zone);
    let Some(extent) = extent(&Curve { min: curve.mean, max: curve.mean, ..*curve }) else {
        return String::new();
    };
    let scale = Scale::tight(extent);
    let dots = lines(curve, &span, &scale, (columns, 1));
    let cell = |column| braille::character(dots.cell(column, 0)).unwrap_or(' ');
    (0..columns).map(cell).collect()
}

fn title(chart: &Chart<'_>, picture: &mut Picture) {
    let unit = chart.unit.map(unit_name).filter(|unit| !unit.is_empty());
    picture.text(0, 0, chart.title, Ink::Title);
    let mut column = chart.title.chars().count() + 1;
    if let Some(unit) = unit {
        picture.text(column, 0, unit, Ink::Dim);
        column += unit.chars().count() + 1;
    }
    let summary = summary(chart);
    let from = picture.width().saturating_sub(summary.chars().count());
    if from > column {
        picture.text(from, 0, &summary, Ink::Dim);
    }
}

/// The least, the mean and the greatest of all, and the last.
fn summary(chart: &Chart<'_>) -> String {
    let mut parts = Vec::new();
    if let Some((low, high)) = extent(&chart.curve) {
        let means: Vec<f64> = chart.curve.mean.iter().copied().flatten().collect();
        parts.push(format!("min {}", number(low)));
        if !means.is_empty() {
            // Of means, each of which stands for the same span of time.
            #[expect(clippy::cast_precision_loss, reason = "a count of points on a screen")]
            let mean = means.iter().sum::<f64>() / means.len() as f64;
            parts.push(format!("mean {}", number(mean)));
        }
        parts.push(format!("max {}", number(high)));
        parts.extend(means.last().map(|last| format!("last {}", number(*last))));
    }
    match chart.faults.iter().map(|(_, times)| times).sum::<u64>() {
        0 => {}
        1 => parts.push("× 1 fault".to_owned()),
        many => parts.push(format!("× {many} faults")),
    }
    parts.join("  ")
}

/// The least and the greatest value.
fn extent(curve: &Curve<'_>) -> Option<(f64, f64)> {
    let all = || curve.min.iter().chain(curve.mean).chain(curve.max).copied().flatten();
    all().next()?;
    Some((all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max)))
}

fn curve(
    curve: &Curve<'_>,
    span: &Span<'_>,
    scale: &Scale,
    (gutter, columns, rows): (usize, usize, usize),
    picture: &mut Picture,
) {
    let line = lines(curve, span, scale, (columns, rows));
    let around = around(curve, span, scale, (columns, rows));
    for row in 0..rows {
        for column in 0..columns {
            let (inner, outer) = (line.cell(column, row), around.cell(column, row));
            let ink = if inner != 0 { Ink::Line } else { Ink::Around };
            if let Some(character) = braille::character(inner | outer) {
                picture.set(gutter + 1 + column, row + 1, character, ink);
            }
        }
    }
}

/// From least to greatest.
fn around(
    curve: &Curve<'_>,
    span: &Span<'_>,
    scale: &Scale,
    (columns, rows): (usize, usize),
) -> Dots {
    let mut dots = Dots::new(columns, rows);
    let (wide, high) = (dots.width(), dots.height());
    for ((at, min), max) in curve.at.iter().zip(curve.min).zip(curve.max) {
        let x = span.place_middle(*at, curve.step_ms, wide);
        if let (Some(x), Some(min), Some(max)) = (x, min, max) {
            dots.fill(x, scale.place(*min, high), scale.place(*max, high));
        }
    }
    dots
}

/// The means, and lines between those that follow one another.
fn lines(
    curve: &Curve<'_>,
    span: &Span<'_>,
    scale: &Scale,
    (columns, rows): (usize, usize),
) -> Dots {
    let mut dots = Dots::new(columns, rows);
    let (wide, high) = (dots.width(), dots.height());
    let gap = gap(curve);
    let mut before: Option<(i64, usize, usize)> = None;
    for (at, mean) in curve.at.iter().zip(curve.mean) {
        let x = span.place_middle(*at, curve.step_ms, wide);
        let (Some(x), Some(mean)) = (x, mean) else { continue };
        let y = scale.place(*mean, high);
        match before.filter(|(then, ..)| at - then <= gap) {
            Some((_, from_x, from_y)) => dots.line((from_x, from_y), (x, y)),
            None => dots.set(x, y),
        }
        before = Some((*at, x, y));
    }
    dots
}

/// How far two values may be apart, in milliseconds, for a line between them: somewhat more than
/// twice what is usual. Beyond that one is missing.
fn gap(curve: &Curve<'_>) -> i64 {
    let there = curve.at.iter().zip(curve.mean).filter(|(_, mean)| mean.is_some());
    let times: Vec<i64> = there.map(|(at, _)| *at).collect();
    let mut steps: Vec<i64> =
        times.iter().zip(times.iter().skip(1)).map(|(one, other)| other - one).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0);
    usual.saturating_mul(5) / 2
}

fn axis(
    chart: &Chart<'_>,
    span: &Span<'_>,
    (gutter, columns, rows): (usize, usize, usize),
    picture: &mut Picture,
) {
    for row in 0..rows {
        picture.set(gutter, row + 1, '│', Ink::Dim);
    }
    picture.set(gutter, rows + 1, '└', Ink::Dim);
    for column in 0..columns {
        picture.set(gutter + 1 + column, rows + 1, '─', Ink::Dim);
    }
    let mut free = 0;
    for (at, label) in span.ticks(columns) {
        let Some(column) = span.place(at, columns) else { continue };
        picture.set(gutter + 1 + column, rows + 1, '┬', Ink::Dim);
        let length = label.chars().count();
        let from = (gutter + 1 + column).saturating_sub(length / 2);
        if from >= free && from + length <= picture.width() {
            picture.text(from, rows + 2, &label, Ink::Dim);
            free = from + length + 2;
        }
    }
    for (at, _) in chart.faults {
        if let Some(column) = span.place_middle(*at, chart.curve.step_ms, columns) {
            picture.set(gutter + 1 + column, rows + 1, '×', Ink::Fault);
        }
    }
}

#[cfg(test)]
mod tests;
