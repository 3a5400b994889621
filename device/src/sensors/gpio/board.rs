//! The inputs of a Raspberry Pi: the one file that knows rppal.
//!
//! rppal knows the boards up to the Compute Module 5 Lite, by their revision code, and no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rppal::gpio::{Error, Gpio, InputPin, Trigger};
use tidings_schema::Fault;

use super::Input;
use crate::config::{Edge, GpioConfig, GpioUse, Pull};

/// What this board is, where it is one that is known.
pub(crate) fn name() -> Option<String> {
    rppal::system::DeviceInfo::new().ok().map(|info| info.model().to_string())
}

struct Pin {
    pin: InputPin,
    edges: Arc<AtomicU64>,
}

/// Opens an input; `None` where this is no board that is known.
pub(super) fn open(config: &GpioConfig) -> Result<Option<Box<dyn Input>>, Fault> {
    let gpio = match Gpio::new() {
        Ok(gpio) => gpio,
        Err(Error::UnknownModel | Error::Io(_) | Error::PermissionDenied(_)) => return Ok(None),
        Err(_) => return Err(Fault::NotPresent),
    };
    let Ok(pin) = u8::try_from(config.pin) else { return Err(Fault::NotPresent) };
    let pin = gpio.get(pin).map_err(|_| Fault::NotPresent)?;
    let mut pin = match config.pull {
        Pull::Up => pin.into_input_pullup(),
        Pull::Down => pin.into_input_pulldown(),
        Pull::None => pin.into_input(),
    };
    let edges = Arc::new(AtomicU64::new(0));
    if let GpioUse::Pulses { edge, debounce, .. } = &config.used {
        let trigger = match edge {
            Edge::Rising => Trigger::RisingEdge,
            Edge::Falling => Trigger::FallingEdge,
            Edge::Both => Trigger::Both,
        };
        let count = edges.clone();
        let each = move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        };
        pin.set_async_interrupt(trigger, Some(*debounce), each).map_err(|_| Fault::BusError)?;
    }
    Ok(Some(Box::new(Pin { pin, edges })))
}

impl Input for Pin {
    fn is_high(&mut self) -> Result<bool, Fault> {
        Ok(self.pin.is_high())
    }

    fn edges(&mut self) -> Result<u64, Fault> {
        Ok(self.edges.load(Ordering::Relaxed))
    }
}
