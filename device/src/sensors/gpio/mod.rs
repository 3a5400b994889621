//! Inputs of the board: what level they have, and how often it changes (door, rain gauge, flow meter).
//!
//! On a Raspberry Pi that it knows, `rppal` drives them ([`board`]); on any other board, and where a
//! chip is named, the kernel's character devices do ([`chip`]).

pub(crate) mod board;
mod chip;

use tidings_schema::Fault;
use tidings_schema::measurement::Measurements;

use super::{Sensor, own};
use crate::config::{GpioConfig, GpioUse};

/// One input, opened for its use.
trait Input: Send {
    /// Whether the level is high.
    fn is_high(&mut self) -> Result<bool, Fault>;
    /// Edges since it was opened.
    fn edges(&mut self) -> Result<u64, Fault>;
}

/// Makes a sensor of a configuration. Pulses count from now on.
pub(super) fn build(config: &GpioConfig) -> Box<dyn Sensor> {
    let place = config.clone();
    let mut sensor = Gpio::new(config.clone(), move || open(&place));
    // One that cannot be opened now is tried again with each reading, and says so there.
    sensor.opened().ok();
    Box::new(sensor)
}

fn open(config: &GpioConfig) -> Result<Box<dyn Input>, Fault> {
    if config.chip.is_none()
        && let Some(input) = board::open(config)?
    {
        return Ok(input);
    }
    chip::open(config)
}

struct Gpio<O> {
    config: GpioConfig,
    open: O,
    input: Option<Box<dyn Input>>,
    /// Edges that have been told.
    told: u64,
}

impl<O: FnMut() -> Result<Box<dyn Input>, Fault> + Send> Gpio<O> {
    fn new(config: GpioConfig, open: O) -> Self {
        Self { config, open, input: None, told: 0 }
    }

    fn opened(&mut self) -> Result<&mut Box<dyn Input>, Fault> {
        match &mut self.input {
            Some(input) => Ok(input),
            none => {
                self.told = 0;
                Ok(none.insert((self.open)()?))
            }
        }
    }

    fn value(&mut self) -> Result<f64, Fault> {
        let told = if self.input.is_some() { self.told } else { 0 };
        let told_to = self.config.used.clone();
        let input = self.opened()?;
        match told_to {
            GpioUse::Level { active_high } => {
                Ok(if input.is_high()? == active_high { 1.0 } else { 0.0 })
            }
            GpioUse::Pulses { scale, .. } => {
                let now = input.edges()?;
                self.told = now;
                let news = u32::try_from(now.saturating_sub(told)).unwrap_or(u32::MAX);
                Ok(f64::from(news) * scale)
            }
        }
    }
}

impl<O: FnMut() -> Result<Box<dyn Input>, Fault> + Send> Sensor for Gpio<O> {
    fn read(&mut self) -> Result<Measurements, Fault> {
        let value = self.value().inspect_err(|_| self.input = None)?;
        let (quantity, unit) = (self.config.quantity.as_str(), self.config.unit.name());
        let one = own(quantity, unit, value).ok_or(Fault::OutOfRange)?;
        Measurements::new(vec![one]).map_err(|_| Fault::NotPresent)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tidings_schema::{Quantity, Unit};

    use super::super::tests::shown;
    use super::*;
    use crate::config::{Edge, Pull};

    #[derive(Clone)]
    struct Wire(Arc<Mutex<Result<(bool, u64), Fault>>>);

    impl Input for Wire {
        fn is_high(&mut self) -> Result<bool, Fault> {
            self.0.lock().unwrap().map(|(level, _)| level)
        }

        fn edges(&mut self) -> Result<u64, Fault> {
            self.0.lock().unwrap().map(|(_, edges)| edges)
        }
    }

    fn config(used: GpioUse, quantity: &str, unit: &str) -> GpioConfig {
        GpioConfig {
            pin: 17,
            chip: None,
            pull: Pull::Up,
            used,
            quantity: Quantity::try_from(quantity).unwrap(),
            unit: Unit::try_from(unit).unwrap(),
        }
    }

    fn sensor(config: GpioConfig) -> (Wire, impl Sensor) {
        let wire = Wire(Arc::new(Mutex::new(Ok((true, 0)))));
        let other = wire.clone();
        let open = move || {
            (*other.0.lock().unwrap())?;
            Ok(Box::new(other.clone()) as Box<dyn Input>)
        };
        (wire, Gpio::new(config, open))
    }

    #[test]
    fn a_door_is_open_or_closed() {
        let used = GpioUse::Level { active_high: false };
        let (wire, mut door) = sensor(config(used, "state", "/"));
        assert_eq!(shown(&door.read()), "state 0 /");
        *wire.0.lock().unwrap() = Ok((false, 0));
        assert_eq!(shown(&door.read()), "state 1 /");
        *wire.0.lock().unwrap() = Err(Fault::NotPresent);
        assert_eq!(shown(&door.read()), "not-present");
        *wire.0.lock().unwrap() = Ok((true, 0));
        assert_eq!(shown(&door.read()), "state 0 /");
    }

    #[test]
    fn each_pulse_of_a_rain_gauge_is_told_once() {
        let debounce = std::time::Duration::from_millis(5);
        let used = GpioUse::Pulses { edge: Edge::Falling, debounce, scale: 0.2794 };
        let (wire, mut rain) = sensor(config(used, "rain", "mm"));
        assert_eq!(shown(&rain.read()), "rain 0 mm");
        *wire.0.lock().unwrap() = Ok((true, 10));
        assert_eq!(shown(&rain.read()), "rain 2.794 mm");
        assert_eq!(shown(&rain.read()), "rain 0 mm");
        // Opened anew it counts from nothing.
        *wire.0.lock().unwrap() = Err(Fault::BusError);
        assert_eq!(shown(&rain.read()), "bus-error");
        *wire.0.lock().unwrap() = Ok((true, 1));
        assert_eq!(shown(&rain.read()), "rain 0.279 mm");
    }

    #[test]
    fn where_there_is_no_such_line_there_is_no_reading() {
        let used = GpioUse::Level { active_high: true };
        let mut config = config(used, "state", "/");
        config.chip = Some("/dev/no-such-chip".into());
        assert_eq!(shown(&build(&config).read()), "not-present");
    }
}
