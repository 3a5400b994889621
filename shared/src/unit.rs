//! The units of the SenML registries and the conversions among them.
//!
//! Names: RFC 8428 section 12.1 (primary units) and RFC 8798 sections 2 and 3 (more primary units,
//! and secondary units with their scale and offset).

use std::fmt;

/// A unit that the SenML registries name.
#[derive(Clone, Copy)]
pub struct Unit(&'static Def);

struct Def {
    name: &'static str,
    /// The unit that this one is a linear function of; its own name where it is not derived.
    base: &'static str,
    /// `value in base = value * scale + offset`
    scale: f64,
    offset: f64,
}

const fn base(name: &'static str) -> Def {
    Def { name, base: name, scale: 1.0, offset: 0.0 }
}

const fn derived(name: &'static str, base: &'static str, scale: f64, offset: f64) -> Def {
    Def { name, base, scale, offset }
}

/// A text that no SenML registry has as a unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a unit of the SenML registries (RFC 8428, RFC 8798), but found {found:?}")]
pub struct UnknownUnit {
    /// What stood there, cut to 64 characters.
    pub found: String,
}

#[rustfmt::skip]
static UNITS: &[Def] = &[
    // RFC 8428 section 12.1. Units that it marks as not recommended, because they are scaled,
    // are derived from the recommended one.
    base("m"), base("kg"), derived("g", "kg", 1e-3, 0.0), base("s"), base("A"), base("K"),
    base("cd"), base("mol"), base("Hz"), base("rad"), base("sr"), base("N"), base("Pa"), base("J"),
    base("W"), base("C"), base("V"), base("F"), base("Ohm"), base("S"), base("Wb"), base("T"),
    base("H"), derived("Cel", "K", 1.0, 273.15), base("lm"), base("lx"), base("Bq"), base("Gy"),
    base("Sv"), base("kat"), base("m2"), base("m3"), derived("l", "m3", 1e-3, 0.0), base("m/s"),
    base("m/s2"), base("m3/s"), derived("l/s", "m3/s", 1e-3, 0.0), base("W/m2"), base("cd/m2"),
    base("bit"), base("bit/s"), base("lat"), base("lon"), base("pH"), base("dB"), base("dBW"),
    derived("Bspl", "dBspl", 10.0, 0.0), base("count"), base("/"), derived("%", "/", 1e-2, 0.0),
    base("%RH"), base("%EL"), base("EL"), base("1/s"), derived("1/min", "1/s", 1.0 / 60.0, 0.0),
    derived("beat/min", "1/s", 1.0 / 60.0, 0.0), base("beats"), base("S/m"),
    // RFC 8798 section 2.
    base("B"), base("VA"), base("VAs"), base("var"), base("vars"), base("J/m"), base("kg/m3"),
    derived("deg", "rad", std::f64::consts::PI / 180.0, 0.0),
    // RFC 8798 section 3.
    derived("ms", "s", 1e-3, 0.0), derived("min", "s", 60.0, 0.0), derived("h", "s", 3600.0, 0.0),
    derived("MHz", "Hz", 1e6, 0.0), derived("kW", "W", 1e3, 0.0), derived("kVA", "VA", 1e3, 0.0),
    derived("kvar", "var", 1e3, 0.0), derived("Ah", "C", 3600.0, 0.0),
    derived("Wh", "J", 3600.0, 0.0), derived("kWh", "J", 3.6e6, 0.0),
    derived("varh", "vars", 3600.0, 0.0), derived("kvarh", "vars", 3.6e6, 0.0),
    derived("kVAh", "VAs", 3.6e6, 0.0), derived("Wh/km", "J/m", 3.6, 0.0),
    derived("KiB", "B", 1024.0, 0.0), derived("GB", "B", 1e9, 0.0),
    derived("Mbit/s", "bit/s", 1e6, 0.0), derived("B/s", "bit/s", 8.0, 0.0),
    derived("MB/s", "bit/s", 8e6, 0.0), derived("mV", "V", 1e-3, 0.0),
    derived("mA", "A", 1e-3, 0.0), derived("dBm", "dBW", 1.0, -30.0),
    derived("ug/m3", "kg/m3", 1e-9, 0.0), derived("mm/h", "m/s", 1.0 / 3.6e6, 0.0),
    derived("m/h", "m/s", 1.0 / 3600.0, 0.0), derived("ppm", "/", 1e-6, 0.0),
    derived("/100", "/", 1e-2, 0.0), derived("/1000", "/", 1e-3, 0.0),
    derived("hPa", "Pa", 100.0, 0.0), derived("mm", "m", 1e-3, 0.0), derived("cm", "m", 1e-2, 0.0),
    derived("km", "m", 1e3, 0.0), derived("km/h", "m/s", 1.0 / 3.6, 0.0),
];

impl Unit {
    /// The unit's name in the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// All units, in the order of the registries.
    pub fn all() -> impl Iterator<Item = Self> {
        UNITS.iter().map(Self)
    }

    /// A unit that this code itself names.
    ///
    /// # Panics
    /// When no registry has it: only for names that stand in the source.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::try_from(name).expect("a unit named in the source is in the registry")
    }

    /// Converts a value from this unit to another, or `None` where they measure different things.
    ///
    /// The result is rounded to 12 significant digits, which is finer than any sensor and hides
    /// what binary fractions add (294.68 K is 21.53 °C, not 21.53000000000003).
    #[must_use]
    pub fn convert(self, value: f64, to: Self) -> Option<f64> {
        if self == to {
            return Some(value);
        }
        if self.0.base != to.0.base {
            return None;
        }
        let in_base = value * self.0.scale + self.0.offset;
        Some(round_to_12_digits((in_base - to.0.offset) / to.0.scale))
    }
}

