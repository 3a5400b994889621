//! Alerts in words, for people. Pure.

use tidings_schema::{DeviceId, UnixMillis};

use super::standing::{Kind, Standing};

/// SNS: a subject is "less than 100 characters" of ASCII.
const MAX_SUBJECT: usize = 99;

/// One sentence, such as "pi-1 / bme280 temperature 36.2 °C is above 35 °C since 2026-11-25 02:10 UTC".
#[must_use]
pub fn sentence(device: &DeviceId, name: &str, standing: &Standing) -> String {
    let unit = standing.unit.as_deref().map_or("", symbol);
    let number = |value: Option<f64>| match (value, unit) {
        (None, _) => "?".to_owned(),
        (Some(value), "") => rounded(value),
        (Some(value), unit) => format!("{} {unit}", rounded(value)),
    };
    let (since, limit) = (minute(standing.since), number(standing.limit));
    let what = match name.split_once('.') {
        Some((sensor, quantity)) => format!("{device} / {sensor} {quantity}"),
        None => format!("{device} / {name}"),
    };
    let what = format!("{what} {}", number(standing.value));
    match (standing.kind, standing.raised) {
        (Kind::Above, true) => format!("{what} is above {limit} since {since}"),
        (Kind::Above, false) => format!("{what} is not above {limit} any more since {since}"),
        (Kind::Below, true) => format!("{what} is below {limit} since {since}"),
        (Kind::Below, false) => format!("{what} is not below {limit} any more since {since}"),
        (Kind::Silent, true) => {
            format!(
                "{device} has not been heard since {since}, longer than {}",
                length(standing.limit)
            )
        }
        (Kind::Silent, false) => format!("{device} is heard again since {since}"),
    }
}

/// The same in the few characters of a subject line.
#[must_use]
pub fn subject(device: &DeviceId, name: &str, standing: &Standing) -> String {
    let state = match (standing.kind, standing.raised) {
        (Kind::Silent, true) => "is silent",
        (Kind::Silent, false) => "is heard again",
        (Kind::Above, true) => "is too high",
        (Kind::Below, true) => "is too low",
        (Kind::Above | Kind::Below, false) => "is well again",
    };
    let what = match standing.kind {
        Kind::Silent => device.to_string(),
        Kind::Above | Kind::Below => format!("{device} {name}"),
    };
    let room = MAX_SUBJECT.saturating_sub("Tidings:  ".len() + state.len());
    let what: String =
        what.chars().filter(|one| one.is_ascii_graphic() || *one == ' ').take(room).collect();
    format!("Tidings: {what} {state}")
}

/// What people write for a unit of SenML.
fn symbol(unit: &str) -> &str {
    match unit {
        "Cel" => "°C",
        "%RH" => "% RH",
        "/" | "count" => "",
        other => other,
    }
}

/// To 6 significant digits: without what binary fractions add.
fn rounded(value: f64) -> String {
    format!("{value:.5e}").parse().unwrap_or(value).to_string()
}

/// Seconds in the largest unit that divides them.
fn length(seconds: Option<f64>) -> String {
    let seconds = seconds.unwrap_or_default();
    for (name, size) in [("d", 86_400.0), ("h", 3600.0), ("min", 60.0)] {
        if seconds >= size && seconds % size == 0.0 {
            return format!("{} {name}", seconds / size);
        }
    }
    format!("{seconds} s")
}

/// The minute in UTC.
fn minute(at: UnixMillis) -> String {
    let minutes = at.seconds() % 86_400 / 60;
    format!("{} {:02}:{:02} UTC", at.date(), minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(kind: Kind, raised: bool) -> Standing {
        let (value, limit, unit) = match kind {
            Kind::Silent => (None, Some(900.0), None),
            Kind::Above | Kind::Below => {
                (Some(36.199_999_999_9), Some(35.0), Some("Cel".to_owned()))
            }
        };
        Standing {
            raised,
            kind,
            since: UnixMillis::new(1_795_572_645_000).unwrap(),
            value,
            limit,
            unit,
        }
    }

    #[test]
    fn a_sentence_says_who_what_which_limit_and_since_when() {
        let device = DeviceId::try_from("pi-1").unwrap();
        let say = |name, kind, raised| sentence(&device, name, &standing(kind, raised));
        assert_eq!(
            say("bme280.temperature", Kind::Above, true),
            "pi-1 / bme280 temperature 36.2 °C is above 35 °C since 2026-11-25 02:10 UTC"
        );
        assert_eq!(
            say("bme280.temperature", Kind::Below, false),
            "pi-1 / bme280 temperature 36.2 °C is not below 35 °C any more since 2026-11-25 02:10 UTC"
        );
        assert_eq!(
            say("silence", Kind::Silent, true),
            "pi-1 has not been heard since 2026-11-25 02:10 UTC, longer than 15 min"
        );
        assert_eq!(
            say("silence", Kind::Silent, false),
            "pi-1 is heard again since 2026-11-25 02:10 UTC"
        );
        let bare =
            Standing { unit: Some("/".to_owned()), value: None, ..standing(Kind::Below, true) };
        assert!(sentence(&device, "soil.moisture", &bare).contains("moisture ? is below 35 since"));
    }

    #[test]
    fn a_subject_is_short_and_ascii() {
        let device = DeviceId::try_from("d".repeat(64).as_str()).unwrap();
        let name = format!("{}.ä", "s".repeat(64));
        for kind in [Kind::Above, Kind::Below, Kind::Silent] {
            for raised in [true, false] {
                let subject = subject(&device, &name, &standing(kind, raised));
                assert!(subject.len() < 100 && subject.is_ascii(), "{subject}");
                assert!(subject.starts_with("Tidings: d") && !subject.ends_with('s'), "{subject}");
            }
        }
    }

    #[test]
    fn lengths_are_in_the_largest_unit_that_fits() {
        for (seconds, text) in
            [(300.0, "5 min"), (7200.0, "2 h"), (86_400.0, "1 d"), (301.0, "301 s")]
        {
            assert_eq!(length(Some(seconds)), text);
        }
    }
}
