//! What is wired to the board: chips on an I2C bus, and inputs.

use std::path::PathBuf;
use std::time::Duration;

use tidings_schema::{Quantity, Unit};

use super::problems::Problems;
use super::raw::{RawChannel, RawSensor};
use super::read::{Durations, required};

/// A chip on an I2C bus.
#[derive(Debug, Clone, PartialEq)]
pub struct I2cConfig {
    /// The bus's number: N of `/dev/i2c-N`.
    pub bus: u8,
    /// The chip's address, of seven bits.
    pub address: u8,
    /// What it is.
    pub chip: Chip,
}

/// The chips that there are drivers of ours for.
#[derive(Debug, Clone, PartialEq)]
pub enum Chip {
    /// Bosch BME280 or BMP280.
    Bme280,
    /// Sensirion SHT30, SHT31, SHT35.
    Sht3x,
    /// Sensirion SHT40, SHT41, SHT45.
    Sht4x,
    /// ROHM BH1750.
    Bh1750,
    /// Sensirion SCD40, SCD41.
    Scd4x,
    /// Texas Instruments ADS1115.
    Ads1115 {
        /// What is wired to its inputs.
        channels: Vec<AdcChannel>,
    },
}

/// One input of an ADS1115. What is told is volts × `scale` + `offset`.
#[derive(Debug, Clone, PartialEq)]
pub struct AdcChannel {
    /// 0 to 3.
    pub input: u8,
    /// What it measures.
    pub quantity: Quantity,
    /// In which unit, after scale and offset.
    pub unit: Unit,
    /// The full scale, in volts.
    pub range: f64,
    /// Units per volt.
    pub scale: f64,
    /// Units at 0 V.
    pub offset: f64,
}

/// An input of the board.
#[derive(Debug, Clone, PartialEq)]
pub struct GpioConfig {
    /// Its number, as the kernel counts (on a Raspberry Pi: BCM).
    pub pin: u32,
    /// The kernel's device that has it; none for the board's own.
    pub chip: Option<PathBuf>,
    /// The resistor that holds it where nothing else does.
    pub pull: Pull,
    /// What is made of it.
    pub used: GpioUse,
    /// What it measures.
    pub quantity: Quantity,
    /// In which unit.
    pub unit: Unit,
}

/// What is made of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum GpioUse {
    /// 1 where it is active, else 0.
    Level {
        /// Which level is active.
        active_high: bool,
    },
    /// Pulses since the last reading, times `scale`.
    Pulses {
        /// What counts.
        edge: Edge,
        /// A level that does not last so long does not count.
        debounce: Duration,
        /// Units per pulse.
        scale: f64,
    },
}

/// The resistor of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pull {
    /// To the supply.
    Up,
    /// To ground.
    Down,
    /// There is none.
    None,
}

/// An edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// From low to high.
    Rising,
    /// From high to low.
    Falling,
    /// Either.
    Both,
}

/// The ranges of an ADS1115, in volts (data sheet, table 7-1).
const RANGES: [f64; 6] = [6.144, 4.096, 2.048, 1.024, 0.512, 0.256];

/// Resolves a chip on an I2C bus; `None` where it is too wrong for that.
pub(super) fn i2c(kind: &str, raw: &RawSensor, problems: &Problems) -> Option<I2cConfig> {
    let key = |name: &str| format!("{}.{name}", raw.at);
    // The addresses that the chips can be wired for (their data sheets); the first is the usual one.
    let addresses: &[u8] = match kind {
        "bme280" => &[0x76, 0x77],
        "sht3x" => &[0x44, 0x45],
        "sht4x" => &[0x44, 0x45, 0x46],
        "bh1750" => &[0x23, 0x5c],
        "scd4x" => &[0x62],
        _ => &[0x48, 0x49, 0x4a, 0x4b],
    };
    let address = match raw.address {
        None => addresses.first().copied(),
        Some(address) => {
            let fits = u8::try_from(address).ok().filter(|one| addresses.contains(one));
            let shown: Vec<String> = addresses.iter().map(|one| format!("{one:#04x}")).collect();
            problems.note(
                &key("address"),
                fits.ok_or_else(|| {
                    format!("expected {}, but found {address:#04x}", shown.join(" or "))
                }),
            )
        }
    };
    let bus = raw.bus.unwrap_or(1);
    let bus = problems.note(
        &key("bus"),
        u8::try_from(bus).map_err(|_| format!("expected 0 to 255, but found {bus}")),
    );
    let chip = match kind {
        "bme280" => Chip::Bme280,
        "sht3x" => Chip::Sht3x,
        "sht4x" => Chip::Sht4x,
        "bh1750" => Chip::Bh1750,
        "scd4x" => Chip::Scd4x,
        _ => {
            if raw.channels.is_empty() {
                problems.add(&key("channels"), "expected at least one, such as [{ input = 0 }]");
            }
            let channels: Vec<AdcChannel> =
                raw.channels.iter().filter_map(|raw| channel(raw, problems)).collect();
            for (index, one) in channels.iter().enumerate() {
                let same = |other: &AdcChannel| other.quantity == one.quantity;
                if channels[..index].iter().any(same) {
                    problems.add(
                        &key("channels"),
                        format!("quantity {} stands twice: give each its own", one.quantity),
                    );
                }
            }
            Chip::Ads1115 { channels }
        }
    };
    Some(I2cConfig { bus: bus?, address: address?, chip })
}

