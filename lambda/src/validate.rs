//! One reading against what is plausible, in canonical units.

use tidings_schema::limits::{EARLIEST_MS, MAX_FUTURE_MS};
use tidings_schema::measurement::Measurements;
use tidings_schema::{Clock, Outcome, Quantity, Reading, Unit, UnixMillis, Value};

use crate::config::Retention;
use crate::item::Content;
use crate::refusal::Refusal;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Checks time and values, and converts them to canonical units.
pub(crate) fn validate(
    reading: &Reading,
    clock: Clock,
    received_at: UnixMillis,
    retention: Retention,
) -> Result<Content, Refusal> {
    if clock == Clock::Set {
        is_plausible(reading.at.get(), received_at.get(), retention)?;
    }
    match &reading.outcome {
        Outcome::Failed(fault) => Ok(Content::Fault(*fault)),
        Outcome::Measured(values) => values_in_canonical_units(values),
    }
}

fn is_plausible(at: i64, received_at: i64, retention: Retention) -> Result<(), Refusal> {
    if at > received_at + MAX_FUTURE_MS {
        return Err(Refusal::Future { found: at, received_at });
    }
    if at < EARLIEST_MS {
        return Err(Refusal::BeforeClock { found: at });
    }
    let age_days = (received_at - at) / DAY_MS;
    if age_days >= i64::from(retention.reading_days) {
        return Err(Refusal::TooOld { age_days, limit_days: retention.reading_days });
    }
    Ok(())
}

fn values_in_canonical_units(values: &Measurements) -> Result<Content, Refusal> {
    let values = values
        .as_slice()
        .iter()
        .map(|one| canonical(&one.quantity, one.unit, one.value))
        .collect::<Result<_, _>>()?;
    Ok(Content::Values(values))
}

fn canonical(
    quantity: &Quantity,
    found: Unit,
    value: Value,
) -> Result<(Quantity, Value, Option<Unit>), Refusal> {
    let Some(known) = quantity.known() else {
        return Ok((quantity.clone(), value, Some(found)));
    };
    let unit = known.unit();
    let number = found.convert(value.get(), unit).ok_or_else(|| Refusal::WrongUnit {
        quantity: quantity.clone(),
        expected: unit,
        found,
    })?;
    let out_of_range = || Refusal::OutOfRange {
        quantity: quantity.clone(),
        found: number,
        unit,
        min: known.min,
        max: known.max,
    };
    if !known.contains(number) {
        return Err(out_of_range());
    }
    // A value so small that the conversion took it below what the table holds.
    let value = Value::new(number).map_err(|_| out_of_range())?;
    Ok((quantity.clone(), value, None))
}
