//! The axis of the values: steps of 1, 2 or 5, and numbers that are as short as they can be.

/// Rows between two labels, about.
const ROWS_A_LABEL: usize = 2;

/// What a value axis reaches over.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    low: f64,
    high: f64,
    step: f64,
}

impl Scale {
    /// A scale over these values, for so many rows.
    pub(super) fn new((low, high): (f64, f64), rows: usize) -> Self {
        // A flat line is drawn in the middle.
        let room = if high > low { 0.0 } else { (high.abs() * 0.02).max(0.5) };
        // What cannot be negative is not drawn as if it could.
        let floor = if low >= 0.0 { 0.0 } else { f64::NEG_INFINITY };
        let (low, high) = ((low - room).max(floor), high + room);
        #[expect(clippy::cast_precision_loss, reason = "rows of a terminal")]
        let most = (rows / ROWS_A_LABEL).max(1) as f64;
        let step = nice((high - low) / most);
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    /// A scale from the least to the greatest of these values.
    pub(super) fn tight((low, high): (f64, f64)) -> Self {
        let room = if high > low { 0.0 } else { 1.0 };
        Self { low: low - room, high: high + room, step: high - low + room }
    }

    /// The dot from the bottom at which a value stands, of so many.
    pub(super) fn place(&self, value: f64, dots: usize) -> usize {
        place((value - self.low) / (self.high - self.low), dots)
    }

    /// The labels and the rows that they belong to, counted from the top.
    pub(super) fn labels(&self, rows: usize) -> Vec<(usize, String)> {
        // At the end of what a number holds there are no steps to count.
        let steps = Some(((self.high - self.low) / self.step).round()).filter(|it| it.is_finite());
        let steps = steps.unwrap_or(0.0);
        let (divisor, suffix) = prefix(self.low.abs().max(self.high.abs()));
        let decimals = decimals(self.step / divisor);
        // Beyond what a number with its digits is still read by.
        let greatest = self.low.abs().max(self.high.abs());
        let is_vast = greatest >= VAST;
        // As many digits as tell two steps apart, up to those that a number has.
        let digits = (1..=15).find(|digits| self.step * 10.0_f64.powi(*digits) >= greatest);
        let digits = digits.and_then(|digits| usize::try_from(digits).ok()).unwrap_or(15);
        let mut labels = Vec::new();
        let mut number = 0.0;
        while number <= steps {
            let value = self.low + number * self.step;
            let row = rows - 1 - self.place(value, rows * 4) / 4;
            // Without a minus before a zero that is only almost one.
            let value = if value.abs() < self.step / 1000.0 { 0.0 } else { value / divisor };
            let label = if is_vast {
                format!("{:.digits$e}", value * divisor)
            } else {
                format!("{value:.decimals$}{suffix}")
            };
            labels.push((row, label));
            number += 1.0;
        }
        labels
    }
}

/// The dot of a fraction from 0 to 1, of so many.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "dots of a terminal, and held between the first and the last"
)]
pub(super) fn place(fraction: f64, dots: usize) -> usize {
    let last = dots.saturating_sub(1) as f64;
    (fraction * last).round().clamp(0.0, last) as usize
}

/// The least of 1, 2 or 5 times a power of ten that is not less.
fn nice(least: f64) -> f64 {
    let power = 10.0_f64.powf(least.log10().floor());
    // A little more than it should be, by the arithmetic alone, is no reason for the next one.
    let step = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least * 0.999_999);
    step.unwrap_or(10.0) * power
}

/// What large numbers are divided by, and what stands behind them then.
fn prefix(greatest: f64) -> (f64, &'static str) {
    match greatest {
        greatest if greatest >= 1e12 => (1e12, "T"),
        greatest if greatest >= 1e9 => (1e9, "G"),
        greatest if greatest >= 1e6 => (1e6, "M"),
        greatest if greatest >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    }
}

/// Digits after the point that tell multiples of a step apart.
fn decimals(step: f64) -> usize {
    (0..=9)
        .find(|digits| step * 10.0_f64.powi(*digits) >= 0.999_999)
        .map_or(9, |digits| usize::try_from(digits).unwrap_or(0))
}

/// From here on numbers are written by their powers of ten.
const VAST: f64 = 1e15;

/// A value by itself, in four digits or so.
#[must_use]
pub fn number(value: f64) -> String {
    if value.abs() >= VAST {
        return format!("{value:.2e}");
    }
    let (divisor, suffix) = prefix(value.abs());
    let scaled = value / divisor;
    let decimals = match scaled.abs() {
        0.0 => 0,
        size if size < 0.001 => return format!("{value:.2e}"),
        size if size < 1.0 => 4,
        size if size < 100.0 => 2,
        _ => 1,
    };
    let text = format!("{scaled:.decimals$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{suffix}")
}

/// A SenML unit as people write it; a plain number has none.
#[must_use]
pub fn unit_name(unit: &str) -> &str {
    match unit {
        "Cel" => "°C",
        "%RH" => "% RH",
        "%EL" => "%",
        "ug/m3" => "µg/m³",
        "kg/m3" => "kg/m³",
        "/" | "count" => "",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> Vec<String> {
        let scale = Scale::new((low, high), 9);
        let mut rows: Vec<usize> = Vec::new();
        let labels = scale.labels(9).into_iter().map(|(row, label)| {
            rows.push(row);
            label
        });
        let labels = labels.collect();
        assert_eq!((rows.first(), rows.last()), (Some(&8), Some(&0)));
        labels
    }

    #[test]
    fn labels_are_round_and_reach_over_all_values() {
        assert_eq!(labels(18.2, 23.1), ["18", "20", "22", "24"]);
        assert_eq!(labels(-0.31, 0.42), ["-0.4", "-0.2", "0.0", "0.2", "0.4", "0.6"]);
        assert_eq!(labels(0.0, 3.1e9), ["0G", "1G", "2G", "3G", "4G"]);
        assert_eq!(labels(21.5, 21.5), ["21.0", "21.5", "22.0"]);
        assert_eq!(labels(0.0, 0.0), ["0.0", "0.2", "0.4", "0.6"]);
        assert_eq!(labels(1013.2, 1013.9), ["1013.2", "1013.4", "1013.6", "1013.8", "1014.0"]);
    }

    #[test]
    fn values_stand_where_the_labels_say() {
        let scale = Scale::new((0.0, 10.0), 9);
        assert_eq!((scale.place(0.0, 36), scale.place(10.0, 36)), (0, 35));
        assert_eq!((scale.place(-5.0, 36), scale.place(50.0, 36)), (0, 35));
    }

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (21.5, "21.5"),
            (21.0, "21"),
            (-3.256, "-3.26"),
            (1013.25, "1013.2"),
            (100.0, "100"),
            (0.0312, "0.0312"),
            (0.000_04, "4.00e-5"),
            (2_147_483_648.0, "2.15G"),
            (120_000.0, "120k"),
        ] {
            assert_eq!(number(value), text);
        }
    }
}
