//! What a heading over a column of numbers measures, by the same names and units as a key.

use super::keys::{self, Scale};
use crate::ids::IdError;
use crate::quantity::Quantity;
use crate::unit::{Unit, UnknownUnit};

/// A column's quantity, and what its numbers are in.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    quantity: Quantity,
    scale: Option<Scale>,
}

/// Why a heading is none.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HeadingError {
    /// It names no quantity.
    #[error(transparent)]
    Quantity(#[from] IdError),
    /// It names a unit that is none.
    #[error(transparent)]
    Unit(#[from] UnknownUnit),
    /// It names a unit that the quantity is not measured in.
    #[error("{quantity} is measured in {expected} or what converts to it, and not in {found}")]
    WrongUnit {
        /// The quantity.
        quantity: Quantity,
        /// Its canonical unit.
        expected: Unit,
        /// The unit that was named.
        found: Unit,
    },
}

/// A name in lower-case with `_` between its words: `Temp-C`, `tempC` and `temp c` are `temp_c`.
#[must_use]
pub fn normal(name: &str) -> String {
    keys::normal(name)
}

impl Heading {
    /// A heading as people write it: short names and spellings of units are understood
    /// (`Temp`, `°C`, `temp_f`), and over a temperature `C` and `F` as well.
    ///
    /// # Errors
    /// When it names no quantity, or a unit that does not go with it.
    pub fn read(name: &str, unit: Option<&str>) -> Result<Self, HeadingError> {
        let name = keys::normal(name);
        let (name, of_name) = keys::quantity(&name);
        let quantity = Quantity::try_from(name)?;
        let is_temperature =
            quantity.known().is_some_and(|known| known.unit() == Unit::named("Cel"));
        let unit = match unit.map(str::trim) {
            Some("C") if is_temperature => Some("Cel"),
            Some("F") if is_temperature => Some("°F"),
            unit => unit,
        };
        let of_unit = unit.map(|unit| keys::scale(unit, quantity.as_str())).transpose()?;
        Self::new(quantity, of_unit.or(of_name))
    }

    /// A heading that names quantity and unit exactly, as this project itself writes them.
    ///
    /// # Errors
    /// When it names no quantity, or a unit that does not go with it.
    pub fn exact(name: &str, unit: Option<&str>) -> Result<Self, HeadingError> {
        let unit = unit.map(Unit::try_from).transpose()?;
        Self::new(Quantity::try_from(name)?, unit.map(Scale::Unit))
    }

    fn new(quantity: Quantity, scale: Option<Scale>) -> Result<Self, HeadingError> {
        let heading = Self { quantity, scale };
        if let (Some(known), Some(found)) = (heading.quantity.known(), heading.unit())
            && found.convert(0.0, known.unit()).is_none()
        {
            let quantity = heading.quantity;
            return Err(HeadingError::WrongUnit { quantity, expected: known.unit(), found });
        }
        Ok(heading)
    }

    /// What is measured.
    #[must_use]
    pub const fn quantity(&self) -> &Quantity {
        &self.quantity
    }

    /// The unit of what [`Self::value`] gives: the one that is said, or the canonical one of a known
    /// quantity. `None` where a quantity of the user's own says none.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        let said = self.scale.map(|scale| scale.convert(0.0).1);
        said.or_else(|| Some(self.quantity.known()?.unit()))
    }

    /// A number of the column in [`Self::unit`].
    #[must_use]
    pub fn value(&self, number: f64) -> f64 {
        self.scale.map_or(number, |scale| scale.convert(number).0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_s_headings_are_understood() {
        for (name, unit, quantity, expected) in [
            ("temperature", None, "temperature", Some("Cel")),
            ("Temperature", Some("°C"), "temperature", Some("Cel")),
            ("temp", Some("C"), "temperature", Some("Cel")),
            ("Temp", Some("K"), "temperature", Some("K")),
            ("temp_f", None, "temperature", Some("Cel")),
            ("RH", Some("%"), "humidity", Some("%RH")),
            ("Air Pressure", Some("mbar"), "pressure", Some("hPa")),
            ("Leaf wetness", Some("%"), "leaf_wetness", Some("%")),
            ("Leaf wetness", None, "leaf_wetness", None),
            ("charge", Some("C"), "charge", Some("C")),
        ] {
            let heading = Heading::read(name, unit).unwrap();
            assert_eq!(heading.quantity().as_str(), quantity, "{name}");
            assert_eq!(heading.unit().map(Unit::name), expected, "{name}");
        }
        assert_eq!(Heading::read("temp", Some("F")).unwrap().value(70.7), 21.5);
        assert_eq!(Heading::read("temp", Some("C")).unwrap().value(21.5), 21.5);
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(matches!(Heading::read("Größe", None), Err(HeadingError::Quantity(_))));
        assert!(matches!(Heading::read("temp", Some("degrees")), Err(HeadingError::Unit(_))));
        assert!(matches!(Heading::read("temp", Some("hPa")), Err(HeadingError::WrongUnit { .. })));
    }

    #[test]
    fn an_exact_heading_means_what_it_says() {
        let heading = Heading::exact("temp", Some("Cel")).unwrap();
        assert_eq!(heading.quantity().as_str(), "temp");
        assert_eq!(
            Heading::exact("temperature", None).unwrap().unit().map(Unit::name),
            Some("Cel")
        );
        assert!(Heading::exact("Temp", None).is_err());
        assert!(Heading::exact("temp", Some("°C")).is_err());
    }
}
