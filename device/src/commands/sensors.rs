//! `sensors`: what is wired, what it says now, and a configuration to paste.

use std::io::Write as _;
use std::path::Path;

use tidings_schema::measurement::Measurements;
use tidings_schema::{Fault, Measurement};

use super::Failure;
use crate::sensors::gpio::board;
use crate::sensors::i2c::probe;
use crate::sensors::scan::scan;

pub(crate) fn sensors() -> Result<(), Failure> {
    let found = scan(Path::new("/"));
    let chips = probe::all();
    let mut out = std::io::stdout().lock();
    if let Some(board) = board::name() {
        writeln!(out, "# {board}")?;
    }
    if found.is_empty() && chips.is_empty() {
        writeln!(
            out,
            "# No sensor is found. On a Raspberry Pi the I2C bus is switched on by dtparam=i2c_arm=on in\n\
             # /boot/firmware/config.txt (or by raspi-config), 1-Wire by dtoverlay=w1-gpio; whoever runs\n\
             # this must be in the group i2c. This machine itself can always be read:\n"
        )?;
    }
    writeln!(out, "[[sensor]]\nname = \"host\"\nkind = \"host\"")?;
    for one in found {
        let says = said(&one.says);
        writeln!(
            out,
            "\n# says now: {says}\n[[sensor]]\nname = \"{}\"\nkind = \"{}\"\ndevice = \"{}\"",
            one.name(),
            one.kind,
            one.device
        )?;
    }
    for one in chips {
        let (bus, address) = (one.bus, one.address);
        writeln!(out, "\n# I2C bus {bus}, address {address:#04x}: {}", one.probably)?;
        let Some(kind) = one.kind else { continue };
        if let Some(says) = &one.says {
            writeln!(out, "# says now: {}", said(says))?;
        }
        writeln!(
            out,
            "[[sensor]]\nname = \"{kind}-{address:02x}\"\nkind = \"{kind}\"\nbus = {bus}\naddress = {address:#04x}"
        )?;
        if kind == "ads1115" {
            writeln!(out, "channels = [{{ input = 0 }}]")?;
        }
    }
    Ok(())
}

fn said(says: &Result<Measurements, Fault>) -> String {
    match says {
        Ok(values) => {
            let one = |one: &Measurement| format!("{} {} {}", one.quantity, one.value, one.unit);
            values.as_slice().iter().map(one).collect::<Vec<_>>().join(", ")
        }
        Err(fault) => format!("nothing: {fault}"),
    }
}
