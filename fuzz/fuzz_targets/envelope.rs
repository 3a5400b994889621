//! Whatever invokes the function is taken apart, or named.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_ingest::source;

fuzz_target!(|bytes: &[u8]| {
    let Ok(event) = std::str::from_utf8(bytes) else { return };
    match source::read(event) {
        Ok((_, deliveries)) => assert!(!deliveries.is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