fn channel(raw: &RawChannel, problems: &Problems) -> Option<AdcChannel> {
    let key = |name: &str| format!("{}.{name}", raw.at);
    let input = required(raw.input, &key("input"), problems).and_then(|input| {
        let fits = u8::try_from(input).ok().filter(|input| *input < 4);
        problems
            .note(&key("input"), fits.ok_or_else(|| format!("expected 0 to 3, but found {input}")))
    });
    let default = format!("voltage_a{}", input.unwrap_or(0));
    let (quantity, unit) =
        measured(raw.quantity.as_deref(), raw.unit.as_deref(), (&default, "V"), &raw.at, problems)?;
    let range = raw.range.unwrap_or(4.096);
    if !RANGES.contains(&range) {
        let ranges: Vec<String> = RANGES.iter().map(f64::to_string).collect();
        problems.add(
            &key("range"),
            format!("expected one of {} (volts), but found {range}", ranges.join(", ")),
        );
    }
    let (scale, offset) = (raw.scale.unwrap_or(1.0), raw.offset.unwrap_or(0.0));
    Some(AdcChannel { input: input?, quantity, unit, range, scale, offset })
}

/// Resolves an input of the board; `None` where it is too wrong for that.
pub(super) fn gpio(
    kind: &str,
    raw: &RawSensor,
    problems: &Problems,
    durations: &Durations<'_>,
) -> Option<GpioConfig> {
    let key = |name: &str| format!("{}.{name}", raw.at);
    let pin = required(raw.pin, &key("pin"), problems).and_then(|pin| {
        let fits = u32::try_from(pin).ok().filter(|pin| *pin < 1024);
        problems
            .note(&key("pin"), fits.ok_or_else(|| format!("expected 0 to 1023, but found {pin}")))
    });
    let pull = choice(
        raw.pull.as_deref(),
        &[("up", Pull::Up), ("down", Pull::Down), ("none", Pull::None)],
        &key("pull"),
        problems,
    );
    let (used, default) = if kind == "gpio" {
        let levels = [("low", false), ("high", true)];
        let active_high = choice(raw.active.as_deref(), &levels, &key("active"), problems);
        (GpioUse::Level { active_high }, ("state", "/"))
    } else {
        let edges = [("falling", Edge::Falling), ("rising", Edge::Rising), ("both", Edge::Both)];
        let edge = choice(raw.edge.as_deref(), &edges, &key("edge"), problems);
        let debounce = durations.read(&key("debounce"), raw.debounce.clone(), "5ms", ("0ms", "1s"));
        let scale = raw.scale.unwrap_or(1.0);
        (GpioUse::Pulses { edge, debounce, scale }, ("count", "count"))
    };
    let (quantity, unit) =
        measured(raw.quantity.as_deref(), raw.unit.as_deref(), default, &raw.at, problems)?;
    let chip = raw.chip.as_ref().map(PathBuf::from);
    Some(GpioConfig { pin: pin?, chip, pull, used, quantity, unit })
}

/// What is measured, and in which unit: a known quantity has one of its own.
fn measured(
    quantity: Option<&str>,
    unit: Option<&str>,
    default: (&str, &str),
    at: &str,
    problems: &Problems,
) -> Option<(Quantity, Unit)> {
    let key = |name: &str| format!("{at}.{name}");
    let named = quantity.unwrap_or(default.0);
    let named = problems.note(&key("quantity"), Quantity::try_from(named))?;
    let own = named.known().map(|known| known.unit());
    let unit = match (unit, own) {
        (Some(unit), _) => problems.note(&key("unit"), Unit::try_from(unit))?,
        (None, Some(own)) => own,
        (None, None) if quantity.is_none() => Unit::try_from(default.1).ok()?,
        (None, None) => {
            let text = format!(
                "missing: {named} is a quantity of your own (a SenML unit, such as V or %)"
            );
            problems.add(&key("unit"), text);
            return None;
        }
    };
    if own.is_some_and(|own| unit.convert(1.0, own).is_none()) {
        problems.add(&key("unit"), format!("{} is no unit of {named}", unit.name()));
    }
    Some((named, unit))
}

/// One of some words; the first is the default.
fn choice<T: Copy>(text: Option<&str>, choices: &[(&str, T)], key: &str, problems: &Problems) -> T {
    let found = choices.iter().find(|(word, _)| text.is_none_or(|text| text == *word));
    match (found, choices) {
        (Some((_, value)), _) => *value,
        (None, [(_, first), ..]) => {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let found = text.unwrap_or_default();
            problems.add(key, format!("expected {}, but found {found:?}", words.join(" or ")));
            *first
        }
        (None, []) => unreachable!("a choice has at least one word"),
    }
}
