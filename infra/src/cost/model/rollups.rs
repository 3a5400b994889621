//! What it costs to sum up hours and days. Pure.

use super::{Fleet, MONTH_SECONDS};

/// How long rollups are kept, in days (`TIDINGS_ROLLUP_DAYS` where nothing is said).
pub(super) const ROLLUP_DAYS: f64 = 1826.0;
/// An hour is said to be due at most so often by one warm function: each quarter of an hour.
const SAID_AN_HOUR: f64 = 4.0;
/// An hour's item without its quantities, and what each of them adds: its sums, and those of twelve
/// parts. A day's has no parts.
const HOUR_BYTES: f64 = 330.0;
const HOUR_QUANTITY_BYTES: f64 = 470.0;
const DAY_BYTES: f64 = 250.0;
const DAY_QUANTITY_BYTES: f64 = 60.0;
/// "A write request unit … for an item up to 1 KB"; half a read request unit is an eventually
/// consistent read of "up to 4 KB" (DynamoDB pricing for on-demand capacity).
const WRITE_BYTES: f64 = 1024.0;
const READ_BYTES: f64 = 4096.0;

/// Units of a month, and what is kept.
pub(super) struct Rollups {
    pub(super) writes: f64,
    pub(super) reads: f64,
    pub(super) gigabytes: f64,
}

impl Rollups {
    /// Of a fleet whose messages have so many readings.
    pub(super) fn of(fleet: &Fleet, in_a_message: f64) -> Self {
        let sensors = fleet.devices * fleet.sensors;
        let hours = sensors * MONTH_SECONDS / 3600.0;
        let readings = 3600.0 / fleet.every;
        // A message each hour says it once; and whoever has no reading in an hour has none to sum up.
        let summed = hours * readings.min(1.0);
        let in_hour = readings / in_a_message * fleet.sensors.min(in_a_message);
        let said = SAID_AN_HOUR.min(in_hour.max(1.0));
        let (hour, day) = (hour_bytes(fleet.quantities), day_bytes(fleet.quantities));
        let units = |bytes: f64| (bytes / WRITE_BYTES).ceil();
        // Said, summed up, its day made anew, and taken back.
        let writes = summed * (said + units(hour) + units(day) + 1.0);
        // An hour is read with the one before it, for packs that reach into it; and for the day its hours
        // so far, on the average half of them, consistently and so for twice the price.
        let of_hour = 2.0 * readings * fleet.reading_bytes(in_a_message) / READ_BYTES / 2.0;
        let of_day = 12.0 * hour / READ_BYTES;
        let kept = sensors * ROLLUP_DAYS * readings.min(1.0);
        Self {
            writes,
            reads: summed * (of_hour.max(0.5) + of_day),
            gigabytes: kept * (24.0 * hour + day) / 1e9,
        }
    }
}

/// Bytes of an hour's item with so many quantities.
pub(super) fn hour_bytes(quantities: f64) -> f64 {
    HOUR_BYTES + HOUR_QUANTITY_BYTES * quantities
}

/// Bytes of a day's item.
pub(super) fn day_bytes(quantities: f64) -> f64 {
    DAY_BYTES + DAY_QUANTITY_BYTES * quantities
}
