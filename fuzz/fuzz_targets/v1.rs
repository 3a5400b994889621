//! Version 1: every row is a reading or a refusal that can be sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_schema::wire::v1::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    let Ok(decoded) = decode(bytes) else { return };
    assert!(decoded.readings.len() + decoded.refused.len() > 0);
    for refused in &decoded.refused {
        let again =
            decode(refused.message.as_bytes()).expect("a refused row is a message by itself");
        assert_eq!(again.refused.len(), 1);
        assert_eq!(again.refused[0].error.code(), refused.error.code());
    }
    for reading in &decoded.readings {
        let alone = std::slice::from_ref(reading);
        let Ok(Some(message)) = encode(&decoded.device, &decoded.boot, decoded.clock, alone) else {
            panic!("{reading:?} fits into no message");
        };
        assert_eq!(decode(&message).expect("our own message").readings, alone);
    }
});
