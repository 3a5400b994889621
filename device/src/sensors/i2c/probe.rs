//! Which addresses of a bus answer, and what they probably are.

use embedded_hal::i2c::I2c;
use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Bus, Delay, Wait, bh1750, bme280, bus, scd4x, sht3x, sht4x};
use crate::sensors::Sensor as _;

/// A chip that answers.
#[derive(Debug)]
pub(crate) struct Answers {
    /// The bus's number.
    pub(crate) bus: u8,
    /// Its address.
    pub(crate) address: u8,
    /// The kind of its configuration, where one of ours reads it.
    pub(crate) kind: Option<&'static str>,
    /// What it may be.
    pub(crate) probably: &'static str,
    /// What it says now.
    pub(crate) says: Option<Result<Measurements, Fault>>,
}

/// Looks at every bus of this machine.
pub(crate) fn all() -> Vec<Answers> {
    bus::all()
        .into_iter()
        .flat_map(|number| addresses(number, || bus::open(number), Delay))
        .collect()
}

/// What sits at these addresses on the boards that makers wire (data sheets of each).
const KNOWN: [(u8, &str); 22] = [
    (0x10, "VEML7700, light: by the kernel (iio)"),
    (0x23, "BH1750, light"),
    (0x29, "TSL2591 or VL53L0X: by the kernel (iio)"),
    (0x38, "AHT20, temperature and humidity: by the kernel (hwmon aht10)"),
    (0x39, "APDS9960 or TSL2561, light: by the kernel (iio)"),
    (0x40, "HTU21D, Si7021 or INA219: by the kernel (iio, hwmon)"),
    (0x44, "SHT3x or SHT4x, temperature and humidity"),
    (0x45, "SHT3x or SHT4x, temperature and humidity"),
    (0x46, "SHT4x, temperature and humidity"),
    (0x48, "ADS1115, voltages"),
    (0x49, "ADS1115, voltages"),
    (0x4a, "ADS1115, voltages"),
    (0x4b, "ADS1115, voltages"),
    (0x53, "ADXL345, acceleration: by the kernel (iio)"),
    (0x57, "memory of a clock module, or MAX30102"),
    (0x5c, "BH1750, light"),
    (0x62, "SCD40 or SCD41, CO2"),
    (0x68, "DS3231, a clock with a battery; or MPU6050, motion"),
    (0x69, "SEN5x or SPS30, particles"),
    (0x70, "SHTC3, temperature and humidity: by the kernel (hwmon shtc1)"),
    (0x76, "BME280 or BMP280; another chip id would be a BME680"),
    (0x77, "BME280 or BMP280; another chip id would be a BME680"),
];

/// The addresses of one bus that answer. Only those are asked at which something of use may be: a read of
/// one byte does no harm to any of these.
fn addresses<I: Bus + Send>(
    number: u8,
    mut open: impl FnMut() -> Result<I, Fault> + Send,
    mut wait: impl Wait + Clone + Send,
) -> Vec<Answers> {
    let mut found = Vec::new();
    for (address, probably) in KNOWN {
        let Ok(mut bus) = open() else { return found };
        if I2c::read(&mut bus, address, &mut [0]).is_err() {
            continue;
        }
        let (kind, says) = ask(address, &mut open, &mut wait);
        found.push(Answers { bus: number, address, kind, probably, says });
    }
    found
}

/// Tries what may be there, and takes what gives a reading.
fn ask<I: Bus + Send, D: Wait + Clone + Send>(
    address: u8,
    open: &mut (impl FnMut() -> Result<I, Fault> + Send),
    wait: &mut D,
) -> (Option<&'static str>, Option<Result<Measurements, Fault>>) {
    match address {
        0x23 | 0x5c => {
            let said = open().and_then(|bus| bh1750::read(bus, address, wait.clone()));
            (Some("bh1750"), Some(said))
        }
        0x44..=0x46 => {
            // They share addresses, and neither acknowledges the other's command.
            let said = open().and_then(|bus| sht4x::read(bus, address, wait.clone()));
            if said.is_ok() {
                return (Some("sht4x"), Some(said));
            }
            let said = open().and_then(|bus| sht3x::read(bus, address, wait.clone()));
            (Some("sht3x"), Some(said))
        }
        // Which inputs are wired nobody can tell.
        0x48..=0x4b => (Some("ads1115"), None),
        0x62 => (Some("scd4x"), Some(scd4x::Scd4x::new(open, wait.clone()).read())),
        0x76 | 0x77 => {
            let said = open().and_then(|bus| bme280::read(bus, address, wait.clone()));
            let is_ours = !matches!(said, Err(Fault::NotPresent));
            (is_ours.then_some("bme280"), Some(said))
        }
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    #[test]
    fn what_answers_is_named_and_what_can_be_read_is_read() {
        let mut transactions = Vec::new();
        for (address, _) in KNOWN {
            let look = Transaction::read(address, vec![0]);
            match address {
                0x23 => transactions.extend([
                    look,
                    Transaction::write(address, vec![0x20]),
                    Transaction::read(address, vec![0x83, 0x90]),
                ]),
                0x44 => transactions.extend([
                    look,
                    Transaction::write(address, vec![0xfd]).with_error(NOBODY),
                    Transaction::write(address, vec![0x24, 0x00]),
                    Transaction::read(address, words(&[0x6666, 0x8000])),
                ]),
                0x48 | 0x68 => transactions.push(look),
                _ => transactions.push(look.with_error(NOBODY)),
            }
        }
        let mut mock = Mock::new(&transactions);
        let bus = mock.clone();
        let found = addresses(1, move || Ok(bus.clone()), NoopDelay);
        let said: Vec<(u8, Option<&str>, String)> = found
            .iter()
            .map(|one| (one.address, one.kind, one.says.as_ref().map_or(String::new(), shown)))
            .collect();
        assert_eq!(
            said,
            [
                (0x23, Some("bh1750"), "illuminance 28066.7 lx".to_owned()),
                (0x44, Some("sht3x"), "temperature 25 Cel, humidity 50 %RH".to_owned()),
                (0x48, Some("ads1115"), String::new()),
                (0x68, None, String::new()),
            ]
        );
        mock.done();
    }
}
