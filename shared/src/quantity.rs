//! What is measured: the quantities with a canonical unit and a plausible range, and own ones.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::ids::IdError;
use crate::unit::Unit;

/// The name of a measured quantity, `[a-z][a-z0-9_]{0,63}`.
///
/// A known name ([`Quantity::known`]) has a canonical unit, in which the table holds it, and a
/// plausible range. Any other name is the user's own and may be measured in any SenML unit.
#[derive(Clone)]
pub struct Quantity(Name);

/// Found once, when the name is read: a batch asks of each value what is known of its quantity.
#[derive(Clone)]
enum Name {
    Known(&'static Known),
    Own(Arc<str>),
}

/// A quantity that Tidings knows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// Its name.
    pub name: &'static str,
    /// Name of the canonical unit.
    unit: &'static str,
    /// The least plausible value, in the canonical unit.
    pub min: f64,
    /// The greatest plausible value, in the canonical unit.
    pub max: f64,
    /// Digits after the point that a good sensor of this kind can tell apart.
    pub decimals: u8,
}

impl Known {
    /// The canonical unit.
    #[must_use]
    pub fn unit(&self) -> Unit {
        Unit::named(self.unit)
    }

    /// Whether a value in the canonical unit is plausible at all.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }
}

const fn known(name: &'static str, unit: &'static str, min: f64, max: f64, decimals: u8) -> Known {
    Known { name, unit, min, max, decimals }
}

/// Far beyond any counter of bytes on a device, and exact in a 64-bit float.
const MAX_BYTES: f64 = 9_007_199_254_740_992.0;

/// The ranges are wide: what lies outside is a broken sensor or a wrong unit, not a strange day.
/// Narrower ones per device belong to the operator.
#[rustfmt::skip]
static KNOWN: &[Known] = &[
    // Air and water. From below the coldest night on Earth (-89.2 °C, Vostok 1983) to a kiln.
    known("temperature",      "Cel",   -100.0, 1400.0, 2),
    known("humidity",         "%RH",      0.0,  100.0, 2),
    known("dew_point",        "Cel",   -100.0,  100.0, 2),
    // Saturated air holds 0.6 kg/m3 at 100 °C.
    known("absolute_humidity", "kg/m3",   0.0,    1.0, 6),
    // From the top of Everest (about 330 hPa) to beyond the record high (1084.8 hPa).
    known("pressure",         "hPa",    250.0, 1200.0, 2),
    // The lowest was 870 hPa (Typhoon Tip, 1979); a height that is a little wrong adds to it.
    known("sea_level_pressure", "hPa",  800.0, 1200.0, 2),
    // Direct sunlight is some 100,000 lx.
    known("illuminance",      "lx",       0.0, 300_000.0, 1),
    known("co2",              "ppm",      0.0, 100_000.0, 0),
    known("pm1",              "ug/m3",    0.0, 10_000.0, 1),
    known("pm2_5",            "ug/m3",    0.0, 10_000.0, 1),
    known("pm10",             "ug/m3",    0.0, 10_000.0, 1),
    known("rain",             "mm",       0.0, 10_000.0, 2),
    known("wind_speed",       "m/s",      0.0,  150.0, 2),
    known("soil_moisture",    "/",        0.0,    1.0, 3),
    known("ph",               "pH",       0.0,   14.0, 2),
    // Electricity and mechanics.
    known("voltage",          "V",   -10_000.0, 10_000.0, 4),
    known("current",          "A",   -10_000.0, 10_000.0, 4),
    known("power",            "W",      -1e9,     1e9, 2),
    known("energy",           "Wh",     -1e15,   1e15, 1),
    known("distance",         "m",        0.0, 100_000.0, 3),
    known("frequency",        "Hz",       0.0,    1e12, 3),
    known("flow",             "l/s",      0.0,    1e6, 4),
    // Where it stands. Six decimals of a degree are 0.1 m.
    known("latitude",         "lat",    -90.0,   90.0, 6),
    known("longitude",        "lon",   -180.0,  180.0, 6),
    // Digital inputs.
    known("state",            "/",        0.0,    1.0, 0),
    known("count",            "count",    0.0, MAX_BYTES, 0),
    // The device itself.
    known("cpu_temperature",  "Cel",   -100.0,  150.0, 1),
    known("cpu_load",         "/",        0.0,    1.0, 3),
    known("load_average",     "count",    0.0, 1_000_000.0, 2),
    known("memory_used",      "B",        0.0, MAX_BYTES, 0),
    known("memory_available", "B",        0.0, MAX_BYTES, 0),
    known("disk_used",        "/",        0.0,    1.0, 4),
    known("disk_free",        "B",        0.0, MAX_BYTES, 0),
    known("network_received", "B",        0.0, MAX_BYTES, 0),
    known("network_sent",     "B",        0.0, MAX_BYTES, 0),
    known("battery",          "%EL",      0.0,  100.0, 1),
    known("uptime",           "s",        0.0,    1e12, 0),
];

impl Quantity {
    /// The quantity's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Name::Known(known) => known.name,
            Name::Own(name) => name,
        }
    }

    /// What Tidings knows of it, or `None` for a quantity of the user's own.
    #[must_use]
    pub fn known(&self) -> Option<&'static Known> {
        match &self.0 {
            Name::Known(known) => Some(known),
            Name::Own(_) => None,
        }
    }

    /// All known quantities.
    #[must_use]
    pub fn all_known() -> &'static [Known] {
        KNOWN
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Name::Known(one), Name::Known(other)) => std::ptr::eq(*one, *other),
            (Name::Own(one), Name::Own(other)) => one == other,
            (Name::Known(_), Name::Own(_)) | (Name::Own(_), Name::Known(_)) => false,
        }
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Quantity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl TryFrom<&str> for Quantity {
    type Error = IdError;
    fn try_from(name: &str) -> Result<Self, IdError> {
        if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
            return Ok(Self(Name::Known(known)));
        }
        let mut bytes = name.bytes();
        let starts_well = bytes.next().is_some_and(|byte| byte.is_ascii_lowercase());
        let goes_on_well =
            bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        if starts_well && goes_on_well && name.len() <= 64 {
            Ok(Self(Name::Own(name.into())))
        } else {
            Err(IdError {
                what: "quantity",
                rule: "a letter a-z, then up to 63 of a-z 0-9 _",
                found: name.chars().take(64).collect(),
            })
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quantity({:?})", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_quantity_has_a_name_a_unit_and_a_range() {
        for known in Quantity::all_known() {
            let quantity = Quantity::try_from(known.name).unwrap();
            assert_eq!(quantity.known().unwrap().unit(), known.unit());
            assert!(known.min < known.max, "{}", known.name);
        }
    }

    #[test]
    fn own_quantities_are_possible_and_not_known() {
        assert!(Quantity::try_from("leaf_wetness").unwrap().known().is_none());
        for bad in ["", "9lives", "Temp", "a-b", "_x", &"x".repeat(65)] {
            assert!(Quantity::try_from(bad).is_err(), "{bad}");
        }
    }
}
