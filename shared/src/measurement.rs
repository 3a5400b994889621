//! A measured value with its quantity and unit.

use std::fmt;

use crate::limits::MAX_QUANTITIES;
use crate::quantity::Quantity;
use crate::unit::Unit;

/// A finite number that DynamoDB can hold: 0, or a magnitude from 1e-130 up to below 1e126.
///
/// ("Positive range: 1E-130 to 9.99…E+125", DynamoDB naming rules and data types.) Negative zero
/// becomes zero, which is what every store makes of it.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Value(f64);

/// A number that is no [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "expected a finite number that is 0 or has a magnitude from 1e-130 to 1e126, but found {found}"
)]
pub struct ValueError {
    /// The number.
    pub found: f64,
}

impl Value {
    /// Nothing.
    pub const ZERO: Self = Self(0.0);

    /// Takes a number.
    ///
    /// # Errors
    /// When it is not finite, or smaller or larger than DynamoDB's numbers.
    pub fn new(number: f64) -> Result<Self, ValueError> {
        if number == 0.0 {
            Ok(Self(0.0))
        } else if (1e-130..1e126).contains(&number.abs()) {
            Ok(Self(number))
        } else {
            Err(ValueError { found: number })
        }
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Value {
    /// The shortest text that reads back as the same number; whole numbers without a point.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Up to 2^53 a whole number is exact and its digits are the shortest form.
        let magnitude = self.0.abs();
        if magnitude != 0.0 && !(1e-5..9_007_199_254_740_992.0).contains(&magnitude) {
            write!(f, "{:e}", self.0)
        } else {
            write!(f, "{}", self.0)
        }
    }
}

/// One quantity of a reading.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// What was measured.
    pub quantity: Quantity,
    /// The unit that `value` is in.
    pub unit: Unit,
    /// The number.
    pub value: Value,
}

/// The measurements of one reading: 1 to [`MAX_QUANTITIES`], each quantity once.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurements(Vec<Measurement>);

/// Why some measurements do not make a reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasurementsError {
    /// There is none, or there are too many.
    #[error("expected 1 to {MAX_QUANTITIES} quantities in a reading, but found {found}")]
    Count {
        /// How many there were.
        found: usize,
    },
    /// A quantity stands twice.
    #[error("quantity {quantity} stands twice in one reading")]
    Repeated {
        /// The quantity.
        quantity: Quantity,
    },
}

impl Measurements {
    /// Takes the measurements of one reading.
    ///
    /// # Errors
    /// When there is none, when there are more than [`MAX_QUANTITIES`], or when a quantity stands
    /// twice.
    pub fn new(measurements: Vec<Measurement>) -> Result<Self, MeasurementsError> {
        if !(1..=MAX_QUANTITIES).contains(&measurements.len()) {
            return Err(MeasurementsError::Count { found: measurements.len() });
        }
        for (index, one) in measurements.iter().enumerate() {
            if measurements[..index].iter().any(|other| other.quantity == one.quantity) {
                return Err(MeasurementsError::Repeated { quantity: one.quantity.clone() });
            }
        }
        Ok(Self(measurements))
    }

    /// The measurements, in the order in which the sensor gave them.
    #[must_use]
    pub fn as_slice(&self) -> &[Measurement] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_to_what_a_table_can_hold() {
        for bad in
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e126, -1e126, 1e-131, f64::MIN_POSITIVE]
        {
            assert!(Value::new(bad).is_err(), "{bad}");
        }
        assert!(Value::new(-0.0).unwrap().get().is_sign_positive());
    }

    #[test]
    fn values_are_written_as_the_shortest_text_that_reads_back() {
        for (number, text) in [
            (21.0, "21"),
            (21.53, "21.53"),
            (-0.5, "-0.5"),
            (1e300_f64.sqrt().sqrt(), "1e75"),
            (1e-7, "1e-7"),
            (123_456_789_012.0, "123456789012"),
        ] {
            let value = Value::new(number).unwrap();
            assert_eq!(value.to_string(), text);
            assert_eq!(serde_json::from_str::<f64>(text).unwrap(), number);
        }
    }
}