fn round_to_12_digits(value: f64) -> f64 {
    format!("{value:.11e}").parse().expect("what the formatter writes as a number is one")
}

impl TryFrom<&str> for Unit {
    type Error = UnknownUnit;
    fn try_from(name: &str) -> Result<Self, UnknownUnit> {
        UNITS
            .iter()
            .find(|def| def.name == name)
            .map(Self)
            .ok_or_else(|| UnknownUnit { found: name.chars().take(64).collect() })
    }
}

impl PartialEq for Unit {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl Eq for Unit {}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl fmt::Debug for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Unit({:?})", self.0.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(value: f64, from: &str, to: &str) -> Option<f64> {
        let unit = |name| Unit::try_from(name).unwrap();
        unit(from).convert(value, unit(to))
    }

    #[test]
    fn conversions_give_the_value_that_a_table_gives() {
        for (value, from, to, expected) in [
            (101_325.0, "Pa", "hPa", 1013.25),
            (294.68, "K", "Cel", 21.53),
            (0.0, "Cel", "K", 273.15),
            (3.6, "km/h", "m/s", 1.0),
            (0.0, "dBm", "dBW", -30.0),
            (400.0, "ppm", "/", 0.0004),
            (1.0, "kWh", "Wh", 1000.0),
            (42.0, "%", "/", 0.42),
        ] {
            assert_eq!(convert(value, from, to), Some(expected), "{value} {from}");
        }
        assert_eq!(convert(1.0, "Pa", "Cel"), None);
    }

    #[test]
    fn a_value_that_needs_no_conversion_keeps_its_bits() {
        let value = 0.1 + 0.2;
        assert_eq!(convert(value, "hPa", "hPa"), Some(value));
    }

    #[test]
    fn names_are_unique_and_bases_are_not_derived_again() {
        for (index, def) in UNITS.iter().enumerate() {
            assert!(!UNITS[..index].iter().any(|other| other.name == def.name), "{}", def.name);
            let base = UNITS.iter().find(|other| other.name == def.base);
            assert!(base.is_none_or(|base| base.base == base.name), "{}", def.name);
        }
    }
}
