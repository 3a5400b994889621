//! What the keys and units of a plain message mean: the tables in the header of [`super`].

use crate::ids::SensorId;
use crate::quantity::Quantity;
use crate::unit::{Unit, UnknownUnit};
use crate::wire::foreign::{cut, well_known};

/// The sensor of values that stand under none.
pub(super) const SENSOR: &str = "plain";

/// Objects that stand for the fields within them.
pub(super) const CONTAINERS: [&str; 7] =
    ["data", "values", "readings", "measurements", "payload", "state", "reported"];

/// Timestamps, in the order in which they are looked for. The last may be something else.
pub(super) const TIMES: [&str; 8] =
    ["timestamp", "time_stamp", "ts", "time", "datetime", "date_time", "at", AMBIGUOUS_TIME];

/// A time or a temperature.
pub(super) const AMBIGUOUS_TIME: &str = "t";

/// Names of the sensor, in the order in which they are looked for.
pub(super) const SENSORS: [&str; 3] = ["sensor", "sensor_id", "sensor_name"];

/// Names of the device, in the order in which they are looked for.
pub(super) const DEVICES: [&str; 8] = [
    "device",
    "device_id",
    "deviceid",
    "thing",
    "thing_name",
    "thingname",
    "client_id",
    "clientid",
];

/// Names and numbers of a message or device, which measure nothing.
const IDENTITIES: [&str; 15] = [
    "sensor_type",
    "id",
    "uuid",
    "message_id",
    "msg_id",
    "packet_id",
    "seq",
    "sequence",
    "version",
    "firmware",
    "fw",
    "model",
    "mac",
    "ip",
    "ssid",
];

/// Words for people. A number there measures something.
const LABELS: [&str; 13] = [
    "name",
    "type",
    "kind",
    "msg",
    "message",
    "location",
    "room",
    "topic",
    "host",
    "hostname",
    "status",
    "description",
    "comment",
];

/// What a key is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It says when.
    Time,
    /// It says who or which, whatever its value is.
    Identity,
    /// It says something to people, where it is a text.
    Label,
    /// It says how much.
    Measure,
}

pub(super) fn role(name: &str) -> Role {
    if TIMES.contains(&name) {
        Role::Time
    } else if SENSORS.contains(&name) || DEVICES.contains(&name) || IDENTITIES.contains(&name) {
        Role::Identity
    } else if LABELS.contains(&name) {
        Role::Label
    } else {
        Role::Measure
    }
}

/// A key in lower-case with `_` between its words: `Temp-C`, `tempC` and `temp c` are `temp_c`.
pub(super) fn normal(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    let mut before = ' ';
    let mut letters = key.chars().peekable();
    while let Some(letter) = letters.next() {
        let is_between = matches!(letter, '-' | ' ' | '.' | '_');
        // Of capitals in a row only the last begins a word, and only where one goes on: `CO2Level`.
        let begins = letter.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || (before.is_ascii_uppercase()
                    && letters.peek().is_some_and(char::is_ascii_lowercase)));
        if (begins || is_between) && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        if !is_between {
            name.push(letter.to_ascii_lowercase());
        }
        before = letter;
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

/// The sensor of that name, lower-cased, with `-` for spaces and dots.
pub(super) fn sensor(name: &str) -> Result<SensorId, crate::ids::IdError> {
    SensorId::try_from(name.trim().to_ascii_lowercase().replace([' ', '.'], "-"))
}

/// What a number is in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// A unit of SenML.
    Unit(Unit),
    /// The one in use that SenML does not have.
    Fahrenheit,
}

impl Scale {
    /// A number in this scale as one in a unit.
    pub(super) fn convert(self, number: f64) -> (f64, Unit) {
        match self {
            Self::Unit(unit) => (number, unit),
            Self::Fahrenheit => {
                let (kelvin, celsius) = (Unit::named("K"), Unit::named("Cel"));
                let converted = kelvin.convert((number + 459.67) * 5.0 / 9.0, celsius);
                (converted.expect("both are temperatures"), celsius)
            }
        }
    }
}

/// Ends of keys that name the scale of a temperature.
const SUFFIXES: [(&str, &str); 6] = [
    ("_c", "celsius"),
    ("_celsius", "celsius"),
    ("_f", "fahrenheit"),
    ("_fahrenheit", "fahrenheit"),
    ("_k", "K"),
    ("_kelvin", "K"),
];

