//! Quantities that follow from measured ones. Pure.

/// A quantity that can be derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Derived {
    /// From temperature and humidity.
    DewPoint,
    /// From temperature and humidity.
    AbsoluteHumidity,
    /// From pressure and temperature, at the height that the operator gives.
    SeaLevelPressure,
}

impl Derived {
    pub(crate) const ALL: [Self; 3] =
        [Self::DewPoint, Self::AbsoluteHumidity, Self::SeaLevelPressure];

    /// The name of the quantity that it gives.
    pub(crate) const fn quantity(self) -> &'static str {
        match self {
            Self::DewPoint => "dew_point",
            Self::AbsoluteHumidity => "absolute_humidity",
            Self::SeaLevelPressure => "sea_level_pressure",
        }
    }

    /// Its value in the quantity's canonical unit; `None` where what it needs was not measured, or
    /// gives no number. `measured` gives values in canonical units: °C, %RH and hPa.
    pub(crate) fn value(
        self,
        measured: impl Fn(&str) -> Option<f64>,
        altitude: Option<f64>,
    ) -> Option<f64> {
        let value = match self {
            Self::DewPoint => dew_point(measured("temperature")?, measured("humidity")?),
            Self::AbsoluteHumidity => {
                absolute_humidity(measured("temperature")?, measured("humidity")?)
            }
            Self::SeaLevelPressure => {
                sea_level_pressure(measured("pressure")?, measured("temperature")?, altitude?)
            }
        };
        value.is_finite().then_some(value)
    }
}

/// The Magnus formula over water, with the coefficients of O. A. Alduchov and R. E. Eskridge,
/// "Improved Magnus Form Approximation of Saturation Vapor Pressure", Journal of Applied
/// Meteorology 35 (1996), 601-609: `6.1094 hPa * exp(17.625 t / (243.04 + t))`, within 0.384 % from
/// -40 to 50 °C.
const MAGNUS: (f64, f64, f64) = (6.1094, 17.625, 243.04);

/// Pressure of the water vapour in air of `temperature` (°C) and `humidity` (%RH), in hPa.
fn vapour_pressure(temperature: f64, humidity: f64) -> f64 {
    let (base, b, c) = MAGNUS;
    base * (b * temperature / (c + temperature)).exp() * humidity / 100.0
}

/// The temperature (°C) at which that vapour would saturate air: the Magnus formula turned round.
fn dew_point(temperature: f64, humidity: f64) -> f64 {
    let (base, b, c) = MAGNUS;
    let gamma = (vapour_pressure(temperature, humidity) / base).ln();
    c * gamma / (b - gamma)
}

/// Mass of water vapour in a cubic metre of air (kg/m3), by the ideal gas law with the specific gas
/// constant of water vapour, 461.5 J/(kg K) (WMO-No. 8, Guide to Instruments and Methods of
/// Observation, annex 4.A).
fn absolute_humidity(temperature: f64, humidity: f64) -> f64 {
    const PASCAL_PER_HPA: f64 = 100.0;
    vapour_pressure(temperature, humidity) * PASCAL_PER_HPA / (461.5 * (temperature + 273.15))
}

/// Pressure (hPa) that would be at sea level, from that at `altitude` (m): the barometric formula
/// of the International Standard Atmosphere (ISO 2533) with its lapse rate of 0.0065 K/m, and the
/// temperature that was measured. The exponent is g M / (R L) = 5.25588.
fn sea_level_pressure(pressure: f64, temperature: f64, altitude: f64) -> f64 {
    let drop = 0.0065 * altitude;
    pressure * (1.0 - drop / (temperature + drop + 273.15)).powf(-5.255_88)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, within: f64) {
        assert!((found - expected).abs() <= within, "{found}, expected {expected}");
    }

    #[test]
    fn values_are_those_of_the_tables() {
        // Saturation vapour pressure over water at 20 °C: 23.39 hPa (CRC Handbook), and 100 % has
        // its dew point at its own temperature.
        close(vapour_pressure(20.0, 100.0), 23.39, 0.1);
        close(dew_point(20.0, 100.0), 20.0, 1e-9);
        // Psychrometric tables: 25 °C at 50 % is 13.9 °C, and 11.5 g in a cubic metre.
        close(dew_point(25.0, 50.0), 13.9, 0.1);
        close(absolute_humidity(25.0, 50.0), 0.0115, 0.0001);
        // The standard atmosphere at 1,000 m: 898.75 hPa at 8.5 °C is 1013.25 hPa at sea level.
        close(sea_level_pressure(898.75, 8.5, 1000.0), 1013.25, 0.1);
        close(sea_level_pressure(1000.0, 20.0, 0.0), 1000.0, 0.0);
    }

    #[test]
    fn what_was_not_measured_or_gives_no_number_is_not_derived() {
        let measured = |name: &str| (name == "temperature").then_some(20.0);
        assert_eq!(Derived::DewPoint.value(measured, None), None);
        assert_eq!(Derived::SeaLevelPressure.value(|_| Some(1000.0), None), None);
        let dry = |name: &str| Some(if name == "humidity" { 0.0 } else { 20.0 });
        assert_eq!(Derived::DewPoint.value(dry, None), None, "dry air has no dew point");
        assert_eq!(Derived::AbsoluteHumidity.value(dry, None), Some(0.0));
        for derived in Derived::ALL {
            let quantity = tidings_schema::Quantity::try_from(derived.quantity()).unwrap();
            assert!(quantity.known().is_some());
        }
    }
}
