//! Bosch BME280 (temperature, humidity, pressure) and BMP280 (without humidity).

use bme280::i2c::BME280;
use bme280::{Configuration, Error, IIRFilter, Oversampling};
use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Bus, Wait, fault, within};

/// Register and value by which the chip names itself (data sheet BME280, 5.4.1; BMP280, 4.3.1).
const ID: u8 = 0xd0;
const BME280_ID: u8 = 0x60;
const BMP280_ID: u8 = 0x58;

/// Asks once.
pub(super) fn read<I: Bus>(
    mut bus: I,
    address: u8,
    mut wait: impl Wait,
) -> Result<Measurements, Fault> {
    let mut id = [0];
    bus.write_read(address, &[ID], &mut id).map_err(|error| fault(&error))?;
    let has_humidity = match id {
        [BME280_ID] => true,
        [BMP280_ID] => false,
        _ => return Err(Fault::NotPresent),
    };
    let mut chip = BME280::new(bus, address);
    // As the data sheet recommends for weather (3.5.1): each value once, no filter.
    let once = Configuration::default()
        .with_temperature_oversampling(Oversampling::Oversampling1X)
        .with_pressure_oversampling(Oversampling::Oversampling1X)
        .with_humidity_oversampling(Oversampling::Oversampling1X)
        .with_iir_filter(IIRFilter::Off);
    chip.init_with_config(&mut wait, once).map_err(|error| of_driver(&error))?;
    let said = chip.measure(&mut wait).map_err(|error| of_driver(&error))?;
    // What the chip can measure is -40 to 85 °C and 300 to 1,100 hPa (data sheet BME280, tables 1 to 3). The
    // driver holds values to that, so one at the very end is one beyond it: a bus that is stuck.
    let temperature = ("temperature", f64::from(said.temperature), -39.99..=84.99);
    let humidity = ("humidity", f64::from(said.humidity), 0.0..=100.0);
    let pressure = ("pressure", f64::from(said.pressure) / 100.0, 300.01..=1099.99);
    if has_humidity {
        within(&[temperature, humidity, pressure])
    } else {
        within(&[temperature, pressure])
    }
}

fn of_driver<E: embedded_hal::i2c::Error>(error: &Error<E>) -> Fault {
    match error {
        Error::Bus(error) => fault(error),
        Error::UnsupportedChip => Fault::NotPresent,
        Error::CompensationFailed | Error::InvalidData => Fault::OutOfRange,
        Error::NoCalibrationData | Error::Delay => Fault::BusError,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    const AT: u8 = 0x76;

    /// The trimming values of the data sheet BMP280, figure "Calculating pressure and temperature"
    /// (3.12), which the BME280 shares; humidity as in Bosch's own driver tests.
    fn calibration() -> Vec<u8> {
        let t_p: [i32; 12] =
            [27504, 26435, -1000, 36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000];
        let mut bytes: Vec<u8> = t_p
            .iter()
            .flat_map(|one| {
                let [low, high, ..] = one.to_le_bytes();
                [low, high]
            })
            .collect();
        bytes.extend([0, 75]);
        bytes
    }

    /// Everything up to the data, as the driver and the data sheet (5.3, 5.4) have it.
    fn start(id: u8) -> Vec<Transaction> {
        let register =
            |register: u8, value: u8| Transaction::write_read(AT, vec![register], vec![value]);
        let write = |register: u8, value: u8| Transaction::write(AT, vec![register, value]);
        vec![
            register(0xd0, id),
            register(0xd0, id),
            write(0xe0, 0xb6),
            Transaction::write_read(AT, vec![0x88], calibration()),
            Transaction::write_read(AT, vec![0xe1], vec![0x6a, 0x01, 0x00, 0x13, 0x29, 0x03, 0x1e]),
            register(0xf4, 0),
            write(0xf2, 0x01),
            register(0xf4, 0),
            write(0xf4, 0x24),
            register(0xf5, 0),
            write(0xf5, 0),
            register(0xf4, 0x24),
            register(0xf4, 0x24),
            write(0xf4, 0x25),
        ]
    }

    fn data(bytes: [u8; 8]) -> Transaction {
        Transaction::write_read(AT, vec![0xf7], bytes.to_vec())
    }

    #[test]
    fn the_example_of_the_data_sheet_comes_out() {
        // Raw pressure 415148 and temperature 519888 are 100653.27 Pa and 25.08 °C.
        let raw = [0x65, 0x5a, 0xc0, 0x7e, 0xed, 0x00, 0x6e, 0xe2];
        let mut transactions = start(0x60);
        transactions.push(data(raw));
        let said = over(&transactions, |mock| read(mock, AT, NoopDelay));
        assert!(said.starts_with("temperature 25.08"), "{said}");
        assert!(said.contains("humidity ") && said.contains("pressure 1006.53"), "{said}");
        let mut transactions = start(0x58);
        transactions.push(data(raw));
        let said = over(&transactions, |mock| read(mock, AT, NoopDelay));
        assert!(!said.contains("humidity") && said.contains("pressure 1006.53"), "{said}");
    }

    #[test]
    fn what_is_no_such_chip_or_no_longer_there_has_its_reason() {
        let id = |value: u8| Transaction::write_read(AT, vec![0xd0], vec![value]);
        // A BME680 names itself 0x61.
        assert_eq!(over(&[id(0x61)], |mock| read(mock, AT, NoopDelay)), "not-present");
        let nobody = [id(0x60).with_error(NOBODY)];
        assert_eq!(over(&nobody, |mock| read(mock, AT, NoopDelay)), "not-present");
        let mut unplugged = start(0x60);
        unplugged.truncate(3);
        unplugged.push(
            Transaction::write_read(AT, vec![0x88], calibration()).with_error(ErrorKind::Bus),
        );
        assert_eq!(over(&unplugged, |mock| read(mock, AT, NoopDelay)), "bus-error");
        // A bus that is pulled down reads as zeros.
        let mut stuck = start(0x60);
        stuck.push(data([0; 8]));
        assert_eq!(over(&stuck, |mock| read(mock, AT, NoopDelay)), "out-of-range");
    }
}