/// The quantity that a normal key names, and its scale where the key says that as well.
pub(super) fn quantity(name: &str) -> (&str, Option<Scale>) {
    let is_temperature = |name: &str| {
        let known = Quantity::all_known().iter().find(|known| known.name == name);
        known.is_some_and(|known| known.unit() == Unit::named("Cel"))
    };
    for (suffix, spelling) in SUFFIXES {
        if let Some(stem) = name.strip_suffix(suffix).map(well_known)
            && is_temperature(stem)
        {
            return (stem, scale(spelling, stem).ok());
        }
    }
    (well_known(name), None)
}

/// Spellings beside those of SenML, in lower-case. Only such as mean one thing.
const SPELLINGS: [(&str, &str); 9] = [
    ("°c", "Cel"),
    ("℃", "Cel"),
    ("degc", "Cel"),
    ("celsius", "Cel"),
    ("mbar", "hPa"),
    ("lux", "lx"),
    ("µg/m3", "ug/m3"),
    ("µg/m³", "ug/m3"),
    ("μg/m³", "ug/m3"),
];

const FAHRENHEIT: [&str; 4] = ["°f", "℉", "degf", "fahrenheit"];

/// What a text in the field `unit` of a quantity means.
pub(super) fn scale(text: &str, quantity: &str) -> Result<Scale, UnknownUnit> {
    let text = text.trim();
    let spelling = text.to_lowercase();
    if FAHRENHEIT.contains(&spelling.as_str()) {
        return Ok(Scale::Fahrenheit);
    }
    let name = match (text, quantity) {
        ("%", "humidity") => "%RH",
        ("%", "battery") => "%EL",
        _ => SPELLINGS.iter().find(|(one, _)| *one == spelling).map_or(text, |(_, unit)| unit),
    };
    let unit = Unit::try_from(name).map_err(|_| UnknownUnit { found: cut(text, 64) })?;
    Ok(Scale::Unit(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_all_their_spellings_are_one_name() {
        for (key, name) in [
            ("temperature", "temperature"),
            ("tempC", "temp_c"),
            ("Temp-C", "temp_c"),
            ("TEMP C", "temp_c"),
            ("deviceId", "device_id"),
            ("DeviceID", "device_id"),
            ("CO2", "co2"),
            ("CO2Level", "co2_level"),
            ("PM2.5", "pm2_5"),
            ("pH", "p_h"),
            ("timeStamp", "time_stamp"),
            ("_id_", "id"),
            ("a - b", "a_b"),
            ("Größe", "größe"),
            ("", ""),
            ("-", ""),
        ] {
            assert_eq!(normal(key), name, "{key}");
            assert_eq!(normal(name), name, "{name}");
        }
    }

    #[test]
    fn ends_of_keys_are_units_of_temperatures_alone() {
        let celsius = Some(Scale::Unit(Unit::named("Cel")));
        assert_eq!(quantity("temp_c"), ("temperature", celsius));
        assert_eq!(quantity("dew_point_f"), ("dew_point", Some(Scale::Fahrenheit)));
        assert_eq!(quantity("cpu_temp_celsius"), ("cpu_temperature", celsius));
        assert_eq!(quantity("temp_k"), ("temperature", Some(Scale::Unit(Unit::named("K")))));
        assert_eq!(quantity("hum_c"), ("hum_c", None));
        assert_eq!(quantity("rh"), ("humidity", None));
    }

    #[test]
    fn units_are_those_of_senml_and_a_few_spellings() {
        let unit = |text, quantity| match scale(text, quantity) {
            Ok(Scale::Unit(unit)) => unit.name(),
            Ok(Scale::Fahrenheit) => "Fahrenheit",
            Err(_) => "none",
        };
        for (text, expected) in [
            ("Cel", "Cel"),
            (" °C ", "Cel"),
            ("Celsius", "Cel"),
            ("C", "C"),
            ("°F", "Fahrenheit"),
            ("F", "F"),
            ("%", "%RH"),
            ("mbar", "hPa"),
            ("hPa", "hPa"),
            ("MHz", "MHz"),
            ("degrees", "none"),
        ] {
            assert_eq!(unit(text, "humidity"), expected, "{text}");
        }
        assert_eq!((unit("%", "battery"), unit("%", "soil_moisture")), ("%EL", "%"));
        for (_, name) in SPELLINGS {
            assert!(Unit::try_from(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn fahrenheit_becomes_celsius_as_a_table_gives_it() {
        for (fahrenheit, celsius) in [(32.0, 0.0), (212.0, 100.0), (-40.0, -40.0), (70.7, 21.5)] {
            assert_eq!(Scale::Fahrenheit.convert(fahrenheit).0, celsius);
        }
    }
}
