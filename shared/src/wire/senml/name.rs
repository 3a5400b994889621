//! Resolved names to sensors and quantities: the table in the header of [`super`].

use crate::ids::{IdError, SensorId};
use crate::quantity::Quantity;
use crate::unit::Unit;
use crate::wire::foreign::{PartError, cut, well_known};

/// The sensor of a name that is a quantity and nothing else.
const SENSOR: &str = "senml";

const SEPARATORS: [char; 3] = [':', '/', '.'];

/// So many hexadecimal digits are an address or a UUID (a MAC has 12) and no word.
const ID_DIGITS: usize = 12;

/// The quantities that a unit alone names. Units that several quantities are measured in (`/`,
/// `%`, `ppm`, `mm`, `m/s`, `s`…) are left out.
#[rustfmt::skip]
static BY_UNIT: &[(&str, &str)] = &[
    ("Cel", "temperature"), ("K", "temperature"), ("%RH", "humidity"),
    ("Pa", "pressure"), ("hPa", "pressure"), ("lx", "illuminance"), ("pH", "ph"),
    ("V", "voltage"), ("mV", "voltage"), ("A", "current"), ("mA", "current"),
    ("W", "power"), ("kW", "power"), ("J", "energy"), ("Wh", "energy"), ("kWh", "energy"),
    ("m", "distance"), ("cm", "distance"), ("km", "distance"),
    ("Hz", "frequency"), ("MHz", "frequency"), ("m3/s", "flow"), ("l/s", "flow"),
    ("%EL", "battery"), ("lat", "latitude"), ("lon", "longitude"), ("count", "count"),
];

/// A resolved name, taken apart.
#[derive(Debug, PartialEq)]
pub(super) struct Name {
    /// The sensor, or why it is none.
    pub(super) sensor: Result<SensorId, IdError>,
    /// The quantity that the name itself says, before short names are replaced.
    quantity: Option<Quantity>,
}

impl Name {
    /// Takes a resolved name apart. `nameless`: the record had no `n`, so that all of it is the base
    /// name.
    ///
    /// # Errors
    /// When it breaks the rule of RFC 8428 section 4.5.1.
    pub(super) fn new(name: &str, nameless: bool) -> Result<Self, IdError> {
        let starts_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.' | b'/' | b'_')
        };
        if !starts_well || !name.bytes().all(allowed) {
            return Err(IdError {
                what: "SenML name",
                rule: "a letter or digit, then any of A-Z a-z 0-9 - : . / _",
                found: cut(name, 64),
            });
        }
        let apart = if nameless { None } else { apart(name) };
        let told = apart.and_then(|(sensor, last)| Some((sensor, quantity(last)?)));
        let (sensor, quantity) = match told {
            Some((sensor, quantity)) => (sensor, Some(quantity)),
            None => (name, None),
        };
        Ok(Self { sensor: sensor_id(sensor), quantity })
    }

    /// The quantity of a value in that unit.
    ///
    /// # Errors
    /// When neither name nor unit say which it is.
    pub(super) fn quantity(
        &self,
        unit: Option<Unit>,
        is_boolean: bool,
    ) -> Result<Quantity, PartError> {
        if let Some(quantity) = &self.quantity {
            let known = Quantity::try_from(well_known(quantity.as_str()))?;
            // `light` in `/` is a switch and no illuminance: it keeps the name that it has.
            let fits = unit.is_none_or(|unit| {
                known.known().is_some_and(|known| unit.convert(0.0, known.unit()).is_some())
            });
            return Ok(if fits { known } else { quantity.clone() });
        }
        let name = unit.and_then(|unit| BY_UNIT.iter().find(|(name, _)| *name == unit.name()));
        match name {
            _ if is_boolean => Ok(Quantity::try_from("state")?),
            Some((_, quantity)) => Ok(Quantity::try_from(*quantity)?),
            None => Err(PartError::Unnamed {
                expected: "a name that ends in a quantity (as urn:dev:ow:10e2073a01080063:temperature does) or a unit that only one quantity has (Cel, %RH, hPa, lx, V, A, W)",
                found: unit.map_or_else(
                    || "neither".to_owned(),
                    |unit| format!("no such name, and the unit {unit}"),
                ),
            }),
        }
    }
}

/// The sensor's part and the last segment of a name; `None` where all of it is the sensor's.
fn apart(name: &str) -> Option<(&str, &str)> {
    let Some((id, rest)) = urn(name) else {
        return Some(name.rsplit_once(SEPARATORS).unwrap_or((SENSOR, name)));
    };
    // A component of RFC 9039 hangs on the id by `_`, which quantities have in their names as well.
    match rest.strip_prefix('_') {
        Some(component) if !component.contains(SEPARATORS) => Some((id, component)),
        _ if rest.is_empty() => None,
        _ => name.rsplit_once(SEPARATORS),
    }
}

/// What of a URN names the device, and what follows it: `urn:dev:<kind>:<id>` (RFC 9039) and
/// `urn:<namespace>:<id>`.
fn urn(name: &str) -> Option<(&str, &str)> {
    let starts = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if !starts("urn:") {
        return None;
    }
    let is_device = starts("urn:dev:");
    let colons = if is_device { 3 } else { 2 };
    let id = name.match_indices(':').nth(colons - 1).map_or(name.len(), |(at, _)| at + 1);
    let ends = |c: char| matches!(c, ':' | '/') || (is_device && c == '_');
    let end = name.char_indices().find(|&(at, c)| at >= id && ends(c));
    Some(name.split_at(end.map_or(name.len(), |(at, _)| at)))
}

