//! ROHM BH1750FVI (illuminance).

use bh1750::{BH1750, BH1750Error, Resolution};
use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Bus, Wait, fault, within};

/// Asks once.
pub(super) fn read<I: Bus>(bus: I, address: u8, wait: impl Wait) -> Result<Measurements, Fault> {
    let mut chip = BH1750::new_custom_address(bus, wait, address);
    let lux = chip.get_one_time_measurement(Resolution::High).map_err(|error| match error {
        BH1750Error::I2C(error) => fault(&error),
        BH1750Error::MeasurementTimeOutOfRange => Fault::OutOfRange,
    })?;
    // 16 bits at 1.2 counts per lux (data sheet BH1750FVI, "Measurement procedure").
    within(&[("illuminance", f64::from(lux), 0.0..=54_613.0)])
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    const AT: u8 = 0x23;

    #[test]
    fn readings_and_every_failure() {
        // One-time high-resolution mode: 0x20. The data sheet's example: 0x8390 is 28,067 lx.
        let measure = || Transaction::write(AT, vec![0x20]);
        let read_back = || Transaction::read(AT, vec![0x83, 0x90]);
        for (transactions, expected) in [
            (vec![measure(), read_back()], "illuminance 28066.7 lx"),
            (vec![measure(), Transaction::read(AT, vec![0, 0])], "illuminance 0 lx"),
            (vec![measure().with_error(NOBODY)], "not-present"),
            (vec![measure(), read_back().with_error(ErrorKind::Other)], "bus-error"),
        ] {
            assert_eq!(over(&transactions, |mock| read(mock, AT, NoopDelay)), expected);
        }
    }
}
