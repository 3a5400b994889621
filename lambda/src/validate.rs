//! One reading against what is plausible, in canonical units, corrected as the operator says.

use tidings_schema::limits::{EARLIEST_MS, MAX_FUTURE_MS};
use tidings_schema::{Clock, Content, Quantity, SensorId, Unit, UnixMillis, Value};

use crate::config::Retention;
use crate::enrich::Profile;
use crate::refusal::Refusal;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Checks the time of a reading.
pub(crate) fn time(
    at: UnixMillis,
    clock: Clock,
    received_at: UnixMillis,
    retention: Retention,
) -> Result<(), Refusal> {
    let (at, received_at) = (at.get(), received_at.get());
    if clock == Clock::Unset {
        // It would stand among real times, where nobody looks for what has none.
        return if at < EARLIEST_MS { Ok(()) } else { Err(Refusal::Uptime { found: at }) };
    }
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

/// Values in canonical units, corrected, checked, and those that follow from them.
pub(crate) fn values<'a>(
    sensor: &SensorId,
    measured: impl Iterator<Item = (&'a Quantity, Option<Unit>, Value)>,
    profile: &Profile,
) -> Result<Content, Refusal> {
    let mut values = Vec::with_capacity(measured.size_hint().0 + profile.derive.len());
    for (quantity, unit, value) in measured {
        values.push(canonical(sensor, quantity, unit, value, profile)?);
    }
    for derived in &profile.derive {
        let Ok(quantity) = Quantity::try_from(derived.quantity()) else { continue };
        // What the sensor says itself goes before what can be computed.
        if values.iter().any(|(measured, _, _)| *measured == quantity) {
            continue;
        }
        let measured = |name: &str| {
            let (_, value, _) = values.iter().find(|(quantity, _, _)| quantity.as_str() == name)?;
            Some(value.get())
        };
        let value = derived.value(measured, profile.altitude).map(round);
        // A derived value that is not plausible says nothing of the reading.
        let value = value.filter(|value| quantity.known().is_some_and(|one| one.contains(*value)));
        if let Some(Ok(value)) = value.map(Value::new) {
            values.push((quantity, value, None));
        }
    }
    Ok(Content::Values(values))
}

fn canonical(
    sensor: &SensorId,
    quantity: &Quantity,
    found: Option<Unit>,
    value: Value,
    profile: &Profile,
) -> Result<(Quantity, Value, Option<Unit>), Refusal> {
    let (value, unit) =
        match quantity.known() {
            None => (value, found),
            Some(known) => {
                let unit = known.unit();
                let found = found.unwrap_or(unit);
                let number = found.convert(value.get(), unit).ok_or_else(|| {
                    Refusal::WrongUnit { quantity: quantity.clone(), expected: unit, found }
                })?;
                (in_range(quantity, known, number)?, None)
            }
        };
    let value = match profile.calibration(sensor, quantity) {
        None => value,
        Some(line) => {
            let number = round(value.get().mul_add(line.gain, line.offset));
            match quantity.known() {
                Some(known) => in_range(quantity, known, number)?,
                None => Value::new(number).map_err(|_| Refusal::OutOfDeviceRange {
                    sensor: sensor.clone(),
                    quantity: quantity.clone(),
                    found: number,
                    min: f64::MIN,
                    max: f64::MAX,
                })?,
            }
        }
    };
    if let Some(range) = profile.range(sensor, quantity)
        && !(range.min..=range.max).contains(&value.get())
    {
        return Err(Refusal::OutOfDeviceRange {
            sensor: sensor.clone(),
            quantity: quantity.clone(),
            found: value.get(),
            min: range.min,
            max: range.max,
        });
    }
    Ok((quantity.clone(), value, unit))
}

fn in_range(
    quantity: &Quantity,
    known: &tidings_schema::quantity::Known,
    number: f64,
) -> Result<Value, Refusal> {
    let out_of_range = || Refusal::OutOfRange {
        quantity: quantity.clone(),
        found: number,
        unit: known.unit(),
        min: known.min,
        max: known.max,
    };
    if !known.contains(number) {
        return Err(out_of_range());
    }
    // A value so small that the conversion took it below what the table holds.
    Value::new(number).map_err(|_| out_of_range())
}

/// To 9 significant digits: finer than any calibration, and without what binary fractions add.
pub(crate) fn round(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}
