//! Sensirion SHT40, SHT41, SHT45 (temperature, humidity).

use sht4x::{Address, Error, Precision, Sht4x};
use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Bus, Wait, fault, within};

/// Asks once.
pub(super) fn read<I: Bus>(
    bus: I,
    address: u8,
    mut wait: impl Wait,
) -> Result<Measurements, Fault> {
    let address = match address {
        0x45 => Address::Address0x45,
        0x46 => Address::Address0x46,
        _ => Address::Address0x44,
    };
    let mut chip = Sht4x::new_with_address(bus, address);
    // The raw words: the driver's own conversion is off by some thousandths.
    let said = chip.measure_raw(Precision::High, &mut wait).map_err(|error| match error {
        Error::I2c(error) => fault(&error),
        _ => Fault::Checksum,
    })?;
    let share = |word: u16| f64::from(word) / 65_535.0;
    // Data sheet SHT4x, 4.6: the signal covers -6 to 119 %RH, which is to be cropped.
    let humidity = (125.0 * share(said.humidity) - 6.0).clamp(0.0, 100.0);
    let temperature = 175.0 * share(said.temperature) - 45.0;
    within(&[("temperature", temperature, -40.0..=125.0), ("humidity", humidity, 0.0..=100.0)])
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    const AT: u8 = 0x44;

    #[test]
    fn readings_and_every_failure() {
        // Measure with high precision: 0xfd (data sheet SHT4x, table 8).
        let measure = || Transaction::write(AT, vec![0xfd]);
        let good = words(&[0x6666, 0x8000]);
        let mut bad = good.clone();
        bad[5] ^= 0x80;
        for (transactions, expected) in [
            (
                vec![measure(), Transaction::read(AT, good.clone())],
                "temperature 25 Cel, humidity 56.5 %RH",
            ),
            (
                vec![measure(), Transaction::read(AT, words(&[0x6666, 0]))],
                "temperature 25 Cel, humidity 0 %RH",
            ),
            (vec![measure(), Transaction::read(AT, bad)], "checksum"),
            (vec![measure(), Transaction::read(AT, words(&[0xffff, 0]))], "out-of-range"),
            (vec![measure().with_error(NOBODY)], "not-present"),
            (vec![measure(), Transaction::read(AT, good).with_error(ErrorKind::Bus)], "bus-error"),
        ] {
            let said = over(&transactions, |mock| read(mock, AT, NoopDelay));
            assert_eq!(said, expected);
        }
    }
}
