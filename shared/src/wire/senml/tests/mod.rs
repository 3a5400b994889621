//! The examples of RFC 8428, what is refused, and properties.

mod golden;
mod properties;

use super::*;

/// 2026-11-23T17:48:35.802Z
const NOW: i64 = 1_795_456_115_802;

fn now() -> UnixMillis {
    UnixMillis::new(NOW).unwrap()
}

/// The bytes of a golden file; those of one in hexadecimal digits are what these say.
fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/golden/senml/{name}", env!("CARGO_MANIFEST_DIR"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    if !name.ends_with(".hex") {
        return bytes;
    }
    let text = String::from_utf8(bytes).unwrap();
    text.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Samples as lines: `sensor time quantity=value unit …`.
fn lines(decoded: &Decoded) -> Vec<String> {
    let line = |sample: &crate::wire::foreign::Sample| {
        let values = sample.values.iter().map(|one| {
            let unit = one.unit.map_or(String::new(), |unit| format!(" {unit}"));
            format!(" {}={}{unit}", one.quantity, one.value)
        });
        format!("{} {}{}", sample.sensor, sample.at, values.collect::<String>())
    };
    decoded.samples.iter().map(line).collect()
}

/// What was refused as lines: `code sensor message`.
fn refusals(decoded: &Decoded) -> Vec<String> {
    let line = |one: &crate::wire::foreign::Refused| {
        let message = std::str::from_utf8(&one.message).unwrap();
        format!("{} {} {message}", one.error.code(), one.sensor.as_deref().unwrap_or("-"))
    };
    decoded.refused.iter().map(line).collect()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}
