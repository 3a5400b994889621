//! Sensirion SCD40, SCD41 (CO2, temperature, humidity). It measures by itself every five seconds.

use scd4x::{Error, Scd4x as Driver};
use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Bus, Wait, fault, within};
use crate::sensors::Sensor;

/// Time between two looks for a new value, and how often: a value comes every 5 s
/// (data sheet SCD4x, 3.5.1).
const LOOK_MILLIS: u32 = 250;
const LOOKS: u32 = 24;

/// One sensor, and the driver while it measures.
pub(super) struct Scd4x<O, I, D> {
    open: O,
    wait: D,
    driver: Option<Driver<I, D>>,
}

impl<O, I, D> Scd4x<O, I, D>
where
    O: FnMut() -> Result<I, Fault>,
    I: Bus,
    D: Wait + Clone,
{
    pub(super) fn new(open: O, wait: D) -> Self {
        Self { open, wait, driver: None }
    }

    /// Begins to measure, also where an earlier start of the agent has done so: the chip takes no
    /// beginning while it measures.
    fn start(&mut self) -> Result<Driver<I, D>, Fault> {
        let mut driver = Driver::new((self.open)()?, self.wait.clone());
        driver.stop_periodic_measurement().map_err(|error| of_driver(&error))?;
        driver.start_periodic_measurement().map_err(|error| of_driver(&error))?;
        Ok(driver)
    }

    fn ask(&mut self, driver: &mut Driver<I, D>) -> Result<Measurements, Fault> {
        for _ in 0..LOOKS {
            if driver.data_ready_status().map_err(|error| of_driver(&error))? {
                let said = driver.measurement().map_err(|error| of_driver(&error))?;
                // Ranges of the data sheet SCD4x, tables 1 to 3.
                return within(&[
                    ("co2", f64::from(said.co2), 0.0..=40_000.0),
                    ("temperature", f64::from(said.temperature), -10.0..=60.0),
                    ("humidity", f64::from(said.humidity), 0.0..=100.0),
                ]);
            }
            self.wait.delay_ms(LOOK_MILLIS);
        }
        Err(Fault::Timeout)
    }
}

impl<O, I, D> Sensor for Scd4x<O, I, D>
where
    O: FnMut() -> Result<I, Fault> + Send,
    I: Bus + Send,
    D: Wait + Clone + Send,
{
    fn read(&mut self) -> Result<Measurements, Fault> {
        let mut driver = match self.driver.take() {
            Some(driver) => driver,
            None => self.start()?,
        };
        let said = self.ask(&mut driver);
        // After anything but a good value or a bad checksum it is begun anew.
        if matches!(said, Ok(_) | Err(Fault::Checksum)) {
            self.driver = Some(driver);
        }
        said
    }
}

fn of_driver<E: embedded_hal::i2c::Error>(error: &Error<E>) -> Fault {
    match error {
        Error::I2c(error) => fault(error),
        Error::Crc => Fault::Checksum,
        Error::SelfTest | Error::NotAllowed | Error::Internal => Fault::BusError,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::*;
    use super::*;

    const AT: u8 = 0x62;

    fn command(code: u16) -> Transaction {
        Transaction::write(AT, code.to_be_bytes().to_vec())
    }

    /// Stop and start (data sheet SCD4x, table 9).
    fn start() -> Vec<Transaction> {
        vec![command(0x3f86), command(0x21b1)]
    }

    fn ready(yes: bool) -> Vec<Transaction> {
        // The least significant 11 bits are 0 where there is no value (3.9.2).
        vec![command(0xe4b8), Transaction::read(AT, words(&[if yes { 0x8006 } else { 0x8000 }]))]
    }

    #[test]
    fn it_is_begun_once_waited_for_and_begun_anew_after_a_failure() {
        // 500 ppm, 25 °C, 37 % (data sheet SCD4x, 3.5.2).
        let value = [command(0xec05), Transaction::read(AT, words(&[0x01f4, 0x6667, 0x5eb9]))];
        let mut wrong = words(&[0x01f4, 0x6667, 0x5eb9]);
        wrong[8] ^= 1;
        let mut transactions = start();
        transactions.extend(ready(false));
        transactions.extend(ready(true));
        transactions.extend(value.clone());
        transactions.extend(ready(true));
        transactions.extend([command(0xec05), Transaction::read(AT, wrong)]);
        transactions.extend([command(0xe4b8).with_error(NOBODY)]);
        transactions.extend(start());
        transactions.extend(ready(true));
        transactions.extend(value);
        let mut mock = Mock::new(&transactions);
        let bus = mock.clone();
        let mut sensor = Scd4x::new(move || Ok(bus.clone()), NoopDelay);
        let mut said = || shown(&sensor.read());
        let good = "co2 500 ppm, temperature 25 Cel, humidity 37 %RH";
        assert_eq!(said(), good);
        assert_eq!(said(), "checksum");
        assert_eq!(said(), "not-present");
        assert_eq!(said(), good);
        mock.done();
    }

    #[test]
    fn one_that_never_has_a_value_is_a_timeout() {
        let mut transactions = start();
        (0..LOOKS).for_each(|_| transactions.extend(ready(false)));
        let mut mock = Mock::new(&transactions);
        let bus = mock.clone();
        let mut sensor = Scd4x::new(move || Ok(bus.clone()), NoopDelay);
        assert_eq!(shown(&sensor.read()), "timeout");
        mock.done();
    }
}
