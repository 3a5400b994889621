//! Sensirion SHT30, SHT31, SHT35 (temperature, humidity).
//!
//! With Sensirion's own helper rather than a driver: what there is of drivers for it measures with clock
//! stretching, which the Raspberry Pi's bus controller (BCM2835) gets wrong.

use sensirion_i2c::i2c;
use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Bus, Wait, fault, within};

/// Single shot, high repeatability, no clock stretching (data sheet SHT3x, table 9).
const MEASURE: u16 = 0x2400;

/// The longest that it takes (table 4: 15.5 ms).
const MILLIS: u32 = 16;

/// Asks once.
pub(super) fn read<I: Bus>(
    mut bus: I,
    address: u8,
    mut wait: impl Wait,
) -> Result<Measurements, Fault> {
    i2c::write_command_u16(&mut bus, address, MEASURE).map_err(|error| fault(&error))?;
    wait.delay_ms(MILLIS);
    let mut said = [0; 6];
    i2c::read_words_with_crc(&mut bus, address, &mut said).map_err(|error| match error {
        i2c::Error::Crc => Fault::Checksum,
        i2c::Error::I2cRead(error) | i2c::Error::I2cWrite(error) => fault(&error),
    })?;
    let [t0, t1, _, h0, h1, _] = said;
    let share = |high, low| f64::from(u16::from_be_bytes([high, low])) / 65_535.0;
    // Chapter 4.13, "Conversion of signal output"; ranges of table 1 and 2.
    within(&[
        ("temperature", 175.0 * share(t0, t1) - 45.0, -40.0..=125.0),
        ("humidity", 100.0 * share(h0, h1), 0.0..=100.0),
    ])
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    const AT: u8 = 0x44;

    fn measure() -> Transaction {
        Transaction::write(AT, vec![0x24, 0x00])
    }

    #[test]
    fn readings_and_every_failure() {
        let good = words(&[0x6666, 0x8000]);
        let mut bad = good.clone();
        bad[2] ^= 1;
        for (transactions, expected) in [
            (
                vec![measure(), Transaction::read(AT, good.clone())],
                "temperature 25 Cel, humidity 50 %RH",
            ),
            (vec![measure(), Transaction::read(AT, bad)], "checksum"),
            (vec![measure(), Transaction::read(AT, words(&[0, 0]))], "out-of-range"),
            (vec![measure().with_error(NOBODY)], "not-present"),
            (vec![measure(), Transaction::read(AT, good).with_error(ErrorKind::Bus)], "bus-error"),
        ] {
            assert_eq!(over(&transactions, |mock| read(mock, AT, NoopDelay)), expected);
        }
    }
}
