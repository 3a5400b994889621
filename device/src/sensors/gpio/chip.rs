//! The inputs of any Linux board, by the kernel's character devices: the one file that knows gpiocdev.

use gpiocdev::Request;
use gpiocdev::line::{Bias, EdgeDetection, Value};
use tidings_schema::Fault;

use super::Input;
use crate::config::{Edge, GpioConfig, GpioUse, Pull};

/// The chip of a board's header, where none is named: the first.
const CHIP: &str = "/dev/gpiochip0";

/// Edges that the kernel keeps. More are forgotten, and still counted by it.
const KERNEL_BUFFER: u32 = 64;

struct Line {
    request: Request,
    last: u32,
    edges: u64,
}

/// Opens an input.
pub(super) fn open(config: &GpioConfig) -> Result<Box<dyn Input>, Fault> {
    let chip = config.chip.clone().unwrap_or_else(|| CHIP.into());
    let mut builder = Request::builder();
    builder.on_chip(chip).with_consumer("tidings-agent").with_line(config.pin).as_input();
    builder.with_bias(match config.pull {
        Pull::Up => Bias::PullUp,
        Pull::Down => Bias::PullDown,
        Pull::None => Bias::Disabled,
    });
    if let GpioUse::Pulses { edge, debounce, .. } = &config.used {
        builder.with_kernel_event_buffer_size(KERNEL_BUFFER);
        builder.with_edge_detection(match edge {
            Edge::Rising => EdgeDetection::RisingEdge,
            Edge::Falling => EdgeDetection::FallingEdge,
            Edge::Both => EdgeDetection::BothEdges,
        });
        builder.with_debounce_period(*debounce);
    }
    let request = builder.request().map_err(|_| Fault::NotPresent)?;
    Ok(Box::new(Line { request, last: 0, edges: 0 }))
}

impl Input for Line {
    fn is_high(&mut self) -> Result<bool, Fault> {
        self.request.lone_value().map(|value| value == Value::Active).map_err(|_| Fault::BusError)
    }

    /// The kernel numbers the edges of a line, also those that its buffer had no room for: the number of
    /// the last one is how many there were.
    fn edges(&mut self) -> Result<u64, Fault> {
        let wrong = |_| Fault::BusError;
        while self.request.has_edge_event().map_err(wrong)? {
            let number = self.request.read_edge_event().map_err(wrong)?.line_seqno;
            self.edges += u64::from(number.wrapping_sub(self.last));
            self.last = number;
        }
        Ok(self.edges)
    }
}
