//! Texas Instruments ADS1115 (four voltages), each channel with a scale and an offset: a soil probe, a
//! battery behind a divider, a current loop.

use ads1x1x::{Ads1x1x, FullScaleRange, TargetAddr, channel};
use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Bus, Wait, fault};
use crate::config::AdcChannel;
use crate::sensors::own;

/// A conversion takes 7.8 ms at 128 samples a second, the default (data sheet ADS1115, 7.3.7).
const LOOK_MILLIS: u32 = 2;
const LOOKS: u32 = 20;

/// Asks each channel once.
pub(super) fn read<I: Bus>(
    bus: I,
    address: u8,
    channels: &[AdcChannel],
    mut wait: impl Wait,
) -> Result<Measurements, Fault> {
    let address = match address {
        0x49 => TargetAddr::Vdd,
        0x4a => TargetAddr::Sda,
        0x4b => TargetAddr::Scl,
        _ => TargetAddr::Gnd,
    };
    let mut chip = Ads1x1x::new_ads1115(bus, address);
    let mut list = Vec::with_capacity(channels.len());
    for channel in channels {
        let range = range(channel.range);
        chip.set_full_scale_range(range).map_err(|error| of_driver(&error))?;
        let mut looks = 0;
        let counts = loop {
            let said = match channel.input {
                0 => chip.read(channel::SingleA0),
                1 => chip.read(channel::SingleA1),
                2 => chip.read(channel::SingleA2),
                _ => chip.read(channel::SingleA3),
            };
            match said {
                Ok(counts) => break counts,
                Err(nb::Error::WouldBlock) if looks < LOOKS => {
                    looks += 1;
                    wait.delay_ms(LOOK_MILLIS);
                }
                Err(nb::Error::WouldBlock) => return Err(Fault::Timeout),
                Err(nb::Error::Other(error)) => return Err(of_driver(&error)),
            }
        };
        // At the end of the range the voltage is that or more.
        if counts == i16::MAX {
            return Err(Fault::OutOfRange);
        }
        let volts = f64::from(counts) * channel.range / 32_768.0;
        let value = volts * channel.scale + channel.offset;
        let (quantity, unit) = (channel.quantity.as_str(), channel.unit.name());
        list.push(own(quantity, unit, value).ok_or(Fault::OutOfRange)?);
    }
    Measurements::new(list).map_err(|_| Fault::NotPresent)
}

fn range(volts: f64) -> FullScaleRange {
    match volts {
        v if v > 5.0 => FullScaleRange::Within6_144V,
        v if v > 3.0 => FullScaleRange::Within4_096V,
        v if v > 1.5 => FullScaleRange::Within2_048V,
        v if v > 0.7 => FullScaleRange::Within1_024V,
        v if v > 0.3 => FullScaleRange::Within0_512V,
        _ => FullScaleRange::Within0_256V,
    }
}

fn of_driver<E: embedded_hal::i2c::Error>(error: &ads1x1x::Error<E>) -> Fault {
    match error {
        ads1x1x::Error::I2C(error) => fault(error),
        ads1x1x::Error::InvalidInputData => Fault::BusError,
    }
}

#[cfg(test)]
mod tests {
    use tidings_schema::{Quantity, Unit};

    use super::super::tests::*;
    use super::*;

    const AT: u8 = 0x48;

    fn channel(input: u8, quantity: &str, unit: &str, scale: f64, offset: f64) -> AdcChannel {
        AdcChannel {
            input,
            quantity: Quantity::try_from(quantity).unwrap(),
            unit: Unit::try_from(unit).unwrap(),
            range: 4.096,
            scale,
            offset,
        }
    }

    /// The configuration register (data sheet ADS1115, table 8-3): the range, then the conversion of an
    /// input, looked at until bit 15 says that it is done, and the result.
    fn conversion(before: u16, mux: u16, counts: i16) -> Vec<Transaction> {
        let word = |register: u8, word: u16| {
            let [high, low] = word.to_be_bytes();
            Transaction::write(AT, vec![register, high, low])
        };
        let busy = |busy: bool| {
            Transaction::write_read(AT, vec![1], vec![if busy { 0x02 } else { 0x82 }, 0x83])
        };
        // Range ±4.096 V is 001 in bits 11 to 9; single shot bit 8; 128 samples a second and no
        // comparator 0x83.
        let config = 0x0383 | mux << 12;
        vec![
            word(1, before),
            busy(false),
            word(1, 0x8000 | config),
            busy(true),
            busy(false),
            Transaction::write_read(AT, vec![0], counts.to_be_bytes().to_vec()),
        ]
    }

    #[test]
    fn voltages_are_scaled_for_each_channel() {
        let channels = [
            channel(0, "voltage_battery", "V", 2.0, 0.0),
            channel(3, "soil_moisture", "/", -0.5, 1.5),
        ];
        let mut transactions = conversion(0x8383, 0b100, 16_384);
        transactions.extend(conversion(0xc383, 0b111, 8_192));
        assert_eq!(
            over(&transactions, |mock| read(mock, AT, &channels, NoopDelay)),
            "voltage_battery 4.096 V, soil_moisture 0.988 /"
        );
    }

    #[test]
    fn every_failure_has_its_reason() {
        let channels = [channel(0, "voltage", "V", 1.0, 0.0)];
        let whole = conversion(0x8383, 0b100, i16::MAX);
        assert_eq!(over(&whole, |mock| read(mock, AT, &channels, NoopDelay)), "out-of-range");
        let nobody = [whole[0].clone().with_error(NOBODY)];
        assert_eq!(over(&nobody, |mock| read(mock, AT, &channels, NoopDelay)), "not-present");
        let mut hangs = whole[..3].to_vec();
        let busy = Transaction::write_read(AT, vec![1], vec![0x02, 0x83]);
        hangs.extend(std::iter::repeat_n(busy, LOOKS as usize));
        assert_eq!(over(&hangs, |mock| read(mock, AT, &channels, NoopDelay)), "timeout");
    }
}
