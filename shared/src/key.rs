//! The keys of the table `readings`: a function of the reading alone, so that a retry or a replay
//! writes the same item again instead of a second one.

use crate::ids::{BootId, DeviceId, SensorId, Seq};
use crate::time::UnixMillis;

/// Partition and sort key of one reading.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReadingKey {
    /// `<device>#<sensor>`
    pub pk: String,
    /// `<13-digit ms>#<boot>#<12-digit seq>`
    pub sk: String,
}

impl ReadingKey {
    /// The key of the reading that these five name.
    #[must_use]
    pub fn new(
        device: &DeviceId,
        sensor: &SensorId,
        at: UnixMillis,
        boot: &BootId,
        seq: Seq,
    ) -> Self {
        Self {
            pk: partition(device, sensor),
            sk: format!(
                "{}#{boot}#{seq:0seq_digits$}",
                time_prefix(at),
                seq = seq.get(),
                seq_digits = Seq::DIGITS,
            ),
        }
    }
}

/// The partition key that all readings of one sensor share.
#[must_use]
pub fn partition(device: &DeviceId, sensor: &SensorId) -> String {
    format!("{device}#{sensor}")
}

/// The beginning of the sort keys of one millisecond; sorts by time as text.
#[must_use]
pub fn time_prefix(at: UnixMillis) -> String {
    format!("{:0digits$}", at.get(), digits = UnixMillis::DIGITS)
}

/// Takes a sort key apart into time, boot and sequence number; `None` where it is none of ours.
#[must_use]
pub fn parse_sort_key(sk: &str) -> Option<(UnixMillis, BootId, Seq)> {
    let mut parts = sk.split('#');
    let (at, boot, seq) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || at.len() != UnixMillis::DIGITS || seq.len() != Seq::DIGITS {
        return None;
    }
    Some((
        UnixMillis::new(at.parse().ok()?).ok()?,
        BootId::try_from(boot).ok()?,
        Seq::try_from(seq.parse::<u64>().ok()?).ok()?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_layout_of_the_design_and_can_be_read_back() {
        let boot = BootId::try_from("k3v9x2qd").unwrap();
        let key = ReadingKey::new(
            &DeviceId::try_from("pi-1").unwrap(),
            &SensorId::try_from("bme280").unwrap(),
            UnixMillis::new(1_795_456_115_802).unwrap(),
            &boot,
            Seq::try_from(1042).unwrap(),
        );
        assert_eq!(key.pk, "pi-1#bme280");
        assert_eq!(key.sk, "1795456115802#k3v9x2qd#000000001042");
        let (at, parsed, seq) = parse_sort_key(&key.sk).unwrap();
        assert_eq!((at.get(), parsed, seq.get()), (1_795_456_115_802, boot, 1042));
        assert!(parse_sort_key("17#x#1").is_none());
    }

    #[test]
    fn keys_of_an_early_time_sort_before_those_of_a_late_one() {
        let early = time_prefix(UnixMillis::new(999).unwrap());
        let late = time_prefix(UnixMillis::MAX);
        assert!(early < late);
    }
}
