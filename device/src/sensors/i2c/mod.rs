//! Chips on an I2C bus, by the ecosystem's drivers. Each is a small file over any
//! `embedded_hal` bus, so that a test can be the chip; [`bus`] alone knows the kernel's.

mod ads1115;
mod bh1750;
mod bme280;
mod bus;
pub(crate) mod probe;
mod scd4x;
mod sht3x;
mod sht4x;

use embedded_hal::delay::DelayNs;
use embedded_hal::i2c::{ErrorKind, I2c};
use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::Sensor;
use crate::config::{Chip, I2cConfig};

/// Makes a sensor of a configuration. Nothing is sent to the bus yet.
pub(super) fn build(config: &I2cConfig) -> Box<dyn Sensor> {
    let (bus, address) = (config.bus, config.address);
    let open = move || bus::open(bus);
    match &config.chip {
        Chip::Bme280 => Box::new(Stateless(move || bme280::read(open()?, address, Delay))),
        Chip::Sht3x => Box::new(Stateless(move || sht3x::read(open()?, address, Delay))),
        Chip::Sht4x => Box::new(Stateless(move || sht4x::read(open()?, address, Delay))),
        Chip::Bh1750 => Box::new(Stateless(move || bh1750::read(open()?, address, Delay))),
        Chip::Ads1115 { channels } => {
            let channels = channels.clone();
            Box::new(Stateless(move || ads1115::read(open()?, address, &channels, Delay)))
        }
        Chip::Scd4x => Box::new(scd4x::Scd4x::new(open, Delay)),
    }
}

/// Time passes.
#[derive(Clone)]
struct Delay;

impl DelayNs for Delay {
    fn delay_ns(&mut self, nanos: u32) {
        // On the thread of the sensor, which has nothing else to do, and shorter than anything could be
        // waited for.
        #[expect(clippy::disallowed_methods)]
        std::thread::sleep(std::time::Duration::from_nanos(nanos.into()));
    }
}

/// A chip that is told everything anew with each reading, which takes some milliseconds: so one that was
/// unplugged, swapped or reset by a dip of its supply does not answer with the defaults of its
/// power-on.
struct Stateless<F>(F);

impl<F: FnMut() -> Result<Measurements, Fault> + Send> Sensor for Stateless<F> {
    fn read(&mut self) -> Result<Measurements, Fault> {
        (self.0)()
    }
}

/// What an error on the bus means for a reading: nobody there, or a bus that does not work.
fn fault<E: embedded_hal::i2c::Error>(error: &E) -> Fault {
    match error.kind() {
        ErrorKind::NoAcknowledge(_) => Fault::NotPresent,
        _ => Fault::BusError,
    }
}

/// The values of one reading in canonical units, rounded to what such a chip can tell apart. Each must be
/// what the chip can measure at all: a bus that is stuck gives numbers too.
fn within(values: &[(&str, f64, std::ops::RangeInclusive<f64>)]) -> Result<Measurements, Fault> {
    let mut list = Vec::with_capacity(values.len());
    for (quantity, value, range) in values {
        if !range.contains(value) {
            return Err(Fault::OutOfRange);
        }
        list.push(super::measurement(quantity, *value).ok_or(Fault::OutOfRange)?);
    }
    Measurements::new(list).map_err(|_| Fault::NotPresent)
}

/// What a driver needs of a bus and of time.
trait Bus: I2c {}
impl<T: I2c> Bus for T {}
trait Wait: DelayNs {}
impl<T: DelayNs> Wait for T {}

#[cfg(test)]
mod tests {
    pub(super) use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
    pub(super) use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

    pub(super) use super::super::tests::shown;
    use super::*;

    /// No time passes.
    #[derive(Clone)]
    pub(super) struct NoopDelay;

    impl DelayNs for NoopDelay {
        fn delay_ns(&mut self, _: u32) {}
    }

    /// Nobody acknowledges the address.
    pub(super) const NOBODY: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

    /// What is read over these transactions, all of which must take place.
    pub(super) fn over(
        transactions: &[Transaction],
        read: impl FnOnce(&mut Mock) -> Result<Measurements, Fault>,
    ) -> String {
        let mut mock = Mock::new(transactions);
        let said = shown(&read(&mut mock));
        mock.done();
        said
    }

    /// The checksum of Sensirion's chips: polynomial 0x31, start 0xff (data sheet SHT3x, table 20).
    pub(super) fn crc(data: &[u8]) -> u8 {
        data.iter().fold(0xff, |crc, byte| {
            (0..8).fold(
                crc ^ byte,
                |crc: u8, _| {
                    if crc & 0x80 == 0 { crc << 1 } else { (crc << 1) ^ 0x31 }
                },
            )
        })
    }

    /// Words, each with its checksum.
    pub(super) fn words(words: &[u16]) -> Vec<u8> {
        words
            .iter()
            .flat_map(|word| {
                let [high, low] = word.to_be_bytes();
                [high, low, crc(&[high, low])]
            })
            .collect()
    }

    #[test]
    fn the_checksum_is_that_of_the_data_sheet() {
        // Data sheet SHT3x, table 20: CRC (0xBEEF) = 0x92.
        assert_eq!(crc(&[0xbe, 0xef]), 0x92);
    }
}
