//! SenML in JSON: every record is in a sample or a refusal, and each of them stands alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tidings_schema::UnixMillis;
use tidings_schema::wire::senml::decode_json;

fuzz_target!(|bytes: &[u8]| {
    let now = UnixMillis::new(1_795_456_115_802).expect("a time");
    let Ok(decoded) = decode_json(bytes, now) else { return };
    assert!(decoded.samples.len() + decoded.refused.len() > 0);
    for sample in &decoded.samples {
        // Alone it is in JSON, whatever it came in, and has no times relative to now.
        let again = decode_json(&sample.alone, UnixMillis::MAX).expect("a sample stands alone");
        assert_eq!(
            (again.samples.as_slice(), again.refused.len()),
            (std::slice::from_ref(sample), 0)
        );
    }
    for refused in &decoded.refused {
        decode_json(&refused.message, now).expect("a refusal can be sent again");
    }
});
