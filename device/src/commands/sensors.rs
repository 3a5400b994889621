//! `sensors`: what is wired, what it says now, and a configuration to paste.

use std::io::Write as _;
use std::path::Path;

use super::Failure;
use crate::sensors::scan::scan;

pub(crate) fn sensors() -> Result<(), Failure> {
    let found = scan(Path::new("/"));
    let mut out = std::io::stdout().lock();
    if found.is_empty() {
        writeln!(
            out,
            "# The kernel knows no sensor on its buses. On a Raspberry Pi a chip is made known in\n\
             # /boot/firmware/config.txt, for example dtoverlay=i2c-sensor,bme280 or\n\
             # dtoverlay=w1-gpio. This machine itself can always be read:\n"
        )?;
    }
    writeln!(out, "[[sensor]]\nname = \"host\"\nkind = \"host\"")?;
    for one in found {
        let says = match &one.says {
            Ok(values) => {
                let list: Vec<String> = values
                    .as_slice()
                    .iter()
                    .map(|one| format!("{} {} {}", one.quantity, one.value, one.unit))
                    .collect();
                list.join(", ")
            }
            Err(fault) => format!("nothing: {fault}"),
        };
        writeln!(
            out,
            "\n# says now: {says}\n[[sensor]]\nname = \"{}\"\nkind = \"{}\"\ndevice = \"{}\"",
            one.name(),
            one.kind,
            one.device
        )?;
    }
    Ok(())
}