fn quantity(segment: &str) -> Option<Quantity> {
    let is_id = segment.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
        && segment.bytes().any(|byte| byte.is_ascii_digit())
        && segment.bytes().filter(u8::is_ascii_hexdigit).count() >= ID_DIGITS;
    if is_id {
        return None;
    }
    Quantity::try_from(segment.to_ascii_lowercase().replace('-', "_").as_str()).ok()
}

fn sensor_id(text: &str) -> Result<SensorId, IdError> {
    let text = text.to_ascii_lowercase().replace(SEPARATORS, "-");
    SensorId::try_from(text.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(name: &str, unit: Option<&str>) -> (String, String) {
        let name = Name::new(name, false).unwrap();
        let unit = unit.map(|unit| Unit::try_from(unit).unwrap());
        let quantity = name.quantity(unit, false);
        let quantity = quantity.map_or_else(|error| error.code().to_owned(), |one| one.to_string());
        (name.sensor.unwrap().to_string(), quantity)
    }

    #[test]
    fn names_are_taken_apart_as_the_table_says() {
        for (name, unit, sensor, quantity) in [
            ("greenhouse/bed-1:soil-moisture", None, "greenhouse-bed-1", "soil_moisture"),
            ("temp", Some("Cel"), "senml", "temperature"),
            ("Kitchen.RH", None, "kitchen", "humidity"),
            (
                "urn:dev:ow:10e2073a01080063",
                Some("Cel"),
                "urn-dev-ow-10e2073a01080063",
                "temperature",
            ),
            (
                "urn:dev:ow:10e2073a01080063:temp",
                None,
                "urn-dev-ow-10e2073a01080063",
                "temperature",
            ),
            (
                "urn:dev:ow:10e2073a01080063_temp",
                None,
                "urn-dev-ow-10e2073a01080063",
                "temperature",
            ),
            ("urn:dev:ow:26_wind_speed", None, "urn-dev-ow-26", "wind_speed"),
            ("urn:dev:ow:26_a/wind-speed", None, "urn-dev-ow-26_a", "wind_speed"),
            ("urn:dev:mac:a1b2c3d4e5f60708", Some("V"), "urn-dev-mac-a1b2c3d4e5f60708", "voltage"),
            ("URN:DEV:mac:a1b2c3d4e5f60708", Some("V"), "urn-dev-mac-a1b2c3d4e5f60708", "voltage"),
            ("urn:dev:org:32473-foo.bar:volt", None, "urn-dev-org-32473-foo-bar", "voltage"),
            ("urn:dev:org", Some("A"), "urn-dev-org", "current"),
            ("urn:uuid:f81d4fae-7dec", Some("W"), "urn-uuid-f81d4fae-7dec", "power"),
            ("urn:uuid:f81d4fae-7dec/power", None, "urn-uuid-f81d4fae-7dec", "power"),
            (
                "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                Some("lx"),
                "f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
                "illuminance",
            ),
            ("2001:db8::2/temperature", None, "2001-db8--2", "temperature"),
            ("2001:db8::3", Some("%EL"), "2001-db8--3", "battery"),
            ("plant/", Some("Cel"), "plant", "temperature"),
            ("plant/3303/0/5700", Some("Cel"), "plant-3303-0-5700", "temperature"),
            // A short name whose unit does not fit is the sender's own word.
            ("hall/light", Some("/"), "hall", "light"),
            ("hall/light", Some("lx"), "hall", "illuminance"),
            ("2001:db8::3", Some("/"), "2001-db8--3", "unnamed-quantity"),
            ("2001:db8::3", Some("ppm"), "2001-db8--3", "unnamed-quantity"),
            ("2001:db8::3", None, "2001-db8--3", "unnamed-quantity"),
        ] {
            assert_eq!(told(name, unit), (sensor.to_owned(), quantity.to_owned()), "{name}");
        }
    }

    #[test]
    fn a_record_without_a_name_is_its_base_name() {
        let name = Name::new("plant/bed1", true).unwrap();
        assert_eq!(name.sensor.as_ref().unwrap().as_str(), "plant-bed1");
        assert_eq!(name.quantity(None, true).unwrap().as_str(), "state");
        assert_eq!(name.quantity(None, false).unwrap_err().code(), "unnamed-quantity");
    }

    #[test]
    fn names_keep_to_the_rule_of_the_rfc_and_sensors_to_ours() {
        for bad in ["", "-a", ":a", "_a", "a b", "a#b", "ä", "temp°"] {
            assert!(Name::new(bad, false).is_err(), "{bad}");
        }
        let long = format!("{}/temp", "x".repeat(65));
        assert!(Name::new(&long, false).unwrap().sensor.is_err());
    }

    #[test]
    fn units_name_quantities_that_are_measured_in_them() {
        for (unit, quantity) in BY_UNIT {
            let known = Quantity::try_from(*quantity).unwrap().known().unwrap();
            assert!(Unit::try_from(*unit).unwrap().convert(1.0, known.unit()).is_some(), "{unit}");
        }
    }
}
