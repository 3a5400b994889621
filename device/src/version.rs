//! The agent's version as a number, because a reading has nothing but numbers: as quantity
//! `agent_version` of its own readings, in unit `/`.

/// Numbers of each part: `0.1.0` is 1,000.
const PART: u64 = 1000;

/// This program's version: `major * 1_000_000 + minor * 1_000 + patch`.
#[must_use]
pub fn number() -> u64 {
    of(env!("CARGO_PKG_VERSION")).unwrap_or(0)
}

/// The number of a version such as `0.1.0`; what follows a `-` or `+` is no part of it.
fn of(text: &str) -> Option<u64> {
    let release = text.split(['-', '+']).next()?;
    let mut parts = release.split('.').map(|part| part.parse::<u64>().ok());
    let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
    (parts.next().is_none() && minor < PART && patch < PART)
        .then(|| (major * PART + minor) * PART + patch)
}

/// A version's number as people write it.
#[must_use]
pub fn shown(number: u64) -> String {
    format!("{}.{}.{}", number / PART / PART, number / PART % PART, number % PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_comes_back_as_it_was() {
        for (text, number) in [("0.1.0", 1000), ("1.2.3", 1_002_003), ("12.0.999", 12_000_999)] {
            assert_eq!(of(text), Some(number));
            assert_eq!(shown(number), text);
        }
        assert_eq!(of("2.0.0-rc.1"), Some(2_000_000));
        for bad in ["", "1", "1.2", "1.2.x", "1.2.3.4", "1.1000.0"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(shown(self::number()), env!("CARGO_PKG_VERSION"));
    }
}
