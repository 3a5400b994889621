//! `--map`: quantities and units that a device called by another name. Nothing else is corrected.

use std::collections::HashMap;
use std::str::FromStr;

use serde_json::Value as Json;
use tidings_schema::wire::dialect::{Dialect, recognise};
use tidings_schema::{Quantity, Unit};

/// One `--map`: `quantity:OLD=NEW` or `unit:OLD=NEW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rename {
    /// The quantity of that name is to have this one.
    Quantity(String, Quantity),
    /// Likewise the unit.
    Unit(String, Unit),
}

impl FromStr for Rename {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected quantity:OLD=NEW or unit:OLD=NEW, but found {text:?}");
        let (kind, names) = text.split_once(':').ok_or_else(wrong)?;
        // A unit may hold `=` on neither side, a wrong name on the left anything else.
        let (old, new) = names.rsplit_once('=').ok_or_else(wrong)?;
        match kind {
            "quantity" => Quantity::try_from(new)
                .map(|new| Self::Quantity(old.to_owned(), new))
                .map_err(|error| error.to_string()),
            "unit" => Unit::try_from(new)
                .map(|new| Self::Unit(old.to_owned(), new))
                .map_err(|error| error.to_string()),
            _ => Err(wrong()),
        }
    }
}

/// All renames of a replay.
#[derive(Debug, Default)]
pub(super) struct Renames {
    quantities: HashMap<String, Quantity>,
    units: HashMap<String, Unit>,
}

impl FromIterator<Rename> for Renames {
    fn from_iter<I: IntoIterator<Item = Rename>>(list: I) -> Self {
        let mut renames = Self::default();
        for one in list {
            match one {
                Rename::Quantity(old, new) => drop(renames.quantities.insert(old, new)),
                Rename::Unit(old, new) => drop(renames.units.insert(old, new)),
            }
        }
        renames
    }
}

impl Renames {
    /// The payload with its names changed; as it is, where none of them stands in it or where it
    /// is no JSON of a dialect.
    #[must_use]
    pub(super) fn apply(&self, payload: Vec<u8>) -> Vec<u8> {
        if self.quantities.is_empty() && self.units.is_empty() {
            return payload;
        }
        let parsed = serde_json::from_slice::<Json>(&payload);
        let (Ok(dialect), Ok(before)) = (recognise(&payload), parsed) else { return payload };
        let mut json = before.clone();
        match dialect {
            Dialect::V1 => self.v1(&mut json),
            Dialect::SenmlJson => self.senml(&mut json),
            Dialect::Plain => self.plain(&mut json),
            Dialect::SenmlCbor => {}
        }
        if json == before { payload } else { json.to_string().into_bytes() }
    }

    fn v1(&self, message: &mut Json) {
        let series = message.get_mut("series").and_then(Json::as_array_mut);
        for one in series.into_iter().flatten() {
            for field in one.get_mut("fields").and_then(Json::as_array_mut).into_iter().flatten() {
                if let Some([quantity, unit]) = field.as_array_mut().map(Vec::as_mut_slice) {
                    self.quantity(quantity);
                    self.unit(unit);
                }
            }
        }
    }

    fn senml(&self, pack: &mut Json) {
        for record in pack.as_array_mut().into_iter().flatten() {
            for unit in ["u", "bu"] {
                if let Some(unit) = record.get_mut(unit) {
                    self.unit(unit);
                }
            }
            let Some(Json::String(name)) = record.get_mut("n") else { continue };
            // The quantity is the last part of a name.
            let start = name.rfind([':', '/', '.']).map_or(0, |at| at + 1);
            if let Some(new) = name.get(start..).and_then(|last| self.quantities.get(last)) {
                name.replace_range(start.., new.as_str());
            }
        }
    }

    fn plain(&self, object: &mut Json) {
        let Some(fields) = object.as_object_mut() else { return };
        for (name, mut value) in std::mem::take(fields) {
            if let Some(inner) = value.as_object_mut() {
                if let Some(unit) = inner.get_mut("unit") {
                    self.unit(unit);
                }
                let taken = std::mem::take(inner);
                inner.extend(taken.into_iter().map(|(name, value)| (self.named(name), value)));
            }
            fields.insert(self.named(name), value);
        }
    }

    fn named(&self, name: String) -> String {
        self.quantities.get(&name).map_or(name, ToString::to_string)
    }

    fn quantity(&self, text: &mut Json) {
        if let Some(new) = text.as_str().and_then(|old| self.quantities.get(old)) {
            *text = Json::from(new.as_str());
        }
    }

    fn unit(&self, text: &mut Json) {
        if let Some(new) = text.as_str().and_then(|old| self.units.get(old)) {
            *text = Json::from(new.name());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(payload: &str, maps: &[&str]) -> String {
        let renames: Renames = maps.iter().map(|text| text.parse::<Rename>().unwrap()).collect();
        String::from_utf8(renames.apply(payload.as_bytes().to_vec())).unwrap()
    }

    #[test]
    fn names_change_in_each_dialect_and_nothing_else() {
        let maps = ["quantity:temp=temperature", "unit:degC=Cel"];
        assert_eq!(
            apply(
                r#"{"v":1,"boot":"b","series":[{"fields":[["temp","degC"],["humidity","%RH"]],"rows":[[0,1,21.50]]}]}"#,
                &maps
            ),
            r#"{"boot":"b","series":[{"fields":[["temperature","Cel"],["humidity","%RH"]],"rows":[[0,1,21.5]]}],"v":1}"#
        );
        assert_eq!(
            apply(
                r#"[{"bn":"urn:dev:x:","n":"temp","u":"degC","v":1},{"n":"temps","v":2}]"#,
                &maps
            ),
            r#"[{"bn":"urn:dev:x:","n":"temperature","u":"Cel","v":1},{"n":"temps","v":2}]"#
        );
        assert_eq!(
            apply(r#"{"temp":1,"bme280":{"temp":2}}"#, &maps),
            r#"{"bme280":{"temperature":2},"temperature":1}"#
        );
    }

    #[test]
    fn what_has_none_of_the_names_keeps_its_bytes() {
        let maps = ["quantity:temp=temperature"];
        for payload in [r#"{ "humidity": 40.0 }"#, "not json", r#"[{"n":"x","v":1.50}]"#] {
            assert_eq!(apply(payload, &maps), payload);
        }
        assert_eq!(apply(r#"{ "temp": 1 }"#, &[]), r#"{ "temp": 1 }"#);
    }

    #[test]
    fn wrong_maps_are_refused() {
        for bad in
            ["temp=temperature", "quantity:temp", "unit:degC=degrees", "quantity:t=A B", "x:a=b"]
        {
            assert!(bad.parse::<Rename>().is_err(), "{bad}");
        }
    }
}
