//! Short names of quantities that are in use, and the known quantities that they mean.

/// Name in use, known quantity. Both are lower-case with `_`, as [`crate::Quantity`] has them.
///
/// Only names with one meaning stand here: `moisture` may be of soil or air, `level` of anything.
#[rustfmt::skip]
static ALIASES: &[(&str, &str)] = &[
    ("temp", "temperature"), ("tmp", "temperature"), ("temperatur", "temperature"),
    ("hum", "humidity"), ("humid", "humidity"), ("rh", "humidity"),
    ("relative_humidity", "humidity"), ("rel_humidity", "humidity"),
    ("press", "pressure"), ("pres", "pressure"), ("baro", "pressure"),
    ("barometric_pressure", "pressure"), ("air_pressure", "pressure"),
    ("dewpoint", "dew_point"),
    ("lux", "illuminance"), ("light", "illuminance"), ("light_level", "illuminance"),
    ("pm1_0", "pm1"), ("pm25", "pm2_5"), ("pm10_0", "pm10"),
    ("windspeed", "wind_speed"),
    ("p_h", "ph"),
    ("volt", "voltage"), ("volts", "voltage"), ("amp", "current"), ("amps", "current"),
    ("watt", "power"), ("watts", "power"),
    ("dist", "distance"), ("freq", "frequency"),
    ("lat", "latitude"), ("lon", "longitude"), ("lng", "longitude"), ("long", "longitude"),
    ("batt", "battery"), ("bat", "battery"), ("battery_level", "battery"),
    ("cpu_temp", "cpu_temperature"),
];

/// The known quantity that a short name means, or the name itself.
pub(crate) fn well_known(name: &str) -> &str {
    ALIASES.iter().find(|(short, _)| *short == name).map_or(name, |(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Quantity;

    #[test]
    fn short_names_mean_known_quantities_and_are_none_themselves() {
        for (short, name) in ALIASES {
            assert!(Quantity::try_from(*name).unwrap().known().is_some(), "{name}");
            assert!(Quantity::try_from(*short).unwrap().known().is_none(), "{short}");
        }
        assert_eq!(well_known("temp"), "temperature");
        assert_eq!(well_known("leaf_wetness"), "leaf_wetness");
    }
}
